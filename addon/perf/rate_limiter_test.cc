#include "perf/rate_limiter.h"

#include <doctest/doctest.h>

#include "base/prng.h"

namespace capsuled::perf {
namespace {

constexpr uint64_t kSecondNs = 1'000'000'000;

TEST_CASE("perf::RateLimiter: I/O k is due after k/rate seconds, never before") {
  for (const uint64_t rate : {uint64_t{1}, uint64_t{3}, uint64_t{7'000}, uint64_t{999'999'937}}) {
    const uint64_t start = 12'345;
    RateLimiter limiter(rate, 1, start);
    CAPTURE(rate);
    for (uint64_t index = 0; index < 1000; ++index) {
      const uint64_t due = start + (index * kSecondNs + rate - 1) / rate;
      REQUIRE(limiter.next_ns() == due);
      if (index > 0 && rate < kSecondNs / 2) REQUIRE(limiter.take(due - 1, 1) == 0);
      REQUIRE(limiter.take(due, 1) == 1);
    }
  }
}

TEST_CASE("perf::RateLimiter: after an hour of uneven calls the rate is exact") {
  Prng prng(1);
  const uint64_t rate = 333'333;
  uint64_t now = 5;
  RateLimiter limiter(rate, rate, now);
  uint64_t taken = 0;
  const uint64_t end = now + 3600 * kSecondNs;
  while (now < end) {
    now = std::min(end, now + prng.below(kSecondNs / 2));
    taken += limiter.take(now, ~uint64_t{0});
  }
  CHECK(taken == 3600 * rate + 1);
}

TEST_CASE("perf::RateLimiter: what is not wanted now may be taken later") {
  RateLimiter limiter(1000, 10, 0);
  CHECK(limiter.take(4'000'000, 2) == 2);
  CHECK(limiter.take(4'000'000, 1) == 1);
  CHECK(limiter.take(4'000'000, 9) == 2);
  CHECK(limiter.take(4'000'000, 9) == 0);
  CHECK(limiter.next_ns() == 5'000'000);
  CHECK(limiter.take(5'000'000, 0) == 0);
  CHECK(limiter.take(5'000'000, 1) == 1);
}

TEST_CASE("perf::RateLimiter: after a stall it catches up by one burst and leaves out the rest") {
  for (const uint64_t stall_ns : {kSecondNs / 2, 7 * kSecondNs + 1, 86'400 * kSecondNs}) {
    RateLimiter limiter(1'000, 8, 0);
    CHECK(limiter.take(0, 9) == 1);
    const uint64_t now = stall_ns;
    CHECK(limiter.take(now, 100) == 8);
    CHECK(limiter.take(now, 100) == 0);
    // From here on the rate is as before.
    CHECK(limiter.next_ns() > now);
    CHECK(limiter.next_ns() <= now + 1'000'000);
    CHECK(limiter.take(now + 5'000'000, 100) == 5);
  }
}

TEST_CASE("perf::RateLimiter: a token that is due is waited for by nobody") {
  RateLimiter limiter(1'000, 8, 1'000);
  CHECK(limiter.next_ns() == 1'000);
  CHECK(limiter.take(3 * kSecondNs, 3) == 3);
  CHECK(limiter.next_ns() <= 3 * kSecondNs);
}

TEST_CASE("perf::RateLimiter: time that goes backwards gives nothing") {
  RateLimiter limiter(1'000, 8, 5 * kSecondNs);
  CHECK(limiter.take(7 * kSecondNs, 100) == 8);
  CHECK(limiter.take(6 * kSecondNs, 100) == 0);
  CHECK(limiter.take(0, 100) == 0);
  CHECK(limiter.take(7 * kSecondNs, 100) == 0);
  CHECK(limiter.take(7 * kSecondNs + 1'000'000, 100) == 1);
}

}  // namespace
}  // namespace capsuled::perf
