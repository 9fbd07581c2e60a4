#include "transport/share_table.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/prng.h"

namespace capsuled::transport {

TEST_CASE("SharePlan: what is needed at once is always possible, whatever the total") {
  for (const uint32_t total : {2u, 8u, 9u, 12u, 24u, 96u, 768u, 32768u}) {
    for (const uint32_t needed : {1u, 2u, 8u}) {
      if (needed > total) continue;
      for (const uint32_t guarantee_min : {1u, 2u, 4u}) {
        const SharePlan plan = SharePlan::divide(total, guarantee_min, needed, 256);
        CAPTURE(total);
        CAPTURE(needed);
        CHECK(plan.guarantee >= guarantee_min);
        CHECK(plan.members <= 256);
        REQUIRE(plan.guarantee * plan.members <= total);
        CHECK(plan.shared() >= needed);
        CHECK(plan.shared_max >= needed);
        CHECK(plan.shared_max <= plan.shared());
        if (guarantee_min < 2 || needed < 2) continue;
        const SharePlan quarter = plan.quarter();
        const SharePlan rest = plan.rest();
        CHECK(quarter.total + rest.total == total);
        for (const SharePlan& part : {quarter, rest}) {
          CHECK(part.guarantee >= 1);
          CHECK(part.members == plan.members);
          CHECK(part.shared_max >= 1);
          CHECK(part.shared_max <= part.shared());
        }
        CHECK(quarter.guarantee <= rest.guarantee);
        CHECK(quarter.shared_max <= rest.shared_max);
      }
    }
  }
}

TEST_CASE("ShareTable: nobody takes a guarantee, and nobody all of the shared part") {
  // Two guarantees of 4, 8 shared, of which one member may have 6.
  ShareTable table({.total = 16, .guarantee = 4, .members = 2, .shared_max = 6});
  std::array<PeerShare, 3> shares;
  for (PeerShare& share : shares) table.join(share);
  CHECK(table.lack(shares[0], 10) == Lack::None);
  CHECK(table.lack(shares[0], 11) == Lack::Own);
  table.take(shares[0], 10);
  CHECK(table.shared_free() == 2);
  CHECK(table.lack(shares[0], 1) == Lack::Own);
  CHECK(table.lack(shares[2], 2) == Lack::None);  // it came too late for a guarantee
  CHECK(table.lack(shares[2], 3) == Lack::Shared);
  table.take(shares[2], 2);
  CHECK(table.lack(shares[1], 4) == Lack::None);
  CHECK(table.lack(shares[1], 5) == Lack::Shared);
  table.take(shares[1], 4);
  CHECK(!table.give(shares[1], 4));
  CHECK(table.give(shares[0], 7));
  CHECK(!table.give(shares[0], 3));
  CHECK(table.give(shares[2], 2));
  CHECK(!table.possible(shares[0], 11));
  CHECK(!table.possible(shares[2], 7));
  CHECK(table.possible(shares[2], 6));
  for (PeerShare& share : shares) table.leave(share);
}

TEST_CASE("ShareTable: a guarantee that is given back is the next one's") {
  ShareTable table({.total = 8, .guarantee = 4, .members = 1, .shared_max = 4});
  PeerShare first;
  PeerShare second;
  table.join(first);
  table.join(second);
  CHECK(second.guarantee == 0);
  table.leave(first);
  table.leave(second);
  table.join(second);
  CHECK(second.guarantee == 4);
  table.leave(second);
}

TEST_CASE(
    "ShareTable: whatever is taken and given, guarantees hold and the total is never passed") {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Prng prng(seed);
    const auto total = static_cast<uint32_t>(prng.between(8, 400));
    const SharePlan plan =
        SharePlan::divide(total, static_cast<uint32_t>(prng.between(1, 3)), 4, 8);
    ShareTable table(plan);
    std::array<PeerShare, 12> shares;
    std::array<bool, 12> joined{};
    for (int turn = 0; turn < 20'000; ++turn) {
      const size_t index = prng.below(shares.size());
      PeerShare& share = shares[index];
      if (!joined[index]) {
        table.join(share);
        joined[index] = true;
      } else if (prng.chance(1, 2)) {
        const auto amount = static_cast<uint32_t>(prng.between(1, 6));
        const Lack lack = table.lack(share, amount);
        if (share.held + amount <= share.guarantee) REQUIRE(lack == Lack::None);
        if (lack == Lack::None) table.take(share, amount);
      } else if (share.held > 0) {
        table.give(share, static_cast<uint32_t>(prng.between(1, share.held)));
      } else {
        table.leave(share);
        joined[index] = false;
      }
      uint32_t held = 0;
      uint32_t shared = 0;
      uint32_t guaranteed = 0;
      for (const PeerShare& each : shares) {
        held += each.held;
        shared += each.beyond(each.held);
        guaranteed += each.guarantee > 0 ? 1 : 0;
        REQUIRE(each.beyond(each.held) <= plan.shared_max);
      }
      REQUIRE(held <= total);
      REQUIRE(shared + table.shared_free() == plan.shared());
      REQUIRE(guaranteed <= plan.members);
    }
    for (size_t index = 0; index < shares.size(); ++index) {
      if (!joined[index]) continue;
      table.give(shares[index], shares[index].held);
      table.leave(shares[index]);
    }
  }
}

TEST_CASE("ShareTable: an address that has many members leaves guarantees to other addresses") {
  ShareTable table({.total = 100, .guarantee = 4, .members = 16, .shared_max = 20});
  std::vector<PeerShare> further(100);
  for (PeerShare& share : further) table.join(share, false);
  CHECK(std::ranges::count(further, 4u, &PeerShare::guarantee) == 2);
  std::vector<PeerShare> first(20);
  for (PeerShare& share : first) table.join(share, true);
  CHECK(std::ranges::count(first, 4u, &PeerShare::guarantee) == 14);
  for (PeerShare& share : further) table.leave(share, false);
  PeerShare later;
  table.join(later, false);
  CHECK(later.guarantee == 4);
  table.leave(later, false);
  for (PeerShare& share : first) table.leave(share, true);
}

}  // namespace capsuled::transport
