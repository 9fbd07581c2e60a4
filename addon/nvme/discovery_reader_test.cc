#include "nvme/discovery_reader.h"

#include <doctest/doctest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "nvme/testing/remote_scene.h"

namespace capsuled::nvme::testing {
namespace {

wire::DiscoveryLogEntry entry(wire::SubsystemType type, const env::Endpoint& to,
                              const std::string& subnqn = RemoteSubsystemOptions{}.subnqn) {
  wire::DiscoveryLogEntry entry = {};
  entry.trtype = static_cast<uint8_t>(wire::TransportType::kTcp);
  const bool ipv6 = to.address.find(':') != std::string::npos;
  entry.adrfam =
      static_cast<uint8_t>(ipv6 ? wire::AddressFamily::kIpv6 : wire::AddressFamily::kIpv4);
  entry.subtype = static_cast<uint8_t>(type);
  entry.trsvcid.set(std::to_string(to.port));
  entry.subnqn.set(subnqn);
  entry.traddr.set(to.address);
  return entry;
}
wire::DiscoveryLogEntry offered(const env::Endpoint& at) {
  return entry(wire::SubsystemType::kNvme, at);
}
wire::DiscoveryLogEntry referral(const env::Endpoint& to) {
  return entry(wire::SubsystemType::kReferral, to, std::string(wire::kDiscoveryNqn));
}

std::string text_of(const std::vector<env::Endpoint>& endpoints) {
  std::string text;
  for (const env::Endpoint& each : endpoints) {
    text += each.address + " " + std::to_string(each.port) + ";";
  }
  return text;
}

constexpr size_t kEndpointsMax = 20;

struct World {
  World() {
    scene.on(0, [&] { reader = std::make_unique<DiscoveryReader>(*scene.reactors[0]); });
  }
  ~World() {
    scene.on(0, [&] { reader.reset(); });
  }
  uint32_t add(const env::Endpoint& at, std::vector<wire::DiscoveryLogEntry> log) {
    const uint32_t port = scene.remote->add_port(at);
    scene.remote->set_log(port, std::move(log));
    return port;
  }
  void start(std::vector<env::Endpoint> at) {
    found.reset();
    scene.on(0, [&] {
      reader->read({.addresses = std::move(at),
                    .subnqn = RemoteSubsystemOptions{}.subnqn,
                    .hostnqn = "nqn.2026-11.com.example:host",
                    .endpoints_max = kEndpointsMax},
                   [&](DiscoveryFindings findings) { found = std::move(findings); });
    });
  }
  DiscoveryFindings read(std::vector<env::Endpoint> at) {
    start(std::move(at));
    CHECK(scene.until([&] { return found.has_value(); }));
    CHECK(reader->idle());
    return *found;
  }

