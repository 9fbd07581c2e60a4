/// Little-endian integers for wire structures.
///
/// NVMe is little-endian throughout. These types are arrays of bytes: alignment 1, so that a
/// structure of them has exactly the layout of the specification and may lie at any address of a
/// receive buffer; and no implicit conversion, so that a wire integer never takes part in
/// arithmetic by accident. On a little-endian machine `get` and `set` compile to one load or store.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace capsuled {

template <typename T>
class LittleEndian {
 public:
  using Value = T;

  constexpr LittleEndian() = default;
  constexpr explicit LittleEndian(T value) { set(value); }

  constexpr T get() const {
    if constexpr (std::endian::native == std::endian::little) {
      return std::bit_cast<T>(bytes_);
    } else {
      T value = 0;
      for (std::size_t index = sizeof(T); index-- > 0;) {
        value = static_cast<T>((value << 8) | bytes_[index]);
      }
      return value;
    }
  }

  constexpr void set(T value) {
    if constexpr (std::endian::native == std::endian::little) {
      bytes_ = std::bit_cast<std::array<std::uint8_t, sizeof(T)>>(value);
    } else {
      for (std::size_t index = 0; index < sizeof(T); ++index) {
        bytes_[index] = static_cast<std::uint8_t>(value >> (8 * index));
      }
    }
  }

  friend constexpr bool operator==(const LittleEndian&, const LittleEndian&) = default;

 private:
  std::array<std::uint8_t, sizeof(T)> bytes_{};
};

using Le16 = LittleEndian<std::uint16_t>;
using Le32 = LittleEndian<std::uint32_t>;
using Le64 = LittleEndian<std::uint64_t>;

static_assert(sizeof(Le16) == 2 && alignof(Le16) == 1);
static_assert(sizeof(Le32) == 4 && alignof(Le32) == 1);
static_assert(sizeof(Le64) == 8 && alignof(Le64) == 1);

}  // namespace capsuled
