// SimMachine: virtual time, what happens in it, and the threads that a simulated process has.
//
// Everything that happens is an event at a moment: a step of a thread, bytes that arrive, a disk
// that has finished. The machine runs events in the order of their moments, on the one thread that
// calls turn(); between events no time passes. All that is left to chance comes from one seed, so a
// run can be repeated exactly.
//
// A thread is a function that is called again and again. Each call takes some time; now and then
// the thread is kept from its core for longer, as the threads of a busy machine are, and its next
// call is late. A thread that sleeps is not called until it is woken or its time has come, and then
// a little later.
//
// Owner: whoever runs the simulation; it outlives everything that was made with it.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <string>
#include <utility>

#include "base/prng.h"

namespace capsuled::env::sim {

/// In ns, from `min` to `max`, and once in `rare_in` (0: never) up to `rare_max`.
struct SimSpan {
  uint64_t min = 0;
  uint64_t max = 0;
  uint64_t rare_in = 0;
  uint64_t rare_max = 0;

  uint64_t pick(Prng& prng) const {
    if (rare_in > 0 && prng.chance(1, rare_in)) return prng.between(max, rare_max);
    return prng.between(min, max);
  }
};

struct SimThreadOptions {
  SimSpan step{500, 2'000, 0, 0};        ///< from one step to the next
  SimSpan wake_up{1'000, 20'000, 0, 0};  ///< from what wakes a thread to its next step
};

class SimThread {
 public:
  const std::string& name() const { return name_; }
  bool over() const { return over_; }
  bool asleep() const { return asleep_; }

 private:
  friend class SimMachine;
  std::string name_;
  std::function<bool()> step_;
  bool over_ = false;
  bool asleep_ = false;
  bool woken_ = false;  ///< by wake(), since its last step began
};

class SimMachine {
 public:
  /// The moment of an event, and its place among those of the same moment.
  using EventId = std::pair<uint64_t, uint64_t>;

  explicit SimMachine(uint64_t seed, const SimThreadOptions& threads = {});
  ~SimMachine();
  SimMachine(const SimMachine&) = delete;
  SimMachine& operator=(const SimMachine&) = delete;

  uint64_t now_ns() const { return now_ns_; }
  Prng& prng() { return prng_; }

  EventId at(uint64_t moment_ns, std::function<void()> run);
  EventId after(uint64_t delay_ns, std::function<void()> run);
  /// Nothing if it has run.
  void cancel(EventId event) { events_.erase(event); }

  /// `step` runs from the next turns on, until it returns false.
  SimThread& start(const std::string& name, std::function<bool()> step);
  /// The thread must be over.
  void remove(SimThread& thread);
  /// From the thread's own step: the step that runs is its last one before wake() or `deadline_ns`
  /// (UINT64_MAX: none).
  void sleep(SimThread& thread, uint64_t deadline_ns);
  void wake(SimThread& thread);
  /// Called after each step of any thread, until it is forgotten: for a device that looks at what
  /// threads leave in memory.
  void watch_steps(const void* who, std::function<void()> stepped) {
    step_watchers_[who] = std::move(stepped);
  }
  void forget(const void* who) { step_watchers_.erase(who); }
  /// Whose step runs now, or null.
  SimThread* running() { return running_; }
  /// Nobody runs for so long, and what happens elsewhere goes on: the machine is stopped, as a
  /// virtual one may be.
  void pause(uint64_t ns) { paused_until_ns_ = now_ns_ + ns; }

  /// The next event. False: there is none.
  bool turn();
  /// Turns until `there` is true; false: it is not by `deadline_ns`, or nothing happens any more.
  template <typename Condition>
  bool until(Condition there, uint64_t deadline_ns) {
    while (!there()) {
      if (events_.empty() || events_.begin()->first.first > deadline_ns) return false;
      turn();
    }
    return true;
  }
  /// Everything up to `moment_ns`, which is now then.
  void pass_to(uint64_t moment_ns);

 private:
  void schedule(SimThread& thread, uint64_t moment_ns);
  void step(SimThread& thread);

  const SimThreadOptions thread_options_;
  Prng prng_;
  uint64_t now_ns_ = 1'000'000'000;
  uint64_t order_ = 0;
  uint64_t paused_until_ns_ = 0;
  std::map<EventId, std::function<void()>> events_;
  std::list<SimThread> threads_;
  std::map<const SimThread*, EventId> next_steps_;
  std::map<const void*, std::function<void()>> step_watchers_;
  SimThread* running_ = nullptr;
};

}  // namespace capsuled::env::sim
