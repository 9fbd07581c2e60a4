/// BlockPattern: what a verified write puts into each logical block.
///
/// Every 8-byte word of a block says who wrote it, so that damage is found wherever it lies and can
/// be told by its origin. A block is a header of four words and a body; words are in the machine's
/// order, which is little-endian.
///
///   word   bits 63:32                      bits 31:0
///   0      kMagic                          generation
///   1      seed, folded                    generation
///   2      lba bits 31:0 ^ kLowMark        generation
///   3      lba bits 63:32 ^ kHighMark      generation
///   4..    scramble(key + index * kStep), key = mix(lba bits 31:0, generation; seed, lba bits
///   63:32)
///
/// All steps from generation to word are one-to-one: two generations of a block differ in every
/// word. So do two LBAs, at any generation, in every word of the body (if their upper halves are
/// the same; else but for one in 2^64). And from a word of the body its LBA and generation can be
/// computed back, which is what writer_of() does.
///
/// The body needs only additions, shifts and exclusive-ors of independent words, which every vector
/// unit has. Pure; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>

namespace capsuled::perf {

class BlockPattern {
 public:
  static constexpr size_t kHeaderWords = 4;

  /// Who wrote a word or a block, by its own account.
  struct Writer {
    uint64_t lba = 0;
    uint32_t generation = 0;

    friend bool operator==(const Writer&, const Writer&) = default;
  };

  struct Header {
    /// See seed_tag().
    uint32_t seed_tag = 0;
    Writer writer;
  };

  /// `block_bytes` is a multiple of 64, at least 128.
  BlockPattern(uint64_t seed, uint32_t block_bytes);

  size_t word_count() const { return word_count_; }
  /// The seed, folded to what a header holds of it.
  uint32_t seed_tag() const { return seed_tag_; }

  /// Fills one block. It needs no alignment, here and below.
  void fill(std::byte* block, Writer writer) const;

  /// True if the block is what fill() would make it, to the last bit.
  bool matches(const std::byte* block, Writer writer) const;

  /// One word of that block.
  uint64_t word(size_t index, Writer writer) const;

  /// The word that is in the buffer.
  static uint64_t load(const std::byte* block, size_t index) {
    uint64_t word;
    std::memcpy(&word, block + index * sizeof(word), sizeof(word));
    return word;
  }

  /// The generation that the block's first word tells, if that word is one of a header.
  static std::optional<uint32_t> first_word_generation(const std::byte* block) {
    const uint64_t word = load(block, 0);
    if (word >> 32 != kMagic) return std::nullopt;
    return static_cast<uint32_t>(word);
  }

  /// The header, if its four words belong together. The seed may be another.
  static std::optional<Header> header_of(const std::byte* block);

  /// Who must have written the word of the body at `index`, if it was written with this seed at an
  /// LBA whose upper half is that of `near_lba`. Of a word that was not, it is a random LBA and
  /// generation.
  Writer writer_of(uint64_t word, size_t index, uint64_t near_lba) const;

 private:
  static constexpr uint32_t kMagic = 0x66726570;  // "perf"
  static constexpr uint32_t kLowMark = 0x9c2b51d7;
  static constexpr uint32_t kHighMark = 0xe86d0f4b;

  uint64_t header_word(size_t index, Writer writer) const;
  uint64_t salt(uint64_t lba) const;
  uint64_t key(Writer writer) const;

  uint64_t seed_;
  uint32_t seed_tag_;
  size_t word_count_;
};

}  // namespace capsuled::perf
