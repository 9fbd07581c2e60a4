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

TEST_CASE("null lends zeros, in parts no longer than a large buffer") {
  TestReactors reactors;
  BdevResult made = make_null_bdev({.name = "n", .bytes = uint64_t{1} << 40, .block_size = 512});
  REQUIRE(made.ok());
  TestBdevUser user(reactors, std::move(made).value());
  REQUIRE(user.facts().lends_reads);
  for (const uint64_t blocks : {uint64_t{1}, uint64_t{8}, uint64_t{kTransferBytesMax / 512}}) {
    CAPTURE(blocks);
    TestIo io(BdevIoType::Read, 7, blocks, std::vector<iovec>(kTransferBuffersMax));
    reactors.run(0, [&](Reactor&) { CHECK(user.channel().lend(io.io)); });
    CHECK(user.run(io) == BdevStatus::Success);
    uint64_t lent = 0;
    for (uint32_t index = 0; index < io.io.iov_count; ++index) {
      const iovec& part = io.io.iov[index];
      CHECK(part.iov_len <= kLargeBufferBytes);
      const auto* const bytes = static_cast<const std::byte*>(part.iov_base);
      CHECK(std::all_of(bytes, bytes + part.iov_len,
                        [](std::byte byte) { return byte == std::byte{0}; }));
      lent += part.iov_len;
    }
    CHECK(lent == blocks * 512);
    reactors.run(0, [&](Reactor&) { bdev_give_back(io.io); });
  }
}

}  // namespace
}  // namespace capsuled
