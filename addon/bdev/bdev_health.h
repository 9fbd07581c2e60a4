// BdevHealth: what is known to be wrong with a bdev, and what last went wrong.
//
// A fault that means loss is latched: whoever finds it raises it, and it stays until an operator
// acknowledges it (CoreChannel::recheck()) or the bdev is made anew. A backend looks at faults()
// before it hands an operation to its device.
//
//   lost flush       a flush failed. What was to be made durable may be lost, and the kernel tells
//                    of it but once: later flushes would succeed. They fail until acknowledged.
//   lost data        the file is shorter than its bdev. A write would extend it again, and what was
//                    cut off would read as zeros. Nothing is read or written until acknowledged.
//   gone             the device went. It may come back as another one, or as itself without what
//   was
//                    under way. Nothing is read or written until acknowledged.
//   write protected  the device refuses writes. Not latched: the next write that succeeds ends it.
//
// An acknowledgement clears what it saw before it tried the device, and nothing that was raised
// while it did: the word of faults also counts how often any was raised.
//
// Owner: a Bdev. Thread: reactors raise and report; any thread reads. Invariant: no reactor ever
// waits here; a report that finds the record in use is counted all the same.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>

#include "bdev/bdev_io.h"

namespace capsuled {

enum BdevFault : uint32_t {
  kLostFlush = 1 << 0,
  kLostData = 1 << 1,
  kWriteProtected = 1 << 2,
  kGone = 1 << 3,
};

/// An error of the machine.
struct BdevFailure {
  BdevIoType type = BdevIoType::Read;
  int errnum = 0;  ///< positive
  uint64_t offset_bytes = 0;
};

/// On cache lines of its own: reactors read the facts beside it for every operation.
class alignas(64) BdevHealth {
 public:
  /// BdevFault bits.
  uint32_t faults() const { return static_cast<uint32_t>(word()) & kFaults; }
  void raise(uint32_t faults) {
    uint64_t seen = word();
    // Relaxed, as everything here: a fault that is seen one operation later was found one operation
    // later, and no other memory goes with it.
    while (!word_.compare_exchange_weak(seen, (seen | faults) + kRaisedOnce,
                                        std::memory_order_relaxed)) {
    }
  }
  /// The device takes writes again.
  void writable() { word_.fetch_and(~uint64_t{kWriteProtected}, std::memory_order_relaxed); }

  /// For clear(): what was known before the device was tried.
  uint64_t word() const { return word_.load(std::memory_order_relaxed); }
  /// False: something changed since `seen` was read; nothing is cleared.
  [[nodiscard]] bool clear(uint64_t seen) {
    return word_.compare_exchange_strong(seen, seen & ~uint64_t{kFaults},
                                         std::memory_order_relaxed);
  }

  void report(const BdevFailure& failure) {
    failure_count_.fetch_add(1, std::memory_order_relaxed);
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (lock.owns_lock()) last_ = failure;
  }
  uint64_t failure_count() const { return failure_count_.load(std::memory_order_relaxed); }
  /// `errnum` is 0 if there was none.
  BdevFailure last_failure() const {
    const std::lock_guard lock(mutex_);
    return last_;
  }

 private:
  static constexpr uint32_t kFaults = 0xff;
  static constexpr uint64_t kRaisedOnce = 0x100;

  std::atomic<uint64_t> word_ = 0;  ///< faults in the lowest byte; above, how often one was raised
  std::atomic<uint64_t> failure_count_ = 0;
  mutable std::mutex mutex_;  ///< guards last_; reactors only try it
  BdevFailure last_;
};

}  // namespace capsuled
