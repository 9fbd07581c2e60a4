#include "nvmf/controller.h"

#include <algorithm>

namespace capsuled::nvmf {

Controller::Controller(Reactor& reactor, uint32_t handle, uint32_t asynchronous_events_max,
                       void (*expired)(Controller& controller, void* argument), void* argument)
    : reactor_(reactor),
      handle_(handle),
      asynchronous_events_max_(asynchronous_events_max),
      expired_(expired),
      argument_(argument) {
  timer_.controller = this;
  timer_.expired = [](Timer& timer) {
    Controller& controller = *static_cast<KeepAliveTimer&>(timer).controller;
    // touch() only notes the time: moving the timer for each command would cost more than this
    // second look.
    const uint64_t deadline_ns = controller.last_sign_ns_ + controller.timeout_ns_;
    if (controller.reactor_.now_ns() < deadline_ns) {
      controller.reactor_.start_timer(timer, deadline_ns);
      return;
    }
    controller.expired_(controller, controller.argument_);
  };
}

Controller::~Controller() {
  ASSERT_MSG(parked_.empty(), "a controller went with requests parked in it");
  if (timer_.started()) reactor_.cancel_timer(timer_);
}

void Controller::set_keep_alive(uint64_t timeout_ms) {
  if (timer_.started()) reactor_.cancel_timer(timer_);
  timeout_ns_ = timeout_ms * 1'000'000;
  last_sign_ns_ = reactor_.now_ns();
  if (timeout_ns_ != 0) reactor_.start_timer(timer_, last_sign_ns_ + timeout_ns_);
}

void Controller::touch() { last_sign_ns_ = reactor_.now_ns(); }

void Controller::park(Request& request) {
  if (event_count_ > 0) {
    const uint32_t dw0 = events_[0];
    std::copy(events_.begin() + 1, events_.begin() + static_cast<ptrdiff_t>(event_count_),
              events_.begin());
    event_count_--;
    answer_event(request, dw0);
    return;
  }
  if (parked_.size() >= asynchronous_events_max_) {
    request.answer(
        wire::Status(wire::CommandSpecificStatus::kAsyncEventRequestLimitExceeded).do_not_retry());
    return;
  }
  parked_.push_back(request);
}

bool Controller::unpark(Request& request) {
  if (!parked_.contains(request)) return false;
  parked_.remove(request);
  return true;
}

void Controller::asynchronous_event(uint32_t dw0) {
  if (Request* const request = parked_.pop_front(); request != nullptr) {
    answer_event(*request, dw0);
    return;
  }
  const auto end = events_.begin() + static_cast<ptrdiff_t>(event_count_);
  if (std::find(events_.begin(), end, dw0) != end || event_count_ == kEventsMax) return;
  events_[event_count_++] = dw0;
}

void Controller::reset() {
  event_count_ = 0;
  // SPDK's host does not send a request again that was ended so; others take any error for that.
  while (Request* const request = parked_.pop_front()) {
    request->answer(wire::GenericStatus::kAbortedSqDeletion);
  }
}

void Controller::answer_event(Request& request, uint32_t dw0) {
  request.cqe.dw0.set(dw0);
  request.answer(wire::GenericStatus::kSuccess);
}

}  // namespace capsuled::nvmf
