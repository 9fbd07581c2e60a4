// CompareBuffers: memory for the emulated Compare of one channel.
//
// It comes from the spare buffers of the reactor's pool as long as there are some. It must not wait
// there: a Compare holds pool buffers with the host's data already, and Compares that hold some and
// wait for more would wait for each other for ever. So each channel has one buffer of its own for
// when the spare ones are taken; whoever finds that taken too waits for it, and it always comes
// back, because its holder needs nothing else. Memory that is never used costs no RSS. Owner and
// thread: Pieces, on its reactor.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>

#include "bdev/bdev_geometry.h"
#include "reactor/buffer_pool.h"

namespace capsuled {

inline constexpr uint32_t kCompareBytesMax = kLargeBufferBytes;
inline constexpr uint32_t kCompareReserveBytes = kBlockSizeMax;
static_assert(kCompareBytesMax % kBlockSizeMax == 0 && kCompareReserveBytes % kBlockSizeMax == 0);

class CompareBuffers {
 public:
  explicit CompareBuffers(BufferPool& pool) : pool_(pool) {}
  ~CompareBuffers() { ASSERT(!reserve_taken_); }
  CompareBuffers(const CompareBuffers&) = delete;
  CompareBuffers& operator=(const CompareBuffers&) = delete;

  /// Fills `buffers` for `bytes` (whole blocks, up to kCompareBytesMax). Returns the bytes got:
  /// all, fewer (whole blocks still), or 0, which means that the reserve is taken and put() will
  /// bring it back.
  uint32_t get(uint32_t bytes, IoBuffers& buffers);
  void put(IoBuffers& buffers);

 private:
  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };
  BufferPool& pool_;
  std::unique_ptr<void, Free> reserve_;  ///< made on first need
  bool reserve_taken_ = false;
};

}  // namespace capsuled
