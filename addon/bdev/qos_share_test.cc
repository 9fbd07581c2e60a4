#include "bdev/qos_share.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "base/prng.h"
#include "bdev/qos_limits.h"

namespace capsuled {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;
constexpr uint64_t kMs = 1'000'000;
/// So long after the machine was started.
constexpr uint64_t kBegan = 1000 * kSecond;

/// Operations of so many tokens that one taker begins, each as soon as it may, until `end_ns`.
uint64_t operations_until(QosShare& share, uint64_t tokens, uint64_t now_ns, uint64_t end_ns) {
  uint64_t count = 0;
  while (now_ns <= end_ns) {
    if (share.ask(tokens, 0, 1, now_ns)) {
      share.spend(tokens);
      ++count;
    } else {
      REQUIRE(share.due_ns() > now_ns);
      now_ns = share.due_ns();
    }
  }
  return count;
}

TEST_CASE("QosShare: a rate is kept exactly, however long, for every rate and size") {
  struct Case {
    uint64_t rate;
    uint64_t tokens;
    uint64_t seconds;
  };
  // Rates that do not divide a second, operations larger than a second of the rate, the ends of
  // both ranges.
  constexpr Case kCases[] = {
      {1, 1, 100'000},
      {3, 1, 50'000},
      {7, 1, 20'000},
      {999'983, 1, 1},
      {kQosIopsMax, 10'000, 3},
      {kQosBandwidthMin, 131'072, 4'000'000},
      {104'857'601, 4096, 10},
      {kQosBandwidthMax, uint64_t{1} << 30, 100},
      {kQosBandwidthMax, kQosBytesMax, 500},
      {kQosBandwidthMin, kQosBytesMax, 3'000'000'000},
  };
  for (const auto& [rate, tokens, seconds] : kCases) {
    CAPTURE(rate);
    CAPTURE(tokens);
    QosBucket bucket(kQosBurstMinNs);
    QosShare share;
    share.set(&bucket, rate);
    const uint64_t ns = seconds * kSecond;
    const uint64_t count = operations_until(share, tokens, kBegan, kBegan + ns);
    // What the rate gives, with the burst; and one that is begun before it is earned, or a slice.
    const auto earned = static_cast<unsigned __int128>(rate) * (ns + kQosBurstMinNs) / kSecond;
    const auto done = static_cast<unsigned __int128>(count) * tokens;
    const auto slice = static_cast<unsigned __int128>(rate) * QosBucket::kSliceNs / kSecond;
    CHECK(done + tokens + slice >= earned);
    CHECK(done <= earned + tokens + slice);
  }
}

TEST_CASE("QosShare: what is saved up is the burst, and no more") {
  QosBucket bucket(2 * kSecond);
  QosShare share;
  share.set(&bucket, 1000);
  struct Idle {
    uint64_t seconds;
    uint64_t saved;
  };
  uint64_t now_ns = kBegan;
  for (const auto& [seconds, saved] : {Idle{0, 2000}, Idle{1000, 2000}, Idle{1, 1000}}) {
    now_ns += seconds * kSecond;
    uint64_t count = 0;
    while (share.ask(1, 0, 1, now_ns)) {
      share.spend(1);
      ++count;
    }
    CHECK(count >= saved - 1);
    // With what was in hand, and one that is begun before it is earned.
    CHECK(count <= saved + 2);
  }
}

TEST_CASE("QosShare: what is not used comes back to the bucket") {
  QosBucket bucket(kQosBurstMinNs);
  QosShare first;
  QosShare large;
  QosShare late;
  for (QosShare* const share : {&first, &large, &late}) share->set(&bucket, 1000);
  while (first.ask(1, 0, 1, kBegan)) first.spend(1);
  // One waits for an operation of 10 s, which is given up.
  CHECK(!large.ask(10'000, 0, 1, kBegan));
  CHECK(!late.ask(1, 0, 1, kBegan));
  CHECK(late.due_ns() > kBegan + 9 * kSecond);
  late.give_back();
  large.give_back();
  CHECK(!late.ask(1, 0, 1, kBegan));
  CHECK(late.due_ns() <= kBegan + 3 * kMs);
}

TEST_CASE("QosShare: who needs little gets as much as who needs much, if it can use that") {
  QosBucket bucket(kQosBurstMinNs);
  std::array<QosShare, 2> shares;
  for (QosShare& share : shares) share.set(&bucket, 1'000'000);
  constexpr std::array<uint64_t, 2> kTokens = {100'000, 1000};
  std::array<uint64_t, 2> done{};
  const uint64_t end_ns = kBegan + 20 * kSecond;
  for (uint64_t now_ns = kBegan; now_ns < end_ns; now_ns += kMs / 10) {
    for (size_t index = 0; index < 2; ++index) {
      while (shares[index].ask(kTokens[index], 500'000, 1, now_ns)) {
        shares[index].spend(kTokens[index]);
        done[index] += kTokens[index];
      }
    }
  }
  CHECK(done[0] + done[1] > 19'800'000);
  CHECK(done[0] + done[1] < 20'300'000);
  CHECK(done[1] > 9'000'000);
  CHECK(done[0] > 9'000'000);
}

TEST_CASE("QosBucket: threads that take at once never have the same time") {
  constexpr size_t kThreads = 4;
  constexpr size_t kTakings = 20'000;
  struct Slice {
    uint64_t from_ns;
    uint64_t ns;
  };
  QosBucket bucket(kQosBurstMinNs);
  std::array<std::vector<Slice>, kThreads> taken;
  std::vector<std::thread> threads;
  for (size_t index = 0; index < kThreads; ++index) {
    threads.emplace_back([&bucket, &mine = taken[index], index] {
      Prng prng(index);
      for (size_t count = 0; count < kTakings; ++count) {
        const uint64_t ns = prng.between(1, 1000);
        bucket.needed(ns);
        mine.push_back({bucket.take(kBegan, ns), ns});
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::vector<Slice> all;
  for (const auto& mine : taken) all.insert(all.end(), mine.begin(), mine.end());
  std::ranges::sort(all, {}, &Slice::from_ns);
  uint64_t until_ns = kBegan - kQosBurstMinNs;
  bool seamless = true;
  for (const Slice& slice : all) {
    seamless = seamless && slice.from_ns == until_ns;
    until_ns = slice.from_ns + slice.ns;
  }
  CHECK(seamless);
}

}  // namespace
}  // namespace capsuled
