#include "nvme/access_log.h"

#include <doctest/doctest.h>

#include <memory>
#include <optional>

#include "nvme/testing/remote_scene.h"

namespace capsuled::nvme::testing {
namespace {

struct World : RemoteOwner {
  explicit World(const RemoteSubsystemOptions& options = {}) : scene(1, options) {
    scene.remote->add_port({"10.0.0.1", 4420});
    scene.on(0, [&] {
      controller = std::make_unique<FabricsController>(*scene.reactors[0], *this);
      open = true;
      controller->connect(scene.options_for({"10.0.0.1", 4420}));
    });
    REQUIRE(scene.until([&] { return live; }));
  }
  ~World() override {
    scene.on(0, [&] { controller->disconnect(); });
    CHECK(scene.until([&] { return !open; }));
    scene.on(0, [&] { controller.reset(); });
  }
  AccessAnswer read(uint32_t group) {
    std::optional<AccessAnswer> answer;
    scene.on(
        0, [&] { read_access(*controller, group, [&](const AccessAnswer& is) { answer = is; }); });
    CHECK(scene.until([&] { return answer.has_value(); }));
    return *answer;
  }

  RemoteScene scene;
  std::unique_ptr<FabricsController> controller;
};

}  // namespace

TEST_CASE("access log: the state of a group, however many there are") {
  for (const uint32_t groups : {1u, 2u, 126u, 127u, 128u, 400u}) {
    CAPTURE(groups);
    World world({.access_groups = groups});
    CHECK(world.controller->facts().reports_access);
    CHECK(world.controller->facts().access_group == groups);
    for (const auto state : {wire::AnaState::kOptimized, wire::AnaState::kNonOptimized,
                             wire::AnaState::kPersistentLoss, wire::AnaState::kChange}) {
      world.scene.remote->set_access(0, state);
      const AccessAnswer answer = world.read(groups);
      CHECK(answer.answered);
      REQUIRE(answer.state.has_value());
      CHECK(*answer.state == state);
    }
    const AccessAnswer other = world.read(groups + 1);
    CHECK(other.answered);
    CHECK_FALSE(other.state.has_value());
  }
}

TEST_CASE("access log: a controller that ends meanwhile has not answered") {
  World world({.access_groups = 400});
  std::optional<AccessAnswer> answer;
  uint32_t reads = 0;
  world.scene.remote->log_read = [&](uint32_t port) {
    if (++reads == 2) world.scene.remote->kill(port);
  };
  world.scene.on(0, [&] {
    read_access(*world.controller, 400, [&](const AccessAnswer& is) { answer = is; });
  });
  CHECK(world.scene.until([&] { return answer.has_value(); }));
  CHECK_FALSE(answer->answered);
  CHECK(world.scene.until([&] { return !world.open; }));
}

}  // namespace capsuled::nvme::testing
