#include "control/engine.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>

#include <condition_variable>
#include <mutex>
#include <thread>

#include "bdev/bdev_kinds.h"
#include "transport/testing/test_host.h"

namespace capsuled::control {

namespace {

using transport::ControlEvent;
using transport::ControlEventType;
using transport::testing::make_io;
using transport::testing::Octets;
using transport::testing::pattern;
using transport::testing::TestHost;

constexpr uint32_t kTable = 1;
constexpr uint32_t kListener = 7;

/// An engine of two reactors whose control thread is the test's: it accepts every Connect, as queue
/// 0 or 1 of the controller that the host's CNTLID field names.
class Target {
 public:
  Target() {
    EngineOptions options;
    options.cores = {-1, -1};
    options.memory_bytes = 32 << 20;
    options.connections_max = 64;
    auto made = Engine::create(options, notified, this);
    REQUIRE(made.ok());
    engine = std::move(made).value();
    auto bdev = make_bdev(engine->env(), {.name = "ram0",
                                          .kind = "malloc",
                                          .bytes = 8 << 20,
                                          .block_size = 512,
                                          .reactor_count = engine->reactor_count()});
    REQUIRE(bdev.ok());
    REQUIRE(engine->bdevs().add(std::move(bdev).value()).ok());
    publish({{.nsid = 1, .bdev = "ram0", .read_only = false}});
    const auto bound = engine->listener_add(kListener, {"127.0.0.1", 0});
    REQUIRE(bound.ok());
    port = bound.value().port;
    REQUIRE(port != 0);
  }

  ~Target() {
    wait([&](Done done) { engine->stop(std::move(done)); });
    engine.reset();
  }

