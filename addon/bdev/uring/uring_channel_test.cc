// UringChannel on a ring of the test's own, which cuts transfers short and fails as told.

#include "bdev/uring/uring_channel.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <deque>
#include <utility>
#include <vector>

#include "bdev/test_bdev.h"
#include "bdev/test_reactors.h"

namespace capsuled {
namespace {

constexpr uint64_t kBlocks = 64;
constexpr uint32_t kBlockSize = 512;

/// A ring that holds operations until answer(), oldest first.
class TestRing final : public env::Ring {
 public:
  enum class Kind { None, Read, Write, Sync, PunchHole, ZeroRange };

  std::vector<std::byte> medium = std::vector<std::byte>(kBlocks * kBlockSize);
  std::vector<Kind> kinds;                               ///< of the operations, in order
  env::Durability durability = env::Durability::Cached;  ///< of the last write
  uint32_t cancels = 0;
  int32_t blocking_expected = 0;
  uint64_t file_size = kBlocks * kBlockSize;
  uint32_t looks = 0;  ///< at it

  /// Carries out at most `bytes` of the operation and completes it; or completes it with -errno.
  void answer(int32_t bytes) {
    Held held = held_.front();
    held_.pop_front();
    const size_t room = std::min(held.bytes, medium.size() - held.offset);
    const size_t done = bytes <= 0 ? 0 : std::min(static_cast<size_t>(bytes), room);
    std::byte* at = medium.data() + held.offset;
    held.cursor.walk(done, [&](std::byte* data, size_t length) {
      std::memcpy(held.reading ? data : at, held.reading ? at : data, length);
      at += length;
    });
    held.op->in_flight = false;
    held.op->complete(*held.op, {bytes < 0 ? bytes : static_cast<int32_t>(done), 0, 0});
  }
  bool idle() const { return held_.empty(); }

  void read(env::RingOp& op, int, const iovec* iov, uint32_t count, uint64_t offset) override {
    begin(op, Kind::Read, iov, count, offset);
  }
  void write(env::RingOp& op, int, const iovec* iov, uint32_t count, uint64_t offset,
             env::Durability wanted) override {
    begin(op, Kind::Write, iov, count, offset);
    durability = wanted;
  }
  void sync_data(env::RingOp& op, int) override { begin(op, Kind::Sync, nullptr, 0, 0); }
  void allocate(env::RingOp& op, int, env::AllocateMode mode, uint64_t, uint64_t) override {
    begin(op, mode == env::AllocateMode::PunchHole ? Kind::PunchHole : Kind::ZeroRange, nullptr, 0,
          0);
  }
  void cancel(env::RingOp& op) override {
    CHECK(op.in_flight);
    ++cancels;
  }
  void expect_blocking(int32_t change) override { blocking_expected += change; }
  Result<uint64_t> file_bytes(int) override {
    ++looks;
    return file_size;
  }

  // Not for files.
  void accept(env::RingOp&, int) override { UNREACHABLE(); }
  void connect(env::RingOp&, int, const env::SocketAddress&) override { UNREACHABLE(); }
  void receive_provided(env::RingOp&, int, env::ProvidedBuffers&, uint32_t) override {
    UNREACHABLE();
  }
  void receive(env::RingOp&, int, msghdr&, env::WaitFor) override { UNREACHABLE(); }
  void send(env::RingOp&, int, msghdr&) override { UNREACHABLE(); }
  void close(env::RingOp&, int) override { UNREACHABLE(); }
  Result<std::unique_ptr<env::ProvidedBuffers>> provide_buffers(uint32_t, uint32_t) override {
    UNREACHABLE();
  }
  uint32_t poll() override { UNREACHABLE(); }
  void sleep(uint64_t) override { UNREACHABLE(); }
  uint32_t wait(uint64_t) override { UNREACHABLE(); }
  void wake() override { UNREACHABLE(); }
  uint32_t in_flight() const override { return static_cast<uint32_t>(held_.size()); }
  void finish() override {}

 private:
  void begin(env::RingOp& op, Kind kind, const iovec* iov, uint32_t count, uint64_t offset) {
    op.in_flight = true;
    kinds.push_back(kind);
    const IovCursor cursor(iov, count);
    held_.push_back({&op, cursor, cursor.bytes_within(count), offset, kind == Kind::Read});
  }

