#include "base/bits.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>

#include "base/little_endian.h"

namespace capsuled {
namespace {

TEST_CASE("a bit range reads and replaces its own bits only") {
  CHECK(Bits<31, 16>::get(0x12345678u) == 0x1234u);
  CHECK(Bits<15, 0>::get(0x12345678u) == 0x5678u);
  CHECK(Bits<31, 0>::get(0xffffffffu) == 0xffffffffu);
  CHECK(Bits<63, 0>::get(~std::uint64_t{0}) == ~std::uint64_t{0});
  CHECK(Bits<63, 63>::get(std::uint64_t{1} << 63) == 1);
  CHECK(Bits<31, 16>::set(0x12345678u, 0xabcdu) == 0xabcd5678u);
  CHECK(Bits<7, 4>::set(std::uint8_t{0xff}, std::uint8_t{0}) == 0x0f);
  CHECK(Bits<44, 37>::set(std::uint64_t{0}, std::uint64_t{0x41}) == std::uint64_t{0x41} << 37);
  CHECK(Bits<63, 0>::set(std::uint64_t{0}, ~std::uint64_t{0}) == ~std::uint64_t{0});
  CHECK(Bit<30>::get(1u << 30));
  CHECK_FALSE(Bit<30>::get(~(1u << 30)));
  CHECK(Bit<15>::set(std::uint16_t{1}, true) == 0x8001);
}

TEST_CASE("wire integers are little-endian at any address") {
  std::uint8_t bytes[] = {0xee, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08};
  Le64 wide;
  std::memcpy(&wide, bytes + 1, sizeof(wide));
  CHECK(wide.get() == 0x0807060504030201u);
  const auto& narrow = *reinterpret_cast<const Le16*>(bytes + 1);
  CHECK(narrow.get() == 0x0201);
  Le32 value(0x11223344);
  std::memcpy(bytes, &value, sizeof(value));
  CHECK(bytes[0] == 0x44);
  CHECK(bytes[3] == 0x11);
  value.set(7);
  CHECK(value == Le32(7));
  static_assert(Le64(5).get() == 5);
}

}  // namespace
}  // namespace capsuled
