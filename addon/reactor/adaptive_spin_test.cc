#include "reactor/adaptive_spin.h"

#include <doctest/doctest.h>

namespace capsuled {
namespace {

constexpr uint64_t kMaxNs = 50'000;

struct Cost {
  uint64_t polled_ns = 0;
  uint64_t sleeps = 0;
};

/// `waits` waits of `wait_ns` each, as a reactor goes through them.
Cost go_through(AdaptiveSpin& spin, uint64_t wait_ns, int waits) {
  Cost cost;
  for (int wait = 0; wait < waits; ++wait) {
    if (wait_ns < spin.limit_ns()) {
      spin.found_work(wait_ns);
      cost.polled_ns += wait_ns;
    } else {
      cost.polled_ns += spin.limit_ns();
      spin.gave_up();
      ++cost.sleeps;
    }
  }
  return cost;
}

}  // namespace

TEST_CASE("AdaptiveSpin: waits that polling covers are never slept through") {
  AdaptiveSpin spin(kMaxNs);
  CHECK(go_through(spin, 49'000, 1000).sleeps == 0);
  CHECK(go_through(spin, 1'000, 1000).sleeps == 0);
}

TEST_CASE("AdaptiveSpin: where every wait is longer, little is polled in vain") {
  AdaptiveSpin spin(kMaxNs);
  const Cost cost = go_through(spin, 100'000, 800);
  CHECK(cost.sleeps == 800);
  CHECK(cost.polled_ns < 800 * (AdaptiveSpin::kShortNs + 2 * kMaxNs / AdaptiveSpin::kWaitsPerTry));
}

TEST_CASE("AdaptiveSpin: it finds out soon that waits have become short") {
  AdaptiveSpin spin(kMaxNs);
  (void)go_through(spin, 1'000'000, 1000);
  CHECK(go_through(spin, 20'000, 1000).sleeps < AdaptiveSpin::kWaitsPerTry);
}

TEST_CASE("AdaptiveSpin: what follows at once says nothing about waits") {
  AdaptiveSpin spin(kMaxNs);
  Cost cost;
  for (int io = 0; io < 800; ++io) {
    cost.polled_ns += go_through(spin, 100'000, 1).polled_ns;
    cost.polled_ns += go_through(spin, 1'000, 2).polled_ns;
  }
  CHECK(cost.polled_ns < 800 * uint64_t{20'000});
}

TEST_CASE("AdaptiveSpin: a limit below what is short is kept to") {
  AdaptiveSpin none(0);
  AdaptiveSpin little(1'000);
  for (int wait = 0; wait < 100; ++wait) {
    CHECK(none.limit_ns() == 0);
    CHECK(little.limit_ns() == 1'000);
    none.gave_up();
    little.gave_up();
  }
}

}  // namespace capsuled
