// Controller: the part of an NVMe controller that must live while the event loop of JavaScript
// stalls. It belongs to the admin queue and lives on its reactor: the keep-alive timer (NVMe
// Base 2.0, 3.9) and the parked Asynchronous Event Requests (5.2).
//
// The queue's connection calls keep_alive() and park(); the admin plane raises events with
// asynchronous_event(). Thread: the reactor of the admin queue. Invariant: events wait only while
// no request is parked.
#pragma once

#include <array>
#include <cstdint>

#include "base/intrusive_list.h"
#include "nvmf/request.h"
#include "reactor/reactor.h"

namespace capsuled::nvmf {

class Controller {
 public:
  /// `expired` runs from the loop when the host was silent for the keep-alive time-out.
  Controller(Reactor& reactor, uint32_t handle, uint32_t asynchronous_events_max,
             void (*expired)(Controller& controller, void* argument), void* argument);
  ~Controller();
  Controller(const Controller&) = delete;
  Controller& operator=(const Controller&) = delete;

  uint32_t handle() const { return handle_; }

  /// Sets the keep-alive time-out and starts it; 0 stops it.
  void set_keep_alive(uint64_t timeout_ms);
  /// A Keep Alive command, or any other sign of life on the admin queue, came in.
  void touch();

  /// An Asynchronous Event Request that is executing: parks it, answers it with a waiting event, or
  /// refuses it (Asynchronous Event Request Limit Exceeded).
  void park(Request& request);
  /// Takes a parked request out, to be answered by the caller (Abort, teardown); false: it was not
  /// parked.
  bool unpark(Request& request);
  /// Completes a parked request with `dw0`, or keeps the event for the next (the oldest kept are
  /// never dropped; a repetition of a kept event is).
  void asynchronous_event(uint32_t dw0);
  /// A controller reset: parked requests are aborted, and kept events forgotten. The admin queue
  /// lives on, so the host is told of each; its next requests begin at none.
  void reset();

 private:
  static constexpr size_t kEventsMax = 16;
  struct KeepAliveTimer : Timer {
    Controller* controller = nullptr;
  };
  void answer_event(Request& request, uint32_t dw0);

  Reactor& reactor_;
  uint32_t handle_;
  uint32_t asynchronous_events_max_;
  void (*expired_)(Controller& controller, void* argument);
  void* argument_;
  KeepAliveTimer timer_;
  uint64_t timeout_ns_ = 0;
  uint64_t last_sign_ns_ = 0;
  IntrusiveList<Request, &Request::node> parked_;
  std::array<uint32_t, kEventsMax> events_{};
  size_t event_count_ = 0;
};

}  // namespace capsuled::nvmf
