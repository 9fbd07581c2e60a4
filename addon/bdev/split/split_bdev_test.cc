#include "bdev/split/split_bdev.h"

#include <doctest/doctest.h>

#include <cerrno>

#include "bdev/bdev_kinds.h"
#include "bdev/test_bdev.h"

namespace capsuled {
namespace {

constexpr uint64_t kBlocks = 100;
constexpr uint64_t kBlock = 4096;

struct Bench {
  explicit Bench(BdevFacts facts = make_facts()) {
    REQUIRE(registry.add(std::make_unique<TestBdev>(std::move(facts))).ok());
  }
  static BdevFacts make_facts() {
    BdevFacts facts = test_facts(kBlocks);
    facts.block_size = kBlock;
    return facts;
  }
  BdevResult make(BdevSection values) {
    values.emplace("base", "test0");
    BdevContext context{.env = *env};
    context.bases.emplace("test0", registry.open("test0").value());
    return make_bdev(context, {"part", "split", std::move(values)});
  }
  BdevFacts facts_of(const BdevSection& values) {
    REQUIRE(registry.add(std::move(make(values)).value()).ok());
    const BdevFacts facts = registry.find("part")->bdev->facts();
    REQUIRE(registry.take("part").ok());
    return facts;
  }

  std::unique_ptr<env::Env> env = env::make_linux_env().value();
  BdevRegistry registry{1};
};

}  // namespace

TEST_CASE("split: it has the blocks that it was given, or all behind its offset") {
  Bench bench;
  CHECK(bench.facts_of({}).block_count == kBlocks);
  CHECK(bench.facts_of({{"offset", 10 * kBlock}}).block_count == 90);
  CHECK(bench.facts_of({{"offset", 10 * kBlock}, {"size", 5 * kBlock}}).block_count == 5);
  CHECK(bench.facts_of({{"offset", 99 * kBlock}, {"size", kBlock}}).block_count == 1);
}

TEST_CASE("split: it is as its base is") {
  BdevFacts base = Bench::make_facts();
  base.read_only = true;
  base.volatile_cache = true;
  base.can_unmap = false;
  base.buffer_alignment = 512;
  base.optimal_write_blocks = 4;
  Bench bench(base);
  const BdevFacts facts = bench.facts_of({{"offset", 8 * kBlock}});
  CHECK(facts.name == "part");
  CHECK(facts.kind == "split");
  CHECK(facts.block_size == kBlock);
  CHECK(facts.read_only);
  CHECK(facts.volatile_cache);
  CHECK(!facts.can_unmap);
  CHECK(facts.buffer_alignment == 512);
  CHECK(facts.optimal_write_blocks == 4);
  CHECK(facts.first_block == 8);
  // Its blocks do not begin where those of the base do.
  CHECK(bench.facts_of({{"offset", 9 * kBlock}}).optimal_write_blocks == 0);
}

TEST_CASE("split: the error names the key at fault, and what the base has") {
  Bench bench;
  const auto error = [&](const BdevSection& values) {
    const BdevResult made = bench.make(values);
    REQUIRE(!made.ok());
    CHECK(made.error().errnum == EINVAL);
    return made.error();
  };
  CHECK(error({{"base", "other"}}).field == "base");
  CHECK(error({{"base", "other"}}).message ==
        "expected the name of a bdev for `base`, got \"other\"");
  CHECK(error({{"offset", kBlock + 512}}).field == "offset");
  CHECK(
      error({{"size", kBlock + 512}}).message ==
      "expected a multiple of the block size of the base (4096 bytes) for `size`, got 4608 bytes");
  CHECK(error({{"offset", 100 * kBlock}}).message ==
        "expected less than the size of the base (409600 bytes) for `offset`, got 409600 bytes");
  CHECK(
      error({{"offset", 99 * kBlock}, {"size", 2 * kBlock}}).message ==
      "expected at most what the base has behind `offset` (4096 bytes) for `size`, got 8192 bytes");
  CHECK(error({{"offset", UINT64_MAX - kBlock + 1}, {"size", 2 * kBlock}}).field == "offset");
}

}  // namespace capsuled
