/// The vocabulary in which wire structures describe themselves.
///
/// A structure is a plain C++ struct of bytes and little-endian integers. Beside it stands a table,
/// made by WIRE_STRUCT, that repeats each field with the offset the specification prints; the
/// compiler refuses the table if the struct disagrees. The same tables generate the TypeScript
/// layout and drive the golden vectors, so no offset is written down twice. Enumerations and bit
/// ranges work likewise: one list gives the C++ names and the table.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

#include "base/assert.h"
#include "base/bits.h"
#include "base/little_endian.h"

namespace capsuled::wire {

/// A 128-bit little-endian count, such as a capacity in bytes or a SMART counter.
struct Le128 {
  Le64 low;
  Le64 high;

  constexpr void set(std::uint64_t value) {
    low.set(value);
    high.set(0);
  }
  friend constexpr bool operator==(const Le128&, const Le128&) = default;
};

/// ASCII, left-justified, padded with spaces, not terminated (NVMe Base 2.1, 1.4.2).
template <std::size_t N>
struct Ascii {
  std::array<char, N> bytes;

  /// Without the padding.
  constexpr std::string_view view() const {
    std::size_t length = N;
    while (length > 0 && bytes[length - 1] == ' ') --length;
    return {bytes.data(), length};
  }
  /// Cuts what does not fit.
  constexpr void set(std::string_view text) {
    bytes.fill(' ');
    std::copy_n(text.begin(), std::min(N, text.size()), bytes.begin());
  }
};

/// UTF-8, padded with NUL, terminated if shorter than the field (NQNs; NVMe Base 2.1, 4.7).
template <std::size_t N>
struct Text {
  std::array<char, N> bytes;

