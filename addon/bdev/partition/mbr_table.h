// MBR: UEFI Specification 2.10, section 5.2, and logical partitions as every system has them, in a
// chain of extended boot records. See partition_table.h.
#pragma once

#include "bdev/partition/partition_table.h"

namespace capsuled {

/// Whether it may be one: the last two bytes alone are also those of a file system's first block.
bool is_mbr(const MasterBootRecord& record);
/// `record` is that of block 0, and is_mbr().
PartitionTableReading read_mbr(const PartitionedDisk& disk, const MasterBootRecord& record);

}  // namespace capsuled
