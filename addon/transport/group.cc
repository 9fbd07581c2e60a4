#include "transport/group.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "transport/group_core.h"

namespace capsuled::transport {

namespace {

/// Who waits at a limit for so long is told of, and again so long after.
constexpr uint64_t kLimitToldAfterNs = 1'000'000'000;
constexpr uint64_t kLimitToldAgainNs = 60'000'000'000;
/// Turns that peers get in one turn of the loop.
constexpr uint32_t kTurnsMax = 256;
/// How often the time-outs are looked at, while there are connections.
constexpr uint64_t kTimeoutScanNs = 500'000'000;

}  // namespace

/// The lines and the poller that serves them; see group_core.h for what they hold.
struct Group::Impl final : Poller {
  struct ScanTimer : Timer {
    Impl* impl = nullptr;
  };

  Impl(Reactor& reactor, const GroupOptions& options, ControlQueue& control)
      : Poller(PollStage::Send), core(reactor, options, control) {
    timer.impl = this;
    timer.expired = [](Timer& expired) { static_cast<ScanTimer&>(expired).impl->scan(); };
  }

  PollResult poll() override;
  bool post_backlog();
  bool serve_parked();
  bool serve_buffers();
  bool serve_senders();
  void scan();
  void tell_limits();
  void finish_stop();
  TcpRequest* find_command(CommandToken token);
  Connection* find_connection(ConnectionId id);

