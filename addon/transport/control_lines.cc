#include "transport/control_lines.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace capsuled::transport {

ControlLines::~ControlLines() {
  for (Class& of_kind : classes_) {
    while (of_kind.round.pop_front() != nullptr || of_kind.empty.pop_front() != nullptr) {
    }
    for (auto& level : of_kind.levels) {
      while (level.pop_front() != nullptr) {
      }
    }
  }
}

ControlLines::Level& ControlLines::Class::level_of(const Line& line) {
  return levels[static_cast<size_t>(std::bit_width(line.had))];
}

void ControlLines::push(std::unique_ptr<ControlEvent> event) {
  Class& of_kind = classes_[static_cast<size_t>(event->kind)];
  const auto [found, is_new] = of_kind.lines.try_emplace(event->account);
  Line& line = found->second;
  line.account = event->account;
  if (line.events.empty()) {
    if (!is_new) of_kind.empty.remove(line);
    if (event->posted_ns >= line.empty_since_ns + kPauseNs) line.had = 0;
    of_kind.round.push_back(line);
    of_kind.level_of(line).push_back(line);
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
  of_kind.was_round = !of_kind.was_round;
  Line* line = of_kind.round.front();
  if (!of_kind.was_round) {
    const auto waits = [](const Level& level) { return !level.empty(); };
    line = std::ranges::find_if(of_kind.levels, waits)->front();
  }
  of_kind.round.remove(*line);
  of_kind.level_of(*line).remove(*line);
  return *line;
}

/// Accounts that have paused: they are as new ones when they come again.
void ControlLines::forget(Class& of_kind, uint64_t now_ns) {
  while (Line* const line = of_kind.empty.front()) {
    if (now_ns < line->empty_since_ns + kPauseNs) return;
    of_kind.empty.remove(*line);
    of_kind.lines.erase(line->account);
  }
}

std::unique_ptr<ControlEvent> ControlLines::pop(PeerKinds kinds, uint64_t now_ns) {
  for (size_t looked_at = 0; looked_at < kPeerKindCount; ++looked_at) {
    const size_t kind = turn_;
    turn_ = (turn_ + 1) % kPeerKindCount;
    Class& of_kind = classes_[kind];
    if ((kinds >> kind & 1) == 0 || of_kind.size == 0) continue;
    forget(of_kind, now_ns);
    Line& line = take_turn(of_kind);
    std::unique_ptr<ControlEvent> event = std::move(line.events.front());
    line.events.pop();
    line.had = std::min(line.had + (line.events.empty() ? 1 : kOneOfMany), kHadMax);
    if (line.events.empty()) {
      line.empty_since_ns = now_ns;
      of_kind.empty.push_back(line);
    } else {
      of_kind.round.push_back(line);
      of_kind.level_of(line).push_back(line);
    }
    --of_kind.size;
    --size_;
    return event;
  }
  return nullptr;
}

}  // namespace capsuled::transport
