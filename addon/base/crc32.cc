#include "base/crc32.h"

#include <isa-l/crc.h>

namespace capsuled {

std::uint32_t crc32(std::span<const std::byte> bytes) {
  const auto* const first = reinterpret_cast<const unsigned char*>(bytes.data());
  return crc32_gzip_refl(0, first, bytes.size());
}

}  // namespace capsuled
