// The facts of a bdev that is an NVMe namespace, whatever carries its commands.
#pragma once

#include <string>

#include "bdev/bdev.h"
#include "nvme/namespace_facts.h"

namespace capsuled {

/// As far as the namespace and its controller say them; what its content is known by is not among
/// them.
BdevFacts nvme_bdev_facts(const nvme::NamespaceFacts& found, const std::string& name,
                          const char* kind);

}  // namespace capsuled
