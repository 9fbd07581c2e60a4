#include "perf/block_pattern.h"

#include <doctest/doctest.h>

#include <set>
#include <vector>

#include "base/prng.h"

namespace capsuled::perf {
namespace {

using Writer = BlockPattern::Writer;

/// Corners and random values.
std::vector<Writer> some_writers() {
  Prng prng(1);
  std::vector<Writer> writers;
  for (const uint64_t lba : {uint64_t{0}, uint64_t{1}, uint64_t{0xffff'ffff}, uint64_t{1} << 32,
                             ~uint64_t{0}, prng.next(), prng.next() >> 20}) {
    for (const uint32_t generation :
         {1u, 2u, 3u, 0x1'0000u, ~0u, static_cast<uint32_t>(prng.next())}) {
      writers.push_back({.lba = lba, .generation = generation});
    }
  }
  return writers;
}

std::vector<std::byte> filled(const BlockPattern& pattern, Writer writer) {
  std::vector<std::byte> block(pattern.word_count() * 8);
  pattern.fill(block.data(), writer);
  return block;
}

TEST_CASE("perf::BlockPattern: what is filled matches, word by word, and says whose it is") {
  for (const uint32_t block_bytes : {128u, 512u, 576u, 4096u}) {
    const BlockPattern pattern(7, block_bytes);
    for (const Writer writer : some_writers()) {
      const std::vector<std::byte> block = filled(pattern, writer);
      CHECK(pattern.matches(block.data(), writer));
      for (size_t index = 0; index < pattern.word_count(); ++index) {
        const uint64_t word = BlockPattern::load(block.data(), index);
        REQUIRE(word == pattern.word(index, writer));
        if (index < BlockPattern::kHeaderWords) continue;
        // Any LBA with the same upper half will do as a hint.
        REQUIRE(pattern.writer_of(word, index, writer.lba ^ 0x1234) == writer);
      }
      const auto header = BlockPattern::header_of(block.data());
      REQUIRE(header.has_value());
      CHECK(header->writer == writer);
      CHECK(header->seed_tag == pattern.seed_tag());
      CHECK(BlockPattern::first_word_generation(block.data()) == writer.generation);
    }
  }
}

TEST_CASE("perf::BlockPattern: it fills its block alone, at any address") {
  const BlockPattern pattern(7, 512);
  const Writer writer = {.lba = 5, .generation = 6};
  for (size_t offset = 0; offset < 16; ++offset) {
    std::vector<std::byte> room(512 + 32, std::byte{0xa5});
    pattern.fill(room.data() + offset, writer);
    CHECK(pattern.matches(room.data() + offset, writer));
    for (size_t index = 0; index < room.size(); ++index) {
      if (index < offset || index >= offset + 512) REQUIRE(room[index] == std::byte{0xa5});
    }
  }
}

TEST_CASE("perf::BlockPattern: generations differ in every word") {
  const BlockPattern pattern(7, 512);
  const std::vector<Writer> writers = some_writers();
  for (const Writer& one : writers) {
    for (const Writer& other : writers) {
      if (one.lba != other.lba || one.generation == other.generation) continue;
      for (size_t index = 0; index < pattern.word_count(); ++index) {
        REQUIRE(pattern.word(index, one) != pattern.word(index, other));
      }
    }
  }
}

TEST_CASE("perf::BlockPattern: no word of a body is in another place, block or seed") {
  std::set<uint64_t> words;
  size_t count = 0;
  for (const uint64_t seed : {uint64_t{0}, uint64_t{1}, uint64_t{1} << 63}) {
    const BlockPattern pattern(seed, 512);
    for (const uint64_t lba : {0, 1, 2, 3}) {
      for (const uint32_t generation : {1u, 2u, 3u, 4u}) {
        for (size_t index = BlockPattern::kHeaderWords; index < pattern.word_count(); ++index) {
          words.insert(pattern.word(index, {.lba = lba, .generation = generation}));
          ++count;
        }
      }
    }
  }
  CHECK(words.size() == count);
}

TEST_CASE("perf::BlockPattern: any changed bit is noticed") {
  const BlockPattern pattern(7, 576);
  const Writer writer = {.lba = 5, .generation = 6};
  std::vector<std::byte> block = filled(pattern, writer);
  for (size_t bit = 0; bit < block.size() * 8; ++bit) {
    const std::byte mask{static_cast<unsigned char>(1u << (bit % 8))};
    block[bit / 8] ^= mask;
    REQUIRE_FALSE(pattern.matches(block.data(), writer));
    block[bit / 8] ^= mask;
  }
  CHECK(pattern.matches(block.data(), writer));
}

TEST_CASE("perf::BlockPattern: a header is told from what is none, and from a torn one") {
  const BlockPattern pattern(7, 512);
  const std::vector<std::byte> zeroes(512);
  CHECK_FALSE(BlockPattern::header_of(zeroes.data()).has_value());
  CHECK_FALSE(BlockPattern::first_word_generation(zeroes.data()).has_value());
  const std::vector<std::byte> other = filled(pattern, {.lba = 5, .generation = 7});
  for (size_t index = 0; index < BlockPattern::kHeaderWords; ++index) {
    std::vector<std::byte> block = filled(pattern, {.lba = 5, .generation = 6});
    std::memcpy(block.data() + index * 8, other.data() + index * 8, 8);
    CHECK_FALSE(BlockPattern::header_of(block.data()).has_value());
  }
}

}  // namespace
}  // namespace capsuled::perf
