#include "transport/control_queue.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "base/assert.h"

namespace capsuled::transport {

ControlQueue::ControlQueue(uint32_t capacity, size_t lines_max, void (*notify)(void* argument),
                           void* argument)
    : ring_(std::bit_ceil(std::max(capacity, 2u))),
      lines_max_(lines_max),
      notify_(notify),
      argument_(argument) {}

bool ControlQueue::try_push(std::unique_ptr<ControlEvent>& event) {
  if (!ring_.try_push(std::move(event))) return false;
  // Acquire and release: the drain() that this notification asks for sees the event, and an event
  // pushed after drain() lowered the flag raises it again.
  if (!notified_.exchange(true, std::memory_order_acq_rel)) notify_(argument_);
  return true;
}

std::vector<std::unique_ptr<ControlEvent>> ControlQueue::drain(uint32_t limit) {
  // Else it could return fewer while there are more, which its caller takes for all.
  ASSERT(limit <= lines_max_);
  // Before looking: what is pushed from here on notifies again. An exchange, so that it reads the
  // last raise of the flag and with it sees the event that raised it.
  (void)notified_.exchange(false, std::memory_order_acq_rel);
  std::unique_ptr<ControlEvent> event;
  while (lines_.size() < lines_max_ && ring_.try_pop(event)) lines_.push(std::move(event));
  std::vector<std::unique_ptr<ControlEvent>> events;
  while (events.size() < limit && lines_.size() > 0) events.push_back(lines_.pop());
  // Nobody else would ask for the rest.
  const bool all = lines_.size() == 0 && ring_.empty();
  if (!all && !notified_.exchange(true, std::memory_order_acq_rel)) notify_(argument_);
  return events;
}

}  // namespace capsuled::transport
