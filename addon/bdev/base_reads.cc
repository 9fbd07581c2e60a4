#include "bdev/base_reads.h"

#include <cerrno>
#include <utility>

#include "bdev/bdev_registry.h"
#include "bdev/bdev_status.h"

namespace capsuled {

namespace {

const std::string& name_of(const BaseReads::Wanted& wanted) {
  return wanted.base->entry()->bdev->facts().name;
}

}  // namespace

const std::vector<std::byte>* BaseReads::blocks(const std::shared_ptr<BdevDesc>& base,
                                                uint64_t first_block, uint64_t count_blocks) {
  const BdevFacts& facts = base->entry()->bdev->facts();
  const uint64_t block_count = base->entry()->bdev->block_count();
  ASSERT(count_blocks > 0 && count_blocks <= block_count);
  ASSERT(first_block <= block_count - count_blocks);
  const auto found = known_.find({facts.name, first_block, count_blocks});
  if (found != known_.end()) return &found->second;
  if (failed_.has_value()) return nullptr;
  ASSERT_MSG(known_bytes_ + count_blocks * facts.block_size <= kBaseReadBytesMax,
             "a factory reads more of its base than it may");
  wanted_ = {base, first_block, count_blocks};
  return nullptr;
}

BdevError BaseReads::error() const {
  if (failed_.has_value()) return *failed_;
  ASSERT(wanted_.has_value());
  return {EAGAIN, "base", "expected blocks of " + name_of(*wanted_) + " that are not read yet"};
}

void BaseReads::provide(std::vector<std::byte> bytes) {
  ASSERT(wanted_.has_value());
  const Wanted wanted = *std::exchange(wanted_, std::nullopt);
  ASSERT(bytes.size() == wanted.count_blocks * wanted.base->entry()->bdev->facts().block_size);
  known_bytes_ += bytes.size();
  known_[{name_of(wanted), wanted.first_block, wanted.count_blocks}] = std::move(bytes);
}

void BaseReads::fail(BdevStatus status) {
  ASSERT(wanted_.has_value());
  const Wanted wanted = *std::exchange(wanted_, std::nullopt);
  const uint64_t last_block = wanted.first_block + wanted.count_blocks - 1;
  failed_ = BdevError{EIO, "base",
                      "expected to read the blocks " + std::to_string(wanted.first_block) + " to " +
                          std::to_string(last_block) + " of " + name_of(wanted) + ", got " +
                          bdev_status_text(status)};
}

}  // namespace capsuled
