#include "perf/bdev_qpair.h"

#include <doctest/doctest.h>

#include <cstring>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "bdev/test_bdev.h"
#include "bdev/test_stack.h"
#include "wire/io_command.h"

namespace capsuled::perf {
namespace {

constexpr uint32_t kBlock = 512;

struct Io : nvme::Request {
  Io(wire::IoOpcode opcode, uint64_t lba, uint32_t blocks) : data(blocks * kBlock + 100) {
    sqe.opcode = static_cast<uint8_t>(opcode);
    sqe.cdw10.set(static_cast<uint32_t>(lba));
    sqe.cdw11.set(static_cast<uint32_t>(lba >> 32));
    sqe.cdw12.set(blocks - 1);
    transfer = opcode == wire::IoOpcode::kRead ? nvme::Transfer::FromController
                                               : nvme::Transfer::ToController;
    bytes = blocks * kBlock;
    // More than the command moves.
    place = {data.data(), data.size()};
    iov = &place;
    complete = [](nvme::Request& request, const wire::CompletionQueueEntry& cqe) {
      auto& self = static_cast<Io&>(request);
      ++self.ended;
      self.status = nvme::status_of(cqe);
      if (self.again != nullptr) self.again_taken = self.again->submit(*self.next);
    };
  }

  std::vector<std::byte> data;
  iovec place = {};
  uint32_t ended = 0;
  wire::Status status = wire::GenericStatus::kInvalidOpcode;
  BdevQpair* again = nullptr;  ///< where `next` is submitted when this one ends
  Io* next = nullptr;
  bool again_taken = false;
};

struct Scene {
  explicit Scene(uint32_t depth = 4)
      : stack(std::make_unique<TestBdev>(test_facts(256))), qpair(depth) {
    CoreChannel& channel = stack.channel();
    on([&] { qpair.set_channel(&channel); });
  }
  ~Scene() {
    on([&] { qpair.set_channel(nullptr); });
  }

  TestBdev& bdev() { return static_cast<TestBdev&>(*stack.registry().find("test0")->bdev); }
  void on(std::function<void()> what) {
    stack.reactors().run(0, [&](Reactor&) { what(); });
  }
  bool submit(Io& io) {
    bool taken = false;
    on([&] { taken = qpair.submit(io); });
    return taken;
  }
  /// Each look at it is a turn of the reactor. The limit is only there to end a test that hangs.
  void await(Io& io) {
    for (int turn = 0; turn < 10'000 && ended(io) == 0; ++turn) {
    }
    REQUIRE(ended(io) == 1);
  }
  void run(Io& io) {
    REQUIRE(submit(io));
    await(io);
  }
  uint32_t ended(Io& io) {
    uint32_t count = 0;
    on([&] { count = io.ended; });
    return count;
  }

  TestStack stack;
  BdevQpair qpair;
};

TEST_CASE("BdevQpair: a command is an operation of its blocks, and ends in a later turn") {
  Scene scene;
  Io write(wire::IoOpcode::kWrite, 7, 3);
  std::memset(write.data.data(), 5, write.data.size());
  scene.on([&] {
    CHECK(scene.qpair.submit(write));
    CHECK(write.ended == 0);
  });
  scene.await(write);
  CHECK(write.status.is_success());
  CHECK(scene.bdev().memory[7 * kBlock - 1] == std::byte{0});
  CHECK(scene.bdev().memory[7 * kBlock] == std::byte{5});
  CHECK(scene.bdev().memory[10 * kBlock - 1] == std::byte{5});
  CHECK(scene.bdev().memory[10 * kBlock] == std::byte{0});
  Io read(wire::IoOpcode::kRead, 6, 2);
  scene.run(read);
  CHECK(read.status.is_success());
  CHECK(read.data[kBlock - 1] == std::byte{0});
  CHECK(read.data[kBlock] == std::byte{5});
  CHECK(read.data[2 * kBlock] == std::byte{0});
}

TEST_CASE("BdevQpair: FUA is passed on") {
  Scene scene;
  Io write(wire::IoOpcode::kWrite, 0, 1);
  write.sqe.cdw12.set(wire::LbaRangeCdw12::Fua::set(write.sqe.cdw12.get(), 1u));
  scene.run(write);
  REQUIRE(scene.bdev().submissions.size() == 1);
  CHECK(scene.bdev().submissions[0].force_unit_access);
}

TEST_CASE("BdevQpair: an operation ends with the status that a host would see") {
  Scene scene;
  const auto with = [&](BdevStatus status, wire::IoOpcode opcode) {
    scene.on([&] { scene.bdev().fault = [status](const BdevIo&) { return status; }; });
    Io io(opcode, 0, 1);
    scene.run(io);
    return io.status;
  };
  CHECK(with(BdevStatus::MediaError, wire::IoOpcode::kRead) ==
        wire::Status(wire::MediaStatus::kUnrecoveredReadError));
  CHECK(with(BdevStatus::MediaError, wire::IoOpcode::kWrite) ==
        wire::Status(wire::MediaStatus::kWriteFault));
  CHECK(with(BdevStatus::Failed, wire::IoOpcode::kRead) ==
        wire::Status(wire::GenericStatus::kInternalError));
  CHECK(with(BdevStatus::Success, wire::IoOpcode::kRead).is_success());
}

TEST_CASE("BdevQpair: takes so many at a time, and the next from inside a completion") {
  Scene scene(2);
  scene.on([&] { scene.bdev().hold = true; });
  Io first(wire::IoOpcode::kRead, 0, 1);
  Io second(wire::IoOpcode::kRead, 1, 1);
  Io third(wire::IoOpcode::kRead, 2, 1);
  CHECK(scene.submit(first));
  CHECK(scene.submit(second));
  CHECK_FALSE(scene.submit(third));
  CHECK(scene.qpair.outstanding() == 2);
  second.again = &scene.qpair;
  second.next = &third;
  scene.on([&] { scene.bdev().release(1); });
  scene.await(second);
  CHECK(second.again_taken);
  CHECK(scene.ended(first) == 0);
  scene.on([&] {
    scene.bdev().hold = false;
    scene.bdev().release_all();
  });
  scene.await(first);
  scene.await(third);
  CHECK(scene.ended(second) == 1);
  CHECK(scene.qpair.outstanding() == 0);
}

TEST_CASE("BdevQpair: without a channel it takes nothing") {
  BdevQpair qpair(2);
  Io io(wire::IoOpcode::kRead, 0, 1);
  CHECK_FALSE(qpair.submit(io));
  CHECK(qpair.outstanding() == 0);
}

}  // namespace
}  // namespace capsuled::perf
