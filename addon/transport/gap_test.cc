// What becomes of a reactor's hosts when the reactor itself was away: its process was stopped, its
// machine paused, or a callback did not return. Over a fake machine, whose clock is the test's.
#include <doctest/doctest.h>

#include <deque>
#include <functional>
#include <future>
#include <string>
#include <vector>

#include "nvmf/namespace_table.h"
#include "transport/group.h"
#include "transport/testing/fake_env.h"
#include "transport/testing/test_host.h"

namespace capsuled::transport::testing {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;
constexpr uint64_t kMicrosecond = 1000;
constexpr uint8_t kKeepAlive = 0x18;
constexpr uint64_t kKeepAliveMs = 5000;
/// The longest step, a second of polls, takes half of it.
constexpr uint32_t kStepPollsMax = 2'000'000;

/// A reactor with a group, and a test that runs on its thread, from the polls of its ring: each
/// step is tried at every poll until it answers true.
class GapTarget {
 public:
  GapTarget() : env_(1), queue_(64, 4096, [](void*) {}, nullptr) {
    env_.drive = [this] { return drive(); };
    ReactorOptions options;
    options.memory_bytes = kBufferMemoryBytesMin;
    options.mode = PollMode::Interrupt;  // sleeps as soon as it may
    reactor_ = Reactor::create(env_, options).value();
    group_ = Group::create(*reactor_, GroupOptions{}, queue_).value();
    table_ = std::make_unique<nvmf::NamespaceTable>(*reactor_);
  }

  void until(std::function<bool()> step) { steps_.push_back(std::move(step)); }
  void then(std::function<void()> step) {
    until([step = std::move(step)] {
      step();
      return true;
    });
  }
  /// The reactor runs on, and time passes.
  void pass(uint64_t ns) {
    then([this, ns] { env_.advance(ns); });
    until([this] { return env_.advanced(); });
  }
  /// The reactor is away for `ns` within its sleep; meanwhile, `what`.
  void sleep_away(uint64_t ns, std::function<void()> what) {
    then([this, ns, what = std::move(what)] {
      env_.ring().lets_sleep = true;
      env_.ring().in_sleep = [this, ns, what] {
        env_.ring().lets_sleep = false;
        what();
        return ns;
      };
    });
    until([this] { return env_.ring().in_sleep == nullptr; });
  }
  /// The same within an iteration.
  void work_away(uint64_t ns, std::function<void()> what) {
    then([this, ns, what = std::move(what)] {
      what();
      env_.jump(ns);
    });
  }
  /// More polls than those for which a reactor reads before it lets timers run. (It reads that long
  /// because here each poll does something.)
  void settle() {
    until([polls = 0]() mutable { return ++polls == 100; });
  }
  void run() {
    REQUIRE(reactor_->start().ok());
    over_.get_future().wait();
    CHECK_MESSAGE(!unsatisfied_, "a step waited for what did not happen");
    reactor_->stop();
    group_.reset();
  }

  int open() {
    const int fd = env_.ring().open();
    group_->adopt(fd, 1, {"127.0.0.1", 4420}, {"127.0.0.1", 50000});
    return fd;
  }
  void send(int fd, const Octets& bytes) {
    FakeSocket& socket = env_.ring().socket(fd);
    socket.to_target.insert(socket.to_target.end(), bytes.begin(), bytes.end());
  }
  size_t unread(int fd) { return env_.ring().socket(fd).to_target.size(); }
  void connect(int fd) {
    send(fd, make_ic_req({}));
    send(fd, make_capsule(make_connect(0, 0, 32, true), Octets(sizeof(wire::ConnectData)), {}));
  }
  /// Steps: a host with a controller that wants a sign of life every kKeepAliveMs.
  void add_host(int& fd) {
    then([this, &fd] {
      fd = open();
      connect(fd);
    });
    until([this] { return group_->stats().connection_live == 1; });
    then([this] { group_->set_keep_alive(1, kKeepAliveMs); });
  }
  void keep_alive(int fd) { send(fd, make_capsule(make_sqe(kKeepAlive, 7), {}, {})); }

  FakeEnv& env() { return env_; }
  const TransportStats& stats() { return group_->stats(); }
  ReactorStats& reactor_stats() { return reactor_->stats(); }
  const std::vector<std::string>& closed() const { return closed_; }

 private:
  bool drive() {
    drain_control();
    if (!steps_.empty()) {
      if (steps_.front()()) {
        steps_.pop_front();
        polls_ = 0;
        return true;
      }
      // Nothing is going to satisfy it. Those behind it make no sense then.
      if (++polls_ > kStepPollsMax) {
        unsatisfied_ = true;
        steps_.clear();
      }
      return true;
    }
    if (!stopping_) {
      stopping_ = true;
      group_->stop([this] { stopped_ = true; });
    }
    if (!stopped_) return true;
    if (table_ != nullptr) {
      table_.reset();
      return true;
    }
    if (!said_) over_.set_value();
    said_ = true;
    return false;
  }

  void drain_control() {
    for (const auto& event : queue_.drain(16)) {
      if (event->type == ControlEventType::ConnectionClosed) closed_.emplace_back(event->reason);
      if (event->type != ControlEventType::Command) continue;
      QueueAttach attach;
      attach.token = event->token;
      attach.controller = 1;
      attach.entries = 32;
      group_->attach(attach, table_.get(), &queue_stats_);
    }
  }

