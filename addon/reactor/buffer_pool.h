// BufferPool: the I/O memory of one reactor, carved once into small (8 KiB) and large (128 KiB)
// buffers.
//
// A transfer takes one small buffer if it fits there, else as many large ones as it needs: all of
// them or none. Who finds none waits in the line for that size, first come first served; nobody
// behind the first is served before it, so a large transfer is not starved by smaller ones of its
// size class, and a small one never waits for large buffers. Memory that was never used costs no
// RSS.
//
// Free buffers are kept as stacks of indexes beside the memory: what was used last is used next, so
// a light load stays in few pages.
//
// Thread: the reactor's own. Invariant: free + used == total for both sizes; after serve() each
// line is empty or its first cannot be served; while it is not empty, try_get() serves nobody of
// its size.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/intrusive_list.h"
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

/// The least that a reactor can do with: the buffers of the largest transfer, and some small ones.
inline constexpr uint64_t kBufferMemoryBytesMin = 1536 * 1024;

/// Who waits for buffers. `ready` runs from the reactor's loop (never inside put() or wait()) with
/// `buffers` filled.
struct BufferWaiter {
  void (*ready)(BufferWaiter& waiter) = nullptr;
  uint32_t bytes = 0;
  IoBuffers buffers;
  bool waiting = false;  ///< kept by the pool: from wait() until `ready` runs or cancel()
  ListNode line;         ///< the pool's
};

class BufferPool {
 public:
  /// A quarter of `memory_bytes` becomes small buffers, the rest large ones. EINVAL: less than
  /// kBufferMemoryBytesMin.
  static Result<std::unique_ptr<BufferPool>> create(env::Env& env, uint64_t memory_bytes,
                                                    env::HugePages huge_pages, ReactorStats& stats);
  ~BufferPool();

  /// True: `buffers` filled. False: none free, or others wait in line already. `bytes`
  /// in 1..kTransferBytesMax.
  [[nodiscard]] bool try_get(uint32_t bytes, IoBuffers& buffers);
  /// Gives all buffers back and empties `buffers`.
  void put(IoBuffers& buffers);
  /// All large buffers together, in bytes.
  uint64_t large_bytes() const;
  /// Joins the line, with `waiter.bytes` in 1..kTransferBytesMax.
  void wait(BufferWaiter& waiter);
  /// Leaves the line; false if it was not in it.
  bool cancel(BufferWaiter& waiter);
  /// Reactor loop: serves the line as far as it goes; returns how many were served.
  uint32_t serve();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
  explicit BufferPool(std::unique_ptr<Impl> impl);
};

}  // namespace capsuled
