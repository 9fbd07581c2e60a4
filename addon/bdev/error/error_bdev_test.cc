#include "bdev/error/error_bdev.h"

#include <doctest/doctest.h>

#include <cstring>
#include <deque>
#include <vector>

#include "bdev/test_sim_stack.h"

namespace capsuled {
namespace {

constexpr uint64_t kBlocks = 256;
constexpr uint64_t kBlock = 512;
constexpr uint64_t kSecond = 1'000'000'000;

BdevSection faults(std::initializer_list<BdevSection> list) {
  BdevList values;
  for (const BdevSection& each : list) values.emplace_back(each);
  return {{"faults", values}};
}

BdevValue blocks(uint64_t first, uint64_t last) { return BdevList{first, last}; }

struct Scene : TestSimStack {
  explicit Scene(BdevSection values) : TestSimStack(test_facts(kBlocks)) {
    add("error", std::move(values));
  }
  BdevStatus run(BdevIoType type, uint64_t offset, uint64_t count = 1) {
    std::vector<std::byte> data(count * kBlock);
    return stack.run(type, offset, data);
  }
};

std::vector<std::byte> filled(size_t bytes, int value) {
  return std::vector<std::byte>(bytes, std::byte(value));
}

}  // namespace

TEST_CASE("error: without faults it is as its base is") {
  Scene scene({});
  auto data = filled(4 * kBlock, 7);
  CHECK(scene.stack.run(BdevIoType::Write, 5, data) == BdevStatus::Success);
  auto found = filled(4 * kBlock, 0);
  CHECK(scene.stack.run(BdevIoType::Read, 5, found) == BdevStatus::Success);
  CHECK(found == data);
  CHECK(scene.run(BdevIoType::Unmap, 5, 4) == BdevStatus::Success);
  CHECK(scene.stack.facts().block_count == kBlocks);
}

TEST_CASE(
    "error: an operation within the blocks of its type ends with the status, not with the base") {
  Scene scene(faults({{{"op", "read"},
                       {"blocks", blocks(10, 19)},
                       {"action", "status"},
                       {"status", "unrecovered_read"}},
                      {{"op", "flush"}, {"status", "write_fault"}}}));
  CHECK(scene.run(BdevIoType::Read, 9) == BdevStatus::Success);
  CHECK(scene.run(BdevIoType::Read, 9, 2) == BdevStatus::MediaError);
  CHECK(scene.run(BdevIoType::Read, 19) == BdevStatus::MediaError);
  CHECK(scene.run(BdevIoType::Read, 20) == BdevStatus::Success);
  CHECK(scene.run(BdevIoType::Write, 10) == BdevStatus::Success);
  TestIo flush(BdevIoType::Flush, 0, 0);
  CHECK(scene.stack.run(flush) == BdevStatus::MediaError);
  CHECK(scene.base.submissions.size() == 3);
}

TEST_CASE("error: each status is the one that its name says") {
  const std::vector<std::pair<const char*, BdevStatus>> statuses = {
      {"internal_error", BdevStatus::Failed},
      {"write_fault", BdevStatus::MediaError},
      {"capacity_exceeded", BdevStatus::NoSpace},
      {"write_protected", BdevStatus::ReadOnly},
      {"not_ready", BdevStatus::Gone}};
  for (const auto& [name, status] : statuses) {
    Scene scene(faults({{{"op", "write"}, {"status", name}}}));
    CHECK(scene.run(BdevIoType::Write, 0) == status);
  }
}

TEST_CASE("error: a fault strikes as often as it may, and as its probability has it") {
  Scene scene(faults({{{"op", "read"}, {"count", uint64_t{3}}}}));
  int failed = 0;
  for (int round = 0; round < 10; ++round) {
    failed += scene.run(BdevIoType::Read, 0) == BdevStatus::Failed ? 1 : 0;
  }
  CHECK(failed == 3);
  REQUIRE(!scene.change(faults({{{"op", "read"}, {"probability", uint64_t{250'000'000}}}})));
  failed = 0;
  for (int round = 0; round < 400; ++round) {
    failed += scene.run(BdevIoType::Read, 0) == BdevStatus::Failed ? 1 : 0;
  }
  CHECK(failed > 60);
  CHECK(failed < 140);
}

TEST_CASE("error: wrong bytes are read with success, and the base keeps the right ones") {
  Scene scene(faults({{{"op", "read"}, {"action", "corrupt"}, {"count", uint64_t{1}}}}));
  auto data = filled(4 * kBlock, 7);
  REQUIRE(scene.stack.run(BdevIoType::Write, 5, data) == BdevStatus::Success);
  auto found = filled(4 * kBlock, 0);
  CHECK(scene.stack.run(BdevIoType::Read, 5, found) == BdevStatus::Success);
  CHECK(found != data);
  CHECK(scene.stack.run(BdevIoType::Read, 5, found) == BdevStatus::Success);
  CHECK(found == data);
}

TEST_CASE("error: wrong bytes are written with success, and the sender's are as they were") {
  Scene scene(faults({{{"op", "write"}, {"action", "corrupt"}, {"count", uint64_t{1}}}}));
  auto data = filled(4 * kBlock, 7);
  std::vector<iovec> parts = {{data.data(), 700}, {data.data() + 700, 4 * kBlock - 700}};
  TestIo write(BdevIoType::Write, 5, 4, parts);
  CHECK(scene.stack.run(write) == BdevStatus::Success);
  CHECK(data == filled(4 * kBlock, 7));
  CHECK(write.io.iov_count == 2);
  CHECK(write.io.iov[0].iov_base == data.data());
  CHECK(std::memcmp(scene.base.memory.data() + 5 * kBlock, data.data(), data.size()) != 0);
  size_t wrong = 0;
  for (size_t index = 0; index < data.size(); ++index) {
    if (scene.base.memory[5 * kBlock + index] != data[index]) ++wrong;
  }
  CHECK(wrong == 1);
}

TEST_CASE("error: a torn write has written the first half of its blocks") {
  Scene scene(faults({{{"op", "write"}, {"action", "torn"}}}));
  auto data = filled(5 * kBlock, 7);
  TestIo write(BdevIoType::Write, 5, 5, {iovec{data.data(), data.size()}});
  CHECK(scene.stack.run(write) == BdevStatus::Success);
  CHECK(write.io.count_blocks == 5);
  const std::byte* const at = scene.base.memory.data() + 5 * kBlock;
  CHECK(std::memcmp(at, data.data(), 2 * kBlock) == 0);
  CHECK(std::memcmp(at + 2 * kBlock, filled(3 * kBlock, 0).data(), 3 * kBlock) == 0);
  // Of one block, nothing.
  CHECK(scene.run(BdevIoType::Write, 20) == BdevStatus::Success);
  CHECK(scene.base.submissions.size() == 1);
}

TEST_CASE("error: what hangs goes on when the faults are changed, and not before") {
  Scene scene(faults({{{"op", "write"}, {"action", "hang"}, {"blocks", blocks(0, 9)}}}));
  auto data = filled(kBlock, 7);
  TestIo write(BdevIoType::Write, 5, 1, {iovec{data.data(), data.size()}});
  bool over = false;
  write.on_complete = [&] { over = true; };
  scene.stack.start(write);
  CHECK(scene.run(BdevIoType::Write, 10) == BdevStatus::Success);
  scene.pass(10 * kSecond);
  CHECK(scene.stack.channel().hangs());
  REQUIRE(!scene.change(faults({{{"op", "all"}, {"action", "hang"}, {"blocks", blocks(5, 5)}}})));
  scene.pass(1 * kSecond);
  CHECK(!over);
  REQUIRE(!scene.change(faults({{{"op", "read"}, {"action", "hang"}}})));
  CHECK(write.wait() == BdevStatus::Success);
  CHECK(scene.base.memory[5 * kBlock] == std::byte{7});
  CHECK(!scene.stack.channel().hangs());
}

TEST_CASE("error: a device that hangs does not hear Abort, and ends what it has when it is to go") {
  Scene scene(faults({{{"op", "read"}, {"action", "hang"}}}));
  std::vector<std::byte> data(kBlock);
  TestIo read(BdevIoType::Read, 5, 1, {iovec{data.data(), data.size()}});
  bool over = false;
  read.on_complete = [&] { over = true; };
  scene.stack.start(read);
  CoreChannel& channel = scene.stack.channel();
  scene.stack.reactors().run(0, [&](Reactor&) { channel.cancel(read.io); });
  scene.pass(1 * kSecond);
  CHECK(!over);
  scene.let_go();
  CHECK(read.wait() == BdevStatus::Aborted);
  CHECK(scene.run(BdevIoType::Read, 5) == BdevStatus::Aborted);
}

TEST_CASE("error: what was cancelled while it hung is not carried out later") {
  Scene scene(faults({{{"op", "write"}, {"action", "hang"}}}));
  auto data = filled(kBlock, 7);
  TestIo write(BdevIoType::Write, 5, 1, {iovec{data.data(), data.size()}});
  scene.stack.start(write);
  CoreChannel& channel = scene.stack.channel();
  scene.stack.reactors().run(0, [&](Reactor&) { channel.cancel(write.io); });
  REQUIRE(!scene.change({}));
  CHECK(write.wait() == BdevStatus::Aborted);
  CHECK(scene.base.submissions.empty());
}

TEST_CASE("error: a fault that cannot be is named, and nothing is changed by it") {
  Scene scene(faults({{{"op", "read"}}}));
  const auto error = [&](BdevSection fault) {
    const auto found = scene.change(faults({{{"op", "write"}}, std::move(fault)}));
    REQUIRE(found.has_value());
    return *found;
  };
  CHECK(error({{"op", "seek"}}).message ==
        "expected one of read, write, flush, unmap, write_zeroes, compare, all for "
        "`faults[1].op`, got \"seek\"");
  CHECK(error({{"action", "explode"}}).field == "faults[1].action");
  CHECK(error({{"op", "write"}, {"status", "unrecovered_read"}}).message ==
        "expected one of read, compare for `faults[1].op`, because `faults[1].status` is "
        "\"unrecovered_read\"");
  CHECK(error({{"op", "read"}, {"action", "torn"}}).field == "faults[1].action");
  CHECK(error({{"op", "flush"}, {"action", "corrupt"}}).field == "faults[1].action");
  CHECK(error({{"blocks", blocks(5, 4)}}).field == "faults[1].blocks");
  CHECK(error({{"blocks", blocks(0, kBlocks)}}).message ==
        "expected the first block and the last one, at most 255, for `faults[1].blocks`");
  CHECK(error({{"blocks", BdevList{uint64_t{1}}}}).field == "faults[1].blocks");
  CHECK(error({{"blocks", "all"}}).field == "faults[1].blocks");
  CHECK(error({{"probability", uint64_t{1'000'000'001}}}).field == "faults[1].probability");
  CHECK(error({{"cuont", uint64_t{1}}}).field == "faults[1].cuont");
  CHECK(scene.change({{"faults", "none"}})->field == "faults");
  CHECK(scene.run(BdevIoType::Read, 0) == BdevStatus::Failed);
  CHECK(scene.run(BdevIoType::Write, 0) == BdevStatus::Success);
}

}  // namespace capsuled
