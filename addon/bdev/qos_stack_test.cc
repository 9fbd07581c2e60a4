// Limits of bdevs that stand on each other, and of those whose operations are split.
#include <doctest/doctest.h>

#include <deque>
#include <utility>
#include <vector>

#include "bdev/qos_limits.h"
#include "bdev/reactor_channels.h"
#include "bdev/test_sim_stack.h"

namespace capsuled {
namespace {

constexpr uint64_t kMs = 1'000'000;
constexpr uint64_t kBlocks = 4096;
/// What is saved up is one operation of 100 in a second.
BdevSection hundred() { return {{"iops", uint64_t{100}}, {"burst", uint64_t{10 * kMs}}}; }

struct Scene : TestSimStack {
  explicit Scene(BdevFacts facts = test_facts(kBlocks)) : TestSimStack(std::move(facts)) {}

  /// One more over `below`.
  void put(const char* name, const char* kind, const char* below, BdevSection values) {
    values.emplace("base", below);
    BdevContext context{.env = env};
    context.bases.emplace(below, stack.open(below));
    stack.add(make_bdev(context, {name, kind, std::move(values)}).value());
  }
  void limit(const char* name, const QosLimits& limits) {
    const auto entry = stack.registry().find(name);
    entry->bdev->set_limits(limits);
    stack.reactors().run(0, [&](Reactor& reactor) { ReactorChannels::of(reactor).refresh(); });
  }
  /// How long so many operations of one block take that are begun at once.
  uint64_t time_of(size_t count, BdevIoType type = BdevIoType::Write) {
    std::deque<TestIo> ios;
    std::vector<std::byte> data(512);
    const uint64_t before_ns = machine.now_ns();
    for (size_t index = 0; index < count; ++index) {
      ios.emplace_back(type, index, 1, std::vector<iovec>{{data.data(), data.size()}});
      stack.start(ios.back());
    }
    for (TestIo& io : ios) CHECK(io.wait() == BdevStatus::Success);
    return machine.now_ns() - before_ns;
  }
  uint64_t delayed(const char* name) { return stack.stats(name).qos_delayed; }
};

/// 51 operations of 100 in a second, one or two of which were saved up.
bool is_limited_once(uint64_t ns) { return ns > 480 * kMs && ns < 515 * kMs; }

}  // namespace

TEST_CASE("qos: a limit of a layer that passes operations on holds, and so does one below it") {
  for (const bool above : {true, false}) {
    CAPTURE(above);
    Scene scene;
    scene.put("part", "split", "test0", above ? BdevSection{{"qos", hundred()}} : BdevSection{});
    if (!above) scene.limit("test0", {{100, 0, 0, 0}, kQosBurstMinNs});
    CHECK(is_limited_once(scene.time_of(51)));
    CHECK(scene.delayed(above ? "part" : "test0") >= 48);
    CHECK(scene.delayed(above ? "test0" : "part") == 0);
    CHECK(scene.base.submissions.size() == 51);
  }
}

TEST_CASE("qos: in a stack each limit holds, and the lowest one decides") {
  Scene scene;
  scene.limit("test0", {{200, 0, 0, 0}, kQosBurstMinNs});
  scene.put("part", "split", "test0", {});
  scene.put("top", "split", "part", {{"qos", hundred()}});
  CHECK(is_limited_once(scene.time_of(51)));
  scene.limit("top", {});
  CHECK(scene.time_of(51) < 260 * kMs);
  scene.limit("part", {{100, 0, 0, 0}, kQosBurstMinNs});
  scene.pass(1000 * kMs);
  CHECK(is_limited_once(scene.time_of(51)));
  scene.limit("part", {});
  scene.limit("test0", {});
  CHECK(scene.time_of(51) < 5 * kMs);
}

TEST_CASE("qos: a layer that keeps operations may have limits, and stand on what has some") {
  Scene scene;
  scene.put("slow", "delay", "test0", {{"qos", hundred()}, {"write", uint64_t{5 * kMs}}});
  scene.put("part", "split", "slow", {});
  CHECK(is_limited_once(scene.time_of(51) - 5 * kMs));
  scene.limit("slow", {});
  scene.limit("test0", {{100, 0, 0, 0}, kQosBurstMinNs});
  CHECK(is_limited_once(scene.time_of(51) - 5 * kMs));
}

TEST_CASE("qos: bdevs on one that is limited share what it may") {
  Scene scene;
  scene.limit("test0", {{100, 0, 0, 0}, kQosBurstMinNs});
  scene.put("a", "split", "test0", {{"size", uint64_t{1 << 20}}});
  const std::shared_ptr<BdevDesc> first = scene.stack.open("a");
  scene.put("b", "split", "test0", {{"offset", uint64_t{1 << 20}}, {"size", uint64_t{1 << 20}}});
  CoreChannel* other = nullptr;
  scene.stack.reactors().run(
      0, [&](Reactor& reactor) { other = CoreChannel::acquire(reactor, first->entry()); });
  std::vector<std::byte> data(512);
  std::deque<TestIo> ios;
  for (uint64_t index = 0; index < 25; ++index) {
    TestIo& io =
        ios.emplace_back(BdevIoType::Write, index, 1, std::vector<iovec>{{data.data(), 512}});
    io.env = &scene.env;
    scene.stack.reactors().run(0, [&](Reactor&) { other->submit(io.io); });
  }
  const uint64_t before_ns = scene.machine.now_ns();
  scene.time_of(26);
  for (TestIo& io : ios) CHECK(io.wait() == BdevStatus::Success);
  CHECK(is_limited_once(scene.machine.now_ns() - before_ns));
  scene.stack.reactors().run(0, [&](Reactor&) { other->release(); });
}

TEST_CASE("qos: an operation that is split counts once, where it was submitted") {
  BdevFacts facts = test_facts(kBlocks);
  facts.transfer_bytes_max = 4 * 512;
  facts.can_write_zeroes = false;
  facts.can_compare = false;
  for (const bool layer : {false, true}) {
    Scene scene(facts);
    scene.limit("test0", {{100, 0, 0, 0}, kQosBurstMinNs});
    if (layer) scene.put("part", "split", "test0", {});
    std::vector<std::byte> data(64 * 512);
    const uint64_t before_ns = scene.machine.now_ns();
    for (int round = 0; round < 7; ++round) {
      for (const BdevIoType type :
           {BdevIoType::Read, BdevIoType::Write, BdevIoType::Compare, BdevIoType::WriteZeroes,
            BdevIoType::Read, BdevIoType::Write, BdevIoType::Compare}) {
        TestIo io(type, 0, 64, {iovec{data.data(), data.size()}});
        CHECK(scene.stack.run(io) == BdevStatus::Success);
      }
    }
    CHECK(scene.base.submissions.size() > 49 * 8);
    const uint64_t took_ns = scene.machine.now_ns() - before_ns;
    CHECK(took_ns > 460 * kMs);
    CHECK(took_ns < 500 * kMs);
  }
}

TEST_CASE("qos: what is refused is not counted, and a look at faults never waits") {
  BdevFacts facts = test_facts(kBlocks);
  facts.read_only = true;
  facts.can_unmap = false;
  Scene scene(facts);
  scene.limit("test0", {{1, 0, 0, 0}, kQosBurstMinNs});
  std::vector<std::byte> data(512);
  const uint64_t before_ns = scene.machine.now_ns();
  for (int round = 0; round < 20; ++round) {
    CHECK(scene.stack.run(BdevIoType::Write, 0, data) == BdevStatus::ReadOnly);
    TestIo recheck(BdevIoType::Flush, 0, 0);
    recheck.env = &scene.env;
    CoreChannel& channel = scene.stack.channel();
    scene.stack.reactors().run(0, [&](Reactor&) { channel.recheck(recheck.io); });
    CHECK(recheck.wait() == BdevStatus::Success);
  }
  CHECK(scene.stack.run(BdevIoType::Read, 0, data) == BdevStatus::Success);
  CHECK(scene.machine.now_ns() - before_ns < 10 * kMs);
}

TEST_CASE("qos: a device is not blamed for the time that an operation waited, in any layer") {
  Scene scene;
  scene.limit("test0", {{1, 0, 0, 0}, kQosBurstMinNs});
  scene.put("part", "split", "test0", {});
  CHECK(scene.time_of(1) < kMs);
  scene.base.hold = true;
  std::vector<std::byte> data(512);
  TestIo io(BdevIoType::Write, 0, 1, {iovec{data.data(), data.size()}});
  scene.stack.start(io);
  scene.pass(950 * kMs);
  CHECK(scene.base.held.empty());
  scene.pass(100 * kMs);
  REQUIRE(scene.base.held.size() == 1);
  CHECK(scene.machine.now_ns() - scene.base.held.front()->submitted_ns < 100 * kMs);
  scene.stack.reactors().run(0, [&](Reactor&) { scene.base.release_all(); });
  CHECK(io.wait() == BdevStatus::Success);
  scene.pass(kMs);
  // But it is the operation's.
  for (const char* const name : {"test0", "part"}) {
    const auto& write = scene.stack.stats(name).by_type[static_cast<size_t>(BdevIoType::Write)];
    CHECK(write.operations == 2);
    CHECK(write.latency_ns > 1000 * kMs);
    CHECK(write.latency_ns < 1100 * kMs);
  }
}

TEST_CASE("qos: what waits in a layer further down can be cancelled") {
  Scene scene;
  scene.limit("test0", {{1, 0, 0, 0}, kQosBurstMinNs});
  scene.put("part", "split", "test0", {});
  CHECK(scene.time_of(1) < kMs);
  std::vector<std::byte> data(512);
  TestIo io(BdevIoType::Write, 0, 1, {iovec{data.data(), data.size()}});
  scene.stack.start(io);
  CHECK(io.io.state == BdevIoState::Waiting);
  const uint64_t before_ns = scene.machine.now_ns();
  CoreChannel& channel = scene.stack.channel();
  scene.stack.reactors().run(0, [&](Reactor&) { channel.cancel(io.io); });
  CHECK(io.wait() == BdevStatus::Aborted);
  CHECK(scene.machine.now_ns() - before_ns < kMs);
  CHECK(scene.base.submissions.size() == 1);
}

TEST_CASE("qos: a layer takes data at once only if nothing below it may have to wait") {
  BdevFacts facts = test_facts(kBlocks);
  facts.takes_data_at_once = true;
  Scene scene(facts);
  scene.put("part", "split", "test0", {});
  scene.put("slow", "delay", "part", {});
  CHECK(scene.stack.channel().takes_data_at_once());
  for (const char* const name : {"test0", "part", "slow"}) {
    scene.limit(name, {{1'000'000, 0, 0, 0}, kQosBurstMinNs});
    CHECK(!scene.stack.channel().takes_data_at_once());
    CHECK(scene.stack.channel().is_limited());
    scene.limit(name, {});
    CHECK(scene.stack.channel().takes_data_at_once());
  }
  // A channel that is made later knows, too.
  scene.limit("test0", {{1'000'000, 0, 0, 0}, kQosBurstMinNs});
  scene.stack.release();
  CHECK(!scene.stack.channel().takes_data_at_once());
}

TEST_CASE("qos: limits of a layer can be changed by its keys, with or without others of its own") {
  Scene scene;
  scene.add("split", {{"qos", hundred()}});
  CHECK(is_limited_once(scene.time_of(51)));
  CHECK(!scene.change({}).has_value());
  CHECK(scene.time_of(51) < 5 * kMs);
  CHECK(!scene.change({{"qos", hundred()}}).has_value());
  CHECK(is_limited_once(scene.time_of(51)));
}

TEST_CASE("qos: a wrong limit is named, in a bdev that is made or changed, and changes nothing") {
  Scene scene;
  const auto field = [](std::optional<BdevError> error) {
    REQUIRE(error.has_value());
    return error->field;
  };
  const auto made = [&](BdevSection qos) {
    BdevResult result = scene.make("delay", {{"qos", std::move(qos)}});
    return result.ok() ? std::optional<BdevError>() : std::optional(result.error());
  };
  CHECK(field(made({})) == "qos");
  CHECK(field(made({{"burst", uint64_t{20 * kMs}}})) == "qos");
  CHECK(field(made({{"iops", uint64_t{0}}})) == "qos.iops");
  CHECK(field(made({{"iops", kQosIopsMax + 1}})) == "qos.iops");
  CHECK(field(made({{"iops", "many"}})) == "qos.iops");
  CHECK(field(made({{"bandwidth", kQosBandwidthMin - 1}})) == "qos.bandwidth");
  CHECK(field(made({{"read_bandwidth", kQosBandwidthMax + 1}})) == "qos.read_bandwidth");
  CHECK(field(made({{"iops", uint64_t{1}}, {"burst", uint64_t{1}}})) == "qos.burst");
  CHECK(field(made({{"iops", uint64_t{1}}, {"bust", uint64_t{1}}})) == "qos.bust");
  scene.add("delay", {{"qos", hundred()}});
  const auto error = scene.change({{"read", 3 * kMs}, {"qos", BdevSection{{"iops", uint64_t{0}}}}});
  REQUIRE(error.has_value());
  CHECK(error->message == "expected 1 to 1000000000 for `qos.iops`, got 0");
  CHECK(is_limited_once(scene.time_of(51, BdevIoType::Read)));
  // The other way round.
  CHECK(field(scene.change({{"read", "slow"}})) == "read");
  scene.pass(1000 * kMs);
  CHECK(is_limited_once(scene.time_of(51, BdevIoType::Read)));
}

}  // namespace capsuled
