#include "bdev/crypto/xts_key.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace capsuled {

XtsKey::XtsKey(std::span<const std::byte> bytes) : bytes_{}, count_(bytes.size()) {
  std::ranges::copy(bytes, bytes_.begin());
}

XtsKey::XtsKey(XtsKey&& other) noexcept
    : bytes_(other.bytes_), count_(std::exchange(other.count_, 0)) {
  OPENSSL_cleanse(other.bytes_.data(), other.bytes_.size());
}

XtsKey::~XtsKey() { OPENSSL_cleanse(bytes_.data(), bytes_.size()); }

Result<XtsKey> XtsKey::create(std::span<const std::byte> bytes) {
  ASSERT(has_length(bytes.size()));
  const size_t half = bytes.size() / 2;
  if (CRYPTO_memcmp(bytes.data(), bytes.data() + half, half) == 0) {
    return Error{EINVAL, "the halves of the key are equal"};
  }
  return XtsKey(bytes);
}

}  // namespace capsuled
