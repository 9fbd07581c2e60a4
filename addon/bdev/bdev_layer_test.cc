// Operations that go down and up a stack of bdevs.
#include "bdev/bdev_layer.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <deque>
#include <vector>

#include "bdev/malloc/malloc_bdev.h"
#include "bdev/split/split_bdev.h"
#include "bdev/test_bdev.h"
#include "bdev/test_stack.h"

namespace capsuled {
namespace {

constexpr uint64_t kBlocks = 256;
constexpr uint32_t kBlock = 512;

/// A layer over all of its base that keeps what comes up, if it is told to.
class KeepingBdev final : public Bdev {
 public:
  KeepingBdev(const std::string& name, const std::shared_ptr<BdevDesc>& base)
      : Bdev(layer_facts(base->entry()->bdev->facts(), name, "keeping", 0,
                         base->entry()->bdev->facts().block_count),
             {{base, {}}}),
        base_(base->entry()) {}
  std::unique_ptr<BdevChannel> make_channel(Reactor& reactor) override {
    return std::make_unique<Channel>(*this, reactor);
  }

  bool keeps = false;
  std::deque<BdevIo*> kept;
  std::vector<uint64_t> scratches;  ///< of what came up

 private:
  struct Channel final : LayerChannel {
    Channel(KeepingBdev& keeping, Reactor& reactor)
        : LayerChannel(reactor, keeping.base_, 0), bdev(keeping) {}
    void submit(BdevIo& io) override {
      io.channel->frame(io).scratch[0] = io.offset_blocks + 1'000;
      LayerChannel::submit(io);
    }
    bool looks_at_ends() const override { return true; }
    bool forwarded(BdevIo& io) override {
      bdev.scratches.push_back(io.channel->frame(io).scratch[0]);
      if (!bdev.keeps) return true;
      bdev_keep(io);
      bdev.kept.push_back(&io);
      return false;
    }
    KeepingBdev& bdev;
  };
  const std::shared_ptr<BdevEntry> base_;
};

/// split1 is blocks 16..255 of test0, split2 is 32..255 of that.
struct Scene {
  explicit Scene(BdevFacts facts = test_facts(kBlocks))
      : stack(std::make_unique<TestBdev>(std::move(facts))),
        base(static_cast<TestBdev&>(*stack.registry().find("test0")->bdev)) {
    add_split("split1", "test0", 16);
    add_split("split2", "split1", 32);
  }
  void add_split(const char* name, const char* base_name, uint64_t first_block) {
    stack.add(
        make_split_bdev(
            {.name = name, .base = stack.open(base_name), .offset_bytes = first_block * kBlock})
            .value());
  }
  uint64_t operations(const char* name, BdevIoType type) {
    return read_stat(stack.stats(name).by_type[static_cast<size_t>(type)].operations);
  }

