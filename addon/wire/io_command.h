/// NVM Command Set I/O commands (NVM Command Set 1.1, section 3) and the I/O commands common to all
/// sets (NVMe Base 2.1, section 7). The specification's 0's based counts become counts here, once.
#pragma once

#include "wire/command.h"

namespace capsuled::wire {

/// Opcode of an I/O command.
#define WIRE_IO_OPCODES(X)                                \
  X(kFlush, 0x00, "Flush")                                \
  X(kWrite, 0x01, "Write")                                \
  X(kRead, 0x02, "Read")                                  \
  X(kWriteUncorrectable, 0x04, "Write Uncorrectable")     \
  X(kCompare, 0x05, "Compare")                            \
  X(kWriteZeroes, 0x08, "Write Zeroes")                   \
  X(kDatasetManagement, 0x09, "Dataset Management")       \
  X(kVerify, 0x0c, "Verify")                              \
  X(kReservationRegister, 0x0d, "Reservation Register")   \
  X(kReservationReport, 0x0e, "Reservation Report")       \
  X(kReservationAcquire, 0x11, "Reservation Acquire")     \
  X(kIoManagementReceive, 0x12, "I/O Management Receive") \
  X(kReservationRelease, 0x15, "Reservation Release")     \
  X(kCancel, 0x18, "Cancel")                              \
  X(kCopy, 0x19, "Copy")                                  \
  X(kIoManagementSend, 0x1d, "I/O Management Send")       \
  X(kFabrics, 0x7f, "Fabrics")
WIRE_ENUM(IoOpcode, std::uint8_t, WIRE_IO_OPCODES);

/// Bits 1:0 of an opcode: which way its data go (NVMe Base 2.1, 4.1). Fabrics has the same in its
/// command type.
#define WIRE_DATA_TRANSFERS(X)                    \
  X(kNone, 0x0, "No data transfer")               \
  X(kHostToController, 0x1, "Host to controller") \
  X(kControllerToHost, 0x2, "Controller to host") \
  X(kBidirectional, 0x3, "Bidirectional")
WIRE_ENUM(DataTransfer, std::uint8_t, WIRE_DATA_TRANSFERS);

/// Where an opcode or a Fabrics command type says which way its data go.
#define WIRE_OPCODE_BITS(X) X(DataTransferDirection, 1, 0, "Data Transfer (DTD)")
WIRE_BITS(OpcodeField, WIRE_OPCODE_BITS);

constexpr DataTransfer data_transfer(std::uint8_t opcode_or_fctype) {
  return static_cast<DataTransfer>(OpcodeField::DataTransferDirection::get(opcode_or_fctype));
}

/// Command Dword 12 of Read, Write, Compare, Verify, Write Zeroes and Write Uncorrectable.
#define WIRE_LBA_RANGE_CDW12_BITS(X)                          \
  X(Nlb, 15, 0, "Number of Logical Blocks (NLB), 0's based")  \
  X(Nsz, 23, 23, "Namespace Zeroes (NSZ), Write Zeroes only") \
  X(Stc, 24, 24, "Storage Tag Check (STC)")                   \
  X(Deac, 25, 25, "Deallocate (DEAC), Write Zeroes only")     \
  X(Prinfo, 29, 26, "Protection Information (PRINFO)")        \
  X(Fua, 30, 30, "Force Unit Access (FUA)")                   \
  X(Lr, 31, 31, "Limited Retry (LR)")
WIRE_BITS(LbaRangeCdw12, WIRE_LBA_RANGE_CDW12_BITS);

/// A command on one range of logical blocks: Read, Write, Compare, Verify, Write Zeroes, Write
/// Uncorrectable. A view: it must not outlive the entry.
class LbaRangeCommand {
 public:
  explicit LbaRangeCommand(const SubmissionQueueEntry& sqe) : sqe_(sqe) {}

  /// Starting LBA (SLBA).
  std::uint64_t slba() const { return std::uint64_t{sqe_.cdw11.get()} << 32 | sqe_.cdw10.get(); }
  /// Number of Logical Blocks (NLB), converted: 1 to 65,536.
  std::uint32_t block_count() const { return LbaRangeCdw12::Nlb::get(sqe_.cdw12.get()) + 1; }
  /// Force Unit Access (FUA): complete when on non-volatile media.
  bool fua() const { return LbaRangeCdw12::Fua::get(sqe_.cdw12.get()) != 0; }
  /// Limited Retry (LR).
  bool limited_retry() const { return LbaRangeCdw12::Lr::get(sqe_.cdw12.get()) != 0; }
  /// Protection Information (PRINFO): PRACT and PRCHK; non-zero asks for what a namespace without
  /// metadata lacks.
  std::uint32_t prinfo() const { return LbaRangeCdw12::Prinfo::get(sqe_.cdw12.get()); }
  /// Deallocate (DEAC): Write Zeroes may deallocate.
  bool deallocate() const { return LbaRangeCdw12::Deac::get(sqe_.cdw12.get()) != 0; }

