// ModelPdu: NVMe/TCP PDUs as the model hosts write and read them, made from the specification
// (NVMe TCP Transport 1.1, section 3.6) and from nothing that the target or the initiator of the
// engine uses, so that what those have in common and wrong is found.
//
// One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace capsuled::sim {

using Bytes = std::vector<std::byte>;

/// Little-endian fields by offset.
void put(Bytes& bytes, size_t offset, size_t size, uint64_t value);
uint64_t get(std::span<const std::byte> bytes, size_t offset, size_t size);

enum class ModelPduType : uint8_t {
  IcReq = 0,
  IcResp = 1,
  H2cTermReq = 2,
  C2hTermReq = 3,
  CapsuleCmd = 4,
  CapsuleResp = 5,
  H2cData = 6,
  C2hData = 7,
  R2t = 9,
};

inline constexpr uint8_t kFlagHeaderDigest = 1;
inline constexpr uint8_t kFlagDataDigest = 2;
inline constexpr uint8_t kFlagLast = 4;
inline constexpr uint8_t kFlagSuccess = 8;

struct ModelDigests {
  bool header = false;
  bool data = false;
};

struct ModelPdu {
  ModelPduType type = ModelPduType::IcReq;
  uint8_t flags = 0;
  Bytes header;  ///< with the common header, without a digest
  Bytes data;
};

/// A submission queue entry, without CID and data pointer.
Bytes make_sqe(uint8_t opcode, uint32_t nsid);

/// With lengths, PDO and digests. `alignment`: of the data from the PDU's start (CPDA), in bytes.
Bytes encode(const ModelPdu& pdu, const ModelDigests& digests, size_t alignment = 4);
ModelPdu make_ic_req(const ModelDigests& digests, uint32_t r2ts_max);
ModelPdu make_capsule(const Bytes& sqe, Bytes in_capsule = {});
ModelPdu make_h2c_data(uint16_t cid, uint16_t tag, uint32_t offset, Bytes data, bool last);
/// Its type and what it is about, for people who read a trace.
std::string text_of(const ModelPdu& pdu);

/// Cuts a stream into PDUs and checks each: lengths, offsets, digests.
class ModelReader {
 public:
  void set_digests(const ModelDigests& digests) { digests_ = digests; }
  /// Calls `take(pdu)` for each PDU that `bytes` completes. Empty, or what is wrong.
  std::string consume(std::span<const std::byte> bytes,
                      const std::function<std::string(ModelPdu&)>& take);
  /// Up to the end of the PDU that was given last.
  uint64_t taken_bytes() const { return taken_; }

 private:
  std::string cut(size_t& at, ModelPdu& pdu, bool& whole) const;

  ModelDigests digests_;
  Bytes pending_;
  uint64_t taken_ = 0;
};

uint32_t crc32c(std::span<const std::byte> bytes);

}  // namespace capsuled::sim
