// SteppedTarget: a group of connections on a SteppedReactor. Between turns the test may also decide
// when a bdev ends, and when the control plane answers.
//
// Thread: the test's.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <type_traits>
#include <utility>
#include <vector>

#include "bdev/bdev_registry.h"
#include "bdev/malloc/malloc_bdev.h"
#include "bdev/null/null_bdev.h"
#include "nvmf/namespace_table.h"
#include "pdu/testing/pdu_peer.h"
#include "transport/group.h"
#include "transport/testing/held_bdev.h"
#include "transport/testing/stepped_reactor.h"

namespace capsuled::transport::testing {

using namespace capsuled::testing;

/// Namespace 1 is a RAM disk, 2 holds what it is given, 3 reads as zeros.
class SteppedTarget {
 public:
  static constexpr uint32_t kUntilTurnsMax = 5000;

  explicit SteppedTarget(uint64_t seed = 1, uint64_t memory_bytes = 4 << 20,
                         const GroupOptions& group = small_group())
      : stepped_(seed, {.memory_bytes = memory_bytes}),
        queue_(stepped_.env(), 1024, 65536, [](void*) {}, nullptr) {
    group_ = Group::create(stepped_.reactor(), group, queue_).value();
    registry_ = std::make_unique<BdevRegistry>(1);
    ASSERT(registry_->add(make_ram("ram")).ok());
    auto held = std::make_unique<HeldBdev>();
    held_ = held.get();
    ASSERT(registry_->add(std::move(held)).ok());
    ASSERT(registry_->add(make_null_bdev({.name = "zeros", .bytes = kDiskBytes}).value()).ok());
    table_ = std::make_unique<nvmf::NamespaceTable>(stepped_.reactor());
    publish("ram", 0);
  }

  static GroupOptions small_group() {
    GroupOptions group;
    group.connections_max = 8;
    group.requests_max = 256;
    group.receive_buffers = 8;
    return group;
  }

  ~SteppedTarget() {
    if (!stopping_) stop();
    ASSERT(until([this] {
      drain_control();
      return stopped_;
    }));
    on_reactor([this] { table_.reset(); });
    group_.reset();
    registry_.reset();
  }

  /// Begins to stop the group.
  void stop() {
    stopping_ = true;
    on_reactor([this] { group_->stop([this] { stopped_ = true; }); });
  }

  void turns(uint32_t count) {
    for (; count > 0; --count) stepped_.turn();
  }
  /// Turns until `there` is true; false: it does not become so.
  template <typename Condition>
  bool until(Condition there) {
    for (uint32_t turns = 0; turns < kUntilTurnsMax; ++turns) {
      if (on_reactor(there)) return true;
      stepped_.turn();
    }
    return false;
  }
  /// Runs `what` as the reactor would, between two turns.
  template <typename What>
  std::invoke_result_t<What&> on_reactor(What&& what) {
    return stepped_.in_place(std::forward<What>(what));
  }

  /// Namespace 1 becomes another RAM disk, which is empty.
  void replace_ram() {
    const uint32_t since = nvmf::take_table_version();
    ASSERT(registry_->add(make_ram("ram2")).ok());
    publish("ram2", since);
  }

  /// Namespace 2 becomes a null device.
  void replace_held() { publish("ram", 0, "zeros"); }

  void advance(uint64_t ns) { stepped_.advance(ns); }
  Group& group() { return *group_; }
  const TransportStats& stats() const { return group_->stats(); }
  ReactorStats& reactor_stats() { return stepped_.reactor().stats(); }
  HeldBdev& held() { return *held_; }
  void release_held() {
    on_reactor([this] { held_->release_all(); });
  }

  /// The host's end of a connection that the group took over.
  SimSocket& open() {
    const env::Endpoint target{"127.0.0.1", 4420};
    const env::Endpoint host{"127.0.0.1", 50000};
    const auto [fd, far] = stepped_.connect(target, host);
    on_reactor([&] { ASSERT(group_->adopt(fd, 1, target, host)); });
    drain_control();
    return *far;
  }
  /// The connection that open() made last.
  ConnectionId last_connection() const { return last_connection_; }

  /// What waits for the control plane.
  std::deque<std::unique_ptr<ControlEvent>>& commands() {
    drain_control();
    return commands_;
  }
  /// Of the queues that connect from now on: see Qpair.
  void retry_delay(uint8_t index) { retry_delay_ = index; }
  bool is_open(ConnectionId connection) {
    drain_control();
    return opened_.contains(connection);
  }
  /// Accepts the Connect that came first.
  void accept(uint32_t controller, uint16_t qid, uint32_t host = 0) {
    const auto event = std::move(commands().front());
    commands_.pop_front();
    QueueAttach attach;
    attach.token = event->token;
    attach.controller = controller;
    attach.qid = qid;
    attach.entries = 64;
    attach.flow_control_disabled = true;
    attach.host = host;
    attach.retry_delay = retry_delay_;
    on_reactor([&] { group_->attach(attach, table_.get(), &queue_stats_); });
  }
  /// Answers all commands, with success and a little data.
  void answer_all() {
    drain_control();
    for (const auto& event : std::exchange(commands_, {})) {
      ControlAnswer answer;
      answer.token = event->token;
      answer.data = std::vector<std::byte>(512, std::byte{0x77});
      on_reactor([&] { group_->answer(std::move(answer)); });
    }
  }

