#include "bdev/nvme/nvme_bdev.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "base/prng.h"
#include "bdev/nvme/test_nvme.h"
#include "wire/identify.h"

namespace capsuled {
namespace {

constexpr uint32_t kBlock = NvmeScene::kBlock;
constexpr uint64_t kSecond = NvmeScene::kSecond;

TEST_CASE("nvme: is what the namespace says it is") {
  NvmeScene scene;
  const BdevFacts& facts = scene.user->facts();
  CHECK(facts.block_size == kBlock);
  CHECK(facts.block_count == NvmeScene::kBlocks);
  CHECK(facts.transfer_bytes_max == 128 * 1024);
  CHECK(facts.can_unmap);
  CHECK(facts.can_write_zeroes);
  CHECK(facts.can_compare);
  CHECK(facts.volatile_cache);
}

TEST_CASE("nvme: every operation, and what the device lacks is made up for") {
  for (const bool able : {true, false}) {
    CAPTURE(able);
    nvme::testing::SoftwareControllerOptions options;
    if (!able) options.oncs = 0;
    NvmeScene scene(1, options);
    std::memset(scene.at(0), 7, 400 * kBlock);
    CHECK(scene.run(BdevIoType::Write, 10, 400) == BdevStatus::Success);
    std::memset(scene.at(0), 0, 400 * kBlock);
    CHECK(scene.run(BdevIoType::Read, 10, 400, 1) == BdevStatus::Success);
    CHECK(scene.at(0)[400 * kBlock - 1] == std::byte{7});
    CHECK(scene.run(BdevIoType::Flush, 0, 0) == BdevStatus::Success);
    CHECK(scene.run(BdevIoType::Compare, 10, 300) == BdevStatus::Success);
    scene.at(kBlock)[5] = std::byte{8};
    CHECK(scene.run(BdevIoType::Compare, 10, 300) == BdevStatus::Miscompare);
    CHECK(scene.run(BdevIoType::WriteZeroes, 20, 100) == BdevStatus::Success);
    CHECK(scene.run(BdevIoType::Read, 10, 20) == BdevStatus::Success);
    CHECK(scene.at(9 * kBlock)[0] == std::byte{7});
    CHECK(scene.at(10 * kBlock)[0] == std::byte{0});
    CHECK(scene.run(BdevIoType::Unmap, 10, 5) ==
          (able ? BdevStatus::Success : BdevStatus::Unsupported));
    CHECK(scene.run(BdevIoType::Read, 10, 1) == BdevStatus::Success);
    CHECK(scene.at(0)[0] == (able ? std::byte{0} : std::byte{7}));
    CHECK(scene.user->bdev().drive_report()->bounce_copies == 0);
  }
}

TEST_CASE("nvme: what the device says of a command is what its user hears") {
  NvmeScene scene;
  const auto with = [&](wire::Status status) {
    scene.ssd->faults.status = status;
    scene.ssd->faults.failures = 1;
    return scene.run(BdevIoType::Read, 0, 1);
  };
  CHECK(with(wire::MediaStatus::kUnrecoveredReadError) == BdevStatus::MediaError);
  CHECK(with(wire::Status(wire::GenericStatus::kNamespaceNotReady).do_not_retry()) ==
        BdevStatus::Gone);
  CHECK(with(wire::GenericStatus::kNamespaceWriteProtected) == BdevStatus::ReadOnly);
  CHECK(with(wire::GenericStatus::kInternalError) == BdevStatus::Failed);
  CHECK(scene.run(BdevIoType::Read, 0, 1) == BdevStatus::Success);
}

TEST_CASE("nvme: more than its queue holds waits, and a controller that is reset is waited for") {
  NvmeScene scene(3, {}, {.queue_entries = 5});
  scene.stalled = true;
  std::deque<TestIo> ios;
  for (uint32_t index = 0; index < 20; ++index) {
    ios.emplace_back(BdevIoType::Write, index, 1,
                     std::vector<iovec>{{scene.at(index * kBlock), kBlock}});
    std::memset(scene.at(index * kBlock), static_cast<int>(index + 1), kBlock);
    scene.user->start(ios.back(), index % 2);
  }
  scene.ssd->fail();
  scene.stalled = false;
  for (TestIo& io : ios) CHECK(io.wait() == BdevStatus::Success);
  CHECK(scene.ssd->resets() == 1);
  CHECK(scene.run(BdevIoType::Read, 0, 20) == BdevStatus::Success);
  for (uint32_t index = 0; index < 20; ++index) {
    CHECK(scene.at(index * kBlock)[9] == std::byte(index + 1));
  }
}

TEST_CASE("nvme: a write is not repeated when a later one of its blocks was reported") {
  NvmeScene scene(5);
  // The first write is carried out, and its completion is lost.
  scene.ssd->faults.lost_completions = 1;
  std::memset(scene.at(0), 1, kBlock);
  TestIo lost(BdevIoType::Write, 100, 1, {iovec{scene.at(0), kBlock}});
  scene.user->start(lost, 0);
  scene.pass(kSecond);
  std::memset(scene.at(kBlock), 2, kBlock);
  TestIo later(BdevIoType::Write, 100, 1, {iovec{scene.at(kBlock), kBlock}});
  CHECK(scene.user->run(later, 1) == BdevStatus::Success);
  // Another one, elsewhere, may be repeated.
  scene.ssd->faults.lost_completions = 1;
  TestIo other(BdevIoType::Write, 1500, 1, {iovec{scene.at(0), kBlock}});
  scene.user->start(other, 0);
  scene.pass(kSecond);
  scene.ssd->fail();
  CHECK(lost.wait() == BdevStatus::Failed);
  CHECK(other.wait() == BdevStatus::Success);
  CHECK(scene.run(BdevIoType::Read, 100, 1) == BdevStatus::Success);
  CHECK(scene.at(0)[0] == std::byte{2});
}

TEST_CASE(
    "nvme: one that does not come back fails what waits, in time, and comes back for others") {
  NvmeScene scene(7, {}, {.reset_timeout_ns = 10 * kSecond});
  scene.ssd->faults.lost_completions = 1;
  TestIo waiting(BdevIoType::Read, 0, 1, {iovec{scene.at(0), kBlock}});
  scene.user->start(waiting, 1);
  scene.ssd->fail();
  scene.stalled = true;
  const uint64_t before_ns = scene.machine.now_ns();
  CHECK(waiting.wait() == BdevStatus::Gone);
  CHECK(scene.machine.now_ns() - before_ns >= 9 * kSecond);
  CHECK(scene.machine.now_ns() - before_ns <= 20 * kSecond);
  scene.pass(15 * kSecond);
  CHECK(scene.run(BdevIoType::Read, 0, 1) == BdevStatus::Gone);
  scene.stalled = false;
  scene.pass(20 * kSecond);
  CHECK(scene.run(BdevIoType::Read, 0, 1) == BdevStatus::Success);
}

TEST_CASE("nvme: namespaces of one controller are bdevs that share it") {
  NvmeScene scene;
  scene.ssd->add_namespace(7, {.block_bytes = 4096, .block_count = 64});
  BdevResult other = scene.make(7);
  REQUIRE(other.ok());
  CHECK(other.value()->facts().block_size == 4096);
  CHECK(scene.opened == 1);
  const auto refusal = [](const BdevResult& result) {
    REQUIRE_FALSE(result.ok());
    return result.error().field + ": " + result.error().message;
  };
  CHECK(refusal(scene.make(7)) == "nsid: 0000:01:00.0: namespace 7 of it is open as another bdev");
  CHECK(refusal(scene.make(3)) == "nsid: 0000:01:00.0: there is no namespace 3");
  CHECK(
      refusal(scene.make(1, {.queue_entries = 5})) ==
      "queue_entries: expected the same `queue_entries` as the bdevs of 0000:01:00.0 that are open "
      "have (129), which share its controller; to change it, remove them all and reload, then add "
      "them again");
  scene.ssd->add_namespace(8, {.block_bytes = 512, .metadata_bytes = 8});
  CHECK(refusal(scene.make(8)) ==
        "nsid: 0000:01:00.0: namespace 8 has blocks of 512 bytes with 8 bytes of metadata; "
        "expected 512 to 65536 bytes without metadata, and it has no such format");
  // With the first bdev the controller stays, for the other.
  scene.user.reset();
  CHECK(scene.ssd->ready());
  CHECK(scene.ssd->shutdowns() == 0);
}

TEST_CASE("nvme: what the namespace calls itself is what its content is known by") {
  nvme::testing::SoftwareNamespaceOptions is;
  for (uint8_t index = 0; index < 16; ++index) is.nguid[index] = index;
  NvmeScene scene;
  scene.ssd->add_namespace(2, is);
  const auto names_of = [](BdevResult& bdev) {
    const auto& names = bdev.value()->facts().content->names;
    return std::map<std::string, std::string>(names.begin(), names.end());
  };
  BdevResult named = scene.make(2);
  REQUIRE(named.ok());
  CHECK(names_of(named)["nguid"] == "00010203-0405-0607-0809-0a0b0c0d0e0f");
  CHECK(names_of(named)["wwid"] == "eui.000102030405060708090a0b0c0d0e0f");
  scene.ssd->add_namespace(10, {});
  BdevResult nameless = scene.make(10);
  REQUIRE(nameless.ok());
  CHECK(names_of(nameless)["wwid"].ends_with("-0000000a"));
  CHECK(names_of(nameless)["serial"] == "software0");
}

TEST_CASE(
    "nvme: a namespace that grows is found to be larger, and one that shrinks has lost data") {
  NvmeScene scene;
  Bdev& bdev = scene.user->bdev();
  CHECK(bdev.bytes_found() == NvmeScene::kBlocks * kBlock);
  scene.ssd->at(1).resize(NvmeScene::kBlocks + 8);
  scene.ssd->changed(1);
  CHECK(scene.until([&] { return bdev.bytes_found() == (NvmeScene::kBlocks + 8) * kBlock; }));
  CHECK(scene.run(BdevIoType::Read, 0, 1) == BdevStatus::Success);
  scene.ssd->at(1).resize(100);
  scene.ssd->changed(1);
  CHECK(scene.until([&] { return bdev.health().faults() == kLostData; }));
  CHECK(scene.run(BdevIoType::Read, 0, 1) == BdevStatus::Lost);
  CHECK(scene.recheck() == BdevStatus::Lost);
  scene.ssd->at(1).resize(NvmeScene::kBlocks);
  scene.ssd->changed(1);
  scene.pass(kSecond);
  CHECK(scene.run(BdevIoType::Read, 0, 1) == BdevStatus::Lost);
  CHECK(scene.recheck() == BdevStatus::Success);
  CHECK(scene.run(BdevIoType::Read, 0, 1) == BdevStatus::Success);
}

TEST_CASE("nvme: nothing is read or written where another disk has taken the place") {
  NvmeScene scene;
  scene.stalled = true;
  std::memset(scene.at(0), 9, kBlock);
  TestIo write(BdevIoType::Write, 0, 1, {iovec{scene.at(0), kBlock}});
  scene.user->start(write, 1);
  scene.ssd->remove_namespace(1);
  nvme::testing::SoftwareNamespaceOptions other{.block_bytes = kBlock,
                                                .block_count = NvmeScene::kBlocks};
  other.nguid[3] = 1;
  scene.ssd->add_namespace(1, other);
  scene.ssd->fail();
  scene.stalled = false;
  CHECK(write.wait() == BdevStatus::Gone);
  CHECK(scene.user->health().faults() == kGone);
  CHECK(scene.run(BdevIoType::Read, 0, 1) == BdevStatus::Gone);
  CHECK(scene.recheck() == BdevStatus::Gone);
  CHECK(scene.ssd->at(1).blocks(0, 1)[0] == std::byte{0});
}

TEST_CASE("nvme: identifiers that a controller makes up neither name its disk nor tell it apart") {
  nvme::testing::SoftwareControllerOptions maxio;
  maxio.vendor_id = 0x1e4b;
  maxio.device_id = 0x1202;
  NvmeScene scene(1, maxio);
  const auto& names = scene.user->facts().content->names;
  CHECK(std::ranges::find(names, "nguid", &std::pair<std::string, std::string>::first) ==
        names.end());
  nvme::testing::SoftwareNamespaceOptions other{.block_bytes = kBlock,
                                                .block_count = NvmeScene::kBlocks};
  other.nguid[3] = 1;
  scene.ssd->remove_namespace(1);
  scene.ssd->add_namespace(1, other);
  scene.ssd->fail();
  CHECK(scene.run(BdevIoType::Read, 0, 1) == BdevStatus::Success);
  CHECK(scene.ssd->resets() == 1);
  CHECK(scene.user->health().faults() == 0);
  // One of another format is another disk all the same.
  scene.ssd->remove_namespace(1);
  scene.ssd->add_namespace(1, {.block_bytes = 4096, .block_count = NvmeScene::kBlocks});
  scene.ssd->fail();
  CHECK(scene.run(BdevIoType::Read, 0, 1) == BdevStatus::Gone);
}

TEST_CASE("nvme: a controller whose Write Zeroes is known to be broken is not given any") {
  nvme::testing::SoftwareControllerOptions kingston;
  kingston.vendor_id = 0x2646;
  kingston.device_id = 0x501e;
  NvmeScene scene(1, kingston);
  CHECK_FALSE(scene.user->facts().can_write_zeroes);
  std::memset(scene.at(0), 7, 8 * kBlock);
  CHECK(scene.run(BdevIoType::Write, 0, 8) == BdevStatus::Success);
  CHECK(scene.run(BdevIoType::WriteZeroes, 0, 8) == BdevStatus::Success);
  CHECK(scene.run(BdevIoType::Read, 0, 8) == BdevStatus::Success);
  CHECK(scene.at(0)[8 * kBlock - 1] == std::byte{0});
}

TEST_CASE("nvme: a device that the machine wants back goes down with notice, and is let go") {
  NvmeScene scene;
  scene.stalled = true;
  TestIo read(BdevIoType::Read, 0, 1, {iovec{scene.at(0), kBlock}});
  scene.user->start(read, 1);
  scene.ssd->ask_back();
  scene.stalled = false;
  scene.pass(kSecond);
  read.wait();
  CHECK(scene.ssd->shutdowns() == 1);
  CHECK(scene.user->health().faults() == kGone);
  CHECK(scene.run(BdevIoType::Write, 0, 1) == BdevStatus::Gone);
  scene.user.reset();
  CHECK(scene.let_go == 1);
}

TEST_CASE("nvme: a device that was pulled out is waited for, then let go") {
  NvmeScene scene(9, {}, {.reset_timeout_ns = 10 * kSecond});
  TestIo read(BdevIoType::Read, 0, 1, {iovec{scene.at(0), kBlock}});
  scene.ssd->pull();
  scene.user->start(read, 1);
  CHECK(read.wait() == BdevStatus::Gone);
  CHECK(scene.until([&] { return scene.user->health().faults() == kGone; }));
}

TEST_CASE("nvme: a controller that somebody else has reset is brought up again") {
  NvmeScene scene;
  TestIo read(BdevIoType::Read, 0, 1, {iovec{scene.at(0), kBlock}});
  nvme::Registers(scene.ssd->registers(), scene.ssd->register_bytes())
      .set32(wire::Property::kCc, 0);
  scene.user->start(read, 1);
  // Before it goes out, or when it is up again.
  CHECK(read.wait() == BdevStatus::Success);
  CHECK(scene.until([&] { return scene.user->bdev().drive_report()->resets == 1; }));
  CHECK(scene.run(BdevIoType::Read, 0, 1) == BdevStatus::Success);
}

TEST_CASE("nvme: a controller with shadow doorbells is rung only when it does not look by itself") {
  NvmeScene scene(2, {.has_shadows = true});
  scene.ssd->faults.shuffles = true;
  uint32_t moves = 0;
  for (uint32_t round = 0; round < 100; ++round) {
    std::deque<TestIo> ios;
    for (uint32_t index = 0; index < 8; ++index) {
      ios.emplace_back(BdevIoType::Write, index, 1,
                       std::vector<iovec>{{scene.at(index * kBlock), kBlock}});
      scene.user->start(ios.back(), index % 2);
      ++moves;
    }
    for (TestIo& io : ios) CHECK(io.wait() == BdevStatus::Success);
  }
  CHECK(scene.ssd->rings() > 0);
  CHECK(scene.ssd->rings() < moves);
  CHECK(scene.ssd->invalid_doorbells() == 0);
  CHECK(scene.user->bdev().drive_report()->resets == 0);
}

TEST_CASE("nvme: what fails is reported, and a Flush that failed is not forgotten") {
  NvmeScene scene;
  BdevHealth& health = scene.user->health();
  const auto with = [&](wire::Status status, BdevIoType type) {
    scene.ssd->faults.status = status;
    scene.ssd->faults.failures = 1;
    return type == BdevIoType::Flush ? scene.run(type, 0, 0) : scene.run(type, 3, 1);
  };
  CHECK(with(wire::MediaStatus::kUnrecoveredReadError, BdevIoType::Read) == BdevStatus::MediaError);
  CHECK(health.failure_count() == 1);
  CHECK(health.last_failure().errnum == EIO);
  CHECK(health.last_failure().offset_bytes == 3 * kBlock);
  CHECK(with(wire::GenericStatus::kNamespaceWriteProtected, BdevIoType::Write) ==
        BdevStatus::ReadOnly);
  CHECK(health.faults() == kWriteProtected);
  CHECK(scene.run(BdevIoType::Write, 0, 1) == BdevStatus::Success);
  CHECK(health.faults() == 0);
  CHECK(with(wire::GenericStatus::kInternalError, BdevIoType::Flush) == BdevStatus::Failed);
  CHECK(scene.run(BdevIoType::Flush, 0, 0) == BdevStatus::Lost);
  CHECK(scene.run(BdevIoType::Write, 0, 1) == BdevStatus::Success);
  CHECK(scene.recheck() == BdevStatus::Success);
  CHECK(scene.run(BdevIoType::Flush, 0, 0) == BdevStatus::Success);
}

TEST_CASE("nvme: what the drive says of its health, and what is counted of it") {
  NvmeScene scene;
  Bdev& bdev = scene.user->bdev();
  CHECK(scene.until([&] { return bdev.drive_report()->health.has_value(); }));
  CHECK(bdev.drive_report()->health->composite_temperature == 310);
  CHECK(bdev.drive_report()->health->percentage_used == 3);
  CHECK(bdev.drive_report()->bounce_copies == 0);
  scene.ssd->fail();
  CHECK(scene.run(BdevIoType::Read, 0, 1) == BdevStatus::Success);
  CHECK(bdev.drive_report()->resets == 1);
  // Memory that nobody has registered.
  std::vector<std::byte> elsewhere(kBlock);
  TestIo read(BdevIoType::Read, 0, 1, {iovec{elsewhere.data(), kBlock}});
  CHECK(scene.user->run(read, 0) == BdevStatus::Success);
  CHECK(bdev.drive_report()->bounce_copies == 1);
}

TEST_CASE("nvme: a controller with fewer queues than there are reactors is refused") {
  NvmeScene scene(1, {.io_queues_max = 1}, {}, NvmeScene::Open::Never);
  const BdevResult refused = scene.make();
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().message ==
        "0000:01:00.0: it has 1 I/O queues, and each of 2 reactors needs one; lower "
        "engine.reactors");
}

TEST_CASE("nvme: nothing is lost and nothing is wrong, whatever goes wrong") {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    CAPTURE(seed);
    const bool shadows = seed % 2 == 0;
    NvmeScene scene(seed, {.has_shadows = shadows, .seed = seed},
                    {.queue_entries = 9, .timeout_ns = 2 * kSecond});
    Prng prng(seed);
    scene.ssd->faults.shuffles = true;
    scene.ssd->faults.lingers = true;
    constexpr uint64_t kUsed = 64;
    // By block: what it may hold.
    std::vector<std::vector<std::byte>> may(kUsed, {std::byte{0}});
    for (int round = 0; round < 300; ++round) {
      switch (prng.below(20)) {
        case 0: scene.ssd->fail(); break;
        case 1: scene.ssd->faults.lost_completions = 1; break;
        case 2: scene.ssd->faults.late_duplicates = 1; break;
        case 3: scene.ssd->faults.wrong_cids = 1; break;
        case 4: scene.ssd->faults.held_commands = 1; break;
        case 5: scene.ssd->faults.late_completions = 1; break;
        default: break;
      }
      const uint64_t block = prng.below(kUsed);
      const auto reactor = static_cast<uint32_t>(prng.below(2));
      const std::byte value = std::byte(prng.between(1, 255));
      if (prng.chance(1, 2)) {
        std::memset(scene.at(0), static_cast<int>(value), kBlock);
        const BdevStatus status = scene.run(BdevIoType::Write, block, 1, reactor);
        if (status == BdevStatus::Success) may[block].clear();
        may[block].push_back(value);
      } else if (scene.run(BdevIoType::Read, block, 1, reactor) == BdevStatus::Success) {
        CHECK(std::ranges::find(may[block], scene.at(0)[0]) != may[block].end());
        CHECK(std::memcmp(scene.at(0), scene.at(1), kBlock - 1) == 0);
        may[block] = {scene.at(0)[0]};
      }
    }
  }
}

}  // namespace
}  // namespace capsuled
