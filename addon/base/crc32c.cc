#include "base/crc32c.h"

#include <isa-l/crc.h>

#include <algorithm>

namespace capsuled {

std::uint32_t crc32c_update(std::uint32_t crc, std::span<const std::byte> bytes) {
  // ISA-L takes the length as an int and a pointer that is not const; it does not write through it.
  constexpr std::size_t kPieceMax = std::size_t{1} << 30;
  while (!bytes.empty()) {
    const std::size_t length = std::min(bytes.size(), kPieceMax);
    auto* first = const_cast<unsigned char*>(reinterpret_cast<const unsigned char*>(bytes.data()));
    crc = crc32_iscsi(first, static_cast<int>(length), crc);
    bytes = bytes.subspan(length);
  }
  return crc;
}

}  // namespace capsuled
