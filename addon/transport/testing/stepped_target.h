// SteppedTarget: a group of connections over the fake machine, moved one poll of the ring at a time
// by a test that reads from top to bottom. Between turns nothing happens: the test may look at
// sockets and decide when a send completes, when a bdev ends, and when the control plane answers.
//
// The reactor has its own thread, which waits in its ring for the next turn or for something to run
// (on_reactor()). Thread: the test's.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "bdev/bdev_registry.h"
#include "bdev/malloc/malloc_bdev.h"
#include "bdev/null/null_bdev.h"
#include "nvmf/namespace_table.h"
#include "pdu/testing/pdu_peer.h"
#include "transport/group.h"
#include "transport/testing/fake_env.h"
#include "transport/testing/held_bdev.h"

namespace capsuled::transport::testing {

using namespace capsuled::testing;

/// Namespace 1 is a RAM disk, 2 holds what it is given, 3 reads as zeros.
class SteppedTarget {
 public:
  static constexpr uint32_t kUntilTurnsMax = 5000;

  explicit SteppedTarget(uint64_t seed = 1, uint64_t memory_bytes = 4 << 20,
                         const GroupOptions& group = small_group())
      : env_(seed), queue_(1024, 65536, [](void*) {}, nullptr) {
    env_.drive = [this] { return drive(); };
    ReactorOptions options;
    options.memory_bytes = memory_bytes;
    reactor_ = Reactor::create(env_, options).value();
    group_ = Group::create(*reactor_, group, queue_).value();
    registry_ = std::make_unique<BdevRegistry>(1);
    ASSERT(registry_->add(make_malloc_bdev(env_, {.name = "ram", .bytes = 2 << 20}).value()).ok());
    auto held = std::make_unique<HeldBdev>();
    held_ = held.get();
    ASSERT(registry_->add(std::move(held)).ok());
    ASSERT(registry_->add(make_null_bdev({.name = "zeros", .bytes = 2 << 20}).value()).ok());
    table_ = std::make_unique<nvmf::NamespaceTable>(*reactor_);
    ASSERT(reactor_->start().ok());
    on_reactor([this] { publish(); });
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
    {
      const std::lock_guard lock(mutex_);
      over_ = true;
    }
    changed_.notify_all();
    reactor_->stop();
    group_.reset();
    registry_.reset();
  }

  /// Begins to stop the group.
  void stop() {
    stopping_ = true;
    on_reactor([this] { group_->stop([this] { stopped_ = true; }); });
  }

  /// Lets the reactor poll its ring `count` times.
  void turns(uint32_t count) {
    std::unique_lock lock(mutex_);
    turns_ += count;
    changed_.notify_all();
    changed_.wait(lock, [this] { return turns_ == 0 && waiting_; });
  }
  /// Turns until `there`, which runs on the reactor's thread, is true; false: it does not become
  /// so.
  bool until(const std::function<bool()>& there) {
    std::unique_lock lock(mutex_);
    turns_ = kUntilTurnsMax;
    there_ = &there;
    found_ = false;
    changed_.notify_all();
    changed_.wait(lock, [this] { return turns_ == 0 && waiting_; });
    there_ = nullptr;
    return found_;
  }
  /// Runs `what` on the reactor's thread, between two turns.
  void on_reactor(const std::function<void()>& what) {
    if (Reactor::current() == reactor_.get()) return what();
    std::unique_lock lock(mutex_);
    task_ = &what;
    changed_.notify_all();
    changed_.wait(lock, [this] { return task_ == nullptr && waiting_; });
  }

  /// Namespace 1 becomes another RAM disk, which is empty.
  void replace_ram() {
    const uint32_t since = nvmf::take_table_version();
    ASSERT(registry_->add(make_malloc_bdev(env_, {.name = "ram2", .bytes = 2 << 20}).value()).ok());
    on_reactor([&] { publish("ram2", since); });
  }

