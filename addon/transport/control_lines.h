// ControlLines: what waits for the control plane, in a line for each account.
//
// The control plane is one thread, and what one peer asks of it takes time from all others. So the
// classes of peers (peer_kind.h) take turns, and so do the accounts of a class: one that sends
// without end is served once in each round of its class, however many of its events wait.
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

class ControlLines {
 public:
  ControlLines() = default;
  ~ControlLines();
  ControlLines(const ControlLines&) = delete;
  ControlLines& operator=(const ControlLines&) = delete;

  void push(std::unique_ptr<ControlEvent> event);
  /// The next one, or null if there is none.
  std::unique_ptr<ControlEvent> pop();
  size_t size() const { return size_; }

 private:
  struct Line {
    uint64_t account = 0;
    std::queue<std::unique_ptr<ControlEvent>> events;
    ListNode turn_node;
  };
  struct Class {
    std::unordered_map<uint64_t, Line> lines;  // by account; none is empty
    IntrusiveList<Line, &Line::turn_node> turns;
  };

  std::array<Class, kPeerKindCount> classes_;  // by PeerKind
  size_t turn_ = 0;
  size_t size_ = 0;
};

}  // namespace capsuled::transport
