#include "bdev/crypto/key_check.h"

#include <openssl/err.h>
#include <openssl/evp.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "bdev/crypto/xts_cipher.h"

namespace capsuled {

namespace {

/// A version of its own, so that the value is that of nothing else that is made of a key.
constexpr char kText[] = "capsuled: check value of an XTS key, version 1.";
static_assert(sizeof(kText) % XtsCipher::kBlockBytes == 0);
/// No disk has a sector of this number.
constexpr uint64_t kNumber = UINT64_MAX;
constexpr size_t kBytes = 8;
constexpr char kDigits[] = "0123456789abcdef";

}  // namespace

Result<std::string> key_check(const XtsKey& key) {
  Result<XtsCipher> cipher = XtsCipher::create(key, XtsCipher::kTweakBytes);
  if (!cipher.ok()) return cipher.error();
  std::array<std::byte, 2 * sizeof(kText)> hashed;
  std::memcpy(hashed.data(), kText, sizeof(kText));
  std::array<unsigned char, EVP_MAX_MD_SIZE> hash;
  const bool made =
      cipher.value().encrypt(kNumber, hashed.data(), hashed.data() + sizeof(kText),
                             sizeof(kText)) &&
      EVP_Digest(hashed.data(), hashed.size(), hash.data(), nullptr, EVP_sha256(), nullptr) == 1;
  if (!made) {
    ERR_clear_error();
    return Error{ENOTSUP, "OpenSSL refuses SHA-256"};
  }
  std::string text;
  for (size_t index = 0; index < kBytes; ++index) {
    text += kDigits[hash[index] >> 4];
    text += kDigits[hash[index] & 15];
  }
  return text;
}

}  // namespace capsuled
