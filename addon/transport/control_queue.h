// ControlQueue: what reactors tell the control plane (TypeScript): commands of the admin queue,
// Fabrics commands, and the life of connections.
//
// One bounded queue for all reactors, drained by the control thread in batches. What the control
// thread took from it waits in a line for each peer (control_lines.h), so that peers take turns.
// Events of one connection arrive in order. When the queue is full the reactor keeps the event and
// tries again; the connection whose command it is stops reading at its own limits.
//
// What waits is bounded: by connection (kControlEventsMax), and Admission bounds connections until
// the control plane has heard of their end. The lines have room for all of that, so behind others
// in the queue nobody waits for longer than until the next drain().
//
// Threads: try_push() any reactor; drain() the control thread only.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/bounded_ring.h"
#include "env/env.h"
#include "transport/control_event.h"
#include "transport/control_lines.h"

namespace capsuled::transport {

/// Commands of one connection that the control plane has at once: others of it wait at their
/// connection.
inline constexpr uint32_t kControlCommandsMax = 4;
/// Events of one connection that may wait: its commands, that it was opened, that it expired and
/// that it was closed; and one for those that are told only while there is room.
inline constexpr uint32_t kControlEventsMax = kControlCommandsMax + 4;

class ControlQueue {
 public:
  /// `capacity`: between two drain()s. `lines_max`: events in lines. `notify` is called (any
  /// thread) when something of a class comes behind a drain() of that class; it makes the control
  /// thread drain(). Until it drains that class it is not called for it again: a class that has to
  /// wait wakes nobody.
  ControlQueue(env::Env& env, uint32_t capacity, size_t lines_max, void (*notify)(void* argument),
               void* argument);
  /// False: full; `event` is untouched.
  [[nodiscard]] bool try_push(std::unique_ptr<ControlEvent>& event);
  /// Takes up to `limit` events of these classes, in the order of control_lines.h; `limit` is at
  /// most `lines_max`. Fewer: there are no more. Else the caller comes again, unasked.
  std::vector<std::unique_ptr<ControlEvent>> drain(uint32_t limit, PeerKinds kinds = kAllPeerKinds);

 private:
  /// Whether it was not notified of the class before.
  bool raise(size_t kind) { return !notified_[kind].exchange(true, std::memory_order_acq_rel); }

  env::Env& env_;
  MpscRing<std::unique_ptr<ControlEvent>> ring_;
  const size_t lines_max_;
  ControlLines lines_;  // the control thread's
  std::array<std::atomic<bool>, kPeerKindCount> notified_{};
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
  uint8_t retry_delay = 0;    ///< see Qpair
};

}  // namespace capsuled::transport
