// XtsKey: the key of an encrypted disk: 32 bytes for AES-128-XTS, 64 for AES-256-XTS. One half
// encrypts data, the other one tweaks.
//
// It is in memory of its own, which is wiped when it goes, and in no parameter, log, error or
// answer: what others may know of it is key_check(). Owner: whoever encrypts with it. Any thread.
#pragma once

#include <array>
#include <cstddef>
#include <span>

#include "base/result.h"

namespace capsuled {

class XtsKey {
 public:
  static constexpr size_t kBytesMax = 64;
  static constexpr bool has_length(size_t bytes) { return bytes == 32 || bytes == kBytesMax; }

  /// `bytes` has one of the two lengths. EINVAL: its halves are equal, which undoes what the tweak
  /// is for.
  static Result<XtsKey> create(std::span<const std::byte> bytes);
  ~XtsKey();
  XtsKey(XtsKey&& other) noexcept;
  XtsKey(const XtsKey&) = delete;
  XtsKey& operator=(XtsKey&&) = delete;

  std::span<const std::byte> bytes() const { return {bytes_.data(), count_}; }

 private:
  explicit XtsKey(std::span<const std::byte> bytes);

  std::array<std::byte, kBytesMax> bytes_;
  size_t count_;
};

}  // namespace capsuled