  struct Held {
    env::RingOp* op;
    IovCursor cursor;
    size_t bytes;
    uint64_t offset;
    bool reading;
  };
  std::deque<Held> held_;
};

using Kind = TestRing::Kind;

class TestRingBdev final : public Bdev {
 public:
  TestRingBdev(TestRing& ring, bool block_device)
      : Bdev(facts_for_ring()), ring_(ring), block_device_(block_device) {}
  std::unique_ptr<BdevChannel> make_channel(Reactor& reactor) override {
    auto made = std::make_unique<UringChannel>(reactor, ring_,
                                               UringFile{.fd = 0,
                                                         .block_size = kBlockSize,
                                                         .block_device = block_device_,
                                                         .bytes = kBlocks * kBlockSize},
                                               health());
    channel = made.get();
    return made;
  }

  UringChannel* channel = nullptr;  ///< the one there is

 private:
  static BdevFacts facts_for_ring() {
    BdevFacts facts = test_facts(kBlocks);
    facts.can_compare = false;
    return facts;
  }
  TestRing& ring_;
  const bool block_device_;
};

struct Bench {
  explicit Bench(bool block_device = false) : Bench(new TestRingBdev(ring, block_device)) {}
  explicit Bench(TestRingBdev* made) : bdev(*made), user(reactors, std::unique_ptr<Bdev>(made)) {}

  /// Starts `io`, answers its ring operations with `answers` in turn, and waits for its end.
  BdevStatus run(TestIo& io, const std::vector<int32_t>& answers) {
    user.start(io);
    for (const int32_t bytes : answers) {
      reactors.run(0, [&](Reactor&) { ring.answer(bytes); });
    }
    CHECK(ring.idle());
    return io.wait();
  }

  void answer(int32_t bytes) {
    reactors.run(0, [&](Reactor&) { ring.answer(bytes); });
  }
  void tick() {
    reactors.run(0, [&](Reactor&) { bdev.channel->tick(); });
  }