  void publish(const std::vector<NamespaceRequest>& requests) {
    wait([&](Done done) {
      REQUIRE(engine->namespaces_publish(kTable, requests, std::move(done)).ok());
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
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    for (;;) {
      for (auto& event : engine->drain(64)) take(*event);
      if (condition()) return;
      std::unique_lock lock(mutex_);
      REQUIRE(wake_.wait_until(lock, end, [&] { return notified_; }));
      notified_ = false;
    }
  }

  /// Runs a host's blocking work on a thread of its own while this one serves events.
  void with_host(const std::function<void(TestHost& host)>& work) {
    std::atomic<bool> done = false;
    std::thread thread([&] {
      TestHost host(dial());
      work(host);
      done = true;
      notified(this);
    });
    serve_until([&] { return done.load(); });
    thread.join();
  }

  int dial() const {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
    return fd;
  }

  static void notified(void* argument) {
    auto& self = *static_cast<Target*>(argument);
    {
      const std::lock_guard lock(self.mutex_);
      self.notified_ = true;
    }
    self.wake_.notify_one();
  }

  std::unique_ptr<Engine> engine;
  uint16_t port = 0;
  std::map<ConnectionId, std::string> closed;
  std::set<uint32_t> reactors;
  size_t opened = 0;
  size_t io_events = 0;

 private:
  void take(const ControlEvent& event) {
    switch (event.type) {
      case ControlEventType::ConnectionOpened:
        opened++;
        reactors.insert(event.reactor);
        CHECK(event.listener == kListener);
        CHECK(event.local.port == port);
        break;
      case ControlEventType::ConnectionClosed: closed[event.connection] = event.reason; break;
      case ControlEventType::KeepAliveExpired:
      case ControlEventType::CommandFailed: break;
      case ControlEventType::Command: command(event); break;
    }
  }

  void command(const ControlEvent& event) {
    if (event.sqe.opcode != wire::kFabricsOpcode) {
      io_events++;
      engine->answer({.token = event.token});
      return;
    }
    const auto& connect = wire::command_as<wire::ConnectCommand>(event.sqe);
    CHECK(engine->attach({.token = event.token,
                          .dw0 = 1,
                          .controller = 1,
                          .qid = connect.qid.get(),
                          .entries = connect.sqsize.get() + 1u,
                          .flow_control_disabled = true,
                          .table = connect.qid.get() == 0 ? 0 : kTable}));
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  bool notified_ = false;
};

/// Looks again for up to 20 s.
template <typename Condition>
bool await(Condition condition) {
  for (int attempt = 0; attempt < 20'000; attempt++) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

uint64_t total(Target& target, uint64_t transport::TransportStats::* word) {
  uint64_t sum = 0;
  for (const auto* stats : target.engine->transport_stats()) {
    sum += __atomic_load_n(&(stats->*word), __ATOMIC_RELAXED);
  }
  return sum;
}

}  // namespace

TEST_CASE("connections are spread over the reactors, and the control thread hears of each once") {
  Target target;
  std::vector<std::unique_ptr<TestHost>> hosts;
  for (int index = 0; index < 8; index++)
    hosts.push_back(std::make_unique<TestHost>(target.dial()));
  target.serve_until([&] { return target.opened == 8; });
  CHECK(target.reactors == std::set<uint32_t>{0, 1});
  hosts.clear();
  target.serve_until([&] { return target.closed.size() == 8; });
  // The event goes out just before the reactor gives the connection back to its pool.
  CHECK(await([&] { return total(target, &transport::TransportStats::connection_free) == 64; }));
}

TEST_CASE("data written through one reactor are read through another") {
  Target target;
  const Octets data = pattern(4096, 1);
  for (int round = 0; round < 4; round++) {
    target.with_host([&](TestHost& host) {
      CHECK(host.connect(1, 16) == 0);
      if (round == 0) {
        auto sqe = make_io(wire::IoOpcode::kWrite, 5, 8, 4096);
        transport::testing::set_capsule_sgl(sqe, 4096);
        host.capsule(sqe, data);
        CHECK(host.receive().status() == 0);
      }
      host.capsule(make_io(wire::IoOpcode::kRead, 6, 8, 4096));
      CHECK(host.receive().data == data);
    });
  }
  target.serve_until([&] { return target.closed.size() == 4; });
  CHECK(target.io_events == 0);
  uint64_t reads = 0;
  for (const auto& block : target.engine->namespace_stats(kTable, 1)) {
    reads += block->by_operation[static_cast<size_t>(nvmf::Operation::Read)].operations;
  }
  CHECK(reads == 4);
}

TEST_CASE("a namespace that is taken out is gone on every reactor when the promise is kept") {
  Target target;
  target.with_host([&](TestHost& host) {
    CHECK(host.connect(1, 16) == 0);
    host.capsule(make_io(wire::IoOpcode::kRead, 6, 0, 512));
    CHECK(host.receive().data.size() == 512);
  });
  CHECK(target.engine->bdevs().remove("ram0").error().errnum == EBUSY);
  target.publish({});
  CHECK(target.engine->bdevs().remove("ram0").ok());
  CHECK(!target.engine
             ->namespaces_publish(kTable, {{.nsid = 1, .bdev = "ram0", .read_only = false}}, [] {})
             .ok());
  target.with_host([&](TestHost& host) {
    CHECK(host.connect(1, 16) == 0);
    host.capsule(make_io(wire::IoOpcode::kRead, 6, 0, 512));
    CHECK(host.receive().status() != 0);
  });
}

TEST_CASE("terminating a controller ends all its connections, its I/O queues alone if so asked") {
  Target target;
  std::unique_ptr<TestHost> admin;
  std::unique_ptr<TestHost> io;
  std::atomic<int> connected = 0;
  std::thread hosts([&] {
    admin = std::make_unique<TestHost>(target.dial());
    io = std::make_unique<TestHost>(target.dial());
    if (admin->connect(0, 32) == 0 && io->connect(1, 32) == 0) connected = 1;
    Target::notified(&target);
  });
  target.serve_until([&] { return connected == 1; });
  hosts.join();
  CHECK(target.engine->controller_stats(1).size() == 2);

  target.wait([&](Done done) {
    target.engine->controller_terminate(1, Engine::Queues::Io, "reset", std::move(done));
  });
  CHECK(target.closed.size() == 1);
  CHECK(io->receive().closed);
  target.wait([&](Done done) {
    target.engine->controller_terminate(1, Engine::Queues::All, "host_removed", std::move(done));
  });
  CHECK(target.closed.size() == 2);
  CHECK(admin->receive().closed);
  CHECK(target.engine->controller_stats(1).empty());
  // Terminating what is gone is done at once.
  target.wait([&](Done done) {
    target.engine->controller_terminate(1, Engine::Queues::All, "host_removed", std::move(done));
  });
}

TEST_CASE("a listener that is removed lets its connections live, and its port go") {
  Target target;
  TestHost host(target.dial());
  target.serve_until([&] { return target.opened == 1; });
  target.wait([&](Done done) { target.engine->listener_remove(kListener, std::move(done)); });
  const auto again = target.engine->listener_add(8, {"127.0.0.1", target.port});
  CHECK(again.ok());
  CHECK(target.closed.empty());
  const auto taken = target.engine->listener_add(9, {"127.0.0.1", target.port});
  REQUIRE(!taken.ok());
  CHECK(taken.error().errnum == EADDRINUSE);
}

TEST_CASE("the engine stops with connections open") {
  std::vector<std::unique_ptr<TestHost>> hosts;
  {
    Target target;
    for (int index = 0; index < 4; index++)
      hosts.push_back(std::make_unique<TestHost>(target.dial()));
    target.serve_until([&] { return target.opened == 4; });
  }
  for (auto& host : hosts) CHECK(host->receive().closed);
}

}  // namespace capsuled::control
