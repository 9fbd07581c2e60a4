// CoreChannel: a bdev on one reactor, what I/O commands submit to. It holds back what is over the
// bdev's limits, splits, emulates, counts and times.
//
// One per (bdev, reactor), shared by all its users on that reactor by reference count; made by the
// first acquire(), dropped by the last release(). Thread: the reactor's own. An operation that
// needs no split goes straight to the backend, without allocation; where there are limits, the gate
// is asked first (qos_gate.h). They hold for each operation that is submitted or forwarded here,
// once, whatever becomes of it. Invariant: in_flight() counts the operations whose `complete` did
// not run yet; it is zero at the last release().
#pragma once

#include <cstdint>
#include <memory>

#include "bdev/bdev.h"
#include "bdev/bdev_io.h"
#include "bdev/bdev_registry.h"
#include "reactor/reactor.h"

namespace capsuled {

class Pieces;
class QosGate;
class ReactorChannels;

class CoreChannel {
 public:
  /// What has kept an operation for so long counts as something that hangs.
  static constexpr uint64_t kHangsAfterNs = 5'000'000'000;

  /// The channel of `entry` on `reactor`, made if it is not there. Release it exactly once.
  static CoreChannel* acquire(Reactor& reactor, const std::shared_ptr<BdevEntry>& entry);
  /// May be called from a `complete`.
  void release();

  /// Starts `io`: bounds are checked by the caller (asserted here), splits at the backend's limits,
  /// emulates Compare and WriteZeroes where the backend lacks them, counts and times. Unmap that
  /// the backend lacks ends as Unsupported, a change of a read-only bdev as ReadOnly. `io.complete`
  /// runs later from the loop.
  void submit(BdevIo& io);
  /// From the channel of a layer, which was given `io`: carries it out as submit() would, from
  /// `offset_blocks` on here. In the end the layer's forwarded() runs, with `io` as it was. Counted
  /// from `io.submitted_ns`, which a layer that kept it for a time sets anew.
  void forward(BdevIo& io, uint64_t offset_blocks);
  /// Who lends what this channel lends.
  const BdevLoan& loan() const { return loan_; }
  /// What the layer that this is the channel of keeps of `io`.
  BdevFrame& frame(BdevIo& io) const { return io.frames[frame_]; }
  /// Before submit(), for a Read of a bdev that lends: see BdevChannel::lend().
  bool lend(BdevIo& io);
  /// The same for a layer above that has `io`, before it is forwarded; and the end of that loan,
  /// when `io` has come back.
  bool begin_loan(BdevIo& io);
  static void end_loan(BdevIo& io);
  /// A Flush that finds out whether the bdev's faults are still there: see BdevHealth. Ends with
  /// Success if none is left.
  void recheck(BdevIo& io);
  /// Asks for an early end of `io`, which was submitted here and has not completed. It completes in
  /// any case: with Aborted if this was in time, even though some of its blocks may have been
  /// written.
  void cancel(BdevIo& io);
  /// The bdev is to go: see BdevChannel; and nothing waits for a limit any more.
  void let_go();
  /// Asks the bdev and the backend anew what they say of themselves; those below first.
  void refresh();
  const BdevFacts& facts() const { return facts_; }
  /// What may be submitted here: the bdev may have more already.
  uint64_t block_count() const { return block_count_; }
  uint32_t in_flight() const { return in_flight_; }
  /// Whether operations may have to wait for a limit, of this bdev or of one below.
  bool is_limited() const;
  /// Whether an operation that is submitted now may be kept for long: by a device, or by a limit.
  bool may_keep() const { return may_keep_; }
  /// BdevFacts::takes_data_at_once, of an operation that is submitted in this turn of the loop.
  bool takes_data_at_once() const { return takes_data_at_once_; }
  /// Whether its device has kept an operation of this reactor, anybody's, for kHangsAfterNs, which
  /// is known up to two seconds later; or one has waited for a limit for so long. Of these two,
  /// only the first is something wrong with the bdev (BdevEntry::oldest_ns), but neither is worth
  /// waiting for with what others need.
  bool hangs() const;
  /// Its number among the channels of its reactor, from 1: the lowest that was free. Used again
  /// when the channel is gone.
  uint32_t number() const { return number_; }
  /// Of its reactor.
  uint64_t now_ns() const { return reactor_.now_ns(); }

 private:
  friend class ReactorChannels;
  friend class Pieces;
  friend void bdev_complete(BdevIo& io, BdevStatus status);

  CoreChannel(Reactor& reactor, ReactorChannels& table, std::shared_ptr<BdevEntry> entry,
              uint32_t number);
  ~CoreChannel();

  void assert_valid(const BdevIo& io) const;
  void assert_fits(const BdevIo& io) const;
  void begin(BdevIo& io);
  bool takes_whole(const BdevIo& io) const;
  void enter(BdevIo& io, uint64_t offset_blocks);
  void pass_on(BdevIo& io);
  void start(BdevIo& io);
  void go_on(BdevIo& io);
  void let_through(BdevIo& io);
  void use_limits();
  bool has(const BdevIo& io) const;
  void cancel_here(BdevIo& io);
  /// About once a second.
  void tick();
  /// Whether `io` goes to the backend whole; else `kind` says how it is carried out in pieces.
  bool goes_whole(const BdevIo& io, PieceKind& kind) const;
  /// Queues `io` for the loop with `status`.
  void end(BdevIo& io, BdevStatus status);
  /// Loop: takes what end() queued, up through all layers.
  static void ended(BdevIo& io);
  static void climb(BdevIo& io);
  void show_end(BdevIo& io);
  bool zeroes_otherwise(BdevIo& io);
  /// Counts it.
  void leave(const BdevIo& io, BdevIoType type, uint64_t took_ns);

  Reactor& reactor_;
  ReactorChannels& table_;
  std::shared_ptr<BdevEntry> entry_;
  const BdevFacts& facts_;
  BdevStats& stats_;
  uint64_t& oldest_ns_;  ///< the entry's
  std::unique_ptr<BdevChannel> backend_;
  BdevBelow passes_to_;
  const BdevLoan loan_;
  std::unique_ptr<Pieces> pieces_;
  std::unique_ptr<QosGate> gate_;  ///< null: there never was a limit
  Changeable<std::shared_ptr<QosBudget>>::Copy budget_;
  const uint32_t number_;
  const uint32_t frame_;  ///< of BdevIo::frames, if this is a layer
  bool looks_at_ends_ = false;
  const uint32_t block_size_;
  uint64_t block_count_ = 0;
  const uint64_t transfer_blocks_max_;  ///< UINT64_MAX: no limit
  const uint64_t zero_blocks_max_;      ///< likewise
  const uint64_t unmap_blocks_max_;     ///< likewise
  uint32_t whole_;                      ///< types that go to the backend as they are, as bits
  uint32_t references_ = 0;
  uint32_t in_flight_ = 0;
  bool write_zeroes_refused_ =
      false;  ///< the backend said it can and then could not: write zeros from now on
  bool takes_data_at_once_ = false;
  bool may_keep_ = false;
  bool going_ = false;  ///< let_go() was called: there are no limits any more
};

}  // namespace capsuled
