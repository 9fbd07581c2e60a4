// For tests: disks with partition tables, right ones and such as a test breaks.
#pragma once

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "base/crc32.h"
#include "bdev/base_reads.h"
#include "bdev/partition/partition_table.h"

namespace capsuled {

/// Of zeros, but for the blocks that were written.
class TestDisk {
 public:
  TestDisk(uint32_t block_size, uint64_t block_count)
      : block_size_(block_size), block_count_(block_count) {}

  uint32_t block_size() const { return block_size_; }
  uint64_t block_count() const { return block_count_; }
  std::vector<std::byte>& block(uint64_t number) {
    ASSERT(number < block_count_);
    return blocks_.try_emplace(number, block_size_).first->second;
  }
  template <typename T>
  T load(uint64_t number) {
    T value;
    std::memcpy(&value, block(number).data(), sizeof(value));
    return value;
  }
  template <typename T>
  void store(uint64_t number, const T& value) {
    std::memcpy(block(number).data(), &value, sizeof(value));
  }
  void store_bytes(uint64_t number, std::span<const std::byte> bytes) {
    for (; !bytes.empty(); ++number) {
      const size_t length = std::min<size_t>(bytes.size(), block_size_);
      std::memcpy(block(number).data(), bytes.data(), length);
      bytes = bytes.subspan(length);
    }
  }
  std::vector<std::byte> bytes(uint64_t first_block, uint64_t count_blocks) const {
    std::vector<std::byte> all;
    for (uint64_t number = first_block; number < first_block + count_blocks; ++number) {
      const auto found = blocks_.find(number);
      if (found == blocks_.end()) {
        all.resize(all.size() + block_size_);
      } else {
        all.insert(all.end(), found->second.begin(), found->second.end());
      }
    }
    return all;
  }

  /// Asserts what a reader owes to BaseReads.
  PartitionTableReading read() const {
    std::map<std::pair<uint64_t, uint64_t>, std::vector<std::byte>> known;
    uint64_t known_bytes = 0;
    return read_partition_table({.block_size = block_size_,
                                 .block_count = block_count_,
                                 .blocks = [&](uint64_t first_block, uint64_t count_blocks) {
                                   ASSERT(count_blocks > 0 && count_blocks <= block_count_);
                                   ASSERT(first_block <= block_count_ - count_blocks);
                                   auto& found = known[{first_block, count_blocks}];
                                   if (found.empty()) {
                                     known_bytes += count_blocks * block_size_;
                                     ASSERT(known_bytes <= kBaseReadBytesMax);
                                     found = bytes(first_block, count_blocks);
                                   }
                                   return &found;
                                 }});
  }

 private:
  const uint32_t block_size_;
  const uint64_t block_count_;
  std::map<uint64_t, std::vector<std::byte>> blocks_;
};

inline MasterBootRecord empty_record() {
  MasterBootRecord record;
  record.signature.set(kMbrSignature);
  return record;
}

inline MbrEntry mbr_entry(uint8_t os_type, uint32_t first_block, uint32_t count_blocks) {
  MbrEntry entry;
  entry.os_type = os_type;
  entry.starting_lba.set(first_block);
  entry.size_in_lba.set(count_blocks);
  return entry;
}

/// An MBR, or an extended boot record.
inline void store_record(TestDisk& disk, uint64_t block, const std::vector<MbrEntry>& entries) {
  MasterBootRecord record = empty_record();
  std::copy(entries.begin(), entries.end(), record.partition_records.begin());
  disk.store(block, record);
}

inline GptEntry gpt_entry(uint8_t seed, uint64_t first_block, uint64_t last_block,
                          const std::u16string& name) {
  GptEntry entry;
  entry.partition_type_guid.fill(static_cast<uint8_t>(0xa0 + seed));
  entry.unique_partition_guid.fill(seed);
  entry.starting_lba.set(first_block);
  entry.ending_lba.set(last_block);
  for (size_t index = 0; index < name.size(); ++index) {
    entry.partition_name[index].set(name[index]);
  }
  return entry;
}

/// Writes a GPT as it should be, but for what is changed of it.
struct TestGpt {
  using Change = std::function<void(GptHeader&)>;

  uint32_t entry_count = 8;
  uint32_t entry_size = 128;
  std::map<uint32_t, GptEntry> entries{};  ///< by number
  bool protective = true;
  /// Of the copies: before the CRCs are written.
  Change change_primary{};
  Change change_backup{};

  uint64_t entries_blocks(const TestDisk& disk) const {
    const uint64_t bytes = uint64_t{entry_count} * entry_size;
    return (bytes + disk.block_size() - 1) / disk.block_size();
  }

  void write(TestDisk& disk) const {
    if (protective) store_record(disk, 0, {mbr_entry(kOsTypeGptProtective, 1, UINT32_MAX)});
    const uint64_t last = disk.block_count() - 1;
    const uint64_t blocks = entries_blocks(disk);
    GptHeader header;
    header.signature = kGptSignature;
    header.revision.set(kGptRevision);
    header.header_size.set(sizeof(GptHeader));
    header.my_lba.set(1);
    header.alternate_lba.set(last);
    header.first_usable_lba.set(2 + blocks);
    header.last_usable_lba.set(last - blocks - 1);
    header.disk_guid.fill(0xdd);
    header.partition_entry_lba.set(2);
    header.number_of_partition_entries.set(entry_count);
    header.size_of_partition_entry.set(entry_size);
    write_copy(disk, 1, header, change_primary);
    header.my_lba.set(last);
    header.alternate_lba.set(1);
    header.partition_entry_lba.set(last - blocks);
    write_copy(disk, last, header, change_backup);
  }

  std::vector<std::byte> entry_bytes() const {
    std::vector<std::byte> bytes(uint64_t{entry_count} * entry_size);
    for (const auto& [number, entry] : entries) {
      std::memcpy(bytes.data() + size_t{number - 1} * entry_size, &entry, sizeof(entry));
    }
    return bytes;
  }

 private:
  void write_copy(TestDisk& disk, uint64_t lba, GptHeader header, const Change& change) const {
    const std::vector<std::byte> bytes = entry_bytes();
    disk.store_bytes(header.partition_entry_lba.get(), bytes);
    header.partition_entry_array_crc32.set(crc32(bytes));
    if (change) change(header);
    disk.store(lba, header);
    seal(disk, lba);
  }

 public:
  /// Writes the CRC32 of the header that is there, if its size lets it have one.
  static void seal(TestDisk& disk, uint64_t lba) {
    auto header = disk.load<GptHeader>(lba);
    const uint32_t size = header.header_size.get();
    if (size < sizeof(GptHeader) || size > disk.block_size()) return;
    header.header_crc32.set(0);
    disk.store(lba, header);
    header.header_crc32.set(crc32(std::span(disk.block(lba)).first(size)));
    disk.store(lba, header);
  }
};

}  // namespace capsuled
