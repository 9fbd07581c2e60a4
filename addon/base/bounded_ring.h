/// A bounded ring between threads.
///
/// It carries messages to a reactor, and from reactors to the JavaScript thread. Capacity is fixed
/// when it is made and nothing is allocated afterwards; a full ring is the caller's to deal with
/// (`try_push` returns false and leaves the argument untouched), because an unbounded spill queue
/// only hides the overload. No operation waits for another thread.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "base/assert.h"

namespace capsuled {

/// Two cache lines: the adjacent-line prefetcher of x86 makes pairs of lines share their fate.
inline constexpr std::size_t kCacheLinePadding = 128;

/// Any number of producers, one consumer.
///
/// Each cell carries a sequence number that says whose turn it is. For the position p of a cell,
/// sequence == p means "free for the producer that claims p", p + 1 means "filled, for the
/// consumer", and the consumer sets p + capacity, which frees it for the next lap. (The scheme is
/// Dmitry Vyukov's bounded queue, with the consumer's side reduced to one thread.)
///
/// Invariant: tail_ - head_ <= capacity, counting a claimed but not yet filled cell as in the ring.
template <typename T>
class MpscRing {
 public:
  /// `capacity` is a power of two, at least 2.
  explicit MpscRing(std::size_t capacity)
      : mask_(capacity - 1), cells_(std::make_unique<Cell[]>(capacity)) {
    ASSERT(capacity >= 2 && std::has_single_bit(capacity));
    for (std::size_t index = 0; index < capacity; ++index) {
      // Relaxed: no other thread can see the ring before its constructor has returned.
      cells_[index].sequence.store(index, std::memory_order_relaxed);
    }
  }
  MpscRing(const MpscRing&) = delete;
  MpscRing& operator=(const MpscRing&) = delete;

  std::size_t capacity() const { return mask_ + 1; }

  /// Any thread. False if the ring is full; `value` is moved from only on success.
  bool try_push(T&& value) {
    // Relaxed: only a guess; the compare-exchange below is what claims the position.
    std::uint64_t position = tail_.load(std::memory_order_relaxed);
    for (;;) {
      Cell& cell = cells_[position & mask_];
      // Acquire: pairs with the consumer's release in try_pop, so that its move out of the cell
      // happens before our move into it.
      const std::uint64_t sequence = cell.sequence.load(std::memory_order_acquire);
      const auto turn = static_cast<std::int64_t>(sequence - position);
      if (turn == 0) {
        // Relaxed: the claim orders nothing by itself; the cell's sequence publishes the value.
        if (tail_.compare_exchange_weak(position, position + 1, std::memory_order_relaxed)) {
          cell.value = std::move(value);
          // Release: pairs with the consumer's acquire, so that it sees the value that we have just
          // moved in.
          cell.sequence.store(position + 1, std::memory_order_release);
          return true;
        }
      } else if (turn < 0) {
        return false;
      } else {
        // Relaxed: another producer took this position; guess again.
        position = tail_.load(std::memory_order_relaxed);
      }
    }
  }

  bool try_push(const T& value) {
    T copy = value;
    return try_push(std::move(copy));
  }

  /// The consumer's thread. False if there is nothing to take, or if the producer whose turn it is
  /// has not finished.
  bool try_pop(T& value) {
    const std::uint64_t position = head_;
    Cell& cell = cells_[position & mask_];
    // Acquire: pairs with the producer's release, so that the value is complete when we move it
    // out.
    if (cell.sequence.load(std::memory_order_acquire) != position + 1) return false;
    value = std::move(cell.value);
    // Release: pairs with the producer's acquire; our move out must be done before the cell is
    // offered again.
    cell.sequence.store(position + capacity(), std::memory_order_release);
    head_ = position + 1;
    return true;
  }

  /// The consumer's thread. True if try_pop would find nothing now.
  bool empty() const {
    // Acquire: a caller that sees "not empty" may go on to pop; the orders match try_pop.
    return cells_[head_ & mask_].sequence.load(std::memory_order_acquire) != head_ + 1;
  }

 private:
  struct Cell {
    std::atomic<std::uint64_t> sequence{0};
    T value{};
  };

  const std::size_t mask_;
  const std::unique_ptr<Cell[]> cells_;
  /// The next position to fill. Producers contend for it, so it has its own cache lines.
  alignas(kCacheLinePadding) std::atomic<std::uint64_t> tail_{0};
  /// The next position to take. The consumer's alone.
  alignas(kCacheLinePadding) std::uint64_t head_ = 0;
};

}  // namespace capsuled
