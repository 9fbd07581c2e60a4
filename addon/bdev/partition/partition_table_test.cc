// What all tables have in common; gpt_table_test.cc and mbr_table_test.cc have each.
#include "bdev/partition/partition_table.h"

#include <doctest/doctest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "bdev/partition/test_tables.h"

namespace capsuled {
namespace {

TEST_CASE("partition table: a disk has a GPT if its MBR says so, whatever else that says") {
  TestDisk disk(512, 100);
  TestGpt gpt{.entries = {{1, gpt_entry(1, 10, 19, u"data")}}};
  gpt.write(disk);
  CHECK(disk.read().table->scheme == std::string("GPT"));
  // A hybrid one.
  store_record(disk, 0, {mbr_entry(0x83, 10, 10), mbr_entry(0xee, 1, 9)});
  CHECK(disk.read().table->scheme == std::string("GPT"));
  // An old GPT that nobody has wiped.
  store_record(disk, 0, {mbr_entry(0x83, 10, 10)});
  CHECK(disk.read().table->scheme == std::string("MBR"));
}

TEST_CASE("partition table: a disk without one is told from one with a table") {
  TestDisk disk(512, 100);
  const std::string error =
      "expected a GPT or an MBR, got neither in block 0; one that was made for another block size "
      "than 512 bytes may not be found";
  CHECK(disk.read().error == error);
  CHECK(!disk.read().table.has_value());
  // The first block of a file system ends as an MBR does.
  disk.store(0, empty_record());
  CHECK(disk.read().error.empty());
  for (size_t index = 0; index < 4; ++index) {
    MasterBootRecord record = empty_record();
    record.partition_records[index].boot_indicator = 0x80;
    disk.store(0, record);
    CHECK(disk.read().table.has_value());
    record.partition_records[index].boot_indicator = 0x81;
    disk.store(0, record);
    CHECK(disk.read().error == error);
  }
}

TEST_CASE("partition table: a reader that lacks a block goes no further, and asks for it alone") {
  TestDisk disk(512, 1'000);
  TestGpt gpt{
      .entries = {{1, gpt_entry(1, 10, 19, u"data")}},
      .change_primary = [](GptHeader& header) { header.partition_entry_array_crc32.set(1); }};
  gpt.write(disk);
  std::map<std::pair<uint64_t, uint64_t>, std::vector<std::byte>> known;
  std::vector<std::pair<uint64_t, uint64_t>> asked;
  PartitionTableReading reading;
  for (size_t round = 0; round < 10 && !reading.table.has_value(); ++round) {
    CHECK(reading.error.empty());
    const size_t before = asked.size();
    reading = read_partition_table(
        {.block_size = 512,
         .block_count = 1'000,
         .blocks = [&](uint64_t first, uint64_t count) -> const std::vector<std::byte>* {
           const auto found = known.find({first, count});
           if (found != known.end()) return &found->second;
           asked.emplace_back(first, count);
           return nullptr;
         }});
    if (asked.size() == before) break;
    REQUIRE(asked.size() == before + 1);
    known[asked.back()] = disk.bytes(asked.back().first, asked.back().second);
  }
  REQUIRE(reading.table.has_value());
  CHECK(reading.table->partitions.size() == 1);
  using Asked = std::vector<std::pair<uint64_t, uint64_t>>;
  CHECK(asked == Asked{{0, 1}, {1, 1}, {2, 2}, {999, 1}, {997, 2}});
}

TEST_CASE("partition table: a GUID is written as every system writes it") {
  // The type of an EFI system partition.
  const Guid guid = {0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11,
                     0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b};
  CHECK(guid_text(guid) == "c12a7328-f81f-11d2-ba4b-00a0c93ec93b");
}

TEST_CASE("partition table: of a name only what can be seen is shown") {
  CHECK(shown_name(u"EFI system (1)") == "EFI system (1)");
  CHECK(shown_name(u"a\"\\\n\x1b[2J\x7f") == "a\\u{22}\\u{5c}\\u{a}\\u{1b}[2J\\u{7f}");
  CHECK(shown_name(u"d\u00e9\u202e") == "d\\u{e9}\\u{202e}");
  CHECK(shown_name(u"\U0001f600") == "\\u{d83d}\\u{de00}");
}

TEST_CASE("partition table: a name is the same in UTF-8, and no other") {
  CHECK(is_name(u"data", "data"));
  CHECK(!is_name(u"data", "Data"));
  CHECK(!is_name(u"data", "data "));
  CHECK(is_name(u"d\u00e9\u20ac\U0001f600", "d\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"));
  CHECK(is_name(u"\U0010ffff", "\xf4\x8f\xbf\xbf"));
  // Half a pair is no text, and no name that somebody could write.
  const std::u16string half = {0xd83d};
  CHECK(!is_name(half, "\xef\xbf\xbd"));
  CHECK(!is_name(half, "?"));
  CHECK(!is_name(half, ""));
  CHECK(!is_name(half + u"a", "\xf0\x9f\x98\x80"));
}

}  // namespace
}  // namespace capsuled
