/// Workload: what to do next, of the load that the user asked for.
///
/// Each I/O draws its kind by `read_percent` and its size by the weights, and takes a place that is
/// aligned to its own size, counted from the start of the region. What is left at the end of the
/// region, less than one I/O, is never touched by that size. One seed gives one sequence.
///
/// next() runs once per I/O: two numbers are drawn, nothing is allocated, and nothing is divided
/// but for sequential loads of several sizes.
///
/// One owner, one thread. Invariant: every IoOp lies within the region.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/prng.h"
#include "base/result.h"
#include "perf/io_op.h"

namespace capsuled::perf {

enum class Pattern : uint8_t {
  /// Up through the region and around, one cursor for reads and writes. With several sizes the
  /// cursor is first moved up to a multiple of the next I/O's size.
  Sequential,
  /// Uniform over the places that the I/O's size has.
  Random,
};

struct IoSize {
  /// A multiple of the block size, at most the region.
  uint32_t io_bytes = 0;
  /// The share of this size among all I/Os, relative to the other weights; at least 1.
  uint32_t weight = 1;
};

struct WorkloadOptions {
  Pattern pattern = Pattern::Random;
  /// 0 to 100: how many of a hundred I/Os are reads, on average.
  uint32_t read_percent = 100;
  /// 1 to Workload::kSizesMax of them.
  std::vector<IoSize> sizes;
  uint32_t block_bytes = 512;
  /// The region.
  uint64_t first_lba = 0;
  uint64_t block_count = 0;
  uint64_t seed = 0;
};

class Workload {
 public:
  static constexpr size_t kSizesMax = 16;

  /// EINVAL, with what was expected, if the options break one of their bounds.
  static Result<Workload> create(const WorkloadOptions& options);

  /// The next I/O.
  IoOp next();

 private:
  struct Size {
    uint64_t blocks = 0;
    /// How many places the region has for it.
    uint64_t places = 0;
    /// Draws below this one, and not below the size before, choose it. Of 2^32.
    uint64_t draw_end = 0;
  };

  explicit Workload(const WorkloadOptions& options);

  const Size& draw_size(uint32_t draw) const;
  uint64_t next_sequential(const Size& size);

  Prng prng_;
  Pattern pattern_;
  /// Draws below this one are reads. Of 2^32.
  uint64_t read_draw_end_;
  uint64_t first_lba_;
  uint64_t block_count_;
  /// Where the next sequential I/O starts, in blocks from the start of the region.
  uint64_t cursor_ = 0;
  size_t size_count_;
  std::array<Size, kSizesMax> sizes_{};
};

}  // namespace capsuled::perf
