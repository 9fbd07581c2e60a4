// UringChannel: one reactor's way to a file. Each operation is one ring operation, or a few in
// sequence: a transfer that the kernel cut short goes on where it stopped, and zeroing with Force
// Unit Access is followed by a sync.
//
// A file whose device hangs must not hold up others. What the kernel cannot begin without waiting
// holds one of its workers, which all files of the reactor share; so the kernel gets but so many
// operations of this file at a time, and the ring is told to allow as many workers more. Syncs and
// zeroing take a worker each time; transfers only where the file system or the device makes them
// wait. What is more waits in a line of this channel, where it holds nothing of anybody else's and
// cancel() ends it.
//
// What was lost stays visible: what BdevHealth has latched is looked at before each operation is
// handed to the kernel, and raised here.
//
// Owner and thread: a CoreChannel on its reactor. Invariant: an operation that was submitted and
// has not ended is in one of the four lists, oldest first, or is a recheck.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/intrusive_list.h"
#include "bdev/bdev.h"
#include "bdev/bdev_health.h"
#include "env/ring.h"

namespace capsuled {

class Reactor;

/// Any thread. Relaxed: nothing but the numbers is told.
struct UringFileSize {
  explicit UringFileSize(uint64_t bytes) : used(bytes), found(bytes) {}
  std::atomic<uint64_t> used;   ///< less than this is loss
  std::atomic<uint64_t> found;  ///< when it was last looked at, if it was no less
};

/// What a channel needs to know of the file.
struct UringFile {
  int fd = -1;
  uint32_t block_size = 0;
  bool block_device = false;
};

class UringChannel final : public BdevChannel {
 public:
  /// Transfers that the kernel has at a time: so many keep every disk busy.
  static constexpr uint32_t kTransfersMax = 128;
  /// Syncs and zeroing that the kernel has at a time. Several, because it carries out those that
  /// wait for one disk together.
  static constexpr uint32_t kBlockingMax = 8;
  /// Of the kernel's workers that one hung file may hold; one more for a recheck.
  static constexpr int32_t kWorkersMax = kTransfersMax + kBlockingMax + 1;

  /// `ring` is the reactor's, or a test's.
  UringChannel(Reactor& reactor, env::Ring& ring, UringFile file, UringFileSize& size,
               BdevHealth& health);
  ~UringChannel() override;
  UringChannel(const UringChannel&) = delete;
  UringChannel& operator=(const UringChannel&) = delete;

  void submit(BdevIo& io) override;
  void cancel(BdevIo& io) override;
  void recheck(BdevIo& io) override;
  void tick() override;
  uint64_t oldest_ns() const override;

 private:
  using List = IntrusiveList<BdevIo, &BdevIo::line_node>;

  /// How `io` ends without reaching the device, because of what was lost; Success: it does not.
  BdevStatus refusal(const BdevIo& io);
  /// What keeps everything from the device, in the same words.
  BdevStatus lost() const;
  /// Whether a file of so many bytes is shorter than what is used of it; raises kLostData then, or
  /// kGone of a device that has no size any more.
  bool is_short(uint64_t bytes);
  /// is_short() of the file as it is; and notes that it is longer.
  void look_at_size();
  /// Notes the failure; the status that says it.
  BdevStatus failed(const BdevIo& io, int errnum);
  BdevStatus sync_failed(const BdevIo& io, int errnum);
  /// Of changes: the device takes writes.
  void changed();

  /// Starts the transfers that there is room for.
  void begin_transfers();
  void end_transfer(BdevIo& io, BdevStatus status);
  /// Reads or writes what is left behind the first `io.scratch` bytes.
  void transfer(BdevIo& io);
  void transferred(BdevIo& io, int32_t result);

  /// Starts the syncs and zeroings that there is room for.
  void begin_blocking();
  void end_blocking(BdevIo& io, BdevStatus status);
  void sync(BdevIo& io);
  void zero(BdevIo& io);
  void zeroed(BdevIo& io, int32_t result);
  void rechecked(BdevIo& io, int32_t result);

  Reactor& reactor_;
  env::Ring& ring_;
  const UringFile file_;
  UringFileSize& size_;
  BdevHealth& health_;
  uint64_t looked_ns_ = 0;  ///< at the size; the reactor's time
  List line_;               ///< transfers that wait
  List transfers_;          ///< with the kernel
  List blocking_line_;      ///< syncs and zeroing that wait
  List blocking_;           ///< with the kernel
};

}  // namespace capsuled
