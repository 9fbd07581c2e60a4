#include <doctest/doctest.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>

#include "env/linux/test_ring.h"

namespace capsuled::env {
namespace {

/// A receive into two pieces of memory, again and again: the Ring may change a message.
struct ScatteredReceive {
  void begin(Ring& ring, int fd, WaitFor wait_for) {
    iov = {iovec{first.data(), first.size()}, iovec{second.data(), second.size()}};
    message = message_of(iov.data(), iov.size());
    op.seen.clear();
    ring.receive(op, fd, message, wait_for);
  }
  std::string text() const {
    return std::string(first.data(), first.size()) + std::string(second.data(), second.size());
  }

  std::array<char, 6> first{};
  std::array<char, 4> second{};
  std::array<iovec, 2> iov{};
  msghdr message = {};
  TestOp op;
};

}  // namespace

TEST_CASE("ring: receive_provided takes a buffer only for bytes, and says when there is none") {
  RingFixture fixture;
  auto buffers = fixture.ring->provide_buffers(4096, 3).value();
  std::array<SocketPair, 4> pairs;
  std::array<TestOp, 4> ops;
  for (size_t index = 0; index < ops.size(); ++index) {
    fixture.ring->receive_provided(ops[index], pairs[index].near(), *buffers, 4096);
  }
  (void)fixture.ring->poll();
  CHECK(buffers->taken() == 0);  // four wait, none holds a buffer

  for (size_t index = 0; index < 3; ++index) {
    const std::string text = "hello " + std::to_string(index);
    REQUIRE(::write(pairs[index].far(), text.data(), text.size()) == 7);
    fixture.finish(ops[index]);
    const Completion completion = ops[index].seen[0];
    CHECK(completion.result == 7);
    REQUIRE(completion.flags == Completion::kBuffer);
    CHECK(std::memcmp(buffers->at(completion.buffer_index), text.data(), text.size()) == 0);
    CHECK(buffers->taken() == index + 1);
  }

  REQUIRE(::write(pairs[3].far(), "x", 1) == 1);
  fixture.finish(ops[3]);
  CHECK(ops[3].result() == -ENOBUFS);
  CHECK(ops[3].seen[0].flags == 0);
  CHECK(buffers->taken() == 3);

  buffers->recycle(ops[1].seen[0].buffer_index);
  fixture.ring->receive_provided(ops[3], pairs[3].near(), *buffers, 4096);
  fixture.finish(ops[3]);
  CHECK(ops[3].result() == 1);
  CHECK(ops[3].seen.back().buffer_index == ops[1].seen[0].buffer_index);

  buffers->recycle(ops[0].seen[0].buffer_index);
  pairs[0].close_far();
  fixture.ring->receive_provided(ops[0], pairs[0].near(), *buffers, 4096);
  fixture.finish(ops[0]);
  CHECK(ops[0].result() == 0);
  CHECK(ops[0].seen.back().flags == 0);
  CHECK(buffers->taken() == 2);  // the end of a stream costs none
}

TEST_CASE("ring: a receive ends the same way, whether it is tried directly or left to the kernel") {
  RingFixture fixture;
  auto buffers = fixture.ring->provide_buffers(4096, 2).value();
  // The ring tries a few receives by itself and for a while: before, during and after that.
  for (const int turns : {0, 1, 100, 2000}) {
    CAPTURE(turns);
    std::array<SocketPair, 12> pairs;
    std::array<TestOp, 12> ops;
    for (size_t index = 0; index < ops.size(); ++index) {
      fixture.ring->receive_provided(ops[index], pairs[index].near(), *buffers, 4096);
    }
    for (int turn = 0; turn < turns; ++turn) CHECK(fixture.ring->poll() == 0);
    for (size_t index = 0; index < ops.size(); ++index) {
      const std::string text = "hello " + std::to_string(index);
      REQUIRE(::write(pairs[index].far(), text.data(), text.size()) > 0);
      fixture.spin([&] { return ops[index].done(); });
      const Completion completion = ops[index].seen[0];
      REQUIRE(completion.result == static_cast<int32_t>(text.size()));
      REQUIRE(completion.flags == Completion::kBuffer);
      CHECK(std::memcmp(buffers->at(completion.buffer_index), text.data(), text.size()) == 0);
      buffers->recycle(completion.buffer_index);
    }
    CHECK(fixture.ring->in_flight() == 0);
    CHECK(buffers->taken() == 0);
  }
}

TEST_CASE("ring: a receive for some takes what is there, and its bytes_max is kept to") {
  RingFixture fixture;
  SocketPair pair;
  std::array<char, 16> bytes{};
  iovec iov{bytes.data(), bytes.size()};
  msghdr message = message_of(&iov, 1);
  TestOp op;
  REQUIRE(::write(pair.far(), "0123456789", 10) == 10);
  fixture.ring->receive(op, pair.near(), message, WaitFor::Some);
  fixture.spin([&] { return op.done(); });
  CHECK(op.result() == 10);

  auto buffers = fixture.ring->provide_buffers(4096, 2).value();
  for (const bool direct : {true, false}) {
    CAPTURE(direct);
    REQUIRE(::write(pair.far(), "0123456789", 10) == 10);
    for (const int32_t expected : {4, 4, 2}) {
      op.seen.clear();
      fixture.ring->receive_provided(op, pair.near(), *buffers, 4);
      if (direct) {
        CHECK(fixture.ring->poll() == 1);
      } else {
        fixture.finish(op);
      }
      CHECK(op.result() == expected);
      buffers->recycle(op.seen[0].buffer_index);
    }
  }
}

TEST_CASE("ring: one poll serves all busy sockets whose owners give the buffer back at once") {
  RingFixture fixture;
  auto buffers = fixture.ring->provide_buffers(4096, 1).value();
  std::array<SocketPair, 8> pairs;
  std::array<TestOp, 8> ops;
  for (size_t index = 0; index < ops.size(); ++index) {
    ops[index].then = [&](Completion completion) { buffers->recycle(completion.buffer_index); };
    fixture.ring->receive_provided(ops[index], pairs[index].near(), *buffers, 4096);
  }
  CHECK(fixture.ring->poll() == 0);
  for (const SocketPair& pair : pairs) REQUIRE(::write(pair.far(), "x", 1) == 1);
  CHECK(fixture.ring->poll() == ops.size());
  for (const TestOp& op : ops) CHECK(op.result() == 1);
}

TEST_CASE("ring: while somebody holds the buffer of direct receives, others take the kernel's") {
  RingFixture fixture;
  auto buffers = fixture.ring->provide_buffers(4096, 1).value();
  std::array<SocketPair, 3> pairs;
  std::array<TestOp, 3> ops;
  for (size_t index = 0; index < ops.size(); ++index) {
    REQUIRE(::write(pairs[index].far(), "x", 1) == 1);
    fixture.ring->receive_provided(ops[index], pairs[index].near(), *buffers, 4096);
  }
  // One directly, one by the kernel, and for the third there is none.
  fixture.drive([&] { return ops[0].done() && ops[1].done() && ops[2].done(); });
  int without = 0;
  for (const TestOp& op : ops) {
    if (op.result() == -ENOBUFS) {
      ++without;
      continue;
    }
    CHECK(op.result() == 1);
    buffers->recycle(op.seen[0].buffer_index);
  }
  CHECK(without >= 1);
  CHECK(buffers->taken() == 0);
}

TEST_CASE("ring: a receive that is tried directly can be cancelled, and ends with its stream") {
  RingFixture fixture;
  auto buffers = fixture.ring->provide_buffers(4096, 1).value();
  SocketPair pair;
  TestOp op;
  fixture.ring->receive_provided(op, pair.near(), *buffers, 4096);
  CHECK(fixture.ring->poll() == 0);
  fixture.ring->cancel(op);
  CHECK(op.seen.empty());
  fixture.ring->cancel(op);
  CHECK(fixture.ring->poll() == 1);
  CHECK(op.result() == -ECANCELED);
  CHECK(op.seen.size() == 1);

  fixture.ring->receive_provided(op, pair.near(), *buffers, 4096);
  CHECK(fixture.ring->poll() == 0);
  pair.close_far();
  CHECK(fixture.ring->poll() == 1);
  CHECK(op.result() == 0);
  CHECK(op.seen.back().flags == 0);
  CHECK(fixture.ring->poll() == 0);
}

TEST_CASE("ring: every provided buffer comes round, many times") {
  RingFixture fixture;
  constexpr uint32_t kCount = 5;  // not a power of two
  auto buffers = fixture.ring->provide_buffers(64, kCount).value();
  SocketPair pair;
  std::array<uint32_t, kCount> uses{};
  for (uint32_t round = 0; round < 40; ++round) {
    REQUIRE(::write(pair.far(), &round, sizeof(round)) == sizeof(round));
    TestOp op;
    fixture.ring->receive_provided(op, pair.near(), *buffers, 4096);
    fixture.finish(op);
    REQUIRE(op.seen[0].flags == Completion::kBuffer);
    uint32_t received = 0;
    std::memcpy(&received, buffers->at(op.seen[0].buffer_index), sizeof(received));
    CHECK(received == round);
    ++uses[op.seen[0].buffer_index];
    buffers->recycle(op.seen[0].buffer_index);
  }
  for (const uint32_t count : uses) CHECK(count == 40 / kCount);
  CHECK(buffers->taken() == 0);
}

TEST_CASE("ring: a receive for all waits for the whole, or says what came before the end") {
  RingFixture fixture;
  SocketPair pair;
  ScatteredReceive receive;
  // Tried directly to the end, and in part; the rest by the kernel's ring, awake and asleep.
  for (const int turns : {1, 3, 2000}) {
    CAPTURE(turns);
    receive.begin(*fixture.ring, pair.near(), WaitFor::All);
    for (const char* const part : {"01", "2345", "678"}) {
      REQUIRE(::write(pair.far(), part, std::strlen(part)) > 0);
      for (int turn = 0; turn < turns; ++turn) CHECK(fixture.ring->poll() == 0);
      CHECK(receive.op.in_flight);
    }
    REQUIRE(::write(pair.far(), "9", 1) == 1);
    if (turns == 1) {
      fixture.finish(receive.op);
    } else {
      fixture.spin([&] { return receive.op.done(); });
    }
    CHECK(receive.op.result() == 10);
    CHECK(receive.text() == "0123456789");
  }

  REQUIRE(::write(pair.far(), "abc", 3) == 3);
  receive.begin(*fixture.ring, pair.near(), WaitFor::Some);
  fixture.finish(receive.op);
  CHECK(receive.op.result() == 3);
  CHECK(receive.text().substr(0, 3) == "abc");
}

TEST_CASE("ring: a receive for all that its stream's end cuts short says what came") {
  for (const bool asleep : {false, true}) {
    CAPTURE(asleep);
    RingFixture fixture;
    SocketPair pair;
    ScatteredReceive receive;
    receive.begin(*fixture.ring, pair.near(), WaitFor::All);
    REQUIRE(::write(pair.far(), "abcdefg", 7) == 7);
    CHECK(fixture.ring->poll() == 0);
    pair.close_far();
    if (asleep) {
      fixture.finish(receive.op);
    } else {
      CHECK(fixture.ring->poll() == 1);
    }
    CHECK(receive.op.result() == 7);
    CHECK(receive.text().substr(0, 7) == "abcdefg");
  }
}

}  // namespace capsuled::env
