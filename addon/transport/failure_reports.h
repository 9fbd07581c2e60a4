// FailureReports: how often the control plane is told of I/O commands that failed, for the Error
// Information log page.
//
// The page holds the last few; a host that fails a million commands a second must not fill the
// control queue with them. So at most kPerInterval are told in an interval, and none while the
// queue is full. Counters are not limited.
//
// Owner: the group. Thread: the reactor's.
#pragma once

#include <cstdint>

namespace capsuled::transport {

class FailureReports {
 public:
  static constexpr uint32_t kPerInterval = 64;
  static constexpr uint64_t kIntervalNs = 100'000'000;

  /// Whether one more may be told now.
  bool may_tell(uint64_t now_ns) {
    if (now_ns - interval_start_ns_ >= kIntervalNs) {
      interval_start_ns_ = now_ns;
      told_ = 0;
    }
    return told_ < kPerInterval;
  }
  void note_told() { ++told_; }

 private:
  uint64_t interval_start_ns_ = 0;
  uint32_t told_ = 0;
};

}  // namespace capsuled::transport
