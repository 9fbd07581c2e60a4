/// LatencyHistogram: how long each I/O took, so that any quantile can be told afterwards.
///
/// The buckets are log-linear: 64 of equal width for each power of two, so that a bucket is at most
/// 1/64 (1.6 %) of the values in it wide. Below 128 ns each value has its own bucket; the last
/// bucket takes all values from 136 s on. The array is fixed (16 KiB) and add() is a few
/// instructions without a branch that depends on earlier values: it runs once per I/O.
///
/// One thread at a time. Each worker fills its own; whoever reports merges copies of them.
/// Invariant: count() is the sum of all buckets.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "base/assert.h"

namespace capsuled::perf {

class LatencyHistogram {
 public:
  /// Where the last bucket would end (137 s) if it did not take all larger values too.
  static constexpr uint64_t kLimitNs = uint64_t{1} << 37;

  /// Counts one I/O.
  void add(uint64_t ns) {
    ++buckets_[index_of(std::min(ns, kLimitNs - 1))];
    ++count_;
    sum_ns_ += ns;
    min_ns_ = std::min(min_ns_, ns);
    max_ns_ = std::max(max_ns_, ns);
  }

  /// Adds all that `other` has counted, as if it had been counted here.
  void merge(const LatencyHistogram& other) {
    for (size_t index = 0; index < kBucketCount; ++index) buckets_[index] += other.buckets_[index];
    count_ += other.count_;
    sum_ns_ += other.sum_ns_;
    min_ns_ = std::min(min_ns_, other.min_ns_);
    max_ns_ = std::max(max_ns_, other.max_ns_);
  }

  uint64_t count() const { return count_; }
  /// The smallest value, exactly; 0 if nothing was counted.
  uint64_t min_ns() const { return count_ == 0 ? 0 : min_ns_; }
  /// The largest value, exactly; 0 if nothing was counted.
  uint64_t max_ns() const { return max_ns_; }
  /// The mean, exactly, while the sum of all values stays below 2^64 ns (584 years).
  double mean_ns() const {
    return count_ == 0 ? 0.0 : static_cast<double>(sum_ns_) / static_cast<double>(count_);
  }

  /// A value that a share `quantile` (0 to 1) of all counted values does not exceed: never less
  /// than the exact quantile (the smallest value of which that is true), and at most 1/64 more; in
  /// the last bucket, max_ns(). 0 if nothing was counted.
  uint64_t quantile_ns(double quantile) const {
    ASSERT(quantile >= 0.0 && quantile <= 1.0);
    if (count_ == 0) return 0;
    // The product may be rounded up to more than count_, when that is too large for a double.
    const auto wanted = static_cast<uint64_t>(std::ceil(quantile * static_cast<double>(count_)));
    const uint64_t rank = std::clamp<uint64_t>(wanted, 1, count_);
    uint64_t seen = 0;
    for (size_t index = 0; index + 1 < kBucketCount; ++index) {
      seen += buckets_[index];
      if (seen >= rank) return std::min(largest_of(index), max_ns_);
    }
    return max_ns_;
  }

 private:
  static constexpr unsigned kSubBucketBits = 6;
  static constexpr uint64_t kSubBucketCount = uint64_t{1} << kSubBucketBits;
  /// The shift of the largest values: what is left of them is in [64, 128).
  static constexpr unsigned kShiftMax = 37 - (kSubBucketBits + 1);
  static constexpr size_t kBucketCount = (kShiftMax + 2) * kSubBucketCount;
  static_assert(kBucketCount * sizeof(uint64_t) == 16384);

  /// The leading seven bits choose the bucket. For values below 128 the shift is 0 and the index is
  /// the value; each further power of two has the next 64 indexes.
  static constexpr size_t index_of(uint64_t ns) {
    const auto width = static_cast<unsigned>(std::bit_width(ns | kSubBucketCount));
    const unsigned shift = width - (kSubBucketBits + 1);
    return shift * kSubBucketCount + (ns >> shift);
  }

  /// The largest value of a bucket; the inverse of index_of().
  static constexpr uint64_t largest_of(size_t index) {
    if (index < 2 * kSubBucketCount) return index;
    const uint64_t shift = index / kSubBucketCount - 1;
    const uint64_t leading = index % kSubBucketCount + kSubBucketCount;
    return ((leading + 1) << shift) - 1;
  }

  std::array<uint64_t, kBucketCount> buckets_{};
  uint64_t count_ = 0;
  uint64_t sum_ns_ = 0;
  uint64_t min_ns_ = ~uint64_t{0};
  uint64_t max_ns_ = 0;
};

}  // namespace capsuled::perf
