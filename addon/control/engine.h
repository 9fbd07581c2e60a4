// Engine: the control thread's face of the data plane. It owns the environment, the reactors with
// their connection groups, the listeners, the bdev registry and the published tables, and turns
// each request of the control plane into messages to the reactors and one completion.
//
// Thread: the control thread (JavaScript's, or a test's main thread) calls everything here.
// `notify` may come from any thread and asks the control thread to call drain(). Completions
// (`Done`) run inside drain(), never inside the call that asked. Lifecycle: create() -> requests ->
// stop() -> its completion -> destructor (joins the reactors).
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "bdev/base_reads.h"
#include "bdev/bdev_core.h"
#include "bdev/bdev_parameters.h"
#include "bdev/shared_parts.h"
#include "control/completions.h"
#include "control/join.h"
#include "env/env.h"
#include "nvmf/namespace_table.h"
#include "nvmf/queue_stats.h"
#include "reactor/reactor.h"
#include "transport/acceptor.h"
#include "transport/admission.h"
#include "transport/control_queue.h"
#include "transport/group.h"

namespace capsuled {
class ReactorChannels;
}

namespace capsuled::control {

using transport::ConnectionId;
using Done = std::function<void()>;

/// Largest SQSIZE + 1 of a queue (CAP.MQES + 1).
inline constexpr uint32_t kQueueEntriesMax = 1024;

struct EngineOptions {
  std::vector<int> cores;
  PollMode poll = PollMode::Adaptive;
  uint64_t idle_after_ns = 50'000;
  uint64_t memory_bytes = 256ull << 20;
  env::HugePages huge_pages = env::HugePages::Auto;
  uint32_t connections_max = 16384;  ///< of all reactors together
  uint32_t requests_max = 32768;     ///< commands under way on each reactor
  /// What one look of a reactor at its connections takes in at most, in buffers of 32 KiB.
  uint32_t receive_buffers_max = 2048;
  uint64_t connect_timeout_ns = 10'000'000'000;
  uint64_t pdu_timeout_ns = 30'000'000'000;
};

/// Descriptors that an engine needs for so many connections, for those that are closing, and for
/// all else.
uint64_t open_files_needed(uint32_t connections);
/// With fewer connections there is no engine.
inline constexpr uint32_t kConnectionsMin = 16;

/// Memory that commands are received into, and that data go through: once a device is driven by the
/// engine itself, all of it is pinned.
uint64_t reachable_bytes(const EngineOptions& options);

/// Of all pages that answers share, those included that are deleted and still being sent.
inline constexpr uint64_t kPagesBytesMax = 64ull << 20;

/// A namespace to publish.
struct NamespaceRequest {
  uint32_t nsid = 0;
  std::string bdev;
  bool read_only = false;
};

/// Counters of one object, one block per reactor; shared with whoever reads them, so that they
/// outlive the object.
template <typename Stats>
using StatsBlocks = std::vector<std::shared_ptr<Stats>>;

class Engine {
 public:
  static Result<std::unique_ptr<Engine>> create(std::unique_ptr<env::Env> env,
                                                const EngineOptions& options,
                                                void (*notify)(void* argument), void* argument);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  /// Runs completions and takes up to `limit` events of these classes of peers. Fewer than `limit`
  /// events: there were no more.
  std::vector<std::unique_ptr<transport::ControlEvent>> drain(
      uint32_t limit, transport::PeerKinds kinds = transport::kAllPeerKinds);
  /// Closes listeners and connections, drops the tables. `done` runs in a later drain(); then
  /// destroy.
  void stop(Done done);

  env::Env& env() { return *env_; }
  /// Connect commands that the control plane has and has not answered.
  size_t connects_waiting() const { return connects_.size(); }
  uint32_t reactor_count() const { return static_cast<uint32_t>(reactors_.size()); }
  /// By index.
  const std::vector<Reactor*>& reactors() const { return reactors_; }
  /// What was asked for, or what the process's limit of open files leaves of it.
  uint32_t connections_max() const { return connections_max_; }
  uint64_t open_files_max() const { return open_files_max_; }

  /// Binds and listens; the endpoint carries the real port. Nobody is accepted before
  /// listener_start(): who connects meanwhile waits in the kernel.
  Result<env::Endpoint> listener_add(uint32_t listener, const env::Endpoint& endpoint);
  /// Begins to accept, once.
  void listener_start(uint32_t listener);
  void listener_remove(uint32_t listener, Done done);

