/// CRC32C (Castagnoli), the digest of NVMe/TCP headers and data (NVMe/TCP Transport Specification,
/// "Header and data digest"; the same convention as iSCSI, RFC 3720 section 12.1): start at all
/// ones, complement at the end.
///
/// ISA-L does the work, vectorised. Pure functions; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace capsuled {

/// Updates a raw CRC register with `bytes`. Neither the start value nor the final complement is
/// applied: use `crc32c(bytes)` or `Crc32c` unless you carry the register yourself.
std::uint32_t crc32c_update(std::uint32_t crc, std::span<const std::byte> bytes);

/// The digest of one contiguous range.
inline std::uint32_t crc32c(std::span<const std::byte> bytes) {
  return ~crc32c_update(~std::uint32_t{0}, bytes);
}

/// The digest of several ranges, in order.
class Crc32c {
 public:
  void update(std::span<const std::byte> bytes) { crc_ = crc32c_update(crc_, bytes); }
  /// The digest of all that was given so far; more may follow.
  std::uint32_t value() const { return ~crc_; }
  void reset() { crc_ = ~std::uint32_t{0}; }

 private:
  std::uint32_t crc_ = ~std::uint32_t{0};
};

}  // namespace capsuled
