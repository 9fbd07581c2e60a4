/// IoOp: one I/O of the load generator, before anything is said about how it is sent.
#pragma once

#include <cstdint>

namespace capsuled::perf {

enum class IoKind : uint8_t { Read, Write };

struct IoOp {
  IoKind kind = IoKind::Read;
  /// In logical blocks; the first is `lba`.
  uint32_t blocks = 0;
  uint64_t lba = 0;

  friend bool operator==(const IoOp&, const IoOp&) = default;
};

}  // namespace capsuled::perf