  RemoteScene scene;
  std::unique_ptr<DiscoveryReader> reader;
  std::optional<DiscoveryFindings> found;
};

const env::Endpoint kFirst{"10.0.0.1", 8009};
const env::Endpoint kSecond{"10.0.0.2", 8009};

}  // namespace

TEST_CASE("discovery: the addresses of our subsystem, in order, each once") {
  World world;
  wire::DiscoveryLogEntry rdma = offered({"10.0.1.9", 4420});
  rdma.trtype = static_cast<uint8_t>(wire::TransportType::kRdma);
  wire::DiscoveryLogEntry portless = offered({"10.0.1.8", 0});
  portless.trsvcid.set("none");
  wire::DiscoveryLogEntry padded = offered({"10.0.1.3", 4421});
  padded.trsvcid.bytes = {'4', '4', '2', '1'};
  const size_t length = std::string("10.0.1.3").size();
  for (size_t at = length; at < padded.traddr.bytes.size(); ++at) padded.traddr.bytes[at] = '\0';
  world.add(kFirst, {entry(wire::SubsystemType::kNvme, {"10.0.1.7", 4420}, "nqn.2026-11.a:other"),
                     offered({"10.0.1.2", 4420}), rdma, portless, offered({"10.0.1.1", 4420}),
                     padded, offered({"10.0.1.2", 4420}), offered({"2001:db8::1", 4420})});
  const DiscoveryFindings findings = world.read({kFirst});
  CHECK(text_of(findings.endpoints) ==
        "10.0.1.2 4420;10.0.1.1 4420;10.0.1.3 4421;2001:db8::1 4420;");
  CHECK(findings.failures.empty());
  CHECK(world.scene.remote->last_connect().subnqn.view() == wire::kDiscoveryNqn);
  world.scene.pass(RemoteScene::kMs);
  CHECK(world.scene.remote->connection_count(0) == 0);
}

TEST_CASE("discovery: referrals are followed, in circles once, and not for ever") {
  World world;
  world.add(kFirst, {referral(kSecond), offered({"10.0.1.1", 4420}), referral(kFirst)});
  world.add(kSecond, {referral(kFirst), offered({"10.0.1.2", 4420})});
  CHECK(text_of(world.read({kFirst}).endpoints) == "10.0.1.1 4420;10.0.1.2 4420;");
  CHECK(world.scene.remote->connects(0) == 1);
  CHECK(world.scene.remote->connects(1) == 1);
  // A chain: each offers a path, and refers to the next.
  for (uint16_t level = 0; level < 12; ++level) {
    const auto at = static_cast<uint16_t>(9000 + level);
    world.add({"10.0.2.1", at},
              {offered({"10.0.3.1", at}), referral({"10.0.2.1", static_cast<uint16_t>(at + 1)})});
  }
  CHECK(world.read({{"10.0.2.1", 9000}}).endpoints.size() == 1 + DiscoveryReader::kLevelsMax);
  // A fan.
  std::vector<wire::DiscoveryLogEntry> fan;
  for (uint16_t to = 0; to < 100; ++to) fan.push_back(referral({"10.0.4.1", to}));
  for (uint16_t to = 1; to < 100; ++to) world.add({"10.0.4.1", to}, {offered({"10.0.5.1", to})});
  world.add({"10.0.4.2", 8009}, fan);
  const uint64_t reads = world.scene.remote->log_reads();
  const DiscoveryFindings findings = world.read({{"10.0.4.2", 8009}});
  CHECK(findings.endpoints.size() == kEndpointsMax);
  CHECK(findings.more);
  // 25 pieces of the fan, one of each of the others, and headers before and behind.
  CHECK(world.scene.remote->log_reads() - reads == 27 + 3 * (DiscoveryReader::kVisitsMax - 1));
}

TEST_CASE("discovery: what cannot be asked is said, and the others are asked") {
  World world;
  world.add(kSecond, {offered({"10.0.1.2", 4420})});
  const env::Endpoint silent{"10.0.0.3", 8009};
  world.scene.remote->silence(world.add(silent, {}), true);
  world.scene.remote->add_port({"10.0.0.4", 4420});
  const uint64_t before_ns = world.scene.machine.now_ns();
  const DiscoveryFindings findings =
      world.read({kFirst, silent, {"10.0.0.4", 4420}, {"example.com", 8009}, kSecond});
  CHECK(world.scene.machine.now_ns() - before_ns <= 10 * RemoteScene::kSecond);
  CHECK(text_of(findings.endpoints) == "10.0.1.2 4420;");
  REQUIRE(findings.failures.size() == 4);
  CHECK(findings.failures[0] == "10.0.0.1:8009: the admin queue ended: connection_refused");
  CHECK(findings.failures[1] == "10.0.0.3:8009: no answer in 3000 ms");
  CHECK(findings.failures[2] ==
        "10.0.0.4:4420: Connect: Connect Invalid Parameters (SCT 1h, SC 82h)");
  CHECK(findings.failures[3] == "example.com:8009: not an address");
  const DiscoveryFindings none = world.read({{"example.com", 8009}});
  CHECK(none.endpoints.empty());
  CHECK(none.failures.size() == 1);
}

TEST_CASE("discovery: a log that changes while it is read is read anew") {
  World world;
  const std::vector<wire::DiscoveryLogEntry> old(40, offered({"10.0.1.1", 4420}));
  world.add(kFirst, old);
  uint32_t reads = 0;
  SUBCASE("once") {
    world.scene.remote->log_read = [&](uint32_t port) {
      if (++reads == 3) world.scene.remote->set_log(port, {offered({"10.0.1.2", 4420})});
    };
    const DiscoveryFindings findings = world.read({kFirst});
    CHECK(text_of(findings.endpoints) == "10.0.1.2 4420;");
    CHECK(findings.failures.empty());
  }
  SUBCASE("again and again") {
    world.scene.remote->log_read = [&](uint32_t port) { world.scene.remote->set_log(port, old); };
    const DiscoveryFindings findings = world.read({kFirst});
    CHECK(findings.endpoints.empty());
    REQUIRE(findings.failures.size() == 1);
    CHECK(findings.failures[0] ==
          "10.0.0.1:8009: its discovery log changes faster than it can be read");
  }
}

TEST_CASE("discovery: it can be stopped at any moment") {
  for (uint64_t wait_ns = 0; wait_ns < 2'000'000; wait_ns += 25'000) {
    CAPTURE(wait_ns);
    World world;
    world.add(kFirst, {offered({"10.0.1.1", 4420}), referral(kSecond)});
    world.add(kSecond, {offered({"10.0.1.2", 4420})});
    world.start({kFirst});
    world.scene.pass(wait_ns);
    world.scene.on(0, [&] { world.reader->stop(); });
    CHECK(world.scene.until([&] { return world.found.has_value(); }));
    CHECK(world.reader->idle());
  }
}

TEST_CASE("discovery: it has an end, however long the logs are") {
  World world;
  // Each command takes more than half a second, and of 4096 records four are read at once.
  env::sim::SimLine slow = world.scene.network.line();
  slow.latency = {300'000'000, 310'000'000, 0, 0};
  world.scene.network.set_line(slow);
  std::vector<wire::DiscoveryLogEntry> log(4095, offered({"10.0.1.1", 4420}));
  std::vector<env::Endpoint> at;
  for (uint16_t port = 1; port <= 10; ++port) {
    at.push_back({"10.0.6.1", port});
    world.add(at.back(), log);
  }
  const uint64_t before_ns = world.scene.machine.now_ns();
  const DiscoveryFindings findings = world.read(at);
  CHECK(world.scene.machine.now_ns() - before_ns < 65 * RemoteScene::kSecond);
  CHECK(findings.endpoints.empty());
  CHECK(findings.more);
  REQUIRE(findings.failures.size() == 6);
  CHECK(findings.failures.front() == "10.0.6.1:1: it takes longer than 10 s");
  CHECK(findings.failures.back() == "10.0.6.1:6: it takes longer than 60 s");
}

}  // namespace capsuled::nvme::testing
