// TestTarget: a whole engine of one reactor for tests: real ring, real sockets, a RAM disk as
// namespace 1, and a control thread that answers Connect as a lenient admin plane would. Thread:
// the test's; what it asks of the group runs on the reactor.
#pragma once

#include <sys/socket.h>

#include <condition_variable>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "bdev/bdev_registry.h"
#include "bdev/malloc/malloc_bdev.h"
#include "nvmf/namespace_table.h"
#include "transport/group.h"
#include "transport/testing/held_bdev.h"
#include "transport/testing/test_host.h"

namespace capsuled::transport::testing {

struct TestTargetOptions {
  GroupOptions group;
  uint64_t memory_bytes = 16 << 20;
  uint32_t control_capacity = 1024;
};

class TestTarget {
 public:
  using Options = TestTargetOptions;
  /// Says what becomes of a command of the admin plane; none: success without data.
  using Command = std::function<ControlAnswer(const ControlEvent& event)>;

  explicit TestTarget(const Options& options = {})
      : env_(env::make_linux_env().value()),
        queue_(*env_, options.control_capacity, 65536, &TestTarget::notified, this) {
    ReactorOptions reactor_options;
    reactor_options.memory_bytes = options.memory_bytes;
    reactor_ = Reactor::create(*env_, reactor_options).value();
    group_ = Group::create(*reactor_, options.group, queue_).value();
    table_ = std::make_unique<nvmf::NamespaceTable>(*reactor_);
    registry_ = std::make_unique<BdevRegistry>(1);
    ASSERT(registry_->add(make_malloc_bdev(*env_, {.name = "ram", .bytes = 8 << 20}).value()).ok());
    ASSERT(registry_->add(std::make_unique<HeldBdev>()).ok());
    ASSERT(reactor_->start().ok());
    on_reactor([this] {
      std::vector<std::shared_ptr<const nvmf::NamespaceEntry>> entries;
      for (const char* name : {"ram", "held"}) {
        auto entry = std::make_shared<nvmf::NamespaceEntry>();
        entry->nsid = static_cast<uint32_t>(entries.size() + 1);
        entry->bdev = registry_->find(name);
        entry->stats = {&namespace_stats_};
        entries.push_back(entry);
      }
      table_->publish(entries, [] {});
    });
    control_ = std::thread([this] { control(); });
  }

  ~TestTarget() {
    stop();
    on_reactor([this] { table_.reset(); });
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
    }
    wake_.notify_all();
    control_.join();
    reactor_->stop();
    group_.reset();
    registry_.reset();
  }

  void stop() {
    if (stopped_) return;
    stopped_ = true;
    std::promise<void> done;
    on_reactor([&] { group_->stop([&done] { done.set_value(); }); });
    done.get_future().wait();
  }

