// RemoteScene: a simulated machine with two reactors, and a RemoteSubsystem that they can reach.
// Thread: the test's.
#pragma once

#include <doctest/doctest.h>

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "env/sim/sim_env.h"
#include "nvme/fabrics_controller.h"
#include "nvme/testing/remote_subsystem.h"
#include "reactor/reactor.h"

namespace capsuled::nvme::testing {

class RemoteScene {
 public:
  static constexpr uint64_t kMs = 1'000'000;
  static constexpr uint64_t kSecond = 1'000 * kMs;
  static constexpr uint32_t kNsid = 1;
  static constexpr uint32_t kBlock = 512;

  explicit RemoteScene(uint64_t seed = 1, const RemoteSubsystemOptions& options = {})
      : machine(seed),
        network(machine),
        env(machine, network, files),
        remote(std::make_unique<RemoteSubsystem>(network, options)) {
    for (uint32_t index = 0; index < reactors.size(); ++index) {
      ReactorOptions reactor;
      reactor.index = index;
      reactor.memory_bytes = kBufferMemoryBytesMin;
      reactor.huge_pages = env::HugePages::Never;
      reactors[index] = Reactor::create(env, reactor).value();
      REQUIRE(reactors[index]->start().ok());
    }
    SoftwareNamespaceOptions is{.block_bytes = kBlock, .block_count = 1024};
    is.nguid[15] = 7;
    RemoteNamespace only{std::make_shared<SoftwareNamespace>(is)};
    only.uuid[0] = 0x6b;
    remote->add_namespace(kNsid, only);
  }
  ~RemoteScene() {
    remote.reset();
    for (const auto& reactor : reactors) reactor->stop();
  }
  RemoteScene(const RemoteScene&) = delete;
  RemoteScene& operator=(const RemoteScene&) = delete;

  /// In the loop of a reactor; waits for its end.
  void on(uint32_t index, std::function<void()> what) {
    struct Call {
      std::function<void()> what;
      bool done = false;
    } call{std::move(what)};
    reactors[index]->send_message_wait({[](Reactor&, void* argument) {
                                          auto& self = *static_cast<Call*>(argument);
                                          self.what();
                                          self.done = true;
                                        },
                                        &call});
    REQUIRE(until([&] { return call.done; }));
  }
  template <typename Condition>
  bool until(Condition there) {
    return machine.until(there, machine.now_ns() + 100 * kSecond);
  }
  void pass(uint64_t ns) { machine.pass_to(machine.now_ns() + ns); }
  FabricsControllerOptions options_for(const env::Endpoint& endpoint) {
    FabricsControllerOptions options;
    options.address = env.resolve(endpoint).value();
    options.subnqn = RemoteSubsystemOptions{}.subnqn;
    options.hostnqn = "nqn.2026-11.com.example:host";
    options.io_entries = 9;
    options.events = true;
    return options;
  }

  env::sim::SimMachine machine;
  env::sim::SimNetwork network;
  env::sim::SimFiles files;
  env::sim::SimEnv env;
  std::array<std::unique_ptr<Reactor>, 2> reactors;
  std::unique_ptr<RemoteSubsystem> remote;
};

/// Of a controller whose life the test follows. Its reactors outlive it.
class RemoteOwner : public ControllerOwner {
 public:
  void controller_live(Controller&) override { live = true; }
  void controller_closed(Controller&, const std::string& why) override {
    live = false;
    open = false;
    reason = why;
  }
  void namespaces_changed(Controller&, std::span<const uint32_t>) override { ++changes; }
  void access_changed(Controller&) override { ++access_changes; }

  bool live = false;
  bool open = false;
  std::string reason;
  uint32_t changes = 0;
  uint32_t access_changes = 0;
};

}  // namespace capsuled::nvme::testing
