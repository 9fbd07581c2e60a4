// BdevIo: one operation on a block device, from submit to exactly one completion.
//
// Owned by the submitter (an NVMe request embeds one), who fills the first part, submits it to a BdevChannel and must
// keep it until `complete` ran. `complete` runs from the reactor's loop, never inside submit().
// Thread: the reactor of the channel.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>

#include "base/intrusive_list.h"
#include "env/ring.h"

namespace capsuled {

enum class BdevIoType : uint8_t { Read, Write, Flush, Unmap, WriteZeroes, Compare };
inline constexpr size_t kBdevIoTypeCount = 6;

/// How an operation ended; nvmf/status maps each to one NVMe status.
enum class BdevStatus : uint8_t {
  Success,
  Failed,       ///< unspecified internal failure
  MediaError,   ///< EIO from below: read or write did not reach the medium
  NoSpace,      ///< ENOSPC
  Miscompare,   ///< Compare found a difference
  Aborted,      ///< cancelled on request
  OutOfRange,   ///< beyond the end of the device
  Unsupported,  ///< the backend cannot, and the core cannot emulate it
  ReadOnly,
  Gone,         ///< the device was removed
};

struct BdevIo {
  ListNode node;  ///< for whoever holds the operation: the core, then the backend, then the core again
  // Filled by the submitter.
  BdevIoType type = BdevIoType::Read;
  bool force_unit_access = false;
  uint64_t offset_blocks = 0;  ///< in blocks of the bdev
  uint64_t count_blocks = 0;
  iovec* iov = nullptr;        ///< Read: filled; Write, Compare: the data; else unused
  uint32_t iov_count = 0;
  void (*complete)(BdevIo& io) = nullptr;

  // Filled by the core and the backend.
  BdevStatus status = BdevStatus::Success;
  uint64_t submitted_ns = 0;
  class BdevChannel* channel = nullptr;
  bool cancel_requested = false;

  // For the backend, while the operation is with it.
  env::RingOp op;
  iovec scratch_iov = {};
  uint64_t scratch = 0;
  void* parent = nullptr;  ///< for the core: the operation that this one is a part of
};

}  // namespace capsuled
