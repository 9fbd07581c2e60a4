// ReactorChannels: the CoreChannels of one reactor, and the poller that runs finished operations
// from its loop.
//
// One per reactor thread, made on first use, registered as a poller while it has channels. Thread:
// the reactor's own.
#pragma once

#include <map>
#include <memory>

#include "base/intrusive_queue.h"
#include "bdev/bdev_io.h"
#include "bdev/bdev_registry.h"
#include "reactor/poller.h"
#include "reactor/reactor.h"

namespace capsuled {

class CoreChannel;

class ReactorChannels final : public Poller {
 public:
  /// Of the reactor whose thread this is.
  static ReactorChannels& of(Reactor& reactor);

  explicit ReactorChannels(Reactor& reactor);
  ~ReactorChannels() override;

  CoreChannel* acquire(const std::shared_ptr<BdevEntry>& entry);
  void release(CoreChannel& channel);

  void push_ended(BdevIo& io) { ended_.push_back(io); }
  /// Runs what had ended when it was called; what ends meanwhile is for the next time.
  PollResult poll() override;

 private:
  void unregister_if_unused();

  Reactor& reactor_;
  std::map<const BdevEntry*, CoreChannel*> channels_;
  Queue<BdevIo, &BdevIo::ended_node> ended_;
  bool registered_ = false;
  bool polling_ = false;
};

}  // namespace capsuled
