// The one place that maps an errno to a BdevStatus, and that to words.
#pragma once

#include "bdev/bdev_io.h"

namespace capsuled {

/// Of an operation of `type` that failed with `errnum`, which is positive.
BdevStatus bdev_status_from_errno(int errnum, BdevIoType type);
/// For the operator: "a media error".
const char* bdev_status_text(BdevStatus status);
/// Whether such an operation changes blocks.
bool changes_blocks(BdevIoType type);

}  // namespace capsuled
