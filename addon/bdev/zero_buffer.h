// The zeros that an emulated WriteZeroes writes: one buffer of the process, read by all, written by
// none.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>

namespace capsuled {

inline constexpr size_t kZeroBufferBytes = size_t{64} * 1024;

/// Describes `bytes` of zeros, page-aligned, with as many of `iov` as it takes (they must suffice);
/// returns how many.
uint32_t zero_slice(uint64_t bytes, std::span<iovec> iov);

/// The buffer itself, for who lets a device reach it.
std::span<std::byte> zero_memory();

}  // namespace capsuled
