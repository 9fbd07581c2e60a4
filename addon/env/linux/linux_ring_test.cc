#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "env/env.h"

namespace capsuled::env {
namespace {

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

struct Fixture {
  explicit Fixture(uint32_t entries = 64)
      : env(make_linux_env().value()), ring(env->make_ring(entries).value()) {}
  ~Fixture() { ring->finish(); }

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
struct Pair {
  Pair() { REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()) == 0); }
  ~Pair() {
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

struct TemporaryFile {
  TemporaryFile() { REQUIRE((fd = ::mkstemp(path.data())) >= 0); }
  ~TemporaryFile() {
    ::close(fd);
    ::unlink(path.c_str());
  }
  std::string path = "/tmp/capsuled_ring_test_XXXXXX";
  int fd = -1;
};

int connect_to(uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
  return fd;
}

msghdr message_of(iovec* iov, size_t count) {
  msghdr message = {};
  message.msg_iov = iov;
  message.msg_iovlen = count;
  return message;
}

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

std::vector<char> numbered_bytes(size_t count) {
  std::vector<char> bytes(count);
  for (size_t index = 0; index < count; ++index) {
    bytes[index] = static_cast<char>(index * 31 + index / 4096);
  }
  return bytes;
}

}  // namespace

TEST_CASE("ring: connect succeeds where somebody listens, and is refused where nobody does") {
  Fixture fixture;
  for (const char* text : {"127.0.0.1", "::1"}) {
    const Result<int> listening = fixture.env->listen({text, 0}, 16);
    if (!listening.ok()) continue;  // no IPv6 here
    const int listen_fd = listening.value();
    const Endpoint endpoint = fixture.env->local_endpoint(listen_fd).value();
    const SocketAddress address = fixture.env->resolve({text, endpoint.port}).value();
    const int fd = fixture.env->make_socket(address).value();
    TestOp connecting;
    fixture.ring->connect(connecting, fd, address);
    CHECK(connecting.seen.empty());
    fixture.finish(connecting);
    CHECK(connecting.result() == 0);
    CHECK(fixture.env->peer_endpoint(fd).value().port == endpoint.port);
    fixture.env->close(listen_fd);
    fixture.env->close(fd);

    const int other_fd = fixture.env->make_socket(address).value();
    TestOp refused;
    fixture.ring->connect(refused, other_fd, address);
    fixture.finish(refused);
    CHECK(refused.result() == -ECONNREFUSED);
    fixture.env->close(other_fd);
  }
}

TEST_CASE("ring: accept completes once for each connection and stays armed until cancelled") {
  Fixture fixture;
  const int listen_fd = fixture.env->listen({"127.0.0.1", 0}, 16).value();
  const uint16_t port = fixture.env->local_endpoint(listen_fd).value().port;
  TestOp accept;
  fixture.ring->accept(accept, listen_fd);
  std::array<int, 3> clients{};
  for (int& client : clients) {
    client = connect_to(port);
    const size_t before = accept.seen.size();
    fixture.drive([&] { return accept.seen.size() > before; });
    REQUIRE(accept.result() >= 0);
    CHECK(accept.seen.back().flags == Completion::kMore);
    const Endpoint peer = fixture.env->peer_endpoint(accept.result()).value();
    CHECK(peer.address == "127.0.0.1");
    CHECK(peer.port == fixture.env->local_endpoint(client).value().port);
  }
  CHECK(accept.in_flight);
  CHECK(fixture.ring->in_flight() == 1);
  fixture.ring->cancel(accept);
  fixture.finish(accept);
  CHECK(accept.result() == -ECANCELED);
  CHECK(accept.seen.size() == clients.size() + 1);
  CHECK(fixture.ring->in_flight() == 0);
  for (const Completion& completion : accept.seen) {
    if (completion.result >= 0) fixture.env->close(completion.result);
  }
  for (const int client : clients) ::close(client);
  fixture.env->close(listen_fd);
}

TEST_CASE("ring: accept on what does not listen is an error and its last completion") {
  Fixture fixture;
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  TestOp accept;
  fixture.ring->accept(accept, fd);
  fixture.finish(accept);
  CHECK(accept.seen.size() == 1);
  CHECK(accept.result() == -EINVAL);
  CHECK(accept.seen[0].flags == 0);

  // And the ring, which tried a single shot for that error, still serves a listener.
  const int listen_fd = fixture.env->listen({"127.0.0.1", 0}, 16).value();
  const uint16_t port = fixture.env->local_endpoint(listen_fd).value().port;
  fixture.ring->accept(accept, listen_fd);
  for (size_t count = 2; count <= 4; ++count) {
    const int client = connect_to(port);
    fixture.drive([&] { return accept.seen.size() == count; });
    CHECK(accept.result() >= 0);
    CHECK(accept.seen.back().flags == Completion::kMore);
    ::close(accept.result());
    ::close(client);
  }
  fixture.ring->cancel(accept);
  fixture.finish(accept);
  CHECK(accept.result() == -ECANCELED);
  ::close(fd);
  fixture.env->close(listen_fd);
}

TEST_CASE("ring: receive_provided takes a buffer only for bytes, and says when there is none") {
  Fixture fixture;
  auto buffers = fixture.ring->provide_buffers(4096, 3).value();
  std::array<Pair, 4> pairs;
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
  Fixture fixture;
  auto buffers = fixture.ring->provide_buffers(4096, 2).value();
  // The ring tries a few receives by itself and for a while: before, during and after that.
  for (const int turns : {0, 1, 100, 2000}) {
    CAPTURE(turns);
    std::array<Pair, 12> pairs;
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
  Fixture fixture;
  Pair pair;
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
  Fixture fixture;
  auto buffers = fixture.ring->provide_buffers(4096, 1).value();
  std::array<Pair, 8> pairs;
  std::array<TestOp, 8> ops;
  for (size_t index = 0; index < ops.size(); ++index) {
    ops[index].then = [&](Completion completion) { buffers->recycle(completion.buffer_index); };
    fixture.ring->receive_provided(ops[index], pairs[index].near(), *buffers, 4096);
  }
  CHECK(fixture.ring->poll() == 0);
  for (const Pair& pair : pairs) REQUIRE(::write(pair.far(), "x", 1) == 1);
  CHECK(fixture.ring->poll() == ops.size());
  for (const TestOp& op : ops) CHECK(op.result() == 1);
}

TEST_CASE("ring: while somebody holds the buffer of direct receives, others take the kernel's") {
  Fixture fixture;
  auto buffers = fixture.ring->provide_buffers(4096, 1).value();
  std::array<Pair, 3> pairs;
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
  Fixture fixture;
  auto buffers = fixture.ring->provide_buffers(4096, 1).value();
  Pair pair;
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

TEST_CASE("ring: what ended before a sleep is not slept on") {
  Fixture fixture;
  Pair pair;
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

TEST_CASE("ring: every provided buffer comes round, many times") {
  Fixture fixture;
  constexpr uint32_t kCount = 5;  // not a power of two
  auto buffers = fixture.ring->provide_buffers(64, kCount).value();
  Pair pair;
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
  Fixture fixture;
  Pair pair;
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
    Fixture fixture;
    Pair pair;
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

TEST_CASE("ring: a gather send larger than the socket's buffer arrives whole") {
  Fixture fixture;
  const int listen_fd = fixture.env->listen({"127.0.0.1", 0}, 1).value();
  const int client = connect_to(fixture.env->local_endpoint(listen_fd).value().port);
  TestOp accept;
  fixture.ring->accept(accept, listen_fd);
  fixture.drive([&] { return !accept.seen.empty(); });
  const int fd = accept.result();
  fixture.ring->cancel(accept);
  fixture.finish(accept);
  fixture.env->prepare_connection(fd);
  const int small = 8192;
  REQUIRE(::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)) == 0);

  std::vector<char> bytes = numbered_bytes(8u << 20);
  std::vector<iovec> iov;
  for (size_t offset = 0; offset < bytes.size(); offset += 65'536 + 24) {
    iov.push_back({bytes.data() + offset, std::min<size_t>(65'536 + 24, bytes.size() - offset)});
  }
  msghdr message = message_of(iov.data(), iov.size());
  TestOp send;
  fixture.ring->send(send, fd, message);
  for (int turn = 0; turn < 5; ++turn) (void)fixture.ring->poll();
  CHECK(send.in_flight);

  std::vector<char> received(bytes.size());
  std::thread reader([&] {
    for (size_t offset = 0; offset < received.size();) {
      const ssize_t count = ::read(client, received.data() + offset, received.size() - offset);
      if (count <= 0) return;
      offset += static_cast<size_t>(count);
    }
  });
  fixture.finish(send);
  reader.join();
  CHECK(send.seen.size() == 1);
  CHECK(send.result() == static_cast<int32_t>(bytes.size()));
  CHECK(received == bytes);
  ::close(client);
  fixture.env->close(fd);
  fixture.env->close(listen_fd);
}

TEST_CASE("ring: sending to who has gone is an error and no signal") {
  Fixture fixture;
  Pair pair;
  pair.close_far();
  char byte = 0;
  iovec iov{&byte, 1};
  msghdr message = message_of(&iov, 1);
  TestOp send;
  fixture.ring->send(send, pair.near(), message);
  fixture.finish(send);
  CHECK(send.result() == -EPIPE);
}

TEST_CASE("ring: shutdown ends a waiting receive") {
  Fixture fixture;
  auto buffers = fixture.ring->provide_buffers(64, 1).value();
  Pair pair;
  TestOp op;
  fixture.ring->receive_provided(op, pair.near(), *buffers, 4096);
  (void)fixture.ring->poll();
  fixture.env->shutdown(pair.near());
  fixture.finish(op);
  CHECK(op.result() == 0);
}

TEST_CASE("ring: cancel ends what waits, and is harmless before submission and after the end") {
  Fixture fixture;
  auto buffers = fixture.ring->provide_buffers(64, 1).value();
  Pair pair;
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

TEST_CASE("ring: a file is written, made durable, read, and its blocks given back") {
  Fixture fixture;
  TemporaryFile file;
  std::vector<char> bytes = numbered_bytes(256 * 1024);
  std::array<iovec, 2> iov{iovec{bytes.data(), 4096},
                           iovec{bytes.data() + 4096, bytes.size() - 4096}};
  TestOp op;
  fixture.ring->write(op, file.fd, iov.data(), 2, 0, Durability::Cached);
  fixture.finish(op);
  CHECK(op.result() == static_cast<int32_t>(bytes.size()));
  fixture.ring->write(op, file.fd, iov.data(), 1, bytes.size(), Durability::Durable);
  fixture.finish(op);
  CHECK(op.result() == 4096);
  fixture.ring->sync_data(op, file.fd);
  fixture.finish(op);
  CHECK(op.result() == 0);

  std::vector<char> back(bytes.size());
  iovec whole{back.data(), back.size()};
  fixture.ring->read(op, file.fd, &whole, 1, 0);
  fixture.finish(op);
  CHECK(op.result() == static_cast<int32_t>(bytes.size()));
  CHECK(back == bytes);
  fixture.ring->read(op, file.fd, &whole, 1, bytes.size());
  fixture.finish(op);
  CHECK(op.result() == 4096);  // short at the end of the file

  struct stat before = {};
  REQUIRE(::fstat(file.fd, &before) == 0);
  for (const AllocateMode mode : {AllocateMode::PunchHole, AllocateMode::ZeroRange}) {
    const uint64_t offset = mode == AllocateMode::PunchHole ? 0 : 128 * 1024;
    fixture.ring->allocate(op, file.fd, mode, offset, 128 * 1024);
    fixture.finish(op);
    if (op.result() == -EOPNOTSUPP) continue;  // tmpfs has no zero range
    CHECK(op.result() == 0);
    fixture.ring->read(op, file.fd, &whole, 1, 0);
    fixture.finish(op);
    CHECK(std::accumulate(back.begin() + static_cast<ptrdiff_t>(offset),
                          back.begin() + static_cast<ptrdiff_t>(offset + 128 * 1024), 0,
                          [](int sum, char byte) { return sum | byte; }) == 0);
  }
  struct stat after = {};
  REQUIRE(::fstat(file.fd, &after) == 0);
  CHECK(after.st_size == before.st_size);
  CHECK(after.st_blocks < before.st_blocks);

  fixture.ring->close(op, ::dup(file.fd));
  fixture.finish(op);
  CHECK(op.result() == 0);
  fixture.ring->read(op, -1, &whole, 1, 0);
  fixture.finish(op);
  CHECK(op.result() == -EBADF);
}

TEST_CASE("ring: the size of a file is what it is now, and of no file an error") {
  Fixture fixture;
  char path[] = "/tmp/capsuled-ring-XXXXXX";
  const int fd = ::mkstemp(path);
  REQUIRE(fd >= 0);
  REQUIRE(::ftruncate(fd, 12'345) == 0);
  CHECK(fixture.ring->file_bytes(fd).value() == 12'345);
  REQUIRE(::ftruncate(fd, 5) == 0);
  CHECK(fixture.ring->file_bytes(fd).value() == 5);
  ::unlink(path);
  ::close(fd);
  CHECK(fixture.ring->file_bytes(fd).error().errnum == EBADF);
}

TEST_CASE("ring: operations that may block can be expected before its thread is known, and after") {
  Fixture fixture;
  fixture.ring->expect_blocking(100);
  (void)fixture.ring->poll();
  fixture.ring->expect_blocking(50);
  const int fd = ::open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  REQUIRE(fd >= 0);
  TestOp sync;
  fixture.ring->sync_data(sync, fd);
  fixture.drive([&] { return sync.done(); });
  CHECK(sync.result() == 0);
  fixture.ring->expect_blocking(-150);
  ::close(fd);
}

TEST_CASE("ring: transfers of files begin in small groups, before the next poll") {
  Fixture fixture;
  TemporaryFile file;
  const std::vector<char> bytes = numbered_bytes(8192);
  REQUIRE(::write(file.fd, bytes.data(), bytes.size()) == 8192);
  CHECK(fixture.ring->poll() == 0);
  std::vector<char> back(bytes.size());
  std::array<iovec, 2> places{iovec{back.data(), 4096}, iovec{back.data() + 4096, 4096}};
  std::array<TestOp, 2> ops;
  for (size_t index = 0; index < ops.size(); ++index) {
    fixture.ring->read(ops[index], file.fd, &places[index], 1, index * 4096);
  }
  for (int attempt = 0; attempt < 10'000 && back != bytes; ++attempt) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  CHECK(back == bytes);
  CHECK(!ops[0].done());  // it completes in a poll, as ever
  fixture.drive([&] { return ops[0].done() && ops[1].done(); });
  for (const TestOp& op : ops) CHECK(op.result() == 4096);
}

TEST_CASE("ring: more operations than entries, and more completions than the queue holds") {
  Fixture fixture(4);
  std::vector<Pair> pairs(100);
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
  Fixture fixture(8);
  Pair pair;
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
  Fixture fixture;
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
  Pair pair;
  auto buffers = fixture.ring->provide_buffers(64, 1).value();
  TestOp op;
  fixture.ring->receive_provided(op, pair.near(), *buffers, 4096);
  std::thread writer([&] { CHECK(::write(pair.far(), "x", 1) == 1); });
  fixture.finish(op);
  writer.join();
  CHECK(op.result() == 1);
}

TEST_CASE("ring: no wake is lost between two threads") {
  Fixture fixture;
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
  Pair pair;
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
