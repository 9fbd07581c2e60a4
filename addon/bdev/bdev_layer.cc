#include "bdev/bdev_layer.h"

#include <utility>

#include "base/assert.h"
#include "bdev/core_channel.h"

namespace capsuled {

std::shared_ptr<BdevDesc> base_of(const BdevContext& context, BdevParameters& parameters,
                                  const std::string& key) {
  const std::string name = parameters.text(key);
  const auto found = context.bases.find(name);
  if (found != context.bases.end()) return found->second;
  parameters.refuse(key, "expected the name of a bdev for `" + key + "`, got \"" + name + "\"");
  return nullptr;
}

BdevFacts layer_facts(const BdevFacts& base, std::string name, std::string kind,
                      uint64_t first_block, uint64_t block_count) {
  BdevFacts facts;
  facts.name = std::move(name);
  facts.kind = std::move(kind);
  facts.block_size = base.block_size;
  facts.block_count = block_count;
  facts.buffer_alignment = base.buffer_alignment;
  const uint32_t optimal = base.optimal_write_blocks;
  facts.optimal_write_blocks = optimal != 0 && first_block % optimal == 0 ? optimal : 0;
  facts.read_only = base.read_only;
  facts.can_unmap = base.can_unmap;
  facts.unmap_zeroes = base.unmap_zeroes;
  facts.can_write_zeroes = true;
  facts.can_compare = true;
  facts.volatile_cache = base.volatile_cache;
  facts.has_device = base.has_device;
  facts.lends_reads = base.lends_reads;
  facts.takes_data_at_once = base.takes_data_at_once;
  facts.first_block = first_block;
  return facts;
}

LayerChannel::LayerChannel(Reactor& reactor, const std::shared_ptr<BdevEntry>& base,
                           uint64_t first_block)
    : base_(*CoreChannel::acquire(reactor, base)), first_block_(first_block) {}

LayerChannel::~LayerChannel() { base_.release(); }

void LayerChannel::submit(BdevIo& io) { base_.forward(io, first_block_ + io.offset_blocks); }

BdevLoan LayerChannel::lends_as() {
  const BdevLoan& below = base_.loan();
  return {below.lender, below.first_block + first_block_};
}

bool LayerChannel::may_keep() const { return base_.may_keep(); }

bool LayerChannel::base_hangs() const { return base_.hangs(); }

bool LayerChannel::base_is_limited() const { return base_.is_limited(); }

void LayerChannel::refresh() { base_.refresh(); }

LayerBdev::LayerBdev(BdevFacts facts, const std::shared_ptr<BdevDesc>& base, BdevAccess access)
    : Bdev(std::move(facts), {{base, {access}}}), base_(base->entry()) {}

uint64_t LayerBdev::bytes_found() const { return base_->bdev->block_count() * facts().block_size; }

RangeBdev::RangeBdev(BdevFacts facts, const BdevBase& base, End end)
    : Bdev(std::move(facts), {base}), base_(base.desc->entry()), end_(end) {
  ASSERT(this->facts().first_block == base.claim.first_block);
  ASSERT(this->facts().block_count == base.claim.end_block - base.claim.first_block);
}

uint64_t RangeBdev::bytes_found() const {
  if (end_ == End::Fixed) return Bdev::bytes_found();
  return (base_->bdev->block_count() - facts().first_block) * facts().block_size;
}

std::unique_ptr<BdevChannel> RangeBdev::make_channel(Reactor& reactor) {
  return std::make_unique<PassingChannel>(reactor, base_, facts().first_block);
}

}  // namespace capsuled
