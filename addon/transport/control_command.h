// What data an admin or Fabrics command moves, judged from its opcode and its SGL alone: all else
// about it is the control plane's to check. Each opcode has a maximum, checked before any memory is
// given: a stranger's Connect moves 1,024 bytes and nothing else moves any. Pure.
#pragma once

#include "nvmf/request.h"
#include "wire/command.h"

namespace capsuled::transport {

/// All that a control command sends fits the memory that a request has for data in its capsule, so
/// that no buffer is taken for it.
inline constexpr uint32_t kControlHostDataMax = 4096;

/// `capsule_bytes`: the in-capsule data that came with it.
nvmf::Plan control_plan(const wire::SubmissionQueueEntry& sqe, uint32_t capsule_bytes);

}  // namespace capsuled::transport
