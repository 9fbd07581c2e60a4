// ReactorChannels: the CoreChannels of one reactor, the poller that runs finished operations from
// its loop, and the timer that has channels of devices look after them.
//
// One for each reactor, made on first use and kept with it, registered as a poller while it has
// channels. Thread: the reactor's own.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "base/intrusive_queue.h"
#include "bdev/bdev_io.h"
#include "bdev/bdev_registry.h"
#include "reactor/poller.h"
#include "reactor/reactor.h"
#include "reactor/timer.h"

namespace capsuled {

class CoreChannel;

class ReactorChannels final : public Poller, public ReactorPart {
 public:
  /// Of the reactor whose thread this is.
  static ReactorChannels& of(Reactor& reactor);

  explicit ReactorChannels(Reactor& reactor);
  ~ReactorChannels() override;

  CoreChannel* acquire(const std::shared_ptr<BdevEntry>& entry);
  void release(CoreChannel& channel);
  /// Asks all channels anew what they say of themselves.
  void refresh();
  /// See BdevChannel; nothing if there is no channel of it here.
  void changed(const BdevEntry& entry);
  void let_go(const BdevEntry& entry);
  /// All of them.
  void let_go();

  void push_ended(BdevIo& io) { ended_.push_back(io); }
  /// Runs what had ended when it was called; what ends meanwhile is for the next time.
  PollResult poll() override;

 private:
  static constexpr uint64_t kTickNs = 1'000'000'000;
  struct TickTimer : Timer {
    ReactorChannels* table = nullptr;
  };
  PollResult run_ended();
  uint32_t take_number();
  CoreChannel* find(const BdevEntry& entry) const;
  void unregister_if_unused();
  void tick();

  Reactor& reactor_;
  std::map<uint64_t, CoreChannel*> channels_;  // by BdevEntry::serial, so the lowest first
  std::vector<bool> numbers_ = {true};  ///< by number: whether a channel has it; 0 is nobody's
  Queue<BdevIo, &BdevIo::ended_node> ended_;
  TickTimer ticks_;  ///< started while there is a channel of a device
  bool registered_ = false;
  bool polling_ = false;
};

}  // namespace capsuled
