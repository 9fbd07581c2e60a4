// The one place that maps an errno to a BdevStatus.
#pragma once

#include "bdev/bdev_io.h"

namespace capsuled {

/// Of an operation of `type` that failed with `errnum`, which is positive.
BdevStatus bdev_status_from_errno(int errnum, BdevIoType type);
/// Whether such an operation changes blocks.
bool changes_blocks(BdevIoType type);

}  // namespace capsuled