  FakeEnv env_;
  ControlQueue queue_;
  std::unique_ptr<Reactor> reactor_;
  std::unique_ptr<Group> group_;
  std::unique_ptr<nvmf::NamespaceTable> table_;
  nvmf::QueueStats queue_stats_;
  std::deque<std::function<bool()>> steps_;
  std::vector<std::string> closed_;
  uint32_t polls_ = 0;  // of the step that is waited for
  bool unsatisfied_ = false;
  bool stopping_ = false;
  bool stopped_ = false;
  bool said_ = false;
  std::promise<void> over_;
};

using Away = void (GapTarget::*)(uint64_t, std::function<void()>);
constexpr std::array<Away, 2> kWaysToBeAway = {&GapTarget::sleep_away, &GapTarget::work_away};

}  // namespace

TEST_CASE("a Keep Alive that came while the reactor was away counts") {
  for (const Away away : kWaysToBeAway) {
    for (const uint32_t piece : {4u, 8u, 64u * 1024}) {
      CAPTURE(piece);
      GapTarget target;
      int fd = -1;
      target.add_host(fd);
      // Due within a few polls, and the command takes many when it comes in small pieces.
      target.pass(kKeepAliveMs * 1'000'000 - 30 * kMicrosecond);
      (target.*away)(60 * kSecond, [&target, &fd, piece] {
        target.env().ring().piece_max = piece;
        target.keep_alive(fd);
      });
      target.settle();
      target.then([&] { CHECK(target.unread(fd) == 0); });
      target.pass(4 * kSecond);
      target.then([&] {
        CHECK(target.stats().keep_alive_expired == 0);
        CHECK(target.stats().connection_live == 1);
        CHECK(read_stat(target.reactor_stats().missed_ns) > 59 * kSecond);
      });
      target.run();
    }
  }
}

TEST_CASE("a Keep Alive that woke the reactor counts, however late it woke") {
  GapTarget target;
  int fd = -1;
  target.add_host(fd);
  target.pass(kKeepAliveMs * 1'000'000 - 30 * kMicrosecond);
  // Past the deadline, and no gap.
  target.sleep_away(kSecond / 100, [&] { target.keep_alive(fd); });
  target.pass(4 * kSecond);
  target.then([&] {
    CHECK(target.stats().keep_alive_expired == 0);
    CHECK(read_stat(target.reactor_stats().missed_ns) == 0);
  });
  target.run();
}

TEST_CASE("a host that was silent while the reactor was away has the time added, and no more") {
  for (const Away away : kWaysToBeAway) {
    GapTarget target;
    int fd = -1;
    target.add_host(fd);
    target.pass(3 * kSecond);
    (target.*away)(60 * kSecond, [] {});
    target.settle();
    target.pass(kSecond);
    target.then([&] { CHECK(target.stats().keep_alive_expired == 0); });
    target.pass(2 * kSecond);
    target.then([&] {
      CHECK(target.stats().keep_alive_expired == 1);
      CHECK(target.closed() == std::vector<std::string>{"keep_alive_expired"});
    });
    target.run();
  }
}

TEST_CASE("a host that dies expires whether the reactor sleeps or works") {
  for (const bool lets_sleep : {false, true}) {
    GapTarget target;
    int fd = -1;
    target.add_host(fd);
    target.then([&] { target.env().ring().lets_sleep = lets_sleep; });
    target.pass(6 * kSecond);
    target.until([&] { return target.closed().size() == 1; });
    target.then([&] {
      CHECK(target.closed().front() == "keep_alive_expired");
      CHECK(read_stat(target.reactor_stats().missed_ns) == 0);
    });
    target.run();
  }
}

TEST_CASE("a peer that sends without end does not stop the timers after a gap") {
  GapTarget target;
  int fd = -1;
  int talker = -1;
  target.add_host(fd);
  target.pass(4 * kSecond);
  target.work_away(60 * kSecond, [&] {
    talker = target.open();
    target.env().ring().piece_max = 1;
    target.send(talker, Octets(1 << 20));
  });
  target.until([&] { return target.stats().keep_alive_expired == 1; });
  target.then([&] { CHECK(target.unread(talker) > 0); });
  // What it sent was no PDU, and it does not close when it is told.
  target.pass(3 * kSecond);
  target.until([&] { return target.closed().size() == 2; });
  target.run();
}

TEST_CASE("what a peer owed when the reactor went away may still come after it is back") {
  for (const Away away : kWaysToBeAway) {
    GapTarget target;
    const Octets ic_req = make_ic_req({});
    const Octets connect =
        make_capsule(make_connect(0, 0, 32, true), Octets(sizeof(wire::ConnectData)), {});
    const auto half = [](const Octets& octets) {
      return Octets(octets.begin(), octets.begin() + static_cast<ptrdiff_t>(octets.size() / 2));
    };
    const auto rest = [](const Octets& octets) {
      return Octets(octets.begin() + static_cast<ptrdiff_t>(octets.size() / 2), octets.end());
    };
    int silent = -1;
    int initialized = -1;
    int inside = -1;
    target.then([&] {
      silent = target.open();
      initialized = target.open();
      target.send(initialized, ic_req);
      inside = target.open();
      target.send(inside, ic_req);
      target.send(inside, half(connect));
    });
    target.pass(kSecond);
    (target.*away)(600 * kSecond, [] {});
    target.settle();
    // The time-outs are looked at every half second.
    target.pass(kSecond);
    target.then([&] {
      CHECK(target.closed().empty());
      CHECK(target.stats().connection_await_icreq == 1);
      CHECK(target.stats().connection_await_connect == 2);
      target.send(silent, ic_req);
      target.send(initialized, connect);
      target.send(inside, rest(connect));
    });
    target.until([&] { return target.stats().connection_live == 2; });
    target.then([&] { CHECK(target.stats().connection_await_connect == 1); });
    target.run();
  }
}

}  // namespace capsuled::transport::testing
