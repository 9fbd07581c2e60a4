// For tests: a ring with its environment, operations that remember how they ended, and sockets.
#pragma once

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "env/env.h"

namespace capsuled::env {

/// An operation that remembers its completions and may go on from them.
struct TestOp : RingOp {
  TestOp() {
    complete = [](RingOp& op, Completion completion) {
      auto& self = static_cast<TestOp&>(op);
      self.seen.push_back(completion);
      if (self.then) self.then(completion);
    };
  }
  bool done() const { return !in_flight && !seen.empty(); }
  int32_t result() const { return seen.back().result; }

  std::vector<Completion> seen;
  std::function<void(Completion)> then;
};

struct RingFixture {
  explicit RingFixture(uint32_t entries = 64)
      : env(make_linux_env().value()), ring(env->make_ring(entries).value()) {}
  ~RingFixture() { ring->finish(); }

  /// Drives the ring until `condition`; the limit is only there to end a test that hangs.
  template <typename Condition>
  void drive(Condition condition) {
    const uint64_t limit_ns = env->now_ns() + 20'000'000'000u;
    while (!condition()) {
      REQUIRE(env->now_ns() < limit_ns);
      (void)ring->wait(limit_ns);
    }
  }
  /// The same without ever sleeping.
  template <typename Condition>
  void spin(Condition condition) {
    const uint64_t limit_ns = env->now_ns() + 20'000'000'000u;
    while (!condition()) {
      REQUIRE(env->now_ns() < limit_ns);
      (void)ring->poll();
    }
  }
  void finish(TestOp& op) {
    drive([&] { return op.done(); });
  }

  std::unique_ptr<Env> env;
  std::unique_ptr<Ring> ring;
};

/// Two ends of a stream, blocking, as the ring wants them.
struct SocketPair {
  SocketPair() { REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()) == 0); }
  ~SocketPair() {
    for (const int fd : fds) {
      if (fd >= 0) ::close(fd);
    }
  }
  void close_far() {
    ::close(fds[1]);
    fds[1] = -1;
  }
  int near() const { return fds[0]; }
  int far() const { return fds[1]; }
  std::array<int, 2> fds{-1, -1};
};

inline msghdr message_of(iovec* iov, size_t count) {
  msghdr message = {};
  message.msg_iov = iov;
  message.msg_iovlen = count;
  return message;
}

inline std::vector<char> numbered_bytes(size_t count) {
  std::vector<char> bytes(count);
  for (size_t index = 0; index < count; ++index) {
    bytes[index] = static_cast<char>(index * 31 + index / 4096);
  }
  return bytes;
}

}  // namespace capsuled::env
