// Controllers and connections: answers, Connect, termination, Abort.
#include "base/assert.h"
#include "control/engine.h"
#include "control/engine_state.h"

namespace capsuled::control {

uint32_t Engine::page_create(transport::ControlPage bytes) {
  const uint64_t size = bytes.size();
  // Relaxed: a bound on memory, nothing else depends on it.
  if (page_bytes_.load(std::memory_order_relaxed) + size > kPagesBytesMax) return 0;
  page_bytes_.fetch_add(size, std::memory_order_relaxed);
  auto* const kept = new transport::ControlPage(std::move(bytes));
  const uint32_t page = page_next_++;
  pages_[page] = std::shared_ptr<const transport::ControlPage>(
      kept, [this, size](const transport::ControlPage* gone) {
        delete gone;
        page_bytes_.fetch_sub(size, std::memory_order_relaxed);
      });
  return page;
}

std::shared_ptr<const transport::ControlPage> Engine::page(uint32_t page) const {
  const auto found = pages_.find(page);
  return found == pages_.end() ? nullptr : found->second;
}

void Engine::answer(transport::ControlAnswer answer) {
  forget_connect(answer.token);
  Lane& lane = *lanes_[transport::handle_reactor(answer.token)];
  on_lane(lane, [answer = std::move(answer)](Lane& here) mutable {
    here.group->answer(std::move(answer));
  });
}

/// The Connect has its answer, or its connection is gone.
void Engine::forget_connect(transport::CommandToken token) {
  const auto connect = connects_.find(token);
  if (connect == connects_.end()) return;
  if (const auto found = connections_.find(connect->second); found != connections_.end()) {
    found->second.connect = 0;
  }
  connects_.erase(connect);
}

bool Engine::attach(const transport::QueueAttach& attach) {
  const auto connect = connects_.find(attach.token);
  if (connect == connects_.end()) return false;
  const ConnectionId id = connect->second;
  forget_connect(attach.token);
  const auto connection = connections_.find(id);
  ASSERT_MSG(connection != connections_.end(), "a Connect outlived its connection");

  Lane& lane = *lanes_[transport::handle_reactor(attach.token)];
  Controller& controller = controllers_[attach.controller];
  if (controller.stats.empty()) {
    for (size_t index = 0; index < lanes_.size(); index++) {
      controller.stats.push_back(std::make_shared<nvmf::QueueStats>());
    }
  }
  controller.queues[attach.qid] = id;
  if (attach.table != 0) controller.table = attach.table;
  connection->second = Connection{.controller = attach.controller, .qid = attach.qid};
  nvmf::QueueStats* const stats = controller.stats[lane.reactor->index()].get();
  on_lane(lane, [attach, stats, view = controller.view](Lane& here) {
    nvmf::NamespaceTable* table = nullptr;
    if (view != 0) {
      table = here.views.at(view).namespaces.get();
    } else if (attach.table != 0) {
      auto& slot = here.tables[attach.table];
      if (slot == nullptr) slot = std::make_unique<nvmf::NamespaceTable>(*here.reactor);
      table = slot.get();
    }
    here.group->attach(attach, table, stats);
  });
  return true;
}

void Engine::set_keep_alive(uint32_t controller, uint64_t timeout_ms) {
  const auto found = controllers_.find(controller);
  if (found == controllers_.end() || !found->second.queues.contains(0)) return;
  on_lane(
      *lanes_[transport::handle_reactor(found->second.queues.at(0))],
      [controller, timeout_ms](Lane& here) { here.group->set_keep_alive(controller, timeout_ms); });
}

void Engine::asynchronous_event(uint32_t controller, uint32_t dw0) {
  const auto found = controllers_.find(controller);
  if (found == controllers_.end() || !found->second.queues.contains(0)) return;
  on_lane(*lanes_[transport::handle_reactor(found->second.queues.at(0))],
          [controller, dw0](Lane& here) { here.group->asynchronous_event(controller, dw0); });
}

void Engine::connection_terminate(ConnectionId connection, const char* reason) {
  if (!connections_.contains(connection)) return;
  on_lane(*lanes_[transport::handle_reactor(connection)],
          [connection, reason](Lane& here) { here.group->terminate(connection, reason); });
}

void Engine::address_reserve(const std::string& address, uint32_t count) {
  admission_->set_reserve(address, count);
}

void Engine::controller_terminate(uint32_t controller, Queues queues, const char* reason,
                                  Done done) {
  std::set<ConnectionId> connections;
  if (const auto found = controllers_.find(controller); found != controllers_.end()) {
    for (const auto& [qid, connection] : found->second.queues) {
      if (qid != 0 || queues == Queues::All) connections.insert(connection);
    }
    if (queues == Queues::Io && found->second.queues.contains(0)) {
      // Before the answer to the Property Set that asks for the reset, which takes the same way.
      on_lane(*lanes_[transport::handle_reactor(found->second.queues.at(0))],
              [controller](Lane& here) { here.group->reset_controller(controller); });
    }
    if (queues == Queues::All) {
      found->second.terminated = true;
      if (found->second.queues.empty()) forget_controller(found);
    }
  }
  for (const ConnectionId connection : connections) connection_terminate(connection, reason);
  wait_closed(std::move(connections), std::move(done));
}

/// Its queues are gone, and with them their commands.
void Engine::forget_controller(std::map<uint32_t, Controller>::iterator controller) {
  end_view(controller->second, [] {});
  controllers_.erase(controller);
}

void Engine::wait_closed(std::set<ConnectionId> connections, Done done) {
  if (connections.empty()) {
    completions_.push(std::move(done));
    return;
  }
  closed_waiters_.push_back(ClosedWaiter{std::move(connections), std::move(done)});
}

void Engine::connection_closed(ConnectionId id) {
  const auto found = connections_.find(id);
  ASSERT_MSG(found != connections_.end(), "a connection closed twice");
  // A Connect may still be with the control plane, which cannot answer it any more.
  forget_connect(found->second.connect);
  const Connection connection = found->second;
  connections_.erase(found);
  lanes_[transport::handle_reactor(id)]->placed.fetch_sub(1, std::memory_order_relaxed);

  if (const auto owner = controllers_.find(connection.controller); owner != controllers_.end()) {
    // A new connection may have taken the queue's place while this one went.
    const auto queue = owner->second.queues.find(connection.qid);
    if (queue != owner->second.queues.end() && queue->second == id)
      owner->second.queues.erase(queue);
    if (owner->second.terminated && owner->second.queues.empty()) forget_controller(owner);
  }
  std::vector<Done> ready;
  std::erase_if(closed_waiters_, [&](ClosedWaiter& waiter) {
    waiter.connections.erase(id);
    if (!waiter.connections.empty()) return false;
    ready.push_back(std::move(waiter.done));
    return true;
  });
  for (Done& done : ready) completions_.push(std::move(done));
}

void Engine::abort(uint32_t controller, uint16_t sqid, uint16_t cid,
                   std::function<void(bool)> done) {
  const auto found = controllers_.find(controller);
  if (found == controllers_.end() || !found->second.queues.contains(sqid)) {
    completions_.push([done = std::move(done)] { done(false); });
    return;
  }
  const ConnectionId connection = found->second.queues.at(sqid);
  on_lane(*lanes_[transport::handle_reactor(connection)],
          [this, connection, cid, done = std::move(done)](Lane& here) {
            here.group->abort(connection, cid, [this, done](bool aborted) {
              completions_.push([done, aborted] { done(aborted); });
            });
          });
}

StatsBlocks<nvmf::QueueStats> Engine::controller_stats(uint32_t controller) const {
  const auto found = controllers_.find(controller);
  if (found == controllers_.end()) return {};
  return found->second.stats;
}

}  // namespace capsuled::control
