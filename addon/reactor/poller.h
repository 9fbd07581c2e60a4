// Poller: a small object that a reactor runs once per iteration of its loop.
// Thread: the reactor's own. Owner: whoever added it; it outlives its registration.
#pragma once

#include <cstddef>
#include <cstdint>

namespace capsuled {

enum class PollResult : uint8_t { Idle, Busy };

/// In which part of an iteration a poller runs: first all that find out what can go on, then those
/// that hand over to the machine what came of it, so that it is under way in the same iteration.
enum class PollStage : uint8_t { Work, Send };
inline constexpr size_t kPollStageCount = 2;

class Poller {
 public:
  explicit Poller(PollStage stage = PollStage::Work) : stage_(stage) {}
  virtual ~Poller() = default;
  /// Does a bounded amount of work. Busy: there was some (the reactor does not fall asleep). Idle:
  /// nothing to do before the next completion, message or timer; pollers do not run while the
  /// reactor sleeps, so one that watches memory which nothing announces answers Busy while it
  /// expects something there (see may_sleep()). May add and remove pollers, itself too.
  virtual PollResult poll() = 0;
  /// The reactor is about to sleep. Who watches memory has something else end the sleep from now
  /// on, looks there once more, and says whether there is still nothing to do. False: it does not
  /// sleep.
  virtual bool may_sleep() { return true; }
  PollStage stage() const { return stage_; }

 private:
  PollStage stage_;
};

}  // namespace capsuled
