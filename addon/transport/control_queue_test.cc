#include "transport/control_queue.h"

#include <doctest/doctest.h>

#include <atomic>
#include <thread>

namespace capsuled::transport {
namespace {

void add(void* argument) { ++*static_cast<std::atomic<int>*>(argument); }

std::unique_ptr<ControlEvent> make_event(uint32_t number) {
  auto event = std::make_unique<ControlEvent>();
  event->controller = number;
  return event;
}

}  // namespace

TEST_CASE("ControlQueue: one notification until it is drained, and again when cut short") {
  std::atomic<int> notified{0};
  ControlQueue queue(8, add, &notified);
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
  ControlQueue queue(64, add, &notified);
  constexpr uint32_t kEvents = 20'000;
  std::thread producer([&] {
    for (uint32_t number = 0; number < kEvents; ++number) {
      auto event = make_event(number);
      while (!queue.try_push(event)) std::this_thread::yield();
    }
  });
  uint32_t expected = 0;
  int seen = 0;
  while (expected < kEvents) {
    // As the control thread does: only when notified.
    if (notified == seen) {
      std::this_thread::yield();
      continue;
    }
    seen = notified;
    for (const auto& event : queue.drain(16)) REQUIRE(event->controller == expected++);
  }
  producer.join();
}

}  // namespace capsuled::transport
