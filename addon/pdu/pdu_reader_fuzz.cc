// Any bytes, split in any way: the reader reads the same PDUs and finds the same error. The first 9
// bytes of an input decide the splits, how often headers stall, and which digests are agreed.
#include <cstdint>
#include <cstring>

#include "base/assert.h"
#include "pdu/testing/recording_sink.h"

using capsuled::testing::read_stream;
using capsuled::testing::Reading;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  uint64_t seed = 1;
  if (size < sizeof(seed) + 1) return 0;
  std::memcpy(&seed, bytes, sizeof(seed));
  const uint32_t stalls = bytes[sizeof(seed)] % 4;
  const auto stream = std::as_bytes(std::span(bytes, size)).subspan(sizeof(seed) + 1);
  const Reading whole = read_stream(stream, 0, 0);
  const Reading split = read_stream(stream, seed | 1, stalls);
  ASSERT(split == whole);
  return 0;
}
