#include "bdev/bdev_kinds.h"

#include <doctest/doctest.h>

#include <cerrno>

#include "bdev/bdev.h"

namespace capsuled {
namespace {

struct Bench {
  std::string field_of(const BdevParameters& parameters) const {
    const BdevResult made = make_bdev({.env = *env}, parameters);
    REQUIRE(!made.ok());
    return made.error().field;
  }
  std::unique_ptr<env::Env> env = env::make_linux_env().value();
};

constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kBlock = 512;

TEST_CASE("a bdev is made by the name of its kind, with the blocks that were asked for") {
  const Bench bench;
  for (const char* kind : {"malloc", "null"}) {
    for (const uint64_t block_size : {512u, 4096u}) {
      BdevResult made =
          make_bdev({.env = *bench.env}, {"b", kind, {{"size", kMiB}, {"block_size", block_size}}});
      REQUIRE(made.ok());
      CHECK(made.value()->facts().kind == kind);
      CHECK(made.value()->facts().block_size == block_size);
      CHECK(made.value()->facts().block_count == kMiB / block_size);
    }
  }
}

TEST_CASE("the error names the key at fault") {
  const Bench bench;
  CHECK(bench.field_of({"b", "floppy", {{"size", kBlock}}}) == "kind");
  CHECK(bench.field_of({"", "null", {{"size", kBlock}}}) == "name");
  CHECK(bench.field_of({"b", "null"}) == "size");
  CHECK(bench.field_of({"b", "null", {{"size", uint64_t{1000}}}}) == "size");
  CHECK(bench.field_of(
            {"b", "malloc", {{"size", uint64_t{4096 + 512}}, {"block_size", uint64_t{4096}}}}) ==
        "size");
  CHECK(bench.field_of({"b", "malloc", {{"size", uint64_t{1} << 60}}}) == "size");
  for (const uint64_t block_size : {1ull, 256ull, 513ull, 131072ull, 1ull << 32}) {
    CHECK(bench.field_of({"b", "malloc", {{"size", kMiB}, {"block_size", block_size}}}) ==
          "block_size");
  }
  CHECK(bench.field_of({"b", "uring"}) == "path");
  CHECK(bench.field_of({"b", "uring", {{"path", uint64_t{7}}}}) == "path");
}

TEST_CASE("a key that its kind does not know is an error that says so") {
  const Bench bench;
  for (const BdevValue& value : {BdevValue(true), BdevValue(uint64_t{1}), BdevValue("/x")}) {
    const BdevResult made =
        make_bdev({.env = *bench.env}, {"b", "malloc", {{"size", kMiB}, {"sise", value}}});
    REQUIRE(!made.ok());
    CHECK(made.error().errnum == EINVAL);
    CHECK(made.error().field == "sise");
    CHECK(made.error().message == "expected no `sise` for a bdev of kind malloc");
  }
}

}  // namespace

TEST_CASE("BdevParameters: a key has what was written, or else what its kind takes then") {
  BdevParameters parameters("b", "test",
                            {{"path", "/x"}, {"size", uint64_t{5'000'000'000}}, {"create", true}});
  CHECK(parameters.text("path") == "/x");
  CHECK(parameters.number("size") == 5'000'000'000);
  CHECK(parameters.flag("create"));
  CHECK(parameters.text("name", "b") == "b");
  CHECK(parameters.number("least", 7) == 7);
  CHECK(parameters.small_number("block_size", 512) == 512);
  CHECK(!parameters.flag("read_only"));
  CHECK(!parameters.error().has_value());
}

TEST_CASE("BdevParameters: the first value of another type is the error, with what was found") {
  BdevParameters parameters("b", "test",
                            {{"path", true}, {"size", "1GiB"}, {"block_size", uint64_t{1} << 32}});
  CHECK(parameters.small_number("block_size") == 0);
  CHECK(parameters.error()->message ==
        "expected at most 4294967295 for `block_size`, got 4294967296");
  CHECK(parameters.number("size") == 0);
  CHECK(parameters.text("path").empty());
  CHECK(parameters.error()->field == "block_size");
  BdevParameters other("b", "test", {{"size", "1GiB"}});
  CHECK(other.number("size") == 0);
  CHECK(other.error()->message == "expected a number for `size`, got \"1GiB\"");
}

}  // namespace capsuled
