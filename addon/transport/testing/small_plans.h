// Plans so small that a few hosts meet every limit.
#pragma once

#include "transport/peer_plans.h"

namespace capsuled::transport::testing {

inline PeerPlans small_plans() {
  GroupOptions options;
  options.requests_max = 48;
  options.queue_entries_max = 8;
  options.peers_max = 4;
  return peer_plans(options, 24, 16);
}

/// Stands for a connection: Peers never looks into one.
inline Connection* name(uintptr_t number) { return reinterpret_cast<Connection*>(number); }

}  // namespace capsuled::transport::testing
