#include "bdev/malloc/malloc_bdev.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>

#include "bdev/bdev_geometry.h"
#include "bdev/malloc/block_locks.h"
#include "bdev/malloc/disk_memory.h"

namespace capsuled {

namespace {

constexpr uint64_t kPageBytes = 4096;
/// Zeroing at least this much gives the pages back instead; below, the system call costs more than
/// it saves.
constexpr uint64_t kDiscardBytesMin = uint64_t{64} * 1024;
/// One Unmap or WriteZeroes: giving back 1 MiB of used pages takes about 0.1 ms, and the loop waits
/// for it.
constexpr uint64_t kZeroBytesMax = uint64_t{1024} * 1024;

class MallocBdev final : public Bdev {
 public:
  MallocBdev(BdevFacts facts, std::unique_ptr<env::Region> region, uint32_t reactor_count)
      : Bdev(std::move(facts)),
        region_(std::move(region)),
        unit_bytes_(std::max<uint64_t>(kPageBytes, this->facts().block_size)),
        locks_(reactor_count == 1 ? nullptr : std::make_unique<BlockLocks>()) {}

  std::unique_ptr<BdevChannel> make_channel(Reactor& reactor) override;

  BdevStatus run(BdevIo& io) {
    const uint32_t block_size = facts().block_size;
    const uint64_t offset = io.offset_blocks * block_size;
    const uint64_t length = io.count_blocks * block_size;
    IovCursor data(io.iov, io.iov_count);
    bool equal = true;
    switch (io.type) {
      case BdevIoType::Read:
        each_unit(offset, length, [&](std::byte* at, size_t bytes) {
          data.walk(bytes, [&](std::byte* to, size_t stretch) {
            copy_from_disk(to, at, stretch);
            at += stretch;
          });
        });
        break;
      case BdevIoType::Write:
        each_unit(offset, length, [&](std::byte* at, size_t bytes) {
          data.walk(bytes, [&](const std::byte* from, size_t stretch) {
            copy_to_disk(at, from, stretch);
            at += stretch;
          });
        });
        break;
      case BdevIoType::Compare:
        each_unit(offset, length, [&](const std::byte* at, size_t bytes) {
          data.walk(bytes, [&](const std::byte* wanted, size_t stretch) {
            equal = equal && std::memcmp(at, wanted, stretch) == 0;
            at += stretch;
          });
        });
        return equal ? BdevStatus::Success : BdevStatus::Miscompare;
      case BdevIoType::Unmap:
      case BdevIoType::WriteZeroes: zero(offset, length); break;
      case BdevIoType::Flush: break;
    }
    return BdevStatus::Success;
  }

  /// The first page; the copy itself fetches those behind it.
  void prefetch(const BdevIo& io) const {
    const uint32_t block_size = facts().block_size;
    prefetch_disk(region_->base() + io.offset_blocks * block_size,
                  std::min(io.count_blocks * block_size, kPageBytes));
  }

 private:
  /// Calls `visit(std::byte* at, size_t bytes)` for the range, unit by unit with the unit's lock
  /// held; all at once when there is one reactor.
  template <typename Visit>
  void each_unit(uint64_t offset, uint64_t length, Visit visit) {
    if (locks_ == nullptr) return visit(region_->base() + offset, length);
    while (length > 0) {
      const uint64_t unit = offset / unit_bytes_;
      const uint64_t bytes = std::min(length, (unit + 1) * unit_bytes_ - offset);
      SpinLock& lock = locks_->of_unit(unit);
      lock.lock();
      visit(region_->base() + offset, bytes);
      lock.unlock();
      offset += bytes;
      length -= bytes;
    }
  }

  void clear(uint64_t offset, uint64_t length) {
    each_unit(offset, length, [](std::byte* at, size_t bytes) { std::memset(at, 0, bytes); });
  }

  void zero(uint64_t offset, uint64_t length) {
    const uint64_t end = offset + length;
    const uint64_t first_unit = (offset + unit_bytes_ - 1) / unit_bytes_;
    const uint64_t end_unit = end / unit_bytes_;
    if (length < kDiscardBytesMin || !discard(first_unit, end_unit)) return clear(offset, length);
    clear(offset, first_unit * unit_bytes_ - offset);
    clear(end_unit * unit_bytes_, end - end_unit * unit_bytes_);
  }

  /// Gives whole units back to the machine. False: it cannot; nothing changed.
  bool discard(uint64_t first_unit, uint64_t end_unit) {
    const uint64_t count = end_unit - first_unit;
    if (locks_ != nullptr) locks_->lock_range(first_unit, count);
    const bool done = region_->discard(first_unit * unit_bytes_, count * unit_bytes_);
    if (locks_ != nullptr) locks_->unlock_range(first_unit, count);
    return done;
  }

  const std::unique_ptr<env::Region> region_;
  const uint64_t unit_bytes_;  ///< what one lock covers; whole pages and whole blocks
  const std::unique_ptr<BlockLocks> locks_;
  std::atomic<const Reactor*> only_reactor_ = nullptr;
};

class MallocChannel final : public BdevChannel {
 public:
  explicit MallocChannel(MallocBdev& bdev) : bdev_(bdev) {}
  void submit(BdevIo& io) override {
    // What is read lies in far memory, which many can be fetched from at once.
    if (io.type == BdevIoType::Read) return bdev_put_off(io);
    bdev_complete(io, bdev_.run(io));
  }
  BdevStatus run(BdevIo& io) override { return bdev_.run(io); }
  void prefetch(const BdevIo& io) override { bdev_.prefetch(io); }

 private:
  MallocBdev& bdev_;
};

std::unique_ptr<BdevChannel> MallocBdev::make_channel(Reactor& reactor) {
  if (locks_ == nullptr) {
    const Reactor* seen = nullptr;
    // Relaxed: a check of our own promise; it orders nothing.
    const bool first =
        only_reactor_.compare_exchange_strong(seen, &reactor, std::memory_order_relaxed);
    ASSERT_MSG(first || seen == &reactor, "a second reactor on a malloc bdev made for one");
  }
  return std::make_unique<MallocChannel>(*this);
}

}  // namespace

BdevResult make_malloc_bdev(env::Env& env, const MallocBdevOptions& options) {
  if (auto error = check_geometry(options.bytes, options.block_size)) return *std::move(error);
  // No huge pages: a disk is written in places, and one written block must not cost 2 MiB.
  auto region = env.allocate(options.bytes, env::HugePages::Never);
  if (!region.ok()) {
    return BdevError{region.error().errnum, "size",
                     "cannot map " + std::to_string(options.bytes) + " bytes of memory: " +
                         region.error().message() + "; use a smaller `size` or a `uring` bdev"};
  }
  BdevFacts facts;
  facts.name = options.name;
  facts.kind = "malloc";
  facts.block_size = options.block_size;
  facts.block_count = options.bytes / options.block_size;
  facts.zero_blocks_max = kZeroBytesMax / options.block_size;
  facts.can_unmap = true;
  facts.can_write_zeroes = true;
  facts.can_compare = true;
  facts.takes_data_at_once = true;
  return std::unique_ptr<Bdev>(std::make_unique<MallocBdev>(
      std::move(facts), std::move(region).value(), options.reactor_count));
}

}  // namespace capsuled
