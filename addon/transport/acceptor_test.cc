#include "transport/acceptor.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>

#include "transport/testing/test_target.h"

namespace capsuled::transport::testing {
namespace {

int connect_to(uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) return fd;
  ::close(fd);
  return -1;
}

}  // namespace

TEST_CASE("Acceptor: many hosts over TCP, then no more") {
  TestTarget target;
  const int fd = target.env().listen({"127.0.0.1", 0}, 16).value();
  const uint16_t port = target.env().local_endpoint(fd).value().port;
  std::unique_ptr<Acceptor> acceptor;
  target.on_reactor([&] {
    acceptor =
        std::make_unique<Acceptor>(target.reactor(), fd, 3, [&](int accepted, uint32_t from) {
          CHECK(from == 3);
          target.env().prepare_connection(accepted);
          target.group().adopt(accepted, from, target.env().local_endpoint(accepted).value(),
                               target.env().peer_endpoint(accepted).value());
        });
    acceptor->start();
  });
  std::vector<std::unique_ptr<TestHost>> hosts;
  for (int index = 0; index < 50; ++index) {
    const int socket = connect_to(port);
    REQUIRE(socket >= 0);
    hosts.push_back(std::make_unique<TestHost>(socket));
    REQUIRE(hosts.back()->connect(1, 16, {true, true}) == 0);
  }
  CHECK(target.stats().connection_live == 50);
  std::promise<void> stopped;
  target.on_reactor([&] { acceptor->stop([&] { stopped.set_value(); }); });
  stopped.get_future().wait();
  target.on_reactor([&] { acceptor.reset(); });
  CHECK(connect_to(port) == -1);
  for (auto& host : hosts) {
    host->capsule(make_io(wire::IoOpcode::kRead, 1, 0, 4096));
    CHECK(host->receive().data == Octets(4096));
  }
  hosts.clear();
  CHECK(target.await([](const TransportStats& stats) { return stats.connection_free == 1024; }));
  CHECK(target.at_rest());
}

}  // namespace capsuled::transport::testing
