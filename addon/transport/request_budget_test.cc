#include "transport/request_budget.h"

#include <doctest/doctest.h>

#include <array>

#include "base/prng.h"

namespace capsuled::transport {

TEST_CASE("RequestBudget: the headroom is for claims alone") {
  RequestBudget budget(16);
  RequestShare first;
  for (int turn = 0; turn < 12; ++turn) CHECK(budget.try_take(first));
  CHECK(!budget.try_take(first));
  RequestShare second;
  CHECK(!budget.try_take(second));
  CHECK(budget.try_claim(second, 4));
  for (int turn = 0; turn < 4; ++turn) CHECK(budget.try_take(second));
  CHECK(!budget.try_take(second));
  budget.drop_claim(second);
  CHECK(budget.charged() == 16);
  for (int turn = 0; turn < 4; ++turn) budget.give(second);
  for (int turn = 0; turn < 12; ++turn) budget.give(first);
  CHECK(budget.charged() == 0);
}

TEST_CASE("RequestBudget: whatever is taken, given and claimed, the sum is right") {
  constexpr uint32_t kTotal = 40;
  RequestBudget budget(kTotal);
  std::array<RequestShare, 7> shares;
  Prng prng(3);
  for (int turn = 0; turn < 100'000; ++turn) {
    RequestShare& share = shares[prng.below(shares.size())];
    switch (prng.below(4)) {
      case 0: {
        const bool inside_claim = share.held < share.claim;
        if (!budget.try_take(share)) CHECK(!inside_claim);
        break;
      }
      case 1:
        if (share.held > 0) budget.give(share);
        break;
      case 2:
        if (share.claim == 0) {
          const auto entries = static_cast<uint32_t>(prng.between(1, 12));
          if (budget.try_claim(share, entries)) CHECK(share.claim > 0);
        }
        break;
      default:
        if (share.claim > 0) budget.drop_claim(share);
    }
    uint32_t charged = 0;
    for (const RequestShare& each : shares) charged += std::max(each.held, each.claim);
    REQUIRE(budget.charged() == charged);
    REQUIRE(charged <= kTotal);
  }
}

}  // namespace capsuled::transport
