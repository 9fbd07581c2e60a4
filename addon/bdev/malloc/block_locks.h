// BlockLocks: which thread may touch which unit of a RAM disk now, so that no block tears between
// reactors.
//
// There is a fixed number of spin locks, each on a cache line of its own, and the units of the disk
// are dealt over the locks in turn. A thread holds a lock for one copy of a unit or for one
// discard, never across a callback, so others need not wait long. Nobody waits in a circle, because
// ordinary accesses hold one lock at a time, and lock_range() takes its locks in ascending order.
// Thread: any.
#pragma once

#include <sched.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace capsuled {

class alignas(64) SpinLock {
 public:
  void lock() {
    uint32_t attempts = 0;
    // Acquire: pairs with the release in unlock(), so that we see all bytes that the last holder
    // wrote.
    while (taken_.exchange(true, std::memory_order_acquire)) {
      // Relaxed: this load only guesses when the exchange is worth another attempt.
      while (taken_.load(std::memory_order_relaxed)) {
        // If reactors share a core, the holder may be waiting for that core; then only giving the
        // core to the holder helps.
        if (++attempts % kSpinsBeforeYield == 0) ::sched_yield();
      }
    }
  }
  void unlock() {
    // Release: pairs with the acquire in lock(), so that the next holder sees all bytes that we
    // wrote.
    taken_.store(false, std::memory_order_release);
  }

 private:
  static constexpr uint32_t kSpinsBeforeYield = 256;
  std::atomic<bool> taken_ = false;
};

class BlockLocks {
 public:
  static constexpr size_t kLockCount = 256;

  SpinLock& of_unit(uint64_t unit) { return locks_[unit % kLockCount]; }

  /// Locks the units [first, first + count).
  void lock_range(uint64_t first, uint64_t count) {
    for_range(first, count, [](SpinLock& lock) { lock.lock(); });
  }
  void unlock_range(uint64_t first, uint64_t count) {
    for_range(first, count, [](SpinLock& lock) { lock.unlock(); });
  }

 private:
  /// Visits the locks of the range, in ascending order of the locks: if the range wraps around the
  /// last lock, the locks at the bottom come first.
  template <typename Visit>
  void for_range(uint64_t first, uint64_t count, Visit visit) {
    const size_t begin = first % kLockCount;
    const size_t used = static_cast<size_t>(std::min<uint64_t>(count, kLockCount));
    const size_t wrapped = begin + used > kLockCount ? begin + used - kLockCount : 0;
    for (size_t index = 0; index < wrapped; ++index) visit(locks_[index]);
    for (size_t index = begin; index < begin + used - wrapped; ++index) visit(locks_[index]);
  }

  std::array<SpinLock, kLockCount> locks_;
};

}  // namespace capsuled
