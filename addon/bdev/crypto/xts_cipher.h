// XtsCipher: AES-XTS of runs of sectors, as dm-crypt has it under the name aes-xts-plain64: the
// tweak of a sector is its number, 64 bits, least byte first.
//
// The number counts units of 512 bytes whatever the size of a sector is, as dm-crypt does without
// `iv_large_sectors`. The functions are OpenSSL's, which Node's executable has. All memory is taken
// by create(), where the key is set, too: of a sector only the tweak is new.
//
// Owner and thread: one channel on its reactor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/result.h"
#include "bdev/crypto/xts_key.h"

struct evp_cipher_ctx_st;

namespace capsuled {

class XtsCipher {
 public:
  static constexpr uint32_t kTweakBytes = 512;  ///< what one tweak is counted for
  static constexpr uint32_t kBlockBytes = 16;   ///< of AES

  /// `sector_bytes`: a multiple of kTweakBytes. ENOTSUP: OpenSSL has no AES-XTS, or no memory.
  static Result<XtsCipher> create(const XtsKey& key, uint32_t sector_bytes);

  uint32_t sector_bytes() const { return sector_bytes_; }
  /// `bytes`, a multiple of kBlockBytes, of which all sectors but the last one are whole; `number`
  /// is that of the first. `from` and `to` are the same or do not meet. False: OpenSSL has failed,
  /// and what is at `to` is nothing.
  [[nodiscard]] bool encrypt(uint64_t number, const std::byte* from, std::byte* to, size_t bytes) {
    return run(*encrypts_, number, from, to, bytes);
  }
  [[nodiscard]] bool decrypt(uint64_t number, const std::byte* from, std::byte* to, size_t bytes) {
    return run(*decrypts_, number, from, to, bytes);
  }

 private:
  struct Free {
    void operator()(evp_cipher_ctx_st* evp) const;
  };
  using Evp = std::unique_ptr<evp_cipher_ctx_st, Free>;

  XtsCipher(uint32_t sector_bytes, Evp encrypts, Evp decrypts);
  static Evp make(const XtsKey& key, bool encrypts);
  bool run(evp_cipher_ctx_st& evp, uint64_t number, const std::byte* from, std::byte* to,
           size_t bytes) const;

  uint32_t sector_bytes_;
  Evp encrypts_;
  Evp decrypts_;
};

}  // namespace capsuled
