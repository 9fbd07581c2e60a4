#include "bdev/partition/partition_bdev.h"

#include <doctest/doctest.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bdev/partition/test_tables.h"
#include "bdev/test_base_reads.h"
#include "bdev/test_stack.h"

namespace capsuled {
namespace {

constexpr uint64_t kBlocks = 200;
constexpr uint32_t kBlock = 4096;

std::unique_ptr<TestBdev> bdev_of(const TestDisk& disk) {
  BdevFacts facts = test_facts(disk.block_count());
  facts.name = "ssd0";
  facts.block_size = disk.block_size();
  facts.optimal_write_blocks = 8;
  auto bdev = std::make_unique<TestBdev>(facts);
  bdev->memory = disk.bytes(0, disk.block_count());
  return bdev;
}

TestGpt some_gpt() {
  return {.entries = {{1, gpt_entry(0x11, 8, 15, u"EFI")},
                      {2, gpt_entry(0xab, 16, 99, u"data")},
                      {5, gpt_entry(0x55, 101, 109, u"d\u00e9j\u00e0 vu")},
                      {6, gpt_entry(0x66, 110, 119, u"twin")},
                      {7, gpt_entry(0x77, 120, 129, u"twin")}}};
}

TestDisk gpt_disk(const TestGpt& gpt = some_gpt()) {
  TestDisk disk(kBlock, kBlocks);
  gpt.write(disk);
  return disk;
}

/// A base with a table, of which partitions can be asked for.
struct Bench {
  explicit Bench(const TestDisk& disk = gpt_disk()) { REQUIRE(registry.add(bdev_of(disk)).ok()); }
  BdevContext context(bool claim = true) {
    BdevContext made{.env = *env, .claim = claim};
    made.bases.emplace("ssd0", registry.open("ssd0").value());
    return made;
  }
  BdevResult make(const std::string& partition, const std::string& name = "part0",
                  bool claim = true) {
    return make_with_reads(context(claim),
                           {name, "partition", {{"base", "ssd0"}, {"partition", partition}}});
  }
  /// Why it is not added; empty: it is.
  std::string add(BdevResult made) {
    REQUIRE(made.ok());
    const auto in_the_way = registry.in_the_way(*made.value());
    CHECK(registry.add(std::move(made).value()).ok() == !in_the_way.has_value());
    return in_the_way.has_value() ? in_the_way->message : "";
  }
  BdevFacts facts_of(const std::string& partition) {
    CHECK(add(make(partition)) == "");
    return registry.take("part0").value()->facts();
  }
  BdevError error_of(const std::string& partition) {
    const BdevResult made = make(partition);
    REQUIRE(!made.ok());
    CHECK(made.error().errnum == EINVAL);
    return made.error();
  }

