// run_on(): has a reactor run something in its loop, and waits until it has: for whoever sets
// something up there, or takes it down.
#pragma once

#include <atomic>

#include "reactor/reactor.h"

namespace capsuled {

/// Control or worker thread. `what()` runs once, on the reactor's thread.
template <typename What>
void run_on(Reactor& reactor, What what) {
  struct Call {
    What& what;
    std::atomic<bool> done = false;
  } call{what};
  reactor.send_message_wait({.run =
                                 [](Reactor&, void* argument) {
                                   auto& self = *static_cast<Call*>(argument);
                                   self.what();
                                   // Release: the caller goes on with what was done.
                                   self.done.store(true, std::memory_order_release);
                                 },
                             .argument = &call});
  // Acquire: see above.
  while (!call.done.load(std::memory_order_acquire)) reactor.env().yield();
}

}  // namespace capsuled
