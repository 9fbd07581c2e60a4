#include "bdev/bdev_kinds.h"

#include <doctest/doctest.h>

#include <cerrno>

#include "bdev/bdev.h"

namespace capsuled {
namespace {

std::unique_ptr<env::Env> make_env() {
  auto made = env::make_linux_env();
  REQUIRE(made.ok());
  return std::move(made).value();
}

std::string field_of(env::Env& env, const BdevParameters& parameters) {
  const BdevResult made = make_bdev(env, parameters);
  REQUIRE(!made.ok());
  return made.error().field;
}

TEST_CASE("a bdev is made by the name of its kind, with the blocks that were asked for") {
  const auto env = make_env();
  for (const char* kind : {"malloc", "null"}) {
    for (const uint32_t block_size : {512u, 4096u}) {
      BdevResult made =
          make_bdev(*env, {.name = "b", .kind = kind, .bytes = 1 << 20, .block_size = block_size});
      REQUIRE(made.ok());
      CHECK(made.value()->facts().kind == kind);
      CHECK(made.value()->facts().block_size == block_size);
      CHECK(made.value()->facts().block_count == (1 << 20) / block_size);
    }
  }
}

TEST_CASE("the error names the key at fault") {
  const auto env = make_env();
  CHECK(field_of(*env, {.name = "b", .kind = "floppy", .bytes = 512}) == "kind");
  CHECK(field_of(*env, {.name = "", .kind = "null", .bytes = 512}) == "name");
  CHECK(field_of(*env, {.name = "b", .kind = "null"}) == "size");
  CHECK(field_of(*env, {.name = "b", .kind = "null", .bytes = 1000}) == "size");
  CHECK(field_of(*env, {.name = "b", .kind = "malloc", .bytes = 4096 + 512, .block_size = 4096}) ==
        "size");
  CHECK(field_of(*env, {.name = "b", .kind = "malloc", .bytes = uint64_t{1} << 60}) == "size");
  for (const uint32_t block_size : {1u, 256u, 513u, 131072u}) {
    CHECK(field_of(*env,
                   {.name = "b", .kind = "malloc", .bytes = 1 << 20, .block_size = block_size}) ==
          "block_size");
  }
  CHECK(field_of(*env, {.name = "b", .kind = "malloc", .bytes = 512, .path = "/x"}) == "path");
  CHECK(field_of(*env, {.name = "b", .kind = "malloc", .bytes = 512, .create = true}) == "create");
  CHECK(field_of(*env, {.name = "b", .kind = "null", .bytes = 512, .read_only = true}) ==
        "read_only");
  CHECK(field_of(*env, {.name = "b", .kind = "uring"}) == "path");
}

}  // namespace
}  // namespace capsuled
