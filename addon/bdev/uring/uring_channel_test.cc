// UringChannel on a ring of the test's own, which cuts transfers short and fails as told.

#include "bdev/uring/uring_channel.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <deque>
#include <thread>
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
    return std::make_unique<UringChannel>(
        reactor, ring_,
        UringFile{.fd = 0, .block_size = kBlockSize, .block_device = block_device_});
  }

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
  explicit Bench(bool block_device = false)
      : user(reactors, std::make_unique<TestRingBdev>(ring, block_device)) {}

  /// Starts `io`, answers its ring operations with `answers` in turn, and waits for its end.
  BdevStatus run(TestIo& io, const std::vector<int32_t>& answers) {
    user.start(io);
    for (const int32_t bytes : answers) {
      reactors.run(0, [&](Reactor&) { ring.answer(bytes); });
    }
    CHECK(ring.idle());
    return io.wait();
  }

  TestRing ring;
  TestReactors reactors;
  TestBdevUser user;
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
  Bench bench;
  std::vector<std::byte> data(kBlockSize);
  for (const auto& [errnum, status] : table) {
    TestIo write(BdevIoType::Write, 0, 1, {iovec{data.data(), data.size()}});
    CHECK(bench.run(write, {-errnum}) == status);
    TestIo flush(BdevIoType::Flush, 0, 0);
    CHECK(bench.run(flush, {-errnum}) == status);
  }
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

TEST_CASE("transfers that wait end too, in turn, with the others or by cancel") {
  constexpr uint32_t kLoad = 32;
  constexpr int kRoundsMax = 1000;
  using std::chrono::milliseconds;
  Bench bench;
  std::array<std::array<std::byte, kBlockSize>, kLoad> data;
  std::array<std::unique_ptr<TestIo>, kLoad> ios;
  for (uint32_t block = 0; block < kLoad; ++block) data[block].fill(std::byte(block));
  const auto start_all = [&] {
    for (uint32_t block = 0; block < kLoad; ++block) {
      const iovec iov = {data[block].data(), kBlockSize};
      ios[block] = std::make_unique<TestIo>(BdevIoType::Write, block, 1, std::vector{iov});
      bench.user.start(*ios[block]);
    }
  };
  // A device that is done with all at once, and whose hosts take a while to come again.
  uint32_t waiting = 0;
  for (int round = 0; round < kRoundsMax && waiting == 0; ++round) {
    std::this_thread::sleep_for(milliseconds(1));
    start_all();
    std::this_thread::sleep_for(milliseconds(3));
    waiting = kLoad - bench.ring.in_flight();
    if (waiting > 0) break;
    bench.reactors.run(0, [&](Reactor&) {
      while (!bench.ring.idle()) bench.ring.answer(1 << 20);
    });
    for (const auto& io : ios) REQUIRE(io->wait() == BdevStatus::Success);
  }
  REQUIRE(waiting > 0);
  CHECK(waiting <= kLoad / TransferReserve::kShare);

  std::ranges::fill(bench.ring.medium, std::byte{0xee});
  bench.ring.kinds.clear();
  bench.reactors.run(0, [&](Reactor&) {
    bench.user.channel().cancel(ios.back()->io);  // the last one waits
    bench.user.channel().cancel(ios.front()->io);
  });
  CHECK(bench.ring.cancels == 1);
  CHECK(ios.back()->wait() == BdevStatus::Aborted);
  bench.reactors.run(0, [&](Reactor&) {
    bench.ring.answer(-ECANCELED);
    while (!bench.ring.idle()) bench.ring.answer(1 << 20);
  });
  CHECK(ios.front()->wait() == BdevStatus::Aborted);
  CHECK(bench.ring.kinds == std::vector(waiting - 1, Kind::Write));
  for (uint32_t block = 0; block < kLoad; ++block) {
    const bool written = block > 0 && block + 1 < kLoad;
    if (written) CHECK(ios[block]->wait() == BdevStatus::Success);
    CHECK(bench.ring.medium[block * kBlockSize] == (written ? std::byte(block) : std::byte{0xee}));
  }
}

}  // namespace
}  // namespace capsuled
