#include "transport/peers.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "base/prng.h"
#include "transport/peer_plans.h"

namespace capsuled::transport {
namespace {

std::array<PeerPlan, kPeerKindCount> small_plans() {
  GroupOptions options;
  options.requests_max = 96;
  options.queue_entries_max = 8;
  options.peers_max = 4;
  return peer_plans(options, 24, 16);
}

/// Stands for a connection: Peers never looks into one.
Connection* name(uintptr_t number) { return reinterpret_cast<Connection*>(number); }

}  // namespace

TEST_CASE("peer_plans: every host can do 256 KiB and 4 KiB, whoever else is there") {
  for (const uint64_t memory_mib : {2u, 16u, 128u, 1024u}) {
    GroupOptions options;
    options.requests_max = 32768;
    const auto small = static_cast<uint32_t>(memory_mib * 32);
    const auto large = static_cast<uint32_t>(memory_mib * 6);
    const auto plans = peer_plans(options, small, large);
    const PeerPlan& hosts = plans[static_cast<size_t>(PeerKind::Host)];
    const auto of = [&hosts](Resource resource) { return hosts[static_cast<size_t>(resource)]; };
    CHECK(of(Resource::LargeBuffers).guarantee >= 2);
    CHECK(of(Resource::LargeBuffers).shared_max >= kTransferBuffersMax);
    CHECK(of(Resource::SmallBuffers).guarantee >= 1);
    CHECK(of(Resource::Requests).guarantee >= 2 * of(Resource::HostWaits).guarantee);
    CHECK(of(Resource::Requests).shared() >= 2 * of(Resource::HostWaits).shared());
    CHECK(of(Resource::Parked).guarantee == options.queue_entries_max);
    for (const Resource resource : {Resource::Requests, Resource::SmallBuffers}) {
      uint32_t total = 0;
      for (const PeerPlan& plan : plans) total += plan[static_cast<size_t>(resource)].total;
      CHECK(total <= (resource == Resource::Requests ? options.requests_max : small));
    }
    if (memory_mib == 128) CHECK(of(Resource::LargeBuffers).members == 256);
  }
}

TEST_CASE(
    "Peers: a peer that waits at its own limit is moved on by its own, others by the shared") {
  TransportStats stats;
  Peers peers(small_plans(), stats);
  Peer& greedy = peers.join(PeerKind::Host, 1);
  Peer& other = peers.join(PeerKind::Host, 2);
  WaitNode greedy_node;
  WaitNode other_node;
  greedy_node.connection = name(1);
  other_node.connection = name(2);
  // All that it may have.
  uint32_t held = 0;
  while (greedy.kind->lack(greedy, Resource::LargeBuffers, 1) == Lack::None) {
    peers.take(greedy, Resource::LargeBuffers, 1);
    ++held;
  }
  CHECK(greedy.kind->lack(greedy, Resource::LargeBuffers, 1) == Lack::Own);
  peers.wait(greedy, Wait::Large, greedy_node, {Lack::Own, Resource::LargeBuffers}, 0);
  CHECK(stats.limit_host_large_buffers == 1);
  const auto nobody = [](Connection&, Wait) -> Turn {
    FAIL("nobody can go on");
    return {};
  };
  CHECK(!peers.serve(8, 0, nobody));
  // The other one needs more than is left of the shared part.
  REQUIRE(other.kind->lack(other, Resource::LargeBuffers, 8) == Lack::Shared);
  peers.wait(other, Wait::Large, other_node, {Lack::Shared, Resource::LargeBuffers}, 0);
  peers.give(greedy, Resource::LargeBuffers, held);
  held = 0;
  std::vector<Connection*> order;
  CHECK(peers.serve(8, 0, [&](Connection& connection, Wait wait) -> Turn {
    CHECK(wait == Wait::Large);
    order.push_back(&connection);
    if (&connection == name(1)) {
      const Lack lack = greedy.kind->lack(greedy, Resource::LargeBuffers, 8);
      if (lack == Lack::None) return {.moved = true};
      return {.more = true, .shortage = {lack, Resource::LargeBuffers}};
    }
    CHECK(other.kind->lack(other, Resource::LargeBuffers, 8) == Lack::None);
    return {.moved = true};
  }));
  // The other one waited for the shared part: nobody took of it before that.
  CHECK(order == std::vector<Connection*>{name(1), name(2), name(1)});
  peers.cancel(greedy, Wait::Large, greedy_node);
  peers.cancel(other, Wait::Large, other_node);
  peers.leave(greedy);
  peers.leave(other);
}

TEST_CASE("Peers: connections of a peer take turns, and peers do") {
  TransportStats stats;
  Peers peers(small_plans(), stats);
  std::vector<Peer*> all;
  std::vector<WaitNode> nodes(4);
  for (uint64_t host = 0; host < 2; ++host) all.push_back(&peers.join(PeerKind::Host, host));
  for (size_t index = 0; index < nodes.size(); ++index) {
    nodes[index].connection = name(index + 1);
    peers.wait(*all[index / 2], Wait::Small, nodes[index], {Lack::Own, Resource::SmallBuffers}, 0);
  }
  for (Peer* const peer : all) peers.wake(*peer);
  std::vector<Connection*> order;
  CHECK(peers.serve(8, 0, [&](Connection& connection, Wait) -> Turn {
    order.push_back(&connection);
    return {.moved = true, .more = true};
  }));
  CHECK(order == std::vector<Connection*>{name(1), name(3), name(2), name(4), name(1), name(3),
                                          name(2), name(4)});
  for (size_t index = 0; index < nodes.size(); ++index) {
    peers.cancel(*all[index / 2], Wait::Small, nodes[index]);
  }
  for (Peer* const peer : all) peers.leave(*peer);
}

/// The rules of connection_parked.cc with hosts that send whatever they like, in any order: each
/// queue is a stream in which the data of an R2T stand behind all commands that were sent before.
class LockUpModel {
 public:
  explicit LockUpModel(uint64_t seed) : prng_(seed), peers_(small_plans(), stats_) {
    for (uint64_t host = 0; host < 6; ++host) {
      for (int queue = 0; queue < 3; ++queue) {
        auto& made = queues_.emplace_back(std::make_unique<Queue>());
        made->peer = &peers_.join(PeerKind::Host, host);
        for (WaitNode& node : made->nodes) node.connection = name(queues_.size());
      }
    }
  }

