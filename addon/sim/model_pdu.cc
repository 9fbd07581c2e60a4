#include "sim/model_pdu.h"

#include <algorithm>
#include <array>

#include "base/assert.h"

namespace capsuled::sim {
namespace {

constexpr size_t kCommonBytes = 8;
constexpr size_t kDigestBytes = 4;
constexpr size_t kPduBytesMax = 2 << 20;

size_t header_bytes(ModelPduType type) {
  switch (type) {
    case ModelPduType::IcReq:
    case ModelPduType::IcResp: return 128;
    case ModelPduType::CapsuleCmd: return 72;
    default: return 24;
  }
}

/// Bit by bit, eight at a time: slow, and plainly the CRC of RFC 3720.
constexpr std::array<uint32_t, 256> make_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78u : 0u);
    table[byte] = crc;
  }
  return table;
}

bool may_have_data(ModelPduType type) {
  return type == ModelPduType::C2hData || type == ModelPduType::C2hTermReq;
}

}  // namespace

void put(Bytes& bytes, size_t offset, size_t size, uint64_t value) {
  ASSERT(offset + size <= bytes.size());
  for (size_t index = 0; index < size; ++index) {
    bytes[offset + index] = static_cast<std::byte>(value >> (8 * index));
  }
}

uint64_t get(std::span<const std::byte> bytes, size_t offset, size_t size) {
  ASSERT(offset + size <= bytes.size());
  uint64_t value = 0;
  for (size_t index = 0; index < size; ++index) {
    value |= static_cast<uint64_t>(bytes[offset + index]) << (8 * index);
  }
  return value;
}

uint32_t crc32c(std::span<const std::byte> bytes) {
  static constexpr std::array<uint32_t, 256> kTable = make_table();
  uint32_t crc = 0xffffffff;
  for (const std::byte byte : bytes) {
    crc = (crc >> 8) ^ kTable[(crc ^ static_cast<uint32_t>(byte)) & 0xff];
  }
  return ~crc;
}

// ---- Writing ------------------------------------------------------------------------------------

Bytes make_sqe(uint8_t opcode, uint32_t nsid) {
  Bytes sqe(64);
  put(sqe, 0, 1, opcode);
  put(sqe, 4, 4, nsid);
  return sqe;
}

Bytes encode(const ModelPdu& pdu, const ModelDigests& digests, size_t alignment) {
  const size_t header = header_bytes(pdu.type);
  ASSERT(pdu.header.size() == header);
  // An ICReq comes before digests are agreed on.
  const bool header_digest = digests.header && pdu.type != ModelPduType::IcReq;
  const bool data_digest = digests.data && !pdu.data.empty();
  Bytes bytes = pdu.header;
  size_t offset = 0;
  size_t length = header + (header_digest ? kDigestBytes : 0);
  if (!pdu.data.empty()) {
    offset = (length + alignment - 1) / alignment * alignment;
    length = offset + pdu.data.size() + (data_digest ? kDigestBytes : 0);
  }
  const auto flags =
      pdu.flags | (header_digest ? kFlagHeaderDigest : 0) | (data_digest ? kFlagDataDigest : 0);
  put(bytes, 0, 1, static_cast<uint64_t>(pdu.type));
  put(bytes, 1, 1, static_cast<uint64_t>(flags));
  put(bytes, 2, 1, header);
  put(bytes, 3, 1, offset);
  put(bytes, 4, 4, length);
  if (header_digest) {
    const uint32_t crc = crc32c(bytes);
    bytes.resize(header + kDigestBytes);
    put(bytes, header, kDigestBytes, crc);
  }
  if (!pdu.data.empty()) {
    bytes.resize(offset);
    bytes.insert(bytes.end(), pdu.data.begin(), pdu.data.end());
  }
  if (data_digest) {
    bytes.resize(length);
    put(bytes, length - kDigestBytes, kDigestBytes, crc32c(pdu.data));
  }
  ASSERT(bytes.size() == length);
  return bytes;
}

ModelPdu make_ic_req(const ModelDigests& digests, uint32_t r2ts_max) {
  ModelPdu pdu{ModelPduType::IcReq, 0, Bytes(128), {}};
  put(pdu.header, 11, 1, (digests.header ? 1u : 0u) | (digests.data ? 2u : 0u));
  put(pdu.header, 12, 4, r2ts_max - 1);
  return pdu;
}

ModelPdu make_capsule(const Bytes& sqe, Bytes in_capsule) {
  ASSERT(sqe.size() == 64);
  ModelPdu pdu{ModelPduType::CapsuleCmd, 0, Bytes(8), std::move(in_capsule)};
  pdu.header.insert(pdu.header.end(), sqe.begin(), sqe.end());
  return pdu;
}

ModelPdu make_h2c_data(uint16_t cid, uint16_t tag, uint32_t offset, Bytes data, bool last) {
  ModelPdu pdu{ModelPduType::H2cData, last ? kFlagLast : uint8_t{0}, Bytes(24), std::move(data)};
  put(pdu.header, 8, 2, cid);
  put(pdu.header, 10, 2, tag);
  put(pdu.header, 12, 4, offset);
  put(pdu.header, 16, 4, pdu.data.size());
  return pdu;
}

