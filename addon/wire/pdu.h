/// NVMe/TCP protocol data units (NVMe/TCP Transport Specification 1.1, 3.6 "PDUs").
///
/// A PDU is: header of HLEN bytes, header digest if agreed, padding up to PDO, data, data digest if
/// agreed. PLEN counts it all.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "wire/command.h"

namespace capsuled::wire {

/// PDU Type.
#define WIRE_PDU_TYPES(X)              \
  X(kIcReq, 0x00, "ICReq")             \
  X(kIcResp, 0x01, "ICResp")           \
  X(kH2cTermReq, 0x02, "H2CTermReq")   \
  X(kC2hTermReq, 0x03, "C2HTermReq")   \
  X(kCapsuleCmd, 0x04, "CapsuleCmd")   \
  X(kCapsuleResp, 0x05, "CapsuleResp") \
  X(kH2cData, 0x06, "H2CData")         \
  X(kC2hData, 0x07, "C2HData")         \
  X(kR2t, 0x09, "R2T")
WIRE_ENUM(PduType, std::uint8_t, WIRE_PDU_TYPES);

/// FLAGS of the common header. LAST_PDU and SUCCESS belong to the data PDUs.
inline constexpr std::uint8_t kHdgstf = 1u << 0;
inline constexpr std::uint8_t kDdgstf = 1u << 1;
inline constexpr std::uint8_t kDataLastPdu = 1u << 2;
inline constexpr std::uint8_t kDataSuccess = 1u << 3;

/// The same, for the tables.
#define WIRE_PDU_FLAGS_BITS(X)                                                       \
  X(Hdgstf, 0, 0, "Header Digest Flag (HDGSTF): a header digest follows the header") \
  X(Ddgstf, 1, 1, "Data Digest Flag (DDGSTF): a data digest follows the data")       \
  X(LastPdu, 2, 2, "Last PDU (LAST_PDU) of a data transfer")                         \
  X(Success, 3, 3, "Success (SUCCESS): no response capsule follows")
WIRE_BITS(PduFlags, WIRE_PDU_FLAGS_BITS);

/// DGST of ICReq and ICResp.
#define WIRE_DIGEST_BITS(X)                                   \
  X(HdgstEnable, 0, 0, "Header Digest Enable (HDGST_ENABLE)") \
  X(DdgstEnable, 1, 1, "Data Digest Enable (DDGST_ENABLE)")
WIRE_BITS(DigestEnable, WIRE_DIGEST_BITS);
inline constexpr std::uint8_t kHdgstEnable = 1u << 0;
inline constexpr std::uint8_t kDdgstEnable = 1u << 1;

/// Bytes of a header or a data digest: CRC32C.
inline constexpr std::uint32_t kDigestSize = 4;
/// The only PDU Format Version (PFV).
inline constexpr std::uint16_t kPduFormatVersion = 0;
/// The longest PDU header (HLEN), of ICReq and ICResp.
inline constexpr std::uint32_t kHlenMax = 128;
/// HPDA and CPDA are 0's based counts of dwords from 0 to 31: at most 128 bytes.
inline constexpr std::uint8_t kPduDataAlignmentMax = 31;
/// MAXH2CDATA is at least this many bytes and a multiple of 4.
inline constexpr std::uint32_t kMaxh2cdataMin = 4096;
/// H2CTermReq and C2HTermReq repeat at most this many bytes of the offending header.
inline constexpr std::uint32_t kTermReqDataMax = 128;
/// In-capsule data that a host may send on the admin queue and with Fabrics commands, whatever
/// IOCCSZ says (3.3.2).
inline constexpr std::uint32_t kAdminInCapsuleDataMax = 8192;

/// Common Header (CH; 3.6.1).
struct PduCommonHeader {
  /// PDU Type (PDU-Type): see PduType.
  std::uint8_t type;
  /// Flags (FLAGS).
  std::uint8_t flags;
  /// Header Length (HLEN), without the header digest, in bytes.
  std::uint8_t hlen;
  /// PDU Data Offset (PDO): of the data from the start of the PDU, in bytes; 0 where there are
  /// none.
  std::uint8_t pdo;
  /// PDU Length (PLEN): all of it, digests and padding too, in bytes.
  Le32 plen;
};
WIRE_STRUCT(PduCommonHeader, 8, WIRE_FIELD(PduCommonHeader, type, 0),
            WIRE_FIELD(PduCommonHeader, flags, 1), WIRE_FIELD(PduCommonHeader, hlen, 2),
            WIRE_FIELD(PduCommonHeader, pdo, 3), WIRE_FIELD(PduCommonHeader, plen, 4));

/// Initialize Connection Request (ICReq; 3.6.2.2), the host's first PDU.
struct IcReq {
  PduCommonHeader common;
  /// PDU Format Version (PFV).
  Le16 pfv;
  /// Host PDU Data Alignment (HPDA): of C2HData data, 0's based, in dwords.
  std::uint8_t hpda;
  /// Digest enables (DGST): see DigestEnable.
  std::uint8_t dgst;
  /// Maximum Number of Outstanding R2T (MAXR2T) per command, 0's based.
  Le32 maxr2t;
  Bytes<112> reserved16;
};
WIRE_STRUCT(IcReq, 128, WIRE_FIELD(IcReq, common, 0), WIRE_FIELD(IcReq, pfv, 8),
            WIRE_FIELD(IcReq, hpda, 10), WIRE_FIELD(IcReq, dgst, 11),
            WIRE_FIELD(IcReq, maxr2t, 12));

/// Initialize Connection Response (ICResp; 3.6.2.3), the controller's first PDU.
struct IcResp {
  PduCommonHeader common;
  /// PDU Format Version (PFV).
  Le16 pfv;
  /// Controller PDU Data Alignment (CPDA): of H2CData and in-capsule data, 0's based, in dwords.
  std::uint8_t cpda;
  /// Digest enables (DGST): exactly those asked for and agreed to.
  std::uint8_t dgst;
  /// Maximum Host to Controller Data (MAXH2CDATA): per H2CData PDU, in bytes.
  Le32 maxh2cdata;
  Bytes<112> reserved16;
};
WIRE_STRUCT(IcResp, 128, WIRE_FIELD(IcResp, common, 0), WIRE_FIELD(IcResp, pfv, 8),
            WIRE_FIELD(IcResp, cpda, 10), WIRE_FIELD(IcResp, dgst, 11),
            WIRE_FIELD(IcResp, maxh2cdata, 12));

/// Fatal Error Status (FES). 5h is also what a host calls R2T Limit Exceeded.
#define WIRE_FATAL_ERROR_STATUS(X)                                    \
  X(kInvalidPduHeaderField, 0x01, "Invalid PDU Header Field")         \
  X(kPduSequenceError, 0x02, "PDU Sequence Error")                    \
  X(kHeaderDigestError, 0x03, "Header Digest Error")                  \
  X(kDataTransferOutOfRange, 0x04, "Data Transfer Out of Range")      \
  X(kDataTransferLimitExceeded, 0x05, "Data Transfer Limit Exceeded") \
  X(kUnsupportedParameter, 0x06, "Unsupported Parameter")
WIRE_ENUM(FatalErrorStatus, std::uint16_t, WIRE_FATAL_ERROR_STATUS);

/// Host or Controller Terminate Connection Request (H2CTermReq, C2HTermReq; 3.6.2.4, 3.6.2.5). The
/// header of the PDU in error follows as data.
struct TermReq {
  PduCommonHeader common;
  /// Fatal Error Status (FES): see FatalErrorStatus.
  Le16 fes;
  /// Fatal Error Information (FEI): for a header field, its offset in the PDU, in bytes; for a
  /// header digest, the digest that was received; for a parameter, its offset.
  Le32 fei;
  Bytes<10> reserved14;
};
WIRE_STRUCT(TermReq, 24, WIRE_FIELD(TermReq, common, 0), WIRE_FIELD(TermReq, fes, 8),
            WIRE_FIELD(TermReq, fei, 10));

/// Command Capsule PDU (CapsuleCmd; 3.6.2.6), without in-capsule data.
struct CapsuleCmdHeader {
  PduCommonHeader common;
  /// Submission Queue Entry (SQE).
  SubmissionQueueEntry sqe;
};
WIRE_STRUCT(CapsuleCmdHeader, 72, WIRE_FIELD(CapsuleCmdHeader, common, 0),
            WIRE_FIELD(CapsuleCmdHeader, sqe, 8));

/// Response Capsule PDU (CapsuleResp; 3.6.2.7).
struct CapsuleRespHeader {
  PduCommonHeader common;
  /// Completion Queue Entry (CQE).
  CompletionQueueEntry cqe;
};
WIRE_STRUCT(CapsuleRespHeader, 24, WIRE_FIELD(CapsuleRespHeader, common, 0),
            WIRE_FIELD(CapsuleRespHeader, cqe, 8));

/// Host To Controller Data Transfer PDU (H2CData; 3.6.2.8): answers an R2T.
struct H2cData {
  PduCommonHeader common;
  /// Command Capsule CID (CCCID) of the command.
  Le16 cccid;
  /// Transfer Tag (TTAG) of the R2T.
  Le16 ttag;
  /// Data Offset (DATAO) from the start of the command's data, in bytes.
  Le32 datao;
  /// Data Length (DATAL) in this PDU, in bytes.
  Le32 datal;
  Bytes<4> reserved20;
};
WIRE_STRUCT(H2cData, 24, WIRE_FIELD(H2cData, common, 0), WIRE_FIELD(H2cData, cccid, 8),
            WIRE_FIELD(H2cData, ttag, 10), WIRE_FIELD(H2cData, datao, 12),
            WIRE_FIELD(H2cData, datal, 16));

/// Controller To Host Data Transfer PDU (C2HData; 3.6.2.9).
struct C2hData {
  PduCommonHeader common;
  /// Command Capsule CID (CCCID) of the command.
  Le16 cccid;
  Bytes<2> reserved10;
  /// Data Offset (DATAO) from the start of the command's data, in bytes.
  Le32 datao;
  /// Data Length (DATAL) in this PDU, in bytes.
  Le32 datal;
  Bytes<4> reserved20;
};
WIRE_STRUCT(C2hData, 24, WIRE_FIELD(C2hData, common, 0), WIRE_FIELD(C2hData, cccid, 8),
            WIRE_FIELD(C2hData, datao, 12), WIRE_FIELD(C2hData, datal, 16));

/// Ready to Transfer PDU (R2T; 3.6.2.10): asks the host for a part of the command's data.
struct R2t {
  PduCommonHeader common;
  /// Command Capsule CID (CCCID) of the command.
  Le16 cccid;
  /// Transfer Tag (TTAG): the controller's name for this request, repeated in H2CData.
  Le16 ttag;
  /// Requested Data Offset (R2TO) from the start of the command's data, in bytes.
  Le32 r2to;
  /// Requested Data Length (R2TL), in bytes.
  Le32 r2tl;
  Bytes<4> reserved20;
};
WIRE_STRUCT(R2t, 24, WIRE_FIELD(R2t, common, 0), WIRE_FIELD(R2t, cccid, 8),
            WIRE_FIELD(R2t, ttag, 10), WIRE_FIELD(R2t, r2to, 12), WIRE_FIELD(R2t, r2tl, 16));

/// The header length that each PDU type must have, in bytes; 0 for what is no type.
inline constexpr auto kPduHeaderLengths = [] {
  std::array<std::uint8_t, 10> lengths{};
  const auto set = [&](PduType type, std::size_t bytes) {
    lengths[static_cast<std::size_t>(type)] = static_cast<std::uint8_t>(bytes);
  };
  set(PduType::kIcReq, sizeof(IcReq));
  set(PduType::kIcResp, sizeof(IcResp));
  set(PduType::kH2cTermReq, sizeof(TermReq));
  set(PduType::kC2hTermReq, sizeof(TermReq));
  set(PduType::kCapsuleCmd, sizeof(CapsuleCmdHeader));
  set(PduType::kCapsuleResp, sizeof(CapsuleRespHeader));
  set(PduType::kH2cData, sizeof(H2cData));
  set(PduType::kC2hData, sizeof(C2hData));
  set(PduType::kR2t, sizeof(R2t));
  return lengths;
}();

/// The header length that a PDU type must have, in bytes; 0 for an unknown type.
constexpr std::uint8_t pdu_header_length(PduType type) {
  const auto index = static_cast<std::size_t>(type);
  return index < kPduHeaderLengths.size() ? kPduHeaderLengths[index] : 0;
}

/// The specification's name of a PDU type; never null.
const char* pdu_type_name(std::uint8_t type);
/// The specification's name of a fatal error status; never null.
const char* fatal_error_name(std::uint16_t fes);

}  // namespace capsuled::wire
