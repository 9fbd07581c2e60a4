// BdevIo: one operation on a block device, from submit to exactly one completion.
//
// Owned by the submitter (an NVMe request embeds one), who fills the first part, submits it to a
// CoreChannel and must keep it, and what `iov` points to, until `complete` ran. `complete` runs
// from the reactor's loop, never inside submit(). Thread: the reactor of the channel.
//
//   Idle ──submit──► Backend ──bdev_complete──► Ended ──loop: complete()──► Idle
//     ├────split, emulated──► Pieces ──last piece ended──► Ended
//     ├────refused──► Ended          Ended ──WriteZeroes refused by the backend──► Pieces
//     └────over a limit──► Waiting ──tokens──► Backend, Pieces
//
// In a stack the same operation goes down: the channel of a layer forwards it to its base's
// CoreChannel, which does with it what it does with any other (Backend ──► Waiting, Pieces). When
// it has ended, the loop takes it up through all layers in one turn, each of which may look at it,
// or keep it (Ended ──► Backend) and end it later.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "base/intrusive_list.h"
#include "base/intrusive_queue.h"
#include "bdev/iov_cursor.h"
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
  Gone,  ///< the device was removed
  Lost,  ///< refused, because of what was lost before: see BdevHealth
};

enum class BdevIoState : uint8_t {
  Idle,     ///< with the submitter, whose submit() moves it on
  Backend,  ///< with the backend's channel, whose bdev_complete() moves it on
  Pieces,   ///< carried out in pieces; the end of the last one moves it on
  Ended,    ///< in the reactor's queue; the loop moves it on
  Waiting,  ///< for what its bdev's limits allow; its QosGate moves it on
};
inline constexpr size_t kBdevIoStateCount = 5;

/// How the core carries out an operation in pieces.
enum class PieceKind : uint8_t {
  Same,           ///< the same operation on fewer blocks
  CompareByRead,  ///< Compare on a backend that has none
  ZeroByWrite,    ///< WriteZeroes on a backend that has none
};

/// Iovecs that one piece of an operation has room for. Contract for submitters: any this many
/// consecutive iovecs of an operation hold at least one whole block.
inline constexpr uint32_t kPieceIovMax = 16;

/// Bdevs on top of each other, at most.
inline constexpr uint32_t kStackDepthMax = 8;

/// What a layer keeps of an operation that it has forwarded.
struct BdevFrame {
  class CoreChannel* above =
      nullptr;                 ///< that forwarded it to this layer; null: it was submitted here
  uint64_t offset_blocks = 0;  ///< in this layer's blocks
  std::array<uint64_t, 2> scratch{};  ///< the layer's own
};

struct BdevIo {
  BdevIo() = default;

  // Filled by the submitter.
  BdevIoType type = BdevIoType::Read;
  bool force_unit_access = false;  ///< Write, WriteZeroes: on the medium before it completes
  uint64_t offset_blocks = 0;      ///< in blocks of the bdev
  uint64_t count_blocks = 0;       ///< 0 for Flush only
  /// Read: filled, or lent; Write, Compare: the data; else unused. Modified by a loan alone.
  iovec* iov = nullptr;
  uint32_t iov_count = 0;
  void (*complete)(BdevIo& io) = nullptr;
  void* user = nullptr;  ///< the submitter's own, for `complete`
  /// Who it is from, among those of the reactor: where limits hold, flows have their turn one after
  /// the other. 0: nobody in particular.
  uint32_t flow = 0;
  /// Set by CoreChannel::cancel(), and by a submitter who goes on with an operation that was
  /// cancelled: it ends as Aborted then, without being started.
  bool cancel_requested = false;

  // The outcome.
  BdevStatus status = BdevStatus::Success;

  // A loan: from CoreChannel::lend() to bdev_give_back().
  bool lent = false;
  class BdevLender* lender = nullptr;  ///< the bdev's, if it wants to know of the end

  // Kept by the core.
  BdevIoState state = BdevIoState::Idle;
  class CoreChannel* above = nullptr;  ///< that forwarded it to `channel`
  uint64_t submitted_ns = 0;
  class CoreChannel* channel = nullptr;
  BdevIo* parent = nullptr;  ///< the operation that this one is a piece of
  struct Progress {          ///< of an operation that is carried out in pieces
    PieceKind kind = PieceKind::Same;
    uint32_t outstanding = 0;     ///< pieces with the backend
    uint64_t blocks_started = 0;  ///< handed to pieces so far, from the front
    IovCursor data;               ///< where the data of the next piece starts
  } progress;
  QueueNode ended_node;  ///< in the reactor's queue of ended operations
  /// In the channel's line of operations with pieces left to start, or in one of its QosGate; or,
  /// while the operation is with the backend, in a line of its own.
  ListNode line_node;

  // For the backend, while the operation is with it.
  class BdevChannel* backend = nullptr;
  env::RingOp op;
  iovec scratch_iov = {};
  uint64_t scratch = 0;

  /// Of the layers that it went through: that of a bdev of level N is at N - 1.
  std::array<BdevFrame, kStackDepthMax - 1> frames{};

  /// Asserts that the transition is in the table.
  void set_state(BdevIoState next);

  /// The operation whose `op` completed.
  static BdevIo& of(env::RingOp& op) {
    return *reinterpret_cast<BdevIo*>(reinterpret_cast<std::byte*>(&op) - offsetof(BdevIo, op));
  }
};
static_assert(std::is_standard_layout_v<BdevIo>, "of() needs offsetof");

}  // namespace capsuled
