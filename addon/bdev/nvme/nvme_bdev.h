// nvme: a namespace of a local NVMe controller, driven from this process by VFIO: no system call
// and no interrupt for an operation, and no copy. Manual: docs/reference/bdev/nvme.md
#pragma once

#include "bdev/bdev.h"
#include "bdev/bdev_kind.h"
#include "bdev/nvme/nvme_device.h"

namespace capsuled {

/// Control or worker thread; may block, while the controller comes up. Errors name the key at
/// fault.
BdevResult make_nvme_bdev(const BdevContext& context, const std::string& name,
                          const NvmeDeviceOptions& options, uint32_t nsid);

extern const BdevKind kNvmeKind;

}  // namespace capsuled
