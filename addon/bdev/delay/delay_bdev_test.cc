#include "bdev/delay/delay_bdev.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <deque>
#include <vector>

#include "bdev/test_sim_stack.h"

namespace capsuled {
namespace {

constexpr uint64_t kBlocks = 256;
constexpr uint64_t kMs = 1'000'000;
/// What the simulated machine itself takes for an operation, at most.
constexpr uint64_t kMachineNs = 200'000;

bool is_about(uint64_t ns, uint64_t wanted_ns) {
  return ns >= wanted_ns && ns <= wanted_ns + kMachineNs;
}

BdevSection times(uint64_t average, uint64_t jitter, uint64_t p99) {
  return {{"average", average}, {"jitter", jitter}, {"p99", p99}};
}

}  // namespace

TEST_CASE("delay: each operation takes longer by the time of its type, and those without none") {
  TestSimStack scene(test_facts(kBlocks));
  scene.add("delay", {{"read", 5 * kMs}, {"write", times(20 * kMs, 0, 0)}, {"unmap", 1 * kMs}});
  CHECK(is_about(scene.time(BdevIoType::Read, 3, 4), 5 * kMs));
  CHECK(is_about(scene.time(BdevIoType::Write, 3, 4), 20 * kMs));
  CHECK(is_about(scene.time(BdevIoType::Unmap, 3, 4), 1 * kMs));
  CHECK(is_about(scene.time(BdevIoType::WriteZeroes, 3, 4), 0));
  TestIo flush(BdevIoType::Flush, 0, 0);
  CHECK(is_about(scene.time(flush), 0));
}

TEST_CASE("delay: operations that wait together end each at its time, and the base has them all") {
  TestSimStack scene(test_facts(kBlocks));
  scene.add("delay", {{"read", times(50 * kMs, 40 * kMs, 500 * kMs)}, {"seed", uint64_t{7}}});
  constexpr size_t kCount = 300;
  std::vector<std::byte> data(kCount * 512);
  std::deque<TestIo> ios;
  std::vector<uint64_t> ends;
  const uint64_t began_ns = scene.machine.now_ns();
  for (size_t index = 0; index < kCount; ++index) {
    ios.emplace_back(BdevIoType::Read, index % kBlocks, 1,
                     std::vector<iovec>{{data.data() + index * 512, 512}});
    ios.back().on_complete = [&] { ends.push_back(scene.machine.now_ns() - began_ns); };
    scene.stack.start(ios.back());
  }
  CHECK(scene.base.submissions.size() == kCount);
  for (TestIo& io : ios) CHECK(io.wait() == BdevStatus::Success);
  const auto slow = static_cast<size_t>(
      std::ranges::count_if(ends, [](uint64_t end) { return end >= 500 * kMs; }));
  CHECK(slow > 0);
  CHECK(slow < kCount / 20);
  // All the others: within the jitter around the average, and all over it.
  const auto between = [&](uint64_t low, uint64_t high) {
    return std::ranges::count_if(ends, [&](uint64_t end) { return end >= low && end < high; });
  };
  CHECK(between(0, 10 * kMs) == 0);
  CHECK(between(10 * kMs, 50 * kMs) > static_cast<long>(kCount / 4));
  CHECK(between(50 * kMs, 100 * kMs) > static_cast<long>(kCount / 4));
  CHECK(between(100 * kMs, 500 * kMs) == 0);
}

TEST_CASE("delay: one seed gives one run") {
  const auto run = [](uint64_t seed) {
    TestSimStack scene(test_facts(kBlocks));
    scene.add("delay", {{"read", times(5 * kMs, 5 * kMs, 0)}, {"seed", seed}});
    std::vector<uint64_t> took;
    for (int round = 0; round < 10; ++round) took.push_back(scene.time(BdevIoType::Read, 0, 1));
    return took;
  };
  CHECK(run(1) == run(1));
  CHECK(run(1) != run(2));
}

TEST_CASE("delay: times can be changed, for what comes then, and a wrong one changes nothing") {
  TestSimStack scene(test_facts(kBlocks));
  scene.add("delay", {});
  CHECK(is_about(scene.time(BdevIoType::Read, 0, 1), 0));
  CHECK(!scene.change({{"read", 3 * kMs}}).has_value());
  CHECK(is_about(scene.time(BdevIoType::Read, 0, 1), 3 * kMs));
  const auto error = scene.change({{"read", times(1 * kMs, 2 * kMs, 0)}});
  REQUIRE(error.has_value());
  CHECK(error->field == "read.jitter");
  CHECK(error->message ==
        "expected at most the average (1000000 ns) for `read.jitter`, got 2000000 ns");
  CHECK(is_about(scene.time(BdevIoType::Read, 0, 1), 3 * kMs));
}

TEST_CASE("delay: an error of the base comes late, too, and as it was") {
  TestSimStack scene(test_facts(kBlocks));
  scene.add("delay", {{"write", 3 * kMs}});
  scene.base.fault = [](const BdevIo&) { return BdevStatus::NoSpace; };
  std::vector<std::byte> data(512);
  const uint64_t before_ns = scene.machine.now_ns();
  CHECK(scene.stack.run(BdevIoType::Write, 0, data) == BdevStatus::NoSpace);
  CHECK(scene.machine.now_ns() - before_ns >= 3 * kMs);
}

TEST_CASE("delay: what is cancelled ends at once, from any place among those that wait") {
  TestSimStack scene(test_facts(kBlocks));
  scene.add("delay", {{"read", times(500 * kMs, 400 * kMs, 0)}});
  constexpr size_t kCount = 20;
  std::vector<std::byte> data(kCount * 512);
  std::deque<TestIo> ios;
  for (size_t index = 0; index < kCount; ++index) {
    ios.emplace_back(BdevIoType::Read, index, 1,
                     std::vector<iovec>{{data.data() + index * 512, 512}});
    scene.stack.start(ios.back());
  }
  const uint64_t before_ns = scene.machine.now_ns();
  CoreChannel& channel = scene.stack.channel();
  for (size_t index = 0; index < kCount; index += 2) {
    scene.stack.reactors().run(0, [&](Reactor&) { channel.cancel(ios[index].io); });
    CHECK(ios[index].wait() == BdevStatus::Success);
  }
  CHECK(scene.machine.now_ns() - before_ns < 50 * kMs);
  for (size_t index = 1; index < kCount; index += 2) {
    CHECK(ios[index].wait() == BdevStatus::Success);
  }
  CHECK(scene.machine.now_ns() - before_ns > 100 * kMs);
}

TEST_CASE("delay: a bdev that is to go keeps nothing, nor what comes then") {
  TestSimStack scene(test_facts(kBlocks));
  scene.add("delay", {{"read", 3'600'000 * kMs}});
  std::vector<std::byte> data(512);
  TestIo io(BdevIoType::Read, 0, 1, {iovec{data.data(), data.size()}});
  scene.stack.start(io);
  scene.let_go();
  CHECK(io.wait() == BdevStatus::Success);
  CHECK(is_about(scene.time(BdevIoType::Read, 0, 1), 0));
}

TEST_CASE("delay: a channel says since when its oldest operation waits") {
  TestSimStack scene(test_facts(kBlocks));
  scene.add("delay", {{"read", 20'000 * kMs}});
  std::vector<std::byte> data(512);
  TestIo io(BdevIoType::Read, 0, 1, {iovec{data.data(), data.size()}});
  scene.stack.start(io);
  CHECK(!scene.stack.channel().hangs());
  scene.pass(8'000 * kMs);
  CHECK(scene.stack.channel().hangs());
  CHECK(io.wait() == BdevStatus::Success);
  CHECK(!scene.stack.channel().hangs());
}

TEST_CASE("delay: a key that is wrong is named") {
  TestSimStack scene(test_facts(kBlocks));
  const auto field = [&](BdevSection values) {
    const BdevResult made = scene.make("delay", std::move(values));
    REQUIRE(!made.ok());
    return made.error().field;
  };
  CHECK(field({{"read", "fast"}}) == "read");
  CHECK(field({{"write", BdevSection{{"p98", 1 * kMs}}}}) == "write.p98");
  CHECK(field({{"write", BdevSection{{"average", true}}}}) == "write.average");
  CHECK(field({{"flush", 3'600'001 * kMs}}) == "flush");
  CHECK(field({{"reed", 1 * kMs}}) == "reed");
}

}  // namespace capsuled
