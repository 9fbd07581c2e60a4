#include "control/engine.h"

#include <doctest/doctest.h>

#include <cerrno>
#include <functional>
#include <set>
#include <thread>
#include <utility>

#include "control/testing/test_engine.h"
#include "transport/testing/held_bdev.h"

namespace capsuled::control {

namespace {

using transport::testing::make_io;
using transport::testing::Octets;
using transport::testing::pattern;
using transport::testing::Pdu;
using transport::testing::TestHost;

constexpr uint32_t kTable = testing::TestEngine::kTable;
constexpr uint32_t kListener = testing::TestEngine::kListener;

struct Target : testing::TestEngine {
  Target() : TestEngine(2) {
    add_bdev("ram0", "malloc", 8 << 20);
    publish({{.nsid = 1, .bdev = "ram0", .read_only = false}});
  }
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

/// The reactor may be writing them.
uint64_t reads_of(nvmf::NamespaceStats& stats) {
  return read_stat(stats.by_operation[static_cast<size_t>(nvmf::Operation::Read)].operations);
}

}  // namespace

TEST_CASE("connections are spread over the reactors, and the control thread hears of each once") {
  Target target;
  std::vector<std::unique_ptr<TestHost>> hosts;
  for (int index = 0; index < 8; index++)
    hosts.push_back(std::make_unique<TestHost>(target.dial()));
  target.serve_until([&] { return target.reactors.size() == 8; });
  CHECK(std::set(target.reactors.begin(), target.reactors.end()) == std::set<uint32_t>{0, 1});
  hosts.clear();
  target.serve_until([&] { return target.closed.size() == 8; });
  // The event goes out just before the reactor gives the connection back to its pool.
  CHECK(await([&] { return total(target, &transport::TransportStats::connection_closing) == 0; }));
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
    reads += reads_of(*block);
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
  CHECK(target.engine->bdevs().take("ram0").error().errnum == EBUSY);
  target.publish({});
  CHECK(target.engine->bdevs().take("ram0").ok());
  CHECK(!target.engine
             ->namespaces_publish(
                 kTable, {{.nsid = 1, .bdev = "ram0", .read_only = false}}, [] {}, [] {})
             .ok());
  target.with_host([&](TestHost& host) {
    CHECK(host.connect(1, 16) == 0);
    host.capsule(make_io(wire::IoOpcode::kRead, 6, 0, 512));
    CHECK(host.receive().status() != 0);
  });
}

TEST_CASE("a namespace that changes in place is never away, and goes on counting") {
  Target target;
  std::atomic<bool> running = true;
  std::atomic<uint64_t> reads = 0;
  std::atomic<uint64_t> failures = 0;
  std::thread thread([&] {
    TestHost host(target.dial());
    if (host.connect(1, 16) != 0) failures++;
    while (running) {
      host.capsule(make_io(wire::IoOpcode::kRead, 6, 0, 512));
      if (host.receive().data.size() != 512) failures++;
      reads++;
      target.notify();
    }
  });
  for (uint32_t round = 0; round < 50; round++) {
    const uint64_t before = reads;
    target.serve_until([&] { return reads > before; });
    target.publish({{.nsid = 1, .bdev = "ram0", .read_only = round % 2 == 0}});
  }
  running = false;
  thread.join();
  CHECK(failures == 0);
  uint64_t counted = 0;
  for (const auto& block : target.engine->namespace_stats(kTable, 1)) {
    counted += reads_of(*block);
  }
  CHECK(counted == reads);
}

TEST_CASE("another bdev under the same identifier counts anew") {
  Target target;
  target.add_bdev("ram1", "malloc", 8 << 20);
  target.with_host([&](TestHost& host) {
    CHECK(host.connect(1, 16) == 0);
    host.capsule(make_io(wire::IoOpcode::kRead, 6, 0, 512));
    CHECK(host.receive().data.size() == 512);
  });
  target.publish({{.nsid = 1, .bdev = "ram1", .read_only = false}});
  for (const auto& block : target.engine->namespace_stats(kTable, 1)) {
    CHECK(reads_of(*block) == 0);
  }
}

TEST_CASE("a publication is applied though a command that never ends holds what it took away") {
  Target target;
  auto held = std::make_unique<transport::testing::HeldBdev>();
  transport::testing::HeldBdev& disk = *held;
  REQUIRE(target.engine->bdevs().add(std::move(held)).ok());
  const NamespaceRequest ram{.nsid = 1, .bdev = "ram0", .read_only = false};
  target.publish({ram, {.nsid = 2, .bdev = "held", .read_only = false}});
  TestHost host(target.dial());
  std::atomic<bool> asked = false;
  std::thread thread([&] {
    CHECK(host.connect(1, 16) == 0);
    auto read = make_io(wire::IoOpcode::kRead, 6, 0, 512);
    read.nsid = Le32(2);
    host.capsule(read);
    // Answered behind the other command, on the same connection: that one was begun.
    host.capsule(make_io(wire::IoOpcode::kRead, 7, 0, 512));
    CHECK(host.receive().data.size() == 512);
    asked = true;
    target.notify();
  });
  target.serve_until([&] { return asked.load(); });
  thread.join();
  bool applied = false;
  bool drained = false;
  bool deleted = false;
  REQUIRE(target.engine
              ->namespaces_publish(
                  kTable, {ram}, [&] { applied = true; }, [&] { drained = true; })
              .ok());
  target.serve_until([&] { return applied; });
  CHECK(!drained);
  CHECK(target.engine->bdevs().take("held").error().errnum == EBUSY);
  // Later publications do not wait for it, and the table stays until it is over.
  target.publish({ram});
  target.publish({});
  // What stayed when the other went is not held by it.
  CHECK(target.engine->bdevs().take("ram0").ok());
  target.engine->namespaces_delete(kTable, [&] { deleted = true; });
  target.engine->controller_terminate(1, Engine::Queues::All, "subsystem_removed", [] {});
  target.serve_until([&] { return drained && deleted; });
  CHECK(disk.held() == 0);
  CHECK(target.engine->bdevs().take("held").ok());
}

TEST_CASE("a listener that is bound accepts nobody before it is started") {
  Target target;
  const auto bound = target.engine->listener_add(8, {"127.0.0.1", 0});
  REQUIRE(bound.ok());
  const uint16_t first = std::exchange(target.port, bound.value().port);
  const int waiting = target.dial();
  target.port = first;
  TestHost other(target.dial());
  target.serve_until([&] { return !target.reactors.empty(); });
  CHECK(target.reactors.size() == 1);
  // Its port is taken all the same, and free again when it goes.
  CHECK(target.engine->listener_add(9, bound.value()).error().errnum == EADDRINUSE);
  target.wait([&](Done done) { target.engine->listener_remove(8, std::move(done)); });
  CHECK(TestHost(waiting).receive().closed);
  CHECK(target.engine->listener_add(9, bound.value()).ok());
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
    target.notify();
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

namespace {

/// A host's blocking work on an open connection, while the control thread serves.
void on_host(Target& target, TestHost& host, const std::function<void(TestHost& host)>& work) {
  std::atomic<bool> done = false;
  std::thread thread([&] {
    work(host);
    done = true;
    target.notify();
  });
  target.serve_until([&] { return done.load(); });
  thread.join();
}

/// Without More, which says that the failure is in the error log page.
wire::Status read_status(TestHost& host, uint32_t nsid) {
  auto sqe = make_io(wire::IoOpcode::kRead, 6, 0, 4096);
  sqe.nsid.set(nsid);
  host.capsule(sqe);
  const auto pdu = host.receive();
  if (pdu.type == wire::PduType::kC2hData) return {};
  constexpr uint16_t kMore = wire::Status().with_more().pack();
  return wire::Status::unpack(static_cast<uint16_t>(pdu.status() & ~kMore));
}

void withhold(Target& target, std::vector<uint32_t> nsids) {
  target.wait([&](Done done) {
    target.engine->controller_withhold(1, std::move(nsids), 1, std::move(done));
  });
}

const wire::Status kNotReady =
    wire::Status(wire::GenericStatus::kNamespaceNotReady).with_retry_delay(1);

}  // namespace

TEST_CASE("a namespace is withheld from one controller's queues, old and new, until it is given") {
  Target target;
  target.add_bdev("ram1", "malloc", 8 << 20);
  target.publish({{.nsid = 1, .bdev = "ram0"}, {.nsid = 2, .bdev = "ram1"}});
  TestHost first(target.dial());
  TestHost second(target.dial());
  on_host(target, first, [](TestHost& host) {
    CHECK(host.connect(1, 16) == 0);
    CHECK(read_status(host, 1).is_success());
  });
  withhold(target, {1});
  on_host(target, second, [](TestHost& host) { CHECK(host.connect(2, 16) == 0); });
  for (TestHost* const each : {&first, &second}) {
    on_host(target, *each, [](TestHost& host) {
      CHECK(read_status(host, 1) == kNotReady);
      CHECK(read_status(host, 2).is_success());
      CHECK(read_status(host, 3) ==
            wire::Status(wire::GenericStatus::kInvalidNamespaceOrFormat).do_not_retry());
    });
  }
  // What is published meanwhile shows in the view, without what is withheld.
  target.publish({{.nsid = 1, .bdev = "ram1"}, {.nsid = 3, .bdev = "ram0"}});
  on_host(target, first, [](TestHost& host) {
    CHECK(read_status(host, 1) == kNotReady);
    CHECK(read_status(host, 2) ==
          wire::Status(wire::GenericStatus::kInvalidNamespaceOrFormat).do_not_retry());
    CHECK(read_status(host, 3).is_success());
  });
  withhold(target, {});
  for (TestHost* const each : {&first, &second}) {
    on_host(target, *each, [](TestHost& host) { CHECK(read_status(host, 1).is_success()); });
  }
}

TEST_CASE("what a view lost to a disk that hangs holds no other disk") {
  Target target;
  auto held = std::make_unique<transport::testing::HeldBdev>();
  transport::testing::HeldBdev& disk = *held;
  REQUIRE(target.engine->bdevs().add(std::move(held)).ok());
  target.add_bdev("ram1", "malloc", 8 << 20);
  const NamespaceRequest ram{.nsid = 1, .bdev = "ram0"};
  const NamespaceRequest hangs{.nsid = 2, .bdev = "held"};
  target.publish({ram, hangs, {.nsid = 3, .bdev = "ram1"}});
  TestHost host(target.dial());
  on_host(target, host, [](TestHost& on) { CHECK(on.connect(1, 16) == 0); });
  withhold(target, {3});
  on_host(target, host, [](TestHost& on) {
    auto read = make_io(wire::IoOpcode::kRead, 7, 0, 512);
    read.nsid.set(2);
    on.capsule(read);
    CHECK(read_status(on, 1).is_success());
  });
  bool drained = false;
  REQUIRE(target.engine->namespaces_publish(kTable, {ram}, [] {}, [&] { drained = true; }).ok());
  target.publish({});
  CHECK(!drained);
  CHECK(target.engine->bdevs().take("ram0").ok());
  CHECK(target.engine->bdevs().take("held").error().errnum == EBUSY);
  target.engine->controller_terminate(1, Engine::Queues::All, "subsystem_removed", [] {});
  target.serve_until([&] { return drained; });
  CHECK(disk.held() == 0);
  CHECK(target.engine->bdevs().take("held").ok());
}

TEST_CASE("a write that was planned on one disk never reaches the next one under its namespace") {
  Target target;
  target.add_bdev("ram1", "malloc", 8 << 20);
  TestHost host(target.dial());
  constexpr uint32_t kBytes = 64 * 1024;
  const Octets data = pattern(kBytes, 9);
  Pdu r2t;
  on_host(target, host, [&](TestHost& on) {
    CHECK(on.connect(1, 16) == 0);
    on.capsule(make_io(wire::IoOpcode::kWrite, 5, 0, kBytes));
    r2t = on.receive();
    CHECK(r2t.type == wire::PduType::kR2t);
  });
  target.publish({{.nsid = 1, .bdev = "ram1", .read_only = false}});
  on_host(target, host, [&](TestHost& on) {
    on.h2c_data(r2t, 0, data, true);
    CHECK(wire::Status::unpack(on.receive().status()).code() ==
          static_cast<uint8_t>(wire::GenericStatus::kNamespaceNotReady));
    on.capsule(make_io(wire::IoOpcode::kRead, 7, 0, 4096));
    CHECK(on.receive().data == Octets(4096));
  });
}

TEST_CASE("a controller that ends takes its view with it, and the engine stops with one") {
  Target target;
  {
    TestHost host(target.dial());
    on_host(target, host, [](TestHost& on) { CHECK(on.connect(1, 16) == 0); });
    withhold(target, {1});
    withhold(target, {});
    withhold(target, {1});
    target.wait([&](Done done) {
      target.engine->controller_terminate(1, Engine::Queues::All, "gone", std::move(done));
    });
    CHECK(target.engine->controller_stats(1).empty());
    withhold(target, {1});  // nobody is there
  }
  TestHost again(target.dial());
  on_host(target, again, [](TestHost& on) {
    CHECK(on.connect(1, 16) == 0);
    CHECK(read_status(on, 1).is_success());
  });
  withhold(target, {1});
}

TEST_CASE("a listener that is removed lets its connections live, and its port go") {
  Target target;
  TestHost host(target.dial());
  target.serve_until([&] { return target.reactors.size() == 1; });
  target.wait([&](Done done) { target.engine->listener_remove(kListener, std::move(done)); });
  const auto again = target.engine->listener_add(8, {"127.0.0.1", target.port});
  REQUIRE(again.ok());
  target.engine->listener_start(8);
  CHECK(target.closed.empty());
  const auto taken = target.engine->listener_add(9, {"127.0.0.1", target.port});
  REQUIRE(!taken.ok());
  CHECK(taken.error().errnum == EADDRINUSE);
}

TEST_CASE(
    "a bdev is looked at again while it is used, and its losses are forgotten if it is well") {
  Target target;
  const auto recheck = [&](const std::string& name) {
    BdevStatus found = BdevStatus::Aborted;
    target.wait([&](Done done) {
      REQUIRE(target.engine
                  ->bdev_recheck(name,
                                 [&found, done = std::move(done)](BdevStatus status) {
                                   found = status;
                                   done();
                                 })
                  .ok());
    });
    return found;
  };
  CHECK(recheck("ram0") == BdevStatus::Success);
  CHECK(target.engine->bdev_oldest_ns(*target.engine->bdevs().find("ram0")) == 0);
  CHECK(target.engine->bdev_recheck("none", [](BdevStatus) {}).error().errnum == ENOENT);

  target.add_bdev("ram1", "malloc", 8 << 20);  // in no namespace
  CHECK(recheck("ram1") == BdevStatus::Success);
  CHECK(target.engine->bdevs().take("ram1").ok());
}

TEST_CASE("the engine stops with connections open") {
  std::vector<std::unique_ptr<TestHost>> hosts;
  {
    Target target;
    for (int index = 0; index < 4; index++)
      hosts.push_back(std::make_unique<TestHost>(target.dial()));
    target.serve_until([&] { return target.reactors.size() == 4; });
  }
  for (auto& host : hosts) CHECK(host->receive().closed);
}

TEST_CASE("strangers of one address or of many keep no host out") {
  Target target;
  std::vector<std::unique_ptr<TestHost>> strangers;
  std::map<ConnectionId, std::string>& closed = target.closed;
  // 64 connections: 16 of them before Connect, 8 from one address.
  SUBCASE("one") {
    for (int index = 0; index < 40; index++) {
      strangers.push_back(std::make_unique<TestHost>(target.dial(INADDR_LOOPBACK + 1)));
      target.serve_until([&] { return target.reactors.size() == strangers.size(); });
    }
    target.serve_until([&] { return closed.size() == 32; });
  }
  SUBCASE("many") {
    for (uint32_t index = 0; index < 100; index++) {
      const uint32_t from = INADDR_LOOPBACK + 1 + index % 20;
      strangers.push_back(std::make_unique<TestHost>(target.dial(from)));
      target.serve_until([&] { return target.reactors.size() == strangers.size(); });
    }
    target.serve_until([&] { return closed.size() == 84; });
  }
  for (const auto& [connection, reason] : closed) CHECK(reason == "displaced");
  CHECK(total(target, &transport::TransportStats::connections_displaced) == closed.size());
  target.with_host([&](TestHost& host) {
    CHECK(host.connect(1, 16) == 0);
    host.capsule(make_io(wire::IoOpcode::kRead, 6, 0, 512));
    CHECK(host.receive().data.size() == 512);
  });
}

TEST_CASE("who connects and ends faster than the control thread hears of it waits for that") {
  Target target;
  const auto opened = [&] { return total(target, &transport::TransportStats::connections_total); };
  const auto arrived = [&] {
    return opened() + total(target, &transport::TransportStats::connections_rejected);
  };
  const auto come_and_go = [&](uint32_t from) {
    const uint64_t before = arrived();
    const int fd = target.dial(from);
    REQUIRE(await([&] { return arrived() == before + 1; }));
    ::close(fd);
    REQUIRE(await(
        [&] { return total(target, &transport::TransportStats::connection_await_icreq) == 0; }));
    REQUIRE(await([&] {
      return total(target, &transport::TransportStats::connection_draining) == 0 &&
             total(target, &transport::TransportStats::connection_closing) == 0;
    }));
  };
  // Of 64 connections an address may have half of 16 that ended before Connect.
  for (int index = 0; index < 50; index++) come_and_go(INADDR_LOOPBACK + 1);
  CHECK(opened() == 8);
  SUBCASE("and others do not") {
    come_and_go(INADDR_LOOPBACK + 2);
    CHECK(opened() == 9);
    target.with_host([](TestHost& host) { CHECK(host.connect(1, 16) == 0); });
  }
  SUBCASE("and comes in again then") {
    target.serve_until([&] { return target.closed.size() == 8; });
    for (int index = 0; index < 50; index++) come_and_go(INADDR_LOOPBACK + 1);
    CHECK(opened() == 16);
  }
  CHECK(target.refused == 0);
}

TEST_CASE("connections that cannot be had are refused, and the control thread hears of it") {
  Target target;
  std::vector<std::unique_ptr<TestHost>> hosts;
  for (int index = 0; index < 64; index++) {
    std::atomic<bool> connected = false;
    std::thread thread([&] {
      hosts.push_back(std::make_unique<TestHost>(target.dial()));
      CHECK(hosts.back()->connect(static_cast<uint16_t>(index), 16) == 0);
      connected = true;
      target.notify();
    });
    target.serve_until([&] { return connected.load(); });
    thread.join();
  }
  TestHost late(target.dial());
  CHECK(late.receive().closed);
  target.serve_until([&] { return target.refused > 0; });
  CHECK(total(target, &transport::TransportStats::connections_rejected) == 1);
}

TEST_CASE("pages that answers share have a bound, and give their bytes back") {
  Target target;
  Engine& engine = *target.engine;
  std::vector<uint32_t> pages;
  for (uint64_t bytes = 0; bytes < kPagesBytesMax; bytes += 16 << 20) {
    pages.push_back(engine.page_create(transport::ControlPage(16 << 20)));
    REQUIRE(pages.back() != 0);
  }
  CHECK(engine.page_create(transport::ControlPage(1)) == 0);
  // An answer that is being sent keeps its page.
  auto sent = engine.page(pages.front());
  engine.page_delete(pages.front());
  CHECK(engine.page(pages.front()) == nullptr);
  CHECK(engine.page_create(transport::ControlPage(1)) == 0);
  sent.reset();
  CHECK(engine.page_create(transport::ControlPage(16 << 20)) != 0);
}

TEST_CASE("a controller reset aborts the event requests of its admin queue, which lives on") {
  Target target;
  TestHost admin(target.dial());
  const auto send_requests = [](TestHost& host, uint16_t cid) {
    for (uint16_t each = 0; each < 4; ++each) {
      host.capsule(capsuled::testing::make_sqe(0x0c, static_cast<uint16_t>(cid + each)));
    }
  };
  on_host(target, admin, [&](TestHost& host) {
    CHECK(host.connect(0, 32) == 0);
    send_requests(host, 10);
    // Keep Alive is behind them in the queue.
    host.capsule(capsuled::testing::make_sqe(0x18, 1));
    CHECK(host.receive().cid() == 1);
  });
  target.wait([&](Done done) {
    target.engine->controller_terminate(1, Engine::Queues::Io, "controller_reset", std::move(done));
  });
  on_host(target, admin, [&](TestHost& host) {
    for (uint16_t cid = 10; cid < 14; ++cid) {
      const Pdu aborted = host.receive();
      CHECK(aborted.cid() == cid);
      CHECK(wire::Status::unpack(aborted.status()) ==
            wire::Status(wire::GenericStatus::kAbortedSqDeletion));
    }
    send_requests(host, 20);
    host.capsule(capsuled::testing::make_sqe(0x18, 2));
    CHECK(host.receive().cid() == 2);
  });
}

TEST_CASE("a Connect whose connection is gone leaves nothing behind") {
  Target target;
  target.answers_connects = false;
  for (int round = 0; round < 3; ++round) {
    TestHost host(target.dial());
    on_host(target, host, [](TestHost& each) {
      CHECK(each.initialize({}));
      each.capsule(capsuled::testing::make_connect(1, 0, 32, true),
                   Octets(sizeof(wire::ConnectData)));
    });
    const size_t closed = target.closed.size();
    target.serve_until([&] { return target.engine->connects_waiting() == 1; });
    host.close();
    target.serve_until([&] { return target.closed.size() == closed + 1; });
    CHECK(target.engine->connects_waiting() == 0);
  }
  // What comes too late is no Connect any more.
  CHECK(!target.engine->attach(target.late_connect));
  target.engine->answer({.token = target.late_connect.token});
}

}  // namespace capsuled::control
