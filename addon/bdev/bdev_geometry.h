// The checks of size and block size that every kind shares.
#pragma once

#include <cstdint>
#include <optional>

#include "bdev/bdev_error.h"

namespace capsuled {

inline constexpr uint32_t kBlockSizeMin = 512;
inline constexpr uint32_t kBlockSizeMax = 65536;

/// The error of a block size that is no power of two from 512 to 65536, or of a size that is zero
/// or no multiple of it.
std::optional<BdevError> check_geometry(uint64_t bytes, uint32_t block_size);

}  // namespace capsuled
