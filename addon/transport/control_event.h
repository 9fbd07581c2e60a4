// ControlEvent: one thing that a reactor tells the control plane (TypeScript), and the names that
// both have for connections and commands. A command is copied into its event, so that its memory
// does not depend on the connection's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "env/env.h"
#include "transport/peer_kind.h"
#include "wire/command.h"

namespace capsuled::transport {

/// Names something of one reactor's for other threads: reactor, slot there, and the slot's
/// generation, so that a late word for something gone is recognised. Below 2^53 (JavaScript's exact
/// integers); 0 is none: generations begin at 1.
using Handle = uint64_t;
inline constexpr uint32_t kHandleSlotBits = 20;
inline constexpr uint32_t kHandleReactorBits = 8;
inline constexpr uint32_t kHandleGenerationBits = 25;  ///< wraps to 1

constexpr Handle make_handle(uint32_t reactor, uint32_t slot, uint32_t generation) {
  return uint64_t{generation} << (kHandleSlotBits + kHandleReactorBits) |
         uint64_t{slot} << kHandleReactorBits | reactor;
}
constexpr uint32_t handle_reactor(Handle handle) {
  return static_cast<uint32_t>(handle & ((1u << kHandleReactorBits) - 1));
}
constexpr uint32_t handle_slot(Handle handle) {
  return static_cast<uint32_t>(handle >> kHandleReactorBits & ((1u << kHandleSlotBits) - 1));
}
constexpr uint32_t handle_generation(Handle handle) {
  return static_cast<uint32_t>(handle >> (kHandleSlotBits + kHandleReactorBits));
}

/// A connection: slot in its group.
using ConnectionId = Handle;
/// A command until it is answered: slot in its group's requests.
using CommandToken = Handle;

enum class ControlEventType : uint8_t {
  Command,
  ConnectionOpened,
  ConnectionClosed,
  KeepAliveExpired,
  CommandFailed,
  ConnectionsRefused,
  PeerLimited,
};

struct ControlEvent {
  ControlEventType type = ControlEventType::Command;
  // In whose line it waits: a host's, or an address's. See control_lines.h.
  PeerKind kind = PeerKind::Stranger;
  uint64_t account = 0;
  uint64_t posted_ns = 0;  ///< when ControlQueue was first given it, of Env's clock
  ConnectionId connection = 0;
  uint32_t controller = 0;
  // Command
  CommandToken token = 0;
  uint16_t qid = 0;
  wire::SubmissionQueueEntry sqe = {};
  std::vector<std::byte> data;  ///< from the host
  uint32_t data_bytes_max = 0;  ///< room in the host's SGL, when the command reads
  // ConnectionOpened
  uint32_t listener = 0;
  uint32_t reactor = 0;
  env::Endpoint local;
  env::Endpoint peer;
  // CommandFailed: besides `sqe` and `qid`
  uint16_t status = 0;  ///< as the wire has it
  // ConnectionsRefused: sockets closed at once since the last such event; of `peer` and `listener`
  // the last one
  uint32_t refused = 0;
  // ConnectionClosed: its place, of Admission; 0: none
  uint32_t ticket = 0;
  // ConnectionClosed: why; PeerLimited: the resource
  const char* reason = "";  ///< a stable lower_snake word
};

}  // namespace capsuled::transport
