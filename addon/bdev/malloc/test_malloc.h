// For tests: RAM disks, and reads that they lend.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "bdev/malloc/malloc_bdev.h"
#include "bdev/test_reactors.h"

namespace capsuled {

inline std::unique_ptr<Bdev> make_malloc(TestReactors& reactors, uint64_t bytes,
                                         uint32_t block_size, uint32_t reactor_count) {
  BdevResult made = make_malloc_bdev(
      reactors.env(),
      {.name = "ram", .bytes = bytes, .block_size = block_size, .reactor_count = reactor_count});
  REQUIRE(made.ok());
  return std::move(made).value();
}

inline bool all_are(const std::vector<std::byte>& data, uint8_t value) {
  return std::ranges::all_of(data, [=](std::byte byte) { return byte == std::byte{value}; });
}

/// A read that the bdev lends.
struct TestLoan {
  TestLoan(uint64_t offset, uint64_t count)
      : read(BdevIoType::Read, offset, count, std::vector<iovec>(kTransferBuffersMax)) {}
  /// Reactor's thread.
  bool take(CoreChannel& channel) { return channel.lend(read.io); }
  std::vector<std::byte> bytes() const {
    std::vector<std::byte> all;
    for (uint32_t index = 0; index < read.io.iov_count; ++index) {
      const iovec& part = read.io.iov[index];
      const auto* const at = static_cast<const std::byte*>(part.iov_base);
      all.insert(all.end(), at, at + part.iov_len);
    }
    return all;
  }
  TestIo read;
};

}  // namespace capsuled
