#include "perf/local_load_path.h"

#include "base/assert.h"

namespace capsuled::perf {

LocalLoadPath::LocalLoadPath(Reactor& reactor) : reactor_(reactor) {
  turn_.path = this;
  turn_.expired = [](Timer& timer) { static_cast<Turn&>(timer).path->on_turn(); };
}

LocalLoadPath::~LocalLoadPath() {
  ASSERT_MSG(state_ == State::Closed, "a path destroyed while it is open");
}

void LocalLoadPath::set_state(State state) {
  const bool forward = static_cast<uint8_t>(state) == static_cast<uint8_t>(state_) + 1;
  const bool ends = state_ != State::Closed && state == State::Closed;
  const bool given_up = state_ == State::Opening && state == State::Closing;
  ASSERT_MSG(forward || ends || given_up, "a transition that paths do not have");
  state_ = state;
}

void LocalLoadPath::open(LoadPathOwner& owner) {
  owner_ = &owner;
  set_state(State::Opening);
  attach();
  reactor_.start_timer(turn_, reactor_.now_ns());
}

void LocalLoadPath::close() {
  if (state_ == State::Closed || state_ == State::Closing) return;
  set_state(State::Closing);
  // Moves the timer, if it is open for no longer than this turn.
  reactor_.start_timer(turn_, reactor_.now_ns());
}

void LocalLoadPath::lost(const std::string& reason) {
  ASSERT(!reason.empty());
  lost_ = reason;
  // Before open(), which looks at it; and what closes, closes as it was asked to.
  if (state_ == State::Opening || state_ == State::Live) end(lost_);
}

void LocalLoadPath::on_turn() {
  if (state_ == State::Closing) return end("");
  if (!lost_.empty()) return end(lost_);
  set_state(State::Live);
  owner_->path_live();
}

void LocalLoadPath::end(const std::string& reason) {
  if (turn_.started()) reactor_.cancel_timer(turn_);
  set_state(State::Closed);
  detach();
  owner_->path_closed(reason);
}

}  // namespace capsuled::perf
