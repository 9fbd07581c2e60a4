// The kinds of bdev: one factory for all, by the name of the kind.
#pragma once

#include "bdev/bdev_kind.h"

namespace capsuled {

/// Control or worker thread; may block. `field` of the error is the configuration key at fault.
BdevResult make_bdev(const BdevContext& context, BdevParameters parameters);
/// See BdevKind::change. Control thread.
std::optional<BdevError> change_bdev(Bdev& bdev, BdevParameters parameters);

}  // namespace capsuled
