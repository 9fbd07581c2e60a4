// Load: a load run as the control thread has it: one worker for each core that it is given, each a
// host of its own on a reactor of its own, so that they share nothing.
//
// Thread: the control thread, but `done`, which runs on a reactor's thread. Owner: whoever started
// the run; it is destroyed after the run has ended, or after stop() and the end.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "perf/load_worker.h"

namespace capsuled::perf {

struct LoadRunOptions {
  /// Rates and counts are of all workers together, controller.io_queues too; controller.address
  /// follows from the target.
  LoadOptions load;
  std::vector<int> cores = {-1};  ///< one worker each; -1: not pinned
  PollMode poll = PollMode::Busy;
};

class Load {
 public:
  /// `done` runs once, when the last worker has ended. Errors are those of Env and Reactor.
  static Result<std::unique_ptr<Load>> start(const env::Endpoint& target,
                                             const LoadRunOptions& options,
                                             std::function<void()> done);
  /// Only when all workers have ended.
  ~Load();
  /// Ends the measuring early; `done` follows.
  void stop();
  /// Any time: what all workers did so far, warm-up included.
  struct Sum {
    uint64_t operations = 0;
    uint64_t bytes = 0;
    uint64_t errors = 0;
  };
  Sum progress() const;
  /// After `done`: ends the threads, once.
  LoadReport finish();

 private:
  Load() = default;
  static void worker_done(void* argument);

  std::unique_ptr<env::Env> env_;
  std::vector<std::unique_ptr<Reactor>> reactors_;
  std::vector<std::unique_ptr<LoadWorker>> workers_;
  std::function<void()> done_;
  std::atomic<uint32_t> running_{0};
};

}  // namespace capsuled::perf
