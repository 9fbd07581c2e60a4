// Poller: a small named object that a reactor runs once per iteration of its loop.
// Thread: the reactor's own. Owner: whoever added it; it outlives its registration.
#pragma once

#include <cstdint>

namespace capsuled {

enum class PollResult : uint8_t { Idle, Busy };

class Poller {
 public:
  explicit Poller(const char* name) : name_(name) {}
  virtual ~Poller() = default;
  /// Does a bounded amount of work. Busy: there was some (the reactor does not fall asleep). Idle:
  /// nothing to do before the next completion, message or timer; pollers do not run while the
  /// reactor sleeps, so one that watches memory which nothing announces answers Busy while it
  /// expects something there. May add and remove pollers, itself too.
  virtual PollResult poll() = 0;
  const char* name() const { return name_; }

 private:
  const char* name_;
};

}  // namespace capsuled
