// ReactorCall: what one reactor has another do, again and again, without memory for each time. If
// the other's inbox is full it is tried once more a little later.
//
// Owner: whoever calls; it outlives the call. Thread: start() is the calling reactor's, `run` the
// called one's, which may be the same. One call at a time: the next may be started when the called
// one has answered, by a call of its own or otherwise.
#pragma once

#include "base/assert.h"
#include "reactor/reactor.h"

namespace capsuled {

class ReactorCall {
 public:
  using Run = void (*)(Reactor& reactor, void* argument);

  ReactorCall() {
    timer_.call = this;
    timer_.expired = [](Timer& timer) { static_cast<Retry&>(timer).call->send(); };
  }
  ReactorCall(const ReactorCall&) = delete;
  ReactorCall& operator=(const ReactorCall&) = delete;

  /// From the loop of `from`: runs `run(to, argument)` in that of `to`, not from inside this call.
  void start(Reactor& from, Reactor& to, Run run, void* argument) {
    ASSERT_MSG(!timer_.started(), "a call that was not sent yet");
    from_ = &from;
    to_ = &to;
    message_ = {run, argument};
    send();
  }
  /// It was started, and could not be sent yet.
  bool is_waiting() const { return timer_.started(); }
  /// From the loop of the calling reactor: if it could not be sent yet it is not any more.
  void cancel() {
    if (is_waiting()) from_->cancel_timer(timer_);
  }

 private:
  static constexpr uint64_t kRetryNs = 1'000'000;
  struct Retry : Timer {
    ReactorCall* call = nullptr;
  };

  void send() {
    if (!to_->send_message(message_)) from_->start_timer(timer_, from_->now_ns() + kRetryNs);
  }

  Reactor* from_ = nullptr;
  Reactor* to_ = nullptr;
  Message message_;
  Retry timer_;
};

}  // namespace capsuled
