// RemoteSubsystem: an NVM subsystem made of software, at the other end of a simulated network, as a
// host meets it: ports, controllers that come with connections, and namespaces that all of them
// have. A port may also be a discovery controller's. What goes wrong, it is told (RemoteFaults).
//
// A command of an I/O queue takes some time. What a connection leaves behind when it ends is not
// carried out any more, or, if the subsystem says so (CQT), some of it still is, for so long: from
// when the end came here, or, if nothing comes any more, from when its host is missed (KATO).
//
// Owner: a test. Thread: the simulation's.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "env/sim/sim_network.h"
#include "nvme/testing/remote_connection.h"
#include "nvme/testing/software_namespace.h"
#include "wire/fabrics.h"
#include "wire/log_page.h"
#include "wire/status.h"

namespace capsuled::nvme::testing {

struct RemoteSubsystemOptions {
  std::string subnqn = "nqn.2026-11.com.example:far0";
  std::string serial = "remote0";
  uint16_t io_queues_max = 16;
  uint32_t in_capsule_bytes = 4096;
  uint8_t mdts = 5;               ///< 128 KiB
  uint16_t quiesce_ms = 0;        ///< CQT
  bool alive_by_traffic = false;  ///< CTRATT.TBKAS
  uint16_t commands_max = 128;    ///< MAXCMD
  uint16_t commands = 0xffff;     ///< ONCS, of those that it knows
  bool reports_access = true;     ///< CMIC.ANARS
  uint32_t access_groups = 3;     ///< in the log; namespaces are of the last one at first
  uint16_t queue_entries = 128;   ///< CAP.MQES + 1
};

struct RemoteNamespace {
  std::shared_ptr<SoftwareNamespace> medium;
  std::array<uint8_t, 16> uuid{};
};

/// What goes wrong. Counts are of I/O commands to come; each is used up.
struct RemoteFaults {
  uint32_t held_commands = 0;  ///< not carried out before release()
  uint32_t lost_answers = 0;   ///< carried out, and nobody hears of it
  uint32_t failures = 0;       ///< not carried out, and end with `status`
  wire::Status status{};
  uint32_t identify_failures = 0;  ///< of Identify of a namespace, which then may be asked again
  env::sim::SimSpan takes{5'000, 200'000, 20, 3'000'000};  ///< ns
};

class RemoteSubsystem final : private RemoteConnectionOwner {
 public:
  explicit RemoteSubsystem(env::sim::SimNetwork& network,
                           const RemoteSubsystemOptions& options = {});
  ~RemoteSubsystem();
  RemoteSubsystem(const RemoteSubsystem&) = delete;
  RemoteSubsystem& operator=(const RemoteSubsystem&) = delete;

  /// By its number, from 0.
  uint32_t add_port(const env::Endpoint& endpoint);
  void add_namespace(uint32_t nsid, const RemoteNamespace& is) { namespaces_[nsid] = is; }
  RemoteNamespace& at(uint32_t nsid) { return namespaces_.at(nsid); }
  /// Namespaces are not as they were: hosts are told.
  void changed();

  /// Nobody listens there any more, and connections are reset.
  void kill(uint32_t port);
  void restart(uint32_t port);
  /// Connections stay, or may be made, and nothing comes, goes or is carried out. They are reset
  /// when that is over.
  void silence(uint32_t port, bool silent);
  /// The network is parted: the same, but what came is carried out, by chance, for as long as the
  /// controller goes on. silence() ends it.
  void part(uint32_t port);
  /// One of its connections is reset, by chance.
  void cut_one(uint32_t port);
  void set_access(uint32_t port, wire::AnaState access, bool tells = true);
  /// Namespaces are of another group. The old one goes, or stays and is optimized everywhere.
  void move_to_group(uint32_t group, bool old_goes);
  /// A controller of the port has so many events at once, and more when they are asked for, of
  /// namespaces that have changed.
  void flood_events(uint32_t port);
  /// Of what was held, the oldest are carried out.
  void release(size_t most = SIZE_MAX);
  /// The port is a discovery controller's, too, with this log.
  void set_log(uint32_t port, std::vector<wire::DiscoveryLogEntry> log);

