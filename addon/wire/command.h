/// The submission queue entry, the completion queue entry and the SGL descriptor: what every
/// command has in common (NVMe Base 2.1, section 4). What is particular to one command set is in
/// io_command.h, admin_command.h and fabrics.h.
#pragma once

#include "wire/status.h"

namespace capsuled::wire {

/// SGL Descriptor Type (bits 7:4 of the identifier byte; NVMe Base 2.1, 4.3.2).
#define WIRE_SGL_TYPES(X)                                            \
  X(kDataBlock, 0x0, "SGL Data Block descriptor")                    \
  X(kBitBucket, 0x1, "SGL Bit Bucket descriptor")                    \
  X(kSegment, 0x2, "SGL Segment descriptor")                         \
  X(kLastSegment, 0x3, "SGL Last Segment descriptor")                \
  X(kKeyedDataBlock, 0x4, "Keyed SGL Data Block descriptor")         \
  X(kTransportDataBlock, 0x5, "Transport SGL Data Block descriptor") \
  X(kVendorSpecific, 0xf, "Vendor Specific")
WIRE_ENUM(SglType, std::uint8_t, WIRE_SGL_TYPES);

/// SGL Descriptor Sub Type (bits 3:0 of the identifier byte).
#define WIRE_SGL_SUBTYPES(X)                                    \
  X(kAddress, 0x0, "Address")                                   \
  X(kOffset, 0x1, "Offset: into the capsule's in-capsule data") \
  X(kTransportSpecific, 0xa, "NVMe Transport Specific: the transport moves the data")
WIRE_ENUM(SglSubtype, std::uint8_t, WIRE_SGL_SUBTYPES);

#define WIRE_SGL_IDENTIFIER_BITS(X)           \
  X(Subtype, 3, 0, "SGL Descriptor Sub Type") \
  X(Type, 7, 4, "SGL Descriptor Type")
WIRE_BITS(SglIdentifier, WIRE_SGL_IDENTIFIER_BITS);

/// Scatter Gather List descriptor (NVMe Base 2.1, 4.3.2). Over TCP a command has exactly one.
struct SglDescriptor {
  /// Address (ADDR), or the offset into the in-capsule data, in bytes.
  Le64 address;
  /// Length (LEN) of the data, in bytes.
  Le32 length;
  Bytes<3> reserved12;
  /// SGL Identifier: descriptor type and sub type.
  std::uint8_t identifier;

  constexpr SglType type() const {
    return static_cast<SglType>(SglIdentifier::Type::get(identifier));
  }
  constexpr SglSubtype subtype() const {
    return static_cast<SglSubtype>(SglIdentifier::Subtype::get(identifier));
  }
  static constexpr std::uint8_t identifier_of(SglType type, SglSubtype subtype) {
    return SglIdentifier::Type::set(static_cast<std::uint8_t>(subtype),
                                    static_cast<std::uint8_t>(type));
  }
  constexpr void set_identifier(SglType type, SglSubtype subtype) {
    identifier = identifier_of(type, subtype);
  }
  /// The data comes in the capsule itself, behind the submission queue entry.
  constexpr bool is_in_capsule() const {
    return identifier == identifier_of(SglType::kDataBlock, SglSubtype::kOffset);
  }
  /// The data comes or goes by H2CData or C2HData PDUs.
  constexpr bool is_transport() const {
    return identifier ==
           identifier_of(SglType::kTransportDataBlock, SglSubtype::kTransportSpecific);
  }
};
WIRE_STRUCT(SglDescriptor, 16, WIRE_FIELD(SglDescriptor, address, 0),
            WIRE_FIELD(SglDescriptor, length, 8), WIRE_FIELD(SglDescriptor, identifier, 15));

/// Fused Operation (FUSE).
#define WIRE_FUSED_OPERATIONS(X)                   \
  X(kNormal, 0x0, "Normal operation")              \
  X(kFirst, 0x1, "Fused operation, first command") \
  X(kSecond, 0x2, "Fused operation, second command")
WIRE_ENUM(FusedOperation, std::uint8_t, WIRE_FUSED_OPERATIONS);

/// PRP or SGL for Data Transfer (PSDT). Fabrics requires an SGL.
#define WIRE_DATA_POINTER_TYPES(X)                                 \
  X(kPrp, 0x0, "PRPs are used")                                    \
  X(kSgl, 0x1, "SGLs are used; metadata is one contiguous buffer") \
  X(kSglAndMetadataSgl, 0x2, "SGLs are used; metadata is an SGL segment")
WIRE_ENUM(DataPointerType, std::uint8_t, WIRE_DATA_POINTER_TYPES);

/// Bits 15:8 of Command Dword 0.
#define WIRE_COMMAND_FLAGS_BITS(X)        \
  X(Fuse, 1, 0, "Fused Operation (FUSE)") \
  X(Psdt, 7, 6, "PRP or SGL for Data Transfer (PSDT)")
WIRE_BITS(CommandFlags, WIRE_COMMAND_FLAGS_BITS);

/// Submission Queue Entry (SQE; NVMe Base 2.1, 4.1).
struct SubmissionQueueEntry {
  /// Opcode (OPC).
  std::uint8_t opcode;
  /// FUSE and PSDT: see CommandFlags.
  std::uint8_t flags;
  /// Command Identifier (CID), unique among the queue's outstanding commands.
  Le16 cid;
  /// Namespace Identifier (NSID); ffffffffh is all namespaces.
  Le32 nsid;
  /// Command Dword 2 (CDW2).
  Le32 cdw2;
  /// Command Dword 3 (CDW3).
  Le32 cdw3;
  /// Metadata Pointer (MPTR).
  Le64 mptr;
  /// Data Pointer (DPTR), as SGL Entry 1 (SGL1).
  SglDescriptor dptr;
  /// Command Dword 10 to 15 (CDW10 to CDW15): the command's own.
  Le32 cdw10;
  Le32 cdw11;
  Le32 cdw12;
  Le32 cdw13;
  Le32 cdw14;
  Le32 cdw15;

