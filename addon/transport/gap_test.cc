// What becomes of a reactor's hosts when the reactor itself was away: its process was stopped, its
// machine paused, or a callback did not return. On a simulated machine.
#include <doctest/doctest.h>

#include <array>
#include <functional>
#include <string>
#include <vector>

#include "env/sim/sim_env.h"
#include "nvmf/namespace_table.h"
#include "transport/group.h"
#include "transport/testing/test_host.h"

namespace capsuled::transport::testing {
namespace {

using env::sim::SimSocket;

constexpr uint64_t kSecond = 1'000'000'000;
constexpr uint64_t kMillisecond = 1'000'000;
constexpr uint64_t kMicrosecond = 1'000;
constexpr uint8_t kKeepAlive = 0x18;
constexpr uint64_t kKeepAliveMs = 5000;

/// A reactor with a group, on a thread of the simulated machine.
class GapTarget {
 public:
  GapTarget()
      : machine_(1, {.step = {kMicrosecond, kMicrosecond, 0, 0},
                     .wake_up = {kMicrosecond, kMicrosecond, 0, 0}}),
        network_(machine_, {.latency = {}}),
        env_(machine_, network_, files_),
        queue_(env_, 64, 4096, [](void*) {}, nullptr) {
    ReactorOptions options;
    options.memory_bytes = kBufferMemoryBytesMin;
    options.mode = PollMode::Interrupt;  // sleeps as soon as it may
    reactor_ = Reactor::create(env_, options).value();
    group_ = Group::create(*reactor_, GroupOptions{}, queue_).value();
    table_ = std::make_unique<nvmf::NamespaceTable>(*reactor_);
    REQUIRE(reactor_->start().ok());
  }
  ~GapTarget() {
    bool stopped = false;
    on_reactor([&] { group_->stop([&] { stopped = true; }); });
    CHECK(until([&] { return stopped; }));
    on_reactor([&] { table_.reset(); });
    reactor_->stop();
    group_.reset();
  }

  /// Time passes until `there` is true; false: for too long.
  template <typename Condition>
  bool until(Condition there) {
    const auto now_there = [&] {
      drain_control();
      return there();
    };
    return machine_.until(now_there, machine_.now_ns() + 10 * kSecond);
  }
  void pass(uint64_t ns) {
    const uint64_t end_ns = machine_.now_ns() + ns;
    // What comes meanwhile is answered then, and not at the end.
    while (machine_.now_ns() < end_ns) {
      machine_.pass_to(std::min(end_ns, machine_.now_ns() + kMillisecond));
      drain_control();
    }
  }
  /// The reactor is away for `ns` within its sleep; meanwhile, `what`.
  void sleep_away(uint64_t ns, const std::function<void()>& what) {
    machine_.pause(ns);
    what();
    machine_.pass_to(machine_.now_ns() + ns);
    // It has woken.
    machine_.pass_to(machine_.now_ns() + 2 * kMicrosecond);
  }
  /// The same within an iteration.
  void work_away(uint64_t ns, const std::function<void()>& what) {
    on_reactor([&] {
      what();
      machine_.pass_to(machine_.now_ns() + ns);
    });
  }
  void on_reactor(std::function<void()> what) {
    bool ran = false;
    auto whole = std::pair(std::move(what), &ran);
    reactor_->send_message_wait({[](Reactor&, void* argument) {
                                   auto& [call, done] = *static_cast<decltype(whole)*>(argument);
                                   call();
                                   *done = true;
                                 },
                                 &whole});
    CHECK(machine_.until([&] { return ran; }, UINT64_MAX));
  }

  SimSocket& open() {
    const env::Endpoint target{"127.0.0.1", 4420};
    const env::Endpoint host{"127.0.0.1", 50000};
    const auto [near, far] = network_.connected(target, host);
    far->line.send_buffer = 1u << 21;
    on_reactor([&, end = near] { CHECK(group_->adopt(env_.open(end), 1, target, host)); });
    return *far;
  }
  static void send(SimSocket& host, const Octets& bytes) { host.write_all(bytes); }
  static size_t unread(const SimSocket& host) {
    return host.unsent_bytes() + host.other()->readable_bytes();
  }
  static void connect(SimSocket& host) {
    send(host, make_ic_req({}));
    send(host, make_capsule(make_connect(0, 0, 32, true), Octets(sizeof(wire::ConnectData)), {}));
  }
  /// A host with a controller that wants a sign of life every kKeepAliveMs.
  SimSocket& add_host() {
    SimSocket& host = open();
    connect(host);
    REQUIRE(until([&] { return stats().connection_live == 1; }));
    on_reactor([&] { group_->set_keep_alive(1, kKeepAliveMs); });
    return host;
  }
  static void keep_alive(SimSocket& host) {
    send(host, make_capsule(make_sqe(kKeepAlive, 7), {}, {}));
  }

  const TransportStats& stats() { return group_->stats(); }
  ReactorStats& reactor_stats() { return reactor_->stats(); }
  const std::vector<std::string>& closed() const { return closed_; }

 private:
  void drain_control() {
    for (const auto& event : queue_.drain(16)) {
      if (event->type == ControlEventType::ConnectionClosed) closed_.emplace_back(event->reason);
      if (event->type != ControlEventType::Command) continue;
      QueueAttach attach;
      attach.token = event->token;
      attach.controller = 1;
      attach.entries = 32;
      on_reactor([&] { group_->attach(attach, table_.get(), &queue_stats_); });
    }
  }

