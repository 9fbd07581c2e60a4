#include "nvmf/queue_stats.h"

#include <doctest/doctest.h>

namespace capsuled::nvmf {

TEST_CASE("every latency lies in the first bucket whose bound is not below it") {
  uint64_t previous = 0;
  for (uint32_t index = 0; index + 1 < kLatencyBuckets; index++) {
    const uint64_t bound = latency_bound_ns(index);
    CHECK(bound > previous);
    CHECK(latency_bucket(bound) == index);
    CHECK(latency_bucket(bound + 1) == index + 1);
    CHECK(latency_bucket(previous + 1) == index);
    previous = bound;
  }
  CHECK(latency_bucket(0) == 0);
  CHECK(latency_bucket(UINT64_MAX) == kLatencyBuckets - 1);
}

TEST_CASE("a bucket is at most a quarter wider than its lower bound") {
  for (uint32_t index = 1; index + 1 < kLatencyBuckets; index++) {
    const uint64_t low = latency_bound_ns(index - 1);
    CHECK((latency_bound_ns(index) - low) * 4 <= low);
  }
}

}  // namespace capsuled::nvmf
