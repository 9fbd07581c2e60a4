// The check value of a key: tells keys apart, and tells nothing of a key that was made at random.
#pragma once

#include <string>

#include "base/result.h"
#include "bdev/crypto/xts_key.h"

namespace capsuled {

/// 16 hexadecimal digits: the first 8 bytes of SHA-256 over a text and over what the key makes of
/// it. Who knows it can try keys, and 2^128 are too many to try. Any thread. ENOTSUP: OpenSSL has
/// no AES-XTS or SHA-256, or no memory.
Result<std::string> key_check(const XtsKey& key);

}  // namespace capsuled
