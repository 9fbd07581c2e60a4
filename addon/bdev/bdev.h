// Bdev: a block device as its users see it. What it is, its limits, and a maker of per-reactor
// channels.
//
// A Bdev is created by its kind's factory on the control thread (may block: opens files),
// registered by name, opened through BdevDesc, and destroyed on the control thread after the last
// BdevDesc closed and every channel was released. Facts do not change while it is open. What may
// go through it in a second does, and it may grow: see BdevRegistry::grow().
//
// A bdev may stand on others, its bases, which it keeps open; see bdev_layer.h.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/changeable.h"
#include "bdev/bdev_error.h"
#include "bdev/bdev_health.h"
#include "bdev/bdev_io.h"
#include "bdev/drive_report.h"
#include "env/content.h"

namespace capsuled {

class BdevDesc;
class Reactor;
struct QosBudget;
struct QosLimits;

struct BdevFacts {
  std::string name;
  std::string kind;
  uint32_t block_size = 512;  ///< bytes, power of two, 512..65536
  uint64_t block_count = 0;   ///< when it was made: see Bdev::block_count()
  uint32_t transfer_bytes_max =
      0;  ///< of one operation with data; 0: no limit (the core splits above it)
  uint64_t zero_blocks_max = 0;   ///< of one WriteZeroes; 0: no limit
  uint64_t unmap_blocks_max = 0;  ///< of one Unmap; 0: no limit
  uint32_t boundary_blocks =
      0;  ///< operations with data must not cross it (the core splits); 0: none
  uint32_t buffer_alignment =
      1;  ///< bytes, power of two up to 4096: of each iovec's address and length
  uint32_t optimal_write_blocks = 0;  ///< preferred granularity; 0: not said
  bool read_only = false;
  bool can_unmap = false;         ///< Unmap: the blocks hold nothing that anybody wants
  bool unmap_zeroes = false;      ///< … and afterwards they read as zeros
  bool can_write_zeroes = false;  ///< else, or when it ends as Unsupported, the core writes zeros
  bool can_compare = false;       ///< else the core reads and compares
  bool volatile_cache = false;    ///< Flush has something to do
  /// Operations may wait for a device, its own or one further down, which may hang or fail: see
  /// tick(), CoreChannel::may_keep() and hangs().
  bool has_device = false;
  /// A Read may go without memory of its own: see BdevChannel::lend(). Only for a bdev without
  /// limits to its operations.
  bool lends_reads = false;
  /// The data of a Write or Compare are not used any more when submit() returns, unless it has to
  /// wait: see CoreChannel::takes_data_at_once(). Only for a bdev without limits to its operations.
  bool takes_data_at_once = false;
  /// What the content lies in, as it was when the bdev was made; null: in memory, gone with the
  /// bdev.
  std::shared_ptr<const env::ContentFacts> content{};
  /// The file was made for this bdev.
  bool created = false;
  /// Where it begins in its base, in blocks, if it is a part of one.
  uint64_t first_block = 0;
  /// What the operator should know of how it was found; empty: nothing.
  std::string warning{};
  /// What the factory has found out that may be written in its configuration, by key.
  std::map<std::string, std::string> found{};
};

/// One of several ways to what a bdev has, in words.
struct BdevPath {
  std::string name;    ///< where it leads: "192.0.2.1:4420"
  std::string state;   ///< "live", "reconnecting", …: its kind says which there are
  std::string access;  ///< how good it is; empty: that is not known now
  std::string reason;  ///< what is wrong with it; empty: nothing
};

class BdevChannel;
class CoreChannel;

/// Where a layer has its blocks; null: nowhere in particular.
struct BdevBelow {
  CoreChannel* base = nullptr;
  uint64_t first_block = 0;
};

/// Who lends what a bdev has, and where its blocks begin there.
struct BdevLoan {
  BdevChannel* lender = nullptr;
  uint64_t first_block = 0;
};

/// The part of a bdev that lives on one reactor. submit() is given operations already checked and
/// split.
class BdevChannel {
 public:
  virtual ~BdevChannel() = default;
  /// Starts `io`; ends with bdev_complete(io, status), from here or later: the core runs
  /// `io.complete` from the loop.
  virtual void submit(BdevIo& io) = 0;
  /// Tries to end `io`, which was submitted here and has not ended, early (it then ends with
  /// Aborted); the default cannot. Either way `io` ends by one bdev_complete().
  virtual void cancel(BdevIo& io) { (void)io; }
  /// Before submit(), for a Read: sets `io.iov`, which has room for kTransferBuffersMax, and
  /// `io.iov_count` to where the blocks are. They stay so, even if they are written and even if
  /// this channel goes, until bdev_give_back(). False: not now; the Read needs memory.
  virtual bool lend(BdevIo& io) {
    (void)io;
    return false;
  }
  // What a channel says of itself from here to may_keep() is asked for when it is made, and when
  // something was changed.

