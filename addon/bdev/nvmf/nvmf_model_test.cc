// Many operations at once on few blocks, over paths of which everything may be lost at any moment:
// what is read is what some order of the writes leaves there.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "bdev/nvmf/test_nvmf.h"

namespace capsuled {
namespace {

constexpr uint64_t kMs = NvmfScene::kMs;
constexpr uint32_t kBlock = NvmfScene::kBlock;
constexpr uint64_t kUsed = 12;
constexpr uint32_t kPorts = 3;
constexpr uint32_t kAtOnce = 12;
constexpr int kRounds = 600;

/// One operation of one block. Writes fill it with their number.
struct Op {
  bool writes = false;
  uint64_t block = 0;
  uint32_t number = 0;  ///< that was written, or read; 0: what was there at first
  uint64_t started_ns = 0;
  uint64_t ended_ns = UINT64_MAX;
  BdevStatus status = BdevStatus::Success;
};

struct Running {
  Op* op = nullptr;
  std::unique_ptr<TestIo> io;
  bool done = false;
};

NvmfOptions options_of(uint64_t seed) {
  NvmfOptions options;
  options.policy = static_cast<PathPolicy>(seed % 3);
  options.fast_io_fail_ns = UINT64_MAX;
  options.controller_loss_ns = UINT64_MAX;
  options.reconnect_delay_ns = 200 * kMs;
  options.keep_alive_ns = 2000 * kMs;
  options.timeout_ns = 1000 * kMs;
  options.queue_entries = 5;
  return options;
}

class Model {
 public:
  /// `goes_on`: what is left behind may be carried out later, and more goes wrong.
  Model(uint64_t seed, bool goes_on)
      : goes_on_(goes_on),
        scene_(kPorts, seed, options_of(seed),
               {.quiesce_ms = static_cast<uint16_t>(goes_on ? 20 : 0)}),
        prng_(seed),
        running_(kAtOnce) {}

  void run() {
    for (int round = 0; round < kRounds; ++round) {
      if (prng_.chance(1, 12)) disturb();
      start_one();
      scene_.pass(prng_.below(prng_.chance(1, 20) ? 300 * kMs : kMs));
    }
    heal();
    for (Running& each : running_) end(each);
    for (uint64_t block = 0; block < kUsed; ++block) read_at_last(block);
    judge();
  }
  /// Of the writes.
  size_t failed() const {
    return static_cast<size_t>(std::ranges::count_if(
        ops_, [](const Op& op) { return op.writes && op.status != BdevStatus::Success; }));
  }

 private:
  void disturb() {
    const auto port = static_cast<uint32_t>(prng_.below(kPorts));
    const uint64_t later_ns = prng_.below(3000 * kMs);
    auto& faults = scene_.remote->faults;
    switch (prng_.below(goes_on_ ? 14 : 5)) {
      case 0:
        if (down_[port]) break;
        down_[port] = true;
        scene_.remote->kill(port);
        later(later_ns, [this, port] {
          down_[port] = false;
          scene_.remote->restart(port);
        });
        break;
      case 1:
      case 2:
        if (!down_[port]) scene_.remote->cut_one(port);
        break;
      case 3: {
        constexpr wire::AnaState kStates[] = {
            wire::AnaState::kNonOptimized, wire::AnaState::kInaccessible, wire::AnaState::kChange};
        scene_.remote->set_access(port, kStates[prng_.below(3)], prng_.chance(1, 2));
        later(later_ns, [this, port, tells = prng_.chance(1, 2)] {
          scene_.remote->set_access(port, wire::AnaState::kOptimized, tells);
        });
        break;
      }
      case 4:
        faults.status = wire::PathStatus::kInternalPathError;
        faults.failures = 1;
        break;
      case 5: faults.held_commands = 2; break;
      case 6: faults.lost_answers = 1; break;
      case 7:
        if (down_[port]) break;
        scene_.remote->silence(port, true);
        heal_later(port, later_ns);
        break;
      default: part(); break;
    }
    if (prng_.chance(1, 4)) scene_.remote->release();
  }
  /// The network, where most is under way.
  void part() {
    scene_.remote->faults.held_commands = kAtOnce;
    for (uint32_t count = 0; count < kAtOnce; ++count) start_one();
    scene_.pass(kMs);
    scene_.remote->faults.held_commands = 0;
    uint32_t port = 0;
    for (uint32_t other = 1; other < kPorts; ++other) {
      if (scene_.remote->held_count(other) > scene_.remote->held_count(port)) port = other;
    }
    if (!down_[port]) {
      scene_.remote->part(port);
      heal_later(port, prng_.below(3000 * kMs));
    }
    scene_.remote->release();
  }
  void heal_later(uint32_t port, uint64_t delay_ns) {
    down_[port] = true;
    later(delay_ns, [this, port] {
      down_[port] = false;
      scene_.remote->silence(port, false);
    });
  }
  void later(uint64_t delay_ns, std::function<void()> what) {
    ++to_come_;
    scene_.machine.after(delay_ns, [this, what = std::move(what)] {
      --to_come_;
      what();
    });
  }
  void heal() {
    scene_.remote->faults = {};
    scene_.remote->release();
    CHECK(scene_.until([this] { return to_come_ == 0; }));
  }

