#include "sim/sim_target.h"

#include <cstring>
#include <iterator>

#include "base/assert.h"
#include "transport/transport_stats.h"
#include "wire/admin_command.h"
#include "wire/fabrics.h"

namespace capsuled::sim {

using transport::ControlAnswer;
using transport::ControlEvent;
using transport::ControlEventType;

SimTarget::SimTarget(env::sim::SimMachine& machine, env::sim::SimNetwork& network,
                     env::sim::SimFiles& files, const SimTargetOptions& options)
    : machine_(machine), options_(options) {
  control::EngineOptions engine;
  engine.cores.assign(options.reactors, -1);
  engine.memory_bytes = options.memory_bytes;
  engine.connections_max = options.connections_max;
  engine.requests_max = options.requests_max;
  engine.receive_buffers_max = options.receive_buffers_max;
  engine.poll = options.poll;
  engine.pdu_timeout_ns = options.pdu_timeout_ns;
  // From any thread, and any number of times before the control plane looks.
  const auto notify = [](void* argument) { static_cast<SimTarget*>(argument)->look(); };
  env::sim::SimEnvOptions has;
  if (options.drive != nullptr) {
    has.pci = [this](const std::string&) { return options_.drive->open(engine_->env()); };
  }
  engine_ =
      control::Engine::create(std::make_unique<env::sim::SimEnv>(machine, network, files, has),
                              engine, notify, this)
          .value();
  endpoint_ = engine_->listener_add(1, {kAddress, 0}).value();
  engine_->listener_start(1);
}

SimTarget::~SimTarget() {
  engine_ = nullptr;
  if (look_) machine_.cancel(*look_);
}

void SimTarget::look() {
  if (look_) return;
  look_ = machine_.after(options_.loop.pick(machine_.prng()), [this] {
    look_ = std::nullopt;
    const auto events = engine_->drain(kBatch);
    for (const auto& event : events) take(*event);
    if (events.size() == kBatch) look();
  });
}

void SimTarget::take(const ControlEvent& event) {
  switch (event.type) {
    case ControlEventType::ConnectionOpened:
      ASSERT_MSG(connections_.emplace(event.connection, event.peer.port).second, "opened twice");
      return;
    case ControlEventType::ConnectionClosed: {
      const auto found = connections_.find(event.connection);
      ASSERT_MSG(found != connections_.end(), "closed twice");
      const uint16_t from = found->second;
      connections_.erase(found);
      if (event.controller != 0 && event.qid == 0) terminate(event.controller, "host_closed");
      if (connection_closed != nullptr) connection_closed(from);
      return;
    }
    case ControlEventType::KeepAliveExpired:
      return terminate(event.controller, "keep_alive_expired");
    case ControlEventType::Command: return command(event);
    case ControlEventType::CommandFailed:
    case ControlEventType::ConnectionsRefused:
    case ControlEventType::PeerLimited: return;
  }
}

void SimTarget::command(const ControlEvent& event) {
  const bool fabrics = event.sqe.opcode == wire::kFabricsOpcode;
  if (fabrics && wire::command_as<wire::FabricsCommand>(event.sqe).fctype ==
                     static_cast<uint8_t>(wire::FabricsCommandType::kConnect)) {
    return connect(event);
  }
  ControlAnswer answered;
  answered.token = event.token;
  if (event.sqe.opcode == static_cast<uint8_t>(wire::AdminOpcode::kAbort)) {
    const uint32_t cdw10 = event.sqe.cdw10.get();
    engine_->abort(event.controller, static_cast<uint16_t>(cdw10),
                   static_cast<uint16_t>(cdw10 >> 16), [this, answered](bool aborted) mutable {
                     answered.dw0 = aborted ? 0 : 1;
                     answer(std::move(answered));
                   });
    return;
  }
  if (event.data_bytes_max > 0) {
    answered.data.resize(std::min<size_t>(event.data_bytes_max, kAnswerBytes), kAnswerByte);
    answered.bytes = event.data_bytes_max;
  }
  answer(std::move(answered));
}

void SimTarget::connect(const ControlEvent& event) {
  const auto& sqe = wire::command_as<wire::ConnectCommand>(event.sqe);
  ControlAnswer refused;
  refused.token = event.token;
  refused.status = wire::Status(wire::GenericStatus::kInvalidField).do_not_retry().pack();
  if (event.data.size() != sizeof(wire::ConnectData)) return answer(std::move(refused));
  const auto& data = wire::view_as<wire::ConnectData>(std::span(event.data));
  transport::QueueAttach attach;
  attach.token = event.token;
  attach.qid = sqe.qid.get();
  attach.entries = sqe.sqsize.get() + 1u;
  const bool sound = attach.entries >= 2 && attach.entries <= control::kQueueEntriesMax &&
                     attach.qid <= options_.io_queues_max;
  if (!sound) return answer(std::move(refused));
  attach.flow_control_disabled = (sqe.cattr & 4) != 0;
  attach.host = host_number(std::string(data.hostnqn.view()));
  const auto table = tables_.find(std::string(data.subnqn.view()));
  if (table == tables_.end()) return answer(std::move(refused));
  if (attach.qid == 0) {
    attach.controller = controller_next_++;
    controllers_[attach.controller] = {attach.host, table->second};
  } else {
    attach.controller = data.cntlid.get();
    const auto found = controllers_.find(attach.controller);
    if (found == controllers_.end()) return answer(std::move(refused));
    const Controller& controller = found->second;
    const bool own = controller.host == attach.host && controller.table == table->second;
    if (!own || controller.ending) return answer(std::move(refused));
    attach.table = controller.table;
  }
  attach.dw0 = attach.controller & 0xffff;
  const bool attached = engine_->attach(attach);
  if (attach.qid != 0) return;
  if (!attached) {
    controllers_.erase(attach.controller);
  } else {
    engine_->set_keep_alive(attach.controller, sqe.kato.get());
  }
}

void SimTarget::answer(ControlAnswer answered) { engine_->answer(std::move(answered)); }

uint32_t SimTarget::host_number(const std::string& name) {
  return hosts_.try_emplace(name, static_cast<uint32_t>(hosts_.size() + 1)).first->second;
}

void SimTarget::terminate(uint32_t controller, const char* reason) {
  const auto found = controllers_.find(controller);
  if (found == controllers_.end() || std::exchange(found->second.ending, true)) return;
  engine_->controller_terminate(controller, control::Engine::Queues::All, reason,
                                [this, controller] { controllers_.erase(controller); });
}

void SimTarget::end_controller() {
  if (controllers_.empty()) return;
  auto picked = controllers_.begin();
  std::advance(picked, machine_.prng().below(controllers_.size()));
  terminate(picked->first, "by_chance");
}

void SimTarget::end_connection() {
  if (connections_.empty()) return;
  auto picked = connections_.begin();
  std::advance(picked, machine_.prng().below(connections_.size()));
  engine_->connection_terminate(picked->first, "by_chance");
}

void SimTarget::add_bdev(const BdevParameters& parameters) {
  BdevContext context{
      .env = engine_->env(), .reactors = engine_->reactors(), .parts = &engine_->parts()};
  BdevParameters asked = parameters;
  if (const std::string base = asked.text("base"); !base.empty()) {
    context.bases.emplace(base, engine_->bdevs().open(base).value());
  }
  auto bdev = make_bdev(context, parameters);
  ASSERT_MSG(bdev.ok(), bdev.error().message.c_str());
  ASSERT(engine_->bdevs().add(std::move(bdev).value()).ok());
}

bool SimTarget::remove_bdev(const std::string& name) { return engine_->bdevs().take(name).ok(); }

void SimTarget::publish(const SimSubsystem& subsystem, std::function<void()> applied,
                        std::function<void()> drained) {
  const auto number = static_cast<uint32_t>(tables_.size() + 1);
  const uint32_t table = tables_.try_emplace(subsystem.nqn, number).first->second;
  ASSERT(
      engine_
          ->namespaces_publish(table, subsystem.namespaces, std::move(applied), std::move(drained))
          .ok());
}

void SimTarget::stop(std::function<void()> done) { engine_->stop(std::move(done)); }

std::string SimTarget::what_is_left() {
  std::string left;
  const std::set<std::string> free = {"connection_free", "request_free"};
  for (const transport::TransportStats* const stats : engine_->transport_stats()) {
    const auto* const words = reinterpret_cast<const uint64_t*>(stats);
    size_t index = 0;
    for (const char* const name : transport::kTransportStatNames) {
      const std::string word = name;
      const bool gauge = word.starts_with("connection_") || word.starts_with("request_") ||
                         word == "commands_parked";
      if (gauge && !free.contains(word) && words[index] != 0) {
        left += word + " " + std::to_string(words[index]) + " ";
      }
      ++index;
    }
  }
  if (!connections_.empty()) left += std::to_string(connections_.size()) + " connections ";
  return left;
}

}  // namespace capsuled::sim
