// The bdev core, for its users: the registry with its open handles, and the channels that I/O is
// submitted to.
#pragma once

#include "bdev/bdev_registry.h"  // IWYU pragma: export
#include "bdev/core_channel.h"   // IWYU pragma: export
