// How a group divides its resources: first among the classes (AccountKind), then among the peers of
// each. docs/internals/limits.md has the table. Pure.
#pragma once

#include "transport/group.h"
#include "transport/peers.h"

namespace capsuled::transport {

/// `small_buffers` and `large_buffers`: what the reactor's pool has for transfers.
PeerPlans peer_plans(const GroupOptions& options, uint32_t small_buffers, uint32_t large_buffers);

}  // namespace capsuled::transport
