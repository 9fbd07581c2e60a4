#include "bdev/nvmf/nvmf_bdev.h"

#include <doctest/doctest.h>

#include <array>
#include <cstring>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "bdev/bdev_kinds.h"
#include "bdev/nvmf/test_nvmf.h"

namespace capsuled {
namespace {

using nvme::testing::RemoteSubsystem;
using nvme::testing::RemoteSubsystemOptions;

constexpr uint32_t kBlock = NvmfScene::kBlock;
constexpr uint64_t kMs = NvmfScene::kMs;
constexpr uint64_t kSecond = NvmfScene::kSecond;

}  // namespace

// ---- What it is --------------------------------------------------------------------------------

TEST_CASE("nvmf: is what the namespace says it is") {
  NvmfScene scene;
  const BdevFacts& facts = scene.user->facts();
  CHECK(facts.block_size == kBlock);
  CHECK(facts.block_count == NvmfScene::kBlocks);
  CHECK(facts.transfer_bytes_max == 128 * 1024);
  CHECK(facts.can_unmap);
  CHECK(facts.can_write_zeroes);
  CHECK(facts.can_compare);
  CHECK(facts.volatile_cache);
  CHECK(facts.found.at("hostnqn") == "nqn.2026-11.com.example:host");
  REQUIRE(facts.content != nullptr);
  std::map<std::string, std::string> names(facts.content->names.begin(),
                                           facts.content->names.end());
  CHECK(names["wwid"] == "uuid.00000000-0000-0000-0000-000000000007");
  CHECK(names["nguid"] == "07000000-0000-0000-0000-000000000000");
  CHECK(names["subsystem"] == RemoteSubsystemOptions{}.subnqn);
  CHECK(scene.paths() == "live optimized, live optimized");
  CHECK(scene.path(0).name == "10.0.0.1:4420");
  CHECK(scene.remote->last_connect().hostnqn.view() == "nqn.2026-11.com.example:host");
}

TEST_CASE("nvmf: every operation, with digests and without") {
  for (const bool digests : {false, true}) {
    CAPTURE(digests);
    NvmfScene scene(1, 1, {.digests = {digests, digests}});
    std::memset(scene.at(0), 7, 800 * kBlock);
    CHECK(scene.run(BdevIoType::Write, 10, 800) == BdevStatus::Success);
    std::memset(scene.at(0), 0, 800 * kBlock);
    CHECK(scene.run(BdevIoType::Read, 10, 800, 1) == BdevStatus::Success);
    CHECK(scene.at(0)[800 * kBlock - 1] == std::byte{7});
    CHECK(scene.run(BdevIoType::Flush, 0, 0) == BdevStatus::Success);
    CHECK(scene.run(BdevIoType::Compare, 10, 300) == BdevStatus::Success);
    scene.at(kBlock)[5] = std::byte{8};
    CHECK(scene.run(BdevIoType::Compare, 10, 300) == BdevStatus::Miscompare);
    CHECK(scene.run(BdevIoType::WriteZeroes, 20, 100) == BdevStatus::Success);
    CHECK(scene.run(BdevIoType::Unmap, 11, 5) == BdevStatus::Success);
    CHECK(scene.value(10) == 7);
    CHECK(scene.value(11) == 0);
    CHECK(scene.value(16) == 7);
    CHECK(scene.value(119) == 0);
    CHECK(scene.value(120) == 7);
  }
}

TEST_CASE("nvmf: more than its queue holds waits") {
  SUBCASE("because it is to be so short") {
    NvmfScene scene(1, 1, {.queue_entries = 3});
    Writes(scene, 60).expect_all(BdevStatus::Success);
  }
  SUBCASE("because the controller has no longer ones") {
    NvmfScene scene(1, 1, {}, {.queue_entries = 3});
    Writes(scene, 60).expect_all(BdevStatus::Success);
  }
  SUBCASE("because the controller takes no more commands") {
    NvmfScene scene(1, 1, {}, {.commands_max = 3});
    scene.remote->faults.held_commands = 60;
    Writes writes(scene, 60);
    scene.pass(10 * kMs);
    CHECK(scene.remote->held_count() == 2 * 2);
    scene.remote->faults.held_commands = 0;
    scene.remote->release();
    writes.expect_all(BdevStatus::Success);
  }
}

TEST_CASE("nvmf: when it is to go nothing waits for a path that is away") {
  NvmfScene scene(1, 1, {.fast_io_fail_ns = UINT64_MAX, .controller_loss_ns = UINT64_MAX});
  scene.remote->faults.held_commands = 2;
  Writes writes(scene, 4);
  scene.pass(10 * kMs);
  const auto let_go = [&] {
    for (uint32_t index = 0; index < 2; ++index) {
      scene.reactors.run(index, [](Reactor& reactor) { ReactorChannels::of(reactor).let_go(); });
    }
  };
  SUBCASE("first the one, then the other") {
    scene.remote->kill(0);
    scene.pass(kSecond);
    let_go();
  }
  SUBCASE("and the other way round") {
    let_go();
    scene.pass(kSecond);
    scene.remote->kill(0);
  }
  // Those that are held are those that came first.
  std::array<uint32_t, 2> ended{};
  for (TestIo& io : writes.ios) {
    const BdevStatus status = io.wait();
    CHECK((status == BdevStatus::Gone || status == BdevStatus::Success));
    ++ended[status == BdevStatus::Gone ? 0 : 1];
  }
  CHECK(ended == std::array<uint32_t, 2>{2, 2});
  scene.user.reset();
}

TEST_CASE("nvmf: what cannot be opened says why") {
  const std::string host = "; this host is nqn.2026-11.com.example:host";
  const auto scene_of = [](const RemoteSubsystemOptions& is = {}) {
    return std::make_unique<NvmfScene>(1, 1, NvmfOptions{}, is, NvmfScene::Open::Never);
  };
  SUBCASE("nobody is there") {
    const auto scene = scene_of();
    scene->remote->kill(0);
    CHECK(refusal(scene->make()) ==
          "paths: 10.0.0.1:4420: the admin queue ended: connection_refused" + host);
    scene->remote->restart(0);
    CHECK(scene->make().ok());
  }
  SUBCASE("nobody answers") {
    const auto scene = scene_of();
    scene->remote->silence(0, true);
    const uint64_t before_ns = scene->machine.now_ns();
    CHECK(refusal(scene->make()) == "paths: 10.0.0.1:4420: no answer in 5000 ms" + host);
    CHECK(scene->machine.now_ns() - before_ns < 8 * kSecond);
  }
  SUBCASE("another subsystem") {
    const auto scene = scene_of();
    scene->options.subnqn = "nqn.2026-11.com.example:other";
    CHECK(refusal(scene->make()) ==
          "paths: 10.0.0.1:4420: Connect: Connect Invalid Parameters (SCT 1h, SC 82h)" + host);
  }
  SUBCASE("no such namespace") {
    const auto scene = scene_of();
    scene->options.nsid = 5;
    CHECK(refusal(scene->make()) == "paths: 10.0.0.1:4420: there is no namespace 5" + host);
  }
  SUBCASE("fewer queues than reactors") {
    const auto scene = scene_of({.io_queues_max = 1});
    CHECK(refusal(scene->make()) ==
          "paths: 10.0.0.1:4420: it has 1 I/O queues for a host, and 2 reactors need one each; "
          "lower engine.reactors" +
              host);
  }
  SUBCASE("blocks that are too large for it") {
    const auto scene = scene_of({.mdts = 1});
    nvme::testing::SoftwareNamespaceOptions is{.block_bytes = 16'384, .block_count = 64};
    scene->remote->add_namespace(1, {std::make_shared<nvme::testing::SoftwareNamespace>(is)});
    CHECK(refusal(scene->make()) ==
          "paths: 10.0.0.1:4420: namespace 1 has blocks of 16384 bytes, and the controller takes "
          "only 8192 bytes at once (MDTS)" +
              host);
  }
  SUBCASE("no access") {
    const auto scene = scene_of();
    scene->remote->set_access(0, wire::AnaState::kInaccessible);
    CHECK(refusal(scene->make()) ==
          "paths: it takes longer than 8 s: 10.0.0.1:4420: its access is inaccessible" + host);
  }
}

TEST_CASE("nvmf: of the paths that are there one is enough") {
  NvmfScene scene(2, 1, {}, {}, NvmfScene::Open::Never);
  scene.remote->kill(0);
  scene.start();
  CHECK(scene.write(1, 5) == BdevStatus::Success);
  scene.remote->restart(0);
  CHECK(scene.until_paths("live optimized, live optimized"));
  scene.remote->kill(1);
  CHECK(scene.write(2, 6) == BdevStatus::Success);
}

TEST_CASE("nvmf: the errors of its keys") {
  NvmfScene scene(1, 1, {}, {}, NvmfScene::Open::Never);
  const auto error_of = [&](const BdevSection& changes) {
    BdevSection values{{"subnqn", scene.options.subnqn},
                       {"hostnqn", "nqn.2026-11.com.example:host"},
                       {"hostid", "6ba7b810-9dad-41d1-80b4-00c04fd430c8"},
                       {"paths", BdevList{BdevSection{{"address", "10.0.0.1"}}}}};
    for (const auto& [key, value] : changes) values[key] = value;
    const BdevContext context{.env = scene.env,
                              .reactors = {&scene.reactors.reactor(0), &scene.reactors.reactor(1)}};
    const BdevResult made = make_bdev(context, {"far0", "nvmf", values});
    return made.ok() ? std::string() : made.error().field + ": " + made.error().message;
  };
  CHECK(error_of({}).empty());
  CHECK(error_of({{"fast_io_fail", UINT64_MAX}, {"policy", "queue_depth"}}).empty());
  CHECK(error_of({{"subnqn", ""}}) == "subnqn: expected the NQN of a subsystem");
  CHECK(error_of({{"hostid", "6ba7b810"}}) ==
        "hostid: expected a UUID for `hostid`, got \"6ba7b810\"");
  CHECK(error_of({{"paths", BdevList{}}}) == "paths: expected either `paths` or `discovery`");
  CHECK(error_of({{"policy", "best"}}).starts_with("policy: "));
  CHECK(error_of({{"paths", BdevList{BdevSection{{"address", "far away"}}}}}) ==
        "paths[0].address: not an address for `paths[0].address`, got \"far away\"");
  CHECK(error_of({{"sise", uint64_t{1}}}).starts_with("sise: "));
}

// ---- Paths that are lost -----------------------------------------------------------------------

TEST_CASE(
    "nvmf: when a path is cut its operations take another one, at once and without an error") {
  NvmfScene scene;
  scene.remote->faults.held_commands = 12;
  Writes writes(scene, 20);
  scene.pass(10 * kMs);
  CHECK(scene.remote->io_commands(1) == 0);
  const uint64_t before_ns = scene.machine.now_ns();
  scene.remote->kill(0);
  writes.expect_all(BdevStatus::Success);
  CHECK(scene.machine.now_ns() - before_ns < 100 * kMs);
  CHECK(scene.remote->io_commands(1) >= 12);
  CHECK(scene.paths() == "reconnecting, live optimized");
  // It comes back, and is the first one again.
  scene.remote->restart(0);
  CHECK(scene.until_paths("live optimized, live optimized"));
  const uint64_t then = scene.remote->io_commands(1);
  CHECK(scene.write(30, 1) == BdevStatus::Success);
  CHECK(scene.remote->io_commands(1) == then);
}

TEST_CASE("nvmf: with one path, the end of its target is a pause and no error") {
  NvmfScene scene(1);
  scene.remote->faults.held_commands = 5;
  Writes writes(scene, 20);
  scene.pass(10 * kMs);
  scene.remote->kill(0);
  scene.pass(5 * kSecond);
  CHECK(scene.path(0).state == "reconnecting");
  CHECK(scene.path(0).reason == "the admin queue ended: connection_refused");
  TestIo read(BdevIoType::Read, 0, 1, {iovec{scene.at(30 * kBlock), kBlock}});
  scene.user->start(read, 1);
  const uint64_t before_ns = scene.machine.now_ns();
  scene.remote->restart(0);
  writes.expect_all(BdevStatus::Success);
  CHECK(read.wait() == BdevStatus::Success);
  CHECK(scene.machine.now_ns() - before_ns < 3 * kSecond);
  CHECK(scene.user->health().faults() == 0);
}

TEST_CASE("nvmf: a path that goes silent is given up after the time-out of a command") {
  NvmfScene scene(2, 1, {.timeout_ns = 2 * kSecond});
  scene.remote->silence(0, true);
  const uint64_t before_ns = scene.machine.now_ns();
  CHECK(scene.write(1, 1) == BdevStatus::Success);
  CHECK(scene.machine.now_ns() - before_ns >= 2 * kSecond);
  CHECK(scene.machine.now_ns() - before_ns < 4 * kSecond);
  CHECK(scene.path(0).reason == "no answer in 2000 ms");
  // Now it is known.
  const uint64_t then_ns = scene.machine.now_ns();
  CHECK(scene.write(2, 2) == BdevStatus::Success);
  CHECK(scene.machine.now_ns() - then_ns < 100 * kMs);
}

TEST_CASE("nvmf: an idle path that goes silent is given up by Keep Alive") {
  NvmfScene scene(2, 1, {.keep_alive_ns = 4 * kSecond});
  scene.remote->silence(0, true);
  const uint64_t before_ns = scene.machine.now_ns();
  CHECK(scene.until_paths("reconnecting, live optimized"));
  CHECK(scene.machine.now_ns() - before_ns < 8 * kSecond);
}

TEST_CASE("nvmf: without a path operations wait for fast_io_fail, then fail, until there is one") {
  NvmfScene scene(2, 1, {.fast_io_fail_ns = 10 * kSecond});
  CHECK(scene.write(0, 9) == BdevStatus::Success);
  scene.remote->kill(0);
  scene.remote->kill(1);
  const uint64_t before_ns = scene.machine.now_ns();
  CHECK(scene.write(1, 1) == BdevStatus::Gone);
  CHECK(scene.machine.now_ns() - before_ns >= 9 * kSecond);
  CHECK(scene.machine.now_ns() - before_ns <= 11 * kSecond);
  const uint64_t then_ns = scene.machine.now_ns();
  CHECK(scene.run(BdevIoType::Read, 0, 1, 1) == BdevStatus::Gone);
  CHECK(scene.machine.now_ns() - then_ns < kSecond);
  // That is no fault of the disk: it is there again when a path is.
  CHECK(scene.user->health().faults() == 0);
  scene.remote->restart(1);
  CHECK(scene.until_paths("reconnecting, live optimized"));
  scene.pass(kMs);
  CHECK(scene.run(BdevIoType::Read, 0, 1, 1) == BdevStatus::Success);
  CHECK(scene.at(0)[0] == std::byte{9});
}

TEST_CASE("nvmf: a path is lost for good after controller_loss, and with the last one the disk") {
  NvmfScene scene(2, 1, {.fast_io_fail_ns = kSecond, .controller_loss_ns = 20 * kSecond});
  scene.remote->kill(0);
  scene.pass(5 * kSecond);
  scene.remote->kill(1);
  scene.pass(10 * kSecond);
  CHECK(scene.paths() == "reconnecting, reconnecting");
  CHECK(scene.until_paths("lost, reconnecting"));
  CHECK(scene.user->health().faults() == 0);
  CHECK(scene.until_paths("lost, lost"));
  CHECK(scene.user->health().faults() == kGone);
  CHECK(scene.run(BdevIoType::Read, 0, 1) == BdevStatus::Gone);
  // Nothing is tried any more, but when somebody asks for it.
  scene.remote->restart(1);
  scene.pass(30 * kSecond);
  CHECK(scene.paths() == "lost, lost");
  CHECK(scene.recheck() == BdevStatus::Success);
  CHECK(scene.user->health().faults() == 0);
  CHECK(scene.run(BdevIoType::Read, 0, 1) == BdevStatus::Success);
}

TEST_CASE("nvmf: times that have no end") {
  NvmfScene scene(1, 1, {.fast_io_fail_ns = UINT64_MAX, .controller_loss_ns = UINT64_MAX});
  scene.remote->kill(0);
  TestIo write(BdevIoType::Write, 0, 1, {iovec{scene.at(0), kBlock}});
  bool done = false;
  write.on_complete = [&] { done = true; };
  scene.user->start(write);
  scene.pass(3600 * kSecond);
  CHECK_FALSE(done);
  CHECK(scene.paths() == "reconnecting");
  scene.remote->restart(0);
  CHECK(write.wait() == BdevStatus::Success);
}

TEST_CASE("nvmf: what fails on a path is tried on another, and at last fails") {
  NvmfScene scene;
  const auto with = [&](wire::Status status, uint32_t failures) {
    scene.remote->faults.status = status;
    scene.remote->faults.failures = failures;
    const BdevStatus is = scene.write(3, 3);
    scene.remote->faults.failures = 0;
    scene.pass(kSecond);
    return is;
  };
  const wire::Status internal = wire::PathStatus::kInternalPathError;
  const uint64_t before = scene.remote->io_commands(1);
  CHECK(with(internal, 1) == BdevStatus::Success);
  CHECK(scene.remote->io_commands(1) > before);
  CHECK(with(wire::PathStatus::kHostPathingError, 2) == BdevStatus::Success);
  CHECK(with(internal, 1000) == BdevStatus::Failed);
  CHECK(with(internal.do_not_retry(), 1) == BdevStatus::Failed);
  CHECK(with(wire::MediaStatus::kUnrecoveredReadError, 1) == BdevStatus::MediaError);
  CHECK(scene.paths() == "live optimized, live optimized");
}

// ---- At any moment -----------------------------------------------------------------------------

TEST_CASE("nvmf: opened and closed at any moment, it leaves nothing behind") {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    CAPTURE(seed);
    NvmfScene scene(3, seed, {}, {}, NvmfScene::Open::Never);
    Prng prng(seed);
    for (uint32_t port = 0; port < 3; ++port) {
      if (prng.chance(1, 3)) scene.remote->set_access(port, wire::AnaState::kChange);
    }
    const auto disturb = [&] {
      const auto port = static_cast<uint32_t>(prng.below(3));
      scene.machine.after(prng.below(5 * kMs), [&scene, port] { scene.remote->cut_one(port); });
    };
    for (uint32_t round = 0; round < 3; ++round) {
      disturb();
      BdevResult made = scene.make();
      if (!made.ok()) continue;
      disturb();
      scene.pass(prng.below(10 * kMs));
    }
    scene.pass(10 * kMs);
    for (uint32_t port = 0; port < 3; ++port) CHECK(scene.remote->connection_count(port) == 0);
  }
}

}  // namespace capsuled
