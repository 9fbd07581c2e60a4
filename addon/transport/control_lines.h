// ControlLines: what waits for the control plane, in a line for each account.
//
// The control plane is one thread, and what one peer asks of it takes time from all others. So the
// classes of peers (peer_kind.h) take turns, and so do the accounts of a class: one that sends
// without end is served once in each round of its class, however many of its events wait. An
// account of which nothing waited is *fresh*, for kFreshEvents: it does not stand behind all that
// wait always, but has every other turn with the fresh ones. It is fresh again when its turn has
// come and nothing of it waited. So who comes, asks what it needs and goes does not wait for those
// who stay.
//
// The events of an account stay in order. So do those of a connection: its account changes when its
// Connect is answered, and until then nothing but that Connect of it is with the control plane.
// Between accounts there is no order: a host's new Connect, which is its address's, may be judged
// before the end of its old connection, which is the host's. Where a limit stands in the way it is
// answered with Controller Busy, and the host tries again.
//
// Owner and thread: the control thread's ControlQueue.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <queue>
#include <unordered_map>

#include "base/intrusive_list.h"
#include "transport/control_event.h"

namespace capsuled::transport {

/// What a host asks when it looks for subsystems, or a controller when it is made.
inline constexpr uint32_t kFreshEvents = 16;

class ControlLines {
 public:
  ControlLines() = default;
  ~ControlLines();
  ControlLines(const ControlLines&) = delete;
  ControlLines& operator=(const ControlLines&) = delete;

  void push(std::unique_ptr<ControlEvent> event);
  /// The next one of these classes, or null if there is none.
  std::unique_ptr<ControlEvent> pop(PeerKinds kinds);
  /// Of all classes.
  size_t size() const { return size_; }
  bool empty(PeerKinds kinds) const;

 private:
  struct Line {
    uint64_t account = 0;
    std::queue<std::unique_ptr<ControlEvent>> events;
    uint32_t fresh_events = kFreshEvents;  ///< left; 0: it is not fresh
    ListNode turn_node;
  };
  struct Class {
    std::unordered_map<uint64_t, Line> lines;     // by account; each has a turn
    IntrusiveList<Line, &Line::turn_node> fresh;  // none is empty
    IntrusiveList<Line, &Line::turn_node> turns;  // those that are empty, and those not fresh
    bool was_fresh = false;                       ///< whose turn it was last
    size_t size = 0;                              ///< events
  };
  static Line& take_turn(Class& of_kind);

  std::array<Class, kPeerKindCount> classes_;  // by PeerKind
  size_t turn_ = 0;
  size_t size_ = 0;
};

}  // namespace capsuled::transport