  std::unique_ptr<env::Env> env = env::make_linux_env().value();
  BdevRegistry registry{1};
};

}  // namespace

TEST_CASE("partition: it is found by its number, its name, or its GUID in either case") {
  Bench bench;
  CHECK(bench.facts_of("1").first_block == 8);
  CHECK(bench.facts_of("EFI").block_count == 8);
  CHECK(bench.facts_of("2").first_block == 16);
  CHECK(bench.facts_of("data").first_block == 16);
  CHECK(bench.facts_of("abababab-abab-abab-abab-abababababab").first_block == 16);
  CHECK(bench.facts_of("ABABABAB-ABAB-ABAB-ABAB-ABABABABABAB").first_block == 16);
  CHECK(bench.facts_of("d\xc3\xa9j\xc3\xa0 vu").first_block == 101);
  CHECK(bench.facts_of("7").first_block == 120);
}

TEST_CASE("partition: digits are a number, never a name") {
  TestGpt gpt = some_gpt();
  gpt.entries[8] = gpt_entry(0x08, 150, 150, u"2");
  Bench bench(gpt_disk(gpt));
  CHECK(bench.facts_of("2").first_block == 16);
  CHECK(bench.facts_of("8").first_block == 150);
}

TEST_CASE("partition: it is as its base is") {
  Bench bench;
  const BdevFacts facts = bench.facts_of("data");
  CHECK(facts.name == "part0");
  CHECK(facts.kind == "partition");
  CHECK(facts.block_size == kBlock);
  CHECK(facts.block_count == 84);
  CHECK(facts.first_block == 16);
  CHECK(facts.optimal_write_blocks == 8);
  CHECK(facts.can_unmap);
  CHECK(facts.warning.empty());
  CHECK(bench.facts_of("5").optimal_write_blocks == 0);
}

TEST_CASE("partition: a table that should be repaired is told of") {
  TestGpt gpt = some_gpt();
  gpt.change_primary = [](GptHeader& header) { header.my_lba.set(7); };
  Bench bench(gpt_disk(gpt));
  const BdevFacts facts = bench.facts_of("data");
  CHECK(facts.first_block == 16);
  CHECK(facts.warning ==
        "the primary GPT, in block 1, is damaged (expected a header of block 1, got one of 7): its "
        "backup was used; repair it while there is one");
}

TEST_CASE("partition: the error names what there is, in what can be seen of it") {
  Bench bench;
  const BdevError error = bench.error_of("7a");
  CHECK(error.field == "partition");
  CHECK(error.message ==
        "expected one of the partitions 1 (EFI), 2 (data), 5 (d\\u{e9}j\\u{e0} vu), 6 (twin), 7 "
        "(twin) of ssd0 for `partition`, got \"7a\"");
  for (const char* const none : {"3", "0", "01", "-1", "efi", "EFI ", "99999999999999999999999",
                                 "abababab-abab-abab-abab-abababababac", "1 (EFI)"}) {
    CHECK(bench.error_of(none).message.starts_with("expected one of the partitions 1 (EFI), "));
  }
  CHECK(bench.error_of("").message ==
        "expected a number, a name or a UUID for `partition`, got \"\"");
}

TEST_CASE("partition: of two with one name, or one GUID, none is guessed") {
  Bench bench;
  const BdevError error = bench.error_of("twin");
  CHECK(error.field == "partition");
  CHECK(
      error.message ==
      "expected a number or a UUID for `partition`, got \"twin\", which several have: 6 (twin), 7 "
      "(twin)");
  TestGpt gpt = some_gpt();
  gpt.entries[8] = gpt_entry(0xab, 150, 150, u"copy");
  Bench other(gpt_disk(gpt));
  CHECK(other.error_of("abababab-abab-abab-abab-abababababab").message ==
        "expected a number for `partition`, got \"abababab-abab-abab-abab-abababababab\", which "
        "several have: 2 (data), 8 (copy)");
  CHECK(other.facts_of("copy").first_block == 150);
}

TEST_CASE("partition: a list of many, with names of whoever wrote them, has an end") {
  TestDisk disk(512, 10'000);
  TestGpt gpt{.entry_count = 1'000};
  for (uint32_t number = 1; number <= gpt.entry_count; ++number) {
    gpt.entries[number] =
        gpt_entry(1, 1'000 + number, 1'000 + number, std::u16string(36, u'\u202e'));
  }
  gpt.write(disk);
  Bench bench(disk);
  const std::string message = bench.error_of("name").message;
  CHECK(message.size() < 1'000);
  CHECK(message.find(" and 998 more of ssd0 for `partition`, got \"name\"") != std::string::npos);
}

TEST_CASE("partition: an MBR has numbers, and types where others have names") {
  TestDisk disk(kBlock, kBlocks);
  store_record(disk, 0,
               {mbr_entry(0x83, 1, 9), mbr_entry(0x0f, 100, 50), mbr_entry(0x07, 145, 40)});
  store_record(disk, 100, {mbr_entry(0x82, 1, 9)});
  Bench bench(disk);
  CHECK(bench.facts_of("1").block_count == 9);
  CHECK(bench.facts_of("5").first_block == 101);
  CHECK(bench.error_of("data").message ==
        "expected one of the partitions 1 (type 83), 5 (type 82) of ssd0 for `partition`, got "
        "\"data\"");
  CHECK(bench.error_of("2").message ==
        "expected a partition that can be used for `partition`, got \"2\": it is an extended "
        "partition, which only holds others");
  CHECK(bench.error_of("3").message ==
        "expected a partition that can be used for `partition`, got \"3\": it meets partition 2");
}

TEST_CASE("partition: where a chain is damaged, one that is not found may be behind that") {
  TestDisk disk(kBlock, kBlocks);
  store_record(disk, 0, {mbr_entry(0x0f, 100, 50)});
  store_record(disk, 100, {mbr_entry(0x82, 1, 9), mbr_entry(0x05, 20, 9)});
  Bench bench(disk);
  const std::string warning =
      "the chain of logical partitions is damaged (block 120 holds no link of it): those behind "
      "that are not known";
  CHECK(bench.facts_of("5").warning == warning);
  CHECK(bench.error_of("6").message ==
        "expected one of the partitions 5 (type 82) of ssd0 for `partition`, got \"6\"; " +
            warning);
}

TEST_CASE("partition: a base without a table, or with one that is empty, is the error") {
  TestDisk disk(kBlock, kBlocks);
  Bench none(disk);
  CHECK(none.error_of("1").field == "base");
  CHECK(none.error_of("1").message.starts_with("expected a GPT or an MBR, got neither in block 0"));
  TestGpt().write(disk);
  Bench empty(disk);
  CHECK(empty.error_of("1").field == "partition");
  CHECK(
      empty.error_of("1").message ==
      "expected a partition of ssd0 for `partition`, got \"1\"; its GPT has none that can be used");
  CHECK(make_with_reads(empty.context(), {"p", "partition", {{"base", "x"}, {"partition", "1"}}})
            .error()
            .message == "expected the name of a bdev for `base`, got \"x\"");
  CHECK(make_with_reads(empty.context(), {"p", "partition", {{"base", "ssd0"}}}).error().field ==
        "partition");
}

TEST_CASE("partition: a base that cannot be read is the error, wherever that is") {
  const auto with_fault = [](uint64_t block) {
    Bench bench;
    BdevResult made =
        make_with_reads(bench.context(), {"p", "partition", {{"base", "ssd0"}, {"partition", "1"}}},
                        [block](const BaseReads::Wanted& wanted) -> std::optional<BdevStatus> {
                          if (wanted.first_block != block) return std::nullopt;
                          return BdevStatus::MediaError;
                        });
    if (!made.ok()) return made.error().errnum;
    CHECK(bench.add(std::move(made)) == "");
    return 0;
  };
  CHECK(with_fault(0) == EIO);
  CHECK(with_fault(1) == EIO);
  CHECK(with_fault(2) == EIO);
  // The backup is not read.
  CHECK(with_fault(kBlocks - 1) == 0);
}

TEST_CASE("partition: its blocks are its own; others are free") {
  Bench bench;
  const std::string taken =
      "expected blocks of ssd0 that no other bdev has, but part0 has some of them";
  CHECK(bench.add(bench.make("1", "part0")) == "");
  CHECK(bench.add(bench.make("EFI", "part2")) == taken);
  CHECK(bench.add(bench.make("2", "part1")) == "");
  const auto is_free = [&](uint64_t first_block, uint64_t count_blocks) {
    const uint64_t bytes = count_blocks * kBlock;
    const bool is_added =
        bench
            .add(make_bdev(bench.context(),
                           {"s",
                            "split",
                            {{"base", "ssd0"}, {"offset", first_block * kBlock}, {"size", bytes}}}))
            .empty();
    CHECK(bench.registry.take("s").ok() == is_added);
    return is_added;
  };
  CHECK(is_free(0, 8));
  CHECK(!is_free(0, 9));
  CHECK(!is_free(15, 1));
  CHECK(!is_free(99, 1));
  CHECK(is_free(100, 1));
  // Beside who uses it.
  CHECK(bench.add(bench.make("1", "look", false)) == "");
}

TEST_CASE("partition: operations go to its blocks of the base") {
  TestStack stack(bdev_of(gpt_disk()));
  auto& base = static_cast<TestBdev&>(*stack.registry().find("ssd0")->bdev);
  {
    BdevContext context{.env = stack.reactors().env()};
    context.bases.emplace("ssd0", stack.open("ssd0"));
    stack.add(
        make_with_reads(context, {"part0", "partition", {{"base", "ssd0"}, {"partition", "data"}}})
            .value());
  }
  std::vector<std::byte> written(3 * kBlock, std::byte{0x5a});
  CHECK(stack.run(BdevIoType::Write, 81, written) == BdevStatus::Success);
  CHECK(std::memcmp(base.memory.data() + (16 + 81) * kBlock, written.data(), written.size()) == 0);
  CHECK(base.memory[uint64_t{16 + 81} * kBlock - 1] == std::byte{0});
  CHECK(base.memory[uint64_t{16 + 84} * kBlock] == std::byte{0});
  std::vector<std::byte> found(written.size());
  CHECK(stack.run(BdevIoType::Read, 81, found) == BdevStatus::Success);
  CHECK(found == written);
  TestIo unmap(BdevIoType::Unmap, 0, 84);
  CHECK(stack.run(unmap) == BdevStatus::Success);
  CHECK(base.submissions.back().offset_blocks == 16);
  CHECK(base.submissions.back().count_blocks == 84);
}

}  // namespace capsuled
