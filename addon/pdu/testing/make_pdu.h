// PDUs by hand, with or without mistakes: what tests and fuzzers feed to the two ends of a
// connection.
#pragma once

#include <cstring>
#include <utility>
#include <vector>

#include "base/crc32c.h"
#include "base/prng.h"
#include "wire/fabrics.h"
#include "wire/io_command.h"
#include "wire/pdu.h"

namespace capsuled::testing {

using Octets = std::vector<std::byte>;

template <typename T>
Octets octets_of(const T& object) {
  const auto bytes = wire::bytes_of(object);
  return {bytes.begin(), bytes.end()};
}

inline Octets pattern(size_t bytes, uint64_t seed) {
  Prng prng(seed);
  Octets octets(bytes);
  for (std::byte& octet : octets) octet = static_cast<std::byte>(prng.next());
  return octets;
}

/// What was agreed, or what the test pretends was.
struct Digests {
  bool header = false;
  bool data = false;
};

/// A PDU: a header, data behind it, and the digests where they belong.
inline Octets make_pdu(Octets header, const Octets& data, Digests digests, uint8_t flags = 0) {
  const size_t hlen = header.size();
  auto& common = *reinterpret_cast<wire::PduCommonHeader*>(header.data());
  const size_t pdo = hlen + (digests.header ? 4 : 0);
  common.flags = static_cast<uint8_t>(flags | (digests.header ? wire::kHdgstf : 0) |
                                      (digests.data && !data.empty() ? wire::kDdgstf : 0));
  common.hlen = static_cast<uint8_t>(hlen);
  common.pdo = static_cast<uint8_t>(data.empty() ? 0 : pdo);
  common.plen.set(
      static_cast<uint32_t>(pdo + data.size() + (digests.data && !data.empty() ? 4 : 0)));
  Octets pdu = header;
  const auto append = [&pdu](uint32_t digest) {
    const Octets octets = octets_of(Le32(digest));
    pdu.insert(pdu.end(), octets.begin(), octets.end());
  };
  if (digests.header) append(crc32c(header));
  pdu.insert(pdu.end(), data.begin(), data.end());
  if (digests.data && !data.empty()) append(crc32c(data));
  return pdu;
}

inline Octets make_ic_req(Digests digests, uint8_t hpda = 0) {
  wire::IcReq pdu = {};
  pdu.common.type = static_cast<uint8_t>(wire::PduType::kIcReq);
  pdu.hpda = hpda;
  pdu.dgst = static_cast<uint8_t>((digests.header ? wire::kHdgstEnable : 0) |
                                  (digests.data ? wire::kDdgstEnable : 0));
  return make_pdu(octets_of(pdu), {}, {});
}

inline Octets make_capsule(const wire::SubmissionQueueEntry& sqe, const Octets& data,
                           Digests digests) {
  wire::CapsuleCmdHeader pdu = {};
  pdu.common.type = static_cast<uint8_t>(wire::PduType::kCapsuleCmd);
  pdu.sqe = sqe;
  return make_pdu(octets_of(pdu), data, digests);
}

inline Octets make_h2c_data(uint16_t cccid, uint16_t ttag, uint32_t datao, const Octets& data,
                            Digests digests, bool last) {
  wire::H2cData pdu = {};
  pdu.common.type = static_cast<uint8_t>(wire::PduType::kH2cData);
  pdu.cccid.set(cccid);
  pdu.ttag.set(ttag);
  pdu.datao.set(datao);
  pdu.datal.set(static_cast<uint32_t>(data.size()));
  return make_pdu(octets_of(pdu), data, digests, last ? wire::kDataLastPdu : uint8_t{0});
}

inline Octets make_ic_resp(Digests digests, uint32_t maxh2cdata = 131072) {
  wire::IcResp pdu = {};
  pdu.common.type = static_cast<uint8_t>(wire::PduType::kIcResp);
  pdu.dgst = static_cast<uint8_t>((digests.header ? wire::kHdgstEnable : 0) |
                                  (digests.data ? wire::kDdgstEnable : 0));
  pdu.maxh2cdata.set(maxh2cdata);
  return make_pdu(octets_of(pdu), {}, {});
}

inline Octets make_response(const wire::CompletionQueueEntry& cqe, Digests digests) {
  wire::CapsuleRespHeader pdu = {};
  pdu.common.type = static_cast<uint8_t>(wire::PduType::kCapsuleResp);
  pdu.cqe = cqe;
  return make_pdu(octets_of(pdu), {}, {digests.header, false});
}

inline Octets make_c2h_data(uint16_t cccid, uint32_t datao, const Octets& data, Digests digests,
                            uint8_t flags) {
  wire::C2hData pdu = {};
  pdu.common.type = static_cast<uint8_t>(wire::PduType::kC2hData);
  pdu.cccid.set(cccid);
  pdu.datao.set(datao);
  pdu.datal.set(static_cast<uint32_t>(data.size()));
  return make_pdu(octets_of(pdu), data, digests, flags);
}

inline Octets make_r2t(uint16_t cccid, uint16_t ttag, uint32_t r2to, uint32_t r2tl,
                       Digests digests) {
  wire::R2t pdu = {};
  pdu.common.type = static_cast<uint8_t>(wire::PduType::kR2t);
  pdu.cccid.set(cccid);
  pdu.ttag.set(ttag);
  pdu.r2to.set(r2to);
  pdu.r2tl.set(r2tl);
  return make_pdu(octets_of(pdu), {}, {digests.header, false});
}

inline Octets make_c2h_term_req(wire::FatalErrorStatus status) {
  wire::TermReq pdu = {};
  pdu.common.type = static_cast<uint8_t>(wire::PduType::kC2hTermReq);
  pdu.fes.set(static_cast<uint16_t>(status));
  return make_pdu(octets_of(pdu), Octets(24), {});
}

inline wire::SubmissionQueueEntry make_sqe(uint8_t opcode, uint16_t cid) {
  wire::SubmissionQueueEntry sqe = {};
  sqe.opcode = opcode;
  sqe.flags = 0x40;  // PSDT: SGL
  sqe.cid.set(cid);
  return sqe;
}

inline void set_transport_sgl(wire::SubmissionQueueEntry& sqe, uint32_t bytes) {
  sqe.dptr.length.set(bytes);
  sqe.dptr.set_identifier(wire::SglType::kTransportDataBlock, wire::SglSubtype::kTransportSpecific);
}

inline void set_capsule_sgl(wire::SubmissionQueueEntry& sqe, uint32_t bytes) {
  sqe.dptr.length.set(bytes);
  sqe.dptr.set_identifier(wire::SglType::kDataBlock, wire::SglSubtype::kOffset);
}

/// Read, Write or Compare of blocks of 512 bytes.
inline wire::SubmissionQueueEntry make_io(wire::IoOpcode opcode, uint16_t cid, uint64_t slba,
                                          uint32_t bytes) {
  auto sqe = make_sqe(static_cast<uint8_t>(opcode), cid);
  sqe.nsid.set(1);
  sqe.cdw10.set(static_cast<uint32_t>(slba));
  sqe.cdw11.set(static_cast<uint32_t>(slba >> 32));
  sqe.cdw12.set(bytes / 512 - 1);
  set_transport_sgl(sqe, bytes);
  return sqe;
}

inline wire::SubmissionQueueEntry make_connect(uint16_t cid, uint16_t qid, uint16_t entries,
                                               bool flow_control_disabled, uint32_t kato_ms = 0) {
  wire::ConnectCommand command = {};
  command.opcode = wire::kFabricsOpcode;
  command.flags = 0x40;
  command.cid.set(cid);
  command.fctype = static_cast<uint8_t>(wire::FabricsCommandType::kConnect);
  command.qid.set(qid);
  command.sqsize.set(static_cast<uint16_t>(entries - 1));
  command.cattr = flow_control_disabled ? 0x04 : 0;
  command.kato.set(kato_ms);
  auto sqe = wire::view_as<wire::SubmissionQueueEntry>(wire::bytes_of(std::as_const(command)));
  set_capsule_sgl(sqe, sizeof(wire::ConnectData));
  return sqe;
}

}  // namespace capsuled::testing
