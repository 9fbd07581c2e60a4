// AdaptiveSpin: how long a reactor without work polls on before it sleeps.
//
// Polling through a wait saves a wake-up, which costs some tens of µs of latency; polling and then
// sleeping all the same costs processor time and saves nothing. So it polls on while that finds
// work, and after a few waits in a row that were longer it sleeps soon, but tries the long way
// again now and then. How long a wait that was slept through would have been cannot be known from
// when it ended: a closed loop with its host is slower by each wake-up.
//
// Owner: a Reactor. Thread: the reactor's.
#pragma once

#include <algorithm>
#include <cstdint>

namespace capsuled {

class AdaptiveSpin {
 public:
  /// What comes sooner is not counted: the parts of one I/O follow each other so.
  static constexpr uint64_t kShortNs = 5'000;
  /// So many waits in a row were longer: it does not pay.
  static constexpr uint64_t kFailuresMax = 4;
  /// Then only one wait of so many is polled through to the end.
  static constexpr uint64_t kWaitsPerTry = 8;

  explicit AdaptiveSpin(uint64_t ns_max) : ns_max_(ns_max) {}

  /// Of the wait that is running.
  uint64_t limit_ns() const {
    const bool long_way = failures_ < kFailuresMax || failures_ % kWaitsPerTry == 0;
    return long_way ? ns_max_ : std::min(ns_max_, kShortNs);
  }
  /// Work came after `wait_ns` of polling.
  void found_work(uint64_t wait_ns) {
    if (wait_ns > kShortNs) failures_ = 0;
  }
  /// None came within limit_ns().
  void gave_up() { ++failures_; }

 private:
  const uint64_t ns_max_;
  uint64_t failures_ = 0;  ///< waits in a row that were not over before the reactor slept
};

}  // namespace capsuled
