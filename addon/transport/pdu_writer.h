// PduWriter: the PDUs that a controller sends, as SendItems: headers are written into the memory of
// their owner, data stay where they are. What was agreed with ICReq (digests, HPDA) is constant for
// a connection.
//
// Pure, but for the data digest's reading of the data. Thread: any.
#pragma once

#include <cstdint>
#include <span>

#include "pdu/pdu_reader.h"
#include "transport/tcp_request.h"

namespace capsuled::transport {

/// Data of one H2CData PDU at most, announced in ICResp: a whole transfer, so that the host need
/// not split.
inline constexpr uint32_t kMaxh2cdata = kTransferBytesMax;

/// After the last data PDU of a read: does a response capsule follow?
enum class DataEnd : uint8_t { Success, ResponseCapsule };

class PduWriter {
 public:
  /// What the host asked for.
  void agree(const wire::IcReq& request);
  bool header_digest() const { return header_digest_; }
  bool data_digest() const { return data_digest_; }

  /// ICResp, into `memory`.
  void write_ic_resp(std::span<std::byte, sizeof(wire::IcResp)> memory, SendItem& item) const;
  /// The response capsule of a request: its `cqe` is complete.
  void write_response(TcpRequest& request) const;
  /// All data of a request as one C2HData PDU, and its response capsule unless `end` is Success.
  void write_data(TcpRequest& request, std::span<const iovec> data, uint32_t bytes,
                  DataEnd end) const;
  /// Asks for all data of a request.
  void write_r2t(TcpRequest& request) const;
  static constexpr size_t kTermReqBytes = sizeof(wire::TermReq) + wire::kTermReqDataMax;
  /// C2HTermReq, into `memory`.
  static void write_term_req(std::span<std::byte, kTermReqBytes> memory, const PduError& error,
                             SendItem& item);

 private:
  uint32_t write_capsule(const TcpRequest& request, std::byte* at) const;
  uint32_t finish_header(std::byte* at, uint32_t hlen) const;

  bool header_digest_ = false;
  bool data_digest_ = false;
  uint8_t data_offset_ = sizeof(wire::C2hData);  // PDO of C2HData
};

}  // namespace capsuled::transport
