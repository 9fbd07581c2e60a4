// HostDebt: the data that the host of one connection owes: those that R2Ts have asked for and that
// have not come.
//
// Two things are demanded, and nothing else the host sends counts. In each interval of the time-out
// it pays 1 MiB, or what it owed when the interval began if that was less: a host that stops is
// found within one interval. And each transfer is complete one interval, and one more for each MiB
// that was owed then, after it was asked for: a host that pays others first does not keep a
// transfer for ever.
//
// Only the host's own time counts: that in which the connection was receiving. While it waits for
// something of ours, the host can do nothing.
//
// Pure: the caller says what time it is. Owner: a connection.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/assert.h"

namespace capsuled::transport {

class HostDebt {
 public:
  static constexpr uint64_t kLeastBytes = uint64_t{1024} * 1024;

  /// An R2T asks for `bytes`. Returns when they are due, in the host's time.
  uint64_t owe(uint64_t bytes, uint64_t now_ns, uint64_t timeout_ns) {
    const bool first = owed_bytes_ == 0;
    if (first) seen_ns_ = now_ns;
    owed_bytes_ += bytes;
    if (first) begin();
    return time_ns_ + timeout_ns * (1 + owed_bytes_ / kLeastBytes);
  }
  void pay(uint64_t bytes, uint64_t now_ns) {
    ASSERT(bytes <= owed_bytes_);
    pass(now_ns, true);
    owed_bytes_ -= bytes;
    paid_bytes_ += bytes;
    if (paid_bytes_ >= wanted_bytes_) begin();
  }
  /// Since the last call the host could send, or could not.
  void pass(uint64_t now_ns, bool could_send) {
    if (could_send && now_ns > seen_ns_) time_ns_ += now_ns - seen_ns_;
    seen_ns_ = now_ns;
  }

  uint64_t owed_bytes() const { return owed_bytes_; }
  /// The host's time.
  uint64_t time_ns() const { return time_ns_; }
  /// It has paid too little in this interval.
  bool late(uint64_t timeout_ns) const {
    return owed_bytes_ > 0 && time_ns_ - began_ns_ >= timeout_ns;
  }

 private:
  void begin() {
    began_ns_ = time_ns_;
    paid_bytes_ = 0;
    wanted_bytes_ = std::min(owed_bytes_, kLeastBytes);
  }

  uint64_t owed_bytes_ = 0;
  uint64_t paid_bytes_ = 0;    ///< in this interval
  uint64_t wanted_bytes_ = 0;  ///< of this interval
  uint64_t time_ns_ = 0;
  uint64_t seen_ns_ = 0;   ///< when pass() was called last
  uint64_t began_ns_ = 0;  ///< the interval, in the host's time
};

}  // namespace capsuled::transport
