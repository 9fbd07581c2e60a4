/// Every wire structure, enumeration and bit-range group by name: what the TypeScript layout and
/// the golden vectors walk.
#pragma once

#include <span>
#include <string_view>

#include "wire/layout.h"

namespace capsuled::wire {

struct NamedConstants {
  const char* name;
  std::span<const Constant> constants;
};

struct NamedBits {
  const char* name;
  std::span<const BitRange> ranges;
};

/// Structures come before those that contain them.
std::span<const StructLayout* const> all_structs();
std::span<const NamedConstants> all_enums();
std::span<const NamedBits> all_bits();

/// The layout called `name`, or null.
const StructLayout* find_struct(std::string_view name);

}  // namespace capsuled::wire
