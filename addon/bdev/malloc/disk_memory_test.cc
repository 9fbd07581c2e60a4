#include "bdev/malloc/disk_memory.h"

#include <doctest/doctest.h>

#include <cstring>
#include <vector>

#include "base/prng.h"

namespace capsuled {
namespace {

TEST_CASE("a copy to a disk moves exactly its bytes, at any alignment") {
  constexpr size_t kAround = 64;
  constexpr std::byte kGuard{0xA5};
  Prng prng(11);
  for (int round = 0; round < 400; ++round) {
    const size_t bytes = prng.chance(1, 2) ? prng.between(0, 200) : prng.between(0, 20'000);
    const size_t to_offset = kAround + prng.below(kAround);
    const size_t from_offset = prng.below(kAround);
    std::vector<std::byte> from(from_offset + bytes);
    for (std::byte& byte : from) byte = static_cast<std::byte>(prng.next());
    std::vector<std::byte> to(to_offset + bytes + kAround, kGuard);
    prefetch_disk(from.data() + from_offset, bytes);
    copy_to_disk(to.data() + to_offset, from.data() + from_offset, bytes);
    std::vector<std::byte> expected(to.size(), kGuard);
    std::memcpy(expected.data() + to_offset, from.data() + from_offset, bytes);
    CHECK(to == expected);
  }
}

}  // namespace
}  // namespace capsuled