  TestRing ring;
  TestReactors reactors;
  TestRingBdev& bdev;
  TestBdevUser user;
};

/// A write of the first block.
struct BlockWrite {
  std::vector<std::byte> data = std::vector<std::byte>(kBlockSize, std::byte{0x5a});
  TestIo io{BdevIoType::Write, 0, 1, {iovec{data.data(), data.size()}}};
};

TEST_CASE("a transfer cut short goes on where it stopped, within an iovec and at its border") {
  Bench bench;
  std::vector<std::byte> first(2048), second(6144);
  for (size_t index = 0; index < first.size(); ++index) first[index] = std::byte(index / 5);
  for (size_t index = 0; index < second.size(); ++index) second[index] = std::byte(index / 3);
  const std::vector iov = {iovec{first.data(), first.size()}, iovec{second.data(), second.size()}};
  TestIo write(BdevIoType::Write, 2, 16, iov);
  // 512 within the first; the rest of it alone, up to the border; 1024 within the second; the rest.
  CHECK(bench.run(write, {512, 1 << 20, 1024, 1 << 20}) == BdevStatus::Success);
  CHECK(std::memcmp(bench.ring.medium.data() + 1024, first.data(), first.size()) == 0);
  CHECK(std::memcmp(bench.ring.medium.data() + 3072, second.data(), second.size()) == 0);

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
    TestIo flush(BdevIoType::Flush, 0, 0);
    CHECK(bench.run(flush, {-errnum}) == status);
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
  CHECK(bench.ring.durability == env::Durability::Cached);
  TestIo durable(BdevIoType::Write, 0, 2, {iovec{data.data(), data.size()}});
  durable.io.force_unit_access = true;
  CHECK(bench.run(durable, {512, 1 << 20}) == BdevStatus::Success);
  CHECK(bench.ring.durability == env::Durability::Durable);
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
    const Kind zero = block_device ? Kind::ZeroRange : Kind::PunchHole;
    CHECK(bench.ring.kinds == std::vector{Kind::PunchHole, zero, zero, Kind::Sync});
  }
}

TEST_CASE("zeros are written where the file refuses to punch a hole") {
  Bench bench;
  bench.ring.medium[100] = std::byte{1};
  TestIo zeroes(BdevIoType::WriteZeroes, 0, 8);
  bench.user.start(zeroes);
  bench.reactors.run(0, [&](Reactor&) { bench.ring.answer(-EOPNOTSUPP); });
  // The write is started by a later iteration of the loop.
  for (bool started = false; !started;) {
    bench.reactors.run(0, [&](Reactor&) { started = !bench.ring.idle(); });
  }
  bench.reactors.run(0, [&](Reactor&) { bench.ring.answer(1 << 20); });
  CHECK(zeroes.wait() == BdevStatus::Success);
  CHECK(bench.ring.medium[100] == std::byte{0});
  CHECK(bench.ring.kinds == std::vector{Kind::PunchHole, Kind::Write});
}

TEST_CASE("cancel goes to the ring, and a transfer cut short does not go on after it") {
  Bench bench;
  std::vector<std::byte> data(2 * kBlockSize);
  TestIo read(BdevIoType::Read, 0, 2, {iovec{data.data(), data.size()}});
  bench.user.start(read);
  bench.reactors.run(0, [&](Reactor&) {
    bench.user.channel().cancel(read.io);
    bench.ring.answer(kBlockSize);
  });
  CHECK(read.wait() == BdevStatus::Aborted);
  CHECK(bench.ring.cancels == 1);
}

TEST_CASE(
    "a file has but so many transfers with the kernel; the others wait where cancel ends them") {
  constexpr uint32_t kMax = TransferReserve::kInFlightMax;
  constexpr uint32_t kMore = 5;
  Bench bench;
  std::vector<std::unique_ptr<BlockWrite>> writes;
  for (uint32_t index = 0; index < kMax + kMore; ++index) {
    writes.push_back(std::make_unique<BlockWrite>());
    std::ranges::fill(writes.back()->data, std::byte(index + 1));
    bench.user.start(writes.back()->io);
  }
  CHECK(bench.ring.in_flight() == kMax);
  bench.reactors.run(0, [&](Reactor&) { bench.user.channel().cancel(writes[kMax]->io.io); });
  CHECK(writes[kMax]->io.wait() == BdevStatus::Aborted);
  CHECK(bench.ring.cancels == 0);
  // Each that ends lets one begin, until there are no more.
  for (uint32_t index = 0; index < kMore - 1; ++index) {
    bench.answer(1 << 20);
    CHECK(bench.ring.in_flight() == kMax);
    CHECK(bench.ring.medium[0] == std::byte(index + 1));  // in turn
  }
  bench.reactors.run(0, [&](Reactor&) {
    while (!bench.ring.idle()) bench.ring.answer(1 << 20);
  });
  for (uint32_t index = 0; index < kMax + kMore; ++index) {
    if (index != kMax) CHECK(writes[index]->io.wait() == BdevStatus::Success);
  }
  CHECK(bench.ring.medium[0] == std::byte(kMax + kMore));
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
  CHECK(bench.ring.in_flight() == kMax);
  BlockWrite write;
  bench.user.start(write.io);
  CHECK(bench.ring.in_flight() == kMax + 1);
  bench.reactors.run(0, [&](Reactor&) { bench.user.channel().cancel(ios[kMax]->io); });
  CHECK(ios[kMax]->wait() == BdevStatus::Aborted);
  CHECK(bench.ring.cancels == 0);
  bench.answer(0);
  CHECK(ios[0]->wait() == BdevStatus::Success);
  CHECK(bench.ring.in_flight() == kMax + 1);
  bench.reactors.run(0, [&](Reactor&) {
    while (!bench.ring.idle()) bench.ring.answer(1 << 20);
  });
  CHECK(write.io.wait() == BdevStatus::Success);
  for (uint32_t index = 1; index < kMax + 3; ++index) {
    if (index != kMax) CHECK(ios[index]->wait() == BdevStatus::Success);
  }
}

TEST_CASE("a channel has the ring allow as many workers as its file may hold, while it lives") {
  TestRing ring;
  TestReactors reactors;
  {
    TestBdevUser user(reactors, std::make_unique<TestRingBdev>(ring, false));
    CHECK(ring.blocking_expected == UringChannel::kWorkersMax);
    user.renew_channel();
    CHECK(ring.blocking_expected == UringChannel::kWorkersMax);
  }
  CHECK(ring.blocking_expected == 0);
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
  TestRing ring;
  TestReactors reactors(2);
  TestBdevUser user(reactors, std::make_unique<TestRingBdev>(ring, false), 2);
  TestIo first(BdevIoType::Flush, 0, 0), other(BdevIoType::Flush, 0, 0),
      later(BdevIoType::Flush, 0, 0);
  user.start(first, 0);
  reactors.run(0, [&](Reactor&) { ring.answer(-EIO); });
  CHECK(first.wait() == BdevStatus::MediaError);
  CHECK(user.run(other, 1) == BdevStatus::Lost);
  user.renew_channel(1);
  CHECK(user.run(later, 1) == BdevStatus::Lost);
  CHECK(ring.idle());
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
  constexpr uint32_t kMax = TransferReserve::kInFlightMax;
  Bench bench;
  std::vector<std::unique_ptr<BlockWrite>> writes;
  for (uint32_t index = 0; index < kMax + 300; ++index) {
    writes.push_back(std::make_unique<BlockWrite>());
    bench.user.start(writes.back()->io);
  }
  bench.ring.file_size -= kBlockSize;
  bench.tick();
  CHECK(bench.user.health().faults() == kLostData);
  bench.ring.kinds.clear();
  bench.reactors.run(0, [&](Reactor&) {
    while (!bench.ring.idle()) bench.ring.answer(1 << 20);
  });
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
  CHECK(bench.ring.kinds.empty());

  TestIo still(BdevIoType::Flush, 0, 0), again(BdevIoType::Flush, 0, 0);
  bench.user.start_recheck(still);
  CHECK(still.wait() == BdevStatus::Lost);
  bench.ring.file_size += kBlockSize;
  bench.tick();
  CHECK(bench.user.health().faults() == kLostData);  // nothing but an operator ends it
  bench.user.start_recheck(again);
  bench.answer(0);
  CHECK(again.wait() == BdevStatus::Success);
  BlockWrite after;
  CHECK(bench.run(after.io, {1 << 20}) == BdevStatus::Success);
}

TEST_CASE("a write finds that its file was cut before it extends it") {
  Bench bench;
  bench.ring.file_size -= 2 * kBlockSize;
  BlockWrite write;
  CHECK(bench.run(write.io, {}) == BdevStatus::Lost);
  CHECK(bench.user.health().faults() == kLostData);
  CHECK(bench.ring.kinds.empty());
}

TEST_CASE("writes that begin together look at their file once; reads and a device's need no look") {
  for (const bool block_device : {false, true}) {
    Bench bench(block_device);
    std::array<BlockWrite, 8> writes;
    BlockWrite buffer;
    TestIo read(BdevIoType::Read, 0, 1, {iovec{buffer.data.data(), kBlockSize}});
    bench.user.start(read);
    bench.reactors.run(0, [&](Reactor&) {
      bench.ring.looks = 0;
      for (BlockWrite& write : writes) bench.user.channel().submit(write.io.io);
      CHECK(bench.ring.looks == (block_device ? 0 : 1));
      while (!bench.ring.idle()) bench.ring.answer(1 << 20);
    });
    CHECK(read.wait() == BdevStatus::Success);
    for (BlockWrite& write : writes) CHECK(write.io.wait() == BdevStatus::Success);
  }
}

TEST_CASE("a transfer cut short does not go on once data are lost") {
  Bench bench;
  std::vector<std::byte> data(2 * kBlockSize);
  TestIo write(BdevIoType::Write, 0, 2, {iovec{data.data(), data.size()}});
  bench.user.start(write);
  bench.ring.file_size = 0;
  bench.tick();
  bench.answer(kBlockSize);
  CHECK(write.wait() == BdevStatus::Lost);
  CHECK(bench.ring.idle());
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
    uint64_t found_ns = 0;
    bench.reactors.run(0, [&](Reactor&) { found_ns = bench.bdev.channel->oldest_ns(); });
    return found_ns;
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
  for (uint32_t index = 0; index < kMax; ++index) bench.answer(0);
  CHECK(oldest_ns() == std::min(flushes.back()->io.submitted_ns, write.io.io.submitted_ns));
  bench.answer(1 << 20);
  bench.answer(0);
  CHECK(write.io.wait() == BdevStatus::Success);
  for (const auto& flush : flushes) CHECK(flush->wait() == BdevStatus::Success);
  CHECK(oldest_ns() == UINT64_MAX);
}

}  // namespace
}  // namespace capsuled
