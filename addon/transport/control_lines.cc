#include "transport/control_lines.h"

#include <utility>

namespace capsuled::transport {

ControlLines::~ControlLines() {
  for (Class& of_kind : classes_) {
    while (of_kind.fresh.pop_front() != nullptr || of_kind.turns.pop_front() != nullptr) {
    }
  }
}

void ControlLines::push(std::unique_ptr<ControlEvent> event) {
  Class& of_kind = classes_[static_cast<size_t>(event->kind)];
  const auto [found, is_new] = of_kind.lines.try_emplace(event->account);
  Line& line = found->second;
  line.account = event->account;
  if (line.events.empty() && line.fresh_events > 0) {
    if (!is_new) of_kind.turns.remove(line);
    of_kind.fresh.push_back(line);
  }
  line.events.push(std::move(event));
  ++of_kind.size;
  ++size_;
}

bool ControlLines::empty(PeerKinds kinds) const {
  for (size_t kind = 0; kind < kPeerKindCount; ++kind) {
    if ((kinds >> kind & 1) != 0 && classes_[kind].size > 0) return false;
  }
  return true;
}

/// Whose turn it is, in no list now; something of the class waits.
ControlLines::Line& ControlLines::take_turn(Class& of_kind) {
  if (of_kind.was_fresh || of_kind.fresh.empty()) {
    while (Line* const line = of_kind.turns.pop_front()) {
      if (!line->events.empty()) {
        of_kind.was_fresh = false;
        return *line;
      }
      of_kind.lines.erase(line->account);
    }
  }
  of_kind.was_fresh = true;
  return *of_kind.fresh.pop_front();
}

std::unique_ptr<ControlEvent> ControlLines::pop(PeerKinds kinds) {
  for (size_t looked_at = 0; looked_at < kPeerKindCount; ++looked_at) {
    const size_t kind = turn_;
    turn_ = (turn_ + 1) % kPeerKindCount;
    Class& of_kind = classes_[kind];
    if ((kinds >> kind & 1) == 0 || of_kind.size == 0) continue;
    Line& line = take_turn(of_kind);
    std::unique_ptr<ControlEvent> event = std::move(line.events.front());
    line.events.pop();
    if (line.fresh_events > 0) --line.fresh_events;
    const bool fresh = line.fresh_events > 0 && !line.events.empty();
    (fresh ? of_kind.fresh : of_kind.turns).push_back(line);
    --of_kind.size;
    --size_;
    return event;
  }
  return nullptr;
}

}  // namespace capsuled::transport
