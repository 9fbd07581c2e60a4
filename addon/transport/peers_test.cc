#include "transport/peers.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "transport/peer_plans.h"
#include "transport/testing/small_plans.h"

namespace capsuled::transport {

using testing::name;
using testing::small_plans;

TEST_CASE("peer_plans: every host can do 256 KiB and 4 KiB, whoever else is there") {
  for (const uint64_t memory_mib : {2u, 16u, 128u, 1024u}) {
    GroupOptions options;
    options.requests_max = 32768;
    const auto small = static_cast<uint32_t>(memory_mib * 32);
    const auto large = static_cast<uint32_t>(memory_mib * 6);
    const auto plans = peer_plans(options, small, large);
    const PeerPlan& hosts = plans[static_cast<size_t>(AccountKind::HostIo)];
    const auto of = [&hosts](Resource resource) { return hosts[static_cast<size_t>(resource)]; };
    CHECK(of(Resource::LargeBuffers).guarantee >= 2);
    CHECK(of(Resource::LargeBuffers).shared_max >= kTransferBuffersMax);
    CHECK(of(Resource::SmallBuffers).guarantee >= 1);
    CHECK(of(Resource::Requests).guarantee >= of(Resource::HostWaits).guarantee);
    CHECK(of(Resource::Requests).shared() >= of(Resource::HostWaits).shared());
    CHECK(of(Resource::Parked).guarantee == options.queue_entries_max);
    for (const Resource resource : {Resource::Requests, Resource::SmallBuffers}) {
      uint32_t total = 0;
      for (const PeerPlan& plan : plans) {
        total += plan[static_cast<size_t>(resource)].total;
        if (resource != Resource::Requests) continue;
        total += plan[static_cast<size_t>(Resource::HostWaits)].total;
        total += plan[static_cast<size_t>(Resource::EventWaits)].total;
      }
      CHECK(total <= (resource == Resource::Requests ? options.requests_max : small));
    }
    if (memory_mib == 128) CHECK(of(Resource::LargeBuffers).members == 256);
  }
}

TEST_CASE(
    "Peers: a peer that waits at its own limit is moved on by its own, others by the shared") {
  TransportStats stats;
  Peers peers(small_plans(), stats);
  Peer& greedy = peers.join(AccountKind::HostIo, 1);
  Peer& other = peers.join(AccountKind::HostIo, 2);
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
  for (uint64_t host = 0; host < 2; ++host) all.push_back(&peers.join(AccountKind::HostIo, host));
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

}  // namespace capsuled::transport