  void run() {
    for (int step = 0; step < 3000; ++step) act();
    // The hosts send no more commands, and pay what they owe: then all must end.
    sending_ = false;
    for (int step = 0; step < 100'000 && !at_rest(); ++step) {
      for (auto& queue : queues_) read(*queue);
      while (!executing_.empty()) end_one();
      serve();
    }
    REQUIRE(at_rest());
    for (auto& queue : queues_) peers_.leave(*queue->peer);
  }

 private:
  static constexpr uint32_t kEntries = 8;
  enum class Kind : uint8_t { Read, Write, InCapsule, Data };
  struct Item {
    Kind kind;
    uint32_t buffers = 0;
  };
  struct Queue {
    Peer* peer = nullptr;
    std::vector<Item> stream;
    std::array<std::vector<Item>, 2> parked;
    std::array<WaitNode, kWaitCount> nodes;
    uint32_t outstanding = 0;
    uint32_t places = 0;
    uint32_t r2ts = 0;
    std::vector<Item> owed;  ///< R2Ts in the order in which they were sent
    Shortage shortage;
  };
  struct Running {
    Queue* queue;
    Item item;
  };

  static Wait wait_of(const Item& item) { return item.buffers == 0 ? Wait::Small : Wait::Large; }
  static Resource pool_of(const Item& item) {
    return item.buffers == 0 ? Resource::SmallBuffers : Resource::LargeBuffers;
  }
  static uint32_t count_of(const Item& item) { return std::max(item.buffers, 1u); }
  static size_t parked_count(const Queue& queue) {
    return queue.parked[0].size() + queue.parked[1].size();
  }
  Shortage lack(Queue& queue, Resource resource, uint32_t amount) {
    return {queue.peer->kind->lack(*queue.peer, resource, amount), resource};
  }
  Shortage shortage_of(Queue& queue, const Item& item) {
    if (const Shortage found = lack(queue, pool_of(item), count_of(item))) return found;
    return item.kind == Kind::Write ? lack(queue, Resource::HostWaits, 1) : Shortage{};
  }
  WaitNode& node_of(Queue& queue, Wait wait) { return queue.nodes[static_cast<size_t>(wait)]; }
  Shortage claim(Queue& queue) {
    if (queue.places > 0) return {};
    if (const Shortage found = lack(queue, Resource::Parked, kEntries)) return found;
    queue.places = kEntries;
    peers_.take(*queue.peer, Resource::Parked, kEntries);
    return {};
  }
  void settle(Queue& queue) {
    if (queue.r2ts > 0 || parked_count(queue) > 0) return;
    if (queue.places == 0) return;
    peers_.give(*queue.peer, Resource::Parked, std::exchange(queue.places, 0u));
  }
  /// Holds its request already.
  void begin(Queue& queue, const Item& item) {
    peers_.take(*queue.peer, pool_of(item), count_of(item));
    if (item.kind == Kind::Read) {
      executing_.push_back({&queue, item});
      return;
    }
    peers_.take(*queue.peer, Resource::HostWaits, 1);
    ++queue.r2ts;
    // The host sends the data behind whatever it has sent by now, or sends before that.
    queue.owed.push_back(item);
  }
  bool take_command(Queue& queue, const Item& item) {
    queue.shortage = {};
    if (parked_count(queue) > 0 && queue.places == 0) return false;
    const PeerLine& line = queue.peer->line(Wait::Stream);
    if (!line.connections.empty() && !queue.peer->kind->is_turn(line)) {
      queue.shortage = {Lack::Own, line.lacks};
    } else {
      queue.shortage = lack(queue, Resource::Requests, 1);
    }
    if (queue.shortage) return false;
    peers_.take(*queue.peer, Resource::Requests, 1);
    if (item.kind == Kind::InCapsule) {
      executing_.push_back({&queue, item});
    } else {
      start(queue, item);
    }
    return true;
  }
  void start(Queue& queue, const Item& item) {
    const Wait wait = wait_of(item);
    const PeerLine& line = queue.peer->line(wait);
    Shortage shortage =
        line.connections.empty() ? shortage_of(queue, item) : Shortage{Lack::Own, line.lacks};
    if (!shortage && item.kind == Kind::Write) shortage = claim(queue);
    if (!shortage) return begin(queue, item);
    queue.parked[static_cast<size_t>(wait)].push_back(item);
    peers_.give(*queue.peer, Resource::Requests, 1);
    Wait parked_line = wait;
    if (const Shortage places = claim(queue)) {
      parked_line = Wait::Places;
      shortage = places;
    }
    WaitNode& node = node_of(queue, parked_line);
    if (!node.node.linked()) peers_.wait(*queue.peer, parked_line, node, shortage, 0);
  }
  void take_data(Queue& queue, const Item& item) {
    peers_.give(*queue.peer, Resource::HostWaits, 1);
    --queue.r2ts;
    settle(queue);
    executing_.push_back({&queue, item});
  }
  /// The target reads the stream as far as it goes.
  bool read(Queue& queue, bool in_turn = false) {
    bool moved = false;
    WaitNode& node = queue.nodes[static_cast<size_t>(Wait::Stream)];
    if (node.node.linked() && !in_turn) return false;
    if (!sending_) pay(queue);
    while (!queue.stream.empty()) {
      const Item item = queue.stream.front();
      if (item.kind == Kind::Data) {
        take_data(queue, {Kind::InCapsule, item.buffers});
      } else if (!take_command(queue, item)) {
        // Else it waits for its claim.
        if (queue.shortage && !node.node.linked()) {
          peers_.wait(*queue.peer, Wait::Stream, node, queue.shortage, 0);
        }
        return moved;
      }
      queue.stream.erase(queue.stream.begin());
      moved = true;
      if (!sending_) pay(queue);
    }
    queue.shortage = {};
    return moved;
  }
  void pay(Queue& queue) {
    for (const Item& owed : queue.owed) queue.stream.push_back({Kind::Data, owed.buffers + 100});
    queue.owed.clear();
  }
  void end_one() {
    const size_t index = prng_.below(executing_.size());
    const Running running = executing_[index];
    executing_.erase(executing_.begin() + static_cast<ptrdiff_t>(index));
    Item item = running.item;
    const bool had_buffers = item.kind == Kind::Read || item.buffers >= 100;
    if (item.buffers >= 100) item.buffers -= 100;
    if (had_buffers) peers_.give(*running.queue->peer, pool_of(item), count_of(item));
    peers_.give(*running.queue->peer, Resource::Requests, 1);
    --running.queue->outstanding;
  }
  void serve() {
    peers_.serve(64, 0, [this](Connection& connection, Wait wait) -> Turn {
      Queue& queue = *queues_[reinterpret_cast<uintptr_t>(&connection) - 1];
      if (wait == Wait::Stream) {
        const bool moved = read(queue, true);
        return {.moved = moved, .more = bool(queue.shortage), .shortage = queue.shortage};
      }
      if (wait == Wait::Places) return take_places(queue);
      auto& list = queue.parked[static_cast<size_t>(wait)];
      const Item item = list.front();
      if (const Shortage found = lack(queue, Resource::Requests, 1)) {
        return {.more = true, .shortage = found};
      }
      if (const Shortage found = shortage_of(queue, item)) return {.more = true, .shortage = found};
      list.erase(list.begin());
      peers_.take(*queue.peer, Resource::Requests, 1);
      begin(queue, item);
      settle(queue);
      return {.moved = true, .more = !list.empty()};
    });
  }
  Turn take_places(Queue& queue) {
    if (const Shortage found = claim(queue)) return {.more = true, .shortage = found};
    for (size_t wait = 0; wait < queue.parked.size(); ++wait) {
      if (queue.parked[wait].empty()) continue;
      peers_.wait_ready(*queue.peer, static_cast<Wait>(wait), queue.nodes[wait], 0);
    }
    WaitNode& stream = node_of(queue, Wait::Stream);
    if (!stream.node.linked()) peers_.wait_ready(*queue.peer, Wait::Stream, stream, 0);
    return {.moved = true};
  }
  void act() {
    Queue& queue = *queues_[prng_.below(queues_.size())];
    switch (prng_.below(6)) {
      case 0:
      case 1:
      case 2:
        if (queue.outstanding < kEntries - 1) {
          ++queue.outstanding;
          const auto kind = static_cast<Kind>(prng_.below(3));
          queue.stream.push_back({kind, static_cast<uint32_t>(prng_.below(9))});
        }
        return;
      case 3:
        if (prng_.chance(1, 3)) pay(queue);
        return;
      case 4:
        for (int ends = 3; ends > 0 && !executing_.empty(); --ends) end_one();
        return serve();
      default: read(queue); return;
    }
  }
  bool at_rest() const {
    return executing_.empty() && std::ranges::all_of(queues_, [](const auto& queue) {
             return queue->stream.empty() && queue->outstanding == 0 && queue->r2ts == 0 &&
                    queue->places == 0 && parked_count(*queue) == 0;
           });
  }

  Prng prng_;
  TransportStats stats_;
  Peers peers_;
  std::vector<std::unique_ptr<Queue>> queues_;
  std::vector<Running> executing_;
  bool sending_ = true;
};

TEST_CASE("Peers: with data behind any commands, and any hosts beside, nothing ever locks up") {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    LockUpModel(seed).run();
  }
}

}  // namespace capsuled::transport
