#include "bdev/qos_gate.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <deque>
#include <vector>

#include "bdev/test_qos.h"

namespace capsuled {
namespace {

constexpr uint64_t kSecondNs = 1000 * kMs;

/// One operation that a test waits for, of one block.
struct OneBlock {
  explicit OneBlock(BdevIoType type, uint32_t flow = 0)
      : io(type, 0, type == BdevIoType::Flush ? 0 : 1, {iovec{data.data(), data.size()}}) {
    io.io.flow = flow;
  }
  std::vector<std::byte> data = std::vector<std::byte>(kQosTestBlock);
  TestIo io;
};

/// How long one operation takes, ns.
uint64_t time(QosScene& scene, BdevIoType type) {
  OneBlock block(type);
  const uint64_t before_ns = scene.machine.now_ns();
  uint64_t after_ns = 0;
  block.io.on_complete = [&] { after_ns = scene.machine.now_ns(); };
  CHECK(scene.user.run(block.io) == BdevStatus::Success);
  return after_ns - before_ns;
}

/// `done` in a second is what the limits allow: each is kept, and one is reached.
void check_second(const QosTotals& done, const QosLimits& limits) {
  double reached = 0;
  for (size_t limit = 0; limit < kQosLimitCount; ++limit) {
    if (limits.rates[limit] == 0) continue;
    CAPTURE(kQosLimitNames[limit]);
    const double part = static_cast<double>(done[limit]) / static_cast<double>(limits.rates[limit]);
    CHECK(part < 1.02);
    reached = std::max(reached, part);
  }
  CHECK(reached > 0.98);
}

}  // namespace

TEST_CASE("qos: each limit is kept within 2 % of a second, on one reactor or on several") {
  const QosLimits all[] = {qos_limits(20'000), qos_limits(0, 200 * kMiB),
                           qos_limits(0, 0, 100 * kMiB), qos_limits(0, 0, 0, 100 * kMiB),
                           qos_limits(20'000, 300 * kMiB, 200 * kMiB, 150 * kMiB)};
  for (const QosLimits& limits : all) {
    for (uint32_t reactors = 1; reactors <= 4; ++reactors) {
      CAPTURE(reactors);
      QosScene scene(reactors, reactors);
      scene.set(limits);
      for (uint32_t index = 0; index < reactors; ++index) {
        const bool reads_alone = limits.rates[2] != 0 && limits.rates[3] == 0;
        const bool writes_alone = limits.rates[3] != 0 && limits.rates[2] == 0;
        const uint64_t writes = reads_alone ? 0 : writes_alone ? 100 : 50;
        scene.add(index, index + 1, 32, QosLoad::mixed(16, writes));
      }
      scene.pass(2 * limits.burst_ns);
      for (int second = 0; second < 2; ++second) check_second(scene.in(kSecondNs), limits);
    }
  }
}

TEST_CASE("qos: limits are kept whatever the load (property)") {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    CAPTURE(seed);
    Prng prng(seed);
    const auto reactors = static_cast<uint32_t>(prng.between(1, 4));
    QosScene scene(reactors, seed);
    QosLimits limits;
    while (limits.none()) {
      if (prng.chance(1, 2)) limits.rates[0] = prng.between(2'000, 30'000);
      for (size_t limit = 1; limit < kQosLimitCount; ++limit) {
        if (prng.chance(1, 2)) limits.rates[limit] = prng.between(60 * kMiB, 300 * kMiB);
      }
    }
    limits.burst_ns = prng.between(kQosBurstMinNs, kSecondNs);
    scene.set(limits);
    const uint64_t writes = prng.between(20, 80);
    const auto loads = prng.between(reactors, 12);
    for (uint64_t index = 0; index < loads; ++index) {
      const auto reactor = static_cast<uint32_t>(index % reactors);
      const auto flow = static_cast<uint32_t>(prng.between(0, 100));
      scene.add(reactor, flow, prng.between(4, 64), QosLoad::mixed(prng.between(1, 64), writes));
    }
    scene.pass(2 * limits.burst_ns + kSecondNs / 2);
    check_second(scene.in(kSecondNs), limits);
  }
}

TEST_CASE("qos: an idle bdev saves up its burst, which goes at once, and no more") {
  QosScene scene(2);
  scene.set(qos_limits(1000, 0, 0, 0, 2 * kSecondNs));
  for (const uint64_t idle_ns : {60 * kSecondNs, 60 * kSecondNs, kSecondNs}) {
    scene.pass(idle_ns);
    for (uint32_t reactor : {0u, 1u}) {
      scene.add(reactor, 1, 64, QosLoad::always(BdevIoType::Read, 1));
    }
    const uint64_t saved = std::min(idle_ns, 2 * kSecondNs) / kMs;
    scene.pass(100 * kMs);
    const uint64_t done = scene.totals()[0];
    CHECK(done >= saved + 90);
    CHECK(done <= saved + 110);
    CHECK(scene.in(kSecondNs)[0] < 1020);
    scene.stop();
  }
}

TEST_CASE("qos: below the limits an operation takes as long as without any") {
  const auto times = [](const QosLimits& limits) {
    QosScene scene;
    scene.set(limits);
    std::vector<uint64_t> took;
    for (int round = 0; round < 200; ++round) {
      for (const BdevIoType type : {BdevIoType::Read, BdevIoType::Write, BdevIoType::Flush}) {
        took.push_back(time(scene, type));
        scene.pass(100'000);
      }
    }
    CHECK(scene.delayed() == 0);
    return took;
  };
  CHECK(times(qos_limits(20'000, 100 * kMiB, 50 * kMiB, 50 * kMiB)) == times({}));
}

TEST_CASE("qos: flows get the same, whatever their operations and however many they have") {
  QosScene scene;
  scene.set(qos_limits(0, 100 * kMiB));
  const QosLoad& small = scene.add(0, 1, 128, QosLoad::always(BdevIoType::Read, 1));
  const QosLoad& large = scene.add(0, 2, 2, QosLoad::always(BdevIoType::Write, 32));
  scene.pass(2 * kSecondNs);
  const double part =
      static_cast<double>(small.bytes()) / static_cast<double>(small.bytes() + large.bytes());
  CHECK(part > 0.47);
  CHECK(part < 0.53);
}

TEST_CASE("qos: fifty flows get the same, of operations or of bytes") {
  for (const QosLimits& limits : {qos_limits(50'000), qos_limits(0, 200 * kMiB)}) {
    QosScene scene;
    scene.set(limits);
    std::vector<const QosLoad*> loads;
    constexpr uint32_t kFlows = 50;
    for (uint32_t flow = 1; flow <= kFlows; ++flow) {
      // From many small ones to few large ones.
      const uint64_t blocks = uint64_t{1} << (flow % 6);
      const size_t depth = 128 / blocks;
      loads.push_back(&scene.add(0, flow, depth, QosLoad::always(BdevIoType::Read, blocks)));
    }
    scene.pass(kSecondNs);
    std::vector<uint64_t> before;
    const bool of_bytes = limits.rates[0] == 0;
    const auto done = [&](const QosLoad& load) {
      return of_bytes ? load.bytes() : load.operations();
    };
    for (const QosLoad* const load : loads) before.push_back(done(*load));
    scene.pass(4 * kSecondNs);
    const double fair = static_cast<double>(4 * limits.rates[of_bytes ? 1 : 0]) / kFlows;
    for (uint32_t index = 0; index < kFlows; ++index) {
      CAPTURE(index);
      const double part = static_cast<double>(done(*loads[index]) - before[index]) / fair;
      CHECK(part > 0.93);
      CHECK(part < 1.07);
    }
  }
}

TEST_CASE("qos: flows of different reactors get about the same") {
  QosScene scene(2);
  scene.set(qos_limits(0, 200 * kMiB));
  std::vector<const QosLoad*> loads;
  loads.push_back(&scene.add(0, 1, 64, QosLoad::always(BdevIoType::Read, 4)));
  for (const uint32_t flow : {1u, 2u, 3u}) {
    loads.push_back(&scene.add(1, flow, 64, QosLoad::always(BdevIoType::Read, 4)));
  }
  scene.pass(2 * kSecondNs);
  for (const QosLoad* const load : loads) {
    CHECK(load->bytes() > 80 * kMiB);
    CHECK(load->bytes() < 130 * kMiB);
  }
}

TEST_CASE("qos: no reactor keeps another one from its turn, though its operations are large") {
  QosScene scene(2);
  scene.set(qos_limits(0, 4 * kMiB));
  const QosLoad& large = scene.add(0, 1, 64, QosLoad::always(BdevIoType::Write, 64));
  scene.pass(10 * kSecondNs);
  const uint64_t before = large.bytes();
  const QosLoad& small = scene.add(1, 1, 256, QosLoad::always(BdevIoType::Write, 1));
  scene.pass(20 * kSecondNs);
  CHECK(small.bytes() > 30 * kMiB);
  CHECK(large.bytes() - before > 30 * kMiB);
}

TEST_CASE("qos: reads do not wait for what limits writes, nor the other way round") {
  QosScene scene;
  scene.set(qos_limits(0, 0, 10 * kMiB, 0));
  scene.add(0, 1, 32, QosLoad::always(BdevIoType::Read, 4));
  scene.pass(kSecondNs);
  CHECK(time(scene, BdevIoType::Write) < 200'000);
  scene.set(qos_limits(0, 0, 0, 10 * kMiB));
  scene.stop();
  scene.add(0, 1, 32, QosLoad::always(BdevIoType::Write, 4));
  scene.pass(kSecondNs);
  CHECK(time(scene, BdevIoType::Read) < 200'000);
}

TEST_CASE("qos: a flow that reads and writes starves nobody, and is not starved") {
  QosScene scene;
  scene.set(qos_limits(0, 100 * kMiB, 10 * kMiB, 0));
  const QosLoad& reads = scene.add(0, 1, 32, QosLoad::always(BdevIoType::Read, 4));
  const QosLoad& also_reads = scene.add(0, 2, 32, QosLoad::always(BdevIoType::Read, 4));
  const QosLoad& writes = scene.add(0, 2, 32, QosLoad::always(BdevIoType::Write, 4));
  scene.pass(10 * kSecondNs);
  CHECK(reads.bytes() > 45 * kMiB);
  CHECK(also_reads.bytes() > 45 * kMiB);
  CHECK(writes.bytes() > 850 * kMiB);
}

TEST_CASE("qos: what moves no bytes counts as an operation, and waits for no bandwidth") {
  const BdevIoType without_bytes[] = {BdevIoType::Flush, BdevIoType::Unmap,
                                      BdevIoType::WriteZeroes};
  for (const BdevIoType type : without_bytes) {
    QosScene scene;
    scene.set(qos_limits(100, 10 * kMiB));
    scene.add(0, 1, 8, QosLoad::always(type, type == BdevIoType::Flush ? 0 : 1024));
    scene.pass(kSecondNs);
    const uint64_t done = scene.in(kSecondNs)[0];
    CHECK(done >= 98);
    CHECK(done <= 102);
  }
  QosScene scene;
  scene.set(qos_limits(0, 10 * kMiB));
  scene.add(0, 1, 64, QosLoad::always(BdevIoType::Write, 32));
  scene.pass(kSecondNs);
  for (const BdevIoType type : without_bytes) CHECK(time(scene, type) < 200'000);
}

TEST_CASE("qos: Compare counts as what is read") {
  QosScene scene;
  scene.set(qos_limits(0, 0, 40 * kMiB, 4 * kMiB));
  scene.add(0, 1, 8, QosLoad::always(BdevIoType::Compare, 4));
  scene.pass(kSecondNs);
  check_second(scene.in(kSecondNs), qos_limits(0, 0, 40 * kMiB));
}

TEST_CASE("qos: an operation that is larger than the rate of a second goes, and is paid for") {
  QosScene scene;
  scene.set(qos_limits(0, kMiB));
  const QosLoad& load = scene.add(0, 1, 2, QosLoad::always(BdevIoType::Write, 1024));
  scene.pass(100 * kMs);
  CHECK(load.operations() == 1);
  scene.pass(20 * kSecondNs);
  CHECK(load.operations() == 6);
}

TEST_CASE("qos: limits can be changed, in both directions, for what waits, too") {
  QosScene scene(2);
  scene.set(qos_limits(1));
  for (const uint32_t reactor : {0u, 1u}) {
    scene.add(reactor, 1, 16, QosLoad::always(BdevIoType::Read, 1));
  }
  scene.pass(10 * kSecondNs);
  CHECK(scene.totals()[0] <= 13);
  for (const uint64_t iops : {10'000u, 500u, 20'000u}) {
    scene.set(qos_limits(iops));
    scene.pass(2 * kQosBurstDefaultNs);
    check_second(scene.in(kSecondNs), qos_limits(iops));
  }
  // From one kind of limit to another.
  scene.set(qos_limits(0, 0, 20 * kMiB));
  scene.pass(2 * kQosBurstDefaultNs);
  check_second(scene.in(kSecondNs), qos_limits(0, 0, 20 * kMiB));
}

TEST_CASE("qos: limits that are taken away let all go that waits, at once") {
  QosScene scene(2);
  scene.set(qos_limits(1));
  std::deque<OneBlock> blocks;
  for (uint32_t index = 0; index < 40; ++index) {
    scene.user.start(blocks.emplace_back(BdevIoType::Write, index).io, index % 2);
  }
  scene.pass(100 * kMs);
  CHECK(scene.in_flight(0) + scene.in_flight(1) >= 38);
  scene.set({});
  const uint64_t before_ns = scene.machine.now_ns();
  for (OneBlock& block : blocks) CHECK(block.io.wait() == BdevStatus::Success);
  CHECK(scene.machine.now_ns() - before_ns < kMs);
  // And none waits any more.
  const uint64_t delayed = scene.delayed();
  CHECK(delayed >= 38);
  scene.add(0, 1, 64, QosLoad::always(BdevIoType::Read, 1));
  scene.pass(100 * kMs);
  CHECK(scene.totals()[0] > 1000);
  CHECK(scene.delayed() == delayed);
}

TEST_CASE("qos: limits that stay what they are keep what was used of them") {
  QosScene scene;
  scene.set(qos_limits(100, 0, 0, 0, kSecondNs));
  scene.add(0, 1, 8, QosLoad::always(BdevIoType::Read, 1));
  scene.pass(2 * kSecondNs);
  for (int round = 0; round < 10; ++round) {
    scene.set(qos_limits(100, 0, 0, 0, kSecondNs));
    CHECK(scene.in(kSecondNs)[0] <= 102);
  }
}

TEST_CASE("qos: what is cancelled while it waits is not begun, from any place of any line") {
  QosScene scene(2);
  scene.set(qos_limits(0, 4 * kMiB));
  std::deque<OneBlock> blocks;
  // Uses up what there is for a while.
  QosLoad& first = scene.add(0, 9, 1, QosLoad::always(BdevIoType::Write, 256));
  scene.pass(kMs);
  CHECK(first.operations() >= 1);
  for (uint32_t index = 0; index < 30; ++index) {
    const auto type = index % 2 == 0 ? BdevIoType::Read : BdevIoType::Write;
    scene.user.start(blocks.emplace_back(type, index % 3).io, 0);
  }
  scene.reactors.run(0, [&](Reactor&) {
    for (uint32_t index = 0; index < 30; index += 3) {
      CHECK(blocks[index].io.io.state == BdevIoState::Waiting);
      scene.user.channel().cancel(blocks[index].io.io);
    }
    for (uint32_t index = 29; index < 30; --index) {
      if (index % 5 == 1) scene.user.channel().cancel(blocks[index].io.io);
    }
  });
  const uint64_t before_ns = scene.machine.now_ns();
  for (uint32_t index = 0; index < 30; ++index) {
    if (index % 3 != 0 && index % 5 != 1) continue;
    CHECK(blocks[index].io.wait() == BdevStatus::Aborted);
  }
  CHECK(scene.machine.now_ns() - before_ns < kMs);
  for (uint32_t index = 0; index < 30; ++index) {
    if (index % 3 == 0 || index % 5 == 1) continue;
    CHECK(blocks[index].io.wait() == BdevStatus::Success);
  }
}

TEST_CASE("qos: what was cancelled uses up nothing") {
  QosScene scene(2);
  scene.set(qos_limits(0, kMiB));
  scene.add(0, 1, 2, QosLoad::always(BdevIoType::Write, 1024));
  scene.pass(kMs);
  // One was begun, for which four seconds are paid; the other one would need four more.
  scene.stop();
  scene.pass(3 * kSecondNs);
  OneBlock late(BdevIoType::Read);
  scene.user.start(late.io, 1);
  const uint64_t before_ns = scene.machine.now_ns();
  CHECK(late.io.wait() == BdevStatus::Success);
  CHECK(scene.machine.now_ns() - before_ns < 1100 * kMs);
}

TEST_CASE("qos: a bdev that is to go lets all go that waits, and what comes then") {
  QosScene scene;
  scene.set(qos_limits(1));
  std::deque<OneBlock> blocks;
  for (uint32_t index = 0; index < 20; ++index) {
    scene.user.start(blocks.emplace_back(BdevIoType::Write, index).io);
  }
  scene.reactors.run(0, [&](Reactor&) { scene.user.channel().let_go(); });
  const uint64_t before_ns = scene.machine.now_ns();
  for (OneBlock& block : blocks) CHECK(block.io.wait() == BdevStatus::Success);
  CHECK(scene.machine.now_ns() - before_ns < kMs);
  CHECK(time(scene, BdevIoType::Read) < 200'000);
  // Whatever is said of limits.
  scene.set(qos_limits(2));
  for (int round = 0; round < 5; ++round) CHECK(time(scene, BdevIoType::Read) < 200'000);
}

TEST_CASE("qos: a channel that comes again begins with what there is") {
  QosScene scene;
  scene.set(qos_limits(10));
  for (int round = 0; round < 50; ++round) {
    time(scene, BdevIoType::Read);
    scene.user.renew_channel();
  }
  const uint64_t before_ns = scene.machine.now_ns();
  for (int round = 0; round < 50; ++round) {
    time(scene, BdevIoType::Read);
    scene.user.renew_channel();
  }
  const uint64_t took_ns = scene.machine.now_ns() - before_ns;
  CHECK(took_ns > 4900 * kMs);
  CHECK(took_ns < 5100 * kMs);
}

TEST_CASE("qos: a lent read waits as any other") {
  QosScene scene;
  scene.set(qos_limits(10));
  std::vector<uint64_t> ends;
  std::vector<iovec> room(kTransferBuffersMax);
  const uint64_t began_ns = scene.machine.now_ns();
  for (int round = 0; round < 5; ++round) {
    TestIo io(BdevIoType::Read, 0, 1);
    io.env = &scene.env;
    io.io.iov = room.data();
    io.on_complete = [&] { ends.push_back(scene.machine.now_ns() - began_ns); };
    scene.reactors.run(0, [&](Reactor&) {
      CHECK(scene.user.channel().lend(io.io));
      scene.user.channel().submit(io.io);
    });
    CHECK(io.wait() == BdevStatus::Success);
    scene.reactors.run(0, [&](Reactor&) { bdev_give_back(io.io); });
  }
  CHECK(ends.front() < kMs);
  CHECK(ends.back() > 250 * kMs);
}

TEST_CASE("qos: time that is spent waiting is the operation's, and no sign of a bad device") {
  QosScene scene;
  scene.set(qos_limits(1));
  std::deque<OneBlock> blocks;
  for (int index = 0; index < 9; ++index) {
    scene.user.start(blocks.emplace_back(BdevIoType::Read).io);
  }
  scene.pass(3 * kSecondNs);
  const auto hangs = [&] {
    bool found = false;
    scene.reactors.run(0, [&](Reactor&) { found = scene.user.channel().hangs(); });
    return found;
  };
  CHECK(!hangs());
  scene.pass(3 * kSecondNs);
  // Nobody has to wait for it with what others need; but the bdev is well.
  CHECK(hangs());
  CHECK(scene.user.oldest_ns() == UINT64_MAX);
  scene.pass(5 * kSecondNs);
  for (OneBlock& block : blocks) CHECK(block.io.wait() == BdevStatus::Success);
  CHECK(!hangs());
  CHECK(scene.delayed() >= 7);
  CHECK(scene.delayed() <= 8);
  const auto& read = scene.user.stats().by_type[static_cast<size_t>(BdevIoType::Read)];
  CHECK(read.operations == 9);
  // 0, 1, …, 8 seconds, give or take the burst.
  CHECK(read.latency_ns > 35 * kSecondNs);
  CHECK(read.latency_ns < 37 * kSecondNs);
}

TEST_CASE("qos: what may have to wait is not taken at once, and may be kept") {
  QosScene scene;
  CHECK(scene.user.channel().takes_data_at_once());
  CHECK(!scene.user.channel().may_keep());
  scene.set(qos_limits(1'000'000));
  CHECK(!scene.user.channel().takes_data_at_once());
  CHECK(scene.user.channel().may_keep());
  scene.set({});
  CHECK(scene.user.channel().takes_data_at_once());
  CHECK(!scene.user.channel().may_keep());
}

TEST_CASE("qos: reactors with threads of their own use one limit, and every operation ends") {
  constexpr uint32_t kReactors = 3;
  constexpr uint32_t kOperations = 2000;
  TestReactors reactors(kReactors);
  std::unique_ptr<Bdev> owned =
      make_null_bdev({.name = "b", .bytes = 256 * kQosTestBlock, .block_size = kQosTestBlock})
          .value();
  Bdev& bdev = *owned;
  bdev.set_limits(qos_limits(10'000, 0, 0, 0, kQosBurstMinNs));
  TestBdevUser user(reactors, std::move(owned), kReactors);
  std::deque<OneBlock> blocks;
  for (uint32_t index = 0; index < kReactors * kOperations; ++index) {
    user.start(blocks.emplace_back(BdevIoType::Write, index % 7).io, index % kReactors);
    if (index % 1000 != 0) continue;
    // Meanwhile the limits change, too.
    bdev.set_limits(qos_limits(10'000 + index, 0, 0, 0, kQosBurstMinNs));
    for (uint32_t each = 0; each < kReactors; ++each) {
      reactors.run(each, [](Reactor& reactor) { ReactorChannels::of(reactor).refresh(); });
    }
  }
  for (OneBlock& block : blocks) CHECK(block.io.wait() == BdevStatus::Success);
}

}  // namespace capsuled
