// TimerHeap: the started timers of one reactor, soonest first. A heap with four children to a node:
// half as deep as a binary one, and the four are neighbours in memory.
//
// Thread: the reactor's own; it does not own the timers. Invariant: no timer is due before its
// parent, and timers_[i]->heap_index == i.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "reactor/timer.h"

namespace capsuled {

class TimerHeap {
 public:
  TimerHeap() = default;
  TimerHeap(const TimerHeap&) = delete;
  TimerHeap& operator=(const TimerHeap&) = delete;

  /// Starts the timer, or moves it if it is started. O(log n), as the others.
  void start(Timer& timer, uint64_t deadline_ns);
  /// Nothing if it is not started.
  void cancel(Timer& timer);
  /// The next deadline, or UINT64_MAX.
  uint64_t deadline_ns() const { return timers_.empty() ? UINT64_MAX : timers_[0]->deadline_ns; }
  size_t size() const { return timers_.size(); }
  /// Runs what is due at `now_ns` and returns how many ran: at most as many as were started before
  /// the call, so that a timer which starts itself again in the past does not hold the loop.
  uint32_t run_due(uint64_t now_ns);

 private:
  void place(Timer& timer, size_t index);
  void sift_up(Timer& timer, size_t index);
  void sift_down(Timer& timer, size_t index);
  void sift(Timer& timer, size_t index);

  std::vector<Timer*> timers_;
};

}  // namespace capsuled
