#include "bdev/partition/gpt_table.h"

#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "base/prng.h"
#include "bdev/bdev_geometry.h"
#include "bdev/partition/test_tables.h"

namespace capsuled {
namespace {

constexpr uint64_t kBlocks = 200;
constexpr uint64_t kLast = kBlocks - 1;
constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();
/// Of 8 entries of 128 bytes in blocks of 512: 2 to 3 and 197 to 198 are entries.
constexpr uint64_t kFirstUsable = 4;
constexpr uint64_t kLastUsable = 196;

TestGpt three_partitions() {
  return {.entries = {{1, gpt_entry(1, kFirstUsable, 9, u"EFI")},
                      {3, gpt_entry(3, 20, 20, u"")},
                      {8, gpt_entry(8, 21, kLastUsable, u"data")}}};
}

bool are_the_three(const std::vector<Partition>& found) {
  const auto is = [](const Partition& one, uint32_t number, uint64_t first, uint64_t count) {
    return one.number == number && one.first_block == first && one.block_count == count &&
           one.fault.empty();
  };
  return found.size() == 3 && is(found[0], 1, kFirstUsable, 6) && is(found[1], 3, 20, 1) &&
         is(found[2], 8, 21, kLastUsable - 20) && found[0].name == u"EFI" &&
         found[1].name.empty() && found[2].name == u"data" &&
         found[2].guid == "08080808-0808-0808-0808-080808080808" &&
         found[2].type == "a8a8a8a8-a8a8-a8a8-a8a8-a8a8a8a8a8a8";
}

/// `text` in a pattern of what is said.
bool says(const std::string& said, const std::string& text) {
  return said.find(text) != std::string::npos;
}

/// A change of a header that gives it away, and what is said of it.
struct Break {
  const char* fault;
  TestGpt::Change change;
};

std::vector<Break> breaks_of_bytes() {
  return {
      {"expected the signature \"EFI PART\"", [](GptHeader& header) { header.signature[7] = 'S'; }},
      {"expected revision 0x00010000, got 0x00020000",
       [](GptHeader& header) { header.revision.set(0x00020000); }},
      {"expected a header of 92 to 512 bytes, got 91",
       [](GptHeader& header) { header.header_size.set(91); }},
      {"expected a header of 92 to 512 bytes, got 0",
       [](GptHeader& header) { header.header_size.set(0); }},
      {"expected a header of 92 to 512 bytes, got 513",
       [](GptHeader& header) { header.header_size.set(513); }},
      {"expected a header of 92 to 512 bytes, got 4294967295",
       [](GptHeader& header) { header.header_size.set(UINT32_MAX); }},
      {"expected 0 in the reserved field, got 1",
       [](GptHeader& header) { header.reserved.set(1); }},
      {"expected a header of block ", [](GptHeader& header) { header.my_lba.set(2); }},
      {"expected the other header in ", [](GptHeader& header) { header.alternate_lba.set(0); }},
      {"expected the other header in ",
       [](GptHeader& header) { header.alternate_lba.set(header.my_lba.get()); }},
      {"expected the other header in ",
       [](GptHeader& header) { header.alternate_lba.set(kBlocks); }},
      {"expected the other header in ", [](GptHeader& header) { header.alternate_lba.set(kMax); }},
  };
}

std::vector<Break> breaks_of_places() {
  const auto usable = [](uint64_t first, uint64_t last) {
    return [first, last](GptHeader& header) {
      header.first_usable_lba.set(first);
      header.last_usable_lba.set(last);
    };
  };
  const auto entries = [](uint64_t lba) {
    return [lba](GptHeader& header) { header.partition_entry_lba.set(lba); };
  };
  const auto sizes = [](uint32_t count, uint32_t size) {
    return [count, size](GptHeader& header) {
      header.number_of_partition_entries.set(count);
      header.size_of_partition_entry.set(size);
    };
  };
  constexpr auto kUsable = "expected usable blocks between the headers, got ";
  constexpr auto kSize = "expected entries of 128, 256, 512, … bytes, got ";
  constexpr auto kBytes = "expected 1 to 1048576 bytes of entries, got ";
  constexpr auto kEntries = "expected entries between the headers, outside of the usable blocks, ";
  return {
      {kUsable, usable(0, kLastUsable)},
      {kUsable, usable(1, kLastUsable)},
      {kUsable, usable(100, 99)},
      {kUsable, usable(kFirstUsable, kLast)},
      {kUsable, usable(kFirstUsable, kMax)},
      {kUsable, usable(kMax, kMax)},
      {kSize, sizes(8, 0)},
      {kSize, sizes(8, 64)},
      {kSize, sizes(8, 129)},
      {kSize, sizes(8, 384)},
      {kBytes, sizes(0, 128)},
      {kBytes, sizes(8'193, 128)},
      {kBytes, sizes(2, 1u << 20)},
      {kBytes, sizes(1, 1u << 31)},
      {kBytes, sizes(UINT32_MAX, 1u << 31)},
      {kEntries, entries(0)},
      {kEntries, entries(1)},
      {kEntries, entries(kFirstUsable - 1)},
      {kEntries, entries(kFirstUsable)},
      {kEntries, entries(100)},
      {kEntries, entries(kLastUsable)},
      {kEntries, entries(kLast - 1)},
      {kEntries, entries(kLast)},
      {kEntries, entries(kBlocks)},
      {kEntries, entries(kMax)},
      {kEntries, sizes(8'192, 128)},
      {"expected the entries' CRC32 ",
       [](GptHeader& header) { header.partition_entry_array_crc32.set(0); }},
  };
}

TEST_CASE("GPT: what was written is read, in blocks of every size") {
  for (uint32_t block_size = kBlockSizeMin; block_size <= kBlockSizeMax; block_size *= 2) {
    TestDisk disk(block_size, kBlocks);
    TestGpt gpt{.entry_count = 128,
                .entry_size = 256,
                .entries = {{1, gpt_entry(1, 70, 70, u"one")}, {128, gpt_entry(2, 71, 99, u"x")}}};
    gpt.write(disk);
    const PartitionTableReading reading = disk.read();
    REQUIRE(reading.table.has_value());
    CHECK(reading.table->warning.empty());
    const std::vector<Partition>& found = reading.table->partitions;
    REQUIRE(found.size() == 2);
    CHECK(found[0].number == 1);
    CHECK(found[0].first_block == 70);
    CHECK(found[0].block_count == 1);
    CHECK(found[1].number == 128);
    CHECK(found[1].block_count == 29);
  }
}

TEST_CASE("GPT: a name may be as long as there is room for it") {
  TestDisk disk(512, kBlocks);
  const std::u16string name(36, u'n');
  TestGpt gpt{.entries = {{1, gpt_entry(1, 10, 10, name)}}};
  gpt.write(disk);
  CHECK(disk.read().table->partitions[0].name == name);
}

TEST_CASE("GPT: a partition without a GUID of its own has none, not the one of all zeros") {
  TestDisk disk(512, kBlocks);
  TestGpt gpt{.entries = {{1, gpt_entry(0, 10, 10, u"")}}};
  gpt.write(disk);
  CHECK(disk.read().table->partitions[0].guid.empty());
}

TEST_CASE("GPT: as many entries as there may be are read") {
  TestDisk disk(512, 100'000);
  TestGpt gpt{.entry_count = 8'192};
  for (uint32_t number = 1; number <= gpt.entry_count; ++number) {
    // From the last one to the first.
    const uint64_t first = 90'000 - uint64_t{number} * 10;
    gpt.entries[number] = gpt_entry(static_cast<uint8_t>(number % 8 + 1), first, first + 9, u"p");
  }
  gpt.write(disk);
  const PartitionTableReading reading = disk.read();
  REQUIRE(reading.table.has_value());
  CHECK(reading.table->partitions.size() == 8'192);
  // Both copies have to be read, with all that there may be.
  TestDisk large(kBlockSizeMax, 100'000);
  gpt.change_primary = [](GptHeader& header) { header.partition_entry_array_crc32.set(0); };
  gpt.write(large);
  CHECK(large.read().table->partitions.size() == 8'192);
}

TEST_CASE("GPT: it may be that of a disk which has grown since") {
  TestDisk disk(512, kBlocks);
  three_partitions().write(disk);
  TestDisk grown(512, 2 * kBlocks);
  grown.store_bytes(0, disk.bytes(0, kBlocks));
  CHECK(are_the_three(grown.read().table->partitions));
  TestDisk cut(512, kBlocks - 1);
  cut.store_bytes(0, disk.bytes(0, kBlocks - 1));
  CHECK(says(cut.read().error, "the other header in a block from 2 to 198, got 199"));
}

TEST_CASE("GPT: where anything is wrong in one copy, the other one is used, and that is said") {
  auto all = breaks_of_bytes();
  for (Break& one : breaks_of_places()) all.push_back(std::move(one));
  for (const Break& one : all) {
    CAPTURE(one.fault);
    TestGpt gpt = three_partitions();
    gpt.change_primary = one.change;
    TestDisk primary(512, kBlocks);
    gpt.write(primary);
    const PartitionTableReading reading = primary.read();
    REQUIRE(reading.table.has_value());
    CHECK(are_the_three(reading.table->partitions));
    CHECK(says(reading.table->warning,
               "the primary GPT, in block 1, is damaged (" + std::string(one.fault)));
    // Who has a primary one does not look at the backup.
    gpt.change_backup = std::exchange(gpt.change_primary, {});
    TestDisk backup(512, kBlocks);
    gpt.write(backup);
    CHECK(backup.read().table->warning.empty());
    gpt.change_primary = gpt.change_backup;
    TestDisk both(512, kBlocks);
    gpt.write(both);
    const PartitionTableReading neither = both.read();
    CHECK(!neither.table.has_value());
    CHECK(says(neither.error, "a primary one (block 1): " + std::string(one.fault)));
    CHECK(says(neither.error, "a backup (block 199): " + std::string(one.fault)));
  }
}

TEST_CASE("GPT: another block size is a likely cause where no copy is there") {
  TestDisk disk(512, kBlocks);
  TestGpt gpt = three_partitions();
  gpt.write(disk);
  TestDisk larger(4096, kBlocks / 8);
  larger.store_bytes(0, disk.bytes(0, kBlocks));
  CHECK(says(larger.read().error,
             "one that was made for another block size than 4096 bytes is not found"));
  // A header that is there is one of this block size.
  disk.block(1)[0x20] ^= std::byte{1};
  disk.block(kLast)[0] ^= std::byte{1};
  CHECK(!says(disk.read().error, "block size"));
}

TEST_CASE("GPT: a disk too small for one has none") {
  for (uint64_t blocks = 1; blocks < 6; ++blocks) {
    TestDisk disk(512, blocks);
    store_record(disk, 0, {mbr_entry(kOsTypeGptProtective, 1, 1)});
    CHECK(disk.read().error ==
          "expected a GPT, got " + std::to_string(blocks) + " blocks, which have no room for one");
  }
  TestDisk disk(512, 6);
  TestGpt gpt{.entry_count = 4, .entries = {{4, gpt_entry(4, 3, 3, u"all")}}};
  gpt.write(disk);
  CHECK(disk.read().table->partitions.size() == 1);
}

TEST_CASE("GPT: partitions lie in the usable blocks, and do not meet") {
  const auto error_with = [](const std::map<uint32_t, GptEntry>& entries) {
    TestDisk disk(512, kBlocks);
    TestGpt gpt{.entries = entries};
    gpt.write(disk);
    return disk.read().error;
  };
  CHECK(error_with({{2, gpt_entry(1, kFirstUsable, kLastUsable, u"")}}).empty());
  const std::array<std::pair<uint64_t, uint64_t>, 8> outside = {
      {{kFirstUsable - 1, 10},
       {0, 10},
       {10, kLastUsable + 1},
       {10, kMax},
       {10, 9},
       {kMax, 10},
       {kMax, kMax},
       {kLastUsable + 1, kLastUsable + 1}}};
  for (const auto& [first, last] : outside) {
    CHECK(says(error_with({{2, gpt_entry(1, first, last, u"")}}),
               "expected partition 2 in the usable blocks, got " + std::to_string(first) + " to " +
                   std::to_string(last)));
  }
  const auto meet = [&](uint64_t first, uint64_t last) {
    return says(error_with({{1, gpt_entry(1, first, last, u"")}, {7, gpt_entry(2, 50, 60, u"")}}),
                "expected partitions that do not meet, but");
  };
  CHECK(!meet(40, 49));
  CHECK(meet(40, 50));
  CHECK(meet(55, 56));
  CHECK(meet(50, 60));
  CHECK(meet(40, 70));
  CHECK(meet(60, 70));
  CHECK(!meet(61, 70));
}

/// The bytes of one copy that count.
struct Place {
  uint64_t block;
  size_t bytes;
};

TEST_CASE("GPT: a byte that is wrong in one copy, or in both, never gives wrong partitions") {
  TestDisk disk(512, kBlocks);
  three_partitions().write(disk);
  const std::array<Place, 3> primary = {{{1, sizeof(GptHeader)}, {2, 512}, {3, 512}}};
  const std::array<Place, 3> backup = {{{kLast, sizeof(GptHeader)}, {197, 512}, {198, 512}}};
  Prng prng(1);
  for (size_t part = 0; part < primary.size(); ++part) {
    for (size_t at = 0; at < primary[part].bytes; ++at) {
      for (unsigned value = 1; value < 256; value <<= 1) {
        const auto wrong = static_cast<std::byte>(value | (value > 1 ? prng.next() & 0xff : 0));
        if (wrong == std::byte{0}) continue;
        std::byte& first = disk.block(primary[part].block)[at];
        std::byte& second = disk.block(backup[part].block)[at];
        first ^= wrong;
        const PartitionTableReading by_backup = disk.read();
        REQUIRE(by_backup.table.has_value());
        REQUIRE(are_the_three(by_backup.table->partitions));
        REQUIRE(!by_backup.table->warning.empty());
        second ^= wrong;
        REQUIRE(!disk.read().error.empty());
        first ^= wrong;
        REQUIRE(are_the_three(disk.read().table->partitions));
        second ^= wrong;
      }
    }
  }
  CHECK(are_the_three(disk.read().table->partitions));
}

TEST_CASE(
    "GPT: what stands behind the header, and behind the first 128 bytes of an entry, is free") {
  TestDisk disk(512, kBlocks);
  TestGpt gpt{.entry_count = 4, .entry_size = 256, .entries = {{4, gpt_entry(4, 9, 9, u"x")}}};
  gpt.change_primary = [](GptHeader& header) { header.header_size.set(400); };
  gpt.write(disk);
  for (size_t at = sizeof(GptHeader); at < 512; ++at) disk.block(1)[at] = std::byte{0x5a};
  TestGpt::seal(disk, 1);
  const PartitionTableReading reading = disk.read();
  REQUIRE(reading.table.has_value());
  CHECK(reading.table->warning.empty());
  CHECK(reading.table->partitions.size() == 1);
  // All of what the header says is its own is covered by its CRC.
  disk.block(1)[399] ^= std::byte{1};
  CHECK(!disk.read().table->warning.empty());
}

}  // namespace
}  // namespace capsuled
