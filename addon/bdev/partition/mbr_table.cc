#include "bdev/partition/mbr_table.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <utility>

#include "bdev/base_reads.h"
#include "bdev/bdev_geometry.h"

namespace capsuled {

static_assert((kExtendedRecordsMax + 1) * uint64_t{kBlockSizeMax} <= kBaseReadBytesMax);

namespace {

constexpr uint32_t kLogicalNumberMin = 5;

bool is_extended(const MbrEntry& entry) {
  return entry.os_type == 0x05 || entry.os_type == 0x0f || entry.os_type == 0x85;
}

std::string type_of(const MbrEntry& entry) {
  std::array<char, 4> text{};
  (void)std::snprintf(text.data(), text.size(), "%02x", entry.os_type);
  return text.data();
}

/// A range of blocks. No sum of two numbers of 32 bits is too much for 64.
struct Range {
  uint64_t first_block = 0;
  uint64_t end_block = 0;

  bool has(uint64_t block) const { return first_block <= block && block < end_block; }
  bool has(const Range& other) const {
    return first_block <= other.first_block && other.end_block <= end_block;
  }
  bool meets(const Range& other) const {
    return first_block < other.end_block && other.first_block < end_block;
  }
};

/// Of an entry whose blocks are counted from `origin`.
Range range_of(const MbrEntry& entry, uint64_t origin) {
  const uint64_t first = origin + entry.starting_lba.get();
  return {first, first + entry.size_in_lba.get()};
}

Range range_of(const Partition& partition) {
  return {partition.first_block, partition.end_block()};
}

class MbrReader {
 public:
  explicit MbrReader(const PartitionedDisk& disk) : disk_(disk) {}

  PartitionTableReading read(const MasterBootRecord& record) {
    table_.scheme = "MBR";
    for (uint32_t index = 0; index < record.partition_records.size(); ++index) {
      add_primary(record.partition_records[index], index + 1);
    }
    for (const Extended& extended : extended_) {
      if (!follow(extended.range)) return {};
    }
    judge();
    return {.table = std::move(table_)};
  }

 private:
  /// An extended partition, which holds logical ones.
  struct Extended {
    uint32_t number = 0;
    Range range;
  };

  void add(const MbrEntry& entry, uint64_t origin, uint32_t number, std::string fault = {}) {
    table_.partitions.push_back({.number = number,
                                 .first_block = origin + entry.starting_lba.get(),
                                 .block_count = entry.size_in_lba.get(),
                                 .type = type_of(entry),
                                 .fault = std::move(fault)});
  }

  void add_primary(const MbrEntry& entry, uint32_t number) {
    if (entry.size_in_lba.get() == 0) return;
    if (!is_extended(entry)) return add(entry, 0, number);
    add(entry, 0, number, "it is an extended partition, which only holds others");
    extended_.push_back({number, range_of(entry, 0)});
  }

  /// The logical partitions of an extended one. False: a block is not here.
  bool follow(const Range& extended) {
    uint64_t at = extended.first_block;
    while (may_read(extended, at)) {
      record_blocks_.push_back(at);
      const auto* const block = disk_.blocks(at, 1);
      if (block == nullptr) return false;
      MasterBootRecord record;
      std::memcpy(&record, block->data(), sizeof(record));
      if (record.signature.get() != kMbrSignature) {
        // One that was never written is that of an extended partition without logical ones.
        if (at != extended.first_block) cut("block " + std::to_string(at) + " holds no link of it");
        return true;
      }
      add_logical(extended, at, record);
      const auto next = std::ranges::find_if(record.partition_records, [](const MbrEntry& entry) {
        return entry.size_in_lba.get() != 0 && is_extended(entry);
      });
      if (next == record.partition_records.end()) return true;
      at = range_of(*next, extended.first_block).first_block;
    }
    return true;
  }

  /// Whether the chain goes on at this block.
  bool may_read(const Range& extended, uint64_t block) {
    const std::string link = "its link to block " + std::to_string(block);
    if (!extended.has(block)) {
      cut(link + " leaves the extended partition");
    } else if (block >= disk_.block_count) {
      cut(link + " leads behind the disk");
    } else if (std::ranges::find(record_blocks_, block) != record_blocks_.end()) {
      cut(link + " leads to where it was before");
    } else if (record_blocks_.size() > kExtendedRecordsMax) {
      cut("it has more than " + std::to_string(kExtendedRecordsMax) + " links");
    } else {
      return true;
    }
    return false;
  }

  void cut(const std::string& reason) {
    table_.warning = "the chain of logical partitions is damaged (" + reason +
                     "): those behind that are not known";
  }

  void add_logical(const Range& extended, uint64_t origin, const MasterBootRecord& record) {
    for (size_t index = 0; index < record.partition_records.size(); ++index) {
      const MbrEntry& entry = record.partition_records[index];
      if (entry.size_in_lba.get() == 0 || is_extended(entry)) continue;
      const bool is_inside = extended.has(range_of(entry, origin));
      // Some systems write nonsense into the third and the fourth, which Linux does not count.
      if (index >= 2 && !is_inside) continue;
      add(entry, origin, number_next_++, is_inside ? "" : "it leaves the extended partition");
    }
  }

  /// Says what is wrong with each, once all are known.
  void judge() {
    std::vector<std::string> faults(table_.partitions.size());
    for (size_t index = 0; index < faults.size(); ++index) {
      if (table_.partitions[index].fault.empty()) faults[index] = fault_of(index);
    }
    for (size_t index = 0; index < faults.size(); ++index) {
      if (!faults[index].empty()) table_.partitions[index].fault = std::move(faults[index]);
    }
  }

  std::string fault_of(size_t index) const {
    const Partition& partition = table_.partitions[index];
    const Range range = range_of(partition);
    if (range.end_block > disk_.block_count) {
      return "it ends behind the disk, which has " + std::to_string(disk_.block_count) + " blocks";
    }
    const bool has_record =
        std::ranges::any_of(record_blocks_, [&](uint64_t block) { return range.has(block); });
    if (has_record) return "it has blocks of the partition table";
    for (const Partition& other : table_.partitions) {
      if (&other == &partition || !range.meets(range_of(other))) continue;
      // A logical partition lies in an extended one.
      const bool is_holder = is_extended_number(other.number) &&
                             partition.number >= kLogicalNumberMin && range_of(other).has(range);
      if (!is_holder) return "it meets partition " + std::to_string(other.number);
    }
    return {};
  }

  bool is_extended_number(uint32_t number) const {
    return std::ranges::any_of(extended_,
                               [&](const Extended& one) { return one.number == number; });
  }

  const PartitionedDisk& disk_;
  PartitionTable table_;
  std::vector<Extended> extended_;
  /// Of the MBR, and of the extended boot records that were read.
  std::vector<uint64_t> record_blocks_ = {0};
  uint32_t number_next_ = kLogicalNumberMin;
};

}  // namespace

bool is_mbr(const MasterBootRecord& record) {
  return record.signature.get() == kMbrSignature &&
         std::ranges::all_of(record.partition_records, [](const MbrEntry& entry) {
           return entry.boot_indicator == 0x00 || entry.boot_indicator == 0x80;
         });
}

PartitionTableReading read_mbr(const PartitionedDisk& disk, const MasterBootRecord& record) {
  return MbrReader(disk).read(record);
}

}  // namespace capsuled
