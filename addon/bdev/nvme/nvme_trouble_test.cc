// What a drive does now and then, and what becomes of operations meanwhile.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <deque>
#include <memory>
#include <vector>

#include "base/prng.h"
#include "bdev/nvme/test_nvme.h"

namespace capsuled {
namespace {

constexpr uint32_t kBlock = NvmeScene::kBlock;
constexpr uint64_t kMs = NvmeScene::kMs;
constexpr uint64_t kSecond = NvmeScene::kSecond;

/// Another namespace of the scene's controller, as a bdev with its user.
std::unique_ptr<TestBdevUser> other_of(NvmeScene& scene, uint32_t nsid = 2) {
  scene.ssd->add_namespace(nsid, {.block_bytes = kBlock, .block_count = NvmeScene::kBlocks});
  BdevResult made = scene.make(nsid);
  REQUIRE(made.ok());
  return std::make_unique<TestBdevUser>(*scene.user, std::move(made).value());
}

}  // namespace

TEST_CASE("nvme: namespaces of one drive share the room of its queue") {
  NvmeScene scene(4, {}, {.queue_entries = 4});
  const auto other = other_of(scene);
  SUBCASE("what finds none is not forgotten") {
    scene.stalled = true;
    std::deque<TestIo> full;
    for (uint32_t index = 0; index < 3; ++index) {
      full.emplace_back(BdevIoType::Read, index, 1,
                        std::vector<iovec>{{scene.at(index * kBlock), kBlock}});
      scene.user->start(full.back(), 0);
    }
    TestIo waits(BdevIoType::Read, 0, 1, {iovec{scene.at(3 * kBlock), kBlock}});
    other->start(waits, 0);
    scene.stalled = false;
    CHECK(waits.wait() == BdevStatus::Success);
    for (TestIo& io : full) CHECK(io.wait() == BdevStatus::Success);
  }
  SUBCASE("a namespace with many operations does not keep another one from its few") {
    std::deque<TestIo> many;
    std::atomic<uint32_t> ended = 0;
    for (uint32_t index = 0; index < 300; ++index) {
      many.emplace_back(BdevIoType::Read, index, 1,
                        std::vector<iovec>{{scene.at(index * kBlock), kBlock}});
      many.back().on_complete = [&ended] { ++ended; };
    }
    for (TestIo& io : many) scene.user->start(io, 0);
    TestIo few(BdevIoType::Read, 0, 1, {iovec{scene.at(300 * kBlock), kBlock}});
    uint32_t from = 0;
    uint32_t until = 0;
    few.on_complete = [&] { until = ended; };
    scene.reactors.run(0, [&](Reactor&) { from = ended; });
    other->start(few, 0);
    CHECK(few.wait() == BdevStatus::Success);
    // Its turn came within what the queue holds, twice.
    CHECK(until - from <= 8);
    for (TestIo& io : many) CHECK(io.wait() == BdevStatus::Success);
  }
}

TEST_CASE("nvme: what the drive does not do now is asked again") {
  NvmeScene scene;
  const auto fail = [&](wire::Status status, uint32_t times) {
    scene.ssd->faults.status = status;
    scene.ssd->faults.failures = times;
  };
  for (const wire::GenericStatus status :
       {wire::GenericStatus::kNamespaceNotReady, wire::GenericStatus::kCommandInterrupted,
        wire::GenericStatus::kTransientTransportError, wire::GenericStatus::kAbortRequested}) {
    CAPTURE(static_cast<int>(status));
    fail(status, 3);
    CHECK(scene.run(BdevIoType::Write, 0, 1) == BdevStatus::Success);
    fail(status, 3);
    CHECK(scene.run(BdevIoType::Flush, 0, 0) == BdevStatus::Success);
  }
  // Not for ever, and not if that is of no use. A Flush that was not tried has lost nothing.
  fail(wire::GenericStatus::kNamespaceNotReady, 1'000);
  CHECK(scene.run(BdevIoType::Flush, 0, 0) == BdevStatus::Gone);
  CHECK(scene.ssd->faults.failures == 1'000 - 9);
  fail(wire::Status(wire::GenericStatus::kNamespaceNotReady).do_not_retry(), 1);
  CHECK(scene.run(BdevIoType::Read, 0, 1) == BdevStatus::Gone);
  CHECK(scene.user->health().faults() == 0);
  // One that is held is still cancelled.
  fail(wire::GenericStatus::kCommandInterrupted, 5);
  TestIo held(BdevIoType::Read, 0, 1, {iovec{scene.at(0), kBlock}});
  scene.user->start(held, 1);
  scene.pass(kMs);
  scene.reactors.run(1, [&](Reactor&) { scene.user->channel(1).cancel(held.io); });
  CHECK(held.wait() == BdevStatus::Aborted);
  CHECK(scene.run(BdevIoType::Read, 0, 1) == BdevStatus::Success);
}

TEST_CASE("nvme: a command that is aborted because it took too long is not the host's error") {
  NvmeScene scene(2, {}, {.timeout_ns = 2 * kSecond});
  for (const BdevIoType type : {BdevIoType::Write, BdevIoType::Flush}) {
    scene.ssd->faults.held_commands = 1;
    CHECK(scene.run(type, 0, type == BdevIoType::Flush ? 0 : 1) == BdevStatus::Success);
    CHECK(scene.ssd->faults.held_commands == 0);
  }
  CHECK(scene.user->health().faults() == 0);
  CHECK(scene.user->bdev().drive_report()->resets == 0);
}

TEST_CASE("nvme: a drive that had no power has lost what was in its cache") {
  const auto lose = [](bool has_cache) {
    NvmeScene scene(1, {.has_cache = has_cache});
    CHECK(scene.run(BdevIoType::Write, 0, 1) == BdevStatus::Success);
    // A reset is none.
    scene.ssd->fail();
    CHECK(scene.run(BdevIoType::Flush, 0, 0) == BdevStatus::Success);
    scene.ssd->lose_power();
    const BdevStatus flush = scene.run(BdevIoType::Flush, 0, 0);
    CHECK(scene.run(BdevIoType::Read, 0, 1) == BdevStatus::Success);
    // The operator knows.
    CHECK(scene.recheck() == BdevStatus::Success);
    CHECK(scene.run(BdevIoType::Flush, 0, 0) == BdevStatus::Success);
    return flush;
  };
  CHECK(lose(true) == BdevStatus::Lost);
  CHECK(lose(false) == BdevStatus::Success);
}

TEST_CASE("nvme: `reset_timeout` is counted from the failure") {
  NvmeScene scene(6, {}, {.timeout_ns = 20 * kSecond, .reset_timeout_ns = 5 * kSecond});
  scene.ssd->faults.lost_completions = 1;
  TestIo read(BdevIoType::Read, 0, 1, {iovec{scene.at(0), kBlock}});
  scene.user->start(read, 0);
  scene.pass(19 * kSecond);
  scene.ssd->fail();
  scene.stalled = true;
  // Longer than it takes until somebody looks what has waited for too long.
  scene.pass(3 * kSecond);
  scene.stalled = false;
  CHECK(read.wait() == BdevStatus::Success);
}

TEST_CASE("nvme: a drive that fails again as soon as it has come up has not come back") {
  NvmeScene scene(8, {}, {.reset_timeout_ns = 4 * kSecond});
  const uint64_t end_ns = scene.machine.now_ns() + 60 * kSecond;
  TestIo read(BdevIoType::Read, 0, 1, {iovec{scene.at(0), kBlock}});
  scene.ssd->faults.lost_completions = 1'000;
  scene.user->start(read, 0);
  while (scene.machine.now_ns() < end_ns) {
    if (scene.ssd->ready() && scene.ssd->queue_count() == 2) scene.ssd->fail();
    scene.pass(5 * kMs);
  }
  CHECK(scene.ssd->resets() > 5);
  CHECK(scene.ssd->resets() < 60);
  CHECK(read.wait() == BdevStatus::Gone);
  scene.ssd->faults.lost_completions = 0;
  scene.pass(20 * kSecond);
  CHECK(scene.run(BdevIoType::Read, 0, 1) == BdevStatus::Success);
}

TEST_CASE("nvme: a drive that does not say now what a namespace is, is asked again") {
  NvmeScene scene;
  const auto fail = [&](uint32_t times) {
    scene.ssd->faults.identify_status = wire::GenericStatus::kInternalError;
    scene.ssd->faults.identify_failures = times;
  };
  SUBCASE("when it comes up") {
    for (const uint32_t times : {1u, 2u, 3u}) {
      fail(times);
      scene.ssd->fail();
      CHECK(scene.run(BdevIoType::Write, 0, 1) == BdevStatus::Success);
      CHECK(scene.ssd->faults.identify_failures == 0);
    }
  }
  SUBCASE("when it has changed") {
    scene.ssd->at(1).resize(NvmeScene::kBlocks + 8);
    fail(2);
    scene.ssd->changed(1);
    Bdev& bdev = scene.user->bdev();
    CHECK(scene.until([&] { return bdev.bytes_found() == (NvmeScene::kBlocks + 8) * kBlock; }));
  }
  SUBCASE("when it is opened") {
    scene.ssd->add_namespace(2, {});
    fail(1);
    const BdevResult refused = scene.make(2);
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().message == "0000:01:00.0: it does not say now what namespace 2 is");
    CHECK(scene.make(2).ok());
  }
  CHECK(scene.user->health().faults() == 0);
}

TEST_CASE("nvme: what a controller takes at once it is not given more of") {
  NvmeScene scene(1, {.wzsl = 1, .dmrsl = 10});
  const BdevFacts& facts = scene.user->facts();
  CHECK(facts.zero_blocks_max == 8192 / kBlock);
  CHECK(facts.unmap_blocks_max == 10);
  std::memset(scene.at(0), 5, 200 * kBlock);
  CHECK(scene.run(BdevIoType::Write, 0, 200) == BdevStatus::Success);
  CHECK(scene.run(BdevIoType::WriteZeroes, 0, 100) == BdevStatus::Success);
  CHECK(scene.run(BdevIoType::Unmap, 100, 55) == BdevStatus::Success);
  CHECK(scene.run(BdevIoType::Read, 0, 200) == BdevStatus::Success);
  CHECK(scene.at(154 * kBlock)[1] == std::byte{0});
  CHECK(scene.at(155 * kBlock)[1] == std::byte{5});
}

TEST_CASE("nvme: blocks that are more than the controller takes at once are refused") {
  NvmeScene scene(1, {.mdts = 1});
  scene.ssd->add_namespace(2, {.block_bytes = 16384, .block_count = 64});
  const BdevResult refused = scene.make(2);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().message ==
        "0000:01:00.0: namespace 2 has blocks of 16384 bytes, and the controller takes only 8192 "
        "bytes at once (MDTS)");
}

TEST_CASE("nvme: without memory that the drive reaches there is no bdev") {
  NvmeScene scene;
  scene.ssd->add_namespace(2, {});
  scene.ssd->memory().refuse_more();
  const BdevResult refused = scene.make(2);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().errnum == ENOMEM);
  CHECK(refused.error().message.find("the limit of locked memory is too low") != std::string::npos);
  CHECK(scene.run(BdevIoType::Read, 0, 1) == BdevStatus::Success);
}

