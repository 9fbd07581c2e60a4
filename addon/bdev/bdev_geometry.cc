#include "bdev/bdev_geometry.h"

#include <bit>
#include <cerrno>

namespace capsuled {

std::optional<BdevError> check_geometry(uint64_t bytes, uint32_t block_size) {
  if (block_size < kBlockSizeMin || block_size > kBlockSizeMax ||
      !std::has_single_bit(block_size)) {
    return BdevError{EINVAL, "block_size",
                     "expected a power of two from 512 to 65536 for `block_size`, got " +
                         std::to_string(block_size)};
  }
  if (bytes == 0) {
    return BdevError{EINVAL, "size", "expected a size of at least one block for `size`, got 0"};
  }
  if (bytes % block_size != 0) {
    return BdevError{EINVAL, "size",
                     "expected a multiple of the block size (" + std::to_string(block_size) +
                         " bytes) for `size`, got " + std::to_string(bytes) + " bytes"};
  }
  return std::nullopt;
}

}  // namespace capsuled
