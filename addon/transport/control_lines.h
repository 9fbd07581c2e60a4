// ControlLines: what waits for the control plane, in a line for each account.
//
// The control plane is one thread, and what one peer asks of it takes time from all others. So the
// classes of peers (peer_kind.h) take turns, and so do the accounts of a class: one that sends
// without end is served once in each round of its class, however many of its events wait. Every
// other turn is not the round's: it is for the account that has had the least since it paused, that
// is, asked nothing for kPauseNs since it was served. An event behind which others of the account
// wait counts for several, so that who asks one thing after the other has had less than who asks
// many at once, also where both have waited for the round. So who comes, asks what it needs and
// goes does not wait for those who stay, however many they are; and those who stay wait no longer
// than for two rounds, however many come.
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

/// Longer than a peer takes that asks again as soon as it is answered.
inline constexpr uint64_t kPauseNs = 50'000'000;
/// What an event counts for behind which others wait.
inline constexpr uint32_t kOneOfMany = 8;

class ControlLines {
 public:
  ControlLines() = default;
  ~ControlLines();
  ControlLines(const ControlLines&) = delete;
  ControlLines& operator=(const ControlLines&) = delete;

  void push(std::unique_ptr<ControlEvent> event);
  /// The next one of these classes, or null if there is none. `now_ns`: of Env's clock.
  std::unique_ptr<ControlEvent> pop(PeerKinds kinds, uint64_t now_ns);
  /// Of all classes.
  size_t size() const { return size_; }
  bool empty(PeerKinds kinds) const;

 private:
  struct Line {
    uint64_t account = 0;
    std::queue<std::unique_ptr<ControlEvent>> events;
    uint32_t had = 0;  ///< since it paused
    uint64_t empty_since_ns = 0;
    ListNode turn_node;   ///< in Class::round, or in Class::empty
    ListNode level_node;  ///< in one of Class::levels, if it is not empty
  };
  static constexpr size_t kLevels = 32;
  static constexpr uint32_t kHadMax = (1u << (kLevels - 1)) - 1;
  using Level = IntrusiveList<Line, &Line::level_node>;
  struct Class {
    Level& level_of(const Line& line);

    std::unordered_map<uint64_t, Line> lines;     // by account
    IntrusiveList<Line, &Line::turn_node> round;  // those that are not empty
    std::array<Level, kLevels> levels;            // the same, by the number of bits of `had`
    IntrusiveList<Line, &Line::turn_node> empty;  // the first one has been for the longest time
    bool was_round = true;                        ///< whose turn it was last
    size_t size = 0;                              ///< events
  };
  static Line& take_turn(Class& of_kind);
  static void forget(Class& of_kind, uint64_t now_ns);

  std::array<Class, kPeerKindCount> classes_;  // by PeerKind
  size_t turn_ = 0;
  size_t size_ = 0;
};

}  // namespace capsuled::transport