 private:
  const SubmissionQueueEntry& sqe_;
};

/// Command Dword 10 and 11 of Dataset Management (NVM Command Set 1.1, 3.3.3).
#define WIRE_DATASET_MANAGEMENT_CDW10_BITS(X) X(Nr, 7, 0, "Number of Ranges (NR), 0's based")
WIRE_BITS(DatasetManagementCdw10, WIRE_DATASET_MANAGEMENT_CDW10_BITS);
#define WIRE_DATASET_MANAGEMENT_CDW11_BITS(X)                  \
  X(Idr, 0, 0, "Attribute - Integral Dataset for Read (IDR)")  \
  X(Idw, 1, 1, "Attribute - Integral Dataset for Write (IDW)") \
  X(Ad, 2, 2, "Attribute - Deallocate (AD)")
WIRE_BITS(DatasetManagementCdw11, WIRE_DATASET_MANAGEMENT_CDW11_BITS);

class DatasetManagementCommand {
 public:
  explicit DatasetManagementCommand(const SubmissionQueueEntry& sqe) : sqe_(sqe) {}

  /// Number of Ranges (NR), converted: 1 to 256.
  std::uint32_t range_count() const {
    return DatasetManagementCdw10::Nr::get(sqe_.cdw10.get()) + 1;
  }
  /// Attribute - Deallocate (AD). The other attributes are hints.
  bool deallocate() const { return DatasetManagementCdw11::Ad::get(sqe_.cdw11.get()) != 0; }

 private:
  const SubmissionQueueEntry& sqe_;
};

/// Most ranges of one Dataset Management command.
inline constexpr std::uint32_t kDsmRangesMax = 256;

/// Dataset Management range (NVM Command Set 1.1, 3.3.3).
struct DsmRange {
  /// Context Attributes (CATTR): hints.
  Le32 cattr;
  /// Length (NLB), in logical blocks; not 0's based.
  Le32 nlb;
  /// Starting LBA (SLBA).
  Le64 slba;
};
WIRE_STRUCT(DsmRange, 16, WIRE_FIELD(DsmRange, cattr, 0), WIRE_FIELD(DsmRange, nlb, 4),
            WIRE_FIELD(DsmRange, slba, 8));

/// Command Dword 12 of Copy (NVM Command Set 1.1, 3.3.2). The destination's first LBA is in dwords
/// 10 and 11.
#define WIRE_COPY_CDW12_BITS(X)                                \
  X(Nr, 7, 0, "Number of Ranges (NR), 0's based")              \
  X(Desfmt, 11, 8, "Descriptor Format (DESFMT)")               \
  X(Prinfor, 15, 12, "Protection Information Read (PRINFOR)")  \
  X(Stcw, 24, 24, "Storage Tag Check Write (STCW)")            \
  X(Stcr, 25, 25, "Storage Tag Check Read (STCR)")             \
  X(Prinfow, 29, 26, "Protection Information Write (PRINFOW)") \
  X(Fua, 30, 30, "Force Unit Access (FUA)")                    \
  X(Lr, 31, 31, "Limited Retry (LR)")
WIRE_BITS(CopyCdw12, WIRE_COPY_CDW12_BITS);

class CopyCommand {
 public:
  explicit CopyCommand(const SubmissionQueueEntry& sqe) : sqe_(sqe) {}

  /// Starting Destination LBA (SDLBA).
  std::uint64_t sdlba() const { return std::uint64_t{sqe_.cdw11.get()} << 32 | sqe_.cdw10.get(); }
  /// Number of Ranges (NR), converted: 1 to 256.
  std::uint32_t range_count() const { return CopyCdw12::Nr::get(sqe_.cdw12.get()) + 1; }
  std::uint32_t descriptor_format() const { return CopyCdw12::Desfmt::get(sqe_.cdw12.get()); }
  bool fua() const { return CopyCdw12::Fua::get(sqe_.cdw12.get()) != 0; }

 private:
  const SubmissionQueueEntry& sqe_;
};

/// Copy Source Range Entry, Descriptor Format 0h (NVM Command Set 1.1, 3.3.2).
struct CopySourceRange {
  Bytes<8> reserved0;
  /// Starting LBA (SLBA).
  Le64 slba;
  /// Number of Logical Blocks (NLB), 0's based.
  Le16 nlb;
  Bytes<6> reserved18;
  /// Expected Logical Block Reference Tag (ELBRT).
  Le32 elbrt;
  /// Expected Logical Block Application Tag (ELBAT) and its Mask (ELBATM).
  Le16 elbat;
  Le16 elbatm;
};
WIRE_STRUCT(CopySourceRange, 32, WIRE_FIELD(CopySourceRange, slba, 8),
            WIRE_FIELD(CopySourceRange, nlb, 16), WIRE_FIELD(CopySourceRange, elbrt, 24),
            WIRE_FIELD(CopySourceRange, elbat, 28), WIRE_FIELD(CopySourceRange, elbatm, 30));

}  // namespace capsuled::wire
