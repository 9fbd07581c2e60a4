// Statistics of namespaces and controllers on one reactor: 64-bit words, one writer, read by the
// control thread without locks. JavaScript sees them as BigUint64Array; the name arrays below have
// the order of the words.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace capsuled::nvmf {

enum class Operation : uint8_t { Read, Write, Flush, Deallocate, WriteZeroes, Compare };
inline constexpr size_t kOperationCount = 6;
inline constexpr std::array kOperationNames = {"read",       "write",        "flush",
                                               "deallocate", "write_zeroes", "compare"};

/// Log-linear histogram: 4 buckets per power of two from 1.024 µs to 17.2 s, and one for more.
inline constexpr uint32_t kLatencyFirstShift = 10;
inline constexpr uint32_t kLatencyPowers = 24;
inline constexpr uint32_t kLatencyBuckets = 1 + kLatencyPowers * 4 + 1;

/// Upper bound of bucket `index` (< kLatencyBuckets - 1), ns, inclusive of every value counted
/// there.
constexpr uint64_t latency_bound_ns(uint32_t index) {
  if (index == 0) return uint64_t{1} << kLatencyFirstShift;
  const uint32_t power = (index - 1) / 4;
  const uint32_t quarter = (index - 1) % 4;
  const uint64_t base = uint64_t{1} << (kLatencyFirstShift + power);
  return base + (base / 4) * (quarter + 1);
}

/// The bucket of a latency: the first whose bound is not below it.
constexpr uint32_t latency_bucket(uint64_t ns) {
  if (ns <= (uint64_t{1} << kLatencyFirstShift)) return 0;
  const uint64_t value = ns - 1;
  const auto power = static_cast<uint32_t>(std::bit_width(value)) - 1 - kLatencyFirstShift;
  if (power >= kLatencyPowers) return kLatencyBuckets - 1;
  const auto quarter = static_cast<uint32_t>(value >> (kLatencyFirstShift + power - 2)) & 3;
  return 1 + power * 4 + quarter;
}

struct OperationStats {
  uint64_t operations = 0;
  uint64_t bytes = 0;
  uint64_t errors = 0;
  uint64_t latency_ns = 0;  ///< sum
  std::array<uint64_t, kLatencyBuckets> histogram{};
};
inline constexpr std::array kOperationWordNames = {"operations", "bytes", "errors", "latency_ns"};

/// One kind of error of a namespace: operation and status field; count 0 means the slot is free.
struct ErrorSlot {
  uint64_t key = 0;  ///< operation << 16 | status
  uint64_t count = 0;
};
inline constexpr size_t kErrorSlots = 32;

struct alignas(64) NamespaceStats {
  std::array<OperationStats, kOperationCount> by_operation{};
  std::array<ErrorSlot, kErrorSlots> errors{};
  uint64_t errors_other = 0;  ///< when the slots are used up
};

struct QueueOperationStats {
  uint64_t operations = 0;
  uint64_t bytes = 0;
};
inline constexpr std::array kQueueOperationWordNames = {"operations", "bytes"};

/// Per controller and reactor.
struct alignas(64) QueueStats {
  std::array<QueueOperationStats, kOperationCount> by_operation{};
};

}  // namespace capsuled::nvmf
