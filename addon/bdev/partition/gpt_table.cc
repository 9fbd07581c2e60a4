#include "bdev/partition/gpt_table.h"

#include <algorithm>
#include <bit>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <utility>

#include "base/crc32.h"
#include "bdev/base_reads.h"
#include "bdev/bdev_geometry.h"

namespace capsuled {

// The MBR, both headers, both arrays of entries.
static_assert(3 * kBlockSizeMax + 2 * kGptEntriesBytesMax <= kBaseReadBytesMax);
static_assert(kGptEntriesBytesMax % kBlockSizeMax == 0);

namespace {

/// One of the two tables that a GPT has.
struct Copy {
  bool is_here = true;  ///< else a block is missing, and the rest is nothing
  bool has_signature = false;
  std::string fault{};  ///< empty: `partitions` are right
  std::vector<Partition> partitions{};
};

std::string decimal(uint64_t value) { return std::to_string(value); }

std::string hexadecimal(uint32_t value) {
  std::array<char, 16> text{};
  (void)std::snprintf(text.data(), text.size(), "0x%08" PRIx32, value);
  return text.data();
}

std::string other_than(const std::string& expected, const std::string& got) {
  return "expected " + expected + ", got " + got;
}

uint64_t entries_bytes(const GptHeader& header) {
  return uint64_t{header.number_of_partition_entries.get()} * header.size_of_partition_entry.get();
}

uint64_t blocks_for(uint64_t bytes, uint32_t block_size) {
  return (bytes + block_size - 1) / block_size;
}

uint32_t header_crc32(const std::vector<std::byte>& block, uint32_t header_size) {
  std::vector<std::byte> bytes(block.begin(), block.begin() + header_size);
  std::memset(bytes.data() + offsetof(GptHeader, header_crc32), 0, sizeof(Le32));
  return crc32(bytes);
}

/// Whether these bytes are a header, and that of this place. Empty: they are.
std::string bytes_fault(const std::vector<std::byte>& block, const GptHeader& header,
                        uint64_t lba) {
  if (header.signature != kGptSignature) return "expected the signature \"EFI PART\"";
  if (header.revision.get() != kGptRevision) {
    return other_than("revision " + hexadecimal(kGptRevision), hexadecimal(header.revision.get()));
  }
  const uint32_t size = header.header_size.get();
  if (size < sizeof(GptHeader) || size > block.size()) {
    return other_than(
        "a header of " + decimal(sizeof(GptHeader)) + " to " + decimal(block.size()) + " bytes",
        decimal(size));
  }
  const uint32_t crc = header_crc32(block, size);
  if (header.header_crc32.get() != crc) {
    return other_than("the header's CRC32 " + hexadecimal(crc),
                      hexadecimal(header.header_crc32.get()));
  }
  if (header.reserved.get() != 0) {
    return other_than("0 in the reserved field", decimal(header.reserved.get()));
  }
  if (header.my_lba.get() != lba) {
    return other_than("a header of block " + decimal(lba),
                      "one of " + decimal(header.my_lba.get()));
  }
  return {};
}

/// Whether what a header says fits the disk. Empty: it does.
std::string places_fault(const PartitionedDisk& disk, const GptHeader& header) {
  const bool is_primary = header.my_lba.get() == kGptPrimaryLba;
  const uint64_t alternate = header.alternate_lba.get();
  if (is_primary && (alternate <= kGptPrimaryLba || alternate >= disk.block_count)) {
    return other_than("the other header in a block from 2 to " + decimal(disk.block_count - 1),
                      decimal(alternate));
  }
  if (!is_primary && alternate != kGptPrimaryLba) {
    return other_than("the other header in block 1", decimal(alternate));
  }
  // All that follows lies between the two headers.
  const uint64_t last_header = is_primary ? alternate : header.my_lba.get();
  const uint64_t first_usable = header.first_usable_lba.get();
  const uint64_t last_usable = header.last_usable_lba.get();
  if (first_usable <= kGptPrimaryLba || first_usable > last_usable || last_usable >= last_header) {
    return other_than("usable blocks between the headers",
                      decimal(first_usable) + " to " + decimal(last_usable));
  }
  const uint32_t entry_size = header.size_of_partition_entry.get();
  if (entry_size < sizeof(GptEntry) || !std::has_single_bit(entry_size)) {
    return other_than("entries of 128, 256, 512, … bytes", decimal(entry_size));
  }
  const uint64_t bytes = entries_bytes(header);
  if (bytes == 0 || bytes > kGptEntriesBytesMax) {
    return other_than("1 to " + decimal(kGptEntriesBytesMax) + " bytes of entries", decimal(bytes));
  }
  const uint64_t blocks = blocks_for(bytes, disk.block_size);
  const uint64_t first = header.partition_entry_lba.get();
  const bool is_between =
      first > kGptPrimaryLba && first < last_header && blocks <= last_header - first;
  if (!is_between || (first <= last_usable && first_usable < first + blocks)) {
    return other_than("entries between the headers, outside of the usable blocks",
                      decimal(blocks) + " blocks from " + decimal(first) + " on");
  }
  return {};
}

std::u16string name_of(const GptEntry& entry) {
  std::u16string name;
  for (const Le16& unit : entry.partition_name) {
    if (unit.get() == 0) break;
    name.push_back(static_cast<char16_t>(unit.get()));
  }
  return name;
}

/// Adds the partition of an entry that is used. Answers what is wrong with it.
std::string add_partition(const GptHeader& header, const GptEntry& entry, uint32_t number,
                          std::vector<Partition>& partitions) {
  const uint64_t first = entry.starting_lba.get();
  const uint64_t last = entry.ending_lba.get();
  if (first < header.first_usable_lba.get() || last > header.last_usable_lba.get() ||
      first > last) {
    return other_than("partition " + decimal(number) + " in the usable blocks",
                      decimal(first) + " to " + decimal(last));
  }
  const bool has_guid = entry.unique_partition_guid != Guid{};
  partitions.push_back({.number = number,
                        .first_block = first,
                        .block_count = last - first + 1,
                        .type = guid_text(entry.partition_type_guid),
                        .guid = has_guid ? guid_text(entry.unique_partition_guid) : "",
                        .name = name_of(entry)});
  return {};
}

std::string overlap_fault(const std::vector<Partition>& partitions) {
  std::vector<const Partition*> by_place;
  for (const Partition& partition : partitions) by_place.push_back(&partition);
  std::ranges::sort(by_place, {}, [](const Partition* one) { return one->first_block; });
  for (size_t index = 1; index < by_place.size(); ++index) {
    const Partition& one = *by_place[index - 1];
    const Partition& other = *by_place[index];
    if (other.first_block >= one.end_block()) continue;
    return "expected partitions that do not meet, but " + decimal(one.number) + " and " +
           decimal(other.number) + " do";
  }
  return {};
}

/// `bytes` may be more than the entries.
std::string read_entries(const GptHeader& header, const std::vector<std::byte>& bytes,
                         std::vector<Partition>& partitions) {
  const uint32_t crc = crc32(std::span(bytes).first(entries_bytes(header)));
  if (header.partition_entry_array_crc32.get() != crc) {
    return other_than("the entries' CRC32 " + hexadecimal(crc),
                      hexadecimal(header.partition_entry_array_crc32.get()));
  }
  const size_t entry_size = header.size_of_partition_entry.get();
  for (uint32_t index = 0; index < header.number_of_partition_entries.get(); ++index) {
    GptEntry entry;
    std::memcpy(&entry, bytes.data() + index * entry_size, sizeof(entry));
    if (entry.partition_type_guid == Guid{}) continue;
    std::string fault = add_partition(header, entry, index + 1, partitions);
    if (!fault.empty()) return fault;
  }
  return overlap_fault(partitions);
}

Copy read_copy(const PartitionedDisk& disk, uint64_t lba) {
  const auto* const block = disk.blocks(lba, 1);
  if (block == nullptr) return {.is_here = false};
  GptHeader header;
  std::memcpy(&header, block->data(), sizeof(header));
  Copy copy{.has_signature = header.signature == kGptSignature};
  copy.fault = bytes_fault(*block, header, lba);
  if (copy.fault.empty()) copy.fault = places_fault(disk, header);
  if (!copy.fault.empty()) return copy;
  const auto* const entries = disk.blocks(header.partition_entry_lba.get(),
                                          blocks_for(entries_bytes(header), disk.block_size));
  if (entries == nullptr) return {.is_here = false};
  copy.fault = read_entries(header, *entries, copy.partitions);
  return copy;
}

PartitionTableReading table_of(Copy& copy, std::string warning) {
  return {.table = PartitionTable{.scheme = "GPT",
                                  .partitions = std::move(copy.partitions),
                                  .warning = std::move(warning)}};
}

}  // namespace

PartitionTableReading read_gpt(const PartitionedDisk& disk) {
  // Two headers, two arrays of entries, the MBR, and something to share out.
  if (disk.block_count < 6) {
    return {.error = "expected a GPT, got " + decimal(disk.block_count) +
                     " blocks, which have no room for one"};
  }
  Copy primary = read_copy(disk, kGptPrimaryLba);
  if (!primary.is_here) return {};
  if (primary.fault.empty()) return table_of(primary, "");
  const uint64_t last = disk.block_count - 1;
  Copy backup = read_copy(disk, last);
  if (!backup.is_here) return {};
  if (backup.fault.empty()) {
    return table_of(backup, "the primary GPT, in block 1, is damaged (" + primary.fault +
                                "): its backup was used; repair it while there is one");
  }
  std::string error =
      "expected a GPT of which one copy can be used, got a primary one (block 1): " +
      primary.fault + "; and a backup (block " + decimal(last) + "): " + backup.fault;
  if (!primary.has_signature && !backup.has_signature) {
    error += "; one that was made for another block size than " + decimal(disk.block_size) +
             " bytes is not found";
  }
  return {.error = std::move(error)};
}

}  // namespace capsuled
