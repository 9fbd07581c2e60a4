/// RateLimiter: when the next I/O may start, for a load of so many I/Os per second.
///
/// A token bucket. I/O number k is due k/rate seconds after the start; the arithmetic is exact, so
/// that the rate does not drift in long runs. A workload that fell behind catches up by at most
/// `burst_max` I/Os at once; what it missed beyond that is left out, because a long stall should
/// not end in a flood.
///
/// Pure: the time is given. One thread. Invariant: taken_ <= the tokens due at the last time given.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/assert.h"

namespace capsuled::perf {

class RateLimiter {
 public:
  static constexpr uint64_t kRateMax = 1'000'000'000;

  /// The first I/O is due at once. `rate_per_second` is 1 to kRateMax. `burst_max` is at least 1;
  /// for the rate to be reached it must cover what falls due between two calls of take().
  RateLimiter(uint64_t rate_per_second, uint64_t burst_max, uint64_t now_ns)
      : rate_(static_cast<int64_t>(rate_per_second)),
        burst_max_(static_cast<int64_t>(std::min(burst_max, kRateMax))),
        epoch_ns_(now_ns) {
    ASSERT(rate_per_second >= 1 && rate_per_second <= kRateMax && burst_max >= 1);
  }

  /// Takes up to `wanted` tokens; returns how many. A time before the last one given is as good as
  /// that.
  uint64_t take(uint64_t now_ns, uint64_t wanted) {
    const int64_t due = due_at(std::max(now_ns, epoch_ns_));
    int64_t available = due - taken_;
    if (available > burst_max_) {
      available = burst_max_;
      taken_ = due - burst_max_;
    }
    if (available <= 0) return 0;
    const int64_t granted =
        static_cast<int64_t>(std::min(wanted, static_cast<uint64_t>(available)));
    taken_ += granted;
    return static_cast<uint64_t>(granted);
  }

  /// The earliest time at which take() gives a token, if it is not called before. May be in the
  /// past.
  uint64_t next_ns() const {
    if (taken_ < 0) return epoch_ns_;
    const uint64_t scaled = (static_cast<uint64_t>(taken_) + 1) * kSecondNs;
    const auto rate = static_cast<uint64_t>(rate_);
    return epoch_ns_ + (scaled + rate - 1) / rate;
  }

 private:
  static constexpr uint64_t kSecondNs = 1'000'000'000;

  /// The tokens due since epoch_ns_, which first moves on by whole seconds: that keeps the product
  /// below 2^63 and takes exactly rate_ tokens from both sides for each second.
  int64_t due_at(uint64_t now_ns) {
    const uint64_t seconds = (now_ns - epoch_ns_) / kSecondNs;
    if (seconds > 0) {
      epoch_ns_ += seconds * kSecondNs;
      taken_ -= static_cast<int64_t>(seconds) * rate_;
    }
    return static_cast<int64_t>((now_ns - epoch_ns_) * static_cast<uint64_t>(rate_) / kSecondNs);
  }

  const int64_t rate_;
  const int64_t burst_max_;
  uint64_t epoch_ns_;
  /// Relative to the tokens due at epoch_ns_; starts at -1, which makes the first one due at once.
  int64_t taken_ = -1;
};

}  // namespace capsuled::perf
