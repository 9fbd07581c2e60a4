#include "reactor/reactor.h"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <functional>
#include <future>
#include <memory>
#include <thread>
#include <vector>

namespace capsuled {
namespace {

constexpr uint64_t kMs = 1'000'000;

ReactorOptions options_with(PollMode mode) {
  ReactorOptions options;
  options.mode = mode;
  options.memory_bytes = kBufferMemoryBytesMin;
  options.huge_pages = env::HugePages::Never;
  options.ring_entries = 64;
  return options;
}

struct Fixture {
  explicit Fixture(ReactorOptions options = options_with(PollMode::Adaptive))
      : reactor(Reactor::create(*env, options).value()) {
    REQUIRE(reactor->start().ok());
  }

  /// Runs `task` on the reactor's thread and waits for its end.
  void run(std::function<void()> task) {
    struct Call {
      std::function<void()> task;
      std::promise<void> done;
    } call{std::move(task), {}};
    reactor->send_message_wait({[](Reactor&, void* argument) {
                                  auto* const self = static_cast<Call*>(argument);
                                  self->task();
                                  self->done.set_value();
                                },
                                &call});
    call.done.get_future().wait();
  }

  std::unique_ptr<env::Env> env = env::make_linux_env().value();
  std::unique_ptr<Reactor> reactor;
};

struct TestTimer : Timer {
  TestTimer() {
    expired = [](Timer& timer) { static_cast<TestTimer&>(timer).then(); };
  }
  std::function<void()> then;
};

struct TestPoller : Poller {
  explicit TestPoller(std::function<PollResult()> work, PollStage stage = PollStage::Work)
      : Poller(stage), then(std::move(work)) {}
  PollResult poll() override { return then(); }
  std::function<PollResult()> then;
};

uint64_t thread_cpu_ns() {
  timespec time;
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(time.tv_nsec);
}

}  // namespace

TEST_CASE("reactor: messages of one thread run in order, on the reactor's thread") {
  for (const PollMode mode : {PollMode::Adaptive, PollMode::Busy, PollMode::Interrupt}) {
    CAPTURE(static_cast<int>(mode));
    Fixture fixture(options_with(mode));
    CHECK(Reactor::current() == nullptr);
    std::vector<int> order;
    for (int index = 0; index < 100; ++index) {
      fixture.run([&, index] {
        CHECK(Reactor::current() == fixture.reactor.get());
        order.push_back(index);
      });
    }
    CHECK(std::ranges::is_sorted(order));
    CHECK(order.size() == 100);
    CHECK(read_stat(fixture.reactor->stats().messages) == 100);
  }
}

TEST_CASE(
    "reactor: four threads fill a small inbox; every message runs once, in its thread's order") {
  for (const PollMode mode : {PollMode::Adaptive, PollMode::Interrupt}) {
    CAPTURE(static_cast<int>(mode));
    ReactorOptions options = options_with(mode);
    options.inbox_capacity = 5;  // becomes 8
    options.idle_after_ns = 0;   // asleep as often as possible
    Fixture fixture(options);
    constexpr uint64_t kMessages = 5'000;
    struct Source {
      uint64_t received = 0;  // the reactor's
      uint64_t refused = 0;   // the sender's
    };
    std::array<Source, 4> sources;
    std::vector<std::thread> threads;
    for (Source& source : sources) {
      threads.emplace_back([&fixture, &source] {
        for (uint64_t count = 0; count < kMessages; ++count) {
          const Message message{
              [](Reactor&, void* argument) { ++static_cast<Source*>(argument)->received; },
              &source};
          while (!fixture.reactor->send_message(message)) {
            ++source.refused;
            std::this_thread::yield();
          }
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    fixture.reactor->stop();
    uint64_t refused = 0;
    for (const Source& source : sources) {
      CHECK(source.received == kMessages);
      refused += source.refused;
    }
    CHECK(read_stat(fixture.reactor->stats().messages) == 4 * kMessages);
    MESSAGE("refused by a full inbox: ", refused);
  }
}

TEST_CASE("reactor: a full inbox says so, and takes messages again once it is drained") {
  ReactorOptions options = options_with(PollMode::Adaptive);
  options.inbox_capacity = 4;
  Fixture fixture(options);
  std::promise<void> entered;
  std::promise<void> leave;
  std::atomic<uint32_t> ran{0};
  struct Gate {
    std::promise<void>& entered;
    std::shared_future<void> leave;
  } gate{entered, leave.get_future().share()};
  REQUIRE(fixture.reactor->send_message({[](Reactor&, void* argument) {
                                           auto* const self = static_cast<Gate*>(argument);
                                           self->entered.set_value();
                                           self->leave.wait();
                                         },
                                         &gate}));
  entered.get_future().wait();
  const Message count{
      [](Reactor&, void* argument) { static_cast<std::atomic<uint32_t>*>(argument)->fetch_add(1); },
      &ran};
  uint32_t taken = 0;
  while (fixture.reactor->send_message(count)) ++taken;
  CHECK(taken == 4);
  leave.set_value();
  fixture.run([] {});
  CHECK(ran.load() == 4);
  CHECK(fixture.reactor->send_message(count));
  fixture.reactor->stop();
  CHECK(ran.load() == 5);  // what was sent before stop() runs
}

TEST_CASE("reactor: two reactors that sleep at once answer each other without a lost wake-up") {
  auto env = env::make_linux_env().value();
  ReactorOptions options = options_with(PollMode::Interrupt);
  auto first = Reactor::create(*env, options).value();
  auto second = Reactor::create(*env, options).value();
  REQUIRE(first->start().ok());
  REQUIRE(second->start().ok());
  struct Game {
    std::array<Reactor*, 2> reactors;
    uint32_t turns = 0;
    std::promise<void> done;
    static void play(Reactor& reactor, void* argument) {
      auto* const game = static_cast<Game*>(argument);
      if (++game->turns == 20'000) return game->done.set_value();
      Reactor* const other = game->reactors[&reactor == game->reactors[0] ? 1 : 0];
      REQUIRE(other->send_message({&Game::play, game}));
    }
  } game{{first.get(), second.get()}, 0, {}};
  first->send_message_wait({&Game::play, &game});
  game.done.get_future().wait();
  CHECK(game.turns == 20'000);
  first->stop();
  second->stop();
}

TEST_CASE("reactor: timers wake a sleeping reactor, in order and never early") {
  Fixture fixture;
  std::vector<TestTimer> timers(3);
  std::vector<size_t> order;
  std::promise<void> done;
  fixture.run([&] {
    Reactor& reactor = *fixture.reactor;
    const uint64_t now_ns = reactor.now_ns();
    for (size_t index = 0; index < timers.size(); ++index) {
      timers[index].then = [&, index] {
        CHECK(reactor.now_ns() >= timers[index].deadline_ns);
        order.push_back(index);
        if (order.size() == 3) done.set_value();
      };
    }
    reactor.start_timer(timers[0], now_ns + 9 * kMs);
    reactor.start_timer(timers[1], now_ns + 3 * kMs);
    reactor.start_timer(timers[2], now_ns + 6 * kMs);
  });
  done.get_future().wait();
  CHECK(order == std::vector<size_t>{1, 2, 0});
  CHECK(read_stat(fixture.reactor->stats().sleeps) >= 1);
}

TEST_CASE("reactor: a timer may be moved, cancelled, and restarted from its own callback") {
  Fixture fixture;
  TestTimer periodic;
  TestTimer cancelled;
  TestTimer moved;
  uint32_t ticks = 0;
  bool moved_ran = false;
  std::promise<void> done;
  fixture.run([&] {
    Reactor& reactor = *fixture.reactor;
    periodic.then = [&] {
      CHECK_FALSE(periodic.started());
      if (++ticks == 5) {
        reactor.cancel_timer(moved);
        return done.set_value();
      }
      if (ticks == 1) reactor.cancel_timer(cancelled);
      reactor.start_timer(periodic, reactor.now_ns() + kMs);
    };
    cancelled.then = [] { FAIL_CHECK("a cancelled timer ran"); };
    moved.then = [&] { moved_ran = true; };
    reactor.start_timer(periodic, reactor.now_ns());
    reactor.start_timer(cancelled, reactor.now_ns() + 2 * kMs);
    reactor.start_timer(moved, reactor.now_ns() + kMs);
    reactor.start_timer(moved, reactor.now_ns() + 3'600'000 * kMs);
  });
  done.get_future().wait();
  fixture.reactor->stop();
  CHECK(ticks == 5);
  CHECK_FALSE(moved_ran);
  CHECK_FALSE(moved.started());
}

TEST_CASE("reactor: pollers come and go inside poll(), their own included") {
  Fixture fixture;
  Reactor& reactor = *fixture.reactor;
  uint32_t added_runs = 0;
  uint32_t removed_runs = 0;
  uint32_t once_runs = 0;
  std::promise<void> done;
  TestPoller added([&] {
    if (++added_runs == 10) {
      reactor.remove_poller(added);
      done.set_value();
    }
    return PollResult::Busy;
  });
  TestPoller removed([&] {
    ++removed_runs;
    return PollResult::Idle;
  });
  TestPoller once([&] {
    ++once_runs;
    reactor.remove_poller(removed);  // behind this one: does not run in this iteration either
    reactor.remove_poller(once);
    reactor.add_poller(added);
    CHECK(added_runs == 0);
    return PollResult::Busy;
  });
  fixture.run([&] {
    reactor.add_poller(once);
    reactor.add_poller(removed);
  });
  done.get_future().wait();
  fixture.reactor->stop();
  CHECK(once_runs == 1);
  CHECK(removed_runs == 0);
  CHECK(added_runs == 10);
}

TEST_CASE("reactor: pollers that send run behind those that work, whoever was added first") {
  Fixture fixture;
  Reactor& reactor = *fixture.reactor;
  std::string order;
  std::promise<void> done;
  TestPoller send(
      [&] {
        order += 's';
        if (order.size() == 30) {
          reactor.remove_poller(send);
          done.set_value();
        }
        return PollResult::Busy;
      },
      PollStage::Send);
  TestPoller first([&] {
    if (order.size() < 30) order += '1';
    return PollResult::Busy;
  });
  TestPoller second([&] {
    if (order.size() < 30) order += '2';
    return PollResult::Busy;
  });
  fixture.run([&] {
    reactor.add_poller(send);
    reactor.add_poller(first);
    reactor.add_poller(second);
  });
  done.get_future().wait();
  fixture.reactor->stop();
  for (size_t turn = 0; turn < 10; ++turn) CHECK(order.substr(turn * 3, 3) == "12s");
  reactor.remove_poller(first);
  reactor.remove_poller(second);
}

TEST_CASE("reactor: a busy poller keeps it awake, in interrupt mode too") {
  Fixture fixture(options_with(PollMode::Interrupt));
  Reactor& reactor = *fixture.reactor;
  std::promise<void> done;
  uint64_t sleeps_before = 0;
  uint32_t runs = 0;
  TestPoller poller([&] {
    if (++runs == 1000) {
      CHECK(reactor.stats().sleeps == sleeps_before);
      reactor.remove_poller(poller);
      done.set_value();
    }
    return PollResult::Busy;
  });
  fixture.run([&] {
    sleeps_before = reactor.stats().sleeps;
    reactor.add_poller(poller);
  });
  done.get_future().wait();
}

TEST_CASE("reactor: idle, it sleeps: its thread uses next to no time; busy mode never sleeps") {
  for (const PollMode mode : {PollMode::Adaptive, PollMode::Interrupt, PollMode::Busy}) {
    CAPTURE(static_cast<int>(mode));
    Fixture fixture(options_with(mode));
    uint64_t cpu_before_ns = 0;
    uint64_t cpu_after_ns = 0;
    uint64_t idle_before_ns = 0;
    uint64_t idle_after_ns = 0;
    ReactorStats& stats = fixture.reactor->stats();
    TestTimer timer;
    std::promise<void> done;
    const uint64_t begun_ns = fixture.env->now_ns();
    fixture.run([&] {
      cpu_before_ns = thread_cpu_ns();
      idle_before_ns = stats.idle_ns;
      timer.then = [&] {
        cpu_after_ns = thread_cpu_ns();
        idle_after_ns = stats.idle_ns;
        done.set_value();
      };
      fixture.reactor->start_timer(timer, fixture.reactor->now_ns() + 300 * kMs);
    });
    done.get_future().wait();
    const uint64_t wall_ns = fixture.env->now_ns() - begun_ns;
    const double share =
        static_cast<double>(cpu_after_ns - cpu_before_ns) / static_cast<double>(wall_ns);
    MESSAGE("share of a core while idle: ", share);
    if (mode == PollMode::Busy) {
      CHECK(read_stat(stats.sleeps) == 0);
    } else {
      CHECK(share < 0.01);
      CHECK(read_stat(stats.sleeps) >= 1);
    }
    // Asleep or polling in vain: both are idle time.
    CHECK(idle_after_ns - idle_before_ns > 250 * kMs);
    CHECK(idle_after_ns - idle_before_ns <= wall_ns);
  }
}

TEST_CASE("reactor: adaptive mode keeps polling for idle_after_ns, interrupt mode does not") {
  ReactorOptions options = options_with(PollMode::Adaptive);
  options.idle_after_ns = 3'600'000 * kMs;
  Fixture awake(options);
  awake.run([] {});
  awake.run([] {});
  CHECK(read_stat(awake.reactor->stats().sleeps) == 0);
}

TEST_CASE("reactor: a callback that blocks is a stall, and the longest is kept") {
  ReactorOptions options = options_with(PollMode::Interrupt);
  options.stall_after_ns = 2'000 * kMs;  // out of reach of a busy machine
  Fixture calm(options);
  for (int round = 0; round < 10; ++round) calm.run([] {});
  calm.reactor->stop();
  CHECK(calm.reactor->stats().stalls == 0);
  CHECK(calm.reactor->stats().stall_longest_ns == 0);

  options.stall_after_ns = 20 * kMs;
  Fixture stalled(options);
  const auto spin = [&stalled](uint64_t duration_ns) {
    const uint64_t end_ns = stalled.env->now_ns() + duration_ns;
    while (stalled.env->now_ns() < end_ns) {
    }
  };
  TestTimer timer;
  std::promise<void> done;
  stalled.run([&] { spin(25 * kMs); });
  stalled.run([&] {
    timer.then = [&] {
      spin(60 * kMs);
      done.set_value();
    };
    stalled.reactor->start_timer(timer, 0);
  });
  done.get_future().wait();
  stalled.reactor->stop();
  CHECK(stalled.reactor->stats().stalls >= 2);
  CHECK(stalled.reactor->stats().stall_longest_ns >= 60 * kMs);
  CHECK(stalled.reactor->stats().busy_ns >= 85 * kMs);
}

TEST_CASE("reactor: completions run on its thread with a fresh clock, and stop() lets them end") {
  Fixture fixture;
  Reactor& reactor = *fixture.reactor;
  std::array<int, 2> fds{};
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()) == 0);
  struct Receive : env::RingOp {
    Reactor* reactor = nullptr;
    env::Completion seen{};
    uint64_t now_ns = 0;
    std::promise<void> done;
  } receive;
  char byte = 0;
  iovec iov{&byte, 1};
  msghdr message = {};
  message.msg_iov = &iov;
  message.msg_iovlen = 1;
  receive.reactor = &reactor;
  receive.complete = [](env::RingOp& op, env::Completion completion) {
    auto& self = static_cast<Receive&>(op);
    CHECK(Reactor::current() == self.reactor);
    self.seen = completion;
    self.now_ns = self.reactor->now_ns();
    self.done.set_value();
  };
  uint64_t prepared_ns = 0;
  fixture.run([&] {
    prepared_ns = reactor.now_ns();
    reactor.ring().receive(receive, fds[0], message, env::WaitFor::All);
  });
  // Time itself is the subject: a clock from before the sleep would show in the completion.
  const timespec pause{0, 20'000'000};
  ::nanosleep(&pause, nullptr);
  REQUIRE(::write(fds[1], "x", 1) == 1);
  receive.done.get_future().wait();
  CHECK(receive.seen.result == 1);
  CHECK(receive.now_ns >= prepared_ns + 20 * kMs);

  receive.done = {};
  fixture.run([&] {
    reactor.ring().receive(receive, fds[0], message, env::WaitFor::All);
    reactor.ring().cancel(receive);
  });
  reactor.stop();
  CHECK(receive.seen.result == -ECANCELED);
  CHECK(reactor.ring().in_flight() == 0);
  for (const int fd : fds) ::close(fd);
}

TEST_CASE("reactor: made and destroyed without a start; stopped twice; errors are values") {
  auto env = env::make_linux_env().value();
  ReactorOptions options = options_with(PollMode::Adaptive);
  {
    auto reactor = Reactor::create(*env, options).value();
  }
  {
    auto reactor = Reactor::create(*env, options).value();
    REQUIRE(reactor->start().ok());
    reactor->stop();
    reactor->stop();
  }
  options.core = 1023;
  {
    auto reactor = Reactor::create(*env, options).value();
    CHECK(reactor->start().error().errnum == EINVAL);
  }
  options.memory_bytes = 4096;
  CHECK(Reactor::create(*env, options).error().errnum == EINVAL);
}

}  // namespace capsuled
