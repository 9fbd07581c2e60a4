#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>

#include "base/prng.h"
#include "bdev/malloc/test_malloc.h"

namespace capsuled {
namespace {

TEST_CASE("what is lent stays as it was, whatever is written meanwhile") {
  TestReactors reactors;
  for (const uint32_t reactor_count : {1u, 2u}) {
    for (const uint32_t block_size : {512u, 4096u, 65536u}) {
      CAPTURE(reactor_count);
      CAPTURE(block_size);
      const uint64_t blocks = (uint64_t{4} << 20) / block_size;
      TestBdevUser user(reactors,
                        make_malloc(reactors, blocks * block_size, block_size, reactor_count));
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
    TestBdevUser user(reactors, make_malloc(reactors, 1 << 20, 4096, 1));
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
  TestBdevUser user(reactors, make_malloc(reactors, bytes, 4096, 1));
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
  TestBdevUser user(reactors, make_malloc(reactors, uint64_t{64} << 20, 65536, 1));
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
  TestBdevUser user(reactors, make_malloc(reactors, 16384, 4096, 1));
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

}  // namespace
}  // namespace capsuled
