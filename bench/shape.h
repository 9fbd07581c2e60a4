// The byte shape of NVMe/TCP I/O, which both limit programs keep to: a command of 72 bytes; a read
// is answered by a header of 24 bytes and the data; a write of up to kInCapsuleBytes carries its
// data behind the command and is answered by 24 bytes; a larger one is answered by 24 bytes (R2T),
// sends 24 bytes (H2CData) and its data, and is answered by 24 bytes again.
#pragma once

#include <cstdint>

namespace capsuled::bench {

constexpr uint32_t kInCapsuleBytes = 8192;

enum class Ask : uint8_t { Read, Write, WriteLater, HostData };

/// The client's messages; HostData has no room for more than 24 bytes.
struct Request {
  Ask ask;
  uint8_t reserved[3];
  uint32_t bytes;
  uint64_t tag;
  uint8_t rest[56];
};
static_assert(sizeof(Request) == 72);
constexpr uint32_t kHostDataHeaderBytes = 24;

enum class Answer : uint8_t { Done, Asked };

struct Response {
  Answer answer;
  uint8_t reserved[3];
  uint32_t bytes;  ///< of data behind it
  uint64_t tag;
  uint8_t rest[8];
};
static_assert(sizeof(Response) == 24);

}  // namespace capsuled::bench
