#include "reactor/timer_heap.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <vector>

#include "base/prng.h"

namespace capsuled {
namespace {

struct TestTimer : Timer {
  TestTimer() {
    expired = [](Timer& timer) {
      auto& self = static_cast<TestTimer&>(timer);
      if (self.then) self.then(self);
    };
  }
  std::function<void(TestTimer&)> then;
};

}  // namespace

TEST_CASE("timer heap: what is due runs, soonest first, and nothing else") {
  TimerHeap heap;
  std::vector<uint64_t> ran;
  std::vector<TestTimer> timers(10);
  const std::vector<uint64_t> deadlines = {70, 20, 90, 40, 10, 50, 30, 100, 80, 60};
  CHECK(heap.deadline_ns() == UINT64_MAX);
  for (size_t index = 0; index < timers.size(); ++index) {
    timers[index].then = [&](TestTimer& timer) {
      CHECK_FALSE(timer.started());
      ran.push_back(timer.deadline_ns);
    };
    heap.start(timers[index], deadlines[index]);
  }
  CHECK(heap.deadline_ns() == 10);
  CHECK(heap.run_due(9) == 0);
  CHECK(heap.run_due(50) == 5);
  CHECK(ran == std::vector<uint64_t>{10, 20, 30, 40, 50});
  CHECK(heap.deadline_ns() == 60);
  CHECK(heap.run_due(UINT64_MAX - 1) == 5);
  CHECK(ran.size() == 10);
  CHECK(std::ranges::is_sorted(ran));
  CHECK(heap.size() == 0);
}

TEST_CASE("timer heap: a callback may restart itself, and move or cancel others that are due") {
  TimerHeap heap;
  std::vector<char> ran;
  TestTimer a;
  TestTimer b;
  TestTimer c;
  a.then = [&](TestTimer& timer) {
    ran.push_back('a');
    heap.start(timer, 15);  // due again at once: waits for the next round
    heap.cancel(b);
    heap.start(c, 500);
  };
  b.then = [&](TestTimer&) { ran.push_back('b'); };
  c.then = [&](TestTimer&) { ran.push_back('c'); };
  heap.start(a, 10);
  heap.start(b, 11);
  heap.start(c, 12);
  CHECK(heap.run_due(20) <= 3);
  CHECK(std::ranges::count(ran, 'b') == 0);
  CHECK(std::ranges::count(ran, 'c') == 0);
  CHECK(a.started());
  CHECK_FALSE(b.started());
  CHECK(c.deadline_ns == 500);
  heap.cancel(a);
  heap.cancel(a);  // not started: nothing
  CHECK(heap.run_due(500) == 1);
  CHECK(ran.back() == 'c');
}

TEST_CASE("timer heap: a timer that always restarts in the past does not hold the loop") {
  TimerHeap heap;
  TestTimer timer;
  uint32_t runs = 0;
  timer.then = [&](TestTimer& self) {
    ++runs;
    heap.start(self, 0);
  };
  heap.start(timer, 0);
  CHECK(heap.run_due(1) == 1);
  CHECK(heap.run_due(1) == 1);
  CHECK(runs == 2);
  heap.cancel(timer);
}

TEST_CASE("timer heap: any sequence of starts, moves and cancels agrees with a plain list") {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    Prng prng(seed);
    TimerHeap heap;
    std::vector<TestTimer> timers(200);
    std::vector<uint64_t> ran;
    for (TestTimer& timer : timers) {
      timer.then = [&](TestTimer& self) { ran.push_back(self.deadline_ns); };
    }
    uint64_t now_ns = 0;
    for (int step = 0; step < 2000; ++step) {
      TestTimer& timer = timers[prng.below(timers.size())];
      if (prng.chance(1, 4)) {
        heap.cancel(timer);
        CHECK_FALSE(timer.started());
      } else if (prng.chance(9, 10)) {
        heap.start(timer, now_ns + 1 + prng.below(1000));
      } else {
        now_ns += prng.below(200);
        std::vector<uint64_t> expected;
        for (const TestTimer& other : timers) {
          if (other.started() && other.deadline_ns <= now_ns) expected.push_back(other.deadline_ns);
        }
        std::ranges::sort(expected);
        ran.clear();
        (void)heap.run_due(now_ns);
        REQUIRE(ran == expected);
      }
      uint64_t soonest_ns = UINT64_MAX;
      size_t started = 0;
      for (const TestTimer& other : timers) {
        if (!other.started()) continue;
        ++started;
        soonest_ns = std::min(soonest_ns, other.deadline_ns);
      }
      REQUIRE(heap.size() == started);
      REQUIRE(heap.deadline_ns() == soonest_ns);
    }
  }
}

}  // namespace capsuled