  /// Up to the first NUL, or the whole field when there is none.
  constexpr std::string_view view() const {
    const auto end = std::find(bytes.begin(), bytes.end(), '\0');
    return {bytes.data(), static_cast<std::size_t>(end - bytes.begin())};
  }
  /// Whether a NUL ends the text inside the field, as NQNs must.
  constexpr bool terminated() const { return view().size() < N; }
  /// Cuts what does not fit.
  constexpr void set(std::string_view text) {
    bytes.fill('\0');
    std::copy_n(text.begin(), std::min(N, text.size()), bytes.begin());
  }
};

/// Bytes without inner structure: identifiers, reserved ranges.
template <std::size_t N>
using Bytes = std::array<std::uint8_t, N>;

/// How the bytes of a field are read.
enum class FieldKind : std::uint8_t {
  kUint,    ///< Little-endian unsigned integer of 1, 2, 4, 8 or 16 bytes.
  kBytes,   ///< Raw bytes.
  kAscii,   ///< Space-padded ASCII.
  kText,    ///< NUL-padded UTF-8.
  kStruct,  ///< Another wire structure.
};

struct StructLayout;

struct FieldLayout {
  const char* name;
  std::size_t offset;
  /// All elements together, in bytes.
  std::size_t size;
  FieldKind kind;
  /// Elements; 1 unless the field is an array.
  std::size_t count;
  /// For kStruct: the element's layout.
  const StructLayout* element;
};

struct StructLayout {
  const char* name;
  std::size_t size;
  std::span<const FieldLayout> fields;
};

/// `LayoutOf<T>::value` points to the layout of a structure that has one.
template <typename T>
struct LayoutOf;

/// The field kind that belongs to a C++ type.
template <typename T>
struct FieldType {
  static constexpr FieldKind kKind = FieldKind::kStruct;
  static constexpr std::size_t kCount = 1;
  static constexpr const StructLayout* kElement = LayoutOf<T>::value;
};
template <FieldKind Kind>
struct PlainFieldType {
  static constexpr FieldKind kKind = Kind;
  static constexpr std::size_t kCount = 1;
  static constexpr const StructLayout* kElement = nullptr;
};
template <>
struct FieldType<std::uint8_t> : PlainFieldType<FieldKind::kUint> {};
template <typename T>
struct FieldType<LittleEndian<T>> : PlainFieldType<FieldKind::kUint> {};
template <>
struct FieldType<Le128> : PlainFieldType<FieldKind::kUint> {};
template <std::size_t N>
struct FieldType<Bytes<N>> : PlainFieldType<FieldKind::kBytes> {};
template <std::size_t N>
struct FieldType<Ascii<N>> : PlainFieldType<FieldKind::kAscii> {};
template <std::size_t N>
struct FieldType<Text<N>> : PlainFieldType<FieldKind::kText> {};
template <typename T, std::size_t N>
struct FieldType<std::array<T, N>> {
  static constexpr FieldKind kKind = FieldType<T>::kKind;
  static constexpr std::size_t kCount = N;
  static constexpr const StructLayout* kElement = FieldType<T>::kElement;
};

/// One row of a layout table. `specified` is the offset in the specification, `actual` the
/// compiler's; if they differ, the ASSERT is reached during compilation and the build stops there.
template <typename T>
consteval FieldLayout field_layout(const char* name, std::size_t specified, std::size_t actual) {
  ASSERT(specified == actual);
  return {
      name, actual, sizeof(T), FieldType<T>::kKind, FieldType<T>::kCount, FieldType<T>::kElement};
}

/// Fields ascend, do not overlap, and lie inside the structure.
consteval bool is_well_formed(const StructLayout& layout) {
  std::size_t end = 0;
  for (const FieldLayout& field : layout.fields) {
    if (field.offset < end) return false;
    end = field.offset + field.size;
  }
  return end <= layout.size;
}

#define WIRE_FIELD(Struct, member, specified_offset)                                  \
  ::capsuled::wire::field_layout<decltype(Struct::member)>(#member, specified_offset, \
                                                           offsetof(Struct, member))

/// Proves the size and every offset of `Struct`, and publishes `kStructLayout`.
#define WIRE_STRUCT(Struct, specified_size, ...)                                             \
  inline constexpr ::capsuled::wire::FieldLayout k##Struct##Fields[] = {__VA_ARGS__};        \
  inline constexpr ::capsuled::wire::StructLayout k##Struct##Layout{#Struct, sizeof(Struct), \
                                                                    k##Struct##Fields};      \
  template <>                                                                                \
  struct LayoutOf<Struct> {                                                                  \
    static constexpr const StructLayout* value = &k##Struct##Layout;                         \
  };                                                                                         \
  static_assert(sizeof(Struct) == (specified_size) && alignof(Struct) == 1);                 \
  static_assert(std::is_trivially_copyable_v<Struct> && std::is_standard_layout_v<Struct>);  \
  static_assert(is_well_formed(k##Struct##Layout))

/// A named value of an enumeration.
struct Constant {
  const char* name;
  std::uint64_t value;
  /// The specification's name.
  const char* text;
};

/// A named bit range of a word.
struct BitRange {
  const char* name;
  unsigned high;
  unsigned low;
  /// The specification's name and abbreviation.
  const char* text;
};

/// The specification's name for `value`, or null.
constexpr const char* find_name(std::span<const Constant> constants, std::uint64_t value) {
  for (const Constant& constant : constants) {
    if (constant.value == value) return constant.text;
  }
  return nullptr;
}

#define WIRE_ENUMERATOR(name, value, text) name = (value),
#define WIRE_ENUMERATOR_ROW(name, value, text) {#name, (value), (text)},

/// Defines `enum class Enum` and its table `kEnumConstants` from a list of X(name, value,
/// "specification's name").
#define WIRE_ENUM(Enum, Underlying, LIST)                 \
  enum class Enum : Underlying { LIST(WIRE_ENUMERATOR) }; \
  inline constexpr ::capsuled::wire::Constant k##Enum##Constants[] = {LIST(WIRE_ENUMERATOR_ROW)}

#define WIRE_BIT_RANGE(name, high, low, text) using name = ::capsuled::Bits<(high), (low)>;
#define WIRE_BIT_RANGE_ROW(name, high, low, text) {#name, (high), (low), (text)},

/// Defines `struct Group { using Name = Bits<high, low>; … }` and its table `kGroupBits` from a
/// list of X(Name, high, low, "specification's name").
#define WIRE_BITS(Group, LIST) \
  struct Group {               \
    LIST(WIRE_BIT_RANGE)       \
  };                           \
  inline constexpr ::capsuled::wire::BitRange k##Group##Bits[] = {LIST(WIRE_BIT_RANGE_ROW)}

/// Reads a structure from, or writes it over, bytes at any address.
template <typename T>
const T& view_as(std::span<const std::byte> bytes) {
  static_assert(alignof(T) == 1 && std::is_trivially_copyable_v<T>);
  ASSERT(bytes.size() >= sizeof(T));
  return *reinterpret_cast<const T*>(bytes.data());
}
template <typename T>
T& view_as(std::span<std::byte> bytes) {
  static_assert(alignof(T) == 1 && std::is_trivially_copyable_v<T>);
  ASSERT(bytes.size() >= sizeof(T));
  return *reinterpret_cast<T*>(bytes.data());
}

/// The bytes of a structure.
template <typename T>
std::span<const std::byte> bytes_of(const T& object) {
  static_assert(alignof(T) == 1 && std::is_trivially_copyable_v<T>);
  return std::as_bytes(std::span<const T, 1>(&object, 1));
}
template <typename T>
std::span<std::byte> bytes_of(T& object) {
  static_assert(alignof(T) == 1 && std::is_trivially_copyable_v<T>);
  return std::as_writable_bytes(std::span<T, 1>(&object, 1));
}

}  // namespace capsuled::wire
