// ControlQueue: what reactors tell the control plane (TypeScript): commands of the admin queue,
// Fabrics commands, and the life of connections.
//
// One bounded queue for all reactors, drained by the control thread in batches. Events of one
// connection arrive in order. A command is copied into its event, so that its memory does not
// depend on the connection's. When the queue is full the reactor keeps the event and tries again;
// the connection whose command it is stops reading at its own limits.
//
// Threads: try_push() any reactor; drain() the control thread only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/bounded_ring.h"
#include "env/env.h"
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
  // ConnectionClosed: why; PeerLimited: the resource
  const char* reason = "";  ///< a stable lower_snake word
};

class ControlQueue {
 public:
  /// `notify` is called (any thread) when the queue goes from drained to not; it makes the control
  /// thread drain().
  ControlQueue(uint32_t capacity, void (*notify)(void* argument), void* argument);
  /// False: full; `event` is untouched.
  [[nodiscard]] bool try_push(std::unique_ptr<ControlEvent>& event);
  /// Takes up to `limit` events, in order.
  std::vector<std::unique_ptr<ControlEvent>> drain(uint32_t limit);

 private:
  MpscRing<std::unique_ptr<ControlEvent>> ring_;
  std::atomic<bool> notified_{false};
  void (*notify_)(void* argument);
  void* argument_;
};

/// Bytes that many answers share, such as a discovery log page. Freed with the last that needs it.
using ControlPage = std::vector<std::byte>;

/// The most data of its own that an answer has; more is sent from a ControlPage.
inline constexpr uint32_t kControlAnswerBytesMax = 4096;

/// The control plane's answer to a command; made on the control thread, sent on the connection's
/// reactor.
struct ControlAnswer {
  CommandToken token = 0;
  uint16_t status = 0;  ///< as the wire has it: wire::Status::pack()
  uint32_t dw0 = 0;
  uint32_t dw1 = 0;
  std::vector<std::byte> data = {};  ///< up to kControlAnswerBytesMax
  /// Instead of `data`: the page from `page_offset` on.
  std::shared_ptr<const ControlPage> page = nullptr;
  uint32_t page_offset = 0;
  /// Of all that is answered; what data or page are short of this are zeros. Cut to the command's
  /// length.
  uint32_t bytes = 0;
  bool close = false;  ///< close the connection once the answer was sent
};

/// What an accepted Connect makes of its connection.
struct QueueAttach {
  CommandToken token = 0;
  uint32_t dw0 = 0;
  uint32_t controller = 0;
  uint16_t qid = 0;
  uint32_t entries = 0;
  bool flow_control_disabled = false;
  uint32_t table = 0;  ///< 0: none
  uint32_t asynchronous_events_max = 4;
  bool discovery = false;     ///< of a discovery controller
  uint32_t host = 0;          ///< whose account: the same number, the same host (peers.h)
  bool host_is_first = true;  ///< of its address: see SharePlan::members_further
};

}  // namespace capsuled::transport
