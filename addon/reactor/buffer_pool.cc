#include "reactor/buffer_pool.h"

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "base/poison.h"

namespace capsuled {
namespace {

/// One of so many buffers is a spare one.
constexpr uint32_t kSparePart = 16;

/// Equal buffers, one behind the other, and which of them are free.
template <uint32_t kBytes>
class BufferClass {
 public:
  BufferClass(std::byte* base, uint32_t count, uint64_t& free_stat, uint64_t& used_stat)
      : base_(base),
        count_(count),
        free_count_(count),
        free_stat_(free_stat),
        used_stat_(used_stat),
        free_(count),
        taken_(count, 0) {
    for (uint32_t index = 0; index < count; ++index) free_[index] = count - 1 - index;
    publish();
  }
  ~BufferClass() { unpoison(base_, size_t{kBytes} * count_); }
  BufferClass(const BufferClass&) = delete;
  BufferClass& operator=(const BufferClass&) = delete;

  uint32_t free_count() const { return free_count_; }
  uint32_t spare_count() const { return count_ / kSparePart; }
  uint32_t count() const { return count_; }
  bool all_free() const { return free_count_ == count_; }

  bool contains(const std::byte* address) const {
    return address >= base_ && address < base_ + size_t{kBytes} * count_;
  }

  std::byte* get() {
    ASSERT(free_count_ > 0);
    const uint32_t index = free_[--free_count_];
    taken_[index] = 1;
    publish();
    std::byte* const buffer = base_ + size_t{index} * kBytes;
    unpoison(buffer, kBytes);
    return buffer;
  }

  void put(const std::byte* address) {
    const auto distance = static_cast<size_t>(address - base_);
    ASSERT_MSG(distance % kBytes == 0, "not the start of a buffer");
    const auto index = static_cast<uint32_t>(distance / kBytes);
    ASSERT_MSG(taken_[index] != 0, "a buffer given back twice");
    taken_[index] = 0;
    free_[free_count_++] = index;
    poison(address, kBytes);
    publish();
  }

 private:
  void publish() {
    set_stat(free_stat_, free_count_);
    set_stat(used_stat_, count_ - free_count_);
  }

  std::byte* const base_;
  const uint32_t count_;
  uint32_t free_count_;
  uint64_t& free_stat_;
  uint64_t& used_stat_;
  std::vector<uint32_t> free_;  // the first `free_count_`: a stack, the last one used is the next
  std::vector<uint8_t> taken_;  // by index: 1 or 0
};

uint32_t large_buffers_of(uint32_t bytes) {
  return (bytes + kLargeBufferBytes - 1) / kLargeBufferBytes;
}

void check_size(uint32_t bytes) { ASSERT(bytes > 0 && bytes <= kTransferBytesMax); }

}  // namespace

struct BufferPool::Impl {
  Impl(env::MemoryRegistry& registry, std::unique_ptr<env::Region> memory, uint32_t small_count,
       uint32_t large_count, ReactorStats& reactor_stats)
      : region(std::move(memory)),
        reachable(registry, {region->base(), region->bytes()}),
        stats(reactor_stats),
        small(region->base(), small_count, stats.small_buffers_free, stats.small_buffers_used),
        large(region->base() + size_t{small_count} * kSmallBufferBytes, large_count,
              stats.large_buffers_free, stats.large_buffers_used) {}

  bool can_get(uint32_t bytes) const {
    if (bytes <= kSmallBufferBytes) return small.free_count() > 0;
    return large.free_count() >= large_buffers_of(bytes);
  }

  void get(uint32_t bytes, IoBuffers& buffers) {
    ASSERT_MSG(buffers.count == 0, "would overwrite buffers");
    buffers.bytes = bytes;
    if (bytes <= kSmallBufferBytes) {
      buffers.iov[0] = iovec{small.get(), bytes};
      buffers.count = 1;
      return;
    }
    buffers.count = large_buffers_of(bytes);
    uint32_t left = bytes;
    for (uint32_t index = 0; index < buffers.count; ++index) {
      const uint32_t length = std::min(left, kLargeBufferBytes);
      buffers.iov[index] = iovec{large.get(), length};
      left -= length;
    }
    ASSERT(left == 0);
  }

