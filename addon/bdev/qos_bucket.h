// QosBucket: how much of the time that a rate counts for was given out. All reactors take from it.
//
// What a rate gives is handed out as time: who takes a millisecond may do what the rate allows in a
// millisecond. So one word is enough, the moment up to which time was given out, and it has no
// rounding: what a taker makes of its time is exact (QosShare). Time that nobody takes is kept for
// `burst_ns`, and lost then.
//
// Each taker is told the moment from which its time counts, and waits for that, so who comes first
// has it first, and no reactor can keep another one from its turn. Turns are alike: a taker that
// needs less than others do may take as much. Whatever the takers do, up to a moment no more time
// counts than has passed, the burst, and one taking of each.
//
// Owner: a QosBudget. Any thread; the clock is Env::now_ns(), which is the same for all reactors.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace capsuled {

/// On a cache line of its own: all reactors write it, though each but once in a while.
class alignas(64) QosBucket {
 public:
  /// What is taken at once where nobody needs more. What a slice allows is begun at once, so in a
  /// longer one a flow that has few operations could not use its part.
  static constexpr uint64_t kSliceNs = 500'000;

  explicit QosBucket(uint64_t burst_ns) : burst_ns_(burst_ns) {}

  /// Takes `ns`; the moment from which they count.
  [[nodiscard]] uint64_t take(uint64_t now_ns, uint64_t ns) {
    const uint64_t saved_ns = now_ns > burst_ns_ ? now_ns - burst_ns_ : 0;
    // Relaxed, as everything here: the word says all, and no other memory goes with it.
    uint64_t given_ns = given_until_ns_.load(std::memory_order_relaxed);
    uint64_t from_ns = 0;
    do {
      from_ns = std::max(given_ns, saved_ns);
    } while (
        !given_until_ns_.compare_exchange_weak(given_ns, from_ns + ns, std::memory_order_relaxed));
    return from_ns;
  }
  /// Some of what was taken, and is not used.
  void give_back(uint64_t ns) { given_until_ns_.fetch_sub(ns, std::memory_order_relaxed); }

  /// What a taker may take because others have needed as much for one operation.
  uint64_t turn_ns() const { return turn_ns_.load(std::memory_order_relaxed); }
  /// That a taker needs so much for one. It is forgotten little by little.
  void needed(uint64_t ns) {
    const uint64_t before_ns = turn_ns();
    const uint64_t after_ns = std::max({ns, kSliceNs, before_ns - before_ns / 16});
    // Two who do this at once are one.
    if (after_ns != before_ns) turn_ns_.store(after_ns, std::memory_order_relaxed);
  }

 private:
  std::atomic<uint64_t> given_until_ns_ = 0;
  std::atomic<uint64_t> turn_ns_ = kSliceNs;
  const uint64_t burst_ns_;
};

}  // namespace capsuled
