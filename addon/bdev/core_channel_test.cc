#include "bdev/core_channel.h"

#include <doctest/doctest.h>

#include <cstring>
#include <vector>

#include "bdev/pieces.h"
#include "bdev/test_bdev.h"
#include "bdev/test_reactors.h"

namespace capsuled {
namespace {

constexpr uint32_t kBlockSize = 512;

std::vector<std::byte> pattern(size_t bytes, uint8_t first) {
  std::vector<std::byte> data(bytes);
  for (size_t index = 0; index < bytes; ++index)
    data[index] = static_cast<std::byte>(first + index / 7);
  return data;
}

/// A TestBdev in use on one reactor.
struct Bench {
  explicit Bench(BdevFacts facts = test_facts(1024))
      : Bench(std::make_unique<TestBdev>(std::move(facts))) {}
  explicit Bench(std::unique_ptr<TestBdev> owned)
      : bdev(*owned), user(reactors, std::move(owned)) {}

  void on_reactor(std::function<void()> call) {
    reactors.run(0, [&](Reactor&) { call(); });
  }

  TestReactors reactors;
  TestBdev& bdev;
  TestBdevUser user;
};

TEST_CASE("an operation within the limits goes to the backend whole") {
  Bench bench;
  auto data = pattern(8 * kBlockSize, 3);
  CHECK(bench.user.run(BdevIoType::Write, 5, data) == BdevStatus::Success);
  REQUIRE(bench.bdev.submissions.size() == 1);
  CHECK(bench.bdev.submissions[0].offset_blocks == 5);
  CHECK(bench.bdev.submissions[0].count_blocks == 8);
  CHECK(std::memcmp(bench.bdev.memory.data() + 5 * kBlockSize, data.data(), data.size()) == 0);
}

TEST_CASE("complete never runs inside submit, whether whole, in pieces or refused") {
  BdevFacts facts = test_facts(1024);
  facts.transfer_bytes_max = 4 * kBlockSize;
  facts.can_unmap = false;
  Bench bench(facts);
  auto data = pattern(64 * kBlockSize, 1);
  TestIo whole(BdevIoType::Read, 0, 4, {iovec{data.data(), 4 * kBlockSize}});
  TestIo split(BdevIoType::Read, 0, 64, {iovec{data.data(), data.size()}});
  TestIo refused(BdevIoType::Unmap, 0, 1);
  bool inside = false;
  bench.on_reactor([&] {
    for (TestIo* io : {&whole, &split, &refused}) {
      io->on_complete = [&inside] { CHECK(!inside); };
      inside = true;
      bench.user.channel().submit(io->io);
      inside = false;
    }
    CHECK(bench.user.channel().in_flight() == 3);
  });
  CHECK(whole.wait() == BdevStatus::Success);
  CHECK(split.wait() == BdevStatus::Success);
  CHECK(refused.wait() == BdevStatus::Unsupported);
}

TEST_CASE("Force Unit Access reaches the backend: whole, in pieces, and as written zeros") {
  BdevFacts facts = test_facts(1024);
  facts.transfer_bytes_max = 8 * kBlockSize;
  facts.can_write_zeroes = false;
  Bench bench(facts);
  auto data = pattern(20 * kBlockSize, 1);
  for (const BdevIoType type : {BdevIoType::Write, BdevIoType::WriteZeroes}) {
    for (const uint64_t count : {uint64_t{4}, uint64_t{20}}) {
      for (const bool durable : {false, true}) {
        bench.bdev.submissions.clear();
        TestIo io(type, 8, count, {iovec{data.data(), count * kBlockSize}});
        io.io.force_unit_access = durable;
        CHECK(bench.user.run(io) == BdevStatus::Success);
        CHECK(bench.bdev.submissions.size() == (count + 7) / 8);
        for (const TestSubmission& submission : bench.bdev.submissions) {
          CHECK(submission.type == BdevIoType::Write);
          CHECK(submission.force_unit_access == durable);
        }
      }
    }
  }
}

TEST_CASE("a read-only bdev refuses changes and lets the rest through") {
  BdevFacts facts = test_facts(64);
  facts.read_only = true;
  Bench bench(facts);
  auto data = std::vector<std::byte>(kBlockSize);
  CHECK(bench.user.run(BdevIoType::Write, 0, data) == BdevStatus::ReadOnly);
  CHECK(bench.user.run(BdevIoType::WriteZeroes, 0, 1) == BdevStatus::ReadOnly);
  CHECK(bench.user.run(BdevIoType::Unmap, 0, 1) == BdevStatus::ReadOnly);
  CHECK(bench.bdev.submissions.empty());
  CHECK(bench.user.run(BdevIoType::Read, 0, data) == BdevStatus::Success);
  CHECK(bench.user.run(BdevIoType::Compare, 0, data) == BdevStatus::Success);
  CHECK(bench.user.run(BdevIoType::Flush, 0, 0) == BdevStatus::Success);
}

TEST_CASE("WriteZeroes that the backend refuses after all is written as zeros, then and later") {
  Bench bench;
  bench.bdev.fault = [](const BdevIo& io) {
    return io.type == BdevIoType::WriteZeroes ? BdevStatus::Unsupported : BdevStatus::Success;
  };
  auto data = pattern(8 * kBlockSize, 9);
  for (int attempt = 0; attempt < 2; ++attempt) {
    CHECK(bench.user.run(BdevIoType::Write, 0, data) == BdevStatus::Success);
    CHECK(bench.user.run(BdevIoType::WriteZeroes, 0, 8) == BdevStatus::Success);
    CHECK(bench.bdev.memory[100] == std::byte{0});
  }
  size_t asked = 0;
  for (const TestSubmission& submission : bench.bdev.submissions) {
    asked += submission.type == BdevIoType::WriteZeroes ? 1 : 0;
  }
  CHECK(asked == 1);
}

TEST_CASE("the first error is the status, and no more pieces start after it") {
  BdevFacts facts = test_facts(1024);
  facts.transfer_bytes_max = kBlockSize;
  Bench bench(facts);
  bench.bdev.fault = [](const BdevIo& io) {
    return io.offset_blocks == 10 ? BdevStatus::MediaError : BdevStatus::Success;
  };
  auto data = pattern(512 * kBlockSize, 1);
  CHECK(bench.user.run(BdevIoType::Read, 0, data) == BdevStatus::MediaError);
  CHECK(bench.bdev.submissions.size() <= 10 + 2 * kPiecesPerIoMax);
}

TEST_CASE("operations share the pool of pieces and all of them end") {
  BdevFacts facts = test_facts(1024);
  facts.transfer_bytes_max = kBlockSize;
  Bench bench(facts);
  auto data = pattern(64 * kBlockSize, 1);
  std::vector<std::unique_ptr<TestIo>> ios;
  for (uint64_t index = 0; index < 10; ++index) {
    ios.push_back(std::make_unique<TestIo>(BdevIoType::Write, index * 64, 64,
                                           std::vector{iovec{data.data(), data.size()}}));
  }
  bench.on_reactor([&] {
    bench.bdev.hold = true;
    for (auto& io : ios) bench.user.channel().submit(io->io);
    CHECK(bench.bdev.held.size() == kPiecesMax);
    bench.bdev.hold = false;
    bench.bdev.release_all();
  });
  for (auto& io : ios) CHECK(io->wait() == BdevStatus::Success);
  CHECK(bench.bdev.submissions.size() == 640);
}

TEST_CASE("cancel passes to the backend, which ends the operation early") {
  Bench bench;
  std::vector<std::byte> data(kBlockSize);
  TestIo io(BdevIoType::Read, 0, 1, {iovec{data.data(), data.size()}});
  bench.on_reactor([&] {
    bench.bdev.hold = true;
    bench.user.channel().submit(io.io);
    bench.user.channel().cancel(io.io);
    bench.user.channel().cancel(io.io);  // has ended, has not completed
  });
  CHECK(io.wait() == BdevStatus::Aborted);
  CHECK(bench.bdev.cancels == 1);
}

TEST_CASE("cancel of a backend that cannot changes nothing") {
  Bench bench;
  bench.bdev.can_cancel = false;
  std::vector<std::byte> data(kBlockSize);
  TestIo io(BdevIoType::Read, 0, 1, {iovec{data.data(), data.size()}});
  bench.on_reactor([&] {
    bench.bdev.hold = true;
    bench.user.channel().submit(io.io);
    bench.user.channel().cancel(io.io);
    bench.bdev.release_all();
  });
  CHECK(io.wait() == BdevStatus::Success);
}

TEST_CASE("cancel of a split operation cancels its pieces and starts no more") {
  BdevFacts facts = test_facts(1024);
  facts.transfer_bytes_max = kBlockSize;
  Bench bench(facts);
  auto data = pattern(512 * kBlockSize, 1);
  TestIo io(BdevIoType::Write, 0, 512, {iovec{data.data(), data.size()}});
  TestIo other(BdevIoType::Write, 512, 512, {iovec{data.data(), data.size()}});
  bench.on_reactor([&] {
    bench.bdev.hold = true;
    bench.user.channel().submit(io.io);
    bench.user.channel().submit(other.io);
    CHECK(bench.bdev.held.size() == 2 * kPiecesPerIoMax);
    bench.user.channel().cancel(io.io);
    CHECK(bench.bdev.cancels == kPiecesPerIoMax);
    CHECK(bench.bdev.held.size() == kPiecesPerIoMax);
  });
  CHECK(io.wait() == BdevStatus::Aborted);
  bench.on_reactor([&] {
    bench.bdev.hold = false;
    bench.bdev.release_all();
  });
  CHECK(other.wait() == BdevStatus::Success);
  CHECK(bench.bdev.submissions.size() == kPiecesPerIoMax + 512);
}

TEST_CASE("cancel of an operation that waits for its first piece ends it at once") {
  BdevFacts facts = test_facts(1024);
  facts.transfer_bytes_max = kBlockSize;
  Bench bench(facts);
  auto data = pattern(64 * kBlockSize, 1);
  std::vector<std::unique_ptr<TestIo>> ios;
  for (uint64_t index = 0; index < kPiecesMax / kPiecesPerIoMax + 1; ++index) {
    ios.push_back(std::make_unique<TestIo>(BdevIoType::Write, index * 64, 64,
                                           std::vector{iovec{data.data(), data.size()}}));
  }
  bench.on_reactor([&] {
    bench.bdev.hold = true;
    for (auto& io : ios) bench.user.channel().submit(io->io);
    bench.user.channel().cancel(ios.back()->io);
  });
  CHECK(ios.back()->wait() == BdevStatus::Aborted);
  CHECK(bench.bdev.cancels == 0);
  ios.pop_back();
  bench.on_reactor([&] {
    bench.bdev.hold = false;
    bench.bdev.release_all();
  });
  for (auto& io : ios) CHECK(io->wait() == BdevStatus::Success);
}

TEST_CASE("emulated Compare goes on when the reactor has no buffer left") {
  BdevFacts facts = test_facts(4096);
  facts.can_compare = false;
  Bench bench(facts);
  auto data = pattern(1024 * kBlockSize, 1);
  CHECK(bench.user.run(BdevIoType::Write, 0, data) == BdevStatus::Success);
  std::vector<IoBuffers> all;
  bench.reactors.run(0, [&](Reactor& reactor) {
    for (const uint32_t bytes : {kLargeBufferBytes, kSmallBufferBytes}) {
      for (;;) {
        IoBuffers buffers;
        if (!reactor.buffers().try_get(bytes, buffers)) break;
        all.push_back(buffers);
      }
    }
  });
  TestIo equal(BdevIoType::Compare, 0, 1024, {iovec{data.data(), data.size()}});
  auto changed = data;
  changed[data.size() - 1] ^= std::byte{1};
  TestIo different(BdevIoType::Compare, 0, 1024, {iovec{changed.data(), changed.size()}});
  bench.on_reactor([&] {
    bench.user.channel().submit(equal.io);
    bench.user.channel().submit(different.io);
  });
  CHECK(equal.wait() == BdevStatus::Success);
  CHECK(different.wait() == BdevStatus::Miscompare);
  bench.reactors.run(0, [&](Reactor& reactor) {
    for (IoBuffers& buffers : all) reactor.buffers().put(buffers);
  });
}

TEST_CASE("statistics count operations, bytes, errors and time") {
  Bench bench;
  std::vector<std::byte> data(4 * kBlockSize);
  CHECK(bench.user.run(BdevIoType::Write, 0, data) == BdevStatus::Success);
  TestIo held(BdevIoType::Write, 4, 4, {iovec{data.data(), data.size()}});
  bench.bdev.hold = true;
  bench.user.start(held);
  // The reactor's clock stands still within an iteration of its loop.
  for (bool later = false; !later;) {
    bench.reactors.run(0,
                       [&](Reactor& reactor) { later = reactor.now_ns() > held.io.submitted_ns; });
  }
  bench.on_reactor([&] {
    bench.bdev.hold = false;
    bench.bdev.release_all();
  });
  CHECK(held.wait() == BdevStatus::Success);
  CHECK(bench.user.run(BdevIoType::Flush, 0, 0) == BdevStatus::Success);
  bench.bdev.fault = [](const BdevIo&) { return BdevStatus::MediaError; };
  CHECK(bench.user.run(BdevIoType::Read, 0, data) == BdevStatus::MediaError);
  bench.on_reactor([] {});
  const auto& stats = bench.user.stats().by_type;
  const auto& write = stats[static_cast<size_t>(BdevIoType::Write)];
  CHECK(write.operations == 2);
  CHECK(write.bytes == 8 * kBlockSize);
  CHECK(write.errors == 0);
  CHECK(write.latency_ns > 0);
  const auto& flush = stats[static_cast<size_t>(BdevIoType::Flush)];
  CHECK(flush.operations == 1);
  CHECK(flush.bytes == 0);
  const auto& read = stats[static_cast<size_t>(BdevIoType::Read)];
  CHECK(read.operations == 1);
  CHECK(read.bytes == 0);
  CHECK(read.errors == 1);
}

TEST_CASE("a split operation counts once") {
  BdevFacts facts = test_facts(1024);
  facts.transfer_bytes_max = kBlockSize;
  Bench bench(facts);
  std::vector<std::byte> data(16 * kBlockSize);
  CHECK(bench.user.run(BdevIoType::Read, 0, data) == BdevStatus::Success);
  bench.on_reactor([] {});
  const auto& read = bench.user.stats().by_type[static_cast<size_t>(BdevIoType::Read)];
  CHECK(read.operations == 1);
  CHECK(read.bytes == data.size());
}

TEST_CASE("users on one reactor share a channel; the last release drops it, even from a complete") {
  TestReactors reactors;
  BdevRegistry registry(1);
  REQUIRE(registry.add(std::make_unique<TestBdev>(test_facts(64))).ok());
  auto desc = registry.open("test0");
  REQUIRE(desc.ok());
  const std::shared_ptr<BdevEntry> entry = desc.value()->entry();
  std::vector<std::byte> data(kBlockSize);
  TestIo io(BdevIoType::Read, 0, 1, {iovec{data.data(), data.size()}});
  reactors.run(0, [&](Reactor& reactor) {
    CoreChannel* channel = CoreChannel::acquire(reactor, entry);
    CHECK(CoreChannel::acquire(reactor, entry) == channel);
    channel->release();
    CHECK(entry->channel_count.load() == 1);
    io.on_complete = [channel] { channel->release(); };
    channel->submit(io.io);
  });
  CHECK(io.wait() == BdevStatus::Success);
  CHECK(entry->channel_count.load() == 0);
  // The poller went with the last channel and comes back with the next one.
  TestIo again(BdevIoType::Read, 0, 1, {iovec{data.data(), data.size()}});
  reactors.run(0, [&](Reactor& reactor) {
    CoreChannel* channel = CoreChannel::acquire(reactor, entry);
    again.on_complete = [channel] { channel->release(); };
    channel->submit(again.io);
  });
  CHECK(again.wait() == BdevStatus::Success);
  desc.value().reset();
  CHECK(registry.take("test0").ok());
}

TEST_CASE("a bdev that has no faults is well when it is looked at again") {
  TestReactors reactors;
  TestBdevUser user(reactors, std::make_unique<TestBdev>(test_facts(8)));
  TestIo recheck(BdevIoType::Flush, 0, 0);
  user.start_recheck(recheck);
  CHECK(recheck.wait() == BdevStatus::Success);
}

}  // namespace
TEST_CASE("a cancelled WriteZeroes is not begun again as writes of zeros") {
  Bench bench;
  TestIo io(BdevIoType::WriteZeroes, 0, 64, {});
  bench.bdev.fault = [](const BdevIo&) { return BdevStatus::Unsupported; };
  bench.on_reactor([&] {
    bench.user.channel().submit(io.io);
    CHECK(io.io.state == BdevIoState::Ended);
    bench.user.channel().cancel(io.io);
  });
  CHECK(io.wait() == BdevStatus::Aborted);
  CHECK(bench.bdev.submissions.size() == 1);
}

TEST_CASE("an operation that was cancelled before it is submitted is not begun") {
  BdevFacts facts = test_facts(1024);
  facts.transfer_bytes_max = 8 * kBlockSize;
  for (const uint64_t blocks : {8u, 64u}) {
    Bench bench(facts);
    std::vector<std::byte> data(64 * kBlockSize);
    TestIo io(BdevIoType::Write, 0, blocks, {iovec{data.data(), blocks * kBlockSize}});
    bench.on_reactor([&] {
      io.io.cancel_requested = true;
      bench.user.channel().submit(io.io);
    });
    CHECK(io.wait() == BdevStatus::Aborted);
    CHECK(bench.bdev.submissions.empty());
  }
}

}  // namespace capsuled
