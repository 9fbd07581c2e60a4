// For tests: a bdev over a remote subsystem that is made of software, on a simulated machine with
// two reactors. Thread: the test's.
#pragma once

#include <algorithm>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bdev/nvmf/nvmf_bdev.h"
#include "bdev/test_reactors.h"
#include "env/sim/sim_env.h"
#include "nvme/testing/remote_subsystem.h"

namespace capsuled {

class NvmfScene {
 public:
  static constexpr uint32_t kBlock = 512;
  static constexpr uint64_t kBlocks = 2048;
  static constexpr uint64_t kMs = 1'000'000;
  static constexpr uint64_t kSecond = 1'000 * kMs;

  enum class Open : uint8_t { AllPaths, Never };

  /// `ports` of the subsystem, each a path.
  explicit NvmfScene(uint32_t ports = 2, uint64_t seed = 1, NvmfOptions with = {},
                     const nvme::testing::RemoteSubsystemOptions& is = {},
                     Open open = Open::AllPaths)
      : options(std::move(with)),
        machine(seed),
        network(machine),
        env(machine, network, files),
        reactors(env, 2),
        memory(env.allocate(size_t{4} << 20, env::HugePages::Never).value()),
        remote(std::make_unique<nvme::testing::RemoteSubsystem>(network, is)) {
    options.subnqn = is.subnqn;
    options.hostnqn = "nqn.2026-11.com.example:host";
    remote->add_namespace(1, named(7));
    for (uint32_t port = 0; port < ports; ++port) {
      remote->add_port(address(port));
      if (options.discovery.empty()) options.paths.push_back(address(port));
    }
    if (open == Open::Never) return;
    start();
    const auto is_live = [](const BdevPath& path) { return path.state == "live"; };
    REQUIRE(until([&] { return std::ranges::all_of(user->bdev().paths(), is_live); }));
    // Which everybody hears of.
    pass(kMs);
  }
  ~NvmfScene() { user.reset(); }

  static env::Endpoint address(uint32_t port) {
    return {"10.0.0." + std::to_string(port + 1), 4420};
  }
  /// A disk, by what its identifiers are made of.
  static nvme::testing::RemoteNamespace named(uint8_t tag, uint64_t blocks = kBlocks) {
    nvme::testing::SoftwareNamespaceOptions is{.block_bytes = kBlock, .block_count = blocks};
    is.nguid[0] = tag;
    nvme::testing::RemoteNamespace made{std::make_shared<nvme::testing::SoftwareNamespace>(is)};
    made.uuid[15] = tag;
    return made;
  }

  void start() {
    BdevResult bdev = make();
    REQUIRE(bdev.ok());
    user = std::make_unique<TestBdevUser>(reactors, std::move(bdev).value(), 2);
  }
  BdevResult make() {
    return make_nvmf_bdev(env, {&reactors.reactor(0), &reactors.reactor(1)}, "far0", options);
  }
  void pass(uint64_t ns) { machine.pass_to(machine.now_ns() + ns); }
  std::byte* at(size_t offset) { return memory->base() + offset; }
  /// Of whole blocks at the front of the memory.
  BdevStatus run(BdevIoType type, uint64_t block, uint64_t blocks, uint32_t reactor = 0) {
    TestIo io(type, block, blocks, {iovec{memory->base(), blocks * kBlock}});
    return user->run(io, reactor);
  }
  /// One block, all bytes of which are `value`.
  BdevStatus write(uint64_t block, int value, uint32_t reactor = 0) {
    std::memset(at(0), value, kBlock);
    return run(BdevIoType::Write, block, 1, reactor);
  }
  /// What the namespace has there.
  int value(uint64_t block) {
    return std::to_integer<int>(remote->at(1).medium->blocks(block, 1)[0]);
  }
  /// As an operator does who knows what was lost.
  BdevStatus recheck() {
    TestIo io(BdevIoType::Flush, 0, 0, {});
    user->start_recheck(io);
    return io.wait();
  }
  template <typename Condition>
  bool until(Condition there) {
    return machine.until(there, machine.now_ns() + 2000 * kSecond);
  }
  BdevPath path(size_t index) {
    const std::vector<BdevPath> paths = user->bdev().paths();
    return index < paths.size() ? paths[index] : BdevPath{};
  }
  /// All of them: "live optimized, reconnecting".
  std::string paths() {
    std::string text;
    for (const BdevPath& each : user->bdev().paths()) {
      text += (text.empty() ? "" : ", ") + each.state;
      if (!each.access.empty()) text += " " + each.access;
    }
    return text;
  }
  bool until_paths(const std::string& are) {
    return until([&] { return paths() == are; });
  }

  NvmfOptions options;
  env::sim::SimMachine machine;
  env::sim::SimNetwork network;
  env::sim::SimFiles files;
  env::sim::SimEnv env;
  TestReactors reactors;
  std::unique_ptr<env::Region> memory;
  std::unique_ptr<nvme::testing::RemoteSubsystem> remote;
  std::unique_ptr<TestBdevUser> user;
};

/// Writes of one block each, block and value by their index, that were started together.
struct Writes {
  Writes(NvmfScene& its_scene, uint32_t count) : scene(its_scene) {
    for (uint32_t index = 0; index < count; ++index) {
      ios.emplace_back(
          BdevIoType::Write, index, 1,
          std::vector<iovec>{{scene.at(index * NvmfScene::kBlock), NvmfScene::kBlock}});
      std::memset(scene.at(index * NvmfScene::kBlock), static_cast<int>(index + 1),
                  NvmfScene::kBlock);
      scene.user->start(ios.back(), index % 2);
    }
  }
  void expect_all(BdevStatus status) {
    for (TestIo& io : ios) CHECK(io.wait() == status);
    if (status != BdevStatus::Success) return;
    for (uint32_t index = 0; index < ios.size(); ++index) {
      CHECK(scene.value(index) == static_cast<int>(index + 1));
    }
  }
  NvmfScene& scene;
  std::deque<TestIo> ios;
};

inline std::string refusal(const BdevResult& result) {
  REQUIRE_FALSE(result.ok());
  return result.error().field + ": " + result.error().message;
}

}  // namespace capsuled