  env::sim::SimMachine machine_;
  env::sim::SimNetwork network_;
  env::sim::SimFiles files_;
  env::sim::SimEnv env_;
  ControlQueue queue_;
  std::unique_ptr<Reactor> reactor_;
  std::unique_ptr<Group> group_;
  std::unique_ptr<nvmf::NamespaceTable> table_;
  nvmf::QueueStats queue_stats_;
  std::vector<std::string> closed_;
};

using Away = void (GapTarget::*)(uint64_t, const std::function<void()>&);
constexpr std::array<Away, 2> kWaysToBeAway = {&GapTarget::sleep_away, &GapTarget::work_away};

}  // namespace

TEST_CASE("a Keep Alive that came while the reactor was away counts") {
  for (const Away away : kWaysToBeAway) {
    for (const uint32_t piece : {4u, 8u, 64u * 1024}) {
      CAPTURE(piece);
      GapTarget target;
      SimSocket& host = target.add_host();
      // Due within a few polls, and the command takes many when it comes in small pieces.
      target.pass(kKeepAliveMs * kMillisecond - 30 * kMicrosecond);
      (target.*away)(60 * kSecond, [&] {
        host.line.read_max = piece;
        GapTarget::keep_alive(host);
      });
      target.pass(kMillisecond);
      CHECK(GapTarget::unread(host) == 0);
      target.pass(4 * kSecond);
      CHECK(target.stats().keep_alive_expired == 0);
      CHECK(target.stats().connection_live == 1);
      CHECK(read_stat(target.reactor_stats().missed_ns) > 59 * kSecond);
    }
  }
}

TEST_CASE("a Keep Alive that woke the reactor counts, however late it woke") {
  GapTarget target;
  SimSocket& host = target.add_host();
  target.pass(kKeepAliveMs * kMillisecond - 30 * kMicrosecond);
  // Past the deadline, and no gap.
  target.sleep_away(kSecond / 100, [&] { GapTarget::keep_alive(host); });
  target.pass(4 * kSecond);
  CHECK(target.stats().keep_alive_expired == 0);
  CHECK(read_stat(target.reactor_stats().missed_ns) == 0);
}

TEST_CASE("a host that was silent while the reactor was away has the time added, and no more") {
  for (const Away away : kWaysToBeAway) {
    GapTarget target;
    (void)target.add_host();
    target.pass(3 * kSecond);
    (target.*away)(60 * kSecond, [] {});
    target.pass(kSecond);
    CHECK(target.stats().keep_alive_expired == 0);
    target.pass(2 * kSecond);
    CHECK(target.stats().keep_alive_expired == 1);
    CHECK(target.closed() == std::vector<std::string>{"keep_alive_expired"});
  }
}

TEST_CASE("a host that dies expires whether the reactor sleeps or works") {
  for (const bool works : {false, true}) {
    GapTarget target;
    (void)target.add_host();
    for (int tenth = 0; tenth < 60; ++tenth) {
      target.pass(kSecond / 10);
      if (works) target.on_reactor([] {});
    }
    CHECK(target.until([&] { return target.closed().size() == 1; }));
    CHECK(target.closed().front() == "keep_alive_expired");
    CHECK(read_stat(target.reactor_stats().missed_ns) == 0);
  }
}

TEST_CASE("a peer that sends without end does not stop the timers after a gap") {
  GapTarget target;
  (void)target.add_host();
  target.pass(4 * kSecond);
  SimSocket& talker = target.open();
  target.work_away(60 * kSecond, [&] {
    talker.line.read_max = 1;
    GapTarget::send(talker, Octets(1 << 21));
  });
  CHECK(target.until([&] { return target.stats().keep_alive_expired == 1; }));
  CHECK(GapTarget::unread(talker) > 0);
  talker.line.read_max = UINT32_MAX;
  // What it sent was no PDU, and it does not close when it is told.
  target.pass(3 * kSecond);
  CHECK(target.until([&] { return target.closed().size() == 2; }));
}

TEST_CASE("what a peer owed when the reactor went away may still come after it is back") {
  for (const Away away : kWaysToBeAway) {
    GapTarget target;
    const Octets ic_req = make_ic_req({});
    const Octets connect =
        make_capsule(make_connect(0, 0, 32, true), Octets(sizeof(wire::ConnectData)), {});
    const auto half = connect.begin() + static_cast<ptrdiff_t>(connect.size() / 2);
    SimSocket& silent = target.open();
    SimSocket& initialized = target.open();
    GapTarget::send(initialized, ic_req);
    SimSocket& inside = target.open();
    GapTarget::send(inside, ic_req);
    GapTarget::send(inside, Octets(connect.begin(), half));
    target.pass(kSecond);
    (target.*away)(600 * kSecond, [] {});
    // The time-outs are looked at every half second.
    target.pass(kSecond);
    CHECK(target.closed().empty());
    CHECK(target.stats().connection_await_icreq == 1);
    CHECK(target.stats().connection_await_connect == 2);
    GapTarget::send(silent, ic_req);
    GapTarget::send(initialized, connect);
    GapTarget::send(inside, Octets(half, connect.end()));
    CHECK(target.until([&] { return target.stats().connection_live == 2; }));
    CHECK(target.stats().connection_await_connect == 1);
  }
}

}  // namespace capsuled::transport::testing
