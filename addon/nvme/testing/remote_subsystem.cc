// Ports, connections, and the I/O commands of RemoteSubsystem.
#include "nvme/testing/remote_subsystem.h"

#include <algorithm>
#include <span>
#include <utility>

#include "base/assert.h"
#include "wire/admin_command.h"
#include "wire/feature.h"
#include "wire/io_command.h"

namespace capsuled::nvme::testing {

using wire::GenericStatus;

RemoteSubsystem::RemoteSubsystem(env::sim::SimNetwork& network,
                                 const RemoteSubsystemOptions& options)
    : network_(network),
      machine_(network.machine()),
      options_(options),
      group_(options.access_groups),
      old_group_(options.access_groups) {}

RemoteSubsystem::~RemoteSubsystem() {
  alive_.reset();
  for (uint32_t port = 0; port < ports_.size(); ++port) kill(port);
  for (Job& job : jobs_) machine_.cancel(job.event);
}

// ---- Ports -------------------------------------------------------------------------------------

uint32_t RemoteSubsystem::add_port(const env::Endpoint& endpoint) {
  const auto number = static_cast<uint32_t>(ports_.size());
  ports_.push_back({.number = number, .endpoint = endpoint});
  listen(ports_.back());
  return number;
}

void RemoteSubsystem::listen(Port& port) {
  port.listener = network_.listen(port.endpoint, 16).value();
  port.listener->ready = [this, number = port.number] { accept(number); };
}

void RemoteSubsystem::accept(uint32_t port) {
  Port& here = ports_[port];
  RemoteConnectionOwner& owner = *this;
  while (env::sim::SimSocket* const socket = here.listener->accept()) {
    auto made = std::make_shared<RemoteConnection>(owner, *socket, port);
    here.connections.push_back(made);
    if (here.silent) made->silence();
    made->begin();
  }
}

void RemoteSubsystem::kill(uint32_t port) {
  Port& here = ports_[port];
  if (here.listener != nullptr) network_.close(*std::exchange(here.listener, nullptr));
  while (!here.connections.empty()) {
    const std::shared_ptr<RemoteConnection> connection = here.connections.back();
    connection->cut();
  }
}

void RemoteSubsystem::restart(uint32_t port) { listen(ports_[port]); }

void RemoteSubsystem::silence(uint32_t port, bool silent) {
  Port& here = ports_[port];
  here.silent = silent;
  const auto connections = here.connections;
  for (const auto& connection : connections) {
    if (silent) {
      connection->silence();
    } else {
      connection->cut();
    }
  }
}

void RemoteSubsystem::part(uint32_t port) {
  Port& here = ports_[port];
  here.silent = true;
  Prng& prng = machine_.prng();
  for (const auto& connection : here.connections) {
    connection->silence();
    const auto by = controllers_.find(connection->cntlid);
    const uint64_t kato_ns = by == controllers_.end() ? 0 : by->second.kato_ns;
    const uint64_t most_ns = kato_ns + uint64_t{options_.quiesce_ms} * 900'000;
    connection->goes_on_until_ns = machine_.now_ns() + most_ns;
    for (Job& job : take_jobs(*connection)) {
      if (prng.chance(1, 2)) schedule(std::move(job), prng.between(0, most_ns));
    }
  }
}

void RemoteSubsystem::cut_one(uint32_t port) {
  const auto& connections = ports_[port].connections;
  if (connections.empty()) return;
  const std::shared_ptr<RemoteConnection> one =
      connections[machine_.prng().below(connections.size())];
  one->cut();
}

void RemoteSubsystem::ended(RemoteConnection& connection) {
  const std::shared_ptr<RemoteConnection> self = connection.shared_from_this();
  std::erase(ports_[connection.port].connections, self);
  leave_behind(connection);
  // With one of its queues a controller ends, and with it all that it has.
  const uint16_t cntlid = connection.cntlid;
  if (controllers_.erase(cntlid) == 0) return;
  const auto others = ports_[connection.port].connections;
  for (const auto& other : others) {
    if (other->cntlid == cntlid) other->cut();
  }
}

// ---- Access, changes ---------------------------------------------------------------------------

void RemoteSubsystem::set_access(uint32_t port, wire::AnaState access, bool tells) {
  ports_[port].access = access;
  if (!tells) return;
  for (auto& [cntlid, controller] : controllers_) {
    if (controller.admin->port != port) continue;
    tell(controller, wire::AsyncEventNotice::kAsymmetricNamespaceAccessChange,
         wire::LogPage::kAsymmetricNamespaceAccess);
  }
}

void RemoteSubsystem::move_to_group(uint32_t group, bool old_goes) {
  old_group_ = std::exchange(group_, group);
  old_goes_ = old_goes;
}

void RemoteSubsystem::flood_events(uint32_t port) {
  for (auto& [cntlid, controller] : controllers_) {
    if (controller.admin->port != port) continue;
    controller.floods = true;
    send_events(controller);
  }
}

void RemoteSubsystem::changed() {
  for (auto& [cntlid, controller] : controllers_) {
    for (const auto& [nsid, is] : namespaces_) controller.changed.push_back(nsid);
    tell(controller, wire::AsyncEventNotice::kNamespaceAttributeChanged,
         wire::LogPage::kChangedNamespaceList);
  }
}

void RemoteSubsystem::tell(Controller& to, wire::AsyncEventNotice notice, wire::LogPage log) {
  using Wanted = wire::AsyncEventConfiguration;
  const uint32_t bit = notice == wire::AsyncEventNotice::kNamespaceAttributeChanged
                           ? Wanted::Nsan::mask<uint32_t>()
                           : Wanted::Anacn::mask<uint32_t>();
  if ((to.event_configuration & bit) != 0) add_event(to, notice, log);
  send_events(to);
}

void RemoteSubsystem::add_event(Controller& to, wire::AsyncEventNotice notice, wire::LogPage log) {
  using Bits = wire::AsyncEventResult;
  uint32_t dw0 = Bits::Aet::set(0u, static_cast<uint32_t>(wire::AsyncEventType::kNotice));
  dw0 = Bits::Aei::set(dw0, static_cast<uint32_t>(notice));
  to.events.push_back(Bits::Lid::set(dw0, static_cast<uint32_t>(log)));
}

void RemoteSubsystem::send_events(Controller& to) {
  while (to.floods && to.events.size() < to.event_requests.size()) {
    add_event(to, wire::AsyncEventNotice::kNamespaceAttributeChanged,
              wire::LogPage::kChangedNamespaceList);
  }
  while (!to.events.empty() && !to.event_requests.empty()) {
    wire::CompletionQueueEntry cqe = {};
    cqe.cid.set(to.event_requests.front());
    cqe.dw0.set(to.events.front());
    to.event_requests.pop_front();
    to.events.pop_front();
    ++events_;
    to.admin->answer(cqe);
  }
}

void RemoteSubsystem::set_log(uint32_t port, std::vector<wire::DiscoveryLogEntry> log) {
  ports_[port].log = std::move(log);
  ++ports_[port].generation;
}

// ---- Commands ----------------------------------------------------------------------------------

void RemoteSubsystem::commanded(RemoteConnection& connection, RemoteCommand command) {
  const std::shared_ptr<RemoteConnection> self = connection.shared_from_this();
  if (connection.qid != 0 && command.sqe.opcode != wire::kFabricsOpcode) {
    ++ports_[connection.port].io_commands;
    if (faults.held_commands > 0) {
      --faults.held_commands;
      held_.push_back({self, std::move(command)});
    } else {
      schedule({self, std::move(command)}, faults.takes.pick(machine_.prng()));
    }
    return;
  }
  std::optional<Answer> answer;
  if (command.sqe.opcode == wire::kFabricsOpcode) {
    answer = fabrics(connection, command);
  } else {
    answer = admin(connection, command);
  }
  if (!answer.has_value()) return;
  wire::CompletionQueueEntry cqe = {};
  cqe.cid = command.sqe.cid;
  cqe.status.set(answer->status.pack());
  cqe.dw0.set(static_cast<uint32_t>(answer->value));
  cqe.dw1.set(static_cast<uint32_t>(answer->value >> 32));
  connection.answer(cqe, answer->data);
}

void RemoteSubsystem::schedule(Job job, uint64_t delay_ns) {
  jobs_.push_back(std::move(job));
  const auto at = std::prev(jobs_.end());
  at->event = machine_.after(delay_ns, [this, at, alive = std::weak_ptr<bool>(alive_)] {
    if (alive.expired()) return;
    const Job due = std::move(*at);
    jobs_.erase(at);
    carry_out(due);
  });
}

void RemoteSubsystem::release(size_t most) {
  for (; most > 0 && !held_.empty(); --most) {
    schedule(std::move(held_.front()), 0);
    held_.pop_front();
  }
}

size_t RemoteSubsystem::held_count(uint32_t port) const {
  return static_cast<size_t>(
      std::ranges::count_if(held_, [port](const Job& job) { return job.from->port == port; }));
}

/// What is not carried out by now.
std::vector<RemoteSubsystem::Job> RemoteSubsystem::take_jobs(const RemoteConnection& connection) {
  std::vector<Job> left;
  const auto is_its = [&](const Job& job) { return job.from.get() == &connection; };
  for (Job& job : jobs_) {
    if (!is_its(job)) continue;
    machine_.cancel(job.event);
    left.push_back(job);
  }
  for (const Job& job : held_) {
    if (is_its(job)) left.push_back(job);
  }
  std::erase_if(jobs_, is_its);
  std::erase_if(held_, is_its);
  return left;
}

/// Of a connection that has ended.
void RemoteSubsystem::leave_behind(RemoteConnection& connection) {
  std::vector<Job> left = take_jobs(connection);
  if (options_.quiesce_ms == 0 || alive_ == nullptr) return;
  uint64_t most_ns = uint64_t{options_.quiesce_ms} * 900'000;
  // It has missed its host before, perhaps.
  const uint64_t until_ns = connection.goes_on_until_ns;
  if (until_ns != 0) {
    most_ns = std::min(most_ns, std::max(until_ns, machine_.now_ns()) - machine_.now_ns());
  }
  Prng& prng = machine_.prng();
  for (Job& job : left) {
    if (prng.chance(1, 2)) schedule(std::move(job), prng.between(0, most_ns));
  }
}

void RemoteSubsystem::carry_out(const Job& job) {
  if (ports_[job.from->port].silent && job.from->goes_on_until_ns == 0) return;
  const Answer answer = io(job);
  if (faults.lost_answers > 0) {
    --faults.lost_answers;
    return;
  }
  wire::CompletionQueueEntry cqe = {};
  cqe.cid = job.command.sqe.cid;
  cqe.status.set(answer.status.pack());
  job.from->answer(cqe, answer.data);
}

// ---- I/O ---------------------------------------------------------------------------------------

RemoteSubsystem::Answer RemoteSubsystem::io(const Job& job) {
  if (faults.failures > 0) {
    --faults.failures;
    return {faults.status};
  }
  switch (ports_[job.from->port].access) {
    case wire::AnaState::kOptimized:
    case wire::AnaState::kNonOptimized: break;
    case wire::AnaState::kInaccessible: return {wire::PathStatus::kAnaInaccessible};
    case wire::AnaState::kPersistentLoss: return {wire::PathStatus::kAnaPersistentLoss};
    case wire::AnaState::kChange: return {wire::PathStatus::kAnaTransition};
  }
  const wire::SubmissionQueueEntry& sqe = job.command.sqe;
  const auto found = namespaces_.find(sqe.nsid.get());
  if (found == namespaces_.end()) {
    return {wire::Status(GenericStatus::kInvalidNamespaceOrFormat).do_not_retry()};
  }
  SoftwareNamespace& on = *found->second.medium;
  switch (static_cast<wire::IoOpcode>(sqe.opcode)) {
    case wire::IoOpcode::kFlush: return {};
    case wire::IoOpcode::kRead:
    case wire::IoOpcode::kWrite:
    case wire::IoOpcode::kWriteZeroes:
    case wire::IoOpcode::kCompare: return transfer(job.command, on);
    case wire::IoOpcode::kDatasetManagement: return deallocate(job.command, on);
    default: return {wire::Status(GenericStatus::kInvalidOpcode).do_not_retry()};
  }
}

RemoteSubsystem::Answer RemoteSubsystem::transfer(const RemoteCommand& command,
                                                  SoftwareNamespace& on) {
  const wire::LbaRangeCommand range(command.sqe);
  const auto opcode = static_cast<wire::IoOpcode>(command.sqe.opcode);
  if (!on.has(range.slba(), range.block_count())) {
    return {wire::Status(GenericStatus::kLbaOutOfRange).do_not_retry()};
  }
  const std::span<std::byte> blocks = on.blocks(range.slba(), range.block_count());
  const bool brings = opcode == wire::IoOpcode::kWrite || opcode == wire::IoOpcode::kCompare;
  ASSERT_MSG(!brings || command.data.size() == blocks.size(), "a command with the wrong data");
  switch (opcode) {
    case wire::IoOpcode::kRead: return {.data = Octets(blocks.begin(), blocks.end())};
    case wire::IoOpcode::kWrite: std::ranges::copy(command.data, blocks.begin()); return {};
    case wire::IoOpcode::kWriteZeroes: on.zero(range.slba(), range.block_count()); return {};
    case wire::IoOpcode::kCompare:
      if (std::ranges::equal(command.data, blocks)) return {};
      return {wire::MediaStatus::kCompareFailure};
    default: UNREACHABLE();
  }
}

RemoteSubsystem::Answer RemoteSubsystem::deallocate(const RemoteCommand& command,
                                                    SoftwareNamespace& on) {
  const wire::DatasetManagementCommand manages(command.sqe);
  for (size_t index = 0; index < manages.range_count(); ++index) {
    const auto& range = wire::view_as<wire::DsmRange>(
        std::span<const std::byte>(command.data).subspan(index * sizeof(wire::DsmRange)));
    if (!on.has(range.slba.get(), range.nlb.get())) {
      return {wire::Status(GenericStatus::kLbaOutOfRange).do_not_retry()};
    }
    if (manages.deallocate()) on.zero(range.slba.get(), range.nlb.get());
  }
  return {};
}

}  // namespace capsuled::nvme::testing
