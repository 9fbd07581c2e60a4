#include "bdev/malloc/malloc_bdev.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <map>
#include <mutex>
#include <utility>

#include "bdev/bdev_geometry.h"
#include "bdev/malloc/malloc_disk.h"
#include "reactor/reactor.h"

namespace capsuled {

namespace {

/// At most so much for one Unmap or WriteZeroes: the reactor waits while the kernel takes the pages
/// back, which takes about 0.1 ms for 1 MiB of used pages.
constexpr uint64_t kZeroBytesMax = uint64_t{1024} * 1024;
/// So many bytes of whole pages may be lent by one reactor at a time. Each reactor therefore brings
/// as many bytes of spare pages, which are mere address space until they are used.
constexpr uint32_t kLoanBytesMax = uint32_t{32} << 20;

/// The loans of one reactor, through whichever of the reactor's channels they went. A lender
/// outlives the bdev while some of its loans are out. It has cache lines of its own, because the
/// reactor writes it with each loan. Thread: the reactor's, except for release().
class alignas(64) MallocLender final : public BdevLender {
 public:
  explicit MallocLender(std::shared_ptr<MallocDisk> disk)
      : disk_(std::move(disk)),
        loans_max_(kLoanBytesMax / static_cast<uint32_t>(disk_->page_bytes())) {}

  bool lend(BdevIo& io) {
    if (loans_ + disk_->page_count(io) > loans_max_) return false;
    const uint32_t pages = disk_->lend(io);
    if (pages == 0) return false;
    // Relaxed: the bdev still holds this lender, so the count cannot fall to 0 here.
    if (loans_ == 0) holders_.fetch_add(1, std::memory_order_relaxed);
    loans_ += pages;
    io.lender = this;
    return true;
  }
  void give_back(BdevIo& io) override {
    ASSERT(io.lender == this);
    io.lender = nullptr;
    const uint32_t pages = disk_->give_back(io);
    ASSERT(pages <= loans_);
    loans_ -= pages;
    if (loans_ == 0) release();
  }
  /// The bdev has gone, or the last loan has. Any thread.
  void release() {
    // Whoever comes last destroys the lender. Release: what we did with the lender comes before
    // that. Acquire: what the other holder did with the lender comes before that, too.
    if (holders_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

 private:
  const std::shared_ptr<MallocDisk> disk_;
  const uint32_t loans_max_;           ///< pages
  uint32_t loans_ = 0;                 ///< pages
  std::atomic<uint32_t> holders_ = 1;  ///< one for the bdev, and one for all loans together
};

class MallocChannel final : public BdevChannel {
 public:
  MallocChannel(MallocDisk& disk, MallocLender& lender) : disk_(disk), lender_(lender) {}

  void submit(BdevIo& io) override {
    bdev_complete(io, io.lent ? BdevStatus::Success : disk_.run(io));
  }
  bool lend(BdevIo& io) override { return lender_.lend(io); }

 private:
  MallocDisk& disk_;
  MallocLender& lender_;
};

class MallocBdev final : public Bdev {
 public:
  MallocBdev(BdevFacts facts, std::shared_ptr<MallocDisk> disk, uint32_t reactor_count)
      : Bdev(std::move(facts)), disk_(std::move(disk)), reactor_count_(reactor_count) {}
  ~MallocBdev() override {
    for (const auto& [reactor, lender] : lenders_) lender->release();
  }

  std::unique_ptr<BdevChannel> make_channel(Reactor& reactor) override {
    const std::lock_guard lock(mutex_);
    MallocLender*& lender = lenders_[&reactor];
    if (lender == nullptr) lender = new MallocLender(disk_);
    ASSERT_MSG(lenders_.size() <= reactor_count_, "more reactors than a malloc bdev was made for");
    return std::make_unique<MallocChannel>(*disk_, *lender);
  }

 private:
  const std::shared_ptr<MallocDisk> disk_;
  const uint32_t reactor_count_;
  std::mutex mutex_;
  std::map<const Reactor*, MallocLender*> lenders_;
};

}  // namespace

BdevResult make_malloc_bdev(env::Env& env, const MallocBdevOptions& options) {
  if (auto error = check_geometry(options.bytes, options.block_size)) return *std::move(error);
  const uint32_t page_bytes = std::max(MallocDisk::kPageBytes, options.block_size);
  const uint32_t spares = options.reactor_count * (kLoanBytesMax / page_bytes);
  const uint64_t pages = (options.bytes + page_bytes - 1) / page_bytes;
  auto made = DiskPages::create(env, pages, page_bytes, spares);
  if (!made.ok()) {
    return BdevError{made.error().errnum, "size",
                     "cannot map " + std::to_string(options.bytes) + " bytes of memory: " +
                         made.error().message() + "; use a smaller `size` or a `uring` bdev"};
  }
  BdevFacts facts;
  facts.name = options.name;
  facts.kind = "malloc";
  facts.block_size = options.block_size;
  facts.block_count = options.bytes / options.block_size;
  facts.zero_blocks_max = kZeroBytesMax / options.block_size;
  facts.unmap_blocks_max = facts.zero_blocks_max;
  facts.can_unmap = true;
  facts.unmap_zeroes = true;
  facts.can_write_zeroes = true;
  facts.can_compare = true;
  facts.lends_reads = true;
  facts.takes_data_at_once = true;
  auto disk = std::make_shared<MallocDisk>(std::move(made).value(), options.block_size,
                                           options.reactor_count == 1);
  return std::unique_ptr<Bdev>(
      std::make_unique<MallocBdev>(std::move(facts), std::move(disk), options.reactor_count));
}

const BdevKind kMallocKind{
    "malloc", [](const BdevContext& context, BdevParameters& parameters) -> BdevResult {
      const MallocBdevOptions options{
          .name = parameters.name(),
          .bytes = parameters.number("size"),
          .block_size = parameters.small_number("block_size", kBlockSizeMin),
          .reactor_count = context.reactor_count()};
      if (auto error = parameters.error()) return *std::move(error);
      return make_malloc_bdev(context.env, options);
    }};

}  // namespace capsuled
