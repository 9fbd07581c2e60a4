// null: discards what is written, reads as zeros, takes no time. For measuring everything above it.
// Manual: docs/reference/bdev/null.md
#pragma once

#include <cstdint>
#include <string>

#include "bdev/bdev.h"
#include "bdev/bdev_kind.h"

namespace capsuled {

struct NullBdevOptions {
  std::string name;
  uint64_t bytes = 0;
  uint32_t block_size = 512;
};

/// Any thread. Errors: the geometry.
BdevResult make_null_bdev(const NullBdevOptions& options);

extern const BdevKind kNullKind;

}  // namespace capsuled