TEST_CASE("nvme: many operations of several namespaces, while everything goes wrong") {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    CAPTURE(seed);
    NvmeScene scene(seed, {.has_shadows = seed % 2 == 0, .seed = seed},
                    {.queue_entries = 5, .timeout_ns = 2 * kSecond});
    const auto other = other_of(scene);
    TestBdevUser* const users[] = {scene.user.get(), other.get()};
    Prng prng(seed);
    scene.ssd->faults.shuffles = true;
    scene.ssd->faults.lingers = true;
    constexpr uint64_t kUsed = 16;
    // Of each namespace's blocks: what they may hold.
    std::vector<std::vector<std::byte>> may(2 * kUsed, {std::byte{0}});
    for (int round = 0; round < 60; ++round) {
      switch (prng.below(12)) {
        case 0: scene.ssd->fail(); break;
        case 1: scene.ssd->faults.lost_completions = 2; break;
        case 2: scene.ssd->faults.held_commands = 2; break;
        case 3: scene.ssd->faults.late_completions = 2; break;
        case 4:
          scene.ssd->faults.status = wire::GenericStatus::kCommandInterrupted;
          scene.ssd->faults.failures = 4;
          break;
        default: break;
      }
      std::deque<TestIo> ios;
      for (uint32_t place = 0; place < 2 * kUsed; ++place) {
        const bool writes = prng.chance(1, 2);
        std::byte* const at = scene.at(place * kBlock);
        std::memset(at, static_cast<int>(writes ? prng.between(1, 255) : 0), kBlock);
        ios.emplace_back(writes ? BdevIoType::Write : BdevIoType::Read, place % kUsed, 1,
                         std::vector<iovec>{{at, kBlock}});
        users[place / kUsed]->start(ios.back(), static_cast<uint32_t>(prng.below(2)));
      }
      for (uint32_t place = 0; place < 2 * kUsed; ++place) {
        TestIo& io = ios[place];
        const BdevStatus status = io.wait();
        const std::byte value = scene.at(place * kBlock)[0];
        if (io.io.type == BdevIoType::Write) {
          if (status == BdevStatus::Success) may[place].clear();
          may[place].push_back(value);
        } else if (status == BdevStatus::Success) {
          CHECK(std::ranges::find(may[place], value) != may[place].end());
          may[place] = {value};
        }
      }
    }
    CHECK(scene.user->health().faults() == 0);
  }
}

}  // namespace capsuled
