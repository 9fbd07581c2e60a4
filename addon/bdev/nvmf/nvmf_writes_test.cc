// Writes of a remote namespace that may have been carried out on a path that was lost.
#include <doctest/doctest.h>

#include <cstring>
#include <vector>

#include "bdev/nvme/reported_writes.h"
#include "bdev/nvmf/test_nvmf.h"

namespace capsuled {
namespace {

constexpr uint32_t kBlock = NvmfScene::kBlock;
constexpr uint64_t kMs = NvmfScene::kMs;
constexpr uint64_t kSecond = NvmfScene::kSecond;

}  // namespace

TEST_CASE("nvmf: a write is not repeated when a later one of its blocks was reported") {
  NvmfScene scene(2, 5);
  // The first write is carried out, and nobody hears of it.
  scene.remote->faults.lost_answers = 1;
  std::memset(scene.at(0), 1, kBlock);
  TestIo lost(BdevIoType::Write, 100, 1, {iovec{scene.at(0), kBlock}});
  scene.user->start(lost, 0);
  scene.pass(kSecond);
  std::memset(scene.at(kBlock), 2, kBlock);
  TestIo later(BdevIoType::Write, 100, 1, {iovec{scene.at(kBlock), kBlock}});
  CHECK(scene.user->run(later, 1) == BdevStatus::Success);
  // Another one, elsewhere, may be repeated.
  scene.remote->faults.lost_answers = 1;
  TestIo other(BdevIoType::Write, 1500, 1, {iovec{scene.at(0), kBlock}});
  scene.user->start(other, 0);
  scene.pass(kSecond);
  scene.remote->kill(0);
  CHECK(lost.wait() == BdevStatus::Failed);
  CHECK(other.wait() == BdevStatus::Success);
  CHECK(scene.value(100) == 2);
}

namespace {

/// Writes of blocks behind the first thousand, one after the other from inside their completions,
/// `at_once` at a time on reactor 0, until so many have ended.
struct WriteStream {
  struct One : BdevIo {
    WriteStream* stream = nullptr;
    iovec place{};
  };
  WriteStream(NvmfScene& its_scene, uint32_t count, uint32_t at_once)
      : scene(its_scene), to_start(count), ios(at_once) {
    scene.reactors.run(0, [this](Reactor&) {
      for (One& io : ios) {
        io.stream = this;
        io.place = {scene.at(kBlock), kBlock};
        io.iov = &io.place;
        io.iov_count = 1;
        io.type = BdevIoType::Write;
        io.offset_blocks = 1000 + static_cast<uint64_t>(&io - ios.data());
        io.count_blocks = 1;
        io.complete = [](BdevIo& done) {
          auto& one = static_cast<One&>(done);
          CHECK(one.status == BdevStatus::Success);
          one.stream->next(one);
        };
        next(io);
      }
    });
    CHECK(scene.until([this] { return idle == ios.size(); }));
  }
  void next(One& io) {
    if (to_start == 0) {
      ++idle;
    } else {
      --to_start;
      scene.user->channel(0).submit(io);
    }
  }
  NvmfScene& scene;
  uint32_t to_start;
  size_t idle = 0;
  std::vector<One> ios;
};

}  // namespace

TEST_CASE("nvmf: a write is not repeated when it is not known what was reported meanwhile") {
  bool known = true;
  SUBCASE("it is known") {}
  SUBCASE("there were more than the table has places for") { known = false; }
  NvmfScene scene(2, 1, {.queue_entries = 513}, {.commands_max = 1024, .queue_entries = 1024});
  scene.remote->faults.takes = {5'000, 6'000, 0, 0};
  scene.remote->faults.lost_answers = 1;
  std::memset(scene.at(0), 1, kBlock);
  TestIo lost(BdevIoType::Write, 100, 1, {iovec{scene.at(0), kBlock}});
  scene.user->start(lost, 0);
  scene.pass(kMs);
  const uint64_t before_ns = scene.machine.now_ns();
  WriteStream(scene, known ? 1'000 : ReportedWrites::kPlaces + 1'000, 512);
  // Sooner than the channel looks back by itself.
  REQUIRE(scene.machine.now_ns() - before_ns < 200 * kMs);
  scene.remote->kill(0);
  CHECK(lost.wait() == (known ? BdevStatus::Success : BdevStatus::Failed));
}

TEST_CASE("nvmf: a write that was repeated fails if a later one was reported meanwhile") {
  NvmfScene scene(2, 1, {.policy = PathPolicy::RoundRobin});
  std::memset(scene.at(0), 1, kBlock);
  std::memset(scene.at(kBlock), 2, kBlock);
  TestIo first(BdevIoType::Write, 100, 1, {iovec{scene.at(0), kBlock}});
  TestIo later(BdevIoType::Write, 100, 1, {iovec{scene.at(kBlock), kBlock}});
  scene.remote->faults.lost_answers = 1;
  scene.user->start(first);
  scene.pass(10 * kMs);
  REQUIRE(scene.remote->io_commands(0) == 1);
  // The later one is not reported yet when the path of the first is lost.
  scene.remote->faults.held_commands = 2;
  scene.user->start(later);
  scene.pass(10 * kMs);
  REQUIRE(scene.remote->io_commands(1) == 1);
  scene.remote->kill(0);
  CHECK(scene.until([&] { return scene.remote->held_count() == 2; }));
  scene.remote->release(1);
  CHECK(later.wait() == BdevStatus::Success);
  scene.remote->release();
  CHECK(first.wait() == BdevStatus::Failed);
}

TEST_CASE("nvmf: what a controller may still carry out is waited for, if it says so") {
  NvmfScene scene(2, 1, {}, {.quiesce_ms = 500});
  scene.remote->faults.held_commands = 2;
  std::memset(scene.at(kBlock), 1, kBlock);
  TestIo write(BdevIoType::Write, 1, 1, {iovec{scene.at(kBlock), kBlock}});
  TestIo read(BdevIoType::Read, 2, 1, {iovec{scene.at(2 * kBlock), kBlock}});
  scene.user->start(write);
  scene.user->start(read);
  scene.pass(10 * kMs);
  const uint64_t before_ns = scene.machine.now_ns();
  scene.remote->kill(0);
  CHECK(read.wait() == BdevStatus::Success);
  CHECK(scene.write(3, 3) == BdevStatus::Success);
  CHECK(scene.machine.now_ns() - before_ns < 100 * kMs);
  CHECK(write.wait() == BdevStatus::Success);
  CHECK(scene.machine.now_ns() - before_ns >= 500 * kMs);
  CHECK(scene.value(1) == 1);
}

TEST_CASE("nvmf: a controller that may not know of its loss is waited for until it must") {
  for (const bool by_traffic : {false, true}) {
    CAPTURE(by_traffic);
    NvmfScene scene(2, 1, {.keep_alive_ns = 2 * kSecond, .timeout_ns = kSecond},
                    {.quiesce_ms = 500, .alive_by_traffic = by_traffic});
    scene.remote->faults.held_commands = 1;
    std::memset(scene.at(kBlock), 1, kBlock);
    TestIo write(BdevIoType::Write, 1, 1, {iovec{scene.at(kBlock), kBlock}});
    scene.user->start(write);
    scene.pass(10 * kMs);
    const uint64_t before_ns = scene.machine.now_ns();
    scene.remote->part(0);
    CHECK(scene.until_paths("reconnecting, live optimized"));
    CHECK(scene.write(3, 3) == BdevStatus::Success);
    CHECK(scene.machine.now_ns() - before_ns < 2 * kSecond);
    CHECK(write.wait() == BdevStatus::Success);
    const uint64_t times = by_traffic ? 3 : 2;
    CHECK(scene.machine.now_ns() - before_ns >= times * 2 * kSecond + 500 * kMs);
    CHECK(scene.value(1) == 1);
  }
}

TEST_CASE("nvmf: a path that is lost later does not hold longer what is held") {
  NvmfScene scene(2, 1, {}, {.quiesce_ms = 500});
  // Long enough live to be connected again at once.
  scene.pass(3 * kSecond);
  scene.remote->faults.held_commands = 1;
  TestIo first(BdevIoType::Write, 1, 1, {iovec{scene.at(0), kBlock}});
  scene.user->start(first);
  scene.pass(10 * kMs);
  const uint64_t before_ns = scene.machine.now_ns();
  scene.remote->kill(0);
  scene.pass(300 * kMs);
  scene.remote->faults.held_commands = 1;
  TestIo second(BdevIoType::Write, 2, 1, {iovec{scene.at(kBlock), kBlock}});
  scene.user->start(second);
  scene.pass(10 * kMs);
  scene.remote->cut_one(1);
  CHECK(first.wait() == BdevStatus::Success);
  CHECK(scene.machine.now_ns() - before_ns < 700 * kMs);
  CHECK(second.wait() == BdevStatus::Success);
  CHECK(scene.machine.now_ns() - before_ns >= 800 * kMs);
}

}  // namespace capsuled