  BdevRegistry& bdevs() { return *bdevs_; }
  /// What bdevs of it share.
  SharedParts& parts() { return parts_; }
  /// Has the bdev looked at again, and what was latched forgotten if it is well: see BdevHealth.
  /// `done` gets the outcome; errors, when nothing is begun, are those of BdevRegistry::open().
  Result<void> bdev_recheck(const std::string& name, std::function<void(BdevStatus)> done);
  /// Gives it those parameters that can be changed while it is open: see BdevKind::change. ENOENT:
  /// there is none of that name.
  std::optional<BdevError> bdev_change(const std::string& name, BdevParameters parameters);
  /// It is to go: what it keeps by intent, and not because of a device, ends soon.
  void bdev_let_go(const std::string& name);
  /// The bdev, and what stands on it, become as large as they are found to be. `done`: commands
  /// reach the new blocks, on every reactor. ENOENT: no such name.
  Result<void> bdev_grow(const std::string& name, Done done);
  /// I/O of the control thread, for what is not a host's: tables, headers, labels. It takes a
  /// reactor no longer than a host's command, and waits for nobody; on a device that hangs, `done`
  /// may never run. The blocks are the bdev's; at most some MiB, which are copied.
  void bdev_read(std::shared_ptr<BdevDesc> bdev, uint64_t first_block, uint64_t count_blocks,
                 std::function<void(BdevStatus, std::vector<std::byte>)> done);
  void bdev_write(std::shared_ptr<BdevDesc> bdev, uint64_t first_block,
                  std::span<const std::byte> bytes, std::function<void(BdevStatus)> done);
  /// Reads what a factory wants; then the factory can be called again. `reads` stays until `done`.
  void bdev_provide(BaseReads& reads, std::function<void()> done);
  /// How long the bdev's oldest operation has been under way, give or take two seconds; 0: none.
  uint64_t bdev_oldest_ns(BdevEntry& entry);

  /// `applied` runs when every reactor uses the new contents, which takes no longer than a message;
  /// `drained`, when no command is left on a namespace that went away with this call: on a disk
  /// that hangs, perhaps never. Neither waits for the other. A namespace that stays on the same
  /// bdev keeps its statistics. ENOENT: no such bdev. Nothing is changed then.
  Result<void> namespaces_publish(uint32_t table, const std::vector<NamespaceRequest>& requests,
                                  Done applied, Done drained);
  /// Publishes nothing, and forgets the table when no command is left on anything that it ever had.
  /// No controller may use it any more.
  void namespaces_delete(uint32_t table, Done done);

  /// Keeps bytes that many answers share, until page_delete() and the last answer that is sent from
  /// them; 0 if that would be more than kPagesBytesMax.
  uint32_t page_create(transport::ControlPage bytes);
  void page_delete(uint32_t page) { pages_.erase(page); }
  /// Null: there is no such page.
  std::shared_ptr<const transport::ControlPage> page(uint32_t page) const;

  void answer(transport::ControlAnswer answer);
  /// False: the connection is gone already.
  bool attach(const transport::QueueAttach& attach);
  void set_keep_alive(uint32_t controller, uint64_t timeout_ms);
  void asynchronous_event(uint32_t controller, uint32_t dw0);
  enum class Queues : uint8_t { Io, All };
  /// Io: a controller reset; on the admin queue, Asynchronous Event Requests are aborted. All: the
  /// end of the controller.
  void controller_terminate(uint32_t controller, Queues queues, const char* reason, Done done);
  /// Keeps the controller's I/O queues, those to come included, from the namespaces `nsids`
  /// (ascending) of its table until it is called again without them: their commands end with
  /// Namespace Not Ready and `retry_delay` as CRD. `done`: every reactor does so; what is under way
  /// is not waited for.
  void controller_withhold(uint32_t controller, std::vector<uint32_t> nsids, uint8_t retry_delay,
                           Done done);
  void abort(uint32_t controller, uint16_t sqid, uint16_t cid, std::function<void(bool)> done);
  void connection_terminate(ConnectionId connection, const char* reason);
  /// Connections that hosts of this address were granted and have not made yet.
  void address_reserve(const std::string& address, uint32_t count);

  // Statistics; empty when there is no such object.
  std::vector<const ReactorStats*> reactor_stats();
  std::vector<const transport::TransportStats*> transport_stats();
  StatsBlocks<nvmf::NamespaceStats> namespace_stats(uint32_t table, uint32_t nsid) const;
  StatsBlocks<nvmf::QueueStats> controller_stats(uint32_t controller) const;

