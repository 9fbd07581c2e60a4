#include "transport/control_queue.h"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "env/sim/sim_env.h"

namespace capsuled::transport {
namespace {

void add(void* argument) { ++*static_cast<std::atomic<int>*>(argument); }

std::unique_ptr<ControlEvent> make_event(uint32_t number, PeerKind kind = PeerKind::Stranger,
                                         uint64_t account = 0) {
  auto event = std::make_unique<ControlEvent>();
  event->controller = number;
  event->kind = kind;
  event->account = account;
  return event;
}

/// On a clock that stands still until the test moves it.
class TestQueue {
 public:
  TestQueue(uint32_t capacity, size_t lines_max)
      : machine_(1),
        network_(machine_, {.latency = {}}),
        env_(machine_, network_, files_),
        queue_(env_, capacity, lines_max, add, &notified) {}

  ControlQueue& operator*() { return queue_; }
  ControlQueue* operator->() { return &queue_; }
  void push(uint32_t number, PeerKind kind, uint64_t account = 0) {
    auto event = make_event(number, kind, account);
    REQUIRE(queue_.try_push(event));
  }
  void pass(uint64_t ns) { machine_.pass_to(machine_.now_ns() + ns); }

  std::atomic<int> notified{0};

 private:
  env::sim::SimMachine machine_;
  env::sim::SimNetwork network_;
  env::sim::SimFiles files_;
  env::sim::SimEnv env_;
  ControlQueue queue_;
};

std::vector<uint32_t> numbers_of(const std::vector<std::unique_ptr<ControlEvent>>& events) {
  std::vector<uint32_t> numbers;
  for (const auto& event : events) numbers.push_back(event->controller);
  return numbers;
}

}  // namespace

TEST_CASE("ControlQueue: one notification until it is drained, and none when cut short") {
  TestQueue queue(8, 64);
  for (uint32_t number = 0; number < 8; ++number) {
    auto event = make_event(number);
    CHECK(queue->try_push(event));
    CHECK(event == nullptr);
  }
  CHECK(queue.notified == 1);
  auto late = make_event(8);
  CHECK(!queue->try_push(late));
  CHECK(late != nullptr);
  CHECK(queue->drain(5).size() == 5);
  CHECK(queue->try_push(late));
  CHECK(queue.notified == 1);  // whoever drained comes again
  const auto rest = queue->drain(5);
  CHECK(rest.size() == 4);
  CHECK(rest.front()->controller == 5);
  CHECK(queue.notified == 1);
  late = make_event(9);
  CHECK(queue->try_push(late));
  CHECK(queue.notified == 2);
}

TEST_CASE("ControlQueue: no event is lost between a push and a drain") {
  // The simulated machine is one thread's alone.
  const std::unique_ptr<env::Env> env = env::make_linux_env().value();
  std::atomic<int> notified{0};
  ControlQueue queue(*env, 64, 256, add, &notified);
  constexpr uint32_t kEvents = 20'000;
  std::atomic<bool> over{false};
  std::thread producer([&] {
    for (uint32_t number = 0; number < kEvents; ++number) {
      auto event = make_event(number);
      while (!queue.try_push(event)) {
        if (over) return;
        std::this_thread::yield();
      }
    }
  });
  uint32_t expected = 0;
  int seen = 0;
  bool in_order = true;
  // An event that is lost is never asked for again: then nothing more is notified.
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (expected < kEvents && in_order && std::chrono::steady_clock::now() < end) {
    // As the control thread does: when notified, and when there was more.
    if (notified == seen) {
      std::this_thread::yield();
      continue;
    }
    seen = notified;
    for (bool more = true; more;) {
      const auto events = queue.drain(16);
      for (const auto& event : events) in_order &= event->controller == expected++;
      more = events.size() == 16;
    }
  }
  over = true;
  producer.join();
  CHECK(in_order);
  CHECK(expected == kEvents);
}

TEST_CASE("ControlQueue: with its lines and itself full it says no, and then loses nothing") {
  TestQueue queue(4, 6);
  uint32_t pushed = 0;
  const auto push = [&] {
    auto event = make_event(pushed);
    const bool taken = queue->try_push(event);
    CHECK((event == nullptr) == taken);
    if (taken) ++pushed;
    return taken;
  };
  const auto fill = [&] {
    while (pushed < 100 && push()) {
    }
  };
  fill();
  CHECK(pushed == 4);
  CHECK(queue.notified == 1);
  // Each moves what the lines have room for, and takes one of them.
  std::vector<uint32_t> got = numbers_of(queue->drain(1));
  CHECK(queue.notified == 1);
  fill();
  CHECK(pushed == 8);
  CHECK(queue.notified == 1);
  got.push_back(queue->drain(1).front()->controller);
  CHECK(queue.notified == 2);  // of what it had no room for, nobody knows
  fill();
  CHECK(pushed == 11);
  got.push_back(queue->drain(1).front()->controller);
  CHECK(queue.notified == 3);
  fill();
  // Six in lines but for the one given, four in the queue.
  CHECK(pushed == 12);
  CHECK(!push());
  while (got.size() < pushed) {
    const auto some = numbers_of(queue->drain(4));
    REQUIRE(!some.empty());
    got.insert(got.end(), some.begin(), some.end());
  }
  CHECK(queue.notified == 4);
  for (uint32_t number = 0; number < pushed; ++number) CHECK(got[number] == number);
  CHECK(queue->drain(6).empty());
  CHECK(push());
}

TEST_CASE("ControlQueue: peers take turns, whoever sends most") {
  TestQueue queue(64, 256);
  const auto push = [&](uint32_t number, PeerKind kind, uint64_t account) {
    queue.push(number, kind, account);
  };
  // A flood on discovery and one of strangers, and behind them one command of everybody else.
  for (uint32_t number = 0; number < 20; ++number) push(number, PeerKind::Discovery, 1);
  for (uint32_t number = 20; number < 40; ++number) push(number, PeerKind::Stranger, 1);
  push(100, PeerKind::Discovery, 2);
  push(101, PeerKind::Stranger, 2);
  push(102, PeerKind::Host, 1);
  CHECK(numbers_of(queue->drain(5)) == std::vector<uint32_t>{20, 0, 102, 101, 100});
  SUBCASE("what comes later has its turn in the next round") {
    push(103, PeerKind::Host, 1);
    CHECK(numbers_of(queue->drain(3)) == std::vector<uint32_t>{103, 21, 1});
  }
  SUBCASE("the flood comes out whole and in order") {
    const auto rest = numbers_of(queue->drain(100));
    std::vector<uint32_t> expected;
    for (uint32_t number = 1; number < 20; ++number) {
      expected.push_back(number + 20);
      expected.push_back(number);
    }
    CHECK(rest == expected);
  }
  // What is left goes with the queue.
}

namespace {

/// Accounts on discovery that ask again as soon as they are answered, and one that asks seldom.
class FloodedQueue {
 public:
  static constexpr uint32_t kFlooding = 200;
  static constexpr uint32_t kSeldom = 1000;

