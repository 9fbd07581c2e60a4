#include <doctest/doctest.h>

#include <algorithm>
#include <future>
#include <span>

#include "bdev/malloc/test_malloc.h"

namespace capsuled {
namespace {

/// Keeps one operation going on one reactor, on one block or more. A read of one block must find a
/// block of one value.
struct Hammer {
  Hammer(CoreChannel& of, BdevIoType type, uint8_t value, uint32_t block_size)
      : channel(of), data(block_size, std::byte{value}), iov{data.data(), data.size()} {
    io.type = type;
    io.count_blocks = 1;
    io.iov = &iov;
    io.iov_count = 1;
    io.user = this;
    io.complete = [](BdevIo& ended) { static_cast<Hammer*>(ended.user)->next(); };
  }
  void next() {
    if (io.type == BdevIoType::Read && !all_are(data, static_cast<uint8_t>(data[0]))) ++torn;
    if (left-- > 0) return channel.submit(io);
    done.set_value();
  }
  CoreChannel& channel;
  std::vector<std::byte> data;
  iovec iov;
  BdevIo io;
  uint32_t left = 3000;
  uint32_t torn = 0;
  std::promise<void> done;
};

/// Keeps one loan of one block going on one reactor; it must be of one value, and stay so.
struct LoanHammer {
  explicit LoanHammer(CoreChannel& of) : channel(of), loan(0, 1) {
    loan.read.io.user = this;
    loan.read.io.complete = [](BdevIo& ended) { static_cast<LoanHammer*>(ended.user)->next(); };
  }
  void next() {
    BdevIo& io = loan.read.io;
    if (io.lent) {
      const std::vector<std::byte> data = loan.bytes();
      if (!all_are(data, static_cast<uint8_t>(data[0]))) ++torn;
      if (loan.bytes() != data) ++torn;
      bdev_give_back(io);
    }
    if (left-- == 0) return done.set_value();
    io.type = BdevIoType::Read;
    ASSERT(channel.lend(io));
    channel.submit(io);
  }
  CoreChannel& channel;
  TestLoan loan;
  uint32_t left = 3000;
  uint32_t torn = 0;
  std::promise<void> done;
};

TEST_CASE("a block that is lent does not tear between reactors") {
  for (const uint32_t block_size : {512u, 4096u, 65536u}) {
    TestReactors reactors(2);
    TestBdevUser user(reactors, make_malloc(reactors, uint64_t{4} << 20, block_size, 2), 2);
    Hammer ones(user.channel(0), BdevIoType::Write, 1, block_size);
    Hammer twos(user.channel(1), BdevIoType::Write, 2, block_size);
    Hammer zeroes(user.channel(1), BdevIoType::WriteZeroes, 0, block_size);
    LoanHammer here(user.channel(0));
    LoanHammer there(user.channel(1));
    zeroes.io.count_blocks = (uint64_t{256} << 10) / block_size;  // by discard
    zeroes.left = 300;
    reactors.run(0, [&](Reactor&) {
      ones.next();
      here.next();
    });
    reactors.run(1, [&](Reactor&) {
      twos.next();
      there.next();
      zeroes.next();
    });
    for (Hammer* hammer : {&ones, &twos, &zeroes}) hammer->done.get_future().get();
    for (LoanHammer* hammer : {&here, &there}) hammer->done.get_future().get();
    CHECK(here.torn == 0);
    CHECK(there.torn == 0);
  }
}

TEST_CASE("a block does not tear between reactors") {
  for (const uint32_t block_size : {512u, 4096u, 65536u}) {
    TestReactors reactors(2);
    TestBdevUser user(reactors, make_malloc(reactors, uint64_t{4} << 20, block_size, 2), 2);
    Hammer ones(user.channel(0), BdevIoType::Write, 1, block_size);
    Hammer twos(user.channel(1), BdevIoType::Write, 2, block_size);
    Hammer reads(user.channel(1), BdevIoType::Read, 0, block_size);
    Hammer others(user.channel(0), BdevIoType::Read, 0, block_size);
    Hammer zeroes(user.channel(1), BdevIoType::WriteZeroes, 0, block_size);
    zeroes.io.count_blocks = (uint64_t{256} << 10) / block_size;  // by discard
    zeroes.left = 300;
    reactors.run(0, [&](Reactor&) {
      ones.next();
      others.next();
    });
    reactors.run(1, [&](Reactor&) {
      twos.next();
      reads.next();
      zeroes.next();
    });
    for (Hammer* hammer : {&ones, &twos, &reads, &others, &zeroes}) hammer->done.get_future().get();
    CHECK(reads.torn == 0);
    CHECK(others.torn == 0);
  }
}

TEST_CASE("a read looks ahead at a page that another reactor is moving") {
  constexpr uint32_t kPageBytes = 4096;
  TestReactors reactors(2);
  TestBdevUser user(reactors, make_malloc(reactors, uint64_t{4} << 20, kPageBytes, 2), 2);
  // The second page moves whenever it is written while it is lent; the reads are of the first two.
  Hammer writes(user.channel(0), BdevIoType::Write, 1, kPageBytes);
  LoanHammer loans(user.channel(0));
  Hammer reads(user.channel(1), BdevIoType::Read, 0, 2 * kPageBytes);
  writes.io.offset_blocks = 1;
  loans.loan.read.io.offset_blocks = 1;
  reads.io.count_blocks = 2;
  reactors.run(0, [&](Reactor&) {
    loans.next();
    writes.next();
  });
  reactors.run(1, [&](Reactor&) { reads.next(); });
  for (Hammer* hammer : {&writes, &reads}) hammer->done.get_future().get();
  loans.done.get_future().get();
  CHECK(loans.torn == 0);
  const std::span second(reads.data.data() + kPageBytes, kPageBytes);
  CHECK(std::ranges::all_of(second, [&](std::byte byte) { return byte == second[0]; }));
}

}  // namespace
}  // namespace capsuled
