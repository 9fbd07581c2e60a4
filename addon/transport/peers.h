// Peers: whom a group holds something for, how much of each resource, and who goes on next.
//
// A Peer is one account: of an address before Connect, of a host (its NQN and address, as the
// control plane counts it) on discovery, of a host's admin queues, or of its I/O. All connections
// of a peer share it. Each of these four classes has its own part of every resource, so that
// strangers and discovery take nothing from hosts, and whatever a host's I/O waits for, its Keep
// Alives are read; within a class each peer has its share (share_table.h).
//
// What cannot go on for want of a resource waits in a line of its peer, as a connection: see
// PeerLine. Peers take turns and so do the connections of a peer, so that nobody waits behind
// another host's commands. A line is looked at when what it lacks may be there: when its own peer
// gave something back, or, if it waits for the shared part of a resource, when that grew and it is
// first there. While somebody waits for the shared part of a resource nobody else takes of it: what
// needs much is not starved by what needs little.
//
// Owner: the group. Thread: the reactor's. Invariant: a line with connections is in `runnable`, or
// waits for its own peer, or stands in the line of one resource.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <unordered_map>

#include "base/intrusive_list.h"
#include "reactor/reactor_stats.h"
#include "transport/bdev_shares.h"
#include "transport/peer_kind.h"
#include "transport/share_table.h"
#include "transport/transport_stats.h"

namespace capsuled::transport {

class Connection;
class PeerClass;
struct Peer;

enum class Resource : uint8_t {
  Requests,      ///< of the group's RequestPool
  HostWaits,     ///< of the RequestPool, too: for requests whose data the host was asked for
  Parked,        ///< places for commands that hold no request: see connection_parked.cc
  SmallBuffers,  ///< of the reactor's BufferPool
  LargeBuffers,
  LentBytes,   ///< of a bdev's memory; nobody waits for it: what is not lent is copied
  EventWaits,  ///< of the RequestPool, too: for requests that wait for an event, which may never
               ///< come; nobody waits for it: one more is refused
};
inline constexpr size_t kResourceCount = 7;
/// Of these, the first ones are waited for.
inline constexpr size_t kWaitedForCount = 5;

/// As metrics and logs have it.
const char* resource_word(Resource resource);

/// How every resource is divided among the peers of one class.
using PeerPlan = std::array<SharePlan, kResourceCount>;
/// By AccountKind.
using PeerPlans = std::array<PeerPlan, kAccountKindCount>;

/// What a connection waits in its peer's line for.
enum class Wait : uint8_t {
  Small,   ///< its first parked command needs at most a small buffer
  Large,   ///< its first parked command needs large buffers
  Stream,  ///< the next command of its stream needs a request
  Places,  ///< its first parked command needs a claim of places
};
inline constexpr size_t kWaitCount = 4;

/// One link for each line that a connection may be in.
struct WaitNode {
  ListNode node;
  Connection* connection = nullptr;
};

/// The connections of a peer that wait for the same.
struct PeerLine {
  Peer* peer = nullptr;
  Wait wait = Wait::Small;
  IntrusiveList<WaitNode, &WaitNode::node> connections;
  ListNode run_node;     ///< in Peers::runnable
  ListNode shared_node;  ///< in the line for the shared part of `lacks`
  Resource lacks = Resource::Requests;
  uint64_t since_ns = 0;  ///< since when somebody waits here and nobody went on
};

/// What each command touches is in one cache line.
struct alignas(64) Peer {
  PeerClass* kind = nullptr;
  std::array<PeerShare, kResourceCount> shares;
  uint64_t key = 0;
  bool first = true;        ///< of its address
  uint32_t references = 0;  ///< connections, and requests that outlived their time here
  std::array<PeerLine, kWaitCount> lines;
  BdevHolds bdevs;       ///< what its commands of each bdev hold
  uint64_t told_ns = 0;  ///< when the control plane heard of its waiting

  PeerShare& share(Resource resource) { return shares[static_cast<size_t>(resource)]; }
  PeerLine& line(Wait wait) { return lines[static_cast<size_t>(wait)]; }
};

/// What is lacking for something to go on.
struct Shortage {
  Lack lack = Lack::None;
  Resource resource = Resource::Requests;

  explicit operator bool() const { return lack != Lack::None; }
};

/// What came of a turn.
struct Turn {
  bool moved = false;      ///< something went on
  bool more = false;       ///< the connection waits for another turn
  Shortage shortage = {};  ///< if it does and nothing went on: why not
};

class PeerClass {
 public:
  PeerClass(AccountKind kind, const PeerPlan& plan);
  ~PeerClass();

  AccountKind kind() const { return kind_; }
  bool is_turn(const PeerLine& line) const { return turn_ == &line; }
  /// False: `peer` can never hold so much.
  bool possible(const Peer& peer, Resource resource, uint32_t amount) const {
    const auto index = static_cast<size_t>(resource);
    return parts_[index].table.possible(peer.shares[index], amount);
  }

  /// Whether `peer` may take `amount` more now.
  Lack lack(const Peer& peer, Resource resource, uint32_t amount) const {
    const auto index = static_cast<size_t>(resource);
    const PeerShare& share = peer.shares[index];
    if (share.held + amount <= share.guarantee) [[likely]]
      return Lack::None;
    const Part& part = parts_[index];
    if (part.line.empty()) [[likely]]
      return part.table.lack(share, amount);
    return lack_behind(share, part, amount);
  }

