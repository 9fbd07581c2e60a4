// PartitionTable: what the GPT or the MBR of a disk says. A pure reader: no device, no thread of
// its own; it asks for blocks, and does not go on where they are missing.
//
// A disk's content is never trusted. Invariant: partitions without a fault are not empty, lie on
// the disk, and neither meet each other nor, in an MBR, the table itself; whatever the disk holds.
//
// GPT, where the MBR has a record of type EEh, however many others it has. One copy of the table is
// used, the primary one or, if anything is wrong in that, the backup in the last block: all of it,
// or nothing. Attributes are not looked at.
//
// MBR: numbers are those of Linux. A partition that cannot be used (it ends behind the disk, it
// meets another one, it is an extended one) has a fault, and others do not suffer from that. Where
// the chain of logical partitions cannot be followed, those before are right: the table has a
// warning.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bdev/partition/table_layout.h"

namespace capsuled {

/// Of a GPT, all its entries; the specification has 16 KiB at least, and no limit.
inline constexpr uint64_t kGptEntriesBytesMax = uint64_t{1} << 20;
/// Extended boot records that are read of an MBR.
inline constexpr uint32_t kExtendedRecordsMax = 60;

struct Partition {
  uint32_t number = 0;  ///< from 1
  uint64_t first_block = 0;
  uint64_t block_count = 0;
  std::string type{};     ///< GPT: GUID; MBR: two hexadecimal digits
  std::string guid{};     ///< its own, in lower case; empty: it has none
  std::u16string name{};  ///< as it is on the disk: anything but 0
  std::string fault{};    ///< why it cannot be used; empty: it can

  uint64_t end_block() const { return first_block + block_count; }
};

struct PartitionTable {
  const char* scheme = "";
  std::vector<Partition> partitions{};  ///< in the order of their numbers
  std::string warning{};                ///< what the operator should repair; empty: nothing
};

/// Where the table is.
struct PartitionedDisk {
  uint32_t block_size = 512;
  uint64_t block_count = 0;
  /// The bytes of these blocks, which the disk has. Null: they are not here.
  std::function<const std::vector<std::byte>*(uint64_t first_block, uint64_t count_blocks)> blocks;
};

struct PartitionTableReading {
  std::optional<PartitionTable> table{};
  std::string
      error{};  ///< of a disk without a table that could be used; empty: blocks are not here
};

/// Asks for at most kBaseReadBytesMax of the disk.
PartitionTableReading read_partition_table(const PartitionedDisk& disk);

/// 8-4-4-4-12 hexadecimal digits, in lower case.
std::string guid_text(const Guid& guid);
/// What can be seen of it, and nothing that means something to a terminal.
std::string shown_name(const std::u16string& name);
/// Whether `text`, as UTF-8, is this name.
bool is_name(const std::u16string& name, std::string_view text);

}  // namespace capsuled
