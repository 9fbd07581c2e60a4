#include "transport/control_queue.h"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

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

std::vector<uint32_t> numbers_of(const std::vector<std::unique_ptr<ControlEvent>>& events) {
  std::vector<uint32_t> numbers;
  for (const auto& event : events) numbers.push_back(event->controller);
  return numbers;
}

}  // namespace

TEST_CASE("ControlQueue: one notification until it is drained, and none when cut short") {
  std::atomic<int> notified{0};
  ControlQueue queue(8, 64, add, &notified);
  for (uint32_t number = 0; number < 8; ++number) {
    auto event = make_event(number);
    CHECK(queue.try_push(event));
    CHECK(event == nullptr);
  }
  CHECK(notified == 1);
  auto late = make_event(8);
  CHECK(!queue.try_push(late));
  CHECK(late != nullptr);
  CHECK(queue.drain(5).size() == 5);
  CHECK(queue.try_push(late));
  CHECK(notified == 1);  // whoever drained comes again
  const auto rest = queue.drain(5);
  CHECK(rest.size() == 4);
  CHECK(rest.front()->controller == 5);
  CHECK(notified == 1);
  late = make_event(9);
  CHECK(queue.try_push(late));
  CHECK(notified == 2);
}

TEST_CASE("ControlQueue: no event is lost between a push and a drain") {
  std::atomic<int> notified{0};
  ControlQueue queue(64, 256, add, &notified);
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
  std::atomic<int> notified{0};
  ControlQueue queue(4, 6, add, &notified);
  uint32_t pushed = 0;
  const auto push = [&] {
    auto event = make_event(pushed);
    const bool taken = queue.try_push(event);
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
  CHECK(notified == 1);
  // Each moves what the lines have room for, and takes one of them.
  std::vector<uint32_t> got = numbers_of(queue.drain(1));
  CHECK(notified == 1);
  fill();
  CHECK(pushed == 8);
  CHECK(notified == 1);
  got.push_back(queue.drain(1).front()->controller);
  CHECK(notified == 2);  // of what it had no room for, nobody knows
  fill();
  CHECK(pushed == 11);
  got.push_back(queue.drain(1).front()->controller);
  CHECK(notified == 3);
  fill();
  // Six in lines but for the one given, four in the queue.
  CHECK(pushed == 12);
  CHECK(!push());
  while (got.size() < pushed) {
    const auto some = numbers_of(queue.drain(4));
    REQUIRE(!some.empty());
    got.insert(got.end(), some.begin(), some.end());
  }
  CHECK(notified == 4);
  for (uint32_t number = 0; number < pushed; ++number) CHECK(got[number] == number);
  CHECK(queue.drain(6).empty());
  CHECK(push());
}

TEST_CASE("ControlQueue: peers take turns, whoever sends most") {
  std::atomic<int> notified{0};
  ControlQueue queue(64, 256, add, &notified);
  const auto push = [&](uint32_t number, PeerKind kind, uint64_t account) {
    auto event = make_event(number, kind, account);
    REQUIRE(queue.try_push(event));
  };
  // A flood on discovery and one of strangers, and behind them one command of everybody else.
  for (uint32_t number = 0; number < 20; ++number) push(number, PeerKind::Discovery, 1);
  for (uint32_t number = 20; number < 40; ++number) push(number, PeerKind::Stranger, 1);
  push(100, PeerKind::Discovery, 2);
  push(101, PeerKind::Stranger, 2);
  push(102, PeerKind::Host, 1);
  CHECK(numbers_of(queue.drain(5)) == std::vector<uint32_t>{20, 0, 102, 101, 100});
  SUBCASE("what comes later has its turn in the next round") {
    push(103, PeerKind::Host, 1);
    CHECK(numbers_of(queue.drain(3)) == std::vector<uint32_t>{103, 21, 1});
  }
  SUBCASE("the flood comes out whole and in order") {
    const auto rest = numbers_of(queue.drain(100));
    std::vector<uint32_t> expected;
    for (uint32_t number = 1; number < 20; ++number) {
      expected.push_back(number + 20);
      expected.push_back(number);
    }
    CHECK(rest == expected);
  }
  // What is left goes with the queue.
}

TEST_CASE("ControlQueue: who asks now and then does not stand behind all who flood") {
  std::atomic<int> notified{0};
  ControlQueue queue(1 << 16, 1 << 16, add, &notified);
  constexpr uint32_t kFlooding = 50;
  constexpr uint32_t kSeldom = 1000;
  const auto push = [&](uint32_t account) {
    auto event = make_event(account, PeerKind::Discovery, account);
    REQUIRE(queue.try_push(event));
  };
  /// One event, and another one of its account in its place.
  const auto turn = [&] {
    const auto got = numbers_of(queue.drain(1));
    REQUIRE(got.size() == 1);
    if (got.front() < kFlooding) push(got.front());
    return got.front();
  };
  const auto turns_of_seldom = [&] {
    push(kSeldom);
    uint32_t turns = 1;
    while (turns <= 4 * kFlooding && turn() != kSeldom) ++turns;
    return turns;
  };
  // All of those are there for longer than they are fresh.
  for (uint32_t event = 0; event < 4; ++event) {
    for (uint32_t account = 0; account < kFlooding; ++account) push(account);
  }
  for (uint32_t turns = 0; turns < 4 * kFlooding * kFreshEvents; ++turns) turn();
  SUBCASE("who asks no more than it needs to begin with waits for nobody") {
    for (uint32_t event = 0; event < kFreshEvents; ++event) CHECK(turns_of_seldom() <= 2);
    SUBCASE("and then stands behind the others") { CHECK(turns_of_seldom() >= kFlooding / 2); }
    SUBCASE("until its turn has come and it had nothing to ask") {
      for (uint32_t turns = 0; turns < 2 * kFlooding; ++turns) turn();
      CHECK(turns_of_seldom() <= 2);
    }
  }
  SUBCASE("however many come now and then, those that wait have every other turn") {
    for (uint32_t account = 0; account < 100; ++account) push(kSeldom + 1 + account);
    uint32_t flooding = 0;
    for (uint32_t turns = 0; turns < 100; ++turns) flooding += turn() < kFlooding;
    CHECK(flooding >= 49);
  }
}

TEST_CASE("ControlQueue: of some classes alone, and the others are kept") {
  std::atomic<int> notified{0};
  ControlQueue queue(64, 256, add, &notified);
  const auto push = [&](uint32_t number, PeerKind kind) {
    auto event = make_event(number, kind);
    REQUIRE(queue.try_push(event));
  };
  for (uint32_t number = 0; number < 3; ++number) push(number, PeerKind::Discovery);
  CHECK(notified == 1);
  push(10, PeerKind::Host);
  push(20, PeerKind::Stranger);
  CHECK(notified == 3);
  CHECK(numbers_of(queue.drain(5, only(PeerKind::Host))) == std::vector<uint32_t>{10});
  CHECK(notified == 3);  // of hosts that was all
  CHECK(queue.drain(5, only(PeerKind::Host)).empty());
  push(3, PeerKind::Discovery);
  CHECK(notified == 3);  // it waits as those before
  push(11, PeerKind::Host);
  CHECK(notified == 4);
  CHECK(numbers_of(queue.drain(2, only(PeerKind::Discovery))) == std::vector<uint32_t>{0, 1});
  const PeerKinds both = only(PeerKind::Host) | only(PeerKind::Stranger);
  CHECK(queue.drain(5, both).size() == 2);
  CHECK(queue.drain(5).size() == 2);
  CHECK(notified == 4);
  push(4, PeerKind::Discovery);
  CHECK(notified == 5);
  CHECK(queue.drain(5).size() == 1);
}

}  // namespace capsuled::transport
