// TransferReserve between simulated hosts and devices: does it bring what it should, and cost
// nothing where it cannot help?

#include "bdev/uring/transfer_reserve.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <queue>
#include <utility>
#include <vector>

namespace capsuled {
namespace {

constexpr uint64_t kUs = 1'000;
constexpr uint64_t kRunNs = 200'000 * kUs;

/// A device: says when each transfer that it has is known to have ended.
class Device {
 public:
  virtual ~Device() = default;
  virtual void begin(uint64_t now_ns) = 0;
  /// When the next ones end; UINT64_MAX: it has none.
  virtual uint64_t next_end_ns() const = 0;
  /// How many end then.
  virtual uint32_t take_ended() = 0;
};

/// One thread that says nothing before it has done all that it has.
class LumpDevice final : public Device {
 public:
  explicit LumpDevice(uint64_t each_ns) : each_ns_(each_ns) {}
  void begin(uint64_t now_ns) override {
    if (count_++ == 0) end_ns_ = now_ns;
    end_ns_ += each_ns_;
  }
  uint64_t next_end_ns() const override { return count_ == 0 ? UINT64_MAX : end_ns_; }
  uint32_t take_ended() override { return std::exchange(count_, 0); }

 private:
  const uint64_t each_ns_;
  uint32_t count_ = 0;
  uint64_t end_ns_ = 0;
};

/// All at the same time, each with a latency of its own.
class ParallelDevice final : public Device {
 public:
  ParallelDevice(uint64_t least_ns, uint64_t spread_ns)
      : least_ns_(least_ns), spread_ns_(spread_ns) {}
  void begin(uint64_t now_ns) override {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    const uint64_t more_ns = spread_ns_ == 0 ? 0 : (state_ >> 33) % spread_ns_;
    ends_.push(now_ns + least_ns_ + more_ns);
  }
  uint64_t next_end_ns() const override { return ends_.empty() ? UINT64_MAX : ends_.top(); }
  uint32_t take_ended() override {
    const uint64_t end_ns = ends_.top();
    uint32_t count = 0;
    for (; !ends_.empty() && ends_.top() == end_ns; ++count) ends_.pop();
    return count;
  }

 private:
  const uint64_t least_ns_;
  const uint64_t spread_ns_;
  uint64_t state_ = 1;
  std::priority_queue<uint64_t, std::vector<uint64_t>, std::greater<>> ends_;
};

struct Outcome {
  uint64_t transfers = 0;
  uint32_t size_max = 0;  ///< in the second half of the run
};

/// A closed loop of `load` commands, each of which comes `turn_ns` after its last end.
Outcome run(Device& device, uint32_t load, uint64_t turn_ns, bool with_reserve) {
  TransferReserve reserve;
  std::deque<uint64_t> coming(load, 0);
  Outcome outcome;
  const auto begin_if = [&](bool begins, uint64_t now_ns) {
    if (begins) device.begin(now_ns);
  };
  for (uint64_t now_ns = 0; now_ns < kRunNs;) {
    const uint64_t come_ns = coming.empty() ? UINT64_MAX : coming.front();
    const uint64_t end_ns = device.next_end_ns();
    now_ns = std::min(come_ns, end_ns);
    ASSERT(now_ns != UINT64_MAX);
    if (end_ns <= come_ns) {
      for (uint32_t left = device.take_ended(); left > 0; --left) {
        ++outcome.transfers;
        coming.push_back(now_ns + turn_ns);
        if (with_reserve) begin_if(reserve.ended(now_ns), now_ns);
      }
    } else {
      coming.pop_front();
      begin_if(!with_reserve || reserve.came(now_ns), now_ns);
    }
    if (now_ns > kRunNs / 2) outcome.size_max = std::max(outcome.size_max, reserve.size());
  }
  return outcome;
}

/// Transfers with the reserve, to those without.
template <typename MakeDevice>
double gain(MakeDevice make_device, uint32_t load, uint64_t turn_ns) {
  auto device = make_device();
  auto same = make_device();
  const auto with = static_cast<double>(run(device, load, turn_ns, true).transfers);
  return with / static_cast<double>(run(same, load, turn_ns, false).transfers);
}

TEST_CASE("TransferReserve: a device that tells of all at once gets work for its rest") {
  const auto device = [] { return LumpDevice(10 * kUs); };
  // Without: 32 in each 320 µs and the hosts' turn.
  CHECK(gain(device, 32, 60 * kUs) > 1.15);
  CHECK(gain(device, 32, 90 * kUs) > 1.2);
  CHECK(gain(device, 128, 90 * kUs) > 1.06);
  CHECK(gain(device, 8, 20 * kUs) > 1.1);
}

TEST_CASE("TransferReserve: a device that works at all at the same time loses next to nothing") {
  for (const uint64_t turn_us : {5u, 20u, 60u, 100u, 200u, 500u}) {
    for (const uint64_t spread_us : {10u, 100u, 400u}) {
      const auto device = [&] { return ParallelDevice(200 * kUs, spread_us * kUs); };
      for (const uint32_t load : {8u, 32u, 128u}) {
        CAPTURE(turn_us);
        CAPTURE(spread_us);
        CAPTURE(load);
        CHECK(gain(device, load, turn_us * kUs) > 0.96);
      }
    }
  }
}

TEST_CASE("TransferReserve: what it costs where all take exactly as long is bounded") {
  const auto device = [] { return ParallelDevice(200 * kUs, 0); };
  for (const uint64_t turn_us : {5u, 20u, 60u, 100u, 200u, 500u}) {
    for (const uint32_t load : {8u, 32u, 128u}) {
      CAPTURE(turn_us);
      CAPTURE(load);
      CHECK(gain(device, load, turn_us * kUs) > 0.8);
    }
  }
}

TEST_CASE("TransferReserve: nothing waits where transfers end one by one") {
  ParallelDevice device(100 * kUs, 100 * kUs);
  CHECK(run(device, 32, 10 * kUs, true).size_max == 0);
}

TEST_CASE("TransferReserve: nothing waits for a device that rests most of the time") {
  LumpDevice device(1 * kUs);
  CHECK(run(device, 32, 50 * kUs, true).size_max == 0);
}

TEST_CASE("TransferReserve: nothing waits under a small load") {
  LumpDevice device(10 * kUs);
  const uint32_t load = TransferReserve::kLoadMin - 1;
  CHECK(run(device, load, 20 * kUs, true).size_max == 0);
}

}  // namespace
}  // namespace capsuled
