// Poller: a small named object that a reactor runs once per iteration of its loop.
// Thread: the reactor's own. Owner: whoever added it; it outlives its registration.
#pragma once

#include <cstdint>

#include "base/intrusive_list.h"

namespace capsuled {

enum class PollResult : uint8_t { Idle, Busy };

class Poller {
 public:
  explicit Poller(const char* name) : name_(name) {}
  virtual ~Poller() = default;
  /// Does a bounded amount of work. Busy: there was some (the reactor does not fall asleep).
  virtual PollResult poll() = 0;
  const char* name() const { return name_; }

 private:
  const char* name_;
};

}  // namespace capsuled