 private:
  static constexpr uint64_t kDiskBytes = 2 << 20;
  std::unique_ptr<Bdev> make_ram(const char* name) {
    return make_malloc_bdev(stepped_.env(), {.name = name, .bytes = kDiskBytes}).value();
  }

  /// `ram`: what namespace 1 is, since then; `second`: what namespace 2 is.
  void publish(const char* ram, uint32_t since, const char* second = "held") {
    std::vector<std::shared_ptr<const nvmf::NamespaceEntry>> entries;
    for (const char* name : {ram, second, "zeros"}) {
      auto entry = std::make_shared<nvmf::NamespaceEntry>();
      entry->nsid = static_cast<uint32_t>(entries.size() + 1);
      entry->bdev = registry_->find(name);
      entry->stats = {&namespace_stats_};
      if (name == ram) entry->since_version = since;
      entries.push_back(entry);
    }
    on_reactor([&] { table_->publish(entries, [] {}); });
  }

  void drain_control() {
    for (auto& event : queue_.drain(1024)) {
      if (event->type == ControlEventType::ConnectionOpened) {
        opened_.insert(event->connection);
        last_connection_ = event->connection;
      }
      if (event->type == ControlEventType::ConnectionClosed) {
        ASSERT_MSG(opened_.erase(event->connection) == 1, "closed without being opened");
      }
      if (event->type == ControlEventType::Command) commands_.push_back(std::move(event));
    }
  }

  SteppedReactor stepped_;
  ControlQueue queue_;
  std::unique_ptr<Group> group_;
  std::unique_ptr<BdevRegistry> registry_;
  std::unique_ptr<nvmf::NamespaceTable> table_;
  HeldBdev* held_ = nullptr;
  nvmf::NamespaceStats namespace_stats_;
  nvmf::QueueStats queue_stats_;
  std::deque<std::unique_ptr<ControlEvent>> commands_;
  std::set<ConnectionId> opened_;
  ConnectionId last_connection_ = 0;
  uint8_t retry_delay_ = 0;
  bool stopping_ = false;
  bool stopped_ = false;
};

/// A host of a SteppedTarget: its end of one socket.
class SteppedHost {
 public:
  explicit SteppedHost(SteppedTarget& target)
      : target_(target), socket_(target.open()), connection_(target.last_connection()) {}

  SimSocket& socket() { return socket_; }
  /// The target's end.
  SimSocket& other() { return *socket_.other(); }
  ConnectionId connection() const { return connection_; }
  void put(const Octets& octets) { socket_.write_all(octets); }
  void capsule(const wire::SubmissionQueueEntry& sqe, const Octets& data = {}) {
    put(make_capsule(sqe, data, {}));
  }
  /// The next complete PDU that the target sent; none: its type is 0xff.
  Pdu take() {
    Pdu pdu;
    pdu.type = wire::PduType{0xff};
    read_all(socket_, received_);
    const std::span<const std::byte> rest = std::span(received_).subspan(taken_);
    if (rest.size() < sizeof(wire::PduCommonHeader)) return pdu;
    const auto& common = wire::view_as<wire::PduCommonHeader>(rest);
    if (rest.size() < common.plen.get()) return pdu;
    taken_ += common.plen.get();
    pdu.type = static_cast<wire::PduType>(common.type);
    const auto header = rest.first(common.hlen);
    pdu.header.assign(header.begin(), header.end());
    if (common.pdo > 0) {
      const auto data = rest.subspan(common.pdo, common.plen.get() - common.pdo);
      pdu.data.assign(data.begin(), data.end());
    }
    return pdu;
  }
  /// Waits for a PDU of this type; others before it are dropped.
  Pdu receive(wire::PduType type) {
    Pdu pdu;
    const bool there = target_.until([&] {
      for (pdu = take(); pdu.type != wire::PduType{0xff}; pdu = take()) {
        if (pdu.type == type) return true;
      }
      return false;
    });
    ASSERT_MSG(there, "the target did not answer");
    return pdu;
  }
  /// ICReq and Connect, accepted; the answers are not waited for.
  void connect(uint32_t controller, uint16_t qid, uint32_t host = 0) {
    put(make_ic_req({}));
    capsule(make_connect(0, qid, 64, true), Octets(sizeof(wire::ConnectData)));
    ASSERT(target_.until([this] { return !target_.commands().empty(); }));
    target_.accept(controller, qid, host);
  }

 private:
  SteppedTarget& target_;
  SimSocket& socket_;
  ConnectionId connection_;
  std::vector<std::byte> received_;
  size_t taken_ = 0;
};

}  // namespace capsuled::transport::testing
