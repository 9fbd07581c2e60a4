// DelayChannel: keeps what its base has done until its time has come.
//
// Owner and thread: a CoreChannel on its reactor. Invariant: the timer is started if and only if an
// operation is kept, for the one that is due first.
#pragma once

#include <cstdint>
#include <vector>

#include "base/changeable.h"
#include "base/prng.h"
#include "bdev/bdev_layer.h"
#include "bdev/delay/delay_bdev.h"
#include "reactor/reactor.h"
#include "reactor/timer.h"

namespace capsuled {

class DelayChannel final : public LayerChannel {
 public:
  DelayChannel(Reactor& reactor, const std::shared_ptr<BdevEntry>& base,
               const Changeable<DelayTable>& times, uint64_t seed);
  ~DelayChannel() override;

  BdevBelow passes_to() override { return below(); }
  bool looks_at_ends() const override { return keeps_; }
  bool may_keep() const override { return keeps_ || LayerChannel::may_keep(); }
  bool forwarded(BdevIo& io) override;
  void refresh() override;
  void cancel(BdevIo& io) override;
  void let_go() override;
  uint64_t oldest_ns() const override;

 private:
  /// Of an operation that is kept. It knows its place in the heap.
  struct Kept {
    uint64_t due_ns = 0;
    BdevIo* io = nullptr;
    BdevStatus status = BdevStatus::Success;
  };
  struct DueTimer : Timer {
    DelayChannel* channel = nullptr;
  };

  uint64_t added_ns(const DelayTimes& times);
  bool keep(BdevIo& io, const DelayTimes& times);
  void put(size_t index, const Kept& kept);
  void sift_up(size_t index);
  void sift_down(size_t index);
  Kept take(size_t index);
  void end_due();
  void set_timer();

  Reactor& reactor_;
  Changeable<DelayTable>::Copy times_;
  Prng prng_;
  std::vector<Kept> heap_;  ///< what is due first is first; as long as it ever was
  DueTimer timer_;
  bool keeps_ = false;  ///< some operations, as the times are
  bool going_ = false;  ///< let_go() was called: nothing is kept any more
};

}  // namespace capsuled