  FakeSocket& socket(int fd) { return env_.ring().socket(fd); }
  void advance(uint64_t ns) { env_.advance(ns); }
  Group& group() { return *group_; }
  const TransportStats& stats() const { return group_->stats(); }
  ReactorStats& reactor_stats() { return reactor_->stats(); }
  HeldBdev& held() { return *held_; }
  void release_held() {
    on_reactor([this] { held_->release_all(); });
  }

  /// A socket that the group took over.
  int open() {
    const int fd = env_.ring().open();
    on_reactor([&] { ASSERT(group_->adopt(fd, 1, {"127.0.0.1", 4420}, {"127.0.0.1", 50000})); });
    drain_control();
    return fd;
  }
  /// The connection that open() made last.
  ConnectionId last_connection() const { return last_connection_; }

  /// What waits for the control plane.
  std::deque<std::unique_ptr<ControlEvent>>& commands() {
    drain_control();
    return commands_;
  }
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
  /// From each poll of the ring, on the reactor's thread.
  bool drive() {
    std::unique_lock lock(mutex_);
    for (;;) {
      if (turns_ == 0 && task_ == nullptr) {
        waiting_ = true;
        changed_.notify_all();
        changed_.wait(lock, [this] { return over_ || turns_ > 0 || task_ != nullptr; });
        waiting_ = false;
      }
      if (over_) return false;
      if (task_ != nullptr) {
        (*task_)();
        task_ = nullptr;
        continue;
      }
      if (there_ != nullptr && (*there_)()) {
        found_ = true;
        turns_ = 0;
        continue;
      }
      --turns_;
      return true;
    }
  }

  /// `ram`: what namespace 1 is, since then.
  void publish(const char* ram = "ram", uint32_t since = 0) {
    std::vector<std::shared_ptr<const nvmf::NamespaceEntry>> entries;
    for (const char* name : {ram, "held", "zeros"}) {
      auto entry = std::make_shared<nvmf::NamespaceEntry>();
      entry->nsid = static_cast<uint32_t>(entries.size() + 1);
      entry->bdev = registry_->find(name);
      entry->stats = {&namespace_stats_};
      if (name == ram) entry->since_version = since;
      entries.push_back(entry);
    }
    table_->publish(entries, [] {});
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

  FakeEnv env_;
  ControlQueue queue_;
  std::unique_ptr<Reactor> reactor_;
  std::unique_ptr<Group> group_;
  std::unique_ptr<BdevRegistry> registry_;
  std::unique_ptr<nvmf::NamespaceTable> table_;
  HeldBdev* held_ = nullptr;
  nvmf::NamespaceStats namespace_stats_;
  nvmf::QueueStats queue_stats_;
  std::deque<std::unique_ptr<ControlEvent>> commands_;
  std::set<ConnectionId> opened_;
  ConnectionId last_connection_ = 0;
  bool stopping_ = false;
  bool stopped_ = false;

  std::mutex mutex_;
  std::condition_variable changed_;
  const std::function<void()>* task_ = nullptr;
  const std::function<bool()>* there_ = nullptr;
  bool found_ = false;
  uint32_t turns_ = 0;
  bool waiting_ = false;  // the reactor, in drive()
  bool over_ = false;
};

/// A host of a SteppedTarget: its end of one socket.
class SteppedHost {
 public:
  explicit SteppedHost(SteppedTarget& target)
      : target_(target), fd_(target.open()), connection_(target.last_connection()) {}

  FakeSocket& socket() { return target_.socket(fd_); }
  ConnectionId connection() const { return connection_; }
  void put(const Octets& octets) {
    auto& stream = socket().to_target;
    stream.insert(stream.end(), octets.begin(), octets.end());
  }
  void capsule(const wire::SubmissionQueueEntry& sqe, const Octets& data = {}) {
    put(make_capsule(sqe, data, {}));
  }
  /// The next complete PDU that the target sent; none: its type is 0xff.
  Pdu take() {
    Pdu pdu;
    pdu.type = wire::PduType{0xff};
    const std::span<const std::byte> rest = std::span(socket().to_host).subspan(taken_);
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
  int fd_;
  ConnectionId connection_;
  size_t taken_ = 0;
};

}  // namespace capsuled::transport::testing
