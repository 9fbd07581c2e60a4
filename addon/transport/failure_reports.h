// FailureReports: tells the control plane of I/O commands that failed, for the Error Information
// log page.
//
// The page holds the last few; a host that fails a million commands a second must not fill the
// control queue with them. So at most kPerInterval are told in an interval, and none while the
// queue is full. Counters are not limited.
//
// Owner: the group. Thread: the reactor's.
#pragma once

#include <cstdint>

#include "transport/control_queue.h"
#include "wire/io_command.h"

namespace capsuled::transport {

class FailureReports {
 public:
  static constexpr uint32_t kPerInterval = 64;
  static constexpr uint64_t kIntervalNs = 100'000'000;

  /// True: the control plane was told, and the command's status may say More.
  [[nodiscard]] bool tell(ControlQueue& control, uint64_t now_ns, ConnectionId connection,
                          uint32_t controller, uint16_t qid, const wire::SubmissionQueueEntry& sqe,
                          wire::Status status) {
    if (now_ns - interval_start_ns_ >= kIntervalNs) {
      interval_start_ns_ = now_ns;
      told_ = 0;
    }
    if (told_ == kPerInterval) return false;
    auto event = std::make_unique<ControlEvent>();
    event->type = ControlEventType::CommandFailed;
    event->connection = connection;
    event->controller = controller;
    event->qid = qid;
    event->sqe = sqe;
    event->status = status.pack();
    if (!control.try_push(event)) return false;
    told_++;
    return true;
  }

 private:
  uint64_t interval_start_ns_ = 0;
  uint32_t told_ = 0;
};

}  // namespace capsuled::transport
