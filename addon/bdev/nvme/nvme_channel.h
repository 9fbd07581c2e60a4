// NvmeChannel: one reactor's way to a namespace: each operation is one command of a queue pair,
// with its data where they are.
//
// Operations that find no room wait in a line, oldest first; channels that share a queue have its
// room in turns. So do all while there is no queue, each up to `timeout` from when that was lost.
// Data in memory that the controller does not reach go through a buffer of the channel, one
// operation at a time; that is for what is rare, and counted. Nothing is given to a namespace that
// is not what it was (BdevHealth).
//
//   submit() ─▶ line ─▶ with the controller ─▶ bdev_complete()
//                ▲               │
//                ├── path lost ──┤
//                └───── held ◀───┘ come again
//
// What the controller does not do now, and says so (Namespace Not Ready, Command Interrupted, or
// aborted because it took too long), is held for a while and tried again, some times.
//
// What was outstanding when its queue was lost is carried out once more, unless that could bring
// older data back: a change of blocks that may have been carried out is in doubt from then on, and
// fails, if the end of another change of the same blocks was reported since it was first issued
// (reported_writes.h). So it is not issued again then, and if that was reported while it was under
// way again, nobody is told that all is well. If the controller may go on with what it was given,
// changes are held back for so long first.
//
// Owner and thread: a CoreChannel on its reactor. Invariant: an operation that was submitted and
// has not ended is in the line, is held, or has a slot.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/intrusive_list.h"
#include "bdev/bdev.h"
#include "bdev/nvme/nvme_disk.h"
#include "bdev/nvme/nvme_queue_users.h"
#include "bdev/nvme/reported_writes.h"
#include "nvme/qpair.h"
#include "reactor/timer.h"
#include "wire/io_command.h"

namespace capsuled {

/// What a channel has to know of its namespace.
struct NvmeChannelOptions {
  uint32_t nsid = 1;
  uint32_t block_bytes = 512;
  uint16_t depth = 128;                  ///< commands with the controller at a time
  uint64_t timeout_ns = 30'000'000'000;  ///< how long an operation may wait for the controller
  wire::DsmRange* ranges = nullptr;      ///< `depth` of them, in memory that the controller reaches
  std::byte* bounce = nullptr;           ///< likewise, for the data of the largest operation
};

/// What a bdev keeps for a reactor, channel or not.
struct alignas(64) NvmeReactorPart {
  ReportedWrites writes;
  std::atomic<uint64_t> bounce_copies = 0;  ///< the reactor's to write
};
using NvmeReactorParts = std::vector<std::unique_ptr<NvmeReactorPart>>;

class NvmeChannel final : public BdevChannel {
 public:
  /// `parts` are of all reactors, by index.
  NvmeChannel(Reactor& reactor, const NvmeChannelOptions& options, NvmeQueueUsers& users,
              NvmeReactorParts& parts, const NvmeDisk& disk, BdevHealth& health);
  ~NvmeChannel() override;
  NvmeChannel(const NvmeChannel&) = delete;
  NvmeChannel& operator=(const NvmeChannel&) = delete;

  void submit(BdevIo& io) override;
  void cancel(BdevIo& io) override;
  void recheck(BdevIo& io) override;
  /// Nobody waits for a controller any more that is away.
  void let_go() override;
  void tick() override;
  uint64_t oldest_ns() const override;

  // From NvmeQueueUsers.
  void queue_live(nvme::Qpair& qpair);
  void queue_stopped();
  /// The controller will not come back: everything ends with `status`, and whatever comes.
  void give_up(BdevStatus status);
  /// It may come back after all.
  void hope() { given_up_ = BdevStatus::Success; }
  /// What waits is given to the queue. False: it has no room for more, or there is none.
  bool run_line();
  ListNode room_node;  ///< NvmeQueueUsers's

 private:
  /// Answers that say so with which one operation is tried again.
  static constexpr size_t kTriesMax = 8;
  /// Before the first such try if the controller is there; twice as long before each other.
  static constexpr uint64_t kPauseMinNs = 50'000'000;
  static constexpr uint64_t kLookBackNs = 250'000'000;
  struct Slot : nvme::Request {
    NvmeChannel* channel = nullptr;
    BdevIo* io = nullptr;
    iovec place = {};  ///< of data that are not the operation's
  };
  struct ChannelTimer : Timer {
    NvmeChannel* channel = nullptr;
  };
  using Line = IntrusiveList<BdevIo, &BdevIo::line_node>;

  /// Success: it may be given to the device.
  BdevStatus refusal(const BdevIo& io) const;
  /// False: there is no room.
  bool start(BdevIo& io);
  bool start_bounced(Slot& slot);
  void fill(Slot& slot, BdevIo& io);
  void fill_blocks(Slot& slot, const BdevIo& io);
  void ended(Slot& slot, const wire::CompletionQueueEntry& cqe);
  void take_bounced(const Slot& slot, const BdevIo& io);
  bool is_to_be_tried_again(const Slot& slot, BdevIo& io, wire::Status status);
  void try_again(BdevIo& io, wire::Status status);
  void wait_again(BdevIo& io, wire::Status status);
  void wait_for_held();
  void end_waiting(BdevStatus status);
  BdevStatus outcome(const BdevIo& io, wire::Status status);
  void release_held();
  bool was_overtaken(const BdevIo& io) const;
  void look_back();
  void mark_overtaken();

  Reactor& reactor_;
  const NvmeChannelOptions options_;
  NvmeQueueUsers& users_;
  NvmeReactorParts& parts_;
  NvmeReactorPart& own_;
  const NvmeDisk& disk_;
  BdevHealth& health_;
  const Slot* bounces_ = nullptr;  // whose data are in the buffer
  nvme::Qpair* qpair_ = nullptr;   // null: there is none now
  BdevStatus given_up_ = BdevStatus::Success;
  uint64_t stopped_ns_ = 0;  // when there was one last
  bool going_ = false;       // let_go() was called
  std::vector<Slot> slots_;
  std::vector<uint16_t> free_;
  Line line_;
  Line held_;  // each for its time
  ChannelTimer held_timer_;
  ChannelTimer look_back_timer_;  // started while changes are under way
  std::vector<BdevIo*> looked_;   // by look_back(), each time anew
};

}  // namespace capsuled
