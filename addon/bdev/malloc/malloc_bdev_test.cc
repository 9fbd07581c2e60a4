#include "bdev/malloc/malloc_bdev.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <fstream>

#include "base/prng.h"
#include "bdev/test_reactors.h"

namespace capsuled {
namespace {

std::unique_ptr<Bdev> make(TestReactors& reactors, uint64_t bytes, uint32_t block_size,
                           uint32_t reactor_count) {
  BdevResult made = make_malloc_bdev(
      reactors.env(),
      {.name = "ram", .bytes = bytes, .block_size = block_size, .reactor_count = reactor_count});
  REQUIRE(made.ok());
  return std::move(made).value();
}

bool all_are(const std::vector<std::byte>& data, uint8_t value) {
  return std::ranges::all_of(data, [=](std::byte byte) { return byte == std::byte{value}; });
}

uint64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  uint64_t total = 0, resident = 0;
  statm >> total >> resident;
  return resident * 4096;
}

TEST_CASE("malloc keeps what is written, with and without locks") {
  TestReactors reactors;
  for (const uint32_t reactor_count : {1u, 2u}) {
    TestBdevUser user(reactors, make(reactors, 1 << 20, 512, reactor_count));
    std::vector<std::byte> data(17 * 512), found(17 * 512, std::byte{1});
    CHECK(user.run(BdevIoType::Read, 3, found) == BdevStatus::Success);
    CHECK(all_are(found, 0));
    for (size_t index = 0; index < data.size(); ++index)
      data[index] = static_cast<std::byte>(index / 3);
    CHECK(user.run(BdevIoType::Write, 3, data) == BdevStatus::Success);
    CHECK(user.run(BdevIoType::Read, 3, found) == BdevStatus::Success);
    CHECK(found == data);
    CHECK(user.run(BdevIoType::Compare, 3, data) == BdevStatus::Success);
    data.back() ^= std::byte{1};
    CHECK(user.run(BdevIoType::Compare, 3, data) == BdevStatus::Miscompare);
    CHECK(user.run(BdevIoType::Flush, 0, 0) == BdevStatus::Success);
  }
}

TEST_CASE("Unmap and WriteZeroes zero exactly their blocks, small and large") {
  TestReactors reactors;
  for (const uint32_t reactor_count : {1u, 2u}) {
    const uint64_t bytes = 8 << 20;
    const uint32_t block_size = 512;
    TestBdevUser user(reactors, make(reactors, bytes, block_size, reactor_count));
    std::vector<std::byte> model(bytes, std::byte{0x77}), found(bytes);
    CHECK(user.run(BdevIoType::Write, 0, model) == BdevStatus::Success);
    Prng prng(7);
    for (const uint64_t length_max : {uint64_t{4}, uint64_t{300}, uint64_t{9000}}) {
      const uint64_t count = prng.between(1, length_max);
      const uint64_t offset = prng.below(bytes / block_size - count);
      const BdevIoType type = prng.chance(1, 2) ? BdevIoType::Unmap : BdevIoType::WriteZeroes;
      CHECK(user.run(type, offset, count) == BdevStatus::Success);
      std::memset(model.data() + offset * block_size, 0, count * block_size);
      CHECK(user.run(BdevIoType::Read, 0, found) == BdevStatus::Success);
      CHECK(found == model);
    }
    CHECK(user.run(BdevIoType::Unmap, 0, bytes / block_size) == BdevStatus::Success);
    CHECK(user.run(BdevIoType::Read, 0, found) == BdevStatus::Success);
    CHECK(all_are(found, 0));
  }
}

TEST_CASE("reads that come together end in their order, each with its own blocks, from the loop") {
  TestReactors reactors;
  for (const uint32_t reactor_count : {1u, 2u}) {
    const uint64_t bytes = 4 << 20;
    const uint32_t block_size = 512;
    TestBdevUser user(reactors, make(reactors, bytes, block_size, reactor_count));
    Prng prng(3);
    std::vector<std::byte> model(bytes);
    for (std::byte& byte : model) byte = static_cast<std::byte>(prng.next());
    CHECK(user.run(BdevIoType::Write, 0, model) == BdevStatus::Success);

    constexpr size_t kTogether = 40;
    std::vector<std::vector<std::byte>> found;
    std::vector<std::unique_ptr<TestIo>> reads;
    std::vector<size_t> order;
    bool inside = true;
    for (size_t index = 0; index < kTogether; ++index) {
      const uint64_t count = prng.between(1, 40);
      // A buffer at an odd place, in two parts.
      auto& data = found.emplace_back(count * block_size + 1);
      const size_t first = prng.below(count * block_size + 1);
      const uint64_t offset = prng.below(bytes / block_size - count);
      reads.push_back(std::make_unique<TestIo>(
          BdevIoType::Read, offset, count,
          std::vector<iovec>{{data.data() + 1, first},
                             {data.data() + 1 + first, data.size() - 1 - first}}));
      reads.back()->on_complete = [&order, &inside, index] {
        CHECK(!inside);
        order.push_back(index);
      };
    }
    reactors.run(0, [&](Reactor&) {
      for (const auto& read : reads) user.channel().submit(read->io);
      inside = false;
    });
    for (size_t index = 0; index < kTogether; ++index) {
      CHECK(reads[index]->wait() == BdevStatus::Success);
      const std::byte* const expected = model.data() + reads[index]->io.offset_blocks * block_size;
      CHECK(std::memcmp(found[index].data() + 1, expected, found[index].size() - 1) == 0);
    }
    CHECK(order.size() == kTogether);
    CHECK(std::ranges::is_sorted(order));
  }
}

TEST_CASE("memory that is not written, or unmapped again, costs nothing") {
  TestReactors reactors;
  const uint64_t bytes = uint64_t{256} << 20;
  TestBdevUser user(reactors, make(reactors, bytes, 4096, 1));
  const uint64_t before = resident_bytes();
  std::vector<std::byte> data(uint64_t{64} << 20, std::byte{1});
  CHECK(user.run(BdevIoType::Write, 0, data) == BdevStatus::Success);
  const uint64_t written = resident_bytes();
  CHECK(written > before + (uint64_t{100} << 20));  // the data and the disk
  CHECK(user.run(BdevIoType::Unmap, 0, bytes / 4096) == BdevStatus::Success);
  CHECK(resident_bytes() < written - (uint64_t{48} << 20));
}

/// Keeps one operation on one block going on one reactor, `count` times. A read must find a block
/// of one value.
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

/// A read that the bdev lends.
struct TestLoan {
  TestLoan(uint64_t offset, uint64_t count)
      : read(BdevIoType::Read, offset, count, std::vector<iovec>(kTransferBuffersMax)) {}
  /// Reactor's thread.
  bool take(CoreChannel& channel) { return channel.lend(read.io); }
  std::vector<std::byte> bytes() const {
    std::vector<std::byte> all;
    for (uint32_t index = 0; index < read.io.iov_count; ++index) {
      const iovec& part = read.io.iov[index];
      const auto* const at = static_cast<const std::byte*>(part.iov_base);
      all.insert(all.end(), at, at + part.iov_len);
    }
    return all;
  }
  TestIo read;
};

TEST_CASE("what is lent stays as it was, whatever is written meanwhile") {
  TestReactors reactors;
  for (const uint32_t reactor_count : {1u, 2u}) {
    for (const uint32_t block_size : {512u, 4096u, 65536u}) {
      CAPTURE(reactor_count);
      CAPTURE(block_size);
      const uint64_t blocks = (uint64_t{4} << 20) / block_size;
      TestBdevUser user(reactors, make(reactors, blocks * block_size, block_size, reactor_count));
      Prng prng(block_size);
      std::vector<std::byte> model(blocks * block_size);
      CHECK(user.run(BdevIoType::Write, 0, model) == BdevStatus::Success);
      struct Out {
        std::unique_ptr<TestLoan> loan;
        std::vector<std::byte> expected;
      };
      std::vector<Out> out;
      const auto part = [&](uint64_t offset, uint64_t count) {
        const auto first = model.begin() + static_cast<std::ptrdiff_t>(offset * block_size);
        return std::vector(first, first + static_cast<std::ptrdiff_t>(count * block_size));
      };
      const auto end_loan = [&](size_t index) {
        Out ended = std::move(out[index]);
        out.erase(out.begin() + static_cast<std::ptrdiff_t>(index));
        REQUIRE(ended.loan->bytes() == ended.expected);
        reactors.run(0, [&](Reactor&) { bdev_give_back(ended.loan->read.io); });
      };
      for (int round = 0; round < 1500; ++round) {
        const uint64_t count = prng.between(1, std::max<uint64_t>(1, (160u << 10) / block_size));
        const uint64_t offset = prng.below(blocks - count + 1);
        switch (prng.below(6)) {
          case 0:
          case 1: {
            auto loan = std::make_unique<TestLoan>(offset, count);
            bool taken = false;
            reactors.run(0, [&](Reactor&) { taken = loan->take(user.channel()); });
            if (!taken) break;  // in too many places by now
            CHECK(user.run(loan->read) == BdevStatus::Success);
            REQUIRE(loan->bytes() == part(offset, count));
            out.push_back({std::move(loan), part(offset, count)});
            break;
          }
          case 2:
          case 3: {
            std::vector<std::byte> data(count * block_size);
            for (std::byte& byte : data) byte = static_cast<std::byte>(prng.next());
            CHECK(user.run(BdevIoType::Write, offset, data) == BdevStatus::Success);
            std::ranges::copy(data,
                              model.begin() + static_cast<std::ptrdiff_t>(offset * block_size));
            break;
          }
          case 4:
            CHECK(user.run(BdevIoType::Unmap, offset, count) == BdevStatus::Success);
            std::memset(model.data() + offset * block_size, 0, count * block_size);
            break;
          default:
            if (!out.empty()) end_loan(prng.below(out.size()));
            break;
        }
        if (out.size() > 40) end_loan(0);
      }
      std::vector<std::byte> found(model.size());
      CHECK(user.run(BdevIoType::Read, 0, found) == BdevStatus::Success);
      CHECK(found == model);
      while (!out.empty()) end_loan(0);
    }
  }
}

TEST_CASE("a loan outlives its channel and its bdev") {
  TestReactors reactors;
  TestLoan loan(3, 5);
  std::vector<std::byte> data(8 * 4096, std::byte{0x3c});
  {
    TestBdevUser user(reactors, make(reactors, 1 << 20, 4096, 1));
    CHECK(user.run(BdevIoType::Write, 0, data) == BdevStatus::Success);
    reactors.run(0, [&](Reactor&) { CHECK(loan.take(user.channel())); });
    CHECK(user.run(loan.read) == BdevStatus::Success);
  }
  CHECK(all_are(loan.bytes(), 0x3c));
  reactors.run(0, [&](Reactor&) { bdev_give_back(loan.read.io); });
}

TEST_CASE("nothing is lent beyond what there are spare pages for") {
  TestReactors reactors;
  const uint64_t bytes = uint64_t{64} << 20;
  TestBdevUser user(reactors, make(reactors, bytes, 4096, 1));
  std::vector<std::unique_ptr<TestLoan>> loans;
  const uint64_t pages = (uint64_t{128} << 10) / 4096;
  for (bool taken = true; loans.size() < 1000;) {
    auto loan = std::make_unique<TestLoan>(loans.size() * pages, pages);
    reactors.run(0, [&](Reactor&) { taken = loan->take(user.channel()); });
    if (!taken) break;
    CHECK(user.run(loan->read) == BdevStatus::Success);
    loans.push_back(std::move(loan));
    user.renew_channel();  // which does not make room for others
  }
  CHECK(loans.size() == 256);
  std::vector<std::byte> data(bytes, std::byte{1});
  CHECK(user.run(BdevIoType::Write, 0, data) == BdevStatus::Success);
  for (const auto& loan : loans) CHECK(all_are(loan->bytes(), 0));
  reactors.run(0, [&](Reactor&) {
    for (const auto& loan : loans) bdev_give_back(loan->read.io);
  });
  TestLoan again(0, pages);
  reactors.run(0, [&](Reactor&) { CHECK(again.take(user.channel())); });
  CHECK(all_are(again.bytes(), 1));
  reactors.run(0, [&](Reactor&) { bdev_give_back(again.read.io); });
}

TEST_CASE("pages as large as a block are lent up to the same sum") {
  TestReactors reactors;
  TestBdevUser user(reactors, make(reactors, uint64_t{64} << 20, 65536, 1));
  std::vector<std::unique_ptr<TestLoan>> loans;
  for (bool taken = true; loans.size() < 1000;) {
    auto loan = std::make_unique<TestLoan>(loans.size(), 1);
    reactors.run(0, [&](Reactor&) { taken = loan->take(user.channel()); });
    if (!taken) break;
    loans.push_back(std::move(loan));
  }
  CHECK(loans.size() == 512);
  reactors.run(0, [&](Reactor&) {
    for (const auto& loan : loans) bdev_give_back(loan->read.io);
  });
}

TEST_CASE("a page has so many loans and no more, and is written beside them all") {
  TestReactors reactors;
  TestBdevUser user(reactors, make(reactors, 16384, 4096, 1));
  for (uint8_t round = 1; round < 4; ++round) {
    std::vector<std::byte> data(16384, std::byte{round});
    CHECK(user.run(BdevIoType::Write, 0, data) == BdevStatus::Success);
    std::vector<std::unique_ptr<TestLoan>> loans;
    bool taken = true;
    while (loans.size() < 100) {
      auto loan = std::make_unique<TestLoan>(1, 1);
      reactors.run(0, [&](Reactor&) { taken = loan->take(user.channel()); });
      if (!taken) break;
      loans.push_back(std::move(loan));
    }
    CHECK(loans.size() == 63);
    TestLoan all(0, 4);
    reactors.run(0, [&](Reactor&) { CHECK(!all.take(user.channel())); });
    std::ranges::fill(data, std::byte{0xff});
    CHECK(user.run(BdevIoType::Write, 0, data) == BdevStatus::Success);
    // Page 1 is another one now, and page 0, whose loan was taken and given back, is not.
    reactors.run(0, [&](Reactor&) { CHECK(all.take(user.channel())); });
    CHECK(all_are(all.bytes(), 0xff));
    // It goes to a spare slot, and then back to the one that was freed.
    CHECK(all.read.io.iov_count == (round % 2 == 1 ? 3 : 1));
    for (const auto& loan : loans) CHECK(all_are(loan->bytes(), round));
    reactors.run(0, [&](Reactor&) {
      for (const auto& loan : loans) bdev_give_back(loan->read.io);
      bdev_give_back(all.read.io);
    });
  }
}

/// Keeps one loan of one block going on one reactor; it must be of one value, and stay so.
struct LoanHammer {
  LoanHammer(CoreChannel& of, uint32_t of_block_size)
      : channel(of), block_size(of_block_size), loan(0, 1) {
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
  uint32_t block_size;
  TestLoan loan;
  uint32_t left = 3000;
  uint32_t torn = 0;
  std::promise<void> done;
};

TEST_CASE("a block that is lent does not tear between reactors") {
  for (const uint32_t block_size : {512u, 4096u, 65536u}) {
    TestReactors reactors(2);
    TestBdevUser user(reactors, make(reactors, uint64_t{4} << 20, block_size, 2), 2);
    Hammer ones(user.channel(0), BdevIoType::Write, 1, block_size);
    Hammer twos(user.channel(1), BdevIoType::Write, 2, block_size);
    Hammer zeroes(user.channel(1), BdevIoType::WriteZeroes, 0, block_size);
    LoanHammer here(user.channel(0), block_size);
    LoanHammer there(user.channel(1), block_size);
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
    TestBdevUser user(reactors, make(reactors, uint64_t{4} << 20, block_size, 2), 2);
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

}  // namespace
}  // namespace capsuled
