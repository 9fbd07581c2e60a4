#include "bdev/partition/mbr_table.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include "bdev/bdev_geometry.h"
#include "bdev/partition/test_tables.h"

namespace capsuled {
namespace {

constexpr uint64_t kBlocks = 10'000;

/// `5:1010+20`, or with a fault `5:1010+20 it …`.
std::vector<std::string> described(const PartitionTable& table) {
  std::vector<std::string> all;
  for (const Partition& one : table.partitions) {
    all.push_back(std::to_string(one.number) + ":" + std::to_string(one.first_block) + "+" +
                  std::to_string(one.block_count) + (one.fault.empty() ? "" : " ") + one.fault);
  }
  return all;
}

using Described = std::vector<std::string>;

constexpr const char* kExtended = " it is an extended partition, which only holds others";

/// Partition 2 is an extended one, from 1000 to 1999.
struct Chain {
  explicit Chain(uint32_t block_size = 512) : disk(block_size, kBlocks) {
    store_record(disk, 0, {mbr_entry(0x83, 10, 90), mbr_entry(0x05, 1'000, 1'000)});
  }
  /// An extended boot record; `next` is a link, counted from 1000 on; 0: the last one.
  void link(uint64_t block, uint32_t first, uint32_t count, uint32_t next, uint8_t type = 0x05) {
    store_record(disk, block,
                 {mbr_entry(0x83, first, count), mbr_entry(type, next, next == 0 ? 0 : 100)});
  }
  PartitionTable read() const {
    PartitionTableReading reading = disk.read();
    REQUIRE(reading.table.has_value());
    return *std::move(reading.table);
  }
  Described partitions() const { return described(read()); }
  std::string warning() const { return read().warning; }

