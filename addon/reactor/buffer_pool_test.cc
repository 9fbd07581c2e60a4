#include "reactor/buffer_pool.h"

#include <doctest/doctest.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "base/prng.h"

namespace capsuled {
namespace {

constexpr uint64_t kMemoryBytes = kBufferMemoryBytesMin;  // 24 small (384 KiB by rounding), 9 large

struct TestWaiter : BufferWaiter {
  TestWaiter() {
    ready = [](BufferWaiter& waiter) {
      auto& self = static_cast<TestWaiter&>(waiter);
      self.served = true;
      if (self.then) self.then();
    };
  }
  bool served = false;
  std::function<void()> then;
};

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

TEST_CASE("buffer pool: a line is served in order, from the loop, and nobody overtakes") {
  Fixture fixture;
  IoBuffers held;
  REQUIRE(fixture.pool->try_get(kTransferBytesMax, held));
  std::vector<int> order;
  std::vector<TestWaiter> waiters(2);
  const std::vector<uint32_t> sizes = {kTransferBytesMax, kSmallBufferBytes + 1};
  for (size_t index = 0; index < waiters.size(); ++index) {
    waiters[index].bytes = sizes[index];
    waiters[index].then = [&order, index] { order.push_back(static_cast<int>(index)); };
    fixture.pool->wait(waiters[index]);
  }
  CHECK(fixture.stats.buffer_waiters == 2);
  IoBuffers late;
  CHECK(fixture.pool->serve() == 0);  // the first cannot be served, so nobody is
  fixture.pool->put(held);
  CHECK_FALSE(fixture.pool->try_get(kLargeBufferBytes, late));  // one is free, but others wait
  CHECK(fixture.pool->try_get(512, late));  // who needs a small one does not wait for large ones
  fixture.pool->put(late);
  CHECK(order.empty());  // never inside put()
  CHECK(fixture.pool->serve() == 2);
  CHECK(order == std::vector<int>{0, 1});
  CHECK(fixture.stats.buffer_waiters == 0);
  for (TestWaiter& waiter : waiters) {
    CHECK_FALSE(waiter.waiting);
    CHECK(covered_bytes(waiter.buffers) == waiter.bytes);
    fixture.pool->put(waiter.buffers);
  }
}

TEST_CASE("buffer pool: who leaves the line is not served, and makes room for the next") {
  Fixture fixture;
  IoBuffers held;
  REQUIRE(fixture.pool->try_get(kTransferBytesMax, held));
  TestWaiter large;
  TestWaiter small;
  large.bytes = kTransferBytesMax;
  small.bytes = 512;
  CHECK_FALSE(fixture.pool->cancel(large));
  fixture.pool->wait(large);
  fixture.pool->wait(small);
  CHECK(fixture.pool->cancel(large));
  CHECK_FALSE(fixture.pool->cancel(large));
  CHECK(fixture.pool->serve() == 1);
  CHECK(small.served);
  CHECK_FALSE(large.served);
  CHECK_FALSE(fixture.pool->cancel(small));  // served: it has its buffers
  fixture.pool->put(small.buffers);
  fixture.pool->put(held);
}

TEST_CASE("buffer pool: a served waiter may cancel the next, join again, and give back") {
  Fixture fixture;
  TestWaiter first;
  TestWaiter second;
  first.bytes = second.bytes = 512;
  uint32_t turns = 0;
  first.then = [&] {
    ++turns;
    (void)fixture.pool->cancel(second);
    fixture.pool->put(first.buffers);
    fixture.pool->wait(first);
  };
  fixture.pool->wait(first);
  fixture.pool->wait(second);
  CHECK(fixture.pool->serve() >= 1);  // ends, although `first` is always in line
  CHECK(turns >= 1);
  CHECK_FALSE(second.served);
  CHECK(first.waiting);
  CHECK(fixture.pool->cancel(first));
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

TEST_CASE("buffer pool: any sequence keeps the counts, the order, and every byte to one owner") {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    CAPTURE(seed);
    Prng prng(seed);
    Fixture fixture(4u << 20);
    const uint64_t small_total = fixture.stats.small_buffers_free;
    const uint64_t large_total = fixture.stats.large_buffers_free;
    std::deque<TestWaiter> requests(60);
    std::vector<TestWaiter*> holding;
    std::array<std::deque<TestWaiter*>, 2> lines;
    const auto line_of = [&](const TestWaiter& request) -> std::deque<TestWaiter*>& {
      return lines[request.bytes <= kSmallBufferBytes ? 0 : 1];
    };
    std::vector<TestWaiter*> idle;
    std::map<void*, size_t> owned;
    const auto own = [&](TestWaiter& request) {
      REQUIRE(covered_bytes(request.buffers) == request.bytes);
      for (uint32_t index = 0; index < request.buffers.count; ++index) {
        REQUIRE(owned.emplace(request.buffers.iov[index].iov_base, 0).second);
      }
      holding.push_back(&request);
    };
    for (TestWaiter& request : requests) {
      idle.push_back(&request);
      request.then = [&] {
        REQUIRE(line_of(request).front() == &request);
        line_of(request).pop_front();
        own(request);
      };
    }
    const auto random_index = [&](const auto& list) {
      return static_cast<ptrdiff_t>(prng.below(list.size()));
    };
    const auto check = [&] {
      REQUIRE(fixture.stats.small_buffers_free + fixture.stats.small_buffers_used == small_total);
      REQUIRE(fixture.stats.large_buffers_free + fixture.stats.large_buffers_used == large_total);
      REQUIRE(fixture.stats.small_buffers_used + fixture.stats.large_buffers_used == owned.size());
      REQUIRE(fixture.stats.buffer_waiters == lines[0].size() + lines[1].size());
    };
    for (int step = 0; step < 2000; ++step) {
      const uint64_t dice = prng.below(10);
      if (dice < 5 && !idle.empty()) {
        const ptrdiff_t index = random_index(idle);
        TestWaiter& request = *idle[static_cast<size_t>(index)];
        idle.erase(idle.begin() + index);
        request.bytes = static_cast<uint32_t>(
            1 + prng.below(prng.chance(1, 2) ? kSmallBufferBytes : kTransferBytesMax));
        if (fixture.pool->try_get(request.bytes, request.buffers)) {
          REQUIRE(line_of(request).empty());
          own(request);
        } else {
          line_of(request).push_back(&request);
          fixture.pool->wait(request);
        }
      } else if (dice < 8 && !holding.empty()) {
        const ptrdiff_t index = random_index(holding);
        TestWaiter& request = *holding[static_cast<size_t>(index)];
        holding.erase(holding.begin() + index);
        for (uint32_t part = 0; part < request.buffers.count; ++part) {
          owned.erase(request.buffers.iov[part].iov_base);
        }
        fixture.pool->put(request.buffers);
        idle.push_back(&request);
      } else if (auto& line = lines[prng.below(2)]; dice < 9 && !line.empty()) {
        const ptrdiff_t index = random_index(line);
        TestWaiter& request = *line[static_cast<size_t>(index)];
        line.erase(line.begin() + index);
        REQUIRE(fixture.pool->cancel(request));
        idle.push_back(&request);
      } else {
        (void)fixture.pool->serve();
        // The first of a line really cannot be served.
        if (!lines[0].empty()) REQUIRE(fixture.stats.small_buffers_free == 0);
        if (!lines[1].empty()) {
          REQUIRE(fixture.stats.large_buffers_free * kLargeBufferBytes < lines[1].front()->bytes);
        }
      }
      check();
    }
    for (auto& line : lines) {
      for (TestWaiter* request : line) REQUIRE(fixture.pool->cancel(*request));
    }
    for (TestWaiter* request : holding) fixture.pool->put(request->buffers);
    CHECK(fixture.stats.small_buffers_free == small_total);
    CHECK(fixture.stats.large_buffers_free == large_total);
  }
}

}  // namespace capsuled
