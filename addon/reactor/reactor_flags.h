// ReactorFlags: what one reactor has to tell another, as bits: raised there, taken here, all that
// were raised since the last time at once. However often they are raised, one message is under way
// at most, and none after a taking that nothing was raised behind; so who waits for the last flag
// of a life may end it then.
//
// Owner: whoever both reactors tell each other about; it outlives the messages. Thread: raise() is
// the raising reactor's, `taken` runs in the loop of the other one, which may be the same.
#pragma once

#include <atomic>
#include <cstdint>

#include "reactor/reactor_call.h"

namespace capsuled {

class ReactorFlags {
 public:
  using Taken = void (*)(uint32_t flags, void* argument);

  ReactorFlags(Reactor& from, Reactor& to, Taken taken, void* argument)
      : from_(from), to_(to), taken_(taken), argument_(argument) {}
  ReactorFlags(const ReactorFlags&) = delete;
  ReactorFlags& operator=(const ReactorFlags&) = delete;

  /// Not from inside this call: `taken(flags, argument)`, with what else was raised by then.
  void raise(uint32_t flags) {
    // Release: whoever takes them sees what was written before.
    if (raised_.fetch_or(flags, std::memory_order_release) != 0) return;
    call_.start(
        from_, to_,
        [](Reactor&, void* argument) {
          auto& self = *static_cast<ReactorFlags*>(argument);
          // Acquire: pairs with the release above.
          const uint32_t raised = self.raised_.exchange(0, std::memory_order_acquire);
          self.taken_(raised, self.argument_);
        },
        this);
  }
  /// What was raised has been taken, or is being taken now. Any thread.
  bool all_taken() const { return raised_.load(std::memory_order_acquire) == 0; }

 private:
  Reactor& from_;
  Reactor& to_;
  const Taken taken_;
  void* const argument_;
  std::atomic<uint32_t> raised_ = 0;
  ReactorCall call_;
};

}  // namespace capsuled
