#include "reactor/buffer_pool.h"

#include <doctest/doctest.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "base/prng.h"

namespace capsuled {
namespace {

constexpr uint64_t kMemoryBytes = kBufferMemoryBytesMin;  // 24 small (384 KiB by rounding), 9 large

struct Fixture {
  explicit Fixture(uint64_t memory_bytes = kMemoryBytes)
      : pool(BufferPool::create(*env, memory_bytes, env::HugePages::Never, stats).value()) {}

  std::unique_ptr<env::Env> env = env::make_linux_env().value();
  ReactorStats stats;
  std::unique_ptr<BufferPool> pool;
};

uint64_t covered_bytes(const IoBuffers& buffers) {
  uint64_t bytes = 0;
  for (uint32_t index = 0; index < buffers.count; ++index) bytes += buffers.iov[index].iov_len;
  return bytes;
}

}  // namespace

TEST_CASE("buffer pool: too little memory is an error that says the minimum") {
  auto env = env::make_linux_env().value();
  ReactorStats stats;
  const auto pool =
      BufferPool::create(*env, kBufferMemoryBytesMin - 1, env::HugePages::Never, stats);
  REQUIRE_FALSE(pool.ok());
  CHECK(pool.error().errnum == EINVAL);
  CHECK(std::strstr(pool.error().what, "engine.memory") != nullptr);
  CHECK(std::strstr(pool.error().what, "1536 KiB") != nullptr);
  CHECK(kBufferMemoryBytesMin == 1536 * 1024);
}

TEST_CASE("buffer pool: a quarter of the memory is small buffers, the rest large ones") {
  Fixture fixture(256u << 20);
  CHECK(fixture.stats.small_buffers_free * kSmallBufferBytes == 64u << 20);
  CHECK(fixture.stats.large_buffers_free * kLargeBufferBytes == 192u << 20);
  CHECK(fixture.stats.small_buffers_used == 0);
  CHECK(fixture.stats.large_buffers_used == 0);
}

TEST_CASE("buffer pool: a transfer gets one small buffer, or large ones that cover it exactly") {
  Fixture fixture;
  for (const uint32_t bytes :
       {1u, 512u, kSmallBufferBytes, kSmallBufferBytes + 1, kLargeBufferBytes,
        kLargeBufferBytes + 512, 3 * kLargeBufferBytes, kTransferBytesMax}) {
    CAPTURE(bytes);
    IoBuffers buffers;
    REQUIRE(fixture.pool->try_get(bytes, buffers));
    CHECK(buffers.bytes == bytes);
    CHECK(covered_bytes(buffers) == bytes);
    const bool small = bytes <= kSmallBufferBytes;
    CHECK(buffers.count == (small ? 1 : (bytes + kLargeBufferBytes - 1) / kLargeBufferBytes));
    CHECK(fixture.stats.small_buffers_used == (small ? 1 : 0));
    CHECK(fixture.stats.large_buffers_used == (small ? 0 : buffers.count));
    for (uint32_t index = 0; index < buffers.count; ++index) {
      CHECK(reinterpret_cast<uintptr_t>(buffers.iov[index].iov_base) % 4096 == 0);
      std::memset(buffers.iov[index].iov_base, 0x5a, buffers.iov[index].iov_len);
    }
    fixture.pool->put(buffers);
    CHECK(buffers.count == 0);
    CHECK(buffers.bytes == 0);
    fixture.pool->put(buffers);  // nothing to give back
    CHECK(fixture.stats.small_buffers_used + fixture.stats.large_buffers_used == 0);
  }
}

TEST_CASE("buffer pool: all of a transfer's buffers or none") {
  Fixture fixture;
  const uint64_t total = fixture.stats.large_buffers_free;
  IoBuffers first;
  IoBuffers second;
  REQUIRE(fixture.pool->try_get(kLargeBufferBytes * 4, first));
  CHECK_FALSE(fixture.pool->try_get(kTransferBytesMax, second));
  CHECK(second.count == 0);
  CHECK(fixture.stats.large_buffers_free == total - 4);
  fixture.pool->put(first);
  CHECK(fixture.pool->try_get(kTransferBytesMax, second));
  fixture.pool->put(second);
}

TEST_CASE("buffer pool: the spare buffers are few, and nobody else's") {
  Fixture fixture(4u << 20);
  const BufferPool& pool = *fixture.pool;
  const uint64_t spare_large = fixture.stats.large_buffers_free - pool.large_for_transfers();
  REQUIRE(spare_large == 1);
  CHECK(fixture.stats.small_buffers_free - pool.small_for_transfers() == 8);
  SpareHold mine;
  SpareHold others;
  IoBuffers spare;
  IoBuffers other;
  REQUIRE(fixture.pool->try_get_spare(kLargeBufferBytes, spare, mine));
  CHECK_FALSE(fixture.pool->try_get_spare(kLargeBufferBytes, other, others));
  REQUIRE(fixture.pool->try_get_spare(512, other, others));
  fixture.pool->put_spare(other, others);
  fixture.pool->put_spare(spare, mine);
  CHECK((mine.none() && others.none()));
  REQUIRE(fixture.pool->try_get_spare(kLargeBufferBytes, spare, others));
  fixture.pool->put_spare(spare, others);
}

TEST_CASE("buffer pool: of the spare buffers nobody gets more than he leaves") {
  Fixture fixture(4u << 20);
  std::vector<IoBuffers> taken;
  std::vector<SpareHold> holds(4);
  for (SpareHold& held : holds) {
    IoBuffers buffers;
    while (fixture.pool->try_get_spare(kSmallBufferBytes, buffers, held)) {
      taken.push_back(std::exchange(buffers, {}));
    }
  }
  CHECK(holds[0].small == 4);
  CHECK(holds[1].small == 2);
  CHECK(holds[2].small == 1);
  CHECK(holds[3].small == 1);
  size_t given = 0;
  for (SpareHold& held : holds) {
    while (held.small > 0) fixture.pool->put_spare(taken[given++], held);
  }
  CHECK(given == taken.size());
}

TEST_CASE("buffer pool: memory that was never used costs nothing, and the last used is used next") {
  Fixture fixture(64u << 20);
  // The pool does not show its region; the first small buffer is its start.
  IoBuffers first;
  REQUIRE(fixture.pool->try_get(512, first));
  void* const base = first.iov[0].iov_base;
  fixture.pool->put(first);
  std::vector<unsigned char> resident((64u << 20) / 4096);
  const auto resident_pages = [&] {
    REQUIRE(::mincore(base, 64u << 20, resident.data()) == 0);
    return std::ranges::count_if(resident, [](unsigned char page) { return (page & 1u) != 0; });
  };
  CHECK(resident_pages() == 0);
  for (int round = 0; round < 5000; ++round) {
    IoBuffers small;
    IoBuffers large;
    REQUIRE(fixture.pool->try_get(4096, small));
    REQUIRE(fixture.pool->try_get(64 * 1024, large));
    std::memset(small.iov[0].iov_base, round, small.iov[0].iov_len);
    std::memset(large.iov[0].iov_base, round, large.iov[0].iov_len);
    fixture.pool->put(large);
    fixture.pool->put(small);
  }
  CHECK(resident_pages() == 1 + 16);
}

TEST_CASE("buffer pool: any sequence keeps the counts, and every byte to one owner") {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    CAPTURE(seed);
    Prng prng(seed);
    Fixture fixture(4u << 20);
    const uint64_t small_total = fixture.stats.small_buffers_free;
    const uint64_t large_total = fixture.stats.large_buffers_free;
    std::vector<IoBuffers> holding;
    std::set<void*> owned;
    for (int step = 0; step < 2000; ++step) {
      if (prng.chance(5, 9)) {
        const auto bytes = static_cast<uint32_t>(
            1 + prng.below(prng.chance(1, 2) ? kSmallBufferBytes : kTransferBytesMax));
        IoBuffers buffers;
        const uint64_t large_free = fixture.stats.large_buffers_free;
        if (!fixture.pool->try_get(bytes, buffers)) {
          REQUIRE(bytes > large_free * kLargeBufferBytes);
          continue;
        }
        REQUIRE(covered_bytes(buffers) == bytes);
        for (uint32_t index = 0; index < buffers.count; ++index) {
          REQUIRE(owned.insert(buffers.iov[index].iov_base).second);
        }
        holding.push_back(buffers);
      } else if (!holding.empty()) {
        std::swap(holding[prng.below(holding.size())], holding.back());
        IoBuffers buffers = holding.back();
        holding.pop_back();
        for (uint32_t part = 0; part < buffers.count; ++part) {
          owned.erase(buffers.iov[part].iov_base);
        }
        fixture.pool->put(buffers);
      }
      REQUIRE(fixture.stats.small_buffers_free + fixture.stats.small_buffers_used == small_total);
      REQUIRE(fixture.stats.large_buffers_free + fixture.stats.large_buffers_used == large_total);
      REQUIRE(fixture.stats.small_buffers_used + fixture.stats.large_buffers_used == owned.size());
    }
    for (IoBuffers& buffers : holding) fixture.pool->put(buffers);
    CHECK(fixture.stats.small_buffers_free == small_total);
    CHECK(fixture.stats.large_buffers_free == large_total);
  }
}

}  // namespace capsuled
