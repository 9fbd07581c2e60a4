#include <doctest/doctest.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <vector>

#include "env/linux/test_ring.h"

namespace capsuled::env {

TEST_CASE("ring: what ended before a sleep is not slept on") {
  RingFixture fixture;
  SocketPair pair;
  char byte = 'x';
  iovec out{&byte, 1};
  msghdr message = message_of(&out, 1);
  TestOp op;
  fixture.ring->send(op, pair.near(), message);
  CHECK(op.seen.empty());
  fixture.ring->sleep(UINT64_MAX);
  CHECK(fixture.ring->poll() == 1);
  CHECK(op.result() == 1);
}

TEST_CASE("ring: cancel ends what waits, and is harmless before submission and after the end") {
  RingFixture fixture;
  auto buffers = fixture.ring->provide_buffers(64, 1).value();
  SocketPair pair;
  TestOp op;
  fixture.ring->cancel(op);  // not in flight: nothing
  CHECK(fixture.ring->in_flight() == 0);

  SUBCASE("before submission") { fixture.ring->receive_provided(op, pair.near(), *buffers, 4096); }
  SUBCASE("while it waits") {
    fixture.ring->receive_provided(op, pair.near(), *buffers, 4096);
    (void)fixture.ring->poll();
    CHECK(op.in_flight);
  }
  fixture.ring->cancel(op);
  fixture.ring->cancel(op);
  fixture.finish(op);
  CHECK(op.seen.size() == 1);
  CHECK(op.result() == -ECANCELED);
  CHECK(buffers->taken() == 0);

  // The second cancel must not hit the operation that reuses the address.
  fixture.ring->receive_provided(op, pair.near(), *buffers, 4096);
  for (int turn = 0; turn < 3; ++turn) (void)fixture.ring->poll();
  CHECK(op.in_flight);
  REQUIRE(::write(pair.far(), "x", 1) == 1);
  fixture.finish(op);
  CHECK(op.result() == 1);
}

TEST_CASE("ring: more operations than entries, and more completions than the queue holds") {
  RingFixture fixture(4);
  std::vector<SocketPair> pairs(100);
  std::vector<TestOp> ops(pairs.size());
  auto buffers = fixture.ring->provide_buffers(64, 128).value();
  for (size_t index = 0; index < ops.size(); ++index) {
    REQUIRE(::write(pairs[index].far(), "x", 1) == 1);
    fixture.ring->receive_provided(ops[index], pairs[index].near(), *buffers, 4096);
  }
  CHECK(fixture.ring->in_flight() == ops.size());
  for (const TestOp& op : ops) CHECK(op.seen.empty());  // none ran inside a preparing call
  fixture.drive([&] { return fixture.ring->in_flight() == 0; });
  for (const TestOp& op : ops) {
    CHECK(op.seen.size() == 1);
    CHECK(op.result() == 1);
  }
  CHECK(buffers->taken() == ops.size());
}

TEST_CASE("ring: a completion may prepare further operations, its own too") {
  RingFixture fixture(8);
  SocketPair pair;
  TestOp op;
  TestOp other;
  char byte = 'x';
  char received = 0;
  iovec out{&byte, 1};
  iovec in{&received, 1};
  msghdr send_message = message_of(&out, 1);
  msghdr receive_message = message_of(&in, 1);
  op.then = [&](Completion) {
    if (op.seen.size() < 1000) fixture.ring->send(op, pair.near(), send_message);
  };
  other.then = [&](Completion) {
    if (other.seen.size() < 1000) {
      fixture.ring->receive(other, pair.far(), receive_message, WaitFor::All);
    }
  };
  fixture.ring->send(op, pair.near(), send_message);
  fixture.ring->receive(other, pair.far(), receive_message, WaitFor::All);
  fixture.drive([&] { return fixture.ring->in_flight() == 0; });
  CHECK(op.seen.size() == 1000);
  CHECK(other.seen.size() == 1000);
}

TEST_CASE("ring: sleep ends at its deadline, by a completion, and by a wake before or during it") {
  RingFixture fixture;
  const uint64_t started_ns = fixture.env->now_ns();
  CHECK(fixture.ring->wait(started_ns + 5'000'000) == 0);
  CHECK(fixture.env->now_ns() >= started_ns + 5'000'000);
  CHECK(fixture.ring->wait(started_ns) == 0);  // a deadline that has passed

  fixture.ring->wake();
  fixture.ring->sleep(UINT64_MAX);  // returns, or the test hangs

  for (int round = 0; round < 100; ++round) {
    std::thread waker([&] { fixture.ring->wake(); });
    fixture.ring->sleep(UINT64_MAX);
    waker.join();
  }

  // The last sleep has used up every wake, so only the completion ends this one.
  SocketPair pair;
  auto buffers = fixture.ring->provide_buffers(64, 1).value();
  TestOp op;
  fixture.ring->receive_provided(op, pair.near(), *buffers, 4096);
  std::thread writer([&] { CHECK(::write(pair.far(), "x", 1) == 1); });
  fixture.finish(op);
  writer.join();
  CHECK(op.result() == 1);
}

TEST_CASE("ring: no wake is lost between two threads") {
  RingFixture fixture;
  constexpr uint32_t kRounds = 20'000;
  std::atomic<uint32_t> produced{0};
  std::atomic<uint32_t> consumed{0};
  // Different in each round, so that some wakes meet the other thread as it falls asleep.
  const auto delay = [](uint32_t turns) {
    for (volatile uint32_t turn = 0; turn < turns;) turn = turn + 1;
  };
  // Strictly in turns: a lost wake would leave both waiting. Relaxed accesses: that the value is
  // seen after sleep() is what wake() promises.
  std::thread producer([&] {
    for (uint32_t round = 1; round <= kRounds; ++round) {
      delay(round % 509);
      produced.store(round, std::memory_order_relaxed);
      fixture.ring->wake();
      while (consumed.load(std::memory_order_acquire) != round) std::this_thread::yield();
    }
  });
  for (uint32_t round = 1; round <= kRounds; ++round) {
    while (produced.load(std::memory_order_relaxed) != round) {
      delay(round % 1021);  // as a reactor, which has things to do between looking and sleeping
      fixture.ring->sleep(UINT64_MAX);
      (void)fixture.ring->poll();
    }
    consumed.store(round, std::memory_order_release);
  }
  producer.join();
  CHECK(consumed.load() == kRounds);
}

TEST_CASE("ring: a ring is made on one thread, used on another, and destroyed on the first") {
  auto env = make_linux_env().value();
  auto ring = env->make_ring(8).value();
  auto buffers = ring->provide_buffers(4096, 4).value();
  SocketPair pair;
  TestOp op;
  ring->receive_provided(op, pair.near(), *buffers, 4096);
  std::thread reactor([&] {
    (void)ring->poll();
    REQUIRE(::write(pair.far(), "x", 1) == 1);
    while (!op.done()) (void)ring->wait(UINT64_MAX);
    ring->finish();
  });
  reactor.join();
  CHECK(op.result() == 1);
  CHECK(ring->in_flight() == 0);
}

}  // namespace capsuled::env