  /// They begin: so many events of each wait from now on.
  void flood(uint32_t depth) {
    for (uint32_t event = 0; event < depth; ++event) {
      for (uint32_t account = 0; account < kFlooding; ++account) push(account);
    }
  }
  void push(uint32_t account) { queue_.push(account, PeerKind::Discovery, account); }
  /// One event, and another one of its account in its place. Whose it was.
  uint32_t turn() {
    queue_.pass(kTurnNs);
    const auto got = numbers_of(queue_->drain(1));
    REQUIRE(got.size() == 1);
    if (got.front() < kFlooding) push(got.front());
    return got.front();
  }
  void turns(uint32_t count) {
    for (uint32_t turns = 0; turns < count; ++turns) turn();
  }
  uint32_t turns_of_seldom() {
    push(kSeldom);
    uint32_t turns = 1;
    while (turns <= 4 * kFlooding && turn() != kSeldom) ++turns;
    return turns;
  }
  /// Nothing waits: each is answered before another one asks.
  void ask_alone(uint32_t account) {
    push(account);
    queue_.pass(10'000);
    REQUIRE(queue_->drain(1).size() == 1);
  }

 private:
  static constexpr uint64_t kTurnNs = 300'000;
  TestQueue queue_{1 << 16, 1 << 16};
};

}  // namespace

TEST_CASE("ControlQueue: who asks now and then does not stand behind all who flood") {
  FloodedQueue queue;
  uint32_t depth = 0;
  uint32_t had = 32;
  constexpr uint32_t kEach = 32;
  SUBCASE("one after the other") { depth = 1; }
  SUBCASE("many at once") {
    depth = 8;
    had *= kOneOfMany;
  }
  queue.flood(depth);
  queue.turns(FloodedQueue::kFlooding * kEach);
  // It never pauses, and is served as long as it has had less than they.
  for (uint32_t event = 0; event < had; ++event) CHECK(queue.turns_of_seldom() <= 2);
  CHECK(queue.turns_of_seldom() >= FloodedQueue::kFlooding / 2);
  CHECK(queue.turns_of_seldom() >= FloodedQueue::kFlooding / 2);
  // Until it has paused.
  queue.turns(FloodedQueue::kFlooding);
  CHECK(queue.turns_of_seldom() <= 2);
  // However many come now and then, those that stay have every other turn.
  for (uint32_t account = 1; account <= 100; ++account) queue.push(FloodedQueue::kSeldom + account);
  uint32_t flooding = 0;
  for (uint32_t turns = 0; turns < 100; ++turns) flooding += queue.turn() < FloodedQueue::kFlooding;
  CHECK(flooding >= 49);
}

TEST_CASE("ControlQueue: who asks now and then does not stand behind all who were served at once") {
  FloodedQueue queue;
  // That it had much, too, was long ago, and they have gone on.
  for (uint32_t event = 0; event < 100; ++event) queue.ask_alone(FloodedQueue::kSeldom);
  for (uint32_t round = 0; round < 30; ++round) {
    for (uint32_t account = 0; account < FloodedQueue::kFlooding; ++account) {
      queue.ask_alone(account);
    }
  }
  queue.flood(1);
  for (uint32_t event = 0; event < 16; ++event) CHECK(queue.turns_of_seldom() <= 2);
}

TEST_CASE("ControlQueue: who asks now and then does not stand behind all who begin to flood") {
  FloodedQueue queue;
  SUBCASE("with many at once, when all have had one") {
    queue.flood(3);
    queue.turns(FloodedQueue::kFlooding);
  }
  SUBCASE("one after the other, when all have had a few") {
    queue.flood(1);
    queue.turns(2 * FloodedQueue::kFlooding * 4);
  }
  for (uint32_t event = 0; event < 4; ++event) CHECK(queue.turns_of_seldom() <= 2);
}

TEST_CASE("ControlQueue: who had to wait for the round has its turn before those who ask much") {
  FloodedQueue queue;
  // They are new, all of them, and it never pauses.
  queue.flood(3);
  uint32_t turns = 0;
  for (uint32_t event = 0; event < 16; ++event) turns += queue.turns_of_seldom();
  CHECK(turns <= 3 * FloodedQueue::kFlooding);
}

TEST_CASE("ControlQueue: of some classes alone, and the others are kept") {
  TestQueue queue(64, 256);
  const auto push = [&](uint32_t number, PeerKind kind) { queue.push(number, kind); };
  for (uint32_t number = 0; number < 3; ++number) push(number, PeerKind::Discovery);
  CHECK(queue.notified == 1);
  push(10, PeerKind::Host);
  push(20, PeerKind::Stranger);
  CHECK(queue.notified == 3);
  CHECK(numbers_of(queue->drain(5, only(PeerKind::Host))) == std::vector<uint32_t>{10});
  CHECK(queue.notified == 3);  // of hosts that was all
  CHECK(queue->drain(5, only(PeerKind::Host)).empty());
  push(3, PeerKind::Discovery);
  CHECK(queue.notified == 3);  // it waits as those before
  push(11, PeerKind::Host);
  CHECK(queue.notified == 4);
  CHECK(numbers_of(queue->drain(2, only(PeerKind::Discovery))) == std::vector<uint32_t>{0, 1});
  const PeerKinds both = only(PeerKind::Host) | only(PeerKind::Stranger);
  CHECK(queue->drain(5, both).size() == 2);
  CHECK(queue->drain(5).size() == 2);
  CHECK(queue.notified == 4);
  push(4, PeerKind::Discovery);
  CHECK(queue.notified == 5);
  CHECK(queue->drain(5).size() == 1);
}

}  // namespace capsuled::transport
