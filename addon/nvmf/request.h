// Request: one command from its capsule to its answer, without the transport's part.
//
// The transport owns requests in a pool per reactor (its own type derives from Request), fills
// `sqe` and `qpair`, moves the data that plan() asks for, and hands the request to execute().
// Whoever executes answers exactly once with answer(); its owner, the transport, then sends it.
// Between execute() and the answer the request belongs to the executor; the transport may only ask
// cancel().
//
// Thread: the reactor of its queue.
#pragma once

#include <cstdint>

#include "base/intrusive_list.h"
#include "bdev/bdev_io.h"
#include "nvmf/answer_permit.h"
#include "reactor/buffer_pool.h"
#include "wire/command.h"

namespace capsuled::nvmf {

class Qpair;
struct NamespaceChannel;

enum class Direction : uint8_t { None, HostToController, ControllerToHost };

/// What must be moved before and after a command; `status` other than success ends it before any
/// data is asked for.
struct Plan {
  Direction direction = Direction::None;
  uint32_t bytes = 0;
  wire::Status status = {};
  bool lent = false;  ///< ControllerToHost: the bdev has the memory, or may have (io_lend())
  /// HostToController: the data are not used any more when io_execute() returns, if that is called
  /// in this turn of the loop (CoreChannel::takes_data_at_once()).
  bool at_once = false;
};

struct Request;

/// Who has sent a request to be carried out: the transport.
struct RequestOwner {
  /// It has its answer.
  void (*answered)(Request& request) = nullptr;
  /// A device is about to have it, until it has its answer; `number`: see io_device().
  void (*given_to_device)(Request& request, uint32_t number) = nullptr;
};

struct Request {
  ListNode node;  ///< the transport's or, while parked, the controller's
  wire::SubmissionQueueEntry sqe;
  wire::CompletionQueueEntry cqe;
  Qpair* qpair = nullptr;
  Plan plan;
  /// `data.buffers` holds `plan.bytes`; if `io.lent`, only its iovecs are used.
  struct Payload {
    IoBuffers buffers;
  } data;
  BdevIo io;
  NamespaceChannel* ns = nullptr;  ///< held while executing on a namespace
  uint64_t started_ns = 0;         ///< when the capsule was complete
  uint32_t table_version = 0;      ///< of the namespace table that `plan` was checked against
  uint32_t step = 0;  ///< Dataset Management: next range; Flush of all namespaces: next index
  uint32_t step_count = 0;
  AnswerPermit executing;  ///< the executor's
  bool cancel_requested = false;
  const RequestOwner* owner = nullptr;

  /// The one answer. `cqe.status` and dwords are filled; SQHD, SQID and CID are the transport's to
  /// fill.
  void answer(wire::Status status) {
    executing.redeem();
    cqe.status.set(status.pack());
    owner->answered(*this);
  }
};

}  // namespace capsuled::nvmf
