#include "bdev/crypto/crypto_channel.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <vector>

#include "bdev/crypto/crypto_bdev.h"
#include "bdev/crypto/test_keys.h"
#include "bdev/delay/delay_bdev.h"
#include "bdev/malloc/malloc_bdev.h"
#include "bdev/split/split_bdev.h"
#include "bdev/test_bdev.h"
#include "bdev/test_stack.h"

namespace capsuled {
namespace {

using Bytes = std::vector<std::byte>;

constexpr uint64_t kBlocks = 8192;

BdevFacts base_facts(uint32_t block_size = 512) {
  BdevFacts facts = test_facts(kBlocks);
  facts.block_size = block_size;
  return facts;
}

Bytes numbered(size_t bytes, uint8_t first = 1) {
  Bytes made(bytes);
  for (size_t index = 0; index < bytes; ++index) {
    made[index] = std::byte(first + index * 7 + index / 512);
  }
  return made;
}

struct Scene {
  explicit Scene(BdevFacts facts = base_facts(), uint32_t sector = 512,
                 uint64_t memory_bytes = uint64_t{16} << 20)
      : stack(std::make_unique<TestBdev>(facts), memory_bytes),
        base(static_cast<TestBdev&>(*stack.registry().find("test0")->bdev)),
        block(facts.block_size),
        cipher(XtsCipher::create(test_key(), sector).value()) {
    stack.add(make_crypto_bdev(
                  {.name = "safe", .base = stack.open("test0"), .sector_bytes = sector}, test_key())
                  .value());
  }

  /// What is in the base, as the key has it.
  Bytes plain(uint64_t first_block, size_t bytes) {
    Bytes made(bytes);
    CHECK(cipher.decrypt(first_block * block / 512, base.memory.data() + first_block * block,
                         made.data(), bytes));
    return made;
  }
  Bytes read(uint64_t first_block, size_t bytes) {
    Bytes found(bytes);
    CHECK(stack.run(BdevIoType::Read, first_block, found) == BdevStatus::Success);
    return found;
  }
  BdevStatus write(uint64_t first_block, Bytes data) {
    return stack.run(BdevIoType::Write, first_block, data);
  }
  void on_reactor(const std::function<void()>& call) {
    stack.reactors().run(0, [&](Reactor&) { call(); });
  }
  void cancel(TestIo& io) {
    CoreChannel& channel = stack.channel();
    on_reactor([&] { channel.cancel(io.io); });
  }
  /// Once what was under way has ended, the channel can do what it could at first.
  void check_well() {
    base.hold = false;
    base.fault = nullptr;
    std::vector<std::unique_ptr<Write>> writes;
    for (uint64_t number = 0; number < 16; ++number) writes.push_back(start(number * 256, 256));
    for (const auto& one : writes) CHECK(one->io.wait() == BdevStatus::Success);
    for (uint64_t number = 0; number < 16; ++number) {
      CHECK(plain(number * 256, 256 * block) == writes[number]->data);
    }
    uint64_t used = 0;
    stack.reactors().run(0, [&](Reactor& reactor) {
      used = reactor.stats().small_buffers_used + reactor.stats().large_buffers_used;
    });
    CHECK(used == 0);
  }

  struct Write {
    Write(uint64_t first_block, uint64_t count, Bytes bytes)
        : data(std::move(bytes)),
          io(BdevIoType::Write, first_block, count, {iovec{data.data(), data.size()}}) {}
    Bytes data;
    TestIo io;
  };
  std::unique_ptr<Write> start(uint64_t first_block, uint64_t count) {
    auto made = std::make_unique<Write>(first_block, count,
                                        numbered(count * block, uint8_t(first_block / 7 + count)));
    stack.start(made->io);
    return made;
  }
  size_t held() {
    size_t count = 0;
    on_reactor([&] { count = base.held.size(); });
    return count;
  }
  void release(size_t index) {
    on_reactor([&] { base.release(index); });
  }
  void release_all() {
    on_reactor([&] { base.release_all(); });
  }
  /// Runs the loop until the base has `count` operations.
  void until_held(size_t count) {
    while (held() != count) {
    }
  }

