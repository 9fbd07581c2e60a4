#include "perf/latency_histogram.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/prng.h"

namespace capsuled::perf {
namespace {

constexpr double kQuantiles[] = {0.0, 0.001, 0.1, 0.25, 0.5, 0.9, 0.99, 0.999, 0.9999, 1.0};

uint64_t exact_quantile(const std::vector<uint64_t>& sorted, double quantile) {
  const auto wanted = static_cast<size_t>(std::ceil(quantile * static_cast<double>(sorted.size())));
  return sorted[std::max<size_t>(wanted, 1) - 1];
}

/// All quantiles within their bounds, and what is exact, exact.
void check_against(const LatencyHistogram& histogram, std::vector<uint64_t> values) {
  std::sort(values.begin(), values.end());
  uint64_t sum = 0;
  for (const uint64_t value : values) sum += value;
  CHECK(histogram.count() == values.size());
  CHECK(histogram.min_ns() == values.front());
  CHECK(histogram.max_ns() == values.back());
  const double mean = static_cast<double>(sum) / static_cast<double>(values.size());
  CHECK(histogram.mean_ns() == doctest::Approx(mean).epsilon(1e-12));
  for (const double quantile : kQuantiles) {
    const uint64_t exact = exact_quantile(values, quantile);
    const uint64_t got = histogram.quantile_ns(quantile);
    CAPTURE(quantile);
    CHECK(got >= exact);
    CHECK(got - exact <= exact / 64);
  }
}

TEST_CASE("perf::LatencyHistogram: an empty one answers with zeroes") {
  const LatencyHistogram histogram;
  CHECK(histogram.count() == 0);
  CHECK(histogram.min_ns() == 0);
  CHECK(histogram.max_ns() == 0);
  CHECK(histogram.mean_ns() == 0.0);
  CHECK(histogram.quantile_ns(0.5) == 0);
}

TEST_CASE("perf::LatencyHistogram: one value is every quantile, exactly") {
  for (const uint64_t value : {uint64_t{0}, uint64_t{63}, uint64_t{64}, uint64_t{127},
                               uint64_t{128}, uint64_t{1'000'003}, ~uint64_t{0}}) {
    LatencyHistogram histogram;
    histogram.add(value);
    CAPTURE(value);
    CHECK(histogram.min_ns() == value);
    CHECK(histogram.max_ns() == value);
    for (const double quantile : kQuantiles) CHECK(histogram.quantile_ns(quantile) == value);
  }
}

TEST_CASE("perf::LatencyHistogram: at every power of two the bucket bounds its values") {
  for (unsigned bit = 0; bit < 37; ++bit) {
    for (const int64_t offset : {-1, 0, 1}) {
      const uint64_t value = (uint64_t{1} << bit) + static_cast<uint64_t>(offset);
      LatencyHistogram histogram;
      histogram.add(value);
      histogram.add(~uint64_t{0});  // so that the maximum does not hide the bucket's bound
      CAPTURE(value);
      const uint64_t got = histogram.quantile_ns(0.5);
      CHECK(got >= value);
      CHECK(got - value <= value / 64);
      if (value < 128) CHECK(got == value);
    }
  }
}

TEST_CASE("perf::LatencyHistogram: values without end are the maximum") {
  LatencyHistogram histogram;
  histogram.add(1000);
  for (int turn = 0; turn < 3; ++turn) histogram.add(LatencyHistogram::kLimitNs * 4);
  CHECK(histogram.quantile_ns(0.5) == LatencyHistogram::kLimitNs * 4);
  CHECK(histogram.quantile_ns(0.25) >= 1000);
  CHECK(histogram.quantile_ns(0.25) <= 1015);
  CHECK(LatencyHistogram::kLimitNs > 100'000'000'000);
}

TEST_CASE("perf::LatencyHistogram: quantiles of random values are within 1.6 %") {
  Prng prng(1);
  for (int run = 0; run < 40; ++run) {
    LatencyHistogram histogram;
    std::vector<uint64_t> values(1 + prng.below(20'000));
    // Uniform in a range in the odd runs; in the even ones uniform in the exponent, which reaches
    // all buckets.
    const uint64_t bound = uint64_t{1} << prng.between(1, 36);
    for (uint64_t& value : values) {
      value = run % 2 == 1 ? prng.below(bound) : prng.next() >> prng.between(27, 63);
      histogram.add(value);
    }
    check_against(histogram, values);
  }
}

TEST_CASE("perf::LatencyHistogram: merged parts are the whole") {
  Prng prng(2);
  std::vector<LatencyHistogram> parts(5);  // the last stays empty
  std::vector<uint64_t> values(10'000);
  for (uint64_t& value : values) {
    value = prng.next() >> prng.between(27, 60);
    parts[prng.below(parts.size() - 1)].add(value);
  }
  LatencyHistogram whole;
  for (const LatencyHistogram& part : parts) whole.merge(part);
  check_against(whole, values);
}

}  // namespace
}  // namespace capsuled::perf
