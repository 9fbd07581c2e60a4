// TransferReserve: how many of the transfers that have come a channel keeps back from its device.
//
// Some devices say that anything is done when all is done: a virtual disk whose other side is one
// thread interrupts when it finds its queue empty. The hosts hear of everything at once, and the
// device rests until their next commands have come. A few transfers kept back, and handed over as
// others end, are work for just that time: as many as the device does in it.
//
// That number hardly costs anything where the device works at all of its transfers at the same
// time: what it lacks of each load is what it could have done while it rested. It is 0 for a device
// whose transfers end one by one, and for one that rests most of the time: the hosts do not wait
// for it.
//
// Owner: a UringChannel. Thread: its reactor's.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/assert.h"

namespace capsuled {

class TransferReserve {
 public:
  /// With fewer outstanding there is no load to speak of, and nothing waits.
  static constexpr uint32_t kLoadMin = 8;
  /// At most one of so many waits, whatever was measured.
  static constexpr uint32_t kShare = 3;
  /// The device has at most so many. A transfer that it cannot begin at once, because it hangs,
  /// holds a thread of the kernel's, and this bounds the number; so many keep every disk busy.
  static constexpr uint32_t kInFlightMax = 128;

  /// A transfer has come. True: the one that has waited longest, maybe this one, begins.
  [[nodiscard]] bool came(uint64_t now_ns) {
    ++waiting_;
    if (returning_ > 0) {
      if (--returning_ == 0) rested(now_ns - run_began_ns_);
    } else if (run_ > 0) {
      run_over();
    }
    return waiting_ > size() && in_flight_ < kInFlightMax && begin();
  }
  /// One that the device had has ended. True: the one that has waited longest begins.
  [[nodiscard]] bool ended(uint64_t now_ns) {
    ASSERT(in_flight_ > 0);
    if (returning_ == 0 && run_++ == 0) {
      run_began_ns_ = now_ns;
      run_of_ = in_flight_;
      ended_before_run_ = ended_;
    }
    ++ended_;
    --in_flight_;
    return waiting_ > 0 && begin();
  }
  /// One that waited will not begin.
  void left() {
    ASSERT(waiting_ > 0);
    --waiting_;
  }

  /// So many may wait now.
  uint32_t size() const {
    const uint32_t outstanding = in_flight_ + waiting_;
    if (outstanding < kLoadMin) return 0;
    return std::min(static_cast<uint32_t>(done_in_rest_ + 0.5), outstanding / kShare);
  }

 private:
  /// Of the average: what a run of so many transfers alone would decide.
  static constexpr uint32_t kRunForAll = 256;

  bool begin() {
    --waiting_;
    ++in_flight_;
    return true;
  }

  /// A transfer has come after a run of ends: a lump, if most of what the device had ended in it.
  void run_over() {
    if (run_ >= kLoadMin / 2 && 2 * run_ >= run_of_) {
      returning_ = run_ - 1;
    } else {
      learn(0);
    }
  }
  /// As many have come again as a lump had, so long after it began.
  void rested(uint64_t rest_ns) {
    const uint64_t round_ns = run_began_ns_ - round_began_ns_;
    double done = 0;
    if (2 * rest_ns < round_ns) {
      done = static_cast<double>(ended_before_run_ * rest_ns) / static_cast<double>(round_ns);
    }
    learn(done);
    round_began_ns_ = run_began_ns_;
    ended_ -= ended_before_run_;
  }
  void learn(double done_in_rest) {
    done_in_rest_ += (done_in_rest - done_in_rest_) * std::min(run_, kRunForAll / 4) / kRunForAll;
    run_ = 0;
  }

  uint32_t in_flight_ = 0;
  uint32_t waiting_ = 0;
  double done_in_rest_ = 0;  ///< transfers; a moving average over those that ended

  // The run: transfers that end with none coming between.
  uint32_t run_ = 0;
  uint32_t run_of_ = 0;  ///< with the device when it began
  uint64_t run_began_ns_ = 0;
  uint32_t returning_ = 0;  ///< after a lump: as many have yet to come again

  // The round: from the beginning of one lump to that of the next.
  uint64_t round_began_ns_ = 0;
  uint64_t ended_ = 0;             ///< transfers, since it began
  uint64_t ended_before_run_ = 0;  ///< of these
};

}  // namespace capsuled