  TestStack stack;
  TestBdev& base;
  const uint32_t block;
  XtsCipher cipher;
};

/// `data` in pieces that end at `cuts`, which are in order.
std::vector<iovec> cut(Bytes& data, const std::vector<size_t>& cuts) {
  std::vector<iovec> made;
  size_t first = 0;
  for (const size_t end : cuts) {
    made.push_back({data.data() + first, end - first});
    first = end;
  }
  made.push_back({data.data() + first, data.size() - first});
  return made;
}

}  // namespace

TEST_CASE("crypto: what is written is in the base as the cipher says, and is read back") {
  for (const auto& [block, sector] : {std::pair{512u, 512u}, {4096u, 512u}, {4096u, 4096u}}) {
    CAPTURE(block);
    CAPTURE(sector);
    Scene scene(base_facts(block), sector);
    uint64_t first = 3;
    for (const size_t count : {1u, 2u, 16u, 31u, 32u, 256u, 300u}) {
      CAPTURE(count);
      const Bytes data = numbered(count * block, uint8_t(count));
      CHECK(scene.write(first, data) == BdevStatus::Success);
      CHECK(scene.plain(first, data.size()) == data);
      CHECK(std::memcmp(scene.base.memory.data() + first * block, data.data(), 64) != 0);
      CHECK(scene.read(first, data.size()) == data);
      first += count;
    }
    for (const TestSubmission& submission : scene.base.submissions) {
      CHECK(submission.count_blocks * block <= kCryptoBytesMax);
    }
  }
}

TEST_CASE("crypto: a host's data stay as they are, and the operation as it was") {
  Scene scene;
  Bytes data = numbered(600 * 512);
  const Bytes before = data;
  TestIo write(BdevIoType::Write, 5, 600, cut(data, {1000, 200'000}));
  const iovec* const iov = write.io.iov;
  CHECK(scene.stack.run(write) == BdevStatus::Success);
  CHECK(data == before);
  CHECK(write.io.iov == iov);
  CHECK(write.io.iov_count == 3);
  CHECK(write.io.offset_blocks == 5);
  Bytes other = numbered(8 * 512);
  TestIo whole(BdevIoType::Write, 5, 8, cut(other, {1000}));
  const iovec* const whole_iov = whole.io.iov;
  CHECK(scene.stack.run(whole) == BdevStatus::Success);
  CHECK(whole.io.iov == whole_iov);
  CHECK(whole.io.iov_count == 2);
  CHECK(other == numbered(8 * 512));
}

TEST_CASE("crypto: sectors may lie scattered, whatever the cut") {
  Scene scene;
  Bytes data = numbered(3 * 512);
  for (size_t first = 0; first <= data.size(); first += first < 600 ? 1 : 37) {
    for (const size_t second : {first, (first + data.size()) / 2, data.size()}) {
      CAPTURE(first);
      CAPTURE(second);
      data[0] = std::byte(first);
      TestIo write(BdevIoType::Write, 9, 3, cut(data, {first, second}));
      CHECK(scene.stack.run(write) == BdevStatus::Success);
      CHECK(scene.plain(9, data.size()) == data);
      Bytes found(data.size());
      TestIo read(BdevIoType::Read, 9, 3, cut(found, {first, second}));
      CHECK(scene.stack.run(read) == BdevStatus::Success);
      CHECK(found == data);
    }
  }
}

TEST_CASE("crypto: a sector may lie in many pieces, some of them empty") {
  for (const auto& [block, sector] : {std::pair{512u, 512u}, {4096u, 4096u}}) {
    Scene scene(base_facts(block), sector);
    Bytes data = numbered(40 * block);
    std::vector<size_t> cuts;
    for (size_t at = 1; at < data.size(); at += block / 7) cuts.push_back(at);
    cuts.insert(cuts.begin() + 9, 2, size_t{cuts[9]});
    TestIo write(BdevIoType::Write, 0, 40, cut(data, cuts));
    CHECK(scene.stack.run(write) == BdevStatus::Success);
    CHECK(scene.plain(0, data.size()) == data);
    Bytes found(data.size());
    TestIo read(BdevIoType::Read, 0, 40, cut(found, cuts));
    CHECK(scene.stack.run(read) == BdevStatus::Success);
    CHECK(found == data);
  }
}

TEST_CASE("crypto: Compare and Write Zeroes are of what is encrypted") {
  Scene scene;
  Bytes data = numbered(600 * 512);
  CHECK(scene.write(0, data) == BdevStatus::Success);
  CHECK(scene.stack.run(BdevIoType::Compare, 0, data) == BdevStatus::Success);
  data[599 * 512] ^= std::byte{1};
  CHECK(scene.stack.run(BdevIoType::Compare, 0, data) == BdevStatus::Miscompare);
  TestIo zeroes(BdevIoType::WriteZeroes, 1, 599);
  CHECK(scene.stack.run(zeroes) == BdevStatus::Success);
  CHECK(scene.read(1, 599 * 512) == Bytes(599 * 512));
  CHECK(scene.plain(1, 599 * 512) == Bytes(599 * 512));
  TestIo unmap(BdevIoType::Unmap, 0, 1);
  CHECK(scene.stack.run(unmap) == BdevStatus::Unsupported);
  // The base knows of nothing but reads and writes.
  for (const TestSubmission& submission : scene.base.submissions) {
    CHECK((submission.type == BdevIoType::Read || submission.type == BdevIoType::Write));
  }
}

TEST_CASE("crypto: Flush and Force Unit Access reach the base") {
  Scene scene;
  TestIo flush(BdevIoType::Flush, 0, 0);
  CHECK(scene.stack.run(flush) == BdevStatus::Success);
  CHECK(scene.base.submissions.back().type == BdevIoType::Flush);
  Bytes data(2 * 512);
  for (const bool durable : {false, true}) {
    TestIo write(BdevIoType::Write, 0, 2, {iovec{data.data(), data.size()}});
    write.io.force_unit_access = durable;
    CHECK(scene.stack.run(write) == BdevStatus::Success);
    CHECK(scene.base.submissions.back().force_unit_access == durable);
    TestIo zeroes(BdevIoType::WriteZeroes, 0, 2);
    zeroes.io.force_unit_access = durable;
    CHECK(scene.stack.run(zeroes) == BdevStatus::Success);
    CHECK(scene.base.submissions.back().force_unit_access == durable);
  }
}

TEST_CASE("crypto: an error of the base comes up as it is, and nothing is decrypted") {
  Scene scene;
  CHECK(scene.write(0, numbered(512)) == BdevStatus::Success);
  for (const BdevStatus status :
       {BdevStatus::MediaError, BdevStatus::NoSpace, BdevStatus::Gone, BdevStatus::Lost}) {
    scene.base.fault = [status](const BdevIo&) { return status; };
    const Bytes before = numbered(512, 200);
    Bytes found = before;
    CHECK(scene.stack.run(BdevIoType::Read, 0, found) == status);
    CHECK(found == before);
    Bytes data = numbered(512, 99);
    CHECK(scene.stack.run(BdevIoType::Write, 0, data) == status);
    CHECK(data == numbered(512, 99));
    TestIo flush(BdevIoType::Flush, 0, 0);
    CHECK(scene.stack.run(flush) == status);
  }
  scene.base.fault = nullptr;
  CHECK(scene.read(0, 512) == numbered(512));
  scene.check_well();
}

TEST_CASE("crypto: with another key the same blocks are something else") {
  Scene scene;
  const Bytes data = numbered(4096);
  CHECK(scene.write(0, data) == BdevStatus::Success);
  scene.stack.release();
  REQUIRE(scene.stack.registry().take("safe").ok());
  scene.stack.add(
      make_crypto_bdev({.name = "other", .base = scene.stack.open("test0")}, test_key(64, 1))
          .value());
  CHECK(scene.read(0, 4096) != data);
}

// ---- Lines --------------------------------------------------------------------------------------

// Of 16 MiB, 32 small and 6 large buffers are spare, of which a channel gets half.
constexpr size_t kSmallWrites = 16 + 1;
constexpr size_t kLargeWrites = 3 + 1;

TEST_CASE("crypto: a write that finds no buffer waits for its turn") {
  Scene scene;
  scene.base.hold = true;
  std::vector<std::unique_ptr<Scene::Write>> writes;
  for (uint64_t number = 0; number < 10; ++number) writes.push_back(scene.start(number * 256, 256));
  // A small one does not overtake them.
  writes.push_back(scene.start(10 * 256, 1));
  CHECK(scene.held() == kLargeWrites);
  for (size_t ended = 1; ended <= writes.size(); ++ended) {
    scene.release(0);
    CHECK(writes[ended - 1]->io.wait() == BdevStatus::Success);
    // The small one needs no large buffer, but its turn.
    const size_t left = writes.size() - ended;
    CHECK(scene.held() == (left > kLargeWrites + 1 ? kLargeWrites : left));
  }
  for (uint64_t number = 0; number < writes.size(); ++number) {
    CHECK(scene.base.submissions[number].offset_blocks == number * 256);
    CHECK(scene.plain(number * 256, writes[number]->data.size()) == writes[number]->data);
  }
  scene.check_well();
}

TEST_CASE("crypto: a write goes on though others keep all buffers that are spare") {
  Scene scene;
  std::vector<IoBuffers> taken;
  std::deque<SpareHold> holds;
  scene.stack.reactors().run(0, [&](Reactor& reactor) {
    for (const uint32_t bytes : {kSmallBufferBytes, kLargeBufferBytes}) {
      IoBuffers buffers;
      while (reactor.buffers().try_get_spare(bytes, buffers, holds.emplace_back())) {
        taken.push_back(std::exchange(buffers, {}));
      }
      holds.pop_back();
    }
  });
  scene.base.hold = true;
  std::vector<std::unique_ptr<Scene::Write>> writes;
  for (uint64_t number = 0; number < 5; ++number) {
    writes.push_back(scene.start(number * 256, number % 2 == 0 ? 256 : 1));
  }
  for (const auto& one : writes) {
    CHECK(scene.held() == 1);
    scene.release(0);
    CHECK(one->io.wait() == BdevStatus::Success);
  }
  scene.stack.reactors().run(0, [&](Reactor& reactor) {
    for (size_t index = 0; index < taken.size(); ++index) {
      reactor.buffers().put_spare(taken[index], holds[index]);
    }
  });
  scene.check_well();
}

TEST_CASE("crypto: a write that finds no slot waits for its turn") {
  Scene scene(base_facts(), 512, uint64_t{256} << 20);
  scene.base.hold = true;
  std::vector<std::unique_ptr<Scene::Write>> writes;
  for (uint64_t number = 0; number < kCryptoSlots + 20; ++number) {
    writes.push_back(scene.start(number, 1));
  }
  CHECK(scene.held() == kCryptoSlots);
  scene.release_all();
  scene.until_held(20);
  scene.release_all();
  for (const auto& one : writes) CHECK(one->io.wait() == BdevStatus::Success);
  scene.check_well();
}

TEST_CASE("crypto: for the base a write that waited begins when it gets it") {
  Scene scene;
  std::vector<uint64_t> begun;
  scene.base.fault = [&](const BdevIo& io) {
    begun.push_back(io.submitted_ns);
    return BdevStatus::Success;
  };
  scene.base.hold = true;
  std::vector<std::unique_ptr<Scene::Write>> writes;
  std::vector<uint64_t> submitted;
  for (uint64_t number = 0; number < kLargeWrites + 1; ++number) {
    writes.push_back(scene.start(number * 256, 256));
  }
  for (const auto& one : writes) {
    scene.on_reactor([&] {
      // Of those that are with the base it is the same; of the one that waits it is not yet.
      submitted.push_back(one->io.io.submitted_ns);
    });
  }
  scene.release_all();
  scene.until_held(1);
  scene.release_all();
  for (const auto& one : writes) CHECK(one->io.wait() == BdevStatus::Success);
  REQUIRE(begun.size() == writes.size());
  for (size_t index = 0; index < kLargeWrites; ++index) CHECK(begun[index] == submitted[index]);
  CHECK(begun.back() > submitted.back());
  for (size_t index = 0; index < writes.size(); ++index) {
    CHECK(writes[index]->io.io.submitted_ns == submitted[index]);
  }
}

// ---- Cancel -------------------------------------------------------------------------------------

TEST_CASE("crypto: cancel ends a write that waits, and leaves the others in their order") {
  Scene scene;
  scene.base.hold = true;
  std::vector<std::unique_ptr<Scene::Write>> writes;
  for (uint64_t number = 0; number < 8; ++number) writes.push_back(scene.start(number * 256, 256));
  for (const size_t which : {kLargeWrites, size_t{6}}) {
    scene.cancel(writes[which]->io);
    CHECK(writes[which]->io.wait() == BdevStatus::Aborted);
  }
  CHECK(scene.base.cancels == 0);
  CHECK(scene.held() == kLargeWrites);
  scene.release_all();
  scene.until_held(2);
  scene.release_all();
  for (const size_t which : {0u, 1u, 2u, 3u, 5u, 7u}) {
    CHECK(writes[which]->io.wait() == BdevStatus::Success);
  }
  CHECK(scene.base.submissions.size() == 6);
  scene.check_well();
}

TEST_CASE("crypto: cancel reaches what the base has, and what it held goes to who waits") {
  Scene scene;
  scene.base.hold = true;
  std::vector<std::unique_ptr<Scene::Write>> writes;
  for (uint64_t number = 0; number < kLargeWrites + 1; ++number) {
    writes.push_back(scene.start(number * 256, 256));
  }
  scene.cancel(writes[0]->io);
  CHECK(writes[0]->io.wait() == BdevStatus::Aborted);
  CHECK(scene.base.cancels == 1);
  CHECK(scene.held() == kLargeWrites);
  // Too late for the base: it ends as if nothing had been asked.
  scene.base.can_cancel = false;
  scene.cancel(writes[1]->io);
  CHECK(scene.base.cancels == 2);
  scene.release_all();
  for (size_t index = 1; index < writes.size(); ++index) {
    CHECK(writes[index]->io.wait() == BdevStatus::Success);
  }
  scene.check_well();
}

TEST_CASE("crypto: a read that is cancelled is not decrypted") {
  Scene scene;
  scene.base.hold = true;
  Bytes data = numbered(512);
  TestIo read(BdevIoType::Read, 0, 1, {iovec{data.data(), data.size()}});
  scene.stack.start(read);
  scene.cancel(read);
  CHECK(read.wait() == BdevStatus::Aborted);
  CHECK(data == numbered(512));
  scene.check_well();
}

TEST_CASE("crypto: cancel of what is done in pieces, some with the base and some waiting") {
  Scene scene;
  scene.base.hold = true;
  const auto large = scene.start(0, 8 * 256);
  TestIo zeroes(BdevIoType::WriteZeroes, 4096, 1024);
  scene.stack.start(zeroes);
  CHECK(scene.held() == kLargeWrites);
  scene.cancel(large->io);
  CHECK(large->io.wait() == BdevStatus::Aborted);
  scene.cancel(zeroes);
  CHECK(zeroes.wait() == BdevStatus::Aborted);
  CHECK(scene.held() == 0);
  scene.check_well();
}

TEST_CASE("crypto: small writes and large ones have buffers of their own") {
  Scene scene;
  scene.base.hold = true;
  std::vector<std::unique_ptr<Scene::Write>> writes;
  for (uint64_t number = 0; number < 40; ++number) writes.push_back(scene.start(number, 1));
  CHECK(scene.held() == kSmallWrites);
  size_t released = 0;
  while (released < writes.size()) {
    scene.on_reactor([&] {
      released += scene.base.held.size();
      scene.base.release_all();
    });
  }
  for (const auto& one : writes) CHECK(one->io.wait() == BdevStatus::Success);
  scene.check_well();
}

// ---- Stacks -------------------------------------------------------------------------------------

TEST_CASE("crypto: between other layers, over a base that lends") {
  const auto env = env::make_linux_env().value();
  TestStack stack(make_malloc_bdev(*env, {.name = "ram", .bytes = 1 << 20}).value());
  stack.add(
      make_split_bdev({.name = "part", .base = stack.open("ram"), .offset_bytes = 8192}).value());
  stack.add(make_crypto_bdev({.name = "safe", .base = stack.open("part")}, test_key()).value());
  stack.add(
      make_split_bdev({.name = "top", .base = stack.open("safe"), .offset_bytes = 4096}).value());
  Bytes data = numbered(64 * 512);
  CHECK(stack.run(BdevIoType::Write, 3, data) == BdevStatus::Success);
  Bytes found(data.size());
  TestIo read(BdevIoType::Read, 3, 64, {iovec{found.data(), found.size()}});
  CoreChannel& channel = stack.channel();
  stack.reactors().run(0, [&](Reactor&) {
    CHECK(!channel.lend(read.io));
    channel.submit(read.io);
  });
  CHECK(read.wait() == BdevStatus::Success);
  CHECK(found == data);
}

TEST_CASE("crypto: what the base lends is decrypted to where it is wanted, and given back") {
  constexpr uint64_t kReads = kCryptoSlots + 40;
  const auto env = env::make_linux_env().value();
  TestStack stack(make_malloc_bdev(*env, {.name = "ram", .bytes = 1 << 20}).value());
  DelayBdevOptions slow{.name = "slow", .base = stack.open("ram")};
  slow.times[static_cast<size_t>(BdevIoType::Read)].average_ns = 20'000'000;
  stack.add(make_delay_bdev(slow));
  stack.add(make_crypto_bdev({.name = "safe", .base = stack.open("slow")}, test_key()).value());
  Bytes data = numbered(kReads * 4 * 512);
  CHECK(stack.run(BdevIoType::Write, 0, data) == BdevStatus::Success);

  // Some find no slot, and are decrypted where they lie; and sectors are wanted in pieces.
  std::vector<Bytes> found(kReads, Bytes(4 * 512));
  std::vector<std::unique_ptr<TestIo>> reads;
  for (uint64_t number = 0; number < kReads; ++number) {
    std::byte* const at = found[number].data();
    const size_t cut = 1 + number * 7;
    reads.push_back(std::make_unique<TestIo>(
        BdevIoType::Read, number * 4, 4,
        std::vector<iovec>{{at, cut}, {at + cut, 512}, {at + cut + 512, 3 * 512 - cut}}));
    stack.start(*reads.back());
  }
  for (uint64_t number = 0; number < kReads; ++number) {
    CHECK(reads[number]->wait() == BdevStatus::Success);
    const auto* const wanted = data.data() + number * 4 * 512;
    CHECK(std::equal(found[number].begin(), found[number].end(), wanted));
  }
  // What is lent stays as it was: a write is seen by the next read.
  Bytes before(512);
  Bytes newer = numbered(512, 99);
  TestIo early(BdevIoType::Read, 0, 1, {iovec{before.data(), before.size()}});
  TestIo write(BdevIoType::Write, 0, 1, {iovec{newer.data(), newer.size()}});
  CoreChannel& channel = stack.channel();
  stack.reactors().run(0, [&](Reactor&) {
    channel.submit(early.io);
    channel.submit(write.io);
  });
  CHECK(write.wait() == BdevStatus::Success);
  CHECK(early.wait() == BdevStatus::Success);
  CHECK(std::equal(before.begin(), before.end(), data.begin()));
  Bytes after(512);
  CHECK(stack.run(BdevIoType::Read, 0, after) == BdevStatus::Success);
  CHECK(after == newer);
}

TEST_CASE("crypto: two reactors encrypt the same disk, each with a cipher of its own") {
  constexpr uint32_t kReactors = 2;
  constexpr uint64_t kCount = 64;
  const auto env = env::make_linux_env().value();
  TestReactors reactors(kReactors);
  BdevRegistry registry(kReactors);
  REQUIRE(
      registry
          .add(make_malloc_bdev(*env, {.name = "ram", .bytes = 1 << 20, .reactor_count = kReactors})
                   .value())
          .ok());
  TestBdevUser user(
      reactors,
      make_crypto_bdev({.name = "safe", .base = registry.open("ram").value()}, test_key()).value(),
      kReactors);
  std::vector<std::unique_ptr<Scene::Write>> writes;
  for (uint64_t number = 0; number < kCount; ++number) {
    writes.push_back(
        std::make_unique<Scene::Write>(number * 16, 16, numbered(16 * 512, uint8_t(number))));
    user.start(writes.back()->io, number % kReactors);
  }
  for (const auto& one : writes) CHECK(one->io.wait() == BdevStatus::Success);
  for (uint64_t number = 0; number < kCount; ++number) {
    Bytes found(16 * 512);
    TestIo read(BdevIoType::Read, number * 16, 16, {iovec{found.data(), found.size()}});
    CHECK(user.run(read, (number + 1) % kReactors) == BdevStatus::Success);
    CHECK(found == writes[number]->data);
  }
}

}  // namespace capsuled
