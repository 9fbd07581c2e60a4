// partition: one partition of a GPT or MBR on another bdev, as a bdev of its own.
// Manual: docs/reference/bdev/partition.md
#pragma once

#include "bdev/bdev_kind.h"

namespace capsuled {

extern const BdevKind kPartitionKind;

}  // namespace capsuled