  /// A layer that would forward each operation at once, as it is: to where. Then it is not asked
  /// to.
  virtual BdevBelow passes_to() { return {}; }
  /// A layer that changes no data: the channel of the bdev that has them. It outlives this one.
  virtual BdevLoan lends_as() { return {this, 0}; }
  /// A layer: whether forwarded() is to be called.
  virtual bool looks_at_ends() const { return false; }
  /// Of a bdev with a device: whether operations may wait for it now. A layer may have one that
  /// only waits if it is told to.
  virtual bool may_keep() const { return true; }
  /// A layer: what it forwarded has ended, with `io.status`, and is as it was when the layer was
  /// given it. False: the layer keeps it, with bdev_keep(), and ends it with bdev_complete().
  virtual bool forwarded(BdevIo& io) {
    (void)io;
    return true;
  }
  /// As submit() of a Flush, but looks whether the bdev's faults are still there, and clears those
  /// that are not; ends with Success if none is left.
  virtual void recheck(BdevIo& io);
  /// What can be changed while the bdev is open was changed, of this one or of one below: before it
  /// is asked anew what it says of itself. A layer has what it stands on do the same first.
  virtual void refresh() {}
  /// What can be changed while the bdev is open was changed: for what is kept because of it.
  virtual void parameters_changed() {}
  /// The bdev is to go: ends what is kept here by intent, and not by a device.
  virtual void let_go() {}
  /// About once a second, while there is a channel: for looks at the device that cost nothing.
  virtual void tick() {}
  /// When the oldest operation that has not ended was submitted; UINT64_MAX: there is none, or none
  /// can take long.
  virtual uint64_t oldest_ns() const { return UINT64_MAX; }
  /// A layer: whether what it stands on does; see CoreChannel::hangs().
  virtual bool base_hangs() const { return false; }
  /// A layer: whether what it stands on is; see CoreChannel::is_limited().
  virtual bool base_is_limited() const { return false; }
};

/// Who wants to know when a loan ends; null in BdevIo if nobody does. Reactor's thread.
class BdevLender {
 public:
  virtual void give_back(BdevIo& io) = 0;

 protected:
  ~BdevLender() = default;
};

enum class BdevAccess : uint8_t {
  None,             ///< it is only looked at, beside who uses it
  SharedReader,     ///< nobody may write there
  ExclusiveWriter,  ///< nobody else may be there
};

/// How a bdev uses one that it stands on.
struct BdevClaim {
  BdevAccess access = BdevAccess::ExclusiveWriter;
  uint64_t first_block = 0;
  uint64_t end_block = UINT64_MAX;  ///< behind the last

  bool clashes(const BdevClaim& other) const {
    if (access == BdevAccess::None || other.access == BdevAccess::None) return false;
    if (access == BdevAccess::SharedReader && other.access == access) return false;
    return first_block < other.end_block && other.first_block < end_block;
  }
};

struct BdevBase {
  std::shared_ptr<BdevDesc> desc;
  BdevClaim claim;
};

class Bdev {
 public:
  explicit Bdev(BdevFacts facts);
  virtual ~Bdev();
  Bdev(const Bdev&) = delete;
  Bdev& operator=(const Bdev&) = delete;
  const BdevFacts& facts() const { return facts_; }
  /// Blocks that it has now. Any thread; never fewer than before. Acquire: whoever sees that it has
  /// grown sees, later, that what it stands on has.
  uint64_t block_count() const { return block_count_.load(std::memory_order_acquire); }
  /// Bytes that it could have, as it was last found: its device has grown, or what it stands on.
  /// Control thread.
  virtual uint64_t bytes_found() const { return block_count() * facts_.block_size; }
  /// The same in blocks; those it has, if a part of one is left over. Control thread.
  uint64_t blocks_found() const;
  BdevHealth& health() { return health_; }
  /// Of one that is reached over several; empty: there is but one way. Control thread.
  virtual std::vector<BdevPath> paths() const { return {}; }
  /// Of one that drives its device by itself. Control thread.
  virtual std::optional<DriveReport> drive_report() const { return std::nullopt; }
  /// What it stands on. Control thread.
  const std::vector<BdevBase>& bases() const { return bases_; }
  /// 0: on nothing.
  uint32_t level() const { return level_; }
  /// Reactor's thread. Never blocks, never null.
  virtual std::unique_ptr<BdevChannel> make_channel(Reactor& reactor) = 0;
  /// Control thread. Its channels find it when CoreChannel::changed() is called.
  void set_limits(const QosLimits& limits);
  /// Null: there are no limits.
  const Changeable<std::shared_ptr<QosBudget>>& budget() const { return budget_; }

 protected:
  /// Of a factory: `bases`, in no particular order.
  Bdev(BdevFacts facts, std::vector<BdevBase> bases);
  /// It has so many blocks from now on, which were found.
  virtual void grown(uint64_t block_count) { (void)block_count; }

 private:
  friend class BdevRegistry;
  const BdevFacts facts_;
  std::atomic<uint64_t> block_count_;
  BdevHealth health_;
  std::vector<BdevBase> bases_;  ///< closed by the registry, on the control thread
  uint32_t level_ = 0;
  std::shared_ptr<QosBudget> budget_now_;  ///< the control thread's
  Changeable<std::shared_ptr<QosBudget>> budget_{nullptr};
};

/// The backend's last word on `io`: queues it for the loop. Reactor's thread.
void bdev_complete(BdevIo& io, BdevStatus status);
/// In BdevChannel::forwarded(): the layer has it again.
void bdev_keep(BdevIo& io);
/// The end of a loan: nobody looks at `io.iov` any more. The thread of the reactor that took it.
void bdev_give_back(BdevIo& io);

}  // namespace capsuled
