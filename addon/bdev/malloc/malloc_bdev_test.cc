#include "bdev/malloc/malloc_bdev.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <fstream>

#include "base/prng.h"
#include "bdev/malloc/test_malloc.h"

namespace capsuled {
namespace {

uint64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  uint64_t total = 0, resident = 0;
  statm >> total >> resident;
  return resident * 4096;
}

TEST_CASE("malloc keeps what is written, with and without locks") {
  TestReactors reactors;
  for (const uint32_t reactor_count : {1u, 2u}) {
    TestBdevUser user(reactors, make_malloc(reactors, 1 << 20, 512, reactor_count));
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
    TestBdevUser user(reactors, make_malloc(reactors, bytes, block_size, reactor_count));
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
    TestBdevUser user(reactors, make_malloc(reactors, bytes, block_size, reactor_count));
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
  TestBdevUser user(reactors, make_malloc(reactors, bytes, 4096, 1));
  const uint64_t before = resident_bytes();
  std::vector<std::byte> data(uint64_t{64} << 20, std::byte{1});
  CHECK(user.run(BdevIoType::Write, 0, data) == BdevStatus::Success);
  const uint64_t written = resident_bytes();
  CHECK(written > before + (uint64_t{100} << 20));  // the data and the disk
  CHECK(user.run(BdevIoType::Unmap, 0, bytes / 4096) == BdevStatus::Success);
  CHECK(resident_bytes() < written - (uint64_t{48} << 20));
}

}  // namespace
}  // namespace capsuled
