// For tests: keys, and bytes from hexadecimal digits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "bdev/crypto/xts_key.h"

namespace capsuled {

inline std::vector<std::byte> from_hex(std::string_view digits) {
  const auto value = [](char digit) {
    return static_cast<unsigned>(digit <= '9' ? digit - '0' : digit - 'a' + 10);
  };
  std::vector<std::byte> bytes(digits.size() / 2);
  for (size_t index = 0; index < bytes.size(); ++index) {
    bytes[index] = std::byte(value(digits[2 * index]) << 4 | value(digits[2 * index + 1]));
  }
  return bytes;
}

/// The bytes from `first` on: `first`, `first` + 1, …
inline std::vector<std::byte> key_bytes(size_t count, uint8_t first = 0) {
  std::vector<std::byte> bytes(count);
  for (size_t index = 0; index < count; ++index) bytes[index] = std::byte(first + index);
  return bytes;
}

inline XtsKey test_key(size_t count = 64, uint8_t first = 0) {
  return XtsKey::create(key_bytes(count, first)).value();
}

}  // namespace capsuled
