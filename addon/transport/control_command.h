// What data an admin or Fabrics command moves, judged from its opcode and its SGL alone: all else
// about it is the control plane's to check. Pure.
#pragma once

#include "nvmf/request.h"
#include "wire/command.h"

namespace capsuled::transport {

/// `capsule_bytes`: the in-capsule data that came with it.
nvmf::Plan control_plan(const wire::SubmissionQueueEntry& sqe, uint32_t capsule_bytes);

}  // namespace capsuled::transport
