// GPT: UEFI Specification 2.10, section 5.3. See partition_table.h.
#pragma once

#include "bdev/partition/partition_table.h"

namespace capsuled {

/// Of a disk whose MBR says that it has one.
PartitionTableReading read_gpt(const PartitionedDisk& disk);

}  // namespace capsuled
