#include "env/dma_map.h"

#include <doctest/doctest.h>

#include <array>

namespace capsuled::env {
namespace {

alignas(64) std::array<std::byte, 4096> memory;

const std::byte* at(size_t offset) { return memory.data() + offset; }

TEST_CASE("DmaTable: finds what lies within one range, and nothing else") {
  DmaTable table;
  CHECK(table.find(at(0), 1) == nullptr);
  table.add({at(1000), 100, 0x5000});
  table.add({at(500), 200, 0x9000});
  // Right behind another one, here and for the device; it is another one all the same.
  table.add({at(1100), 50, 0x5064});
  REQUIRE(table.ranges().size() == 3);
  CHECK(table.ranges()[0].base == at(500));
  const auto address_of = [&](size_t offset, size_t bytes) {
    const DmaRange* const range = table.find(at(offset), bytes);
    return range == nullptr ? kNoDmaAddress : range->at(at(offset));
  };
  CHECK(address_of(1000, 100) == 0x5000);
  CHECK(address_of(1099, 1) == 0x5063);
  CHECK(address_of(1100, 1) == 0x5064);
  CHECK(address_of(999, 1) == kNoDmaAddress);
  CHECK(address_of(999, 2) == kNoDmaAddress);
  CHECK(address_of(1000, 101) == kNoDmaAddress);
  CHECK(address_of(1149, 2) == kNoDmaAddress);
  CHECK(address_of(1150, 1) == kNoDmaAddress);
  CHECK(address_of(500, 200) == 0x9000);
  CHECK(address_of(699, 1) == 0x90c7);
  CHECK(address_of(700, 1) == kNoDmaAddress);
  CHECK(address_of(0, 1) == kNoDmaAddress);
  // So many bytes that their end wraps around.
  CHECK(address_of(600, SIZE_MAX) == kNoDmaAddress);
  CHECK(address_of(600, SIZE_MAX - 99) == kNoDmaAddress);
  table.remove(at(1000));
  CHECK(address_of(1000, 1) == kNoDmaAddress);
  CHECK(address_of(1100, 50) == 0x5064);
}

TEST_CASE("DmaTranslator: what it found last is forgotten with the table that had it") {
  DmaTable table;
  table.add({at(0), 64, 0x1000});
  DmaMap map(DmaTable{});
  DmaTranslator translator(map);
  CHECK(translator.translate(at(0), 64) == kNoDmaAddress);
  map.set(table);
  CHECK(translator.translate(at(0), 64) == 0x1000);
  CHECK(translator.translate(at(63), 1) == 0x103f);
  CHECK(translator.translate(at(63), 2) == kNoDmaAddress);
  CHECK(translator.translate(at(0), 64) == 0x1000);
  table.remove(at(0));
  table.add({at(0), 64, 0x7000});
  table.add({at(64), 64, 0x3000});
  map.set(table);
  CHECK(translator.translate(at(0), 64) == 0x7000);
  CHECK(translator.translate(at(64), 64) == 0x3000);
  CHECK(translator.translate(at(0), 128) == kNoDmaAddress);
  map.set(DmaTable{});
  CHECK(translator.translate(at(64), 64) == kNoDmaAddress);
}

}  // namespace
}  // namespace capsuled::env
