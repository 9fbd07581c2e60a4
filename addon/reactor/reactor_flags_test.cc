#include "reactor/reactor_flags.h"

#include <doctest/doctest.h>

#include <array>
#include <memory>
#include <utility>
#include <vector>

#include "env/sim/sim_env.h"

namespace capsuled {
namespace {

/// Two reactors on a simulated machine; the first raises flags, the second takes them.
struct Scene {
  explicit Scene(uint64_t seed = 1)
      : machine(seed), network(machine), env(machine, network, files) {
    for (uint32_t index = 0; index < reactors.size(); ++index) {
      ReactorOptions options;
      options.index = index;
      options.memory_bytes = kBufferMemoryBytesMin;
      options.huge_pages = env::HugePages::Never;
      reactors[index] = Reactor::create(env, options).value();
      REQUIRE(reactors[index]->start().ok());
    }
    flags = std::make_unique<ReactorFlags>(
        *reactors[0], *reactors[1],
        [](uint32_t raised, void* argument) {
          auto& self = *static_cast<Scene*>(argument);
          CHECK(Reactor::current() == self.reactors[1].get());
          self.taken.push_back(raised);
        },
        this);
  }
  ~Scene() {
    for (const auto& reactor : reactors) reactor->stop();
  }
  /// In the loop of the first.
  void raise(std::vector<uint32_t> which) {
    struct Call {
      Scene& scene;
      std::vector<uint32_t> which;
      bool done = false;
    } call{*this, std::move(which)};
    reactors[0]->send_message_wait({[](Reactor&, void* argument) {
                                      auto& self = *static_cast<Call*>(argument);
                                      for (const uint32_t each : self.which) {
                                        self.scene.flags->raise(each);
                                      }
                                      self.done = true;
                                    },
                                    &call});
    CHECK(machine.until([&] { return call.done; }, UINT64_MAX));
  }

  env::sim::SimMachine machine;
  env::sim::SimNetwork network;
  env::sim::SimFiles files;
  env::sim::SimEnv env;
  std::array<std::unique_ptr<Reactor>, 2> reactors;
  std::vector<uint32_t> taken;
  std::unique_ptr<ReactorFlags> flags;
};

}  // namespace

TEST_CASE("ReactorFlags: what is raised together is taken together, on the other reactor") {
  Scene scene;
  scene.raise({1, 4, 1});
  CHECK(scene.machine.until([&] { return scene.flags->all_taken(); }, UINT64_MAX));
  CHECK(scene.taken == std::vector<uint32_t>{5});
  scene.raise({2});
  CHECK(scene.machine.until([&] { return scene.taken.size() == 2; }, UINT64_MAX));
  CHECK(scene.taken.back() == 2);
}

TEST_CASE("ReactorFlags: none is lost and none comes twice, however they fall together") {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    Scene scene(seed);
    for (uint32_t bit = 0; bit < 32; ++bit) {
      scene.raise({1u << bit});
      if (scene.machine.prng().chance(1, 2)) {
        scene.machine.pass_to(scene.machine.now_ns() + scene.machine.prng().below(50'000));
      }
    }
    CHECK(scene.machine.until([&] { return scene.flags->all_taken(); }, UINT64_MAX));
    uint32_t all = 0;
    for (const uint32_t raised : scene.taken) {
      CHECK((all & raised) == 0);
      all |= raised;
    }
    CHECK(all == UINT32_MAX);
  }
}

}  // namespace capsuled
