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

TEST_CASE("ControlQueue: one notification until it is drained, and again when cut short") {
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
  CHECK(notified == 2);
  const auto rest = queue.drain(5);
  CHECK(rest.size() == 3);
  CHECK(rest.front()->controller == 5);
  CHECK(notified == 2);
  CHECK(queue.try_push(late));
  CHECK(notified == 3);
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
    // As the control thread does: only when notified.
    if (notified == seen) {
      std::this_thread::yield();
      continue;
    }
    seen = notified;
    for (const auto& event : queue.drain(16)) in_order &= event->controller == expected++;
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
  CHECK(notified == 2);
  fill();
  CHECK(pushed == 8);
  CHECK(notified == 2);
  got.push_back(queue.drain(1).front()->controller);
  CHECK(notified == 3);
  fill();
  CHECK(pushed == 11);
  got.push_back(queue.drain(1).front()->controller);
  CHECK(notified == 4);
  fill();
  // Six in lines but for the one given, four in the queue.
  CHECK(pushed == 12);
  CHECK(!push());
  while (got.size() < pushed) {
    const int before = notified;
    const auto some = numbers_of(queue.drain(4));
    REQUIRE(!some.empty());
    got.insert(got.end(), some.begin(), some.end());
    CHECK(notified == before + (got.size() < pushed ? 1 : 0));
  }
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

}  // namespace capsuled::transport
