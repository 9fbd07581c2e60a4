/// CRC32 as Ethernet, gzip and partition tables have it (ISO-HDLC: polynomial 04C11DB7h reflected,
/// all ones at the start, complement at the end). Not that of NVMe/TCP: see crc32c.h.
///
/// ISA-L does the work, vectorised. Pure function; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace capsuled {

std::uint32_t crc32(std::span<const std::byte> bytes);

}  // namespace capsuled