  TestDisk disk;
};

const std::string kFirst = "1:10+90";
const std::string kSecond = std::string("2:1000+1000") + kExtended;

std::string damaged(const std::string& reason) {
  return "the chain of logical partitions is damaged (" + reason +
         "): those behind that are not known";
}

TEST_CASE("MBR: primary partitions have the number of their place; empty ones are none") {
  TestDisk disk(512, kBlocks);
  store_record(disk, 0,
               {mbr_entry(0x83, 1, 99), {}, mbr_entry(0x07, 5'000, 5'000), mbr_entry(0xef, 7, 0)});
  const PartitionTableReading reading = disk.read();
  REQUIRE(reading.table.has_value());
  CHECK(reading.table->scheme == std::string("MBR"));
  CHECK(described(*reading.table) == Described{"1:1+99", "3:5000+5000"});
  CHECK(reading.table->partitions[0].type == "83");
  CHECK(reading.table->partitions[1].type == "07");
  CHECK(reading.table->warning.empty());
  store_record(disk, 0, {});
  CHECK(disk.read().table->partitions.empty());
}

TEST_CASE("MBR: logical partitions count from 5, in the order of their chain") {
  for (const uint32_t block_size : {kBlockSizeMin, kBlockSizeMax}) {
    for (const uint8_t type : std::initializer_list<uint8_t>{0x05, 0x0f, 0x85}) {
      Chain chain(block_size);
      store_record(chain.disk, 0, {mbr_entry(0x83, 10, 90), mbr_entry(type, 1'000, 1'000)});
      // The second link leads on, the third back: they were made in that order.
      chain.link(1'000, 10, 20, 500, type);
      chain.link(1'500, 1, 99, 200, type);
      chain.link(1'200, 8, 10, 0);
      CHECK(chain.partitions() ==
            Described{kFirst, kSecond, "5:1010+20", "6:1501+99", "7:1208+10"});
      CHECK(chain.warning().empty());
    }
  }
}

TEST_CASE("MBR: a link without a partition counts none; one may have up to four") {
  Chain chain;
  chain.link(1'000, 10, 0, 100);
  store_record(chain.disk, 1'100,
               {mbr_entry(0x05, 200, 1), mbr_entry(0x83, 1, 1), mbr_entry(0x83, 2, 1),
                mbr_entry(0x83, 3, 1)});
  // What leaves the extended partition is nonsense in the third and fourth.
  store_record(chain.disk, 1'200,
               {mbr_entry(0x83, 1, 1), mbr_entry(0x83, 3, 900), mbr_entry(0x83, 3, 900),
                mbr_entry(0xdb, UINT32_MAX, UINT32_MAX)});
  CHECK(chain.partitions() == Described{kFirst, kSecond, "5:1101+1", "6:1102+1", "7:1103+1",
                                        "8:1201+1", "9:1203+900 it leaves the extended partition"});
}

TEST_CASE("MBR: an extended partition in which nothing was written has no partitions") {
  Chain chain;
  CHECK(chain.partitions() == Described{kFirst, kSecond});
  CHECK(chain.warning().empty());
}

TEST_CASE("MBR: two extended partitions have a chain each") {
  Chain chain;
  store_record(chain.disk, 0,
               {mbr_entry(0x0f, 3'000, 100), mbr_entry(0x83, 1, 9), mbr_entry(0x05, 1'000, 1'000)});
  chain.link(3'000, 1, 9, 0);
  chain.link(1'000, 10, 20, 0);
  CHECK(chain.partitions() == Described{std::string("1:3000+100") + kExtended, "2:1+9",
                                        std::string("3:1000+1000") + kExtended, "5:3001+9",
                                        "6:1010+20"});
}

TEST_CASE("MBR: where a chain is damaged, the partitions before that are right, and it is said") {
  const auto warned = [](uint32_t next) {
    Chain chain;
    chain.link(1'000, 10, 20, 100);
    chain.link(1'100, 1, 9, next);
    CHECK(chain.partitions() == Described{kFirst, kSecond, "5:1010+20", "6:1101+9"});
    return chain.warning();
  };
  CHECK(warned(300) == damaged("block 1300 holds no link of it"));
  CHECK(warned(1'000) == damaged("its link to block 2000 leaves the extended partition"));
  CHECK(warned(UINT32_MAX) ==
        damaged("its link to block 4294968295 leaves the extended partition"));
  // The whole chain once more, or the last link.
  Chain first;
  first.link(1'000, 10, 20, 100);
  store_record(first.disk, 1'100, {mbr_entry(0x83, 1, 9), mbr_entry(0x05, 0, 100)});
  CHECK(first.partitions() == Described{kFirst, kSecond, "5:1010+20", "6:1101+9"});
  CHECK(first.warning() == damaged("its link to block 1000 leads to where it was before"));
  CHECK(warned(100) == damaged("its link to block 1100 leads to where it was before"));
}

TEST_CASE("MBR: a chain is followed for 60 links") {
  for (const uint32_t links : {59u, 60u, 61u, 100u}) {
    Chain chain(kBlockSizeMax);
    for (uint32_t index = 0; index < links; ++index) {
      const bool is_last = index + 1 == links;
      chain.link(1'000 + index * 10, 1, 9, is_last ? 0 : (index + 1) * 10);
    }
    CHECK(chain.partitions().size() == 2 + std::min(links, 60u));
    CHECK(chain.warning() == (links <= 60 ? "" : damaged("it has more than 60 links")));
  }
}

TEST_CASE("MBR: an extended partition that has the MBR in it leads nowhere") {
  Chain chain;
  store_record(chain.disk, 0, {mbr_entry(0x83, 10, 90), mbr_entry(0x05, 0, 1'000)});
  CHECK(chain.partitions() ==
        Described{"1:10+90 it meets partition 2", std::string("2:0+1000") + kExtended});
  CHECK(chain.warning() == damaged("its link to block 0 leads to where it was before"));
}

TEST_CASE("MBR: a partition that ends behind the disk cannot be used; others can") {
  TestDisk disk(512, kBlocks);
  store_record(disk, 0,
               {mbr_entry(0x83, 1, 99), mbr_entry(0x83, 9'000, 1'001),
                mbr_entry(0x83, UINT32_MAX, UINT32_MAX), mbr_entry(0x83, 8'000, 1'000)});
  const std::string fault = " it ends behind the disk, which has 10000 blocks";
  CHECK(described(*disk.read().table) == Described{"1:1+99", "2:9000+1001" + fault,
                                                   "3:4294967295+4294967295" + fault,
                                                   "4:8000+1000"});
  // So can logical ones whose extended partition does.
  Chain chain;
  store_record(chain.disk, 0, {mbr_entry(0x05, 9'000, 2'000)});
  chain.link(9'000, 1, 9, 1'500);
  CHECK(chain.partitions() == Described{std::string("1:9000+2000") + kExtended, "5:9001+9"});
  CHECK(chain.warning() == damaged("its link to block 10500 leads behind the disk"));
}

TEST_CASE("MBR: the largest numbers that there are do not overflow") {
  TestDisk disk(512, uint64_t{1} << 40);
  store_record(disk, 0, {mbr_entry(0x05, UINT32_MAX, UINT32_MAX), mbr_entry(0x83, 1, UINT32_MAX)});
  const uint64_t first = UINT32_MAX;
  store_record(disk, first,
               {mbr_entry(0x83, UINT32_MAX, UINT32_MAX), mbr_entry(0x05, UINT32_MAX - 1, 1)});
  store_record(disk, 2 * first - 1, {mbr_entry(0x83, 1, 1), mbr_entry(0x83, UINT32_MAX, 1)});
  const PartitionTableReading reading = disk.read();
  REQUIRE(reading.table.has_value());
  const std::string leaves = " it leaves the extended partition";
  CHECK(described(*reading.table) ==
        Described{"1:4294967295+4294967295" + std::string(kExtended),
                  "2:1+4294967295 it has blocks of the partition table",
                  "5:8589934590+4294967295" + leaves, "6:8589934590+1" + leaves,
                  "7:12884901884+1" + leaves});
}

TEST_CASE("MBR: partitions that meet cannot be used, nor those that have a part of the table") {
  const auto with = [](const std::vector<MbrEntry>& entries) {
    TestDisk disk(512, kBlocks);
    store_record(disk, 0, entries);
    return described(*disk.read().table);
  };
  CHECK(with({mbr_entry(0x83, 0, 10)}) == Described{"1:0+10 it has blocks of the partition table"});
  CHECK(with({mbr_entry(0x83, 1, 10), mbr_entry(0x83, 11, 10)}) == Described{"1:1+10", "2:11+10"});
  CHECK(with({mbr_entry(0x83, 1, 11), mbr_entry(0x83, 11, 10), mbr_entry(0x83, 90, 1)}) ==
        Described{"1:1+11 it meets partition 2", "2:11+10 it meets partition 1", "3:90+1"});
  CHECK(with({mbr_entry(0x83, 1, 90), mbr_entry(0x83, 11, 10)}) ==
        Described{"1:1+90 it meets partition 2", "2:11+10 it meets partition 1"});
  CHECK(with({mbr_entry(0x83, 1, 90), mbr_entry(0x83, 50, UINT32_MAX)}) ==
        Described{"1:1+90 it meets partition 2",
                  "2:50+4294967295 it ends behind the disk, which has 10000 blocks"});
  CHECK(with({mbr_entry(0x83, 60, 90), mbr_entry(0x0f, 50, 100)}) ==
        Described{"1:60+90 it meets partition 2", std::string("2:50+100") + kExtended});
  Chain chain;
  chain.link(1'000, 1, 200, 100);
  chain.link(1'100, 1, 200, 250);
  chain.link(1'250, 100, 10, 0);
  const std::string has = " it has blocks of the partition table";
  CHECK(chain.partitions() ==
        Described{kFirst, kSecond, "5:1001+200" + has, "6:1101+200" + has, "7:1350+10"});
  chain.link(1'000, 1, 99, 100);
  chain.link(1'100, 1, 99, 250);
  chain.link(1'250, 0, 10, 0);
  CHECK(chain.partitions() ==
        Described{kFirst, kSecond, "5:1001+99", "6:1101+99", "7:1250+10" + has});
}

}  // namespace
}  // namespace capsuled
