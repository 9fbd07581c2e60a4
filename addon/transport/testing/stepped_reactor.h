// SteppedReactor: a reactor on a simulated machine, moved one iteration at a time by a test that
// reads from top to bottom. Between turns nothing happens: the test may look at sockets, decide
// when a send completes, and do what is for the reactor's thread. What is sent is there with the
// next turn.
//
// Thread: the test's, which is the reactor's, too.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "env/sim/sim_env.h"
#include "reactor/reactor.h"

namespace capsuled::transport::testing {

using env::sim::SendEnd;
using env::sim::SimSocket;

class SteppedReactor {
 public:
  SteppedReactor(uint64_t seed, const ReactorOptions& options)
      : machine_(seed),
        network_(machine_, at_once()),
        env_(machine_, network_, files_),
        reactor_(Reactor::create(env_, awake(options)).value()) {}

  Reactor& reactor() { return *reactor_; }
  env::sim::SimEnv& env() { return env_; }
  env::sim::SimNetwork& network() { return network_; }

  void turn() {
    const uint64_t step_ns = std::min(owed_ns_, kStepNsMax);
    owed_ns_ -= step_ns;
    machine_.pass_to(machine_.now_ns() + kTurnNs + step_ns);
    ASSERT(reactor_->step());
  }
  /// So much time passes over the next turns.
  void advance(uint64_t ns) { owed_ns_ += ns; }
  /// Runs `what` as the reactor would.
  template <typename What>
  decltype(auto) in_place(What&& what) {
    const ReactorScope scope(*reactor_);
    return what();
  }

  /// A connection: the target's descriptor, and the host's end.
  std::pair<int, SimSocket*> connect(const env::Endpoint& target, const env::Endpoint& host) {
    const auto [near, far] = network_.connected(target, host);
    return {env_.open(near), far};
  }

 private:
  static constexpr uint64_t kTurnNs = 1'000;
  static constexpr uint64_t kStepNsMax = 250'000'000;  // less than what a reactor takes for a gap

  static env::sim::SimLine at_once() {
    env::sim::SimLine line;
    line.latency = {};
    line.bytes_per_second = UINT64_MAX;
    line.send_buffer = 64u << 20;
    line.receive_buffer = 64u << 20;
    return line;
  }
  static ReactorOptions awake(ReactorOptions options) {
    options.mode = PollMode::Busy;
    return options;
  }

  env::sim::SimMachine machine_;
  env::sim::SimNetwork network_;
  env::sim::SimFiles files_;
  env::sim::SimEnv env_;
  std::unique_ptr<Reactor> reactor_;
  uint64_t owed_ns_ = 0;
};

/// Appends what is there to be read.
inline void read_all(SimSocket& socket, std::vector<std::byte>& to) {
  while (socket.readable_bytes() > 0) {
    const size_t before = to.size();
    to.resize(before + socket.readable_bytes());
    to.resize(before + socket.read(std::span(to).subspan(before)));
  }
}

}  // namespace capsuled::transport::testing