std::string text_of(const ModelPdu& pdu) {
  const auto field = [&](const char* name, size_t offset, size_t size) {
    return std::string(", ") + name + " " + std::to_string(get(pdu.header, offset, size));
  };
  const std::string data =
      pdu.data.empty() ? "" : ", " + std::to_string(pdu.data.size()) + " bytes";
  switch (pdu.type) {
    case ModelPduType::IcReq: return "ICReq" + data;
    case ModelPduType::IcResp: return "ICResp" + data;
    case ModelPduType::H2cTermReq: return "H2CTermReq" + field("status", 8, 2);
    case ModelPduType::C2hTermReq: return "C2HTermReq" + field("status", 8, 2);
    case ModelPduType::CapsuleCmd:
      return "CapsuleCmd" + field("CID", 10, 2) + field("opcode", 8, 1) + data;
    case ModelPduType::CapsuleResp:
      return "CapsuleResp" + field("CID", 20, 2) + field("status", 22, 2);
    case ModelPduType::H2cData:
      return "H2CData" + field("CID", 8, 2) + field("tag", 10, 2) + field("offset", 12, 4) + data;
    case ModelPduType::C2hData:
      return "C2HData" + field("CID", 8, 2) + field("offset", 12, 4) + data;
    case ModelPduType::R2t:
      return "R2T" + field("CID", 8, 2) + field("tag", 10, 2) + field("offset", 12, 4) +
             field("length", 16, 4);
  }
  return "a PDU of type " + std::to_string(static_cast<int>(pdu.type)) + data;
}

// ---- Reading ------------------------------------------------------------------------------------

std::string ModelReader::consume(std::span<const std::byte> bytes,
                                 const std::function<std::string(ModelPdu&)>& take) {
  pending_.insert(pending_.end(), bytes.begin(), bytes.end());
  size_t at = 0;
  for (;;) {
    ModelPdu pdu;
    bool whole = false;
    const size_t before = at;
    std::string wrong = cut(at, pdu, whole);
    taken_ += at - before;
    if (wrong.empty() && whole) wrong = take(pdu);
    if (!wrong.empty()) return wrong;
    if (!whole) break;
  }
  pending_.erase(pending_.begin(), pending_.begin() + static_cast<ptrdiff_t>(at));
  return "";
}

/// The PDU at `at`, which moves behind it.
std::string ModelReader::cut(size_t& at, ModelPdu& pdu, bool& whole) const {
  const auto rest = std::span(pending_).subspan(at);
  if (rest.size() < kCommonBytes) return "";
  pdu.type = static_cast<ModelPduType>(get(rest, 0, 1));
  pdu.flags = static_cast<uint8_t>(get(rest, 1, 1));
  const uint64_t header = get(rest, 2, 1);
  const uint64_t offset = get(rest, 3, 1);
  const uint64_t length = get(rest, 4, 4);
  const auto type = std::to_string(static_cast<int>(pdu.type));
  if (header != header_bytes(pdu.type)) {
    return "a PDU of type " + type + " has HLEN " + std::to_string(header);
  }
  if (length < header || length > kPduBytesMax) {
    return "a PDU of type " + type + " has PLEN " + std::to_string(length);
  }
  const bool early = pdu.type == ModelPduType::IcResp || pdu.type == ModelPduType::C2hTermReq;
  const bool header_digest = digests_.header && !early;
  if (((pdu.flags & kFlagHeaderDigest) != 0) != header_digest) {
    return "a PDU of type " + type + " has a wrong HDGSTF";
  }
  if (rest.size() < length) return "";
  whole = true;
  at += length;
  pdu.header.assign(rest.begin(), rest.begin() + static_cast<ptrdiff_t>(header));
  const size_t behind = header + (header_digest ? kDigestBytes : 0);
  if (header_digest && get(rest, header, kDigestBytes) != crc32c(pdu.header)) {
    return "a PDU of type " + type + " has a wrong header digest";
  }
  if (length == behind) return "";
  if (!may_have_data(pdu.type)) return "a PDU of type " + type + " has data";
  const size_t from = pdu.type == ModelPduType::C2hTermReq ? behind : offset;
  const bool data_digest = (pdu.flags & kFlagDataDigest) != 0;
  if (pdu.type == ModelPduType::C2hData && data_digest != digests_.data) {
    return "a PDU of type " + type + " has a wrong DDGSTF";
  }
  const size_t to = length - (data_digest ? kDigestBytes : 0);
  if (from < behind || from > to) return "a PDU of type " + type + " has a wrong PDO";
  pdu.data.assign(rest.begin() + static_cast<ptrdiff_t>(from),
                  rest.begin() + static_cast<ptrdiff_t>(to));
  if (data_digest && get(rest, to, kDigestBytes) != crc32c(pdu.data)) {
    return "a PDU of type " + type + " has a wrong data digest";
  }
  return "";
}

}  // namespace capsuled::sim
