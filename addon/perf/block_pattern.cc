#include "perf/block_pattern.h"

#include <bit>

#include "base/assert.h"

namespace capsuled::perf {

static_assert(std::endian::native == std::endian::little);

namespace {

/// Two words, a vector of what every 64-bit machine has. Its operators work on both at once.
using Lanes [[gnu::vector_size(16)]] = uint64_t;
constexpr size_t kLaneCount = sizeof(Lanes) / sizeof(uint64_t);

/// Odd, and far from any short pattern of bits: 2^64 divided by the golden ratio.
constexpr uint64_t kStep = 0x9e3779b97f4a7c15;

/// The inverse of an odd number modulo 2^64. Each step of Newton's doubles the right bits.
constexpr uint64_t inverse(uint64_t odd) {
  uint64_t result = odd;
  for (int step = 0; step < 6; ++step) result *= 2 - odd * result;
  return result;
}

// One-to-one and thorough (the finish of MurmurHash3, by Appleby, public domain); once per block.
constexpr uint64_t kMixFirst = 0xff51afd7ed558ccd;
constexpr uint64_t kMixSecond = 0xc4ceb9fe1a85ec53;

constexpr uint64_t mix(uint64_t value) {
  value = (value ^ (value >> 33)) * kMixFirst;
  value = (value ^ (value >> 33)) * kMixSecond;
  return value ^ (value >> 33);
}

constexpr uint64_t unmix(uint64_t value) {
  // A shift by more than half the width undoes itself.
  value = (value ^ (value >> 33)) * inverse(kMixSecond);
  value = (value ^ (value >> 33)) * inverse(kMixFirst);
  return value ^ (value >> 33);
}

// One-to-one and quick; once per word, so it is what the speed depends on.
constexpr unsigned kScrambleRight = 29;
constexpr unsigned kScrambleLeft = 17;

template <typename Word>
inline Word scramble(Word value) {
  value ^= value >> kScrambleRight;
  return value + (value << kScrambleLeft);
}

constexpr uint64_t unscramble(uint64_t value) {
  value *= inverse(1 + (uint64_t{1} << kScrambleLeft));
  return value ^ (value >> kScrambleRight) ^ (value >> (2 * kScrambleRight));
}

/// Calls `visit(index, words)` with the words of the body, kLaneCount at a time.
template <typename Visit>
inline void for_body(uint64_t key, size_t word_count, Visit visit) {
  constexpr size_t kFirst = BlockPattern::kHeaderWords;
  Lanes next = {key + kFirst * kStep, key + (kFirst + 1) * kStep};
  const auto pair = [&next, &visit](size_t index) {
    visit(index, scramble(next));
    next += kLaneCount * kStep;
  };
  // The header and two pairs make 64 bytes, of which a block has a whole number.
  pair(kFirst);
  pair(kFirst + kLaneCount);
  for (size_t index = kFirst + 2 * kLaneCount; index < word_count; index += 4 * kLaneCount) {
    pair(index);
    pair(index + kLaneCount);
    pair(index + 2 * kLaneCount);
    pair(index + 3 * kLaneCount);
  }
}

}  // namespace

BlockPattern::BlockPattern(uint64_t seed, uint32_t block_bytes)
    : seed_(seed),
      seed_tag_(static_cast<uint32_t>(mix(seed) >> 32)),
      word_count_(block_bytes / sizeof(uint64_t)) {
  ASSERT(block_bytes % 64 == 0 && block_bytes >= 128);
}

void BlockPattern::fill(std::byte* block, Writer writer) const {
  for (size_t index = 0; index < kHeaderWords; ++index) {
    const uint64_t word = header_word(index, writer);
    std::memcpy(block + index * sizeof(word), &word, sizeof(word));
  }
  for_body(key(writer), word_count_, [block](size_t index, Lanes words) {
    std::memcpy(block + index * sizeof(uint64_t), &words, sizeof(words));
  });
}

bool BlockPattern::matches(const std::byte* block, Writer writer) const {
  uint64_t header_difference = 0;
  for (size_t index = 0; index < kHeaderWords; ++index) {
    header_difference |= load(block, index) ^ header_word(index, writer);
  }
  Lanes difference = {};
  // No way out at the first difference: the loop without one is several times as fast, and there is
  // hardly ever a difference.
  for_body(key(writer), word_count_, [block, &difference](size_t index, Lanes words) {
    Lanes found;
    std::memcpy(&found, block + index * sizeof(uint64_t), sizeof(found));
    difference |= found ^ words;
  });
  return (header_difference | difference[0] | difference[1]) == 0;
}

uint64_t BlockPattern::word(size_t index, Writer writer) const {
  if (index < kHeaderWords) return header_word(index, writer);
  return scramble(key(writer) + index * kStep);
}

std::optional<BlockPattern::Header> BlockPattern::header_of(const std::byte* block) {
  const std::optional<uint32_t> generation = first_word_generation(block);
  if (!generation.has_value()) return std::nullopt;
  for (size_t index = 1; index < kHeaderWords; ++index) {
    if (static_cast<uint32_t>(load(block, index)) != *generation) return std::nullopt;
  }
  const auto tag = [block](size_t index) { return load(block, index) >> 32; };
  const uint64_t lba = (tag(3) ^ kHighMark) << 32 | (tag(2) ^ kLowMark);
  return Header{.seed_tag = static_cast<uint32_t>(tag(1)),
                .writer = {.lba = lba, .generation = *generation}};
}

BlockPattern::Writer BlockPattern::writer_of(uint64_t word, size_t index, uint64_t near_lba) const {
  ASSERT(index >= kHeaderWords && index < word_count_);
  const uint64_t name = unmix(unscramble(word) - index * kStep) ^ salt(near_lba);
  return {.lba = (near_lba >> 32 << 32) | name >> 32, .generation = static_cast<uint32_t>(name)};
}

uint64_t BlockPattern::header_word(size_t index, Writer writer) const {
  const uint32_t tags[kHeaderWords] = {kMagic, seed_tag_,
                                       static_cast<uint32_t>(writer.lba) ^ kLowMark,
                                       static_cast<uint32_t>(writer.lba >> 32) ^ kHighMark};
  return uint64_t{tags[index]} << 32 | writer.generation;
}

uint64_t BlockPattern::salt(uint64_t lba) const { return mix(seed_ + kStep * (1 + (lba >> 32))); }

uint64_t BlockPattern::key(Writer writer) const {
  return mix((writer.lba << 32 | writer.generation) ^ salt(writer.lba));
}

}  // namespace capsuled::perf
