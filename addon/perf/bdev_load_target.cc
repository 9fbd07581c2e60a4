#include "perf/bdev_load_target.h"

#include <atomic>
#include <utility>

#include "base/assert.h"
#include "bdev/bdev_kinds.h"
#include "bdev/reactor_channels.h"
#include "env/memory_registry.h"
#include "perf/bdev_qpair.h"
#include "perf/local_load_path.h"
#include "reactor/run_on.h"

namespace capsuled::perf {

// ---- A worker's part ---------------------------------------------------------------------------

class BdevLoadTarget::Path final : public LocalLoadPath {
 public:
  Path(const LoadShare& share, uint32_t queue_depth, std::shared_ptr<BdevEntry> entry)
      : LocalLoadPath(*share.reactor), entry_(std::move(entry)) {
    for (uint32_t index = 0; index < share.qpairs; ++index) {
      qpairs_.push_back(std::make_unique<BdevQpair>(queue_depth));
    }
    const Bdev& bdev = *entry_->bdev;
    facts_.block_bytes = bdev.facts().block_size;
    facts_.block_count = bdev.block_count();
    // More never comes from a host, so no kind must be able to take it.
    facts_.transfer_bytes_max = kTransferBytesMax;
  }

  void let_go() override { ReactorChannels::of(reactor()).let_go(); }
  const nvme::NamespaceFacts& facts() const override { return facts_; }
  uint32_t qpair_count() const override { return static_cast<uint32_t>(qpairs_.size()); }
  nvme::Qpair& qpair(uint32_t index) override { return *qpairs_[index]; }

 private:
  void attach() override {
    channel_ = CoreChannel::acquire(reactor(), entry_);
    for (const auto& qpair : qpairs_) qpair->set_channel(channel_);
  }
  void detach() override {
    for (const auto& qpair : qpairs_) qpair->set_channel(nullptr);
    std::exchange(channel_, nullptr)->release();
  }

  const std::shared_ptr<BdevEntry> entry_;
  nvme::NamespaceFacts facts_;
  std::vector<std::unique_ptr<BdevQpair>> qpairs_;
  CoreChannel* channel_ = nullptr;
};

// ---- Opening -----------------------------------------------------------------------------------

namespace {

/// Reads what a factory wants to know of its base, on a reactor; waits for it.
void provide(Reactor& reactor, BaseReads& reads) {
  struct Read {
    BdevIo io;
    iovec data = {};
    CoreChannel* channel = nullptr;
    std::atomic<bool> done = false;
  } read;
  const BaseReads::Wanted wanted = *reads.wanted();
  const std::shared_ptr<BdevEntry>& entry = wanted.base->entry();
  const size_t bytes = wanted.count_blocks * entry->bdev->facts().block_size;
  // Direct I/O wants whole pages, and a drive memory that it reaches.
  auto memory = reactor.env().allocate(bytes, env::HugePages::Never);
  if (!memory.ok()) return reads.fail(BdevStatus::Failed);
  std::byte* const base = memory.value()->base();
  const env::ReachableMemory reachable(reactor.env().memory(), {base, memory.value()->bytes()});
  read.data = {base, bytes};
  read.io.type = BdevIoType::Read;
  read.io.offset_blocks = wanted.first_block;
  read.io.count_blocks = wanted.count_blocks;
  read.io.iov = &read.data;
  read.io.iov_count = 1;
  read.io.user = &read;
  read.io.complete = [](BdevIo& io) {
    auto& self = *static_cast<Read*>(io.user);
    self.channel->release();
    // Release: what was read comes before it, and so does the last use of `read`.
    self.done.store(true, std::memory_order_release);
  };
  run_on(reactor, [&] {
    read.channel = CoreChannel::acquire(reactor, entry);
    read.channel->submit(read.io);
  });
  // Acquire: see above.
  while (!read.done.load(std::memory_order_acquire)) reactor.env().yield();
  if (read.io.status != BdevStatus::Success) return reads.fail(read.io.status);
  reads.provide(std::vector<std::byte>(base, base + bytes));
}

}  // namespace

BdevLoadTarget::BdevLoadTarget(std::vector<BdevParameters> bdevs) : bdevs_(std::move(bdevs)) {
  ASSERT(!bdevs_.empty());
}

BdevLoadTarget::~BdevLoadTarget() {
  ASSERT_MSG(names_.empty(), "a target destroyed with its bdevs open");
}

/// Calls the factory again until it has read what it wants.
BdevResult BdevLoadTarget::make(const BdevParameters& parameters) {
  BaseReads reads;
  BdevContext context{.env = reactors_[0]->env(), .reactors = reactors_, .reads = &reads};
  if (top_ != nullptr) context.bases.emplace(names_.back(), top_);
  while (true) {
    BdevResult made = make_bdev(context, parameters);
    if (!reads.wanted().has_value()) return made;
    provide(*reactors_[0], reads);
  }
}

std::string BdevLoadTarget::open(const LoadPlan& plan) {
  for (const LoadShare& share : plan.workers) reactors_.push_back(share.reactor);
  registry_ = std::make_unique<BdevRegistry>(static_cast<uint32_t>(reactors_.size()));
  for (const BdevParameters& parameters : bdevs_) {
    BdevResult made = make(parameters);
    if (!made.ok()) {
      const BdevError& error = made.error();
      close();
      const bool is_named = error.message.find("`" + error.field + "`") != std::string::npos;
      return error.field.empty() || is_named ? error.message : error.field + ": " + error.message;
    }
    const Result<void> added = registry_->add(std::move(made).value());
    ASSERT_MSG(added.ok(), "bdevs of one name, or two that stand on one");
    names_.push_back(parameters.name());
    top_ = registry_->open(names_.back()).value();
  }
  for (const LoadShare& share : plan.workers) {
    paths_.push_back(std::make_unique<Path>(share, plan.queue_depth, top_->entry()));
  }
  return "";
}

LoadPath& BdevLoadTarget::path(uint32_t worker) { return *paths_[worker]; }

void BdevLoadTarget::close() {
  top_.reset();
  for (; !names_.empty(); names_.pop_back()) {
    // Not before its channels were released, and those above it destroyed: so it is free.
    std::unique_ptr<Bdev> bdev = registry_->take(names_.back()).value();
    bdev.reset();
  }
}

}  // namespace capsuled::perf
