// LinuxProvidedBuffers: ProvidedBuffers over a buffer ring that is registered with io_uring; and
// one buffer besides, the eager one, which is never in the kernel's ring. EagerReceives uses the
// eager buffer for all its receives, one after the other, so that this buffer stays in the cache.
//
// Owner: whoever called Ring::provide_buffers(). The buffers are destroyed after the last receive
// into them has ended, and before the ring. Thread: the ring's. Invariant: each buffer is either in
// the kernel's ring or marked as taken; the eager buffer is either free or marked as taken.
#pragma once

#include <liburing.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "env/ring.h"

namespace capsuled::env {

class LinuxProvidedBuffers final : public ProvidedBuffers {
 public:
  static Result<std::unique_ptr<ProvidedBuffers>> create(io_uring& ring, uint16_t group,
                                                         uint32_t buffer_bytes, uint32_t count);
  ~LinuxProvidedBuffers() override;
  LinuxProvidedBuffers(const LinuxProvidedBuffers&) = delete;
  LinuxProvidedBuffers& operator=(const LinuxProvidedBuffers&) = delete;

  std::byte* at(uint16_t index) override;
  void recycle(uint16_t index) override;
  uint32_t buffer_bytes() const override { return buffer_bytes_; }
  uint32_t count() const override { return count_; }
  uint32_t taken() const override { return taken_count_; }

  uint16_t group() const { return group_; }
  /// For the ring alone: a completion names this buffer, so the kernel has it no more.
  void take(uint16_t index);
  /// The eager buffer: count() does not include it.
  uint16_t eager_index() const { return static_cast<uint16_t>(count_); }
  uint32_t eager_bytes() const { return std::max(buffer_bytes_, kEagerBytes); }
  bool eager_taken() const { return taken_[count_]; }

 private:
  /// A larger buffer takes more commands in one system call, but does not stay in the nearest
  /// caches.
  static constexpr uint32_t kEagerBytes = 256 * 1024;

  LinuxProvidedBuffers(io_uring& ring, uint16_t group, uint32_t buffer_bytes, uint32_t count);
  void give(uint16_t index);
  size_t ring_bytes() const { return ring_entries_ * sizeof(io_uring_buf); }
  size_t memory_bytes() const { return size_t{buffer_bytes_} * count_ + eager_bytes(); }

  io_uring& ring_;
  const uint16_t group_;
  const uint32_t buffer_bytes_;
  const uint32_t count_;
  const uint32_t ring_entries_;  ///< `count_` rounded up to a power of two
  uint32_t taken_count_ = 0;
  bool registered_ = false;
  std::vector<bool> taken_;
  io_uring_buf_ring* buffer_ring_ = nullptr;
  std::byte* memory_ = nullptr;
};

}  // namespace capsuled::env