  GroupCore core;
  ScanTimer timer;
  bool polling = false;
  bool stopping = false;
  std::function<void()> stopped;
};

// ---- Lines --------------------------------------------------------------------------------------

PollResult Group::Impl::poll() {
  bool busy = post_backlog();
  if (serve_parked()) busy = true;
  if (serve_buffers()) busy = true;
  if (serve_senders()) busy = true;
  if (stopping && core.connections.empty() && core.backlog.empty()) finish_stop();
  return busy ? PollResult::Busy : PollResult::Idle;
}

bool Group::Impl::post_backlog() {
  if (core.backlog.empty()) return false;
  while (!core.backlog.empty() && core.control.try_push(core.backlog.front())) {
    core.backlog.pop_front();
  }
  return true;
}

/// Those of bdevs first: they go on to the lines of peers.
bool Group::Impl::serve_parked() {
  bool served = core.bdevs.runnable();
  if (served) [[unlikely]] {
    core.bdevs.serve([](ParkedCommand& command, uint32_t taken) {
      return command.connection->resume_beside(command, taken);
    });
  }
  if (core.peers.runnable()) [[unlikely]] {
    served |= core.peers.serve(kTurnsMax, core.now_ns(), [](Connection& connection, Wait wait) {
      return connection.take_turn(wait);
    });
  }
  return served;
}

bool Group::Impl::serve_buffers() {
  bool served = false;
  const size_t turns = core.buffer_line.size();
  for (size_t turn = 0; turn < turns; ++turn) {
    if (core.receive_buffers->taken() == core.receive_buffers->count()) break;
    core.buffer_line.pop_front()->resume();
    served = true;
  }
  return served;
}

bool Group::Impl::serve_senders() {
  bool served = false;
  while (Connection* const sender = core.senders.pop_front()) {
    sender->send();
    served = true;
  }
  return served;
}

/// Says which peers have waited long at a limit: each once in a while.
void Group::Impl::tell_limits() {
  const uint64_t now_ns = core.now_ns();
  core.peers.for_each_waiting([&](PeerLine& line) {
    Peer& peer = *line.peer;
    if (now_ns - line.since_ns < kLimitToldAfterNs) return;
    if (peer.told_ns != 0 && now_ns - peer.told_ns < kLimitToldAgainNs) return;
    const Connection& waiting = *line.connections.front()->connection;
    auto event = waiting.make_event(ControlEventType::PeerLimited);
    event->reason = resource_word(line.lacks);
    // Nobody needs to hear of it: if the queue is full, the next scan tries again.
    if (core.control.try_push(event)) peer.told_ns = now_ns;
  });
}

void Group::Impl::scan() {
  tell_limits();
  core.connections.for_each(
      [this](Connection& connection) { connection.check_timeouts(core.now_ns()); });
  core.aborts.expire(core.now_ns());
  core.bdevs.wake_all();
  if (!core.connections.empty()) core.reactor.start_timer(timer, core.now_ns() + kTimeoutScanNs);
}

void Group::Impl::finish_stop() {
  if (timer.started()) core.reactor.cancel_timer(timer);
  core.reactor.remove_poller(*this);
  polling = false;
  stopping = false;
  // On the ring's own thread, while it can still be told.
  core.receive_buffers.reset();
  const std::function<void()> then = std::move(stopped);
  then();
}

Connection* Group::Impl::find_connection(ConnectionId id) {
  const uint32_t slot = handle_slot(id);
  if (id == 0 || slot >= core.slots.size() || core.slots[slot] == nullptr) return nullptr;
  return core.slots[slot]->id() == id ? core.slots[slot].get() : nullptr;
}

TcpRequest* Group::Impl::find_command(CommandToken token) {
  TcpRequest* const request = core.requests->find(handle_slot(token));
  if (request == nullptr || request->generation != handle_generation(token) ||
      request->state != RequestState::AwaitControl) {
    return nullptr;
  }
  return request;
}

// ---- The outside --------------------------------------------------------------------------------

uint32_t capsule_bytes(const GroupOptions& options) {
  return std::max(options.in_capsule_bytes, wire::kAdminInCapsuleDataMax);
}

Result<std::unique_ptr<Group>> Group::create(Reactor& reactor, const GroupOptions& options,
                                             ControlQueue& control) {
  if (options.connections_max == 0 || options.connections_max > 1u << kHandleSlotBits) {
    return Error{EINVAL, "expected 1 to 1048576 connections for each reactor"};
  }
  auto impl = std::make_unique<Impl>(reactor, options, control);
  GroupCore& core = impl->core;
  auto requests = RequestPool::create(reactor.env(), options.requests_max, capsule_bytes(options),
                                      core.stats, reactor.stats());
  if (!requests.ok()) return requests.error();
  core.requests = std::move(requests).value();
  auto buffers =
      reactor.ring().provide_buffers(options.receive_buffer_bytes, options.receive_buffers);
  if (!buffers.ok()) return buffers.error();
  core.receive_buffers = std::move(buffers).value();

  core.slots.resize(options.connections_max);
  core.free_slots.reserve(options.connections_max);
  for (uint32_t slot = options.connections_max; slot > 0; --slot) {
    core.free_slots.push_back(slot - 1);
  }
  set_stat(core.stats.connection_free, options.connections_max);
  reactor.add_poller(*impl);
  impl->polling = true;
  return std::unique_ptr<Group>(new Group(std::move(impl)));
}

Group::Group(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Group::~Group() {
  GroupCore& core = impl_->core;
  ASSERT_MSG(core.connections.empty(), "a group destroyed with connections");
  if (impl_->polling) core.reactor.remove_poller(*impl_);
  while (core.free_batches.pop_front() != nullptr) {
  }
}

void Group::count_rejected() { count(impl_->core.stats.connections_rejected); }
void Group::count_displaced() { count(impl_->core.stats.connections_displaced); }

bool Group::adopt(int fd, uint32_t listener, const env::Endpoint& local, const env::Endpoint& peer,
                  uint32_t ticket) {
  GroupCore& core = impl_->core;
  if (core.free_slots.empty() || impl_->stopping || !impl_->polling) {
    count(core.stats.connections_rejected);
    core.reactor.env().close(fd);
    return false;
  }
  const uint32_t slot = core.free_slots.back();
  core.free_slots.pop_back();
  if (core.slots[slot] == nullptr) core.slots[slot] = std::make_unique<Connection>(core, slot);
  core.slots[slot]->open(fd, listener, local, peer, ticket);
  if (!impl_->timer.started()) {
    core.reactor.start_timer(impl_->timer, core.now_ns() + kTimeoutScanNs);
  }
  return true;
}

uint32_t Group::connection_count() const {
  return static_cast<uint32_t>(impl_->core.connections.size());
}

void Group::answer(ControlAnswer&& answer) {
  TcpRequest* const request = impl_->find_command(answer.token);
  if (request != nullptr) request->connection->answer(*request, std::move(answer));
}

void Group::attach(const QueueAttach& attach, nvmf::NamespaceTable* table,
                   nvmf::QueueStats* stats) {
  TcpRequest* const request = impl_->find_command(attach.token);
  if (request != nullptr) request->connection->attach(*request, attach, table, stats);
}

void Group::set_table(ConnectionId connection, nvmf::NamespaceTable& table) {
  if (Connection* const found = impl_->find_connection(connection)) found->set_table(table);
}

void Group::terminate(ConnectionId connection, const char* reason) {
  if (Connection* const found = impl_->find_connection(connection)) found->terminate(reason);
}

void Group::set_keep_alive(uint32_t controller, uint64_t timeout_ms) {
  const auto found = impl_->core.controllers.find(controller);
  if (found != impl_->core.controllers.end()) found->second->set_keep_alive(timeout_ms);
}

void Group::asynchronous_event(uint32_t controller, uint32_t dw0) {
  const auto found = impl_->core.controllers.find(controller);
  if (found != impl_->core.controllers.end()) found->second->asynchronous_event(dw0);
}

void Group::reset_controller(uint32_t controller) {
  const auto found = impl_->core.controllers.find(controller);
  if (found != impl_->core.controllers.end()) found->second->reset();
}

void Group::abort(ConnectionId connection, uint16_t cid, AbortDone done) {
  Connection* const found = impl_->find_connection(connection);
  if (found == nullptr) return done(false);
  found->abort(cid, std::move(done));
}

void Group::stop(std::function<void()> stopped) {
  ASSERT(!impl_->stopping);
  impl_->stopped = std::move(stopped);
  impl_->stopping = true;
  impl_->core.connections.for_each([](Connection& connection) { connection.terminate("stopped"); });
}

const TransportStats& Group::stats() const { return impl_->core.stats; }

}  // namespace capsuled::transport
