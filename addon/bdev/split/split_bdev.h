// split: a range of the blocks of another bdev, as a bdev of its own.
// Manual: docs/reference/bdev/split.md
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "bdev/bdev.h"
#include "bdev/bdev_kind.h"

namespace capsuled {

struct SplitBdevOptions {
  std::string name;
  std::shared_ptr<BdevDesc> base;
  BdevAccess access = BdevAccess::ExclusiveWriter;
  uint64_t offset_bytes = 0;
  uint64_t bytes = 0;  ///< 0: up to the end of the base
};

/// Any thread. Errors: "offset" or "size" does not fit the base.
BdevResult make_split_bdev(const SplitBdevOptions& options);

extern const BdevKind kSplitKind;

}  // namespace capsuled
