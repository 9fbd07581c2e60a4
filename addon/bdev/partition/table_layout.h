// The structures of partition tables on a disk: GPT (UEFI Specification 2.10, section 5.3) and MBR
// (section 5.2). Nothing in them is trusted; gpt_table.cc and mbr_table.cc say what is checked.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/little_endian.h"

namespace capsuled {

/// EFI_GUID: the first three groups of its text are little-endian, the others as they are written.
using Guid = std::array<uint8_t, 16>;

/// Partition record of an MBR, or of an extended boot record.
struct MbrEntry {
  uint8_t boot_indicator = 0;
  std::array<uint8_t, 3> starting_chs{};
  uint8_t os_type = 0;
  std::array<uint8_t, 3> ending_chs{};
  Le32 starting_lba;
  Le32 size_in_lba;
};
static_assert(sizeof(MbrEntry) == 16);

/// The first 512 bytes of its block, be that larger.
struct MasterBootRecord {
  std::array<uint8_t, 440> boot_code{};
  Le32 unique_mbr_disk_signature;
  Le16 unknown;
  std::array<MbrEntry, 4> partition_records{};
  Le16 signature;
};
static_assert(sizeof(MasterBootRecord) == 512);
static_assert(offsetof(MasterBootRecord, partition_records) == 446);
static_assert(offsetof(MasterBootRecord, signature) == 510);

inline constexpr uint16_t kMbrSignature = 0xaa55;
/// Of the record that covers a disk with a GPT.
inline constexpr uint8_t kOsTypeGptProtective = 0xee;

struct GptHeader {
  std::array<char, 8> signature{};
  Le32 revision;
  Le32 header_size;  ///< bytes
  Le32 header_crc32;
  Le32 reserved;
  Le64 my_lba;
  Le64 alternate_lba;
  Le64 first_usable_lba;
  Le64 last_usable_lba;
  Guid disk_guid{};
  Le64 partition_entry_lba;
  Le32 number_of_partition_entries;
  Le32 size_of_partition_entry;  ///< bytes
  Le32 partition_entry_array_crc32;
};
static_assert(sizeof(GptHeader) == 92);
static_assert(offsetof(GptHeader, my_lba) == 24);
static_assert(offsetof(GptHeader, partition_entry_lba) == 72);
static_assert(offsetof(GptHeader, partition_entry_array_crc32) == 88);

inline constexpr std::array<char, 8> kGptSignature = {'E', 'F', 'I', ' ', 'P', 'A', 'R', 'T'};
inline constexpr uint32_t kGptRevision = 0x00010000;
/// Where the first of the two headers is; the other one is in the last block.
inline constexpr uint64_t kGptPrimaryLba = 1;

struct GptEntry {
  Guid partition_type_guid{};  ///< all 0: the entry is not used
  Guid unique_partition_guid{};
  Le64 starting_lba;
  Le64 ending_lba;  ///< the last that belongs to it
  Le64 attributes;
  std::array<Le16, 36> partition_name{};  ///< UTF-16, up to the first 0
};
static_assert(sizeof(GptEntry) == 128);
static_assert(offsetof(GptEntry, starting_lba) == 32);
static_assert(offsetof(GptEntry, partition_name) == 56);

}  // namespace capsuled
