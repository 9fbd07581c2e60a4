#include "base/bounded_ring.h"

#include <doctest/doctest.h>

#include <memory>
#include <thread>
#include <vector>

namespace capsuled {
namespace {

TEST_CASE("a ring is full at its capacity and empty again after as many pops") {
  MpscRing<int> ring(4);
  int value = 0;
  // Several laps, so that positions pass the capacity.
  for (int lap = 0; lap < 3; ++lap) {
    CHECK_FALSE(ring.try_pop(value));
    for (int number = 0; number < 4; ++number) CHECK(ring.try_push(lap * 10 + number));
    CHECK_FALSE(ring.try_push(99));
    for (int number = 0; number < 4; ++number) {
      CHECK(ring.try_pop(value));
      CHECK(value == lap * 10 + number);
    }
    CHECK_FALSE(ring.try_pop(value));
  }
}

TEST_CASE("a push that fails leaves its argument alone") {
  MpscRing<std::unique_ptr<int>> ring(2);
  CHECK(ring.try_push(std::make_unique<int>(1)));
  CHECK(ring.try_push(std::make_unique<int>(2)));
  auto third = std::make_unique<int>(3);
  CHECK_FALSE(ring.try_push(std::move(third)));
  REQUIRE(third != nullptr);
  std::unique_ptr<int> out;
  CHECK(ring.try_pop(out));
  CHECK(*out == 1);
  CHECK(ring.try_push(std::move(third)));
  CHECK(ring.try_pop(out));
  CHECK(ring.try_pop(out));
  CHECK(*out == 3);
}

TEST_CASE("a multi-producer ring knows whether it is empty") {
  MpscRing<int> ring(2);
  CHECK(ring.empty());
  CHECK(ring.try_push(1));
  CHECK_FALSE(ring.empty());
  int value = 0;
  CHECK(ring.try_pop(value));
  CHECK(ring.empty());
}

TEST_CASE("each producer's messages arrive once and in its order") {
  struct Message {
    unsigned producer = 0;
    unsigned number = 0;
    // Written before the push without atomics: a missing barrier is a data race here.
    std::unique_ptr<unsigned> copy;
  };
  constexpr unsigned kProducers = 3;
  constexpr unsigned kMessages = 20000;
  MpscRing<Message> ring(64);
  std::vector<std::thread> producers;
  for (unsigned producer = 0; producer < kProducers; ++producer) {
    producers.emplace_back([&ring, producer] {
      for (unsigned number = 0; number < kMessages; ++number) {
        Message message{producer, number, std::make_unique<unsigned>(number)};
        while (!ring.try_push(std::move(message))) std::this_thread::yield();
      }
    });
  }
  std::vector<unsigned> next(kProducers, 0);
  bool in_order = true;
  for (unsigned received = 0; received < kProducers * kMessages;) {
    Message message;
    if (!ring.try_pop(message)) {
      std::this_thread::yield();
      continue;
    }
    ++received;
    in_order =
        in_order && message.number == next[message.producer] && *message.copy == message.number;
    ++next[message.producer];
  }
  for (std::thread& producer : producers) producer.join();
  CHECK(in_order);
  CHECK(next == std::vector<unsigned>(kProducers, kMessages));
  CHECK(ring.empty());
}

}  // namespace
}  // namespace capsuled
