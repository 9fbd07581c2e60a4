#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "bdev/bdev_stats.h"
#include "bdev/bdev_status.h"
#include "sim/simulation_run.h"

namespace capsuled::sim {

using env::sim::DiskOp;
using env::sim::DiskRequest;
using env::sim::SimDisk;

namespace {

constexpr uint64_t kDelayMaxNs = 2'000'000;
constexpr uint64_t kLongDelayMaxNs = 50'000'000;
constexpr uint64_t kLookNs = 1'200'000'000;
constexpr uint64_t kSecond = 1'000'000'000;
/// A file grows no more once it has so many times what hosts use.
constexpr uint64_t kGrownMax = 8;

}  // namespace

// ---- What is done to it -------------------------------------------------------------------------

/// Time passes, in which something else may be done.
void Simulation::pass(uint64_t most_ns) {
  const uint64_t until_ns = now_ns() + machine_.prng().between(0, most_ns);
  if (depth_ < 2 && machine_.prng().chance(1, 3)) {
    machine_.until([&] { return findings_.any(); }, now_ns() + (until_ns - now_ns()) / 2);
    act();
  }
  machine_.until([&] { return findings_.any(); }, until_ns);
  if (!findings_.any()) machine_.pass_to(std::max(until_ns, now_ns()));
}

void Simulation::act() {
  if (acts_.empty() || findings_.any()) return;
  const Ingredient what = acts_[machine_.prng().below(acts_.size())];
  // Who is in the middle of something else would be surprised.
  const bool alone =
      what == Ingredient::Kills || what == Ingredient::PowerCuts || what == Ingredient::Lulls;
  if (alone && depth_ > 0) return;
  findings_.trace("---", [&] { return kIngredientNames[static_cast<size_t>(what)]; });
  ++depth_;
  act(what);
  --depth_;
}

void Simulation::act(Ingredient what) {
  switch (what) {
    case Ingredient::Resets: line_.happen(now_ns()); return network_.reset_one();
    case Ingredient::ShortSends:
      line_.happen(now_ns());
      return network_.shorten_one_send(SimTarget::kAddress);
    case Ingredient::ControllerEnds: line_.happen(now_ns()); return target_->end_controller();
    case Ingredient::ConnectionEnds: line_.happen(now_ns()); return target_->end_connection();
    case Ingredient::Withdrawals:
    case Ingredient::NewDisks:
      if (Disk* const disk = pick_disk(false)) withdraw(*disk, what == Ingredient::NewDisks);
      return;
    case Ingredient::Delays:
      if (const Disk* const disk = pick_disk(false)) change_times(*disk);
      return;
    case Ingredient::DiskErrors:
      if (Disk* const disk = pick_disk(true)) fail(*disk);
      return;
    case Ingredient::DiskHangs:
      if (Disk* const disk = pick_disk(true)) hang(*disk);
      return;
    case Ingredient::DiskCuts:
      if (Disk* const disk = pick_disk(true)) cut(*disk);
      return;
    case Ingredient::DriveFaults: return spoil_drive();
    case Ingredient::Lulls: return lull();
    case Ingredient::Pauses: {
      // Nobody is harmed by it but in time: it is no disturbance of lines.
      everything_disturbed(true);
      const uint64_t ns = machine_.prng().between(0, pace_.pause_max_ns);
      machine_.pause(ns);
      machine_.until([&] { return findings_.any(); }, now_ns() + ns);
      return everything_disturbed(false);
    }
    case Ingredient::Kills: return restart(false);
    case Ingredient::PowerCuts: return restart(true);
    default: UNREACHABLE();
  }
}

void Simulation::everything_disturbed(bool begins) {
  for (const auto& disk : disks_) {
    if (begins) {
      disk->disturbance.begin();
    } else {
      disk->disturbance.end(now_ns());
    }
  }
}

/// One that nothing is being done to, or null.
Simulation::Disk* Simulation::pick_disk(bool file) {
  std::vector<Disk*> free;
  for (const auto& disk : disks_) {
    if (!disk->busy && (!file || !disk->path.empty())) free.push_back(disk.get());
  }
  return free.empty() ? nullptr : free[machine_.prng().below(free.size())];
}

void Simulation::hang(Disk& disk) {
  disk.busy = true;
  disk.disturbance.begin();
  files_.find(disk.path)->hang(true);
  pass(pace_.hang_max_ns);
  files_.find(disk.path)->hang(false);
  disk.disturbance.end(now_ns());
  disk.busy = false;
  // What has piled up must go on by itself.
  if (depth_ == 1 && has(Ingredient::Lulls) && machine_.prng().chance(1, 2)) lull();
}

/// Its controller does something that it should not, a few times; then it is well again.
void Simulation::spoil_drive() {
  Disk& disk = *disks_.back();
  if (disk.busy) return;
  disk.busy = true;
  disk.disturbance.begin();
  Prng& prng = machine_.prng();
  nvme::testing::SoftwareController& controller = drive_->controller();
  const auto count = static_cast<uint32_t>(prng.between(1, 4));
  switch (prng.below(8)) {
    case 0: controller.fail(); break;
    case 1: controller.faults.lost_completions = count; break;
    case 2: controller.faults.late_completions = count; break;
    case 3:
      (prng.chance(1, 4) ? controller.faults.duplicate_completions
                         : controller.faults.late_duplicates) = count;
      break;
    case 4: controller.faults.wrong_cids = 1; break;
    case 5: controller.faults.wrong_phases = 1; break;
    case 6: controller.faults.held_commands = count; break;
    default:
      controller.faults.failures = count;
      controller.faults.status = prng.chance(1, 2)
                                     ? wire::Status(wire::MediaStatus::kWriteFault)
                                     : wire::Status(wire::GenericStatus::kInternalError);
      break;
  }
  pass(pace_.act_max_ns);
  controller.faults = {.shuffles = true, .lingers = true};
  // Whatever it owes is noticed, aborted, and if that does not help forgotten in a reset.
  constexpr uint64_t kNoticedNs = 2 * kSecond;
  machine_.until([&] { return findings_.any(); },
                 now_ns() + 3 * pace_.drive_timeout_ns + kNoticedNs);
  acknowledge(disk);
  disk.disturbance.end(now_ns());
  disk.busy = false;
}

void Simulation::fail(Disk& disk) {
  disk.busy = true;
  disk.disturbance.begin();
  const auto which = static_cast<DiskOp>(machine_.prng().below(4));
  // The device went, says the last one: that stays, as what a flush lost does.
  const int errnum = std::array{EIO, EIO, ENOSPC, ENODEV}[machine_.prng().below(4)];
  files_.find(disk.path)->outcome = [this, which, errnum](const DiskRequest& request) {
    return request.op == which && machine_.prng().chance(1, 4) ? -errnum : SimDisk::kWhole;
  };
  pass(pace_.act_max_ns);
  files_.find(disk.path)->outcome = nullptr;
  acknowledge(disk);
  disk.disturbance.end(now_ns());
  disk.busy = false;
}

void Simulation::cut(Disk& disk) {
  SimDisk& file = *files_.find(disk.path);
  const uint64_t bytes = file.bytes();
  if (machine_.prng().chance(1, 4)) {
    // What lies behind its old end is nobody's; or the bdev's from now on, and hosts leave it.
    disk.busy = true;
    const uint32_t block_bytes = disk.judge.block_bytes();
    const bool grows = bytes < kGrownMax * kBlocks * block_bytes && machine_.prng().chance(1, 2);
    const uint64_t more = machine_.prng().between(1, bytes / block_bytes) * block_bytes;
    file.resize(bytes + more - (grows ? 0 : machine_.prng().below(block_bytes)));
    pass(pace_.act_max_ns);
    if (grows) {
      grow(disk);
    } else {
      file.resize(bytes);
    }
    disk.busy = false;
    return;
  }
  // Of what the file system has in its hands nobody can say which comes first.
  machine_.until([&] { return findings_.any() || file.writes() == 0; },
                 now_ns() + pace_.act_every_ns);
  if (findings_.any() || file.writes() > 0) return;
  disk.busy = true;
  disk.disturbance.begin();
  const uint64_t first = machine_.prng().below(kBlocks);
  findings_.trace("---", [&] { return disk.name + " has " + std::to_string(first) + " blocks"; });
  file.resize((disk.first_block + first) * disk.judge.block_bytes());
  disk.judge.cut_off(first, now_ns());
  pass(pace_.act_max_ns);
  file.resize(bytes);
  put_zeros(disk, first);
  disk.judge.put_back(now_ns());
  acknowledge(disk);
  disk.disturbance.end(now_ns());
  disk.busy = false;
}

void Simulation::grow(const Disk& disk) {
  // The reactors look at it once a second.
  machine_.until([&] { return findings_.any(); }, now_ns() + kLookNs);
  bool over = false;
  const auto begun = target_->engine().bdev_grow(disk.lowest, [&] { over = true; });
  ASSERT(begun.ok());
  if (!wait([&] { return over; })) findings_.tell("the growth of " + disk.name + " hangs");
}

/// For each operation some time, none in half of the cases.
BdevSection Simulation::some_times(Prng& prng) {
  BdevSection times;
  for (const char* const operation : kBdevIoTypeNames) {
    if (prng.chance(1, 2)) continue;
    const uint64_t average = prng.below(kDelayMaxNs);
    BdevSection spread = {{"average", average}, {"jitter", prng.below(average + 1)}};
    if (prng.chance(1, 2)) spread["p99"] = prng.below(kLongDelayMaxNs);
    times[operation] = std::move(spread);
  }
  return times;
}

void Simulation::change_times(const Disk& disk) {
  for (const BdevParameters& bdev : disk.bdevs) {
    if (bdev.kind() != "delay") continue;
    const auto error = target_->engine().bdev_change(
        bdev.name(), {bdev.name(), bdev.kind(), some_times(machine_.prng())});
    ASSERT(!error.has_value());
  }
}

/// What was latched is looked at until it is well.
void Simulation::acknowledge(Disk& disk) {
  for (uint32_t tries = 0; tries < 10 && !findings_.any(); ++tries) {
    bool over = false;
    bool well = false;
    const auto begun = target_->engine().bdev_recheck(disk.lowest, [&](BdevStatus status) {
      over = true;
      well = status == BdevStatus::Success;
    });
    ASSERT(begun.ok());
    if (!wait([&] { return over; })) return findings_.tell("a recheck of " + disk.name + " hangs");
    if (well) return;
  }
  findings_.tell(disk.name + " does not get well");
}

void Simulation::withdraw(Disk& disk, bool anew) {
  disk.busy = true;
  disk.disturbance.begin();
  bool drained = false;
  publish(&disk, [] {}, [&] { drained = true; });
  if (anew || machine_.prng().chance(1, 2)) {
    if (!wait([&] { return drained; })) return findings_.tell(disk.name + " does not drain");
  }
  if (anew) {
    // What is left of it stays as it is, with all that it has.
    const size_t left = machine_.prng().below(disk.bdevs.size());
    const auto removed = std::span(disk.bdevs).subspan(left);
    if (!remove_bdevs(removed)) return findings_.tell(disk.name + " is still in use");
    add_bdevs(removed);
    if (left == 0 && disk.is_volatile()) disk.judge.make_anew();
  } else {
    pass(pace_.act_max_ns / 4);
  }
  bool applied = false;
  publish(nullptr, [&] { applied = true; }, [] {});
  if (!wait([&] { return applied && drained; })) findings_.tell(disk.name + " is not published");
  disk.disturbance.end(now_ns());
  disk.busy = false;
}

/// What waits for another command to push it on waits in vain now.
void Simulation::lull() {
  for (const auto& host : hosts_) host->rest(true);
  const auto answered = [&] {
    return std::ranges::none_of(hosts_, [](const auto& host) { return host->waits(); });
  };
  const uint64_t until_ns = now_ns() + 3 * pace_.patience_ns;
  if (!machine_.until([&] { return findings_.any() || answered(); }, until_ns)) {
    findings_.tell("when nothing new comes, a command is not answered");
  }
  for (const auto& host : hosts_) host->rest(false);
}

/// Until just behind an answer that says that something is durable, which it must be then.
void Simulation::pass_to_durable() {
  constexpr std::array kKinds = {&MadeDurable::writes, &MadeDurable::zeroes, &MadeDurable::flushes};
  const auto kind = kKinds[machine_.prng().below(kKinds.size())];
  const auto made = [&] {
    uint64_t sum = 0;
    for (const auto& host : hosts_) sum += host->made_durable().*kind;
    return sum;
  };
  const uint64_t before = made();
  machine_.until([&] { return findings_.any() || made() != before; },
                 now_ns() + 4 * pace_.act_every_ns);
}

void Simulation::restart(bool power) {
  if (power && machine_.prng().chance(2, 3)) pass_to_durable();
  if (findings_.any()) return;
  ++result_.restarts;
  line_.begin();
  everything_disturbed(true);
  // In one moment: what hosts have under way is of unknown outcome, but over.
  network_.unplug(SimTarget::kAddress);
  target_->connection_closed = nullptr;
  for (const auto& host : hosts_) host->target_gone();
  files_.crash(power, machine_.prng());
  if (drive_ != nullptr) drive_->crash(power);
  for (const auto& disk : disks_) {
    if (disk->is_volatile()) {
      disk->judge.make_anew();
    } else if (power) {
      disk->judge.power_cut(now_ns());
    }
  }
  void_.judge.make_anew();
  stop_target();
  if (findings_.any()) return;
  start_target();
  everything_disturbed(false);
  line_.end(now_ns());
}

}  // namespace capsuled::sim
