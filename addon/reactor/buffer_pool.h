// BufferPool: the I/O memory of one reactor, carved once into small (8 KiB) and large (128 KiB)
// buffers.
//
// A transfer takes one small buffer if it fits there, else as many large ones as it needs: all of
// them or none. The pool has no lines: who may take how many, and who waits, is the transport's to
// say (transport/peers.h). A few buffers are kept for what has no account there, such as an
// emulated Compare; of these nobody gets more than he leaves. Memory that was never used costs no
// RSS.
//
// Free buffers are kept as stacks of indexes beside the memory: what was used last is used next, so
// a light load stays in few pages.
//
// Thread: the reactor's own. Invariant: free + used == total for both sizes; of each, at most the
// spare ones are taken by try_get_spare().
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstdint>
#include <memory>

#include "env/env.h"
#include "reactor/reactor_stats.h"

namespace capsuled {

inline constexpr uint32_t kSmallBufferBytes = 8 * 1024;
inline constexpr uint32_t kLargeBufferBytes = 128 * 1024;
inline constexpr uint32_t kTransferBytesMax = 1024 * 1024;  ///< MDTS
inline constexpr uint32_t kTransferBuffersMax = kTransferBytesMax / kLargeBufferBytes;

/// The buffers of one transfer: `iov[0..count)` covers exactly `bytes`. Page-aligned segments.
struct IoBuffers {
  std::array<iovec, kTransferBuffersMax> iov{};
  uint32_t count = 0;
  uint32_t bytes = 0;
};

/// The spare buffers that somebody holds.
struct SpareHold {
  uint32_t small = 0;
  uint32_t large = 0;

  bool none() const { return small == 0 && large == 0; }
};

/// The least that a reactor can do with: the buffers of the largest transfer, and some small ones.
inline constexpr uint64_t kBufferMemoryBytesMin = 1536 * 1024;

class BufferPool {
 public:
  /// A quarter of `memory_bytes` becomes small buffers, the rest large ones. EINVAL: less than
  /// kBufferMemoryBytesMin.
  static Result<std::unique_ptr<BufferPool>> create(env::Env& env, uint64_t memory_bytes,
                                                    env::HugePages huge_pages, ReactorStats& stats);
  ~BufferPool();

  /// True: `buffers` filled. False: too few are free. `bytes` in 1..kTransferBytesMax.
  [[nodiscard]] bool try_get(uint32_t bytes, IoBuffers& buffers);
  /// Gives all buffers back and empties `buffers`.
  void put(IoBuffers& buffers);
  /// The same, of the spare buffers. False, too: whoever has `held`, which is kept here, would hold
  /// more than is left for others. The first is nobody denied.
  [[nodiscard]] bool try_get_spare(uint32_t bytes, IoBuffers& buffers, SpareHold& held);
  void put_spare(IoBuffers& buffers, SpareHold& held);
  /// All but the spare ones, by number.
  uint32_t small_for_transfers() const;
  uint32_t large_for_transfers() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
  explicit BufferPool(std::unique_ptr<Impl> impl);
};

}  // namespace capsuled