  std::byte* place(const Running& of) {
    return scene_.at(static_cast<size_t>(&of - running_.data()) * kBlock);
  }
  void start_one() {
    const auto free = std::ranges::find_if(
        running_, [](const Running& each) { return each.io == nullptr || each.done; });
    if (free == running_.end()) return;
    if (free->io != nullptr) end(*free);
    ops_.push_back({.writes = prng_.chance(1, 2), .block = prng_.below(kUsed)});
    start(*free, ops_.back());
  }
  void start(Running& here, Op& op) {
    if (op.writes) op.number = static_cast<uint32_t>(ops_.size());
    for (size_t at = 0; at < kBlock; at += 4) std::memcpy(place(here) + at, &op.number, 4);
    here.op = &op;
    here.done = false;
    here.io = std::make_unique<TestIo>(op.writes ? BdevIoType::Write : BdevIoType::Read, op.block,
                                       1, std::vector<iovec>{{place(here), kBlock}});
    here.io->on_complete = [this, &here] {
      CHECK_FALSE(here.done);
      here.done = true;
      here.op->ended_ns = scene_.machine.now_ns();
    };
    op.started_ns = scene_.machine.now_ns();
    scene_.user->start(*here.io, static_cast<uint32_t>(prng_.below(2)));
  }
  /// Waits for it.
  void end(Running& here) {
    if (here.io == nullptr) return;
    Op& op = *here.op;
    op.status = here.io->wait();
    here.io.reset();
    if (op.writes) {
      CHECK((op.status == BdevStatus::Success || op.status == BdevStatus::Failed));
      return;
    }
    CHECK(op.status == BdevStatus::Success);
    std::memcpy(&op.number, place(here), 4);
    CHECK(std::memcmp(place(here), place(here) + 4, kBlock - 4) == 0);
  }
  void read_at_last(uint64_t block) {
    ops_.push_back({.writes = false, .block = block});
    start(running_[0], ops_.back());
    end(running_[0]);
  }

  /// When the first read ended that had it; UINT64_MAX: there was none.
  uint64_t seen_ns(const Op& write) const {
    uint64_t seen_ns = UINT64_MAX;
    for (const Op& op : ops_) {
      if (!op.writes && op.number == write.number) seen_ns = std::min(seen_ns, op.ended_ns);
    }
    return seen_ns;
  }
  void judge() const {
    const Op before{.writes = true, .ended_ns = 0};
    for (const Op& read : ops_) {
      if (read.writes) continue;
      const bool is_old = read.number == 0;
      const Op& had = is_old ? before : ops_[read.number - 1];
      REQUIRE((is_old || (had.writes && had.block == read.block)));
      CHECK(had.started_ns < read.ended_ns);
      const uint64_t had_seen_ns = is_old ? 0 : seen_ns(had);
      for (const Op& other : ops_) {
        const bool counts = other.writes && &other != &had && other.block == read.block &&
                            other.status == BdevStatus::Success && other.ended_ns < read.started_ns;
        if (!counts) continue;
        CAPTURE(had.number);
        CAPTURE(other.number);
        // What was over before another one began does not come back when that is over.
        CHECK_FALSE(had.ended_ns < other.started_ns);
        // Nor does what was seen before, if it is reported behind it, and as done.
        CHECK_FALSE((had.status == BdevStatus::Success && had_seen_ns < other.started_ns &&
                     other.ended_ns < had.ended_ns));
      }
    }
  }

  const bool goes_on_;
  NvmfScene scene_;
  Prng prng_;
  std::deque<Op> ops_;  // by number, from 1
  std::vector<Running> running_;
  std::array<bool, kPorts> down_{};
  uint32_t to_come_ = 0;
};

}  // namespace

TEST_CASE("nvmf: nothing is lost, nothing comes back, whatever goes wrong") {
  for (uint64_t seed = 1; seed <= 24; ++seed) {
    CAPTURE(seed);
    Model model(seed, seed % 2 == 0);
    model.run();
    CHECK(model.failed() < kRounds / 10);
  }
}

}  // namespace capsuled
