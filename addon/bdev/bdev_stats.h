// BdevStats: counters of one bdev on one reactor; 64-bit words, one writer (the reactor), read
// without locks.
#pragma once

#include <array>
#include <cstdint>

#include "bdev/bdev_io.h"

namespace capsuled {

struct BdevOperationStats {
  uint64_t operations = 0;
  uint64_t bytes = 0;
  uint64_t errors = 0;
  uint64_t latency_ns = 0;  ///< sum
};

/// Indexed by BdevIoType. `operations` counts all that completed, `bytes` those that ended with
/// Success.
struct alignas(64) BdevStats {
  std::array<BdevOperationStats, kBdevIoTypeCount> by_type{};
};
static_assert(sizeof(BdevStats) == 192);

inline constexpr std::array kBdevOperationStatNames = {"operations", "bytes", "errors",
                                                       "latency_ns"};
inline constexpr std::array kBdevIoTypeNames = {"read",  "write",        "flush",
                                                "unmap", "write_zeroes", "compare"};
static_assert(kBdevIoTypeNames.size() == kBdevIoTypeCount);

}  // namespace capsuled
