// IoQueueUser: who does I/O on a queue of a controller that is looked after on another reactor, it
// may be: the user hears there when the queue can be used. Called from the loop of the queue's
// reactor.
#pragma once

#include "nvme/qpair.h"

namespace capsuled::nvme {

class IoQueueUser {
 public:
  virtual ~IoQueueUser() = default;
  virtual void queue_live(Qpair& qpair) = 0;
  /// It takes no more requests. What it has completes later, all of it: with Host Pathing Error
  /// when nothing reaches the requests' memory any more.
  virtual void queue_stopped() = 0;
};

}  // namespace capsuled::nvme
