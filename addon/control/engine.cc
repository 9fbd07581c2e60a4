#include "control/engine.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "bdev/reactor_channels.h"
#include "bdev/zero_buffer.h"
#include "control/engine_state.h"

namespace capsuled::control {

namespace {

constexpr uint32_t kControlQueueCapacity = 16384;
constexpr int kListenBacklog = 4096;

/// Descriptors beside those of connections: files of bdevs, listeners, HTTP, and Node's own.
constexpr uint64_t kOtherFilesMax = 512;
/// How often the control plane is told of refused connections.
constexpr uint64_t kRefusedTellNs = 1'000'000'000;

/// Requests and receive buffers in proportion to the I/O memory, within what the transport can
/// name.
transport::GroupOptions group_options(const EngineOptions& options, uint64_t memory_bytes,
                                      uint32_t connections_max, transport::Admission& admission) {
  transport::GroupOptions group;
  group.admission = &admission;
  // Admission bounds all reactors' together, and a slot that is not used takes no memory.
  group.connections_max = connections_max;
  group.requests_max = options.requests_max;
  const auto buffers = static_cast<uint32_t>(
      std::clamp<uint64_t>(memory_bytes / 8 / group.receive_buffer_bytes, 64, UINT32_MAX));
  group.receive_buffers = std::min(buffers, options.receive_buffers_max);
  group.icreq_timeout_ns = options.connect_timeout_ns;
  group.connect_timeout_ns = options.connect_timeout_ns;
  group.pdu_timeout_ns = options.pdu_timeout_ns;
  return group;
}

}  // namespace

uint64_t open_files_needed(uint32_t connections) {
  return connections + transport::AdmissionLimits::of(connections).leaving_max + kOtherFilesMax;
}

uint64_t reachable_bytes(const EngineOptions& options) {
  const uint64_t capsules =
      uint64_t{options.requests_max} * transport::capsule_bytes(transport::GroupOptions{});
  return options.memory_bytes + options.cores.size() * capsules;
}

Engine::Engine(std::unique_ptr<env::Env> env, void (*notify)(void* argument), void* argument)
    : env_(std::move(env)), completions_(notify, argument), notify_(notify), argument_(argument) {}

Result<std::unique_ptr<Engine>> Engine::create(std::unique_ptr<env::Env> env,
                                               const EngineOptions& options,
                                               void (*notify)(void* argument), void* argument) {
  ASSERT(!options.cores.empty() && options.cores.size() < (1u << transport::kHandleReactorBits));
  std::unique_ptr<Engine> engine(new Engine(std::move(env), notify, argument));
  if (const auto started = engine->start(options); !started) return started.error();
  return engine;
}

Result<void> Engine::start(const EngineOptions& options) {
  const auto count = static_cast<uint32_t>(options.cores.size());
  const uint64_t memory_bytes = options.memory_bytes / count;
  const std::span<std::byte> zeros = zero_memory();
  zeros_reachable_ = std::make_unique<env::ReachableMemory>(
      env_->memory(), env::MemoryRange{zeros.data(), zeros.size()});
  bdevs_ = std::make_unique<BdevRegistry>(count);
  if (const auto fits = fit_open_files(options); !fits) return fits.error();
  const auto limits = transport::AdmissionLimits::of(connections_max_);
  const uint32_t slots = connections_max_ + limits.leaving_max;
  admission_ = std::make_unique<transport::Admission>(limits);
  queue_ = std::make_unique<transport::ControlQueue>(*env_, kControlQueueCapacity,
                                                     size_t{transport::kControlEventsMax} * slots,
                                                     notify_, argument_);
  for (uint32_t index = 0; index < count; index++) {
    auto lane = std::make_unique<Lane>();
    ReactorOptions reactor_options;
    reactor_options.index = index;
    reactor_options.core = options.cores[index];
    reactor_options.mode = options.poll;
    reactor_options.idle_after_ns = options.idle_after_ns;
    reactor_options.memory_bytes = memory_bytes;
    reactor_options.huge_pages = options.huge_pages;
    auto reactor = Reactor::create(*env_, reactor_options);
    if (!reactor) return reactor.error();
    lane->reactor = std::move(reactor).value();
    auto group = transport::Group::create(
        *lane->reactor, group_options(options, memory_bytes, slots, *admission_), *queue_);
    if (!group) return group.error();
    lane->group = std::move(group).value();
    lanes_.push_back(std::move(lane));
  }
  for (auto& lane : lanes_) {
    if (const auto started = lane->reactor->start(); !started) return started.error();
    reactors_.push_back(lane->reactor.get());
  }
  return {};
}

/// As many connections as were asked for, and those that are closing, need a descriptor each.
Result<void> Engine::fit_open_files(const EngineOptions& options) {
  open_files_max_ = env_->raise_open_files_max();
  connections_max_ = options.connections_max;
  if (open_files_needed(connections_max_) <= open_files_max_) return {};
  if (open_files_needed(kConnectionsMin) > open_files_max_) {
    return Error{EMFILE, "the limit of open files (RLIMIT_NOFILE) leaves none for connections"};
  }
  // A connection and its part of those that close.
  connections_max_ = std::max(
      kConnectionsMin, static_cast<uint32_t>((open_files_max_ - kOtherFilesMax - 16) * 8 / 9));
  return {};
}

Engine::~Engine() {
  // One that drives a device does so on the reactors, to its end.
  tables_.clear();
  bdevs_.reset();
  for (auto& lane : lanes_) lane->reactor->stop();
}

std::vector<std::unique_ptr<transport::ControlEvent>> Engine::drain(uint32_t limit,
                                                                    transport::PeerKinds kinds) {
  completions_.run();
  auto events = queue_->drain(limit, kinds);
  for (const auto& event : events) {
    switch (event->type) {
      case transport::ControlEventType::ConnectionOpened:
        connections_.emplace(event->connection, Connection{});
        break;
      case transport::ControlEventType::ConnectionClosed:
        connection_closed(event->connection);
        admission_->leave(event->ticket);
        break;
      case transport::ControlEventType::Command:
        // Only a command before Connect can become one.
        if (event->controller == 0) {
          connects_[event->token] = event->connection;
          connections_.at(event->connection).connect = event->token;
        }
        break;
      case transport::ControlEventType::KeepAliveExpired:
      case transport::ControlEventType::CommandFailed:
      case transport::ControlEventType::PeerLimited:
      case transport::ControlEventType::ConnectionsRefused: break;
    }
  }
  return events;
}

void Engine::on_lane(Lane& lane, std::function<void(Lane& lane)> run) {
  struct Task {
    Lane& lane;
    std::function<void(Lane& lane)> run;
  };
  auto* const task = new Task{lane, std::move(run)};
  lane.reactor->send_message_wait(Message{
      .run =
          [](Reactor&, void* argument) {
            const std::unique_ptr<Task> here(static_cast<Task*>(argument));
            here->run(here->lane);
          },
      .argument = task,
  });
}

void Engine::on_each(Done done, std::function<void(Lane& lane, Join& join)> run) {
  Join* const join =
      Join::make(completions_, static_cast<uint32_t>(lanes_.size()), std::move(done));
  for (auto& lane : lanes_) {
    on_lane(*lane, [join, run](Lane& here) { run(here, *join); });
  }
}

void Engine::stop(Done done) {
  Join* const join = Join::make(completions_, static_cast<uint32_t>(listeners_.size()) + 1,
                                [this, done = std::move(done)] { stop_groups(done); });
  while (!listeners_.empty()) {
    listener_remove(listeners_.begin()->first, [join] { join->arrive(); });
  }
  join->arrive();
}

void Engine::stop_groups(Done done) {
  on_each(
      [this, done = std::move(done)] {
        // The connections are gone: nothing is under way on any namespace, so the tables can go on
        // their threads.
        on_each(done, [](Lane& lane, Join& join) {
          lane.views.clear();
          lane.tables.clear();
          join.arrive();
        });
      },
      [](Lane& lane, Join& join) {
        // What a bdev keeps by intent would keep its connection.
        ReactorChannels::of(*lane.reactor).let_go();
        lane.group->stop([&join] { join.arrive(); });
      });
}

Result<env::Endpoint> Engine::listener_add(uint32_t listener, const env::Endpoint& endpoint) {
  ASSERT(!listeners_.contains(listener));
  const auto fd = env_->listen(endpoint, kListenBacklog);
  if (!fd) return fd.error();
  auto local = env_->local_endpoint(fd.value());
  if (!local) {
    env_->close(fd.value());
    return local.error();
  }
  listeners_[listener] = std::make_unique<Listener>(Listener{fd.value()});
  return local;
}

void Engine::listener_start(uint32_t listener) {
  Listener& bound = *listeners_.at(listener);
  ASSERT_MSG(bound.waiting_fd >= 0, "a listener started twice");
  on_lane(*lanes_.front(), [this, listener, socket = bound.waiting_fd](Lane& lane) {
    auto acceptor = std::make_unique<transport::Acceptor>(
        *lane.reactor, socket, listener,
        [this](int accepted, uint32_t from) { place(accepted, from); });
    acceptor->start();
    lane.acceptors[listener] = std::move(acceptor);
  });
  bound.waiting_fd = -1;
}

void Engine::listener_remove(uint32_t listener, Done done) {
  ASSERT(listeners_.contains(listener));
  const int waiting_fd = listeners_.at(listener)->waiting_fd;
  listeners_.erase(listener);
  if (waiting_fd >= 0) {
    env_->close(waiting_fd);
    completions_.push(std::move(done));
    return;
  }
  // Two steps: the acceptor is destroyed by a message of its own, not from its own last callback.
  Join* const destroyed = Join::make(completions_, 1, std::move(done));
  Join* const stopped = Join::make(completions_, 1, [this, listener, destroyed] {
    on_lane(*lanes_.front(), [listener, destroyed](Lane& lane) {
      lane.acceptors.erase(listener);
      destroyed->arrive();
    });
  });
  on_lane(*lanes_.front(), [listener, stopped](Lane& lane) {
    lane.acceptors.at(listener)->stop([stopped] { stopped->arrive(); });
  });
}

/// First reactor's thread: hands an accepted socket to the reactor with the fewest connections.
void Engine::place(int fd, uint32_t listener) {
  const auto local = env_->local_endpoint(fd);
  const auto peer = env_->peer_endpoint(fd);
  if (!local || !peer) {  // the host is gone already
    env_->close(fd);
    return;
  }
  const auto admitted = admission_->enter(peer.value().address);
  if (admitted.displaced != 0) displace(admitted.displaced);
  if (admitted.ticket == 0) {
    return refuse(fd, listener, peer.value(), admitted.own_limit);
  }
  Lane* best = lanes_.front().get();
  for (auto& lane : lanes_) {
    // Relaxed: a hint for balance, nothing depends on it.
    if (lane->placed.load(std::memory_order_relaxed) <
        best->placed.load(std::memory_order_relaxed)) {
      best = lane.get();
    }
  }
  env_->prepare_connection(fd);
  // Counted before it is there, so that a storm of connections is spread too.
  best->placed.fetch_add(1, std::memory_order_relaxed);
  auto* const arrival =
      new Arrival{best, fd, listener, local.value(), peer.value(), *admission_, admitted.ticket};
  if (best == lanes_.front().get()) return arrive(arrival);
  const bool sent = best->reactor->send_message(Message{
      .run = [](Reactor&, void* argument) { arrive(static_cast<Arrival*>(argument)); },
      .argument = arrival,
  });
  if (sent) return;
  // That reactor has more to do than it can take in: this one serves the connection.
  best->placed.fetch_sub(1, std::memory_order_relaxed);
  lanes_.front()->placed.fetch_add(1, std::memory_order_relaxed);
  arrival->lane = lanes_.front().get();
  arrive(arrival);
}

/// First reactor's thread: the connection's place was given to another.
void Engine::displace(ConnectionId connection) {
  lanes_.front()->group->count_displaced();
  Lane& lane = *lanes_[transport::handle_reactor(connection)];
  struct Displaced {
    Lane& lane;
    ConnectionId connection;
  };
  auto* const displaced = new Displaced{lane, connection};
  const Message message{
      .run =
          [](Reactor&, void* argument) {
            const std::unique_ptr<Displaced> here(static_cast<Displaced*>(argument));
            here->lane.group->terminate(here->connection, "displaced");
          },
      .argument = displaced,
  };
  if (&lane == lanes_.front().get()) return message.run(*lane.reactor, displaced);
  // A reactor that cannot take it in now leaves it to the time-outs before Connect.
  if (!lane.reactor->send_message(message)) delete displaced;
}

/// First reactor's thread: tells the control plane now and then, if it keeps out whoever comes.
void Engine::refuse(int fd, uint32_t listener, const env::Endpoint& peer, bool own_limit) {
  env_->close(fd);
  lanes_.front()->group->count_rejected();
  if (own_limit) return;
  ++refused_;
  const uint64_t now_ns = lanes_.front()->reactor->now_ns();
  if (now_ns - refused_told_ns_ < kRefusedTellNs) return;
  auto event = std::make_unique<transport::ControlEvent>();
  event->type = transport::ControlEventType::ConnectionsRefused;
  event->listener = listener;
  event->peer = peer;
  event->refused = refused_;
  if (!queue_->try_push(event)) return;
  refused_ = 0;
  refused_told_ns_ = now_ns;
}

/// The reactor's thread: the connection's first moment there.
void Engine::arrive(Arrival* arrival) {
  const std::unique_ptr<Arrival> here(arrival);
  Lane& lane = *here->lane;
  // Nobody reports the end of a connection that did not begin.
  if (!lane.group->adopt(here->fd, here->listener, here->local, here->peer, here->ticket)) {
    here->admission.leave(here->ticket);
    lane.placed.fetch_sub(1, std::memory_order_relaxed);
  }
}

std::vector<const ReactorStats*> Engine::reactor_stats() {
  std::vector<const ReactorStats*> stats;
  for (auto& lane : lanes_) stats.push_back(&lane->reactor->stats());
  return stats;
}

std::vector<const transport::TransportStats*> Engine::transport_stats() {
  std::vector<const transport::TransportStats*> stats;
  for (auto& lane : lanes_) stats.push_back(&lane->group->stats());
  return stats;
}

}  // namespace capsuled::control
