#include "transport/pdu_writer.h"

#include <algorithm>
#include <cstring>

namespace capsuled::transport {

namespace {

template <typename Pdu>
Pdu make_pdu(wire::PduType type) {
  Pdu pdu = {};
  pdu.common.type = static_cast<uint8_t>(type);
  pdu.common.hlen = sizeof(Pdu);
  return pdu;
}

void put_digest(std::byte* at, uint32_t digest) {
  const Le32 value(digest);
  std::memcpy(at, &value, sizeof(value));
}

}  // namespace

void PduWriter::agree(const wire::IcReq& request) {
  header_digest_ = (request.dgst & wire::kHdgstEnable) != 0;
  data_digest_ = (request.dgst & wire::kDdgstEnable) != 0;
  // 0's based, in dwords; at most 128 bytes.
  const uint32_t alignment = (request.hpda + 1u) * 4;
  const uint32_t header_bytes = sizeof(wire::C2hData) + (header_digest_ ? wire::kDigestSize : 0);
  data_offset_ = static_cast<uint8_t>((header_bytes + alignment - 1) / alignment * alignment);
}

/// Adds the header digest behind a header of `hlen` bytes; returns the length of both.
uint32_t PduWriter::finish_header(std::byte* at, uint32_t hlen) const {
  if (!header_digest_) return hlen;
  put_digest(at + hlen, crc32c({at, hlen}));
  return hlen + wire::kDigestSize;
}

void PduWriter::write_ic_resp(std::span<std::byte, sizeof(wire::IcResp)> memory,
                              SendItem& item) const {
  auto pdu = make_pdu<wire::IcResp>(wire::PduType::kIcResp);
  pdu.common.plen.set(sizeof(pdu));
  pdu.pfv.set(wire::kPduFormatVersion);
  pdu.dgst = static_cast<uint8_t>((header_digest_ ? wire::kHdgstEnable : 0) |
                                  (data_digest_ ? wire::kDdgstEnable : 0));
  pdu.maxh2cdata.set(kMaxh2cdata);
  std::memcpy(memory.data(), &pdu, sizeof(pdu));
  item.kind = SendKind::IcResp;
  item.head = iovec{memory.data(), sizeof(pdu)};
}

uint32_t PduWriter::write_capsule(const TcpRequest& request, std::byte* at) const {
  auto pdu = make_pdu<wire::CapsuleRespHeader>(wire::PduType::kCapsuleResp);
  pdu.common.flags = header_digest_ ? wire::kHdgstf : 0;
  pdu.common.plen.set(static_cast<uint32_t>(sizeof(pdu)) +
                      (header_digest_ ? wire::kDigestSize : 0));
  pdu.cqe = request.cqe;
  std::memcpy(at, &pdu, sizeof(pdu));
  return finish_header(at, sizeof(pdu));
}

void PduWriter::write_response(TcpRequest& request) const {
  SendItem& item = request.answer_item;
  item.head = iovec{request.head.data(), write_capsule(request, request.head.data())};
  item.pad_bytes = 0;
  item.body = nullptr;
  item.body_count = 0;
  item.tail = {};
  item.pdu_count = 1;
}

void PduWriter::write_data(TcpRequest& request, std::span<const iovec> data, uint32_t bytes,
                           DataEnd end) const {
  const uint32_t header_bytes =
      static_cast<uint32_t>(sizeof(wire::C2hData)) + (header_digest_ ? wire::kDigestSize : 0);
  const uint32_t pdo = data_offset_;

  auto pdu = make_pdu<wire::C2hData>(wire::PduType::kC2hData);
  pdu.common.flags = static_cast<uint8_t>(
      wire::kDataLastPdu | (end == DataEnd::Success ? wire::kDataSuccess : 0) |
      (header_digest_ ? wire::kHdgstf : 0) | (data_digest_ ? wire::kDdgstf : 0));
  pdu.common.pdo = static_cast<uint8_t>(pdo);
  pdu.common.plen.set(pdo + bytes + (data_digest_ ? wire::kDigestSize : 0));
  pdu.cccid = request.sqe.cid;
  pdu.datal.set(bytes);
  std::memcpy(request.head.data(), &pdu, sizeof(pdu));
  (void)finish_header(request.head.data(), sizeof(pdu));

  uint32_t tail_bytes = 0;
  if (data_digest_) {
    Crc32c crc;
    for (const iovec& part : data) {
      crc.update({static_cast<const std::byte*>(part.iov_base), part.iov_len});
    }
    put_digest(request.tail.data(), crc.value());
    tail_bytes = wire::kDigestSize;
  }
  if (end == DataEnd::ResponseCapsule) {
    tail_bytes += write_capsule(request, request.tail.data() + tail_bytes);
  }
  SendItem& item = request.answer_item;
  item.head = iovec{request.head.data(), header_bytes};
  item.pad_bytes = static_cast<uint8_t>(pdo - header_bytes);
  item.body = data.data();
  item.body_count = static_cast<uint32_t>(data.size());
  item.tail = iovec{request.tail.data(), tail_bytes};
  item.pdu_count = end == DataEnd::ResponseCapsule ? 2 : 1;
}

void PduWriter::write_r2t(TcpRequest& request) const {
  auto pdu = make_pdu<wire::R2t>(wire::PduType::kR2t);
  pdu.common.flags = header_digest_ ? wire::kHdgstf : 0;
  pdu.common.plen.set(static_cast<uint32_t>(sizeof(pdu)) +
                      (header_digest_ ? wire::kDigestSize : 0));
  pdu.cccid = request.sqe.cid;
  pdu.ttag.set(request.index);
  pdu.r2to.set(0);
  pdu.r2tl.set(request.plan.bytes);
  std::memcpy(request.r2t_head.data(), &pdu, sizeof(pdu));
  request.r2t_item.head =
      iovec{request.r2t_head.data(), finish_header(request.r2t_head.data(), sizeof(pdu))};
}

void PduWriter::write_term_req(std::span<std::byte, kTermReqBytes> memory, const PduError& error,
                               SendItem& item) {
  const auto header_bytes =
      static_cast<uint32_t>(std::min<size_t>(error.header.size(), wire::kTermReqDataMax));
  auto pdu = make_pdu<wire::TermReq>(wire::PduType::kC2hTermReq);
  pdu.common.plen.set(static_cast<uint32_t>(sizeof(pdu)) + header_bytes);
  pdu.fes.set(static_cast<uint16_t>(error.status));
  pdu.fei.set(error.information);
  std::memcpy(memory.data(), &pdu, sizeof(pdu));
  if (header_bytes > 0) {
    std::memcpy(memory.data() + sizeof(pdu), error.header.data(), header_bytes);
  }
  item.kind = SendKind::TermReq;
  item.head = iovec{memory.data(), sizeof(pdu) + header_bytes};
}

}  // namespace capsuled::transport
