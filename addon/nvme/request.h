// Request: one command of an initiator, from Qpair::submit() to its completion.
//
// Owner: who submits it; it stays at its address, with its data, until `complete` runs. Thread: the
// qpair's reactor's.
#pragma once

#include <sys/uio.h>

#include <cstdint>

#include "wire/command.h"

namespace capsuled::nvme {

enum class Transfer : uint8_t { None, ToController, FromController };

struct Request {
  /// Runs once, from the reactor's loop and never inside submit(). The request may be submitted
  /// again from it.
  using Complete = void (*)(Request& request, const wire::CompletionQueueEntry& cqe);

  wire::SubmissionQueueEntry sqe = {};  ///< CID, PSDT and DPTR are the qpair's to fill
  Transfer transfer = Transfer::None;
  uint32_t bytes = 0;          ///< of data; 0 exactly if there is no transfer
  const iovec* iov = nullptr;  ///< covers `bytes`, with no empty member
  Complete complete = nullptr;
  bool patient = false;    ///< it may be unanswered for as long as there is nothing to say
  uint32_t way_taken = 0;  ///< of a qpair that has several: the last one
};

/// The completion's status, without the phase tag.
inline wire::Status status_of(const wire::CompletionQueueEntry& cqe) {
  return wire::Status::unpack(cqe.status.get());
}

}  // namespace capsuled::nvme
