// Any bytes, split in any way: the reader reads the same PDUs and finds the same error. The first 9
// bytes of an input decide the splits, how often headers stall, and which end of a connection
// reads.
#include <cstdint>
#include <cstring>

#include "base/assert.h"
#include "pdu/testing/recording_sink.h"

using capsuled::testing::read_stream;
using capsuled::testing::Reading;

namespace {

/// Of the ninth byte: the host reads.
constexpr uint8_t kHostBit = 0x80;

template <capsuled::PduEnd End>
void read_both_ways(std::span<const std::byte> stream, uint64_t seed, uint32_t stalls) {
  const Reading whole = read_stream<End>(stream, 0, 0);
  const Reading split = read_stream<End>(stream, seed, stalls);
  ASSERT(split == whole);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  uint64_t seed = 1;
  if (size < sizeof(seed) + 1) return 0;
  std::memcpy(&seed, bytes, sizeof(seed));
  const uint8_t choices = bytes[sizeof(seed)];
  const uint32_t stalls = choices % 4;
  const auto stream = std::as_bytes(std::span(bytes, size)).subspan(sizeof(seed) + 1);
  if ((choices & kHostBit) == 0) {
    read_both_ways<capsuled::PduEnd::Controller>(stream, seed | 1, stalls);
  } else {
    read_both_ways<capsuled::PduEnd::Host>(stream, seed | 1, stalls);
  }
  return 0;
}
