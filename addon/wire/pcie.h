/// What only a controller on PCI Express has: doorbells, the queues that a host makes for it in its
/// memory, and Physical Region Pages (NVMe over PCIe Transport 1.1; NVMe Base 2.1).
#pragma once

#include "wire/command.h"

namespace capsuled::wire {

/// Where the doorbells begin among the registers, in bytes (NVMe over PCIe 1.1, 3.1.2).
inline constexpr std::uint32_t kDoorbellsOffset = 0x1000;

/// The doorbell of the tail of submission queue `qid`. `dstrd` is CAP.DSTRD.
constexpr std::uint32_t submission_doorbell(std::uint32_t qid, std::uint32_t dstrd) {
  return kDoorbellsOffset + 2 * qid * (4u << dstrd);
}
/// The doorbell of the head of completion queue `qid`.
constexpr std::uint32_t completion_doorbell(std::uint32_t qid, std::uint32_t dstrd) {
  return kDoorbellsOffset + (2 * qid + 1) * (4u << dstrd);
}

/// Admin Queue Attributes (AQA; NVMe Base 2.1, 3.1.4.8).
#define WIRE_AQA_BITS(X)                                          \
  X(Asqs, 11, 0, "Admin Submission Queue Size (ASQS), 0's based") \
  X(Acqs, 27, 16, "Admin Completion Queue Size (ACQS), 0's based")
WIRE_BITS(Aqa, WIRE_AQA_BITS);

/// Dword 10 of Create and Delete I/O Submission and Completion Queue (NVMe over PCIe 1.1, 5).
#define WIRE_CREATE_QUEUE_CDW10_BITS(X)   \
  X(Qid, 15, 0, "Queue Identifier (QID)") \
  X(Qsize, 31, 16, "Queue Size (QSIZE), 0's based")
WIRE_BITS(CreateQueueCdw10, WIRE_CREATE_QUEUE_CDW10_BITS);

/// Dword 11 of Create I/O Completion Queue.
#define WIRE_CREATE_COMPLETION_QUEUE_CDW11_BITS(X) \
  X(Pc, 0, 0, "Physically Contiguous (PC)")        \
  X(Ien, 1, 1, "Interrupts Enabled (IEN)")         \
  X(Iv, 31, 16, "Interrupt Vector (IV)")
WIRE_BITS(CreateCompletionQueueCdw11, WIRE_CREATE_COMPLETION_QUEUE_CDW11_BITS);

/// Dword 11 of Create I/O Submission Queue.
#define WIRE_CREATE_SUBMISSION_QUEUE_CDW11_BITS(X) \
  X(Pc, 0, 0, "Physically Contiguous (PC)")        \
  X(Qprio, 2, 1, "Queue Priority (QPRIO)")         \
  X(Cqid, 31, 16, "Completion Queue Identifier (CQID)")
WIRE_BITS(CreateSubmissionQueueCdw11, WIRE_CREATE_SUBMISSION_QUEUE_CDW11_BITS);

/// The Data Pointer (DPTR) with PSDT 0 (NVMe Base 2.1, 4.3.1).
struct PrpPointer {
  /// PRP Entry 1 (PRP1): where the data begin, at a multiple of 4.
  Le64 prp1;
  /// PRP Entry 2 (PRP2): of data within two memory pages the second, if there is one; of more the
  /// list of all pages but the first.
  Le64 prp2;
};
WIRE_STRUCT(PrpPointer, 16, WIRE_FIELD(PrpPointer, prp1, 0), WIRE_FIELD(PrpPointer, prp2, 8));

inline PrpPointer& prp_of(SubmissionQueueEntry& sqe) {
  return view_as<PrpPointer>(bytes_of(sqe.dptr));
}
inline const PrpPointer& prp_of(const SubmissionQueueEntry& sqe) {
  return view_as<PrpPointer>(bytes_of(sqe.dptr));
}

}  // namespace capsuled::wire
