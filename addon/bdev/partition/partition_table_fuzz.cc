// Any bytes as a disk: partitions without a fault lie on it, and do not meet. The first byte of an
// input decides the block size, how much larger than the input the disk is, and whether the CRCs of
// a GPT are made right first, so that what is behind them is reached.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/assert.h"
#include "bdev/bdev_geometry.h"
#include "bdev/partition/test_tables.h"

namespace {

using namespace capsuled;

/// Of the first byte: the three bits from 0 on are the block size.
constexpr uint8_t kRepairedBit = 0x08;
constexpr uint8_t kLargerBit = 0x10;

/// Makes the CRCs of a GPT's copy right, as far as it says what they are of.
void repair(TestDisk& disk, uint64_t lba) {
  auto header = disk.load<GptHeader>(lba);
  const uint64_t bytes =
      uint64_t{header.number_of_partition_entries.get()} * header.size_of_partition_entry.get();
  const uint64_t blocks = (bytes + disk.block_size() - 1) / disk.block_size();
  const uint64_t first = header.partition_entry_lba.get();
  if (bytes <= kGptEntriesBytesMax && blocks <= disk.block_count() &&
      first <= disk.block_count() - blocks) {
    const std::vector<std::byte> entries = disk.bytes(first, blocks);
    header.partition_entry_array_crc32.set(crc32(std::span(entries).first(bytes)));
    disk.store(lba, header);
  }
  TestGpt::seal(disk, lba);
}

void check(const TestDisk& disk, const PartitionTable& table) {
  std::vector<const Partition*> usable;
  uint32_t number = 0;
  for (const Partition& partition : table.partitions) {
    ASSERT(partition.number > number);
    number = partition.number;
    if (partition.fault.empty()) usable.push_back(&partition);
  }
  std::ranges::sort(usable, {}, [](const Partition* one) { return one->first_block; });
  // The first block has the table.
  uint64_t end_block = 1;
  for (const Partition* const partition : usable) {
    ASSERT(partition->first_block >= end_block);
    ASSERT(partition->block_count > 0);
    ASSERT(partition->block_count <= disk.block_count());
    ASSERT(partition->first_block <= disk.block_count() - partition->block_count);
    end_block = partition->end_block();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* input, size_t size) {
  if (size < 1) return 0;
  const auto bytes = std::as_bytes(std::span(input, size)).subspan(1);
  const uint32_t block_size = kBlockSizeMin << (input[0] & 0x07);
  const uint64_t more = (input[0] & kLargerBit) != 0 ? uint64_t{1} << 33 : 0;
  const uint64_t blocks = std::max<uint64_t>(bytes.size() / block_size, 1) + more;
  TestDisk disk(block_size, blocks);
  disk.store_bytes(0, bytes.first(std::min<size_t>(bytes.size(), blocks * block_size)));
  if ((input[0] & kRepairedBit) != 0 && blocks > 1) {
    repair(disk, 1);
    repair(disk, blocks - 1);
  }
  const PartitionTableReading reading = disk.read();
  ASSERT(reading.table.has_value() == reading.error.empty());
  if (reading.table.has_value()) check(disk, *reading.table);
  return 0;
}
