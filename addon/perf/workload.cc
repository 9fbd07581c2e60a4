#include "perf/workload.h"

#include <cerrno>

namespace capsuled::perf {

namespace {

constexpr uint64_t kDrawEnd = uint64_t{1} << 32;

/// A uniform 64-bit number as one in [0, bound), by the high half of the product. Some results are
/// likelier than others by bound/2^64 at most, which no load can show.
uint64_t scale(uint64_t random, uint64_t bound) {
  return static_cast<uint64_t>((static_cast<unsigned __int128>(random) * bound) >> 64);
}

/// What is wrong with the options, or null.
const char* problem_of(const WorkloadOptions& options) {
  if (options.read_percent > 100) return "expected `read_percent` from 0 to 100";
  if (options.block_bytes == 0) return "expected a `block_bytes` above 0";
  if (options.block_count > ~uint64_t{0} - options.first_lba) {
    return "expected a region that ends before LBA 2^64";
  }
  if (options.sizes.empty() || options.sizes.size() > Workload::kSizesMax) {
    return "expected 1 to 16 sizes";
  }
  uint64_t total = 0;
  for (const IoSize& size : options.sizes) {
    if (size.io_bytes == 0 || size.io_bytes % options.block_bytes != 0) {
      return "expected `io_bytes` to be a multiple of the block size";
    }
    if (size.io_bytes / options.block_bytes > options.block_count) {
      return "expected a region of at least one I/O";
    }
    if (size.weight == 0) return "expected a `weight` above 0";
    total += size.weight;
  }
  if (total >= kDrawEnd) return "expected weights of less than 2^32 in sum";
  return nullptr;
}

}  // namespace

Result<Workload> Workload::create(const WorkloadOptions& options) {
  const char* const problem = problem_of(options);
  if (problem != nullptr) return Error{EINVAL, problem};
  return Workload(options);
}

Workload::Workload(const WorkloadOptions& options)
    : prng_(options.seed),
      pattern_(options.pattern),
      read_draw_end_(options.read_percent * kDrawEnd / 100),
      first_lba_(options.first_lba),
      block_count_(options.block_count),
      size_count_(options.sizes.size()) {
  uint64_t total = 0;
  for (const IoSize& size : options.sizes) total += size.weight;
  uint64_t weight_so_far = 0;
  for (size_t index = 0; index < size_count_; ++index) {
    const IoSize& size = options.sizes[index];
    const uint64_t blocks = size.io_bytes / options.block_bytes;
    weight_so_far += size.weight;
    sizes_[index] = {.blocks = blocks,
                     .places = block_count_ / blocks,
                     .draw_end = weight_so_far * kDrawEnd / total};
  }
}

IoOp Workload::next() {
  const uint64_t draws = prng_.next();
  const Size& size = draw_size(static_cast<uint32_t>(draws));
  const uint64_t block = pattern_ == Pattern::Random
                             ? scale(prng_.next(), size.places) * size.blocks
                             : next_sequential(size);
  return {.kind = (draws >> 32) < read_draw_end_ ? IoKind::Read : IoKind::Write,
          .blocks = static_cast<uint32_t>(size.blocks),
          .lba = first_lba_ + block};
}

const Workload::Size& Workload::draw_size(uint32_t draw) const {
  // The last size's end is above all draws.
  size_t index = 0;
  while (draw >= sizes_[index].draw_end) ++index;
  return sizes_[index];
}

uint64_t Workload::next_sequential(const Size& size) {
  uint64_t start = cursor_;
  if (size_count_ > 1) {
    const uint64_t past = start % size.blocks;
    if (past != 0) start += size.blocks - past;
  }
  if (start >= size.places * size.blocks) start = 0;
  cursor_ = start + size.blocks;
  return start;
}

}  // namespace capsuled::perf
