// Load: a load run as the control thread has it: one worker for each core that it is given, each a
// host of its own on a reactor of its own, so that they share nothing but what the target is.
//
// Thread: the control thread, which may change between calls; but `done`, which mostly runs on a
// reactor's thread. Owner: whoever started the run; it is destroyed after the run has ended, or
// after stop() and the end.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "env/env.h"
#include "perf/load_target.h"
#include "perf/load_worker.h"

namespace capsuled::perf {

struct LoadRunOptions {
  LoadOptions load;               ///< rates and counts are of all workers together
  uint32_t qpairs = 1;            ///< of all workers together
  std::vector<int> cores = {-1};  ///< one worker each; -1: not pinned
  PollMode poll = PollMode::Busy;
};

class Load {
 public:
  /// May block, as the target's open() may. `done` runs once, when the last worker has ended; if
  /// there is no such target, from inside this call: the report says why. Errors are those of
  /// Reactor.
  static Result<std::unique_ptr<Load>> start(std::unique_ptr<env::Env> env,
                                             std::unique_ptr<LoadTarget> target,
                                             const LoadRunOptions& options,
                                             std::function<void()> done);
  /// Only when all workers have ended.
  ~Load();
  /// Ends the measuring early; `done` follows. Any thread, before finish().
  void stop();
  /// Any thread: what all workers did so far, warm-up included.
  struct Sum {
    uint64_t operations = 0;
    uint64_t bytes = 0;
    uint64_t errors = 0;
  };
  Sum progress() const;
  /// After `done`, once: closes the target, which may block, and ends the threads.
  LoadReport finish();

 private:
  Load(std::unique_ptr<env::Env> env, std::unique_ptr<LoadTarget> target,
       std::function<void()> done);
  Result<void> start_reactors(const LoadRunOptions& options, uint32_t count);
  void start_workers(const LoadRunOptions& options);
  static void worker_done(void* argument);

  const std::unique_ptr<env::Env> env_;
  std::vector<std::unique_ptr<Reactor>> reactors_;
  const std::unique_ptr<LoadTarget> target_;
  std::vector<std::unique_ptr<LoadWorker>> workers_;
  const std::function<void()> done_;
  std::string refusal_;  ///< why there is no target
  std::atomic<uint32_t> running_{0};
};

}  // namespace capsuled::perf
