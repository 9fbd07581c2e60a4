// BdevStats: counters of one bdev on one reactor; 64-bit words, one writer (the reactor), read
// without locks.
#pragma once

#include <array>
#include <cstddef>
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
  uint64_t qos_delayed = 0;  ///< operations that had to wait for a limit
};
static_assert(sizeof(BdevStats) == 256);

/// Of the words behind those of operations.
inline constexpr std::array kBdevStatNames = {"qos_delayed"};
static_assert(offsetof(BdevStats, qos_delayed) == sizeof(BdevStats::by_type));

inline constexpr std::array kBdevOperationStatNames = {"operations", "bytes", "errors",
                                                       "latency_ns"};
inline constexpr std::array kBdevIoTypeNames = {"read",  "write",        "flush",
                                                "unmap", "write_zeroes", "compare"};
static_assert(kBdevIoTypeNames.size() == kBdevIoTypeCount);

}  // namespace capsuled