  std::unique_ptr<env::Region> region;
  env::ReachableMemory reachable;
  ReactorStats& stats;
  BufferClass<kSmallBufferBytes> small;
  BufferClass<kLargeBufferBytes> large;
  uint32_t small_spares_used = 0;
  uint32_t large_spares_used = 0;
};

Result<std::unique_ptr<BufferPool>> BufferPool::create(env::Env& env, uint64_t memory_bytes,
                                                       env::HugePages huge_pages,
                                                       ReactorStats& stats) {
  if (memory_bytes < kBufferMemoryBytesMin) {
    return Error{EINVAL, "engine.memory is too small: expected at least 1536 KiB for each reactor"};
  }
  // Whole large buffers for the small ones' share too, so that the large ones behind are aligned.
  const uint64_t small_bytes = memory_bytes / 4 / kLargeBufferBytes * kLargeBufferBytes;
  const uint64_t large_count = (memory_bytes - small_bytes) / kLargeBufferBytes;
  if (large_count > UINT32_MAX / 2) return Error{EINVAL, "engine.memory is too large"};
  ASSERT(large_count >= kTransferBuffersMax);

  Result<std::unique_ptr<env::Region>> region =
      env.allocate(small_bytes + large_count * kLargeBufferBytes, huge_pages);
  if (!region.ok()) return region.error();
  auto impl = std::make_unique<Impl>(env.memory(), std::move(region).value(),
                                     static_cast<uint32_t>(small_bytes / kSmallBufferBytes),
                                     static_cast<uint32_t>(large_count), stats);
  return std::unique_ptr<BufferPool>(new BufferPool(std::move(impl)));
}

BufferPool::BufferPool(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

BufferPool::~BufferPool() {
  ASSERT_MSG(impl_->small.all_free() && impl_->large.all_free(),
             "a buffer pool destroyed with buffers in use");
}

bool BufferPool::try_get(uint32_t bytes, IoBuffers& buffers) {
  check_size(bytes);
  if (!impl_->can_get(bytes)) return false;
  impl_->get(bytes, buffers);
  return true;
}

void BufferPool::put(IoBuffers& buffers) {
  for (uint32_t index = 0; index < buffers.count; ++index) {
    const auto* const address = static_cast<const std::byte*>(buffers.iov[index].iov_base);
    if (impl_->small.contains(address)) {
      impl_->small.put(address);
    } else {
      ASSERT_MSG(impl_->large.contains(address), "not a buffer of this pool");
      impl_->large.put(address);
    }
    buffers.iov[index] = iovec{};
  }
  buffers.count = 0;
  buffers.bytes = 0;
}

bool BufferPool::try_get_spare(uint32_t bytes, IoBuffers& buffers, SpareHold& held) {
  check_size(bytes);
  const bool small = bytes <= kSmallBufferBytes;
  const uint32_t count = small ? 1 : large_buffers_of(bytes);
  uint32_t& used = small ? impl_->small_spares_used : impl_->large_spares_used;
  uint32_t& own = small ? held.small : held.large;
  const uint32_t left = (small ? impl_->small.spare_count() : impl_->large.spare_count()) - used;
  if (count > left || (own > 0 && own + count > left)) return false;
  if (!try_get(bytes, buffers)) return false;
  used += count;
  own += count;
  return true;
}

void BufferPool::put_spare(IoBuffers& buffers, SpareHold& held) {
  const bool small = buffers.bytes <= kSmallBufferBytes;
  uint32_t& used = small ? impl_->small_spares_used : impl_->large_spares_used;
  uint32_t& own = small ? held.small : held.large;
  ASSERT(own >= buffers.count && used >= own);
  used -= buffers.count;
  own -= buffers.count;
  put(buffers);
}

uint32_t BufferPool::small_for_transfers() const {
  return impl_->small.count() - impl_->small.spare_count();
}

uint32_t BufferPool::large_for_transfers() const {
  return impl_->large.count() - impl_->large.spare_count();
}

}  // namespace capsuled
