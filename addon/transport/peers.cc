#include "transport/peers.h"

namespace capsuled::transport {

namespace {

using Word = uint64_t TransportStats::*;

constexpr std::array<std::array<Word, kWaitedForCount>, kAccountKindCount> kLimitWords = {{
    {&TransportStats::limit_stranger_requests, &TransportStats::limit_stranger_host_waits,
     &TransportStats::limit_stranger_parked, &TransportStats::limit_stranger_small_buffers,
     &TransportStats::limit_stranger_large_buffers},
    {&TransportStats::limit_discovery_requests, &TransportStats::limit_discovery_host_waits,
     &TransportStats::limit_discovery_parked, &TransportStats::limit_discovery_small_buffers,
     &TransportStats::limit_discovery_large_buffers},
    {&TransportStats::limit_admin_requests, &TransportStats::limit_admin_host_waits,
     &TransportStats::limit_admin_parked, &TransportStats::limit_admin_small_buffers,
     &TransportStats::limit_admin_large_buffers},
    {&TransportStats::limit_host_requests, &TransportStats::limit_host_host_waits,
     &TransportStats::limit_host_parked, &TransportStats::limit_host_small_buffers,
     &TransportStats::limit_host_large_buffers},
}};

}  // namespace

const char* resource_word(Resource resource) {
  switch (resource) {
    case Resource::Requests: return "requests";
    case Resource::HostWaits: return "host_waits";
    case Resource::Parked: return "parked";
    case Resource::SmallBuffers: return "small_buffers";
    case Resource::LargeBuffers: return "large_buffers";
    case Resource::LentBytes: return "lent_bytes";
    case Resource::EventWaits: return "event_waits";
  }
  UNREACHABLE();
}

// ---- A class ------------------------------------------------------------------------------------

PeerClass::PeerClass(AccountKind kind, const PeerPlan& plan)
    : kind_(kind), parts_{Part(plan[0]), Part(plan[1]), Part(plan[2]), Part(plan[3]),
                          Part(plan[4]), Part(plan[5]), Part(plan[6])} {}

PeerClass::~PeerClass() { ASSERT_MSG(peers_.empty(), "a group destroyed with peers"); }

/// Beyond its guarantee, and somebody waits for the shared part.
Lack PeerClass::lack_behind(const PeerShare& share, const Part& part, uint32_t amount) const {
  const Lack found = part.table.lack(share, amount);
  if (found != Lack::None) return found;
  return part.line.front() == turn_ ? Lack::None : Lack::Shared;
}

// ---- All of a group -----------------------------------------------------------------------------

Peers::Peers(const PeerPlans& plans, TransportStats& stats) : stats_(stats) {
  for (size_t kind = 0; kind < kAccountKindCount; ++kind) {
    classes_[kind] = std::make_unique<PeerClass>(static_cast<AccountKind>(kind), plans[kind]);
  }
}

Peers::~Peers() { ASSERT(lines_waiting_ == 0 && runnable_.empty()); }

Peer& Peers::join(AccountKind kind, uint64_t key, bool first) {
  PeerClass& of_kind = *classes_[static_cast<size_t>(kind)];
  std::unique_ptr<Peer>& peer = of_kind.peers_[key];
  if (peer == nullptr) {
    peer = std::make_unique<Peer>();
    peer->kind = &of_kind;
    peer->key = key;
    peer->first = first;
    for (size_t wait = 0; wait < kWaitCount; ++wait) {
      peer->lines[wait].peer = peer.get();
      peer->lines[wait].wait = static_cast<Wait>(wait);
    }
    for (size_t index = 0; index < kResourceCount; ++index) {
      of_kind.parts_[index].table.join(peer->shares[index], first);
    }
  }
  ++peer->references;
  return *peer;
}

void Peers::leave(Peer& peer) {
  ASSERT(peer.references > 0);
  if (--peer.references > 0) return;
  PeerClass& of_kind = *peer.kind;
  for (size_t index = 0; index < kResourceCount; ++index) {
    of_kind.parts_[index].table.leave(peer.shares[index], peer.first);
  }
  of_kind.peers_.erase(peer.key);
}

void Peers::wait(Peer& peer, Wait wait, WaitNode& node, Shortage shortage, uint64_t now_ns) {
  ASSERT(static_cast<size_t>(shortage.resource) < kWaitedForCount);
  const auto kind = static_cast<size_t>(peer.kind->kind());
  add_stat(stats_.*kLimitWords[kind][static_cast<size_t>(shortage.resource)], 1);
  if (join_line(peer.line(wait), node, now_ns)) await(peer.line(wait), shortage);
}

void Peers::wait_ready(Peer& peer, Wait wait, WaitNode& node, uint64_t now_ns) {
  if (join_line(peer.line(wait), node, now_ns)) run(peer.line(wait));
}

/// True: it is the first, and the line has no turn now.
bool Peers::join_line(PeerLine& line, WaitNode& node, uint64_t now_ns) {
  const bool first = line.connections.empty();
  line.connections.push_back(node);
  if (!first) return false;
  ++lines_waiting_;
  line.since_ns = now_ns;
  return line.peer->kind->turn_ != &line;
}

void Peers::leave_line(PeerLine& line, WaitNode& node) {
  const bool first = line.connections.front() == &node;
  line.connections.remove(node);
  if (line.connections.empty()) {
    emptied(line);
  } else if (first) {
    run(line);  // the next one may need less
  }
}

void Peers::emptied(PeerLine& line) {
  --lines_waiting_;
  if (line.run_node.linked()) runnable_.remove(line);
  leave_shared(line);
}

void Peers::given(Peer& peer, PeerClass::Part& part, bool shared) {
  wake(peer);
  if (shared && !part.line.empty()) run(*part.line.front());
}

void Peers::end_turn(PeerLine& line, WaitNode& node, const Turn& turn) {
  // The turn may have taken the connection out, or all of them.
  if (node.node.linked()) {
    line.connections.remove(node);
    if (turn.more) {
      turn.moved ? line.connections.push_back(node) : line.connections.push_front(node);
    }
    if (line.connections.empty()) return emptied(line);
  } else if (line.connections.empty()) {
    return;
  }
  if (turn.more && !turn.moved) return await(line, turn.shortage);
  leave_shared(line);
  run(line);
}

/// Whoever stands behind `line` may be served now.
void Peers::leave_shared(PeerLine& line) {
  if (!line.shared_node.linked()) return;
  PeerClass::Part& part = part_of(line);
  part.line.remove(line);
  if (!part.line.empty()) run(*part.line.front());
}

void Peers::await(PeerLine& line, Shortage shortage) {
  ASSERT(shortage);
  const bool stays =
      line.shared_node.linked() && shortage.lack == Lack::Shared && shortage.resource == line.lacks;
  if (!stays) leave_shared(line);
  line.lacks = shortage.resource;
  if (!stays && shortage.lack == Lack::Shared) part_of(line).line.push_back(line);
}

}  // namespace capsuled::transport
