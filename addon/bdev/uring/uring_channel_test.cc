// UringChannel on a simulated disk, which answers what it is told, when it is told.

#include "bdev/uring/uring_channel.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "bdev/test_reactors.h"
#include "bdev/uring/uring_bdev.h"
#include "env/sim/sim_env.h"

namespace capsuled {
namespace {

using env::sim::DiskOp;
using env::sim::DiskRequest;
using env::sim::SimDisk;

constexpr uint64_t kMillisecond = 1'000'000;
constexpr uint64_t kBlocks = 64;
constexpr uint32_t kBlockSize = 512;

std::unique_ptr<Bdev> open_disk(env::sim::SimEnv& env, env::sim::SimFiles& files,
                                bool block_device) {
  SimDisk& disk = files.make("disk", kBlocks * kBlockSize);
  disk.latency = {.read = {}, .write = {}, .flush = {}, .allocate = {}};
  disk.block_device = block_device;
  disk.direct = false;  // so that buffers may be anywhere
  return make_uring_bdev(env, {.name = "disk", .path = "disk", .block_size = kBlockSize}).value();
}

/// A bdev whose disk holds each operation until answer(), oldest first.
struct Bench {
  explicit Bench(bool block_device = false, uint32_t reactor_count = 1)
      : machine(1),
        network(machine),
        env(machine, network, files),
        reactors(env, reactor_count),
        user(reactors, open_disk(env, files, block_device), reactor_count),
        disk(*files.find("disk")) {
    disk.hang(true);
    disk.outcome = [this](const DiskRequest& request) {
      asked.push_back(request);
      if (answers.empty()) return SimDisk::kWhole;
      const int32_t answer = answers.front();
      answers.pop_front();
      return answer;
    };
  }

