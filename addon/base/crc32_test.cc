#include "base/crc32.h"

#include <doctest/doctest.h>

#include <string_view>
#include <vector>

#include "base/prng.h"

namespace capsuled {
namespace {

/// The definition, bit by bit.
std::uint32_t crc32_slow(std::span<const std::byte> input) {
  std::uint32_t crc = ~std::uint32_t{0};
  for (const std::byte one : input) {
    crc ^= std::to_integer<std::uint32_t>(one);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xedb88320u : 0u);
  }
  return ~crc;
}

TEST_CASE("crc32: it is the published one") {
  constexpr std::string_view kCheck = "123456789";
  CHECK(crc32(std::as_bytes(std::span(kCheck))) == 0xcbf43926);
  CHECK(crc32({}) == 0);
}

TEST_CASE("crc32: it equals the definition for every length") {
  Prng prng(7);
  std::vector<std::byte> bytes(1'100);
  for (std::byte& one : bytes) one = static_cast<std::byte>(prng.next());
  for (std::size_t length = 0; length <= bytes.size(); ++length) {
    const auto part = std::span(bytes).first(length);
    REQUIRE(crc32(part) == crc32_slow(part));
  }
}

}  // namespace
}  // namespace capsuled
