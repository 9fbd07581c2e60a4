// The one place that maps an errno to a BdevStatus.
#pragma once

#include "bdev/bdev_io.h"

namespace capsuled {

/// `errnum` is positive.
BdevStatus bdev_status_from_errno(int errnum);

}  // namespace capsuled
