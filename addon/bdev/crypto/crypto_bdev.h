// crypto: another bdev, encrypted with AES-XTS so that dm-crypt can read it, and the other way
// round. Manual: docs/reference/bdev/crypto.md
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "bdev/bdev.h"
#include "bdev/bdev_kind.h"
#include "bdev/crypto/xts_key.h"

namespace capsuled {

struct CryptoBdevOptions {
  std::string name;
  std::shared_ptr<BdevDesc> base;
  BdevAccess access = BdevAccess::ExclusiveWriter;
  uint32_t sector_bytes = 512;  ///< 512 or 4096
  std::string key_check = {};   ///< what that of the key must be; empty: it may be any
};

/// Any thread. Errors: "key_check" is another key's, "sector_size" does not fit the base.
BdevResult make_crypto_bdev(const CryptoBdevOptions& options, XtsKey key);

extern const BdevKind kCryptoKind;

}  // namespace capsuled
