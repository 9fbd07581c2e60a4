#include "transport/control_lines.h"

#include <utility>

namespace capsuled::transport {

ControlLines::~ControlLines() {
  while (pop() != nullptr) {
  }
}

void ControlLines::push(std::unique_ptr<ControlEvent> event) {
  Class& of_kind = classes_[static_cast<size_t>(event->kind)];
  const auto [found, is_new] = of_kind.lines.try_emplace(event->account);
  Line& line = found->second;
  if (is_new) {
    line.account = event->account;
    of_kind.turns.push_back(line);
  }
  line.events.push(std::move(event));
  ++size_;
}

std::unique_ptr<ControlEvent> ControlLines::pop() {
  for (size_t looked_at = 0; looked_at < kPeerKindCount; ++looked_at) {
    Class& of_kind = classes_[turn_];
    turn_ = (turn_ + 1) % kPeerKindCount;
    Line* const line = of_kind.turns.pop_front();
    if (line == nullptr) continue;
    std::unique_ptr<ControlEvent> event = std::move(line->events.front());
    line->events.pop();
    if (line->events.empty()) {
      of_kind.lines.erase(line->account);
    } else {
      of_kind.turns.push_back(*line);
    }
    --size_;
    return event;
  }
  return nullptr;
}

}  // namespace capsuled::transport
