#include "bdev/null/null_bdev.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "bdev/test_reactors.h"

namespace capsuled {
namespace {

TEST_CASE("null reads as zeros whatever was written, at any size") {
  TestReactors reactors;
  BdevResult made = make_null_bdev({.name = "n", .bytes = uint64_t{1} << 50, .block_size = 4096});
  REQUIRE(made.ok());
  TestBdevUser user(reactors, std::move(made).value());
  std::vector<std::byte> data(3 * 4096, std::byte{0x5a});
  const uint64_t last = user.facts().block_count - 3;
  CHECK(user.run(BdevIoType::Write, last, data) == BdevStatus::Success);
  CHECK(user.run(BdevIoType::Compare, last, data) == BdevStatus::Miscompare);
  CHECK(user.run(BdevIoType::Read, last, data) == BdevStatus::Success);
  CHECK(std::ranges::all_of(data, [](std::byte byte) { return byte == std::byte{0}; }));
  CHECK(user.run(BdevIoType::Compare, last, data) == BdevStatus::Success);
  CHECK(user.run(BdevIoType::Unmap, 0, user.facts().block_count) == BdevStatus::Success);
  CHECK(user.run(BdevIoType::WriteZeroes, 0, 1) == BdevStatus::Success);
  CHECK(user.run(BdevIoType::Flush, 0, 0) == BdevStatus::Success);
}

TEST_CASE("null lends zeros to a read that brings no memory") {
  TestReactors reactors;
  BdevResult made = make_null_bdev({.name = "n", .bytes = uint64_t{1} << 40, .block_size = 512});
  REQUIRE(made.ok());
  TestBdevUser user(reactors, std::move(made).value());
  REQUIRE(user.facts().lends_reads);
  for (const uint64_t blocks : {uint64_t{1}, uint64_t{8}, uint64_t{kTransferBytesMax / 512}}) {
    CAPTURE(blocks);
    TestIo io(BdevIoType::Read, 7, blocks);
    CHECK(user.run(io) == BdevStatus::Success);
    REQUIRE(io.io.iov_count == 1);
    REQUIRE(io.io.iov->iov_len == blocks * 512);
    const auto* const bytes = static_cast<const std::byte*>(io.io.iov->iov_base);
    CHECK(std::all_of(bytes, bytes + io.io.iov->iov_len,
                      [](std::byte byte) { return byte == std::byte{0}; }));
  }
}

}  // namespace
}  // namespace capsuled