  RemoteFaults faults;
  std::function<void(uint32_t port)> log_read{};  ///< called before a piece of a log is answered

  // What came.
  uint64_t io_commands(uint32_t port) const { return ports_[port].io_commands; }
  uint64_t connects(uint32_t port) const { return ports_[port].connects; }
  size_t connection_count(uint32_t port) const { return ports_[port].connections.size(); }
  size_t held_count() const { return held_.size(); }
  size_t held_count(uint32_t port) const;
  uint64_t log_reads() const { return log_reads_; }
  uint64_t events() const { return events_; }
  const wire::ConnectData& last_connect() const { return last_connect_; }

 private:
  struct Port {
    uint32_t number = 0;
    env::Endpoint endpoint{};
    env::sim::SimNetwork::Listener* listener = nullptr;  ///< null: it is down
    wire::AnaState access = wire::AnaState::kOptimized;
    bool silent = false;
    std::vector<std::shared_ptr<RemoteConnection>> connections{};
    std::optional<std::vector<wire::DiscoveryLogEntry>> log{};
    uint64_t generation = 1;
    uint64_t connects = 0;
    uint64_t io_commands = 0;
  };
  /// What a host has when its admin queue is connected.
  struct Controller {
    std::shared_ptr<RemoteConnection> admin;
    bool discovery = false;
    bool enabled = false;
    uint32_t event_configuration = 0;
    std::deque<uint16_t> event_requests{};  ///< CIDs
    std::deque<uint32_t> events{};          ///< dword 0
    std::deque<uint32_t> changed{};         ///< namespaces, for the log page
    uint64_t kato_ns = 0;
    bool floods = false;  ///< there is always one more event
  };
  struct Job {
    std::shared_ptr<RemoteConnection> from;
    RemoteCommand command;
    env::sim::SimMachine::EventId event{};  ///< of the ones that are under way
  };
  struct Answer {
    wire::Status status{};
    uint64_t value = 0;  ///< dwords 0 and 1
    Octets data{};
  };

  void commanded(RemoteConnection& connection, RemoteCommand command) override;
  void ended(RemoteConnection& connection) override;
  void listen(Port& port);
  void accept(uint32_t port);
  void schedule(Job job, uint64_t delay_ns);
  std::vector<Job> take_jobs(const RemoteConnection& connection);
  void leave_behind(RemoteConnection& connection);
  void carry_out(const Job& job);
  Answer io(const Job& job);
  Answer transfer(const RemoteCommand& command, SoftwareNamespace& on);
  Answer deallocate(const RemoteCommand& command, SoftwareNamespace& on);
  void tell(Controller& to, wire::AsyncEventNotice notice, wire::LogPage log);
  void add_event(Controller& to, wire::AsyncEventNotice notice, wire::LogPage log);
  void send_events(Controller& to);

  // remote_admin.cc
  Answer fabrics(RemoteConnection& connection, const RemoteCommand& command);
  Answer connect(RemoteConnection& connection, const RemoteCommand& command);
  std::optional<Answer> admin(RemoteConnection& connection, const RemoteCommand& command);
  Answer identify(const Controller& by, const RemoteCommand& command) const;
  Octets controller_page(const Controller& by) const;
  Octets namespace_page(uint32_t nsid) const;
  Octets id_list(uint32_t nsid) const;
  Answer feature(Controller& by, const RemoteCommand& command);
  Answer log_page(Controller& by, const RemoteCommand& command);
  Octets access_log(const Port& port) const;
  Octets discovery_log(const Port& port) const;

  env::sim::SimNetwork& network_;
  env::sim::SimMachine& machine_;
  const RemoteSubsystemOptions options_;
  std::deque<Port> ports_;
  std::map<uint32_t, RemoteNamespace> namespaces_;
  std::map<uint16_t, Controller> controllers_;  ///< by CNTLID
  uint16_t last_cntlid_ = 0;
  uint32_t group_;      ///< of the namespaces
  uint32_t old_group_;  ///< that they were of
  bool old_goes_ = false;
  uint64_t log_reads_ = 0;
  uint64_t events_ = 0;
  std::list<Job> jobs_;
  std::deque<Job> held_;
  wire::ConnectData last_connect_ = {};
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace capsuled::nvme::testing