  TestStack stack;
  TestBdev& base;
};

std::vector<std::byte> numbered(size_t bytes) {
  std::vector<std::byte> made(bytes);
  for (size_t index = 0; index < bytes; ++index) made[index] = std::byte(index * 7 + index / 512);
  return made;
}

}  // namespace

TEST_CASE("stack: an operation goes down to where its blocks are, and comes up as it was") {
  Scene scene;
  std::vector<std::byte> data = numbered(4 * kBlock);
  TestIo write(BdevIoType::Write, 5, 4, {iovec{data.data(), data.size()}});
  CHECK(scene.stack.run(write) == BdevStatus::Success);
  CHECK(std::memcmp(scene.base.memory.data() + (16 + 32 + 5) * kBlock, data.data(), data.size()) ==
        0);
  CHECK(write.io.offset_blocks == 5);
  CHECK(write.io.channel == &scene.stack.channel());
  std::vector<std::byte> found(data.size());
  CHECK(scene.stack.run(BdevIoType::Read, 5, found) == BdevStatus::Success);
  CHECK(found == data);
  for (const char* const name : {"test0", "split1", "split2"}) {
    CHECK(scene.operations(name, BdevIoType::Write) == 1);
    CHECK(scene.operations(name, BdevIoType::Read) == 1);
  }
}

TEST_CASE("stack: what the lowest bdev cannot take whole is split there") {
  BdevFacts facts = test_facts(kBlocks);
  facts.transfer_bytes_max = 4 * kBlock;
  facts.boundary_blocks = 8;
  facts.zero_blocks_max = 16;
  facts.unmap_blocks_max = 16;
  facts.can_compare = false;
  Scene scene(facts);
  std::vector<std::byte> data = numbered(64 * kBlock);
  CHECK(scene.stack.run(BdevIoType::Write, 3, data) == BdevStatus::Success);
  CHECK(scene.base.submissions.size() > 16);
  CHECK(scene.stack.run(BdevIoType::Compare, 3, data) == BdevStatus::Success);
  data[100] ^= std::byte{1};
  CHECK(scene.stack.run(BdevIoType::Compare, 3, data) == BdevStatus::Miscompare);
  TestIo zeroes(BdevIoType::WriteZeroes, 3, 64);
  CHECK(scene.stack.run(zeroes) == BdevStatus::Success);
  std::vector<std::byte> found(data.size());
  CHECK(scene.stack.run(BdevIoType::Read, 3, found) == BdevStatus::Success);
  CHECK(std::ranges::all_of(found, [](std::byte byte) { return byte == std::byte{0}; }));
}

TEST_CASE("stack: what the lowest bdev cannot do at all is done for it, or refused") {
  BdevFacts facts = test_facts(kBlocks);
  facts.can_unmap = false;
  facts.can_write_zeroes = false;
  Scene scene(facts);
  std::vector<std::byte> data = numbered(4 * kBlock);
  CHECK(scene.stack.run(BdevIoType::Write, 0, data) == BdevStatus::Success);
  TestIo zeroes(BdevIoType::WriteZeroes, 0, 4);
  CHECK(scene.stack.run(zeroes) == BdevStatus::Success);
  CHECK(scene.stack.run(BdevIoType::Read, 0, data) == BdevStatus::Success);
  CHECK(data == std::vector<std::byte>(4 * kBlock));
  TestIo unmap(BdevIoType::Unmap, 0, 4);
  CHECK(scene.stack.run(unmap) == BdevStatus::Unsupported);
}

TEST_CASE("stack: an error comes up as it is, and counts in each layer") {
  Scene scene;
  scene.base.fault = [](const BdevIo&) { return BdevStatus::MediaError; };
  std::vector<std::byte> data(kBlock);
  CHECK(scene.stack.run(BdevIoType::Read, 0, data) == BdevStatus::MediaError);
  for (const char* const name : {"test0", "split1", "split2"}) {
    auto& stats = scene.stack.stats(name).by_type[static_cast<size_t>(BdevIoType::Read)];
    CHECK(read_stat(stats.errors) == 1);
  }
}

TEST_CASE("stack: cancel reaches an operation wherever it is") {
  BdevFacts facts = test_facts(kBlocks);
  SUBCASE("whole") {}
  SUBCASE("in pieces") { facts.transfer_bytes_max = kBlock; }
  Scene scene(facts);
  scene.base.hold = true;
  std::vector<std::byte> data(8 * kBlock);
  TestIo read(BdevIoType::Read, 0, 8, {iovec{data.data(), data.size()}});
  scene.stack.start(read);
  scene.stack.reactors().run(0, [&](Reactor&) { scene.stack.channel().cancel(read.io); });
  CHECK(read.wait() == BdevStatus::Aborted);
  CHECK(scene.base.held.empty());
}

TEST_CASE("stack: a layer may keep what comes up, with what it noted, and end it later") {
  Scene scene;
  auto made = std::make_unique<KeepingBdev>("keeping", scene.stack.open("split2"));
  KeepingBdev& keeping = *made;
  scene.stack.add(std::move(made));
  scene.add_split("top", "keeping", 8);
  keeping.keeps = true;
  std::vector<std::byte> data = numbered(kBlock);
  TestIo write(BdevIoType::Write, 1, 1, {iovec{data.data(), data.size()}});
  scene.stack.start(write);
  for (bool is_kept = false; !is_kept;) {
    scene.stack.reactors().run(0, [&](Reactor&) { is_kept = !keeping.kept.empty(); });
  }
  CHECK(scene.operations("split2", BdevIoType::Write) == 1);
  CHECK(scene.operations("keeping", BdevIoType::Write) == 0);
  scene.stack.reactors().run(0, [&](Reactor&) {
    bdev_complete(*std::exchange(keeping.kept, {}).front(), BdevStatus::NoSpace);
  });
  CHECK(write.wait() == BdevStatus::NoSpace);
  CHECK(keeping.scratches == std::vector<uint64_t>{8 + 1 + 1'000});
  CHECK(scene.operations("keeping", BdevIoType::Write) == 1);
  CHECK(write.io.offset_blocks == 1);
}

TEST_CASE("stack: a read goes without memory of its own where the lowest bdev lends") {
  const auto env = env::make_linux_env().value();
  TestStack stack(make_malloc_bdev(*env, {.name = "ram", .bytes = 1 << 20}).value());
  stack.add(
      make_split_bdev({.name = "split", .base = stack.open("ram"), .offset_bytes = 8192}).value());
  std::vector<std::byte> data = numbered(8 * kBlock);
  CHECK(stack.run(BdevIoType::Write, 3, data) == BdevStatus::Success);
  std::array<iovec, 64> room{};
  TestIo read(BdevIoType::Read, 3, 8);
  read.io.iov = room.data();
  bool lent = false;
  CoreChannel& channel = stack.channel();
  stack.reactors().run(0, [&](Reactor&) {
    lent = channel.lend(read.io);
    channel.submit(read.io);
  });
  REQUIRE(lent);
  CHECK(read.wait() == BdevStatus::Success);
  CHECK(read.io.offset_blocks == 3);
  std::vector<std::byte> found;
  for (const iovec& part : std::span(read.io.iov, read.io.iov_count)) {
    const auto* const at = static_cast<const std::byte*>(part.iov_base);
    found.insert(found.end(), at, at + part.iov_len);
  }
  CHECK(found == data);
  stack.reactors().run(0, [&](Reactor&) { bdev_give_back(read.io); });
}

TEST_CASE("stack: as many bdevs as there may be") {
  TestStack stack(std::make_unique<TestBdev>(test_facts(kBlocks)));
  auto& base = static_cast<TestBdev&>(*stack.registry().find("test0")->bdev);
  std::string below = "test0";
  for (uint32_t level = 1; level < kStackDepthMax; ++level) {
    const std::string name = "split" + std::to_string(level);
    stack.add(
        make_split_bdev({.name = name, .base = stack.open(below), .offset_bytes = kBlock}).value());
    below = name;
  }
  std::vector<std::byte> data = numbered(kBlock);
  CHECK(stack.run(BdevIoType::Write, 0, data) == BdevStatus::Success);
  CHECK(base.submissions.back().offset_blocks == kStackDepthMax - 1);
}

TEST_CASE("stack: a bdev is not removed while another stands on it, and is free behind it") {
  Scene scene;
  BdevRegistry& registry = scene.stack.registry();
  CHECK(registry.take("test0").error().errnum == EBUSY);
  CHECK(registry.take("split1").error().errnum == EBUSY);
  CHECK(registry.take("split2").ok());
  CHECK(registry.take("split1").ok());
  CHECK(registry.find("test0")->claims.empty());
  CHECK(registry.take("test0").ok());
}

TEST_CASE("stack: of one bdev several may have ranges that do not meet, or one all") {
  TestStack stack(std::make_unique<TestBdev>(test_facts(kBlocks)));
  const auto split = [&](const char* name, uint64_t first, uint64_t count) {
    return stack.registry().add(make_split_bdev({.name = name,
                                                 .base = stack.open("test0"),
                                                 .offset_bytes = first * kBlock,
                                                 .bytes = count * kBlock})
                                    .value());
  };
  CHECK(split("a", 0, 16).ok());
  CHECK(split("b", 16, 16).ok());
  CHECK(split("c", 31, 2).error().errnum == EBUSY);
  CHECK(split("d", 0, 256).error().errnum == EBUSY);
  CHECK(stack.registry()
            .add(std::make_unique<KeepingBdev>("e", stack.open("test0")))
            .error()
            .errnum == EBUSY);
  CHECK(split("c", 32, 2).ok());
  CHECK(stack.registry().find("test0")->open_count == 3);
  // To see whether it could be there in place of another.
  CHECK(stack.registry()
            .add(make_split_bdev({.name = "tried",
                                  .base = stack.open("test0"),
                                  .access = BdevAccess::None,
                                  .bytes = 16 * kBlock})
                     .value())
            .ok());
  CHECK(split("again", 0, 16).error().errnum == EBUSY);
  auto meets = make_split_bdev({.name = "meets", .base = stack.open("test0"), .bytes = kBlock});
  CHECK(stack.registry().in_the_way(*meets.value())->message ==
        "expected blocks of test0 that no other bdev has, but a has some of them");
  CHECK(!stack.registry().add(std::move(meets).value()).ok());
}

TEST_CASE("claims: one writer alone, or any number of readers, of blocks that meet") {
  using enum BdevAccess;
  const auto clash = [](BdevClaim one, BdevClaim other) {
    CHECK(one.clashes(other) == other.clashes(one));
    return one.clashes(other);
  };
  CHECK(clash({ExclusiveWriter}, {ExclusiveWriter}));
  CHECK(clash({ExclusiveWriter}, {SharedReader}));
  CHECK(!clash({SharedReader}, {SharedReader}));
  CHECK(!clash({None}, {ExclusiveWriter}));
  CHECK(clash({ExclusiveWriter}, {ExclusiveWriter, 10, 11}));
  CHECK(clash({ExclusiveWriter, 0, 11}, {ExclusiveWriter, 10, 12}));
  CHECK(!clash({ExclusiveWriter, 0, 10}, {ExclusiveWriter, 10, 12}));
}

}  // namespace capsuled