  /// A socket pair whose one end is a connection of the target.
  std::unique_ptr<TestHost> open() {
    int ends[2];
    ASSERT(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    on_reactor([&] { group_->adopt(ends[0], 7, {"127.0.0.1", 4420}, {"127.0.0.1", 50000}); });
    ++opened_count_;
    return std::make_unique<TestHost>(ends[1]);
  }

  /// Runs `what` on the reactor and waits for it.
  void on_reactor(const std::function<void()>& what) {
    struct Call {
      const std::function<void()>& what;
      std::promise<void> done;
    } call{what, {}};
    reactor_->send_message_wait(Message{.run =
                                            [](Reactor&, void* argument) {
                                              auto& here = *static_cast<Call*>(argument);
                                              here.what();
                                              here.done.set_value();
                                            },
                                        .argument = &call});
    call.done.get_future().wait();
  }

  TransportStats stats() {
    TransportStats copy;
    on_reactor([&] { copy = group_->stats(); });
    return copy;
  }
  /// Waits until `there` is true of the statistics; false after 20 s.
  bool await(const std::function<bool(const TransportStats&)>& there) {
    for (int attempt = 0; attempt < 20'000; ++attempt) {
      if (there(stats())) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return false;
  }
  /// Waits for the next connection that closed: its reason.
  std::string await_closed() {
    std::unique_lock lock(mutex_);
    const bool there =
        changed_.wait_for(lock, std::chrono::seconds(20), [this] { return !closed_.empty(); });
    if (!there) return "none";
    const std::string reason = closed_.front();
    closed_.erase(closed_.begin());
    return reason;
  }
  /// All gauges but the free ones are zero.
  bool at_rest() {
    const TransportStats now = stats();
    return now.connection_await_icreq == 0 && now.connection_await_connect == 0 &&
           now.connection_live == 0 && now.connection_terminating == 0 &&
           now.connection_draining == 0 && now.connection_closing == 0 &&
           now.request_receiving == 0 && now.commands_parked == 0 &&
           now.request_await_host_data == 0 && now.request_executing == 0 &&
           now.request_await_control == 0 && now.request_responding == 0 &&
           now.request_retiring == 0 && read_stat(reactor_->stats().small_buffers_used) == 0 &&
           read_stat(reactor_->stats().large_buffers_used) == 0;
  }

  /// `command` answers from now on. `hold`: commands but Connect are not answered.
  void set_command(Command command) {
    const std::lock_guard lock(mutex_);
    command_ = std::move(command);
  }
  void set_hold(bool hold) {
    const std::lock_guard lock(mutex_);
    hold_ = hold;
  }
  std::vector<ControlEvent> events() {
    const std::lock_guard lock(mutex_);
    return events_;
  }
  /// Waits until the control thread knows of the connection that open() made last.
  ConnectionId last_connection() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return opened_.size() == opened_count_; });
    return opened_.back();
  }
  /// Whether the command ended with Abort Requested.
  bool abort(ConnectionId connection, uint16_t cid) {
    std::promise<bool> aborted;
    on_reactor(
        [&] { group_->abort(connection, cid, [&aborted](bool was) { aborted.set_value(was); }); });
    return aborted.get_future().get();
  }
  void answer(ControlAnswer&& answer) {
    on_reactor([&] { group_->answer(std::move(answer)); });
  }

  Group& group() { return *group_; }
  Reactor& reactor() { return *reactor_; }
  env::Env& env() { return *env_; }

 private:
  static constexpr uint32_t kBatch = 64;

  static void notified(void* argument) {
    auto& target = *static_cast<TestTarget*>(argument);
    {
      const std::lock_guard lock(target.mutex_);
      target.notified_ = true;
    }
    target.wake_.notify_all();
  }

  void control() {
    for (;;) {
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [this] { return notified_ || ending_; });
        if (!notified_) return;
        notified_ = false;
      }
      bool more = true;
      while (more) {
        const auto events = queue_.drain(kBatch);
        for (auto& event : events) take(*event);
        more = events.size() == kBatch;
      }
    }
  }

  void take(ControlEvent& event) {
    std::unique_lock lock(mutex_);
    events_.push_back(event);
    switch (event.type) {
      case ControlEventType::ConnectionOpened: opened_.push_back(event.connection); break;
      case ControlEventType::ConnectionClosed: closed_.emplace_back(event.reason); break;
      case ControlEventType::KeepAliveExpired:
      case ControlEventType::ConnectionsRefused:
      case ControlEventType::CommandFailed:
      case ControlEventType::PeerLimited: break;
      case ControlEventType::Command: {
        const bool connect = event.sqe.opcode == wire::kFabricsOpcode &&
                             wire::command_as<wire::FabricsCommand>(event.sqe).fctype ==
                                 static_cast<uint8_t>(wire::FabricsCommandType::kConnect);
        if (connect && command_ == nullptr) {
          lock.unlock();
          changed_.notify_all();
          attach(event);
          return;
        }
        if (hold_) break;
        const Command command = command_;
        lock.unlock();
        changed_.notify_all();
        ControlAnswer answered = command == nullptr ? ControlAnswer{} : command(event);
        if (connect && answered.status == 0) {
          attach(event);
          return;
        }
        answered.token = event.token;
        answer(std::move(answered));
        return;
      }
    }
    lock.unlock();
    changed_.notify_all();
  }

  void attach(const ControlEvent& event) {
    const auto& command = wire::command_as<wire::ConnectCommand>(event.sqe);
    QueueAttach attached;
    attached.token = event.token;
    attached.dw0 = 1;
    attached.controller = command.qid.get() == 0 ? ++controllers_ : controllers_;
    attached.qid = command.qid.get();
    attached.entries = command.sqsize.get() + 1u;
    attached.flow_control_disabled = (command.cattr & 0x04) != 0;
    attached.table = 1;
    // The host is the first byte of its identifier.
    attached.host = event.data.empty() ? 0 : static_cast<uint32_t>(event.data[0]);
    if (attached.controller == 0) attached.controller = 1;
    on_reactor([&] { group_->attach(attached, table_.get(), &queue_stats_); });
  }

  std::unique_ptr<env::Env> env_;
  ControlQueue queue_;
  std::unique_ptr<Reactor> reactor_;
  std::unique_ptr<Group> group_;
  std::unique_ptr<nvmf::NamespaceTable> table_;
  std::unique_ptr<BdevRegistry> registry_;
  nvmf::NamespaceStats namespace_stats_;
  nvmf::QueueStats queue_stats_;
  std::thread control_;
  uint32_t controllers_ = 0;  // control thread
  bool stopped_ = false;
  size_t opened_count_ = 0;  // the test's thread

  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable changed_;
  bool notified_ = false;
  bool ending_ = false;
  bool hold_ = false;
  Command command_;
  std::vector<ControlEvent> events_;
  std::vector<ConnectionId> opened_;
  std::vector<std::string> closed_;
};

}  // namespace capsuled::transport::testing
