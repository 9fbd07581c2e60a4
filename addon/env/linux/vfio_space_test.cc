#include "env/linux/vfio_space.h"

#include <doctest/doctest.h>

#include <map>

#include "base/prng.h"
#include "env/linux/vfio_groups.h"

namespace capsuled::env {
namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kTop = UINT64_MAX;

/// Of x86: around the addresses of interrupts, up to 48 bits.
DmaAddresses with_hole() {
  return DmaAddresses({{0, 0xfedf'ffff}, {0xfef0'0000, (uint64_t{1} << 48) - 1}});
}

TEST_CASE("DmaAddresses: the one that is wanted, if it is there and free") {
  DmaAddresses addresses = with_hole();
  CHECK(addresses.take(0x7f00'0000'0000, 4 * kPage) == 0x7f00'0000'0000);
  // Taken, by its beginning, its end, its middle, or as a part of something larger.
  CHECK(addresses.take(0x7f00'0000'0000, kPage) == kPage);
  CHECK(addresses.take(0x7eff'ffff'f000, 2 * kPage) == 2 * kPage);
  CHECK(addresses.take(0x7f00'0000'3000, 2 * kPage) == 4 * kPage);
  CHECK(addresses.take(0x7eff'ffff'f000, 9 * kPage) == 6 * kPage);
  // Right before and right behind it.
  CHECK(addresses.take(0x7eff'ffff'f000, kPage) == 0x7eff'ffff'f000);
  CHECK(addresses.take(0x7f00'0000'4000, kPage) == 0x7f00'0000'4000);
  addresses.give_back(0x7f00'0000'0000);
  CHECK(addresses.take(0x7f00'0000'0000, 4 * kPage) == 0x7f00'0000'0000);
}

TEST_CASE("DmaAddresses: nothing reaches into a hole, or beyond the end") {
  DmaAddresses addresses = with_hole();
  CHECK(addresses.take(0xfee0'0000, kPage) == kPage);
  CHECK(addresses.take(0xfedf'f000, 2 * kPage) == 2 * kPage);
  CHECK(addresses.take(0xfedf'f000, kPage) == 0xfedf'f000);
  CHECK(addresses.take(0xfeef'f000, 2 * kPage) == 4 * kPage);
  CHECK(addresses.take(0xfef0'0000, kPage) == 0xfef0'0000);
  CHECK(addresses.take((uint64_t{1} << 48) - kPage, kPage) == (uint64_t{1} << 48) - kPage);
  CHECK(addresses.take((uint64_t{1} << 48) - kPage, 2 * kPage) == 6 * kPage);
  // What fits into no span but the second.
  CHECK(addresses.take(0, 0xff00'0000) == 0xfef0'1000);
  CHECK(addresses.take(0, uint64_t{1} << 48) == kNoDmaAddress);
}

TEST_CASE("DmaAddresses: the lowest that is free, and never address 0") {
  DmaAddresses addresses({{0, 0x3fff}, {0x8000, 0xbfff}});
  CHECK(addresses.take(0, kPage) == 0x1000);
  CHECK(addresses.take(0, kPage) == 0x2000);
  CHECK(addresses.take(0, kPage) == 0x3000);
  CHECK(addresses.take(0, kPage) == 0x8000);
  addresses.give_back(0x2000);
  CHECK(addresses.take(0, kPage) == 0x2000);
  addresses.give_back(0x1000);
  addresses.give_back(0x2000);
  CHECK(addresses.take(0, 2 * kPage) == 0x1000);
  CHECK(addresses.take(0, 3 * kPage) == 0x9000);
  CHECK(addresses.take(0, kPage) == kNoDmaAddress);
}

TEST_CASE("DmaAddresses: at the top nothing wraps around") {
  DmaAddresses addresses({{kTop - 2 * kPage + 1, kTop}});
  const uint64_t last = kTop - kPage + 1;
  CHECK(addresses.take(last, 2 * kPage) == last - kPage);
  addresses.give_back(last - kPage);
  CHECK(addresses.take(last, kPage) == last);
  CHECK(addresses.take(last, kPage) == last - kPage);
  CHECK(addresses.take(0, kPage) == kNoDmaAddress);
  DmaAddresses odd({{kTop - 100, kTop}});
  CHECK(odd.take(0, kPage) == kNoDmaAddress);
}

TEST_CASE("DmaAddresses: what is given out does not overlap, whatever is taken and given back") {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    Prng prng(seed);
    DmaAddresses addresses({{0, 0xffff}, {0x2'0000, 0x4'ffff}});
    std::map<uint64_t, uint64_t> taken;
    const auto is_free = [&](uint64_t first, uint64_t bytes) {
      if (first == 0 || first % kPage != 0) return false;
      const uint64_t end = first + bytes;
      if (end > 0x1'0000 && first < 0x2'0000) return false;
      if (end > 0x5'0000) return false;
      for (const auto& [at, length] : taken) {
        if (at < end && first < at + length) return false;
      }
      return true;
    };
    for (int round = 0; round < 300; ++round) {
      if (!taken.empty() && prng.chance(1, 2)) {
        auto gone = taken.begin();
        std::advance(gone, prng.below(taken.size()));
        addresses.give_back(gone->first);
        taken.erase(gone);
        continue;
      }
      const uint64_t wanted = prng.below(0x60) * kPage;
      const uint64_t bytes = prng.between(1, 8) * kPage;
      uint64_t expected = kNoDmaAddress;
      for (uint64_t at = 0x5'0000; at > 0; at -= kPage) {
        if (is_free(at, bytes)) expected = at;
      }
      if (is_free(wanted, bytes)) expected = wanted;
      REQUIRE(addresses.take(wanted, bytes) == expected);
      if (expected != kNoDmaAddress) taken[expected] = bytes;
    }
  }
}

TEST_CASE("VfioGroups: a group that there is not is refused, and asked for again each time") {
  MemoryRegistry registry;
  VfioGroups groups(registry);
  for (int round = 0; round < 2; ++round) {
    const VfioGroups::Joined joined = groups.join("no-such-group", "0000:01:00.0");
    CHECK(joined.membership == nullptr);
    CHECK(joined.errnum != 0);
    CHECK(joined.refusal.starts_with("/dev/vfio/no-such-group"));
  }
}

}  // namespace
}  // namespace capsuled::env
