/// Declared bit ranges, written as the specification writes them: `Bits<31, 16>` is "bits 31:16".
///
/// Structures declare a range once, with a name; use sites neither shift nor mask.
#pragma once

#include <concepts>

#include "base/assert.h"

namespace capsuled {

template <unsigned Hi, unsigned Lo>
struct Bits {
  static_assert(Hi >= Lo && Hi < 64);

  static constexpr unsigned kWidth = Hi - Lo + 1;
  /// The largest value that fits.
  static constexpr unsigned long long kMax = kWidth == 64 ? ~0ull : (1ull << (kWidth % 64)) - 1;

  /// All bits of the range, where they lie.
  template <std::unsigned_integral Word>
  static constexpr Word mask() {
    static_assert(Hi < sizeof(Word) * 8, "the range lies outside this word");
    return static_cast<Word>(static_cast<Word>(kMax) << Lo);
  }

  /// The range's value, moved down to bit 0.
  template <std::unsigned_integral Word>
  static constexpr Word get(Word word) {
    static_assert(Hi < sizeof(Word) * 8, "the range lies outside this word");
    return static_cast<Word>((word >> Lo) & static_cast<Word>(kMax));
  }

  /// `word` with the range replaced by `value`, which must fit.
  template <std::unsigned_integral Word>
  [[nodiscard]] static constexpr Word set(Word word, Word value) {
    static_assert(Hi < sizeof(Word) * 8, "the range lies outside this word");
    ASSERT(value <= static_cast<Word>(kMax));
    const Word rest = static_cast<Word>(word & static_cast<Word>(~mask<Word>()));
    return static_cast<Word>(rest | static_cast<Word>(value << Lo));
  }
};

/// One bit, as a truth value.
template <unsigned Position>
struct Bit {
  template <std::unsigned_integral Word>
  static constexpr bool get(Word word) {
    return Bits<Position, Position>::get(word) != 0;
  }

  template <std::unsigned_integral Word>
  [[nodiscard]] static constexpr Word set(Word word, bool on) {
    return Bits<Position, Position>::set(word, static_cast<Word>(on ? 1 : 0));
  }
};

}  // namespace capsuled