  /// What is under way comes as far as it can.
  void settle() { machine.pass_to(machine.now_ns() + 10 * kMillisecond); }
  /// Carries out at most `bytes` of the operation; or ends it with -errno.
  void answer(int32_t bytes = SimDisk::kWhole) {
    settle();
    REQUIRE(!idle());
    answers.push_back(bytes);
    disk.let_one_go();
    settle();
  }
  bool idle() const { return disk.waiting() == 0; }
  /// With the disk.
  size_t in_flight() {
    settle();
    return disk.waiting();
  }
  /// Answers all that there is, and all that begins then.
  void answer_all() {
    disk.hang(false);
    settle();
    disk.hang(true);
  }
  /// Starts `io`, answers its operations with `bytes` in turn, and waits for its end.
  BdevStatus run(TestIo& io, const std::vector<int32_t>& bytes) {
    user.start(io);
    for (const int32_t each : bytes) answer(each);
    settle();
    CHECK(idle());
    return io.wait();
  }
  /// The channel looks after its file.
  void tick() { machine.pass_to(machine.now_ns() + 1'100 * kMillisecond); }
  std::byte at(uint64_t offset) const {
    std::byte byte{};
    disk.read(offset, {&byte, 1});
    return byte;
  }
  std::vector<DiskOp> ops() const {
    std::vector<DiskOp> ops;
    for (const DiskRequest& request : asked) ops.push_back(request.op);
    return ops;
  }

  env::sim::SimMachine machine;
  env::sim::SimNetwork network;
  env::sim::SimFiles files;
  env::sim::SimEnv env;
  TestReactors reactors;
  TestBdevUser user;
  SimDisk& disk;
  std::vector<DiskRequest> asked;  ///< of the operations that were answered, in order
  std::deque<int32_t> answers;
};

/// A write of the first block.
struct BlockWrite {
  std::vector<std::byte> data = std::vector<std::byte>(kBlockSize, std::byte{0x5a});
  TestIo io{BdevIoType::Write, 0, 1, {iovec{data.data(), data.size()}}};
};

/// Nothing but an operator ends the fault, and he only when the disk has its size again.
void check_latched(Bench& bench, uint32_t fault, BdevStatus status) {
  TestIo still(BdevIoType::Flush, 0, 0), again(BdevIoType::Flush, 0, 0);
  bench.user.start_recheck(still);
  CHECK(still.wait() == status);
  bench.disk.resize(kBlocks * kBlockSize);
  bench.tick();
  CHECK(bench.user.health().faults() == fault);
  bench.user.start_recheck(again);
  bench.answer(0);
  CHECK(again.wait() == BdevStatus::Success);
  BlockWrite after;
  CHECK(bench.run(after.io, {1 << 20}) == BdevStatus::Success);
}

TEST_CASE("a transfer cut short goes on where it stopped, within an iovec and at its border") {
  Bench bench;
  std::vector<std::byte> first(2048), second(6144);
  for (size_t index = 0; index < first.size(); ++index) first[index] = std::byte(index / 5);
  for (size_t index = 0; index < second.size(); ++index) second[index] = std::byte(index / 3);
  const std::vector iov = {iovec{first.data(), first.size()}, iovec{second.data(), second.size()}};
  TestIo write(BdevIoType::Write, 2, 16, iov);
  // 512 within the first; the rest of it alone, up to the border; 1024 within the second; the rest.
  CHECK(bench.run(write, {512, 1 << 20, 1024, 1 << 20}) == BdevStatus::Success);
  std::vector<std::byte> there(8192);
  bench.disk.read(1024, there);
  CHECK(std::memcmp(there.data(), first.data(), first.size()) == 0);
  CHECK(std::memcmp(there.data() + first.size(), second.data(), second.size()) == 0);

  std::vector<std::byte> found(8192);
  TestIo read(BdevIoType::Read, 2, 16, {iovec{found.data(), found.size()}});
  CHECK(bench.run(read, {512, 7168, 1 << 20}) == BdevStatus::Success);
  CHECK(std::memcmp(found.data(), first.data(), first.size()) == 0);
  CHECK(std::memcmp(found.data() + first.size(), second.data(), second.size()) == 0);
}

TEST_CASE("errors of the machine become statuses") {
  const std::vector<std::pair<int, BdevStatus>> table = {
      {EIO, BdevStatus::MediaError},         {ENOSPC, BdevStatus::NoSpace},
      {EDQUOT, BdevStatus::NoSpace},         {ECANCELED, BdevStatus::Aborted},
      {EOPNOTSUPP, BdevStatus::Unsupported}, {ENODEV, BdevStatus::Gone},
      {EBADMSG, BdevStatus::MediaError},     {ENOLINK, BdevStatus::Gone},
      {ENOTCONN, BdevStatus::Gone},          {EINVAL, BdevStatus::Failed},
  };
  std::vector<std::byte> data(kBlockSize);
  for (const auto& [errnum, status] : table) {
    Bench bench;
    TestIo write(BdevIoType::Write, 0, 1, {iovec{data.data(), data.size()}});
    CHECK(bench.run(write, {-errnum}) == status);
    Bench other;
    TestIo flush(BdevIoType::Flush, 0, 0);
    CHECK(other.run(flush, {-errnum}) == status);
  }
  Bench bench;
  TestIo half(BdevIoType::Write, 0, 2, {iovec{data.data(), 512}, iovec{data.data(), 512}});
  CHECK(bench.run(half, {512, -ENOSPC}) == BdevStatus::NoSpace);
}

TEST_CASE("Force Unit Access is a durable write, every part of it") {
  Bench bench;
  std::vector<std::byte> data(2 * kBlockSize);
  TestIo plain(BdevIoType::Write, 0, 2, {iovec{data.data(), data.size()}});
  CHECK(bench.run(plain, {1 << 20}) == BdevStatus::Success);
  CHECK(!bench.asked.back().durable);
  TestIo durable(BdevIoType::Write, 0, 2, {iovec{data.data(), data.size()}});
  durable.io.force_unit_access = true;
  CHECK(bench.run(durable, {512, 1 << 20}) == BdevStatus::Success);
  REQUIRE(bench.asked.size() == 3);
  CHECK(bench.asked[1].durable);
  CHECK(bench.asked[2].durable);
}

TEST_CASE("zeroing punches holes in a file; a block device writes zeros itself where it must") {
  for (const bool block_device : {false, true}) {
    Bench bench(block_device);
    TestIo unmap(BdevIoType::Unmap, 0, 8);
    CHECK(bench.run(unmap, {0}) == BdevStatus::Success);
    TestIo zeroes(BdevIoType::WriteZeroes, 0, 8);
    CHECK(bench.run(zeroes, {0}) == BdevStatus::Success);
    TestIo durable(BdevIoType::WriteZeroes, 0, 8);
    durable.io.force_unit_access = true;
    CHECK(bench.run(durable, {0, 0}) == BdevStatus::Success);
    const DiskOp zero = block_device ? DiskOp::ZeroRange : DiskOp::PunchHole;
    CHECK(bench.ops() == std::vector{DiskOp::PunchHole, zero, zero, DiskOp::Flush});
  }
}

TEST_CASE("zeros are written where the file refuses to punch a hole") {
  Bench bench;
  const std::vector<std::byte> ones(kBlockSize, std::byte{1});
  bench.disk.write(0, ones);
  TestIo zeroes(BdevIoType::WriteZeroes, 0, 8);
  CHECK(bench.run(zeroes, {-EOPNOTSUPP, 1 << 20}) == BdevStatus::Success);
  CHECK(bench.at(100) == std::byte{0});
  CHECK(bench.ops() == std::vector{DiskOp::PunchHole, DiskOp::Write});
}

TEST_CASE("cancel goes to the ring, and a transfer cut short does not go on after it") {
  Bench bench;
  std::vector<std::byte> data(2 * kBlockSize);
  TestIo read(BdevIoType::Read, 0, 2, {iovec{data.data(), data.size()}});
  bench.user.start(read);
  CHECK(bench.in_flight() == 1);
  bench.reactors.run(0, [&](Reactor&) { bench.user.channel().cancel(read.io); });
  CHECK(read.io.op.cancelled);
  bench.answer(kBlockSize);
  CHECK(read.wait() == BdevStatus::Aborted);
  CHECK(bench.asked.size() == 1);
}

TEST_CASE(
    "a file has but so many transfers with the kernel; the others wait where cancel ends them") {
  constexpr uint32_t kMax = UringChannel::kTransfersMax;
  constexpr uint32_t kMore = 5;
  Bench bench;
  std::vector<std::unique_ptr<BlockWrite>> writes;
  for (uint32_t index = 0; index < kMax + kMore; ++index) {
    writes.push_back(std::make_unique<BlockWrite>());
    std::ranges::fill(writes.back()->data, std::byte(index + 1));
    bench.user.start(writes.back()->io);
  }
  CHECK(bench.in_flight() == kMax);
  bench.reactors.run(0, [&](Reactor&) { bench.user.channel().cancel(writes[kMax]->io.io); });
  CHECK(writes[kMax]->io.wait() == BdevStatus::Aborted);
  // Each that ends lets one begin, until there are no more.
  for (uint32_t index = 0; index < kMore - 1; ++index) {
    bench.answer();
    CHECK(bench.in_flight() == kMax);
    CHECK(bench.at(0) == std::byte(index + 1));  // in turn
  }
  bench.answer_all();
  for (uint32_t index = 0; index < kMax + kMore; ++index) {
    if (index != kMax) CHECK(writes[index]->io.wait() == BdevStatus::Success);
  }
  CHECK(bench.at(0) == std::byte(kMax + kMore));
}

TEST_CASE("syncs and zeroing wait in a line of their own, and keep no transfer waiting") {
  constexpr uint32_t kMax = UringChannel::kBlockingMax;
  Bench bench;
  std::vector<std::unique_ptr<TestIo>> ios;
  for (uint32_t index = 0; index < kMax + 3; ++index) {
    const BdevIoType type = index % 2 == 0 ? BdevIoType::Flush : BdevIoType::Unmap;
    ios.push_back(std::make_unique<TestIo>(type, 0, type == BdevIoType::Flush ? 0 : 1));
    bench.user.start(*ios.back());
  }
  CHECK(bench.in_flight() == kMax);
  BlockWrite write;
  bench.user.start(write.io);
  CHECK(bench.in_flight() == kMax + 1);
  bench.reactors.run(0, [&](Reactor&) { bench.user.channel().cancel(ios[kMax]->io); });
  CHECK(ios[kMax]->wait() == BdevStatus::Aborted);
  bench.answer();
  CHECK(ios[0]->wait() == BdevStatus::Success);
  CHECK(bench.in_flight() == kMax + 1);
  bench.answer_all();
  CHECK(write.io.wait() == BdevStatus::Success);
  for (uint32_t index = 1; index < kMax + 3; ++index) {
    if (index != kMax) CHECK(ios[index]->wait() == BdevStatus::Success);
  }
}

TEST_CASE("a channel has the ring allow as many workers as its file may hold, while it lives") {
  env::sim::SimMachine machine(1);
  env::sim::SimNetwork network(machine);
  env::sim::SimFiles files;
  env::sim::SimEnv env(machine, network, files);
  TestReactors reactors(env, 1);
  const auto& ring = static_cast<const env::sim::SimRing&>(reactors.reactor(0).ring());
  const uint32_t before = ring.workers_max();
  {
    TestBdevUser user(reactors, open_disk(env, files, false));
    CHECK(ring.workers_max() == before + UringChannel::kWorkersMax);
    user.renew_channel();
    CHECK(ring.workers_max() == before + UringChannel::kWorkersMax);
  }
  CHECK(ring.workers_max() == before);
}

TEST_CASE(
    "after a failed flush every flush and durable write fails, until one succeeds on request") {
  Bench bench;
  BlockWrite plain, durable;
  durable.io.io.force_unit_access = true;
  TestIo first(BdevIoType::Flush, 0, 0), second(BdevIoType::Flush, 0, 0);
  TestIo zeroes(BdevIoType::WriteZeroes, 0, 8), durable_zeroes(BdevIoType::WriteZeroes, 0, 8);
  durable_zeroes.io.force_unit_access = true;
  CHECK(bench.run(first, {-EIO}) == BdevStatus::MediaError);
  CHECK(bench.user.health().faults() == kLostFlush);
  CHECK(bench.user.health().last_failure().errnum == EIO);
  CHECK(bench.user.health().last_failure().type == BdevIoType::Flush);
  CHECK(bench.run(second, {}) == BdevStatus::Lost);
  CHECK(bench.run(durable.io, {}) == BdevStatus::Lost);
  CHECK(bench.run(durable_zeroes, {}) == BdevStatus::Lost);
  CHECK(bench.run(plain.io, {1 << 20}) == BdevStatus::Success);
  CHECK(bench.run(zeroes, {0}) == BdevStatus::Success);

  TestIo still(BdevIoType::Flush, 0, 0), again(BdevIoType::Flush, 0, 0),
      after(BdevIoType::Flush, 0, 0);
  bench.user.start_recheck(still);
  bench.answer(-EIO);
  CHECK(still.wait() == BdevStatus::MediaError);
  CHECK(bench.user.health().faults() == kLostFlush);
  bench.user.start_recheck(again);
  bench.answer(0);
  CHECK(again.wait() == BdevStatus::Success);
  CHECK(bench.user.health().faults() == 0);
  CHECK(bench.run(after, {0}) == BdevStatus::Success);
}

TEST_CASE("a flush that failed on one reactor fails on every other, and when the channel is new") {
  Bench bench(false, 2);
  TestIo first(BdevIoType::Flush, 0, 0), other(BdevIoType::Flush, 0, 0),
      later(BdevIoType::Flush, 0, 0);
  CHECK(bench.run(first, {-EIO}) == BdevStatus::MediaError);
  CHECK(bench.user.run(other, 1) == BdevStatus::Lost);
  bench.user.renew_channel(1);
  CHECK(bench.user.run(later, 1) == BdevStatus::Lost);
  CHECK(bench.asked.size() == 1);
}

TEST_CASE("what fails while a fault is acknowledged is not acknowledged with it") {
  Bench bench;
  TestIo flush(BdevIoType::Flush, 0, 0), recheck(BdevIoType::Flush, 0, 0);
  CHECK(bench.run(flush, {-EIO}) == BdevStatus::MediaError);
  bench.user.start_recheck(recheck);
  bench.user.health().raise(kLostFlush);  // by another reactor
  bench.answer(0);
  CHECK(recheck.wait() == BdevStatus::Failed);
  CHECK(bench.user.health().faults() == kLostFlush);
}

TEST_CASE("a flush that was asked to end, or that nobody can do, has lost nothing") {
  for (const int errnum : {ECANCELED, EOPNOTSUPP}) {
    Bench bench;
    TestIo flush(BdevIoType::Flush, 0, 0);
    CHECK(bench.run(flush, {-errnum}) != BdevStatus::Success);
    CHECK(bench.user.health().faults() == 0);
    CHECK(bench.user.health().failure_count() == 0);
  }
}

TEST_CASE(
    "a durable write that fails may have lost a flush; a plain one, or one without room, not") {
  struct Case {
    bool force_unit_access;
    int errnum;
    uint32_t faults;
  };
  for (const Case& each : {Case{true, EIO, kLostFlush}, Case{true, ENOSPC, 0}, Case{false, EIO, 0},
                           Case{true, ECANCELED, 0}}) {
    Bench bench;
    BlockWrite write;
    write.io.io.force_unit_access = each.force_unit_access;
    CHECK(bench.run(write.io, {-each.errnum}) != BdevStatus::Success);
    CHECK(bench.user.health().faults() == each.faults);
    CHECK(bench.user.health().failure_count() == (each.errnum == ECANCELED ? 0 : 1));
  }
}

TEST_CASE("zeros that could not be made durable are a lost flush") {
  Bench bench;
  TestIo zeroes(BdevIoType::WriteZeroes, 0, 8);
  zeroes.io.force_unit_access = true;
  CHECK(bench.run(zeroes, {0, -EIO}) == BdevStatus::MediaError);
  CHECK(bench.user.health().faults() == kLostFlush);
}

TEST_CASE("a read behind the end of its file finds that data are lost") {
  Bench bench;
  std::vector<std::byte> data(2 * kBlockSize);
  TestIo read(BdevIoType::Read, 0, 2, {iovec{data.data(), data.size()}});
  CHECK(bench.run(read, {kBlockSize, 0}) == BdevStatus::Lost);
  CHECK(bench.user.health().faults() == kLostData);
}

TEST_CASE("a file cut short is read and written no more, not even by what waits already") {
  constexpr uint32_t kMax = UringChannel::kTransfersMax;
  Bench bench;
  std::vector<std::unique_ptr<BlockWrite>> writes;
  for (uint32_t index = 0; index < kMax + 300; ++index) {
    writes.push_back(std::make_unique<BlockWrite>());
    bench.user.start(writes.back()->io);
  }
  bench.disk.resize((kBlocks - 1) * kBlockSize);
  bench.tick();
  CHECK(bench.user.health().faults() == kLostData);
  bench.answer_all();
  bench.asked.clear();
  for (uint32_t index = 0; index < writes.size(); ++index) {
    const BdevStatus expected = index < kMax ? BdevStatus::Success : BdevStatus::Lost;
    CHECK(writes[index]->io.wait() == expected);
  }
  BlockWrite write;
  TestIo read(BdevIoType::Read, 0, 1, {iovec{write.data.data(), write.data.size()}});
  TestIo flush(BdevIoType::Flush, 0, 0), unmap(BdevIoType::Unmap, 0, 1);
  for (TestIo* const io : {&write.io, &read, &flush, &unmap}) {
    CHECK(bench.run(*io, {}) == BdevStatus::Lost);
  }
  CHECK(bench.asked.empty());

  check_latched(bench, kLostData, BdevStatus::Lost);
}

TEST_CASE("a device that went is asked nothing more, not even for what waits already") {
  constexpr uint32_t kMax = UringChannel::kTransfersMax;
  Bench bench(true);
  std::vector<std::unique_ptr<BlockWrite>> writes;
  for (uint32_t index = 0; index < kMax + 2; ++index) {
    writes.push_back(std::make_unique<BlockWrite>());
    bench.user.start(writes.back()->io);
  }
  SUBCASE("by its word") { bench.answer(-ENODEV); }
  SUBCASE("by its size, whatever the word") {
    bench.disk.resize(0);
    bench.answer(-EIO);
  }
  SUBCASE("by its size, which ends before the blocks do") {
    bench.disk.resize(0);
    bench.answer(0);
  }
  CHECK(writes[0]->io.wait() == BdevStatus::Gone);
  CHECK(bench.user.health().faults() == kGone);
  CHECK(writes[kMax]->io.wait() == BdevStatus::Gone);
  CHECK(writes[kMax + 1]->io.wait() == BdevStatus::Gone);
  bench.disk.resize(kBlocks * kBlockSize);
  bench.answer_all();
  bench.asked.clear();
  for (uint32_t index = 1; index < kMax; ++index) {
    CHECK(writes[index]->io.wait() == BdevStatus::Success);
  }
  BlockWrite write;
  TestIo read(BdevIoType::Read, 0, 1, {iovec{write.data.data(), write.data.size()}});
  TestIo flush(BdevIoType::Flush, 0, 0), unmap(BdevIoType::Unmap, 0, 1);
  for (TestIo* const io : {&write.io, &read, &flush, &unmap}) {
    CHECK(bench.run(*io, {}) == BdevStatus::Gone);
  }
  CHECK(bench.asked.empty());
}

TEST_CASE("a device that went is found without I/O, and is not acknowledged while it is away") {
  Bench bench(true);
  bench.disk.resize(0);
  bench.tick();
  CHECK(bench.user.health().faults() == kGone);
  check_latched(bench, kGone, BdevStatus::Gone);
}

TEST_CASE("a device that went during a flush is gone, and the flush is lost") {
  Bench bench(true);
  TestIo flush(BdevIoType::Flush, 0, 0);
  bench.user.start(flush);
  bench.answer(-ENXIO);
  CHECK(flush.wait() == BdevStatus::Gone);
  CHECK(bench.user.health().faults() == (kGone | kLostFlush));
}

TEST_CASE("a file that grows is found to be larger, and is cut short only below what is used") {
  Bench bench;
  Bdev& bdev = bench.user.bdev();
  bench.disk.resize(3 * kBlocks * kBlockSize);
  CHECK(bdev.blocks_found() == kBlocks);
  bench.tick();
  CHECK(bdev.blocks_found() == 3 * kBlocks);
  CHECK(bdev.block_count() == kBlocks);
  // A bdev of it could not be opened.
  bench.disk.resize(3 * kBlocks * kBlockSize + 100);
  bench.tick();
  CHECK(bdev.bytes_found() == 3 * kBlocks * kBlockSize + 100);
  CHECK(bdev.blocks_found() == kBlocks);
  CHECK(!bench.user.grow());
  // Nobody has used what goes again.
  bench.disk.resize(2 * kBlocks * kBlockSize);
  bench.tick();
  CHECK(bdev.blocks_found() == 2 * kBlocks);
  CHECK(bench.user.health().faults() == 0);
  CHECK(bench.user.grow());
  CHECK(bdev.block_count() == 2 * kBlocks);
  std::vector<std::byte> data(kBlockSize);
  TestIo last(BdevIoType::Read, 2 * kBlocks - 1, 1, {iovec{data.data(), data.size()}});
  CHECK(bench.run(last, {kBlockSize}) == BdevStatus::Success);
  bench.disk.resize((2 * kBlocks - 1) * kBlockSize);
  bench.tick();
  CHECK(bench.user.health().faults() == kLostData);
}

TEST_CASE("a write finds that its file was cut before it extends it") {
  Bench bench;
  bench.disk.resize((kBlocks - 2) * kBlockSize);
  BlockWrite write;
  CHECK(bench.run(write.io, {}) == BdevStatus::Lost);
  CHECK(bench.user.health().faults() == kLostData);
  CHECK(bench.asked.empty());
}

TEST_CASE("zeros are not said to be where a file was cut off") {
  Bench bench;
  bench.disk.resize((kBlocks - 2) * kBlockSize);
  TestIo zeroes(BdevIoType::WriteZeroes, kBlocks - 1, 1);
  CHECK(bench.run(zeroes, {}) == BdevStatus::Lost);
  CHECK(bench.user.health().faults() == kLostData);
}

TEST_CASE("writes that begin together look at their file once; reads and a device's need no look") {
  for (const bool block_device : {false, true}) {
    Bench bench(block_device);
    std::array<BlockWrite, 8> writes;
    BlockWrite buffer;
    TestIo read(BdevIoType::Read, 0, 1, {iovec{buffer.data.data(), kBlockSize}});
    bench.user.start(read);
    bench.reactors.run(0, [&](Reactor&) {
      const uint64_t before = bench.env.calls().size_reads;
      for (BlockWrite& write : writes) bench.user.channel().submit(write.io.io);
      CHECK(bench.env.calls().size_reads - before == (block_device ? 0 : 1));
    });
    bench.answer_all();
    CHECK(read.wait() == BdevStatus::Success);
    for (BlockWrite& write : writes) {
      write.io.env = &bench.env;
      CHECK(write.io.wait() == BdevStatus::Success);
    }
  }
}

TEST_CASE("a transfer cut short does not go on once data are lost") {
  Bench bench;
  std::vector<std::byte> data(2 * kBlockSize);
  TestIo write(BdevIoType::Write, 0, 2, {iovec{data.data(), data.size()}});
  bench.user.start(write);
  CHECK(bench.in_flight() == 1);
  bench.disk.resize(0);
  bench.tick();
  bench.answer(kBlockSize);
  CHECK(write.wait() == BdevStatus::Lost);
  CHECK(bench.in_flight() == 0);
}

TEST_CASE("a device that refuses writes is write protected until it takes one again") {
  for (const int errnum : {EROFS, EPERM, EACCES}) {
    Bench bench;
    BlockWrite refused, taken;
    TestIo read(BdevIoType::Read, 0, 1, {iovec{refused.data.data(), refused.data.size()}});
    TestIo zeroes(BdevIoType::Unmap, 0, 1), zeroed(BdevIoType::Unmap, 0, 1);
    CHECK(bench.run(refused.io, {-errnum}) == BdevStatus::ReadOnly);
    CHECK(bench.user.health().faults() == kWriteProtected);
    CHECK(bench.run(read, {1 << 20}) == BdevStatus::Success);
    CHECK(bench.user.health().faults() == kWriteProtected);
    CHECK(bench.run(taken.io, {1 << 20}) == BdevStatus::Success);
    CHECK(bench.user.health().faults() == 0);
    CHECK(bench.run(zeroes, {-errnum}) == BdevStatus::ReadOnly);
    CHECK(bench.run(zeroed, {0}) == BdevStatus::Success);
    CHECK(bench.user.health().faults() == 0);
  }
}

TEST_CASE("a channel knows its oldest operation, with the kernel or in a line") {
  constexpr uint32_t kMax = UringChannel::kBlockingMax;
  Bench bench;
  const auto oldest_ns = [&] {
    bench.tick();
    return bench.user.oldest_ns();
  };
  CHECK(oldest_ns() == UINT64_MAX);
  std::vector<std::unique_ptr<TestIo>> flushes;
  for (uint32_t index = 0; index < kMax + 1; ++index) {
    flushes.push_back(std::make_unique<TestIo>(BdevIoType::Flush, 0, 0));
    bench.user.start(*flushes.back());
  }
  BlockWrite write;
  bench.user.start(write.io);
  CHECK(oldest_ns() == flushes.front()->io.submitted_ns);
  for (uint32_t index = 0; index < kMax; ++index) bench.answer();
  CHECK(oldest_ns() == std::min(flushes.back()->io.submitted_ns, write.io.io.submitted_ns));
  bench.answer(1 << 20);
  bench.answer(0);
  CHECK(write.io.wait() == BdevStatus::Success);
  for (const auto& flush : flushes) CHECK(flush->wait() == BdevStatus::Success);
  CHECK(oldest_ns() == UINT64_MAX);
}

}  // namespace
}  // namespace capsuled
