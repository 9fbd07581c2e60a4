// A remote namespace whose paths are found by discovery.
#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include "bdev/nvmf/test_nvmf.h"

namespace capsuled {
namespace {

using nvme::testing::RemoteSubsystemOptions;

constexpr uint32_t kBlock = NvmfScene::kBlock;
constexpr uint64_t kSecond = NvmfScene::kSecond;

wire::DiscoveryLogEntry offered(const env::Endpoint& at) {
  wire::DiscoveryLogEntry entry = {};
  entry.trtype = static_cast<uint8_t>(wire::TransportType::kTcp);
  entry.adrfam = static_cast<uint8_t>(wire::AddressFamily::kIpv4);
  entry.subtype = static_cast<uint8_t>(wire::SubsystemType::kNvme);
  entry.trsvcid.set(std::to_string(at.port));
  entry.subnqn.set(RemoteSubsystemOptions{}.subnqn);
  entry.traddr.set(at.address);
  return entry;
}

/// Its paths are what a discovery controller says.
struct DiscoveryScene : NvmfScene {
  explicit DiscoveryScene(NvmfOptions with = {})
      : NvmfScene(3, 1, asking(std::move(with)), {}, Open::Never),
        discovery(remote->add_port({"10.0.9.9", 8009})) {}
  void say(const std::vector<uint32_t>& ports) { say(discovery, ports); }
  void say(uint32_t by, const std::vector<uint32_t>& ports) {
    std::vector<wire::DiscoveryLogEntry> log;
    for (const uint32_t port : ports) log.push_back(offered(address(port)));
    remote->set_log(by, log);
  }
  static NvmfOptions asking(NvmfOptions with) {
    with.discovery.insert(with.discovery.begin(), {"10.0.9.9", 8009});
    return with;
  }
  const uint32_t discovery;
};

}  // namespace

TEST_CASE("nvmf: its paths are found by discovery, and found anew when one is lost") {
  DiscoveryScene scene;
  scene.say({0, 1});
  scene.start();
  CHECK(scene.until_paths("live optimized, live optimized"));
  CHECK(scene.write(1, 1) == BdevStatus::Success);
  // The target moves: one of its addresses is gone, and there is another one.
  scene.say({2, 1});
  scene.remote->kill(0);
  CHECK(scene.until([&] { return scene.remote->connects(2) > 0; }));
  CHECK(scene.until_paths("live optimized, live optimized"));
  scene.remote->kill(1);
  CHECK(scene.write(2, 2) == BdevStatus::Success);
  CHECK(scene.remote->io_commands(2) > 0);
  // With all of them away, what is said then is where they are.
  scene.remote->kill(2);
  scene.remote->kill(scene.discovery);
  TestIo write(BdevIoType::Write, 3, 1, {iovec{scene.at(0), kBlock}});
  scene.user->start(write);
  scene.pass(10 * kSecond);
  scene.remote->restart(scene.discovery);
  scene.say({0});
  scene.remote->restart(0);
  CHECK(write.wait() == BdevStatus::Success);
  CHECK(scene.until_paths("live optimized"));
}

TEST_CASE("nvmf: a discovery that leads nowhere says why") {
  DiscoveryScene scene;
  scene.say({});
  const std::string host = "; this host is nqn.2026-11.com.example:host";
  CHECK(refusal(scene.make()) ==
        "discovery: no discovery controller knows " + scene.options.subnqn + host);
  scene.remote->kill(scene.discovery);
  CHECK(refusal(scene.make()) ==
        "discovery: discovery at 10.0.9.9:8009: the admin queue ended: connection_refused" + host);
}

TEST_CASE("nvmf: what a late discovery brings is opened, though all else has failed by then") {
  DiscoveryScene scene;
  scene.say({0, 1});
  scene.remote->kill(0);
  scene.remote->silence(1, true);
  // The second discovery is there because of the path that was refused. While it reads the other
  // one fails, too.
  uint32_t reads = 0;
  scene.remote->log_read = [&](uint32_t) {
    if (++reads != 4) return;
    scene.remote->kill(1);
    scene.say({2});
  };
  scene.start();
  CHECK(reads >= 4);
  CHECK(scene.until_paths("live optimized"));
  CHECK(scene.write(1, 1) == BdevStatus::Success);
  CHECK(scene.remote->io_commands(2) > 0);
}

TEST_CASE("nvmf: a lost path that discovery lists is tried again") {
  DiscoveryScene scene({.fast_io_fail_ns = UINT64_MAX, .controller_loss_ns = 20 * kSecond});
  scene.say({0, 1});
  scene.start();
  CHECK(scene.until_paths("live optimized, live optimized"));
  scene.remote->kill(0);
  scene.say({1});
  scene.remote->kill(scene.discovery);
  CHECK(scene.until_paths("lost, live optimized"));
  // The node is back, and soon the other one is away, and not listed any more.
  scene.remote->restart(0);
  scene.remote->restart(scene.discovery);
  scene.say({0});
  scene.remote->kill(1);
  TestIo write(BdevIoType::Write, 1, 1, {iovec{scene.at(0), kBlock}});
  scene.user->start(write);
  CHECK(write.wait() == BdevStatus::Success);
  CHECK(scene.until_paths("live optimized"));
  CHECK(scene.user->health().faults() == 0);
}

TEST_CASE("nvmf: when no path is left that is tried the disk is gone, with discovery, too") {
  DiscoveryScene scene({.fast_io_fail_ns = kSecond, .controller_loss_ns = 20 * kSecond});
  scene.say({0, 1});
  scene.start();
  CHECK(scene.until_paths("live optimized, live optimized"));
  scene.remote->kill(scene.discovery);
  scene.remote->kill(0);
  CHECK(scene.until_paths("lost, live optimized"));
  CHECK(scene.user->health().faults() == 0);
  scene.remote->kill(1);
  CHECK(scene.until([&] { return scene.user->health().faults() == kGone; }));
  CHECK(scene.paths() == "lost, lost");
}

TEST_CASE("nvmf: no path is let go because those could not be asked who know of it") {
  DiscoveryScene scene({.discovery = {{"10.0.9.8", 8009}}});
  const uint32_t second = scene.remote->add_port({"10.0.9.8", 8009});
  scene.say({0});
  scene.say(second, {1});
  SUBCASE("a fabric fails") {
    scene.start();
    CHECK(scene.until_paths("live optimized, live optimized"));
    scene.remote->kill(0);
    scene.remote->kill(scene.discovery);
    scene.pass(30 * kSecond);
    CHECK(scene.paths() == "reconnecting, live optimized");
    scene.remote->restart(0);
    CHECK(scene.until_paths("live optimized, live optimized"));
  }
  SUBCASE("a fabric is not there yet") {
    scene.remote->kill(scene.discovery);
    scene.start();
    CHECK(scene.until_paths("live optimized"));
    scene.remote->restart(scene.discovery);
    CHECK(scene.until_paths("live optimized, live optimized"));
  }
}

}  // namespace capsuled
