// BdevStatus: its names, and the one place that maps an errno to it.
#pragma once

#include "bdev/bdev_io.h"

namespace capsuled {

/// `errnum` is positive.
BdevStatus bdev_status_from_errno(int errnum);
const char* bdev_status_name(BdevStatus status);

}  // namespace capsuled
