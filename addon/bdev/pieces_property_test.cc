// Property: whatever the limits and capabilities of a backend, and in whatever order its operations
// end, the core reads and writes what a plain array of blocks would, and keeps to the limits (which
// TestBdev checks).

#include <doctest/doctest.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "base/prng.h"
#include "bdev/test_bdev.h"
#include "bdev/test_reactors.h"
#include "reactor/poller.h"

namespace capsuled {
namespace {

constexpr uint64_t kBlocks = 192;
constexpr uint64_t kLanes = 6;  // operations at a time, each in its own part of the device
constexpr uint32_t kBlockSize = 512;

uint64_t seed_of_run() {
  const char* given = std::getenv("CAPSULED_TEST_SEED");
  return given == nullptr ? 20261 : std::strtoull(given, nullptr, 0);
}

BdevFacts random_facts(Prng& prng) {
  BdevFacts facts = test_facts(kBlocks);
  if (prng.chance(3, 4)) {
    facts.transfer_bytes_max = kBlockSize * static_cast<uint32_t>(prng.between(1, 9));
  }
  if (prng.chance(1, 2)) facts.boundary_blocks = static_cast<uint32_t>(prng.between(1, 12));
  if (prng.chance(1, 2)) facts.zero_blocks_max = prng.between(1, 12);
  if (prng.chance(1, 2)) facts.unmap_blocks_max = prng.between(1, 12);
  facts.can_compare = prng.chance(1, 2);
  facts.can_write_zeroes = prng.chance(1, 2);
  return facts;
}

/// Cuts `data` into iovecs of at least 64 bytes, so that any sixteen hold a block.
std::vector<iovec> scatter(Prng& prng, std::vector<std::byte>& data) {
  std::vector<iovec> iov;
  for (size_t at = 0; at < data.size();) {
    size_t length = prng.between(64, 4096);
    if (data.size() - at < length + 64) length = data.size() - at;
    iov.push_back(iovec{data.data() + at, length});
    at += length;
  }
  return iov;
}

/// Completes one of the operations that the backend holds, at random, per iteration of the loop.
class ShuffledEnd final : public Poller {
 public:
  ShuffledEnd(TestBdev& bdev, uint64_t seed) : bdev_(bdev), prng_(seed) {}
  PollResult poll() override {
    if (bdev_.held.empty()) return PollResult::Idle;
    bdev_.release(prng_.below(bdev_.held.size()));
    return PollResult::Busy;
  }

 private:
  TestBdev& bdev_;
  Prng prng_;
};

struct Lane {
  std::vector<std::byte> data;
  std::unique_ptr<TestIo> io;
  BdevStatus expected = BdevStatus::Success;
};

class Model {
 public:
  Model() : blocks_(kBlocks * kBlockSize) {}

  Lane start(Prng& prng, uint64_t lane_index) {
    const uint64_t lane_blocks = kBlocks / kLanes;
    const uint64_t first = lane_index * lane_blocks + prng.below(lane_blocks);
    const uint64_t count = prng.between(1, (lane_index + 1) * lane_blocks - first);
    constexpr BdevIoType kTypes[] = {BdevIoType::Read, BdevIoType::Write, BdevIoType::Unmap,
                                     BdevIoType::WriteZeroes, BdevIoType::Compare};
    const BdevIoType type = kTypes[prng.below(std::size(kTypes))];
    std::byte* at = blocks_.data() + first * kBlockSize;
    const size_t bytes = count * kBlockSize;
    Lane lane;
    if (type == BdevIoType::Unmap || type == BdevIoType::WriteZeroes) {
      std::memset(at, 0, bytes);
      lane.io = std::make_unique<TestIo>(type, first, count);
      return lane;
    }
    lane.data.resize(bytes);
    if (type == BdevIoType::Write) {
      for (std::byte& byte : lane.data) byte = static_cast<std::byte>(prng.next());
      std::memcpy(at, lane.data.data(), bytes);
    } else if (type == BdevIoType::Compare) {
      std::memcpy(lane.data.data(), at, bytes);
      if (prng.chance(1, 2)) {
        lane.data[prng.below(bytes)] ^= std::byte{1};
        lane.expected = BdevStatus::Miscompare;
      }
    }
    lane.io = std::make_unique<TestIo>(type, first, count, scatter(prng, lane.data));
    return lane;
  }

  void check(Lane& lane) {
    CHECK(lane.io->wait() == lane.expected);
    const BdevIo& io = lane.io->io;
    if (io.type != BdevIoType::Read) return;
    const std::byte* at = blocks_.data() + io.offset_blocks * kBlockSize;
    CHECK(std::memcmp(lane.data.data(), at, lane.data.size()) == 0);
  }

  const std::vector<std::byte>& blocks() const { return blocks_; }

 private:
  std::vector<std::byte> blocks_;
};

TEST_CASE("split and emulated operations do what a plain array of blocks does") {
  const uint64_t seed = seed_of_run();
  INFO("CAPSULED_TEST_SEED=", seed);
  Prng prng(seed);
  TestReactors reactors;
  for (int round = 0; round < 40; ++round) {
    INFO("round ", round);
    auto owned = std::make_unique<TestBdev>(random_facts(prng));
    TestBdev& bdev = *owned;
    bdev.hold = true;
    TestBdevUser user(reactors, std::move(owned));
    ShuffledEnd shuffle(bdev, prng.next());
    reactors.run(0, [&](Reactor& reactor) { reactor.add_poller(shuffle); });
    Model model;
    for (int batch = 0; batch < 12; ++batch) {
      std::vector<Lane> lanes;
      for (uint64_t index = 0; index < kLanes; ++index) lanes.push_back(model.start(prng, index));
      reactors.run(0, [&](Reactor&) {
        for (Lane& lane : lanes) user.channel().submit(lane.io->io);
      });
      for (Lane& lane : lanes) model.check(lane);
    }
    reactors.run(0, [&](Reactor& reactor) {
      reactor.remove_poller(shuffle);
      CHECK(user.channel().in_flight() == 0);
    });
    CHECK(bdev.memory == model.blocks());
  }
}

}  // namespace
}  // namespace capsuled
