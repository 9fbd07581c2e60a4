// The kinds of bdev: one factory for all, by the name of the kind.
#pragma once

#include "bdev/bdev_kind.h"

namespace capsuled {

/// Control or worker thread; may block. `field` of the error is the configuration key at fault.
BdevResult make_bdev(const BdevContext& context, BdevParameters parameters);

}  // namespace capsuled
