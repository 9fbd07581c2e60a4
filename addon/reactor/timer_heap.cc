#include "reactor/timer_heap.h"

#include <algorithm>

#include "base/assert.h"

namespace capsuled {
namespace {

constexpr size_t kChildren = 4;

}  // namespace

void TimerHeap::start(Timer& timer, uint64_t deadline_ns) {
  ASSERT(timer.expired != nullptr);
  timer.deadline_ns = deadline_ns;
  if (!timer.started()) {
    timers_.push_back(&timer);
    sift_up(timer, timers_.size() - 1);
    return;
  }
  ASSERT(timer.heap_index < timers_.size() && timers_[timer.heap_index] == &timer);
  sift(timer, timer.heap_index);
}

void TimerHeap::cancel(Timer& timer) {
  if (!timer.started()) return;
  const size_t index = timer.heap_index;
  ASSERT_MSG(index < timers_.size() && timers_[index] == &timer, "a timer of another reactor");
  timer.heap_index = Timer::kUnset;
  Timer& last = *timers_.back();
  timers_.pop_back();
  if (&last != &timer) sift(last, index);
}

uint32_t TimerHeap::run_due(uint64_t now_ns) {
  const size_t ran_max = timers_.size();
  uint32_t ran = 0;
  while (ran < ran_max && deadline_ns() <= now_ns) {
    Timer& timer = *timers_[0];
    cancel(timer);
    ++ran;
    timer.expired(timer);
  }
  return ran;
}

void TimerHeap::place(Timer& timer, size_t index) {
  timers_[index] = &timer;
  timer.heap_index = static_cast<uint32_t>(index);
}

/// Puts `timer` where it belongs, given that `index` is a hole.
void TimerHeap::sift(Timer& timer, size_t index) {
  if (index > 0 && timer.deadline_ns < timers_[(index - 1) / kChildren]->deadline_ns) {
    sift_up(timer, index);
  } else {
    sift_down(timer, index);
  }
}

void TimerHeap::sift_up(Timer& timer, size_t index) {
  while (index > 0) {
    const size_t parent = (index - 1) / kChildren;
    if (timers_[parent]->deadline_ns <= timer.deadline_ns) break;
    place(*timers_[parent], index);
    index = parent;
  }
  place(timer, index);
}

void TimerHeap::sift_down(Timer& timer, size_t index) {
  for (;;) {
    const size_t first = index * kChildren + 1;
    if (first >= timers_.size()) break;
    const size_t end = std::min(first + kChildren, timers_.size());
    size_t soonest = first;
    for (size_t child = first + 1; child < end; ++child) {
      if (timers_[child]->deadline_ns < timers_[soonest]->deadline_ns) soonest = child;
    }
    if (timer.deadline_ns <= timers_[soonest]->deadline_ns) break;
    place(*timers_[soonest], index);
    index = soonest;
  }
  place(timer, index);
}

}  // namespace capsuled
