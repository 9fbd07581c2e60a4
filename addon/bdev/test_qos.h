// For tests: one bdev that takes no time, on reactors of a simulated machine, and loads on it.
#pragma once

#include <doctest/doctest.h>

#include <array>
#include <deque>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "base/prng.h"
#include "bdev/null/null_bdev.h"
#include "bdev/qos_limits.h"
#include "bdev/reactor_channels.h"
#include "bdev/test_reactors.h"
#include "env/sim/sim_env.h"

namespace capsuled {

inline constexpr uint64_t kQosTestBlock = 4096;
inline constexpr uint64_t kQosTestBlocks = 1 << 16;
inline constexpr uint64_t kMiB = 1 << 20;
inline constexpr uint64_t kMs = 1'000'000;

/// iops, bandwidth, read_bandwidth, write_bandwidth.
inline QosLimits qos_limits(uint64_t iops, uint64_t bandwidth = 0, uint64_t read_bandwidth = 0,
                            uint64_t write_bandwidth = 0, uint64_t burst_ns = kQosBurstDefaultNs) {
  return {{iops, bandwidth, read_bandwidth, write_bandwidth}, burst_ns};
}

/// By QosLimit: what was done that counts for it.
using QosTotals = std::array<uint64_t, kQosLimitCount>;

/// As many operations at a time as it has, each begun again when it has ended. One reactor's.
class QosLoad {
 public:
  /// Says what an operation is: its type and its blocks.
  using Fill = std::function<void(BdevIo& io, Prng& prng)>;

  QosLoad(CoreChannel& channel, uint32_t flow, size_t depth, uint64_t seed, Fill fill)
      : channel_(channel), prng_(seed), fill_(std::move(fill)) {
    for (size_t index = 0; index < depth; ++index) {
      BdevIo& io = ios_.emplace_back();
      io.flow = flow;
      io.iov_count = 1;
      io.user = this;
      io.complete = [](BdevIo& ended) { static_cast<QosLoad*>(ended.user)->ended(ended); };
      data_.emplace_back();
    }
  }

  /// On its reactor.
  void start() {
    running_ = true;
    for (size_t index = 0; index < ios_.size(); ++index) {
      ios_[index].iov = &data_[index];
      submit(ios_[index]);
    }
  }
  /// On its reactor. What waits is cancelled.
  void stop() {
    running_ = false;
    for (BdevIo& io : ios_) {
      if (io.state != BdevIoState::Idle) channel_.cancel(io);
    }
  }
  const QosTotals& totals() const { return totals_; }
  uint64_t bytes() const { return totals_[static_cast<size_t>(QosLimit::Bandwidth)]; }
  uint64_t operations() const { return totals_[static_cast<size_t>(QosLimit::Iops)]; }

  /// Of one type and size.
  static Fill always(BdevIoType type, uint64_t count_blocks) {
    return [=](BdevIo& io, Prng&) {
      io.type = type;
      io.count_blocks = count_blocks;
    };
  }
  /// Reads and writes of up to so many blocks.
  static Fill mixed(uint64_t most_blocks, uint64_t write_percent) {
    return [=](BdevIo& io, Prng& prng) {
      io.type = prng.chance(write_percent, 100) ? BdevIoType::Write : BdevIoType::Read;
      io.count_blocks = prng.between(1, most_blocks);
    };
  }

 private:
  static std::byte* memory() {
    static std::vector<std::byte> bytes(4 * kMiB);
    return bytes.data();
  }
  void submit(BdevIo& io) {
    fill_(io, prng_);
    io.cancel_requested = false;
    io.offset_blocks = 0;
    *io.iov = {memory(), io.count_blocks * kQosTestBlock};
    channel_.submit(io);
  }
  void ended(BdevIo& io) {
    if (io.status == BdevStatus::Success) {
      const uint32_t counts_for = qos_limits_of(io.type);
      totals_[0] += 1;
      for (size_t limit = 1; limit < kQosLimitCount; ++limit) {
        if ((counts_for >> limit & 1) != 0) totals_[limit] += io.count_blocks * kQosTestBlock;
      }
    }
    if (running_) submit(io);
  }

  CoreChannel& channel_;
  Prng prng_;
  const Fill fill_;
  std::deque<BdevIo> ios_;
  std::deque<iovec> data_;
  QosTotals totals_{};
  bool running_ = false;
};

class QosScene {
 public:
  explicit QosScene(uint32_t reactor_count = 1, uint64_t seed = 1)
      : QosScene(
            reactor_count, seed,
            make_null_bdev(
                {.name = "b", .bytes = kQosTestBlocks * kQosTestBlock, .block_size = kQosTestBlock})
                .value()) {}
  ~QosScene() { stop(); }
  QosScene(const QosScene&) = delete;
  QosScene& operator=(const QosScene&) = delete;

  void set(const QosLimits& limits) {
    bdev.set_limits(limits);
    for (uint32_t index = 0; index < count_; ++index) {
      reactors.run(index, [](Reactor& reactor) { ReactorChannels::of(reactor).refresh(); });
    }
  }
  QosLoad& add(uint32_t reactor, uint32_t flow, size_t depth, QosLoad::Fill fill) {
    loads_.push_back({reactor, std::make_unique<QosLoad>(user.channel(reactor), flow, depth,
                                                         machine.prng().next(), std::move(fill))});
    QosLoad& load = *loads_.back().load;
    reactors.run(reactor, [&](Reactor&) { load.start(); });
    return load;
  }
  void stop() {
    for (const Loaded& loaded : loads_) {
      reactors.run(loaded.reactor, [&](Reactor&) { loaded.load->stop(); });
    }
    for (const Loaded& loaded : loads_) {
      while (in_flight(loaded.reactor) > 0) pass(1000);
    }
    loads_.clear();
  }
  uint32_t in_flight(uint32_t reactor = 0) {
    uint32_t count = 0;
    reactors.run(reactor, [&](Reactor&) { count = user.channel(reactor).in_flight(); });
    return count;
  }
  void pass(uint64_t ns) { machine.pass_to(machine.now_ns() + ns); }
  QosTotals totals() const {
    QosTotals sum{};
    for (const Loaded& loaded : loads_) {
      for (size_t limit = 0; limit < kQosLimitCount; ++limit) {
        sum[limit] += loaded.load->totals()[limit];
      }
    }
    return sum;
  }
  /// What is done in so much time from now on.
  QosTotals in(uint64_t ns) {
    const QosTotals before = totals();
    pass(ns);
    QosTotals done = totals();
    for (size_t limit = 0; limit < kQosLimitCount; ++limit) done[limit] -= before[limit];
    return done;
  }
  uint64_t delayed() {
    uint64_t sum = 0;
    for (uint32_t index = 0; index < count_; ++index) sum += user.stats(index).qos_delayed;
    return sum;
  }

  env::sim::SimMachine machine;
  env::sim::SimNetwork network;
  env::sim::SimFiles files;
  env::sim::SimEnv env;
  TestReactors reactors;
  Bdev& bdev;
  TestBdevUser user;

 private:
  struct Loaded {
    uint32_t reactor;
    std::unique_ptr<QosLoad> load;
  };
  QosScene(uint32_t reactor_count, uint64_t seed, std::unique_ptr<Bdev> owned)
      : machine(seed),
        network(machine),
        env(machine, network, files),
        reactors(env, reactor_count),
        bdev(*owned),
        user(reactors, std::move(owned), reactor_count),
        count_(reactor_count) {}

  const uint32_t count_;
  std::vector<Loaded> loads_;
};

}  // namespace capsuled