  /// Beyond its guarantee: how much more `peer`, and anybody, could hold now.
  Room room(const Peer& peer, Resource resource) const {
    const auto index = static_cast<size_t>(resource);
    const ShareTable& table = parts_[index].table;
    return {.own = table.room(peer.shares[index]), .shared = table.shared_free()};
  }

  /// The same for LentBytes.
  bool may_lend(const Peer& peer, uint32_t bytes) const {
    return parts_[kLent].table.lack(peer.shares[kLent], bytes) == Lack::None;
  }

 private:
  friend class Peers;
  static constexpr auto kLent = static_cast<size_t>(Resource::LentBytes);
  struct Part {
    explicit Part(const SharePlan& plan) : table(plan) {}
    ShareTable table;
    IntrusiveList<PeerLine, &PeerLine::shared_node> line;  ///< for the shared part
  };
  Lack lack_behind(const PeerShare& share, const Part& part, uint32_t amount) const;

  const AccountKind kind_;
  std::array<Part, kResourceCount> parts_;  // by resource
  std::unordered_map<uint64_t, std::unique_ptr<Peer>> peers_;
  const PeerLine* turn_ = nullptr;  ///< whose turn it is: it need not wait behind itself
};

class Peers {
 public:
  Peers(const PeerPlans& plans, TransportStats& stats);
  ~Peers();

  /// The account of `key`, made if it is not there. leave() as often as join().
  /// `first`: of its address; of others, few have a guarantee.
  Peer& join(AccountKind kind, uint64_t key, bool first = true);
  void leave(Peer& peer);

  /// PeerClass::lack() said None.
  void take(Peer& peer, Resource resource, uint32_t amount) {
    const auto index = static_cast<size_t>(resource);
    peer.kind->parts_[index].table.take(peer.shares[index], amount);
  }
  void give(Peer& peer, Resource resource, uint32_t amount) {
    const auto index = static_cast<size_t>(resource);
    PeerClass::Part& part = peer.kind->parts_[index];
    const bool shared = part.table.give(peer.shares[index], amount);
    if (lines_waiting_ > 0) [[unlikely]]
      given(peer, part, shared);
  }

  /// PeerClass::may_lend() said yes.
  void lend(Peer& peer, uint32_t bytes) {
    peer.kind->parts_[PeerClass::kLent].table.take(peer.shares[PeerClass::kLent], bytes);
  }
  void give_lent(Peer& peer, uint32_t bytes) {
    peer.kind->parts_[PeerClass::kLent].table.give(peer.shares[PeerClass::kLent], bytes);
  }

  /// `node`'s connection waits for a turn because of `shortage`, which is counted.
  void wait(Peer& peer, Wait wait, WaitNode& node, Shortage shortage, uint64_t now_ns);
  /// The same, and it may be able to go on already.
  void wait_ready(Peer& peer, Wait wait, WaitNode& node, uint64_t now_ns);
  /// It does not any more; nothing if it did not.
  void cancel(Peer& peer, Wait wait, WaitNode& node) {
    if (node.node.linked()) leave_line(peer.line(wait), node);
  }
  /// Whoever waits in a line of `peer` has a turn.
  void wake(Peer& peer) {
    for (PeerLine& line : peer.lines) {
      if (!line.connections.empty()) run(line);
    }
  }
  /// False: all lines are empty.
  bool anybody_waits() const { return lines_waiting_ > 0; }
  /// False: serve() has nothing to do.
  bool runnable() const { return !runnable_.empty(); }
  /// Gives up to `turns_max` turns to lines that may go on. `take_turn(connection, wait)` answers
  /// with a Turn. True: somebody went on, or turns are left over.
  template <typename TakeTurn>
  bool serve(uint32_t turns_max, uint64_t now_ns, TakeTurn&& take_turn) {
    bool moved = false;
    for (uint32_t turn = 0; turn < turns_max; ++turn) {
      PeerLine* const line = runnable_.pop_front();
      if (line == nullptr) return moved;
      WaitNode& node = *line->connections.front();
      line->peer->kind->turn_ = line;
      const Turn outcome = take_turn(*node.connection, line->wait);
      line->peer->kind->turn_ = nullptr;
      end_turn(*line, node, outcome);
      moved = moved || outcome.moved;
      if (outcome.moved) line->since_ns = now_ns;
    }
    return true;
  }
  /// Calls `visit(PeerLine&)` for each line where somebody waits.
  template <typename Visit>
  void for_each_waiting(Visit&& visit) {
    if (lines_waiting_ == 0) return;
    for (auto& of_kind : classes_) {
      for (auto& [key, peer] : of_kind->peers_) {
        for (PeerLine& line : peer->lines) {
          if (!line.connections.empty()) visit(line);
        }
      }
    }
  }

 private:
  void given(Peer& peer, PeerClass::Part& part, bool shared);
  void run(PeerLine& line) {
    if (!line.run_node.linked()) runnable_.push_back(line);
  }
  bool join_line(PeerLine& line, WaitNode& node, uint64_t now_ns);
  void leave_line(PeerLine& line, WaitNode& node);
  void end_turn(PeerLine& line, WaitNode& node, const Turn& turn);
  void leave_shared(PeerLine& line);
  void await(PeerLine& line, Shortage shortage);
  void emptied(PeerLine& line);
  PeerClass::Part& part_of(PeerLine& line) {
    return line.peer->kind->parts_[static_cast<size_t>(line.lacks)];
  }

  std::array<std::unique_ptr<PeerClass>, kAccountKindCount> classes_;
  IntrusiveList<PeerLine, &PeerLine::run_node> runnable_;
  uint32_t lines_waiting_ = 0;
  TransportStats& stats_;
};

}  // namespace capsuled::transport
