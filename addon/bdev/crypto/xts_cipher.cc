#include "bdev/crypto/xts_cipher.h"

#include <openssl/err.h>
#include <openssl/evp.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/little_endian.h"

namespace capsuled {

namespace {

/// As OpenSSL takes it.
struct Tweak {
  Le64 number;
  Le64 zeros;
};
static_assert(sizeof(Tweak) == XtsCipher::kBlockBytes);

const unsigned char* bytes_of(const void* at) { return static_cast<const unsigned char*>(at); }
unsigned char* bytes_of(void* at) { return static_cast<unsigned char*>(at); }

}  // namespace

void XtsCipher::Free::operator()(evp_cipher_ctx_st* evp) const { EVP_CIPHER_CTX_free(evp); }

XtsCipher::XtsCipher(uint32_t sector_bytes, Evp encrypts, Evp decrypts)
    : sector_bytes_(sector_bytes), encrypts_(std::move(encrypts)), decrypts_(std::move(decrypts)) {}

/// Null: OpenSSL has refused.
XtsCipher::Evp XtsCipher::make(const XtsKey& key, bool encrypts) {
  Evp evp(EVP_CIPHER_CTX_new());
  const std::span<const std::byte> bytes = key.bytes();
  const EVP_CIPHER* const aes =
      bytes.size() == XtsKey::kBytesMax ? EVP_aes_256_xts() : EVP_aes_128_xts();
  const bool made =
      evp != nullptr && EVP_CipherInit_ex(evp.get(), aes, nullptr, bytes_of(bytes.data()), nullptr,
                                          encrypts ? 1 : 0) == 1;
  if (made) return evp;
  ERR_clear_error();
  return nullptr;
}

Result<XtsCipher> XtsCipher::create(const XtsKey& key, uint32_t sector_bytes) {
  ASSERT(sector_bytes > 0 && sector_bytes % kTweakBytes == 0);
  Evp encrypts = make(key, true);
  Evp decrypts = make(key, false);
  if (encrypts == nullptr || decrypts == nullptr) {
    return Error{ENOTSUP, "OpenSSL refuses AES-XTS"};
  }
  return XtsCipher(sector_bytes, std::move(encrypts), std::move(decrypts));
}

bool XtsCipher::run(evp_cipher_ctx_st& evp, uint64_t number, const std::byte* from, std::byte* to,
                    size_t bytes) const {
  ASSERT(bytes % kBlockBytes == 0);
  while (bytes > 0) {
    const auto length = static_cast<int>(std::min<size_t>(bytes, sector_bytes_));
    const Tweak tweak{Le64(number), Le64(0)};
    int done = 0;
    const bool well =
        EVP_CipherInit_ex(&evp, nullptr, nullptr, nullptr, bytes_of(&tweak), -1) == 1 &&
        EVP_CipherUpdate(&evp, bytes_of(to), &done, bytes_of(from), length) == 1 && done == length;
    if (!well) [[unlikely]] {
      ERR_clear_error();
      return false;
    }
    number += sector_bytes_ / kTweakBytes;
    from += length;
    to += length;
    bytes -= static_cast<size_t>(length);
  }
  return true;
}

}  // namespace capsuled
