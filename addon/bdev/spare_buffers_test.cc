#include "bdev/spare_buffers.h"

#include <doctest/doctest.h>

#include <utility>
#include <vector>

#include "reactor/reactor_stats.h"

namespace capsuled {
namespace {

constexpr uint32_t kReserve = 64 * 1024;

struct Bench {
  std::unique_ptr<env::Env> env = env::make_linux_env().value();
  ReactorStats stats;
  std::unique_ptr<BufferPool> pool =
      BufferPool::create(*env, 8u << 20, env::HugePages::Never, stats).value();
};

/// Takes until there is nothing; the bytes of each.
std::vector<IoBuffers> take_all(SpareBuffers& buffers, uint32_t bytes) {
  std::vector<IoBuffers> taken;
  IoBuffers got;
  while (buffers.get(bytes, got) > 0) taken.push_back(std::exchange(got, {}));
  return taken;
}

void put_all(SpareBuffers& buffers, std::vector<IoBuffers>& taken) {
  for (IoBuffers& one : taken) buffers.put(one);
  taken.clear();
}

}  // namespace

TEST_CASE("spare buffers: when the pool has none left, there is one of the channel's own") {
  Bench bench;
  SpareBuffers buffers(*bench.pool, kReserve);
  // Of 48 large ones 3 are spare.
  std::vector<IoBuffers> taken = take_all(buffers, kLargeBufferBytes);
  REQUIRE(taken.size() == 3);
  CHECK(taken[0].bytes == kLargeBufferBytes);
  CHECK(taken[1].bytes == kLargeBufferBytes);
  CHECK(taken[2].bytes == kReserve);
  CHECK(taken[2].iov[0].iov_len == kReserve);
  IoBuffers none;
  CHECK(buffers.get(512, none) == 512);
  buffers.put(none);
  buffers.put(taken[2]);
  CHECK(taken[2].count == 0);
  CHECK(buffers.get(kLargeBufferBytes, taken[2]) == kReserve);
  put_all(buffers, taken);
  CHECK(bench.stats.large_buffers_used == 0);
}

TEST_CASE("spare buffers: a channel that keeps all that it may have leaves some to others") {
  Bench bench;
  SpareBuffers hung(*bench.pool, kReserve);
  SpareBuffers well(*bench.pool, kReserve);
  std::vector<IoBuffers> kept = take_all(hung, kSmallBufferBytes);
  std::vector<IoBuffers> left = take_all(well, kSmallBufferBytes);
  // Of 256 small ones 16 are spare; the reserve besides.
  CHECK(kept.size() == 8 + 1);
  CHECK(left.size() == 4 + 1);
  put_all(hung, kept);
  put_all(well, left);
  CHECK(bench.stats.small_buffers_used == 0);
}

TEST_CASE("spare buffers: the reserve is memory of its own, to the last byte") {
  Bench bench;
  SpareBuffers buffers(*bench.pool, kReserve);
  std::vector<IoBuffers> taken = take_all(buffers, kLargeBufferBytes);
  auto* const at = static_cast<unsigned char*>(taken.back().iov[0].iov_base);
  for (uint32_t index = 0; index < kReserve; ++index) at[index] = 1;
  CHECK(reinterpret_cast<uintptr_t>(at) % 4096 == 0);
  put_all(buffers, taken);
}

}  // namespace capsuled
