// The paths of a remote namespace: how well it is reached over them, and which disk it is there.
#include <doctest/doctest.h>

#include <cstring>
#include <string>
#include <vector>

#include "bdev/nvmf/test_nvmf.h"
#include "wire/identify.h"

namespace capsuled {
namespace {

using nvme::testing::RemoteSubsystem;
using nvme::testing::RemoteSubsystemOptions;

constexpr uint32_t kBlock = NvmfScene::kBlock;
constexpr uint64_t kMs = NvmfScene::kMs;
constexpr uint64_t kSecond = NvmfScene::kSecond;

}  // namespace

// ---- Access ------------------------------------------------------------------------------------

TEST_CASE("nvmf: the best access has the operations, and a change moves them") {
  NvmfScene scene(3);
  const auto taken_by = [&](uint32_t port) {
    const uint64_t before = scene.remote->io_commands(port);
    for (uint64_t block = 0; block < 10; ++block) {
      CHECK(scene.write(block, 1, static_cast<uint32_t>(block % 2)) == BdevStatus::Success);
    }
    return scene.remote->io_commands(port) - before;
  };
  CHECK(taken_by(0) == 10);
  scene.remote->set_access(0, wire::AnaState::kNonOptimized);
  CHECK(scene.until_paths("live non_optimized, live optimized, live optimized"));
  CHECK(taken_by(1) == 10);
  scene.remote->set_access(1, wire::AnaState::kInaccessible);
  scene.remote->set_access(2, wire::AnaState::kPersistentLoss);
  CHECK(scene.until_paths("live non_optimized, live inaccessible, live persistent_loss"));
  CHECK(taken_by(0) == 10);
  CHECK(scene.path(1).reason == "its access is inaccessible");
  scene.remote->set_access(2, wire::AnaState::kOptimized);
  CHECK(scene.until_paths("live non_optimized, live inaccessible, live optimized"));
  CHECK(taken_by(2) == 10);
}

TEST_CASE("nvmf: a change of access that nobody tells is found by the first operation") {
  NvmfScene scene;
  scene.remote->set_access(0, wire::AnaState::kInaccessible, false);
  Writes(scene, 20).expect_all(BdevStatus::Success);
  CHECK(scene.paths() == "live inaccessible, live optimized");
  // That it is over, too, by and by.
  scene.remote->set_access(0, wire::AnaState::kOptimized, false);
  CHECK(scene.until_paths("live optimized, live optimized"));
}

TEST_CASE("nvmf: while there is no access anywhere operations wait") {
  NvmfScene scene;
  scene.remote->set_access(0, wire::AnaState::kChange);
  scene.remote->set_access(1, wire::AnaState::kInaccessible, false);
  Writes writes(scene, 20);
  scene.pass(5 * kSecond);
  CHECK(scene.paths() == "live change, live inaccessible");
  scene.remote->set_access(1, wire::AnaState::kOptimized);
  writes.expect_all(BdevStatus::Success);
}

TEST_CASE("nvmf: a subsystem that does not report access is reached by all paths alike") {
  NvmfScene scene(2, 1, {.policy = PathPolicy::RoundRobin}, {.reports_access = false});
  CHECK(scene.paths() == "live optimized, live optimized");
  for (uint64_t block = 0; block < 20; ++block) scene.write(block, 1);
  CHECK(scene.remote->io_commands(0) == 10);
  CHECK(scene.remote->io_commands(1) == 10);
}

TEST_CASE("nvmf: queue_depth takes the path with the fewest operations") {
  NvmfScene scene(2, 1, {.policy = PathPolicy::QueueDepth});
  scene.remote->faults.held_commands = 4;
  Writes held(scene, 4);
  scene.pass(10 * kMs);
  CHECK(scene.remote->io_commands(0) == 2);
  CHECK(scene.remote->io_commands(1) == 2);
  scene.remote->release();
  held.expect_all(BdevStatus::Success);
}

TEST_CASE("nvmf: a namespace that moves to another group of access is followed") {
  NvmfScene scene(1);
  // Which is said by a change of access alone.
  scene.remote->move_to_group(5, true);
  scene.remote->set_access(0, wire::AnaState::kNonOptimized);
  CHECK(scene.until_paths("live non_optimized"));
  CHECK(scene.write(1, 1) == BdevStatus::Success);
  // By nothing but what operations meet. The old group says that all is well.
  scene.remote->move_to_group(1, false);
  scene.remote->set_access(0, wire::AnaState::kInaccessible, false);
  TestIo write(BdevIoType::Write, 2, 1, {iovec{scene.at(0), kBlock}});
  bool done = false;
  write.on_complete = [&] { done = true; };
  scene.user->start(write);
  scene.pass(5 * kSecond);
  CHECK_FALSE(done);
  CHECK(scene.paths() == "live inaccessible");
  scene.remote->move_to_group(4, true);
  scene.remote->set_access(0, wire::AnaState::kOptimized, false);
  CHECK(write.wait() == BdevStatus::Success);
  CHECK(scene.paths() == "live optimized");
}

// ---- Which disk it is --------------------------------------------------------------------------

TEST_CASE("nvmf: a path that leads to another disk is not used") {
  NvmfScene scene(1, 1, {}, {}, NvmfScene::Open::Never);
  RemoteSubsystem other(scene.network);
  other.add_namespace(1, NvmfScene::named(8));
  other.add_port({"10.0.1.1", 4420});
  scene.options.paths.push_back({"10.0.1.1", 4420});
  // Which disk it is, the first path says that is there.
  other.silence(0, true);
  scene.start();
  other.silence(0, false);
  const std::string reason =
      "it leads to another disk: expected UUID 00000000-0000-0000-0000-000000000007, got UUID "
      "00000000-0000-0000-0000-000000000008";
  CHECK(scene.until([&] { return scene.path(1).reason == reason; }));
  CHECK(scene.paths() == "live optimized, reconnecting");
  scene.remote->kill(0);
  TestIo write(BdevIoType::Write, 1, 1, {iovec{scene.at(0), kBlock}});
  scene.user->start(write);
  scene.pass(10 * kSecond);
  CHECK(other.io_commands(0) == 0);
  scene.remote->restart(0);
  CHECK(write.wait() == BdevStatus::Success);
  scene.user.reset();
}

TEST_CASE("nvmf: a path whose controller can less than hosts were told is not used") {
  NvmfScene scene(1, 1, {}, {}, NvmfScene::Open::Never);
  RemoteSubsystem other(
      scene.network, {.commands = static_cast<uint16_t>(~wire::Oncs::Nvmcmps::mask<uint16_t>())});
  other.add_namespace(1, NvmfScene::named(7));
  other.add_port({"10.0.1.1", 4420});
  scene.options.paths.push_back({"10.0.1.1", 4420});
  other.silence(0, true);
  scene.start();
  other.silence(0, false);
  const std::string reason = "the controller has no Compare, as the first one had";
  CHECK(scene.until([&] { return scene.path(1).reason == reason; }));
  CHECK(scene.paths() == "live optimized, reconnecting");
  scene.user.reset();
}

TEST_CASE("nvmf: nothing is read or written where another disk has taken the place") {
  NvmfScene scene(1);
  scene.remote->kill(0);
  scene.remote->add_namespace(1, NvmfScene::named(9));
  TestIo write(BdevIoType::Write, 1, 1, {iovec{scene.at(0), kBlock}});
  std::memset(scene.at(0), 5, kBlock);
  scene.user->start(write);
  scene.remote->restart(0);
  scene.pass(10 * kSecond);
  CHECK(scene.path(0).reason.starts_with("it leads to another disk"));
  CHECK(scene.value(1) == 0);
  // The same while it is connected.
  scene.remote->add_namespace(1, NvmfScene::named(7));
  CHECK(write.wait() == BdevStatus::Success);
  scene.remote->add_namespace(1, NvmfScene::named(9));
  scene.remote->changed();
  bool gave_no_reason = false;
  CHECK(scene.until([&] {
    const BdevPath path = scene.path(0);
    if (path.access.empty() && !path.reason.starts_with("it leads to")) gave_no_reason = true;
    return path.state == "reconnecting";
  }));
  CHECK_FALSE(gave_no_reason);
  CHECK(scene.path(0).reason.starts_with("it leads to another disk"));
}

TEST_CASE("nvmf: what does not say now which disk it is, is asked again") {
  NvmfScene scene(1);
  SUBCASE("when it has changed") {
    scene.remote->faults.identify_failures = 3;
    scene.remote->add_namespace(1, NvmfScene::named(9));
    scene.remote->changed();
    CHECK(scene.until([&] { return scene.path(0).state == "reconnecting"; }));
    CHECK(scene.path(0).reason.starts_with("it leads to another disk"));
  }
  SUBCASE("when it comes up") {
    scene.remote->faults.identify_failures = 3;
    scene.remote->kill(0);
    scene.pass(kSecond);
    scene.remote->restart(0);
    scene.pass(20 * kSecond);
    CHECK(scene.remote->faults.identify_failures == 0);
    CHECK(scene.value(1) == 0);
    CHECK(scene.path(0).state == "live");
  }
}

TEST_CASE("nvmf: a namespace that grows is found to be larger, and one that shrinks is not used") {
  NvmfScene scene;
  Bdev& bdev = scene.user->bdev();
  CHECK(bdev.bytes_found() == NvmfScene::kBlocks * kBlock);
  scene.remote->at(1).medium->resize(NvmfScene::kBlocks + 8);
  scene.remote->changed();
  CHECK(scene.until([&] { return bdev.bytes_found() == (NvmfScene::kBlocks + 8) * kBlock; }));
  CHECK(scene.user->grow());
  CHECK(scene.write(NvmfScene::kBlocks + 7, 4) == BdevStatus::Success);
  scene.remote->at(1).medium->resize(NvmfScene::kBlocks);
  scene.remote->changed();
  CHECK(scene.until_paths("reconnecting, reconnecting"));
  CHECK(scene.path(0).reason ==
        "the namespace has become smaller: expected 2056 blocks or more, got 2048");
  scene.remote->at(1).medium->resize(NvmfScene::kBlocks + 8);
  CHECK(scene.run(BdevIoType::Read, 0, 1) == BdevStatus::Success);
}

}  // namespace capsuled
