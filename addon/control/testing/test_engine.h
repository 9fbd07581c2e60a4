// TestEngine: a whole engine whose control thread is the test's own. It accepts every Connect, as
// the queue that the command asks for, of controller 1.
//
// Thread: the one that made it, which plays the control thread in wait() and serve_until(); dial()
// and notify() from any.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "bdev/bdev_kinds.h"
#include "control/engine.h"
#include "transport/testing/test_host.h"
#include "wire/fabrics.h"

namespace capsuled::control::testing {

class TestEngine {
 public:
  static constexpr uint32_t kTable = 1;
  static constexpr uint32_t kListener = 7;

  explicit TestEngine(uint32_t reactor_count) {
    EngineOptions options;
    options.cores.assign(reactor_count, -1);
    options.memory_bytes = reactor_count * (32 << 20);
    options.connections_max = 64;
    engine = Engine::create(env::make_linux_env().value(), options, notified, this).value();
    port = engine->listener_add(kListener, {"127.0.0.1", 0}).value().port;
    engine->listener_start(kListener);
    ASSERT(port != 0);
  }
  ~TestEngine() {
    wait([&](Done done) { engine->stop(std::move(done)); });
    engine.reset();
  }
  TestEngine(const TestEngine&) = delete;
  TestEngine& operator=(const TestEngine&) = delete;

  void add_bdev(const std::string& name, const std::string& kind, uint64_t bytes) {
    const BdevContext context{.env = engine->env(), .reactors = engine->reactors()};
    auto bdev = make_bdev(context, {name, kind, {{"size", bytes}}});
    ASSERT(bdev.ok() && engine->bdevs().add(std::move(bdev).value()).ok());
  }
  /// The namespaces of all I/O queues.
  void publish(const std::vector<NamespaceRequest>& requests) {
    wait([&](Done done) {
      ASSERT(engine->namespaces_publish(kTable, requests, [] {}, std::move(done)).ok());
    });
  }

  /// Serves events until `ask`'s completion ran.
  void wait(const std::function<void(Done done)>& ask) {
    bool done = false;
    ask([&] { done = true; });
    serve_until([&] { return done; });
  }
  template <typename Condition>
  void serve_until(Condition condition) {
    const auto end = std::chrono::steady_clock::now() + kTimeLimit;
    for (;;) {
      bool more = true;
      while (more) {
        const auto events = engine->drain(kBatch);
        for (auto& event : events) take(*event);
        more = events.size() == kBatch;
      }
      if (condition()) return;
      std::unique_lock lock(mutex_);
      ASSERT_MSG(wake_.wait_until(lock, end, [&] { return notified_; }),
                 "nothing happens any more");
      notified_ = false;
    }
  }
  /// Runs a host's blocking work on a thread of its own while this one serves events.
  void with_host(const std::function<void(transport::testing::TestHost& host)>& work) {
    std::atomic<bool> done = false;
    std::thread thread([&] {
      transport::testing::TestHost host(dial());
      work(host);
      done = true;
      notify();
    });
    serve_until([&] { return done.load(); });
    thread.join();
  }

  /// A connection, not yet the target's.
  int dial(uint32_t from = INADDR_LOOPBACK) const {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in mine{};
    mine.sin_family = AF_INET;
    mine.sin_addr.s_addr = htonl(from);
    ASSERT(::bind(fd, reinterpret_cast<sockaddr*>(&mine), sizeof(mine)) == 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
    return fd;
  }
  /// serve_until() looks at its condition again.
  void notify() { notified(this); }

  std::unique_ptr<Engine> engine;
  uint16_t port = 0;
  std::vector<uint32_t> reactors;  ///< of the connections, in the order of their arrival
  std::map<ConnectionId, std::string> closed;  ///< with the reason
  uint32_t refused = 0;                        ///< sockets that were closed at once
  bool answers_connects = true;
  transport::QueueAttach late_connect;  ///< the last Connect that was not answered
  size_t io_events = 0;                 ///< commands that are not the engine's to know

 private:
  static constexpr uint32_t kBatch = 64;
  static constexpr auto kTimeLimit = std::chrono::seconds(60);

  static void notified(void* argument) {
    auto& self = *static_cast<TestEngine*>(argument);
    {
      const std::lock_guard lock(self.mutex_);
      self.notified_ = true;
    }
    self.wake_.notify_one();
  }

  void take(const transport::ControlEvent& event) {
    switch (event.type) {
      case transport::ControlEventType::ConnectionOpened:
        reactors.push_back(event.reactor);
        ASSERT(event.listener == kListener && event.local.port == port);
        break;
      case transport::ControlEventType::ConnectionClosed:
        closed[event.connection] = event.reason;
        break;
      case transport::ControlEventType::KeepAliveExpired:
      case transport::ControlEventType::ConnectionsRefused: refused += event.refused; break;
      case transport::ControlEventType::CommandFailed:
      case transport::ControlEventType::PeerLimited: break;
      case transport::ControlEventType::Command: command(event); break;
    }
  }

  void command(const transport::ControlEvent& event) {
    if (event.sqe.opcode != wire::kFabricsOpcode) {
      io_events++;
      engine->answer({.token = event.token});
      return;
    }
    const auto& connect = wire::command_as<wire::ConnectCommand>(event.sqe);
    const transport::QueueAttach attach{.token = event.token,
                                        .dw0 = 1,
                                        .controller = 1,
                                        .qid = connect.qid.get(),
                                        .entries = connect.sqsize.get() + 1u,
                                        .flow_control_disabled = true,
                                        .table = connect.qid.get() == 0 ? 0 : kTable};
    if (!answers_connects) {
      late_connect = attach;
      return;
    }
    ASSERT(engine->attach(attach));
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  bool notified_ = false;
};

}  // namespace capsuled::control::testing