  constexpr FusedOperation fuse() const {
    return static_cast<FusedOperation>(CommandFlags::Fuse::get(flags));
  }
  constexpr DataPointerType psdt() const {
    return static_cast<DataPointerType>(CommandFlags::Psdt::get(flags));
  }
  /// As every command of every queue over fabrics has it, with data or without: not fused, and the
  /// data pointer is an SGL (NVMe Base 2.1, 4.1). Linux's target refuses all others, so hosts know.
  constexpr bool is_plain_sgl() const {
    constexpr auto kFuseAndPsdt = static_cast<std::uint8_t>(
        CommandFlags::Fuse::mask<std::uint8_t>() | CommandFlags::Psdt::mask<std::uint8_t>());
    constexpr std::uint8_t kPlain =
        CommandFlags::Psdt::set(static_cast<std::uint8_t>(FusedOperation::kNormal),
                                static_cast<std::uint8_t>(DataPointerType::kSgl));
    return (flags & kFuseAndPsdt) == kPlain;
  }
};
WIRE_STRUCT(SubmissionQueueEntry, 64, WIRE_FIELD(SubmissionQueueEntry, opcode, 0),
            WIRE_FIELD(SubmissionQueueEntry, flags, 1), WIRE_FIELD(SubmissionQueueEntry, cid, 2),
            WIRE_FIELD(SubmissionQueueEntry, nsid, 4), WIRE_FIELD(SubmissionQueueEntry, cdw2, 8),
            WIRE_FIELD(SubmissionQueueEntry, cdw3, 12), WIRE_FIELD(SubmissionQueueEntry, mptr, 16),
            WIRE_FIELD(SubmissionQueueEntry, dptr, 24), WIRE_FIELD(SubmissionQueueEntry, cdw10, 40),
            WIRE_FIELD(SubmissionQueueEntry, cdw11, 44),
            WIRE_FIELD(SubmissionQueueEntry, cdw12, 48),
            WIRE_FIELD(SubmissionQueueEntry, cdw13, 52),
            WIRE_FIELD(SubmissionQueueEntry, cdw14, 56),
            WIRE_FIELD(SubmissionQueueEntry, cdw15, 60));

/// A typed view of a submission queue entry, such as `command_as<ConnectCommand>(sqe)`.
template <typename Command>
const Command& command_as(const SubmissionQueueEntry& sqe) {
  static_assert(sizeof(Command) == sizeof(SubmissionQueueEntry));
  return view_as<Command>(bytes_of(sqe));
}

/// Completion Queue Entry (CQE; NVMe Base 2.1, 4.2).
struct CompletionQueueEntry {
  /// Dword 0 (DW0): the command's result.
  Le32 dw0;
  /// Dword 1 (DW1): the upper half of a 64-bit result.
  Le32 dw1;
  /// SQ Head Pointer (SQHD). Reserved, 0, if SQ flow control is disabled.
  Le16 sqhd;
  /// SQ Identifier (SQID). Reserved, 0, over fabrics.
  Le16 sqid;
  /// Command Identifier (CID) of the command that completes.
  Le16 cid;
  /// Phase Tag and Status: see Status.
  Le16 status;
};
WIRE_STRUCT(CompletionQueueEntry, 16, WIRE_FIELD(CompletionQueueEntry, dw0, 0),
            WIRE_FIELD(CompletionQueueEntry, dw1, 4), WIRE_FIELD(CompletionQueueEntry, sqhd, 8),
            WIRE_FIELD(CompletionQueueEntry, sqid, 10), WIRE_FIELD(CompletionQueueEntry, cid, 12),
            WIRE_FIELD(CompletionQueueEntry, status, 14));

/// NSID values with a meaning of their own.
inline constexpr std::uint32_t kNsidNone = 0;
inline constexpr std::uint32_t kNsidBroadcast = 0xffffffff;

/// Which queue an opcode came on; the two have their own opcodes.
enum class QueueKind : std::uint8_t { kAdmin, kIo };

/// The specification's name of an opcode; never null.
const char* opcode_name(QueueKind queue, std::uint8_t opcode);
/// The specification's name of a Fabrics command type; never null.
const char* fabrics_command_name(std::uint8_t fctype);

}  // namespace capsuled::wire