 private:
  struct Lane;  // one reactor with what lives on it
  struct Listener;
  struct Published {  // a namespace in a table, with what keeps it alive
    NamespaceRequest request;
    std::unique_ptr<BdevDesc> desc;
    std::shared_ptr<const nvmf::NamespaceEntry> entry;
    StatsBlocks<nvmf::NamespaceStats> stats;
  };
  using Table = std::map<uint32_t, std::shared_ptr<Published>>;  // by nsid
  struct Controller {
    StatsBlocks<nvmf::QueueStats> stats;
    std::map<uint16_t, ConnectionId> queues;
    bool terminated = false;
    uint32_t table = 0;
    uint32_t view = 0;  ///< not 0: what its I/O queues have in place of the table, on each reactor
    std::vector<uint32_t> withheld;  ///< ascending
    uint8_t retry_delay = 0;
  };
  using Entries = std::vector<std::shared_ptr<const nvmf::NamespaceEntry>>;
  /// What a view of a table shows.
  struct View {
    uint32_t number = 0;
    uint32_t table = 0;
    Entries entries;
    std::vector<uint32_t> withheld;
    uint8_t retry_delay = 0;
  };
  struct Connection {
    uint32_t controller = 0;
    uint16_t qid = 0;
    transport::CommandToken connect = 0;  ///< 0: none that waits for its answer
  };
  struct ControlIo;
  struct ClosedWaiter {
    std::set<ConnectionId> connections;
    Done done;
  };

  Engine(std::unique_ptr<env::Env> env, void (*notify)(void* argument), void* argument);
  Result<void> start(const EngineOptions& options);
  Result<void> fit_open_files(const EngineOptions& options);
  struct Arrival;
  void place(int fd, uint32_t listener);
  void displace(ConnectionId connection);
  void refuse(int fd, uint32_t listener, const env::Endpoint& peer, bool own_limit);
  static void arrive(Arrival* arrival);
  void begin(std::shared_ptr<ControlIo> io, Done done);
  /// On each reactor.
  void tell_channels(const std::shared_ptr<BdevEntry>& entry,
                     void (ReactorChannels::*what)(const BdevEntry& entry));
  void forget_connect(transport::CommandToken token);
  void connection_closed(ConnectionId connection);
  void wait_closed(std::set<ConnectionId> connections, Done done);
  void stop_groups(Done done);
  Entries entries_of(uint32_t table) const;
  View view_of(const Controller& controller) const;
  void end_view(Controller& controller, Done done);
  static std::vector<ConnectionId> io_queues(const Controller& controller);
  void forget_controller(std::map<uint32_t, Controller>::iterator controller);
  /// Runs `run(lane)` on each reactor; `run` calls Join::arrive() when it is done there.
  void on_each(Done done, std::function<void(Lane& lane, Join& join)> run);
  /// Runs `run(lane)` on one reactor.
  static void on_lane(Lane& lane, std::function<void(Lane& lane)> run);

  std::unique_ptr<env::Env> env_;
  Completions completions_;
  void (*const notify_)(void* argument);
  void* const argument_;
  std::atomic<uint64_t> page_bytes_{0};  // outlives the reactors, which free pages too
  uint32_t connections_max_ = 0;
  uint64_t open_files_max_ = 0;
  std::unique_ptr<transport::Admission> admission_;
  std::unique_ptr<transport::ControlQueue> queue_;
  uint32_t refused_ = 0;  // first reactor's: since it was told
  uint64_t refused_told_ns_ = 0;
  uint32_t page_next_ = 1;
  std::map<uint32_t, std::shared_ptr<const transport::ControlPage>> pages_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::vector<Reactor*> reactors_;
  std::unique_ptr<env::ReachableMemory> zeros_reachable_;
  SharedParts parts_;
  std::unique_ptr<BdevRegistry> bdevs_;
  std::map<uint32_t, std::unique_ptr<Listener>> listeners_;
  std::map<uint32_t, Table> tables_;
  std::map<uint32_t, Controller> controllers_;
  uint32_t view_next_ = 1;
  std::map<ConnectionId, Connection> connections_;
  std::map<transport::CommandToken, ConnectionId> connects_;  // Connect commands not answered yet
  std::vector<ClosedWaiter> closed_waiters_;
};

}  // namespace capsuled::control
