#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <thread>
#include <vector>

#include "env/linux/test_ring.h"

namespace capsuled::env {
namespace {

int connect_to(uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
  return fd;
}

}  // namespace

TEST_CASE("ring: connect succeeds where somebody listens, and is refused where nobody does") {
  RingFixture fixture;
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
  RingFixture fixture;
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
  RingFixture fixture;
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

TEST_CASE("ring: a gather send larger than the socket's buffer arrives whole") {
  RingFixture fixture;
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
  RingFixture fixture;
  SocketPair pair;
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
  RingFixture fixture;
  auto buffers = fixture.ring->provide_buffers(64, 1).value();
  SocketPair pair;
  TestOp op;
  fixture.ring->receive_provided(op, pair.near(), *buffers, 4096);
  (void)fixture.ring->poll();
  fixture.env->shutdown(pair.near());
  fixture.finish(op);
  CHECK(op.result() == 0);
}

}  // namespace capsuled::env
