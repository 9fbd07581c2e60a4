#include "base/crc32c.h"

#include <doctest/doctest.h>

#include <array>
#include <string_view>
#include <vector>

#include "base/prng.h"

namespace capsuled {
namespace {

std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

/// The definition, bit by bit.
std::uint32_t crc32c_slow(std::span<const std::byte> input) {
  std::uint32_t crc = ~std::uint32_t{0};
  for (const std::byte one : input) {
    crc ^= std::to_integer<std::uint32_t>(one);
    for (int bit = 0; bit < 8; ++bit) {
      crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78u : 0u);
    }
  }
  return ~crc;
}

TEST_CASE("digests are those of the published vectors") {
  CHECK(crc32c(bytes("123456789")) == 0xe3069283);
  CHECK(crc32c({}) == 0);
  // RFC 3720, B.4.
  std::array<std::byte, 32> block{};
  CHECK(crc32c(block) == 0x8a9136aa);
  block.fill(std::byte{0xff});
  CHECK(crc32c(block) == 0x62a8ab43);
  for (std::size_t at = 0; at < block.size(); ++at) block[at] = static_cast<std::byte>(at);
  CHECK(crc32c(block) == 0x46dd794e);
}

TEST_CASE("digests equal the definition for every length and any split") {
  Prng prng(1);
  std::vector<std::byte> input(600);
  for (std::byte& one : input) one = static_cast<std::byte>(prng.next());
  for (std::size_t length = 0; length <= input.size(); ++length) {
    const auto part = std::span<const std::byte>(input).first(length);
    const std::uint32_t expected = crc32c_slow(part);
    REQUIRE(crc32c(part) == expected);
    const std::size_t split = prng.between(0, length);
    Crc32c digest;
    digest.update(part.first(split));
    digest.update(part.subspan(split));
    REQUIRE(digest.value() == expected);
    digest.reset();
    REQUIRE(digest.value() == 0);
  }
}

}  // namespace
}  // namespace capsuled
