#include "sim/simulation.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <ranges>
#include <utility>

#include "bdev/crypto/xts_cipher.h"
#include "sim/simulation_run.h"

namespace capsuled::sim {
namespace {

using env::sim::SimDisk;
using env::sim::SimSpan;

constexpr uint64_t kMicrosecond = 1'000;
constexpr uint64_t kMillisecond = 1'000'000;
constexpr uint64_t kSecond = 1'000'000'000;
constexpr const char* kDisk = "nqn.2026-11.test:disk";
constexpr const char* kVoid = "nqn.2026-11.test:void";

constexpr uint16_t kEntriesMax = 128;  ///< of a queue
/// Of 4 KiB: what a host has buffers for whatever others do.
constexpr uint32_t kGuaranteedBlocks = 64;

/// Of one queue: what takes a slow line some hundred milliseconds.
constexpr uint32_t kBlocksUnderWayMax = 2048;

/// Where the machine has its drive.
constexpr const char* kDrive = "0000:01:00.0";

/// Of the disks that are encrypted.
constexpr const char* kKeyFile = "key";

std::array<std::byte, XtsKey::kBytesMax> key_bytes() {
  std::array<std::byte, XtsKey::kBytesMax> bytes;
  for (size_t index = 0; index < bytes.size(); ++index) bytes[index] = std::byte(index);
  return bytes;
}

constexpr Pace kPaces[] = {
    {.thinks = {kMicrosecond, 2 * kMillisecond, 0, 0},
     .duration_ns = 30 * kMillisecond,
     .patience_ns = kSecond,
     .act_every_ns = 2 * kMillisecond,
     .act_max_ns = 5 * kMillisecond,
     .hang_max_ns = 5 * kMillisecond,
     .pause_max_ns = 30 * kSecond,
     .keep_alive_ms = 10'000,
     .pdu_timeout_ns = 30 * kSecond,
     .drive_timeout_ns = 100 * kMillisecond},
    {.thinks = {kMicrosecond, 200 * kMillisecond, 0, 0},
     .duration_ns = 3 * kSecond,
     .patience_ns = 2 * kSecond,
     .act_every_ns = 200 * kMillisecond,
     .act_max_ns = 500 * kMillisecond,
     .hang_max_ns = 500 * kMillisecond,
     .pause_max_ns = 3 * kSecond,
     .keep_alive_ms = 1'000,
     .pdu_timeout_ns = 2 * kSecond,
     .drive_timeout_ns = 300 * kMillisecond},
    {.thinks = {kMillisecond, 5 * kSecond, 0, 0},
     .duration_ns = 100 * kSecond,
     .patience_ns = 10 * kSecond,
     .act_every_ns = 5 * kSecond,
     .act_max_ns = 15 * kSecond,
     .hang_max_ns = 25 * kSecond,
     .pause_max_ns = 15 * kSecond,
     .keep_alive_ms = 5'000,
     .pdu_timeout_ns = 4 * kSecond,
     .drive_timeout_ns = 2 * kSecond},
};

}  // namespace

// ---- What it is made of -------------------------------------------------------------------------

env::sim::SimThreadOptions Simulation::threads_of(const SimulationOptions& options) {
  env::sim::SimThreadOptions threads;
  if (options.with.has(Ingredient::BusyThreads)) {
    threads.step = {500, 4 * kMicrosecond, 2'000, 5 * kMillisecond};
    threads.wake_up = {kMicrosecond, 50 * kMicrosecond, 200, 5 * kMillisecond};
  }
  return threads;
}

env::sim::SimLine Simulation::line_of(const SimulationOptions& options) const {
  env::sim::SimLine line;
  line.late_sends_one_in = 16;
  if (options.with.has(Ingredient::Pieces)) {
    Prng prng = draw(1);
    line.piece_max = static_cast<uint32_t>(prng.between(200, 9'000));
    line.send_buffer = static_cast<uint32_t>(prng.between(4'096, 256 * 1024));
    line.receive_buffer = static_cast<uint32_t>(prng.between(4'096, 256 * 1024));
    line.latency = {10 * kMicrosecond, 100 * kMicrosecond, 500, 5 * kMillisecond};
  }
  return line;
}

Simulation::Simulation(const SimulationOptions& options)
    : options_(options),
      pace_(kPaces[draw(2).below(std::size(kPaces))]),
      machine_(options.seed, threads_of(options)),
      network_(machine_, line_of(options)),
      findings_(machine_, options.trace) {
  for (const Ingredient one :
       {Ingredient::Resets, Ingredient::ShortSends, Ingredient::ControllerEnds,
        Ingredient::ConnectionEnds, Ingredient::Withdrawals, Ingredient::NewDisks,
        Ingredient::Delays, Ingredient::DiskErrors, Ingredient::DiskHangs, Ingredient::DiskCuts,
        Ingredient::Lulls, Ingredient::Pauses, Ingredient::Kills, Ingredient::PowerCuts}) {
    if (has(one)) acts_.push_back(one);
  }
  if (has(Ingredient::Drives) && has(Ingredient::DriveFaults)) {
    acts_.push_back(Ingredient::DriveFaults);
  }
}

Simulation::Disk::Disk(uint32_t number, const std::string& kind, uint32_t block_bytes,
                       const std::vector<Layer>& layers)
    : nsid(number),
      lowest(kind + std::to_string(number)),
      name(lowest),
      path(kind == "uring" ? lowest : ""),
      judge(block_bytes, kBlocks) {
  for (const Layer& layer : layers) first_block += layer.first_block;
  uint64_t blocks = first_block + kBlocks;
  const uint64_t all = blocks;
  if (kind == "nvme") {
    bdevs.push_back({lowest, kind, {{"address", std::string(kDrive)}}});
  } else if (path.empty()) {
    bdevs.push_back({lowest, kind, {{"block_size", block_bytes}, {"size", blocks * block_bytes}}});
  } else {
    // It has the size of its file, which grows.
    bdevs.push_back({lowest, kind, {{"block_size", block_bytes}, {"path", path}}});
  }
  for (const Layer& layer : layers) {
    const char* const word = layer.delays ? "slow" : layer.sector_bytes != 0 ? "secret" : "part";
    const std::string base = std::exchange(name, word + std::to_string(bdevs.size()) + lowest);
    if (layer.delays) {
      bdevs.push_back({name, "delay", {{"base", base}, {"seed", uint64_t{number}}}});
    } else if (layer.sector_bytes != 0) {
      bdevs.push_back({name, "crypto", {{"base", base}, {"key_file", kKeyFile}}});
      bdevs.back().set("sector_size", uint64_t{layer.sector_bytes});
      sector_bytes = layer.sector_bytes;
      secret_first_block = all - blocks;
    } else {
      blocks -= layer.first_block;
      bdevs.push_back(
          {name, "split", {{"base", base}, {"offset", layer.first_block * block_bytes}}});
      bdevs.back().set("size", blocks * block_bytes);
    }
  }
}

void Simulation::add_bdevs(std::span<const BdevParameters> bdevs) {
  for (const BdevParameters& bdev : bdevs) target_->add_bdev(bdev);
}

/// The topmost first. False: one is still in use.
bool Simulation::remove_bdevs(std::span<const BdevParameters> bdevs) {
  return std::ranges::all_of(bdevs | std::views::reverse, [this](const BdevParameters& bdev) {
    return target_->remove_bdev(bdev.name());
  });
}

std::vector<Simulation::Layer> Simulation::draw_layers(Prng& prng, Prng& secrets, bool in_file,
                                                       uint32_t block_bytes) {
  std::vector<Layer> layers(prng.chance(1, 2) ? prng.between(1, 3) : 0);
  for (Layer& layer : layers) {
    layer.first_block = prng.below(100);
    if (has(Ingredient::Delays) && prng.chance(1, 2)) layer = {.delays = true};
  }
  // A RAM disk that is made anew has zeros, which a cipher makes noise of.
  if (in_file && secrets.chance(1, 2)) {
    const auto place = static_cast<std::ptrdiff_t>(secrets.below(layers.size() + 1));
    const uint32_t sector_bytes = secrets.chance(1, 2) ? 512 : block_bytes;
    layers.insert(layers.begin() + place, Layer{.sector_bytes = sector_bytes});
  }
  return layers;
}

void Simulation::put_zeros(const Disk& disk, uint64_t first) {
  if (disk.sector_bytes == 0) return;
  const XtsKey key = XtsKey::create(key_bytes()).value();
  XtsCipher cipher = XtsCipher::create(key, disk.sector_bytes).value();
  SimDisk& file = *files_.find(disk.path);
  const uint32_t block_bytes = disk.judge.block_bytes();
  const uint64_t begins = disk.first_block + first;
  const uint64_t number = (begins - disk.secret_first_block) * block_bytes / XtsCipher::kTweakBytes;
  std::vector<std::byte> bytes((kBlocks - first) * block_bytes);
  ASSERT(cipher.encrypt(number, bytes.data(), bytes.data(), bytes.size()));
  file.write(begins * block_bytes, bytes);
  file.flush(begins * block_bytes, bytes.size());
}

void Simulation::make_disks() {
  Prng prng = draw(3);
  Prng secrets = draw(6);
  SimDisk& key = files_.make(kKeyFile, XtsKey::kBytesMax);
  key.write(0, key_bytes());
  key.flush(0, key.bytes());
  for (uint32_t nsid = 1; nsid <= 4; ++nsid) {
    const uint32_t block_bytes = prng.chance(1, 2) ? 512 : 4096;
    const bool in_file = nsid % 2 != 0;
    const std::vector<Layer> layers = draw_layers(prng, secrets, in_file, block_bytes);
    disks_.push_back(
        std::make_unique<Disk>(nsid, in_file ? "uring" : "malloc", block_bytes, layers));
    Disk& disk = *disks_.back();
    if (has(Ingredient::Limits)) limit(disk);
    if (disk.is_volatile()) continue;
    SimDisk& file = files_.make(disk.path, (disk.first_block + kBlocks) * block_bytes);
    put_zeros(disk, 0);
    file.atomic_bytes = block_bytes;
    file.short_transfers = has(Ingredient::ShortTransfers);
    if (!has(Ingredient::SlowDisks)) {
      file.latency = {.read = {20 * kMicrosecond, 100 * kMicrosecond, 0, 0},
                      .write = {20 * kMicrosecond, 100 * kMicrosecond, 0, 0},
                      .flush = {100 * kMicrosecond, kMillisecond, 0, 0},
                      .allocate = {100 * kMicrosecond, kMillisecond, 0, 0}};
    }
  }
}

/// Where it is, it is the last of the disks.
void Simulation::make_drive() {
  Prng prng = draw(7);
  SimDriveOptions options;
  options.block_bytes = prng.chance(1, 2) ? 512 : 4096;
  options.controller.seed = prng.next();
  options.controller.has_shadows = prng.chance(1, 2);
  options.controller.has_cache = prng.chance(3, 4);
  // What it lacks is made up for.
  if (prng.chance(1, 4)) options.controller.oncs = 0;
  if (prng.chance(1, 4)) options.controller.mdts = 2;
  Prng secrets = draw(8);
  const std::vector<Layer> layers = draw_layers(prng, secrets, false, options.block_bytes);
  disks_.push_back(std::make_unique<Disk>(5, "nvme", options.block_bytes, layers));
  Disk& disk = *disks_.back();
  options.blocks = disk.first_block + kBlocks;
  drive_ = std::make_unique<SimDrive>(machine_, options);
  disk.drive = drive_.get();
  BdevParameters& bdev = disk.bdevs.front();
  // Who has a few entries uses the one that is free at once, again and again.
  bdev.set("queue_entries", prng.between(2, prng.chance(1, 2) ? 4 : 129));
  bdev.set("timeout", pace_.drive_timeout_ns);
  bdev.set("reset_timeout", 100 * pace_.drive_timeout_ns);
  if (has(Ingredient::Limits)) limit(disk);
}

void Simulation::limit(Disk& disk) {
  Prng prng = draw(50 + disk.nsid);
  for (BdevParameters& bdev : disk.bdevs) {
    if (prng.chance(1, 2)) continue;
    BdevSection limits;
    limits["iops"] = prng.between(2'000, 50'000);
    if (prng.chance(1, 2)) limits["bandwidth"] = prng.between(32, 500) << 20;
    if (prng.chance(1, 2)) limits["write_bandwidth"] = prng.between(32, 200) << 20;
    limits["burst"] = prng.between(10, 100) * kMillisecond;
    bdev.set("qos", std::move(limits));
  }
}

void Simulation::start_target() {
  Prng prng = draw(4 + result_.restarts);
  SimTargetOptions options;
  options.reactors = has(Ingredient::Reactors) ? static_cast<uint32_t>(prng.between(2, 4)) : 1;
  options.memory_bytes =
      options.reactors * (has(Ingredient::LittleMemory) ? 16ull << 20 : 64 << 20);
  if (has(Ingredient::LittleMemory)) {
    options.receive_buffers_max = 1u << prng.below(5);
    options.requests_max = prng.chance(1, 2) ? 128 : static_cast<uint32_t>(prng.between(128, 1024));
  }
  options.poll = prng.chance(1, 3) ? PollMode::Interrupt : PollMode::Adaptive;
  options.pdu_timeout_ns = pace_.pdu_timeout_ns;
  if (!has(Ingredient::SlowControl)) options.loop = {20 * kMicrosecond, 300 * kMicrosecond, 0, 0};
  options.drive = drive_.get();
  target_ = std::make_unique<SimTarget>(machine_, network_, files_, options);
  target_->connection_closed = [this](uint16_t port) {
    for (const auto& host : hosts_) host->target_closed(port);
  };
  add_bdevs(void_.bdevs);
  for (const auto& disk : disks_) add_bdevs(disk->bdevs);
  target_->publish({kVoid, {{1, void_.name, false}}}, [] {}, [] {});
  publish(nullptr, [] {}, [] {});
  endpoint_ = target_->endpoint();
}

void Simulation::publish(const Disk* without, std::function<void()> applied,
                         std::function<void()> drained) {
  SimSubsystem subsystem{kDisk};
  for (const auto& disk : disks_) {
    if (disk.get() != without) subsystem.namespaces.push_back({disk->nsid, disk->name, false});
  }
  target_->publish(subsystem, std::move(applied), std::move(drained));
}

ModelHostOptions Simulation::host_options(const std::string& name) {
  ModelHostOptions options;
  options.name = name;
  options.address = "127.0.1." + std::to_string(hosts_.size() + 1);
  options.subsystem = kDisk;
  options.keep_alive_ms = pace_.keep_alive_ms;
  options.thinks = pace_.thinks;
  options.comes_back = span_up_to(std::min(pace_.duration_ns / 10, 2 * kSecond));
  // Half of a time-out's granularity, and what may come between.
  options.let_go_ns = 3 * pace_.pdu_timeout_ns + 4'000'000ull * pace_.keep_alive_ms + 10 * kSecond +
                      2 * pace_.pause_max_ns;
  options.temper.heard = heard_;
  options.load.name = name;
  options.load.patience_ns = pace_.patience_ns;
  Prng prng = draw(100 + hosts_.size());
  options.io_queues = static_cast<uint16_t>(prng.between(1, 3));
  options.load.blocks_max = static_cast<uint32_t>(prng.between(1, kGuaranteedBlocks));
  // Many small ones, or some large ones.
  const uint32_t entries_max =
      std::min<uint32_t>(kEntriesMax, kBlocksUnderWayMax / options.load.blocks_max);
  options.entries = static_cast<uint16_t>(prng.between(2, prng.chance(1, 2) ? entries_max : 8));
  // Some faults show only when much of one kind comes at once.
  for (uint32_t& often : options.load.often) {
    if (prng.chance(1, 4)) often *= static_cast<uint32_t>(prng.between(0, 8));
  }
  options.load.often.front() += 1;
  if (prng.chance(1, 2)) options.load.elsewhere_one_in = static_cast<uint32_t>(prng.between(1, 8));
  if (prng.chance(1, 2)) {
    // Few may wait for the host at once where there is little memory: all of its queues, in turn.
    const uint64_t part = has(Ingredient::LittleMemory) ? 128 : 4;
    options.temper.answers_after = {0, pace_.thinks.max / part, 0, 0};
  }
  if (has(Ingredient::Digests)) {
    options.temper.digests = {.header = prng.chance(1, 2), .data = prng.chance(1, 2)};
  }
  if (has(Ingredient::Pieces)) {
    options.temper.writes_at_once = static_cast<uint32_t>(prng.between(500, 20'000));
  }
  options.load.aborts = has(Ingredient::Aborts) && prng.chance(1, 2);
  return options;
}

ModelHost& Simulation::add_host(const ModelHostOptions& options, bool on_disks) {
  std::vector<ModelNamespace> namespaces;
  if (on_disks) {
    for (const auto& disk : disks_) {
      namespaces.push_back({disk->nsid, &disk->judge, &disk->disturbance});
    }
  } else {
    namespaces.push_back({1, &void_.judge, &quiet_});
  }
  hosts_.push_back(std::make_unique<ModelHost>(network_, endpoint_, findings_, line_,
                                               std::move(namespaces), next_, options));
  hosts_.back()->start();
  return *hosts_.back();
}

void Simulation::make_hosts() {
  for (const char* const name : {"anna", "bert", "cleo"}) add_host(host_options(name), true);
  if (has(Ingredient::Pilers)) {
    // Whatever its disk does not end, holds a request each.
    ModelHostOptions options = host_options("piler");
    options.io_queues = 3;
    options.entries = kEntriesMax;
    options.load.blocks_max = 2;
    options.load.often = {1, 16, 4, 0, 0, 0};
    options.load.elsewhere_one_in = 8;
    add_host(options, true);
  }
  Prng prng = draw(5);
  const auto bad = [&](Ingredient one, const char* name, auto&& change) {
    if (!has(one)) return;
    ModelHostOptions options = host_options(name);
    options.well_behaved = false;
    options.load.patience_ns = 0;
    change(options);
    add_host(options, one != Ingredient::SpoilingHosts);
  };
  const uint64_t some_bytes = prng.between(2'000, 2'000'000);
  // More than one send takes.
  const auto asks_for_much = [&](ModelHostOptions& options) {
    if (prng.chance(1, 2)) return;
    options.entries = 32;
    options.load.blocks_max = 4 * kGuaranteedBlocks;
    options.load.often = {16, 1, 0, 0, 0, 0};
  };
  bad(Ingredient::SlowReaders, "slow", [&](ModelHostOptions& options) {
    options.temper.reads_at_once = static_cast<uint32_t>(prng.between(100, 10'000));
    options.temper.reads_after = {0, pace_.thinks.max / 10, 0, 0};
    asks_for_much(options);
  });
  bad(Ingredient::DeafHosts, "deaf", [&](ModelHostOptions& options) {
    options.temper.reads_bytes_max = some_bytes;
    asks_for_much(options);
  });
  bad(Ingredient::OwingHosts, "owing",
      [&](ModelHostOptions& options) { options.temper.answers_r2ts = false; });
  bad(Ingredient::HalfHosts, "half",
      [&](ModelHostOptions& options) { options.temper.resets_within_bytes = some_bytes; });
  bad(Ingredient::SpoilingHosts, "spoiler", [&](ModelHostOptions& options) {
    options.subsystem = kVoid;
    options.load.judged = false;
    options.load.often = {2, 16, 1, 1, 1, 4};
    options.temper.spoils_one_in = static_cast<uint32_t>(prng.between(2, 200));
    if (prng.chance(1, 2)) options.temper.reads_bytes_max = some_bytes;
  });
  bad(Ingredient::LeavingHosts, "leaving",
      [&](ModelHostOptions& options) { options.lives = span_up_to(pace_.duration_ns / 4); });
  bad(Ingredient::VanishingHosts, "vanishing", [&](ModelHostOptions& options) {
    options.lives = span_up_to(pace_.duration_ns / 4);
    options.vanishes = true;
  });
}

// ---- The run ------------------------------------------------------------------------------------

SimulationResult Simulation::run() {
  make_disks();
  if (has(Ingredient::Drives)) make_drive();
  start_target();
  make_hosts();
  const uint64_t end_ns = now_ns() + pace_.duration_ns;
  while (now_ns() < end_ns && !findings_.any()) {
    pass(2 * pace_.act_every_ns);
    act();
  }
  finish();
  result_.finding = findings_.first();
  result_.virtual_ns = findings_.any() ? findings_.first_ns() : now_ns();
  for (const auto& host : hosts_) {
    result_.commands += host->answered();
    result_.connections += host->connections_made();
  }
  return result_;
}

void Simulation::finish() {
  findings_.trace("---", [] { return "the end"; });
  for (const auto& host : hosts_) host->stop();
  const auto at_rest = [&] {
    return std::ranges::all_of(hosts_, [](const auto& host) { return host->at_rest(); });
  };
  if (!findings_.any() && !wait(at_rest)) {
    for (const auto& host : hosts_) {
      if (host->at_rest()) continue;
      findings_.tell("a connection of " + host->name() + " is not let go; the target has " +
                     target_->what_is_left());
    }
  }
  if (!findings_.any() && has(Ingredient::PowerCuts)) restart(true);
  if (!findings_.any()) read_all();
  if (!findings_.any()) stop_target();
}

/// Whether all that is there is what was written there last.
void Simulation::read_all() {
  ModelHostOptions options = host_options("reader");
  options.reads_all = true;
  options.load.aborts = false;
  options.load.blocks_max = 64;
  options.thinks = {kMicrosecond, kMillisecond, 0, 0};
  ModelHost& reader = add_host(options, true);
  if (!wait([&] { return reader.has_read_all(); })) {
    findings_.tell("what was written cannot be read in time");
  }
  reader.stop();
  wait([&] { return reader.at_rest(); });
}

void Simulation::stop_target() {
  bool stopped = false;
  target_->stop([&] { stopped = true; });
  if (!machine_.until([&] { return stopped; }, now_ns() + kOverNs)) {
    return findings_.tell("the target does not stop");
  }
  // Of the last connections the control plane may not have heard yet.
  std::string left;
  machine_.until(
      [&] {
        left = target_->what_is_left();
        return left.empty();
      },
      now_ns() + kOverNs);
  if (!left.empty()) findings_.tell("when the target has stopped, there are " + left);
  target_ = nullptr;
}

SimulationResult simulate(const SimulationOptions& options) {
  auto simulation = std::make_unique<Simulation>(options);
  const SimulationResult result = simulation->run();
  // What is in the middle of something cannot be destroyed, and is of no interest any more.
  if (!result.finding.empty()) {
    [[maybe_unused]] const Simulation* const left = simulation.release();
  }
  return result;
}

}  // namespace capsuled::sim
