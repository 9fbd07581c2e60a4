// nvmf: a namespace of a remote NVM subsystem, over NVMe/TCP, by one path or several.
// Manual: docs/reference/bdev/nvmf.md
#pragma once

#include <string>
#include <vector>

#include "bdev/bdev.h"
#include "bdev/bdev_kind.h"
#include "bdev/nvmf/nvmf_options.h"

namespace capsuled {

/// Control or worker thread; may block, some seconds at most, while a path is connected. Errors
/// name the key at fault.
BdevResult make_nvmf_bdev(env::Env& env, const std::vector<Reactor*>& reactors,
                          const std::string& name, const NvmfOptions& options);

extern const BdevKind kNvmfKind;

}  // namespace capsuled
