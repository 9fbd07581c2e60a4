#include "transport/control_queue.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "base/assert.h"

namespace capsuled::transport {

ControlQueue::ControlQueue(env::Env& env, uint32_t capacity, size_t lines_max,
                           void (*notify)(void* argument), void* argument)
    : env_(env),
      ring_(std::bit_ceil(std::max(capacity, 2u))),
      lines_max_(lines_max),
      notify_(notify),
      argument_(argument) {}

bool ControlQueue::try_push(std::unique_ptr<ControlEvent>& event) {
  const auto kind = static_cast<size_t>(event->kind);
  if (event->posted_ns == 0) event->posted_ns = env_.now_ns();
  if (!ring_.try_push(std::move(event))) return false;
  // Acquire and release: the drain() that this notification asks for sees the event, and an event
  // pushed after drain() lowered the flag raises it again.
  if (raise(kind)) notify_(argument_);
  return true;
}

std::vector<std::unique_ptr<ControlEvent>> ControlQueue::drain(uint32_t limit, PeerKinds kinds) {
  // Else it could return fewer while there are more, which its caller takes for all.
  ASSERT(limit <= lines_max_);
  const auto each_kind = [kinds](auto&& visit) {
    for (size_t kind = 0; kind < kPeerKindCount; ++kind) {
      if ((kinds >> kind & 1) != 0) visit(kind);
    }
  };
  // Before looking: what is pushed from here on notifies again. An exchange, so that it reads the
  // last raise of the flag and with it sees the event that raised it.
  each_kind(
      [this](size_t kind) { (void)notified_[kind].exchange(false, std::memory_order_acq_rel); });
  std::unique_ptr<ControlEvent> event;
  while (lines_.size() < lines_max_ && ring_.try_pop(event)) lines_.push(std::move(event));
  std::vector<std::unique_ptr<ControlEvent>> events;
  const uint64_t now_ns = env_.now_ns();
  while (events.size() < limit && !lines_.empty(kinds)) {
    events.push_back(lines_.pop(kinds, now_ns));
  }
  // The caller comes for what is left in the lines, and need not be woken for more of it; of what
  // the lines had no room for it does not know.
  bool asks = false;
  each_kind([&](size_t kind) {
    if (lines_.empty(1u << kind) && ring_.empty()) return;
    if (raise(kind) && !ring_.empty()) asks = true;
  });
  if (asks) notify_(argument_);
  return events;
}

}  // namespace capsuled::transport
