// SimTarget: one simulated daemon: the production engine on a SimEnv, and in place of JavaScript a
// control plane that does what it is told and what chance says: it accepts Connects, answers
// commands, publishes and withdraws namespaces, ends controllers, and stops.
//
// Owner: a Simulation. Thread: the machine's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "bdev/bdev_kinds.h"
#include "control/engine.h"
#include "env/sim/sim_env.h"
#include "sim/sim_drive.h"

namespace capsuled::sim {

/// What commands that read are answered with: so many of this byte, and zeros behind them.
inline constexpr size_t kAnswerBytes = 512;
inline constexpr std::byte kAnswerByte{0x5a};

struct SimTargetOptions {
  uint32_t reactors = 2;
  uint64_t memory_bytes = 64 << 20;  ///< of all reactors
  uint32_t connections_max = 256;
  uint32_t requests_max = 32768;  ///< of each reactor
  uint32_t receive_buffers_max = 2048;
  PollMode poll = PollMode::Adaptive;
  uint64_t pdu_timeout_ns = 30'000'000'000;
  uint16_t io_queues_max = 16;
  SimDrive* drive = nullptr;  ///< that the machine has; null: none
  /// Between an event of a reactor and the control plane's look at it.
  env::sim::SimSpan loop{20'000, 300'000, 500, 20'000'000};
};

/// A subsystem: its number is that of its table.
struct SimSubsystem {
  std::string nqn;
  std::vector<control::NamespaceRequest> namespaces = {};
};

class SimTarget {
 public:
  static constexpr uint32_t kBatch = 16;
  static constexpr const char* kAddress = "127.0.0.1";

  SimTarget(env::sim::SimMachine& machine, env::sim::SimNetwork& network, env::sim::SimFiles& files,
            const SimTargetOptions& options);
  /// Stopped before.
  ~SimTarget();
  SimTarget(const SimTarget&) = delete;
  SimTarget& operator=(const SimTarget&) = delete;

  /// `from`: the port of the host's end of a connection that is over for the target.
  std::function<void(uint16_t from)> connection_closed;

  const env::Endpoint& endpoint() const { return endpoint_; }
  control::Engine& engine() { return *engine_; }
  void add_bdev(const BdevParameters& parameters);
  /// False: it is in use.
  bool remove_bdev(const std::string& name);
  /// `applied`: from now on hosts see this; `drained`: nothing that was taken away is in use any
  /// more.
  void publish(const SimSubsystem& subsystem, std::function<void()> applied,
               std::function<void()> drained);
  /// One of its controllers, by chance; nothing if there is none.
  void end_controller();
  void end_connection();
  /// `done`: nothing is left but the engine itself.
  void stop(std::function<void()> done);
  /// Counters that should be zero when all is over; empty: they are.
  std::string what_is_left();

 private:
  struct Controller {
    uint32_t host = 0;
    uint32_t table = 0;
    bool ending = false;
  };

  void look();
  void take(const transport::ControlEvent& event);
  void command(const transport::ControlEvent& event);
  void connect(const transport::ControlEvent& event);
  void answer(transport::ControlAnswer answer);
  void terminate(uint32_t controller, const char* reason);
  uint32_t host_number(const std::string& name);

  env::sim::SimMachine& machine_;
  const SimTargetOptions options_;
  std::unique_ptr<control::Engine> engine_;
  env::Endpoint endpoint_;
  std::optional<env::sim::SimMachine::EventId> look_;  ///< that was asked for
  uint32_t controller_next_ = 1;
  std::map<uint32_t, Controller> controllers_;
  std::map<transport::ConnectionId, uint16_t> connections_;  // with the host's port
  std::map<std::string, uint32_t> hosts_;
  std::map<std::string, uint32_t> tables_;  // by NQN
};

}  // namespace capsuled::sim
