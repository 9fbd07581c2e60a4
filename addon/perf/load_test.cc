#include "perf/load.h"

#include <doctest/doctest.h>

#include <cerrno>
#include <chrono>
#include <functional>
#include <memory>
#include <semaphore>
#include <string>
#include <utility>
#include <vector>

#include "env/sim/sim_env.h"
#include "nvme/testing/software_controller.h"
#include "perf/bdev_load_target.h"
#include "perf/pcie_load_target.h"

namespace capsuled::perf {
namespace {

constexpr uint64_t kMs = 1'000'000;
constexpr uint64_t kSecond = 1'000 * kMs;
constexpr uint32_t kBlock = 512;
constexpr uint64_t kBlocks = 4096;
constexpr const char* kAddress = "0000:01:00.0";

/// A simulated machine with a drive made of software, and one run on it.
struct Scene {
  explicit Scene(uint64_t seed = 1) : machine(seed), network(machine) {
    options.cores = {-1, -1};
    options.poll = seed % 2 == 0 ? PollMode::Busy : PollMode::Interrupt;
    options.qpairs = 4;
    options.load.queue_depth = 8;
    options.load.workload.pattern = Pattern::Random;
    options.load.workload.read_percent = 50;
    options.load.workload.sizes = {{.io_bytes = 512, .weight = 1}, {.io_bytes = 8192, .weight = 1}};
    options.load.workload.seed = seed;
    options.load.duration_ns = 3600 * kSecond;
    options.load.operations_max = 2000;
    options.load.verify = true;
  }

  /// Lets go of the drive when its user does.
  struct Watched final : LoadTarget {
    Watched(Scene& of, std::unique_ptr<LoadTarget> what) : scene(of), target(std::move(what)) {}
    uint64_t buffer_bytes() const override { return target->buffer_bytes(); }
    std::string open(const LoadPlan& plan) override {
      std::string refusal = target->open(plan);
      if (!refusal.empty()) scene.ssd = nullptr;
      return refusal;
    }
    LoadPath& path(uint32_t worker) override { return target->path(worker); }
    void close() override {
      scene.at_end();
      target->close();
      scene.ssd = nullptr;
    }
    Scene& scene;
    const std::unique_ptr<LoadTarget> target;
  };

  std::unique_ptr<env::Env> make_env() {
    auto made = std::make_unique<env::sim::SimEnv>(
        machine, network, files, env::sim::SimEnvOptions{.pci = [this](const std::string& address) {
          if (address != kAddress) {
            return env::PciOpened{nullptr, ENODEV, "there is no PCI device " + address};
          }
          auto drive = std::make_unique<nvme::testing::SoftwareController>(*env, drive_options);
          drive->add_namespace(1, {.block_bytes = kBlock, .block_count = kBlocks});
          ssd = drive.get();
          return env::PciOpened{std::move(drive), 0, ""};
        }});
    env = made.get();
    return made;
  }
  void work() {
    if (ssd != nullptr) ssd->step();
    if (ssd != nullptr && ssd->ready()) while_up();
    machine.after(machine.prng().between(500, 20'000), [this] { work(); });
  }

  /// Once, when the load has done so many operations.
  void after_operations(uint64_t count, std::function<void()> what) {
    while_up = [this, count, what = std::move(what), done = false]() mutable {
      if (done || load == nullptr || load->progress().operations < count) return;
      done = true;
      what();
    };
  }
  LoadReport run(std::unique_ptr<LoadTarget> target) {
    work();
    bool over = false;
    auto started = Load::start(make_env(), std::make_unique<Watched>(*this, std::move(target)),
                               options, [&over] { over = true; });
    REQUIRE(started.ok());
    load = std::move(started).value();
    REQUIRE(machine.until([&over] { return over; }, machine.now_ns() + 7200 * kSecond));
    const LoadReport report = load->finish();
    CHECK(load->progress().operations >= report.read.operations + report.write.operations);
    load.reset();
    return report;
  }
  LoadReport run_drive(uint32_t nsid = 1) {
    return run(std::make_unique<PcieLoadTarget>(kAddress, nsid));
  }
  LoadReport run_bdevs(std::vector<BdevParameters> bdevs) {
    return run(std::make_unique<BdevLoadTarget>(std::move(bdevs)));
  }

  env::sim::SimMachine machine;
  env::sim::SimNetwork network;
  env::sim::SimFiles files;
  env::Env* env = nullptr;
  nvme::testing::SoftwareControllerOptions drive_options;
  nvme::testing::SoftwareController* ssd = nullptr;
  std::function<void()> while_up = [] {};  ///< each time that the drive has done something
  std::function<void()> at_end = [] {};    ///< before the target is closed
  LoadRunOptions options;
  std::unique_ptr<Load> load;
};

BdevParameters malloc_bdev(const std::string& name = "ram") {
  return {name, "malloc", {{"size", kBlocks * kBlock}, {"block_size", uint64_t{kBlock}}}};
}

void check_right(const LoadReport& report) {
  CHECK(report.failure == "");
  CHECK(report.first_error_status == 0);
  CHECK(report.read.operations + report.write.operations == 2000);
  CHECK(report.read.operations > 0);
  CHECK(report.write.operations > 0);
  CHECK(report.verify.mismatches == 0);
  // All of it is read at the end, and some of it before.
  CHECK(report.verify.blocks_checked + report.verify.blocks_unchecked > kBlocks);
  CHECK(report.verify.blocks_checked > 0);
  CHECK(report.block_bytes == kBlock);
  CHECK(report.block_count == kBlocks);
  CHECK(report.qpairs == 4);
}

TEST_CASE("Load: what is written to a bdev is read from it") {
  for (uint64_t seed = 1; seed <= 2; ++seed) {
    CAPTURE(seed);
    Scene scene(seed);
    const LoadReport report = scene.run_bdevs({malloc_bdev()});
    check_right(report);
    CHECK(report.model == "");
  }
}

TEST_CASE("Load: on threads of this machine, asked by another one how far it is") {
  const Scene scene;
  std::binary_semaphore ended(0);
  std::vector<BdevParameters> bdevs = {malloc_bdev("below"), {"top", "delay", {{"base", "below"}}}};
  auto started =
      Load::start(env::make_linux_env().value(), std::make_unique<BdevLoadTarget>(std::move(bdevs)),
                  scene.options, [&ended] { ended.release(); });
  REQUIRE(started.ok());
  Load& load = *started.value();
  while (!ended.try_acquire_for(std::chrono::milliseconds(1))) CHECK(load.progress().errors == 0);
  check_right(load.finish());
}

TEST_CASE("Load: a stack of bdevs, the lowest first") {
  Scene scene;
  check_right(scene.run_bdevs({malloc_bdev("below"), {"top", "delay", {{"base", "below"}}}}));
}

TEST_CASE("Load: damage is found in a bdev") {
  Scene scene;
  const BdevSection fault = {
      {"op", "write"}, {"action", "corrupt"}, {"probability", uint64_t{50'000'000}}};
  const LoadReport report = scene.run_bdevs(
      {malloc_bdev("below"),
       {"top", "error", {{"base", "below"}, {"faults", BdevList{BdevValue(fault)}}}}});
  CHECK(report.failure == "");
  CHECK(report.read.errors + report.write.errors == 0);
  CHECK(report.verify.mismatches > 0);
  REQUIRE(report.verify.first.has_value());
  CHECK(report.verify.first->lba < kBlocks);
}

TEST_CASE("Load: a bdev that is not to be had is a report that says why") {
  Scene scene;
  CHECK(scene.run_bdevs({{"odd", "malloc", {{"size", uint64_t{1000}}}}}).failure ==
        "expected a multiple of the block size (512 bytes) for `size`, got 1000 bytes");
  Scene remote;
  CHECK(remote.run_bdevs({{"remote", "nvmf", {{"subnqn", "nqn.a"}}}}).failure ==
        "hostnqn: expected the NQN of this host");
  Scene other;
  // What is below is closed again.
  const LoadReport report = other.run_bdevs(
      {malloc_bdev("below"), {"top", "split", {{"base", "below"}, {"offset", uint64_t{1} << 40}}}});
  CHECK(report.failure.starts_with("expected less than the size of the base"));
  CHECK(report.block_count == 0);
}

TEST_CASE("Load: what a bdev keeps by intent ends with the measuring") {
  Scene scene;
  scene.options.load.verify = false;
  scene.options.load.operations_max = 0;
  scene.options.load.duration_ns = 10 * kMs;
  const BdevSection fault = {{"op", "read"}, {"action", "hang"}, {"count", uint64_t{3}}};
  const LoadReport report = scene.run_bdevs(
      {malloc_bdev("below"),
       {"top", "error", {{"base", "below"}, {"faults", BdevList{BdevValue(fault)}}}}});
  CHECK(report.failure == "");
  CHECK(report.read.errors == 3);
  CHECK(report.first_error_status == wire::Status(wire::GenericStatus::kAbortRequested).pack());
}

TEST_CASE("Load: the driver alone, on queues of two reactors") {
  for (uint64_t seed = 1; seed <= 2; ++seed) {
    CAPTURE(seed);
    Scene scene(seed);
    bool shut_down = true;
    size_t queues = 0;
    scene.at_end = [&] {
      queues = scene.ssd->queue_count();
      shut_down = scene.ssd->was_shut_down();
    };
    const LoadReport report = scene.run_drive();
    check_right(report);
    CHECK(queues == 4);
    CHECK_FALSE(shut_down);
    CHECK(report.model != "");
    CHECK(report.serial != "");
  }
}

TEST_CASE("Load: damage is found on a drive") {
  Scene scene;
  scene.while_up = [&] {
    const uint64_t block = scene.machine.prng().below(kBlocks);
    scene.ssd->at(1).blocks(block, 1)[40] ^= std::byte{1};
  };
  const LoadReport report = scene.run_drive();
  CHECK(report.failure == "");
  CHECK(report.verify.mismatches > 0);
  REQUIRE(report.verify.first.has_value());
  CHECK(report.verify.first->byte_offset == 40);
}

TEST_CASE("Load: fewer queues than asked for are shared out") {
  Scene scene;
  scene.drive_options.io_queues_max = 3;
  const LoadReport report = scene.run_drive();
  CHECK(report.failure == "");
  CHECK(report.qpairs == 3);
  Scene few;
  few.drive_options.io_queues_max = 1;
  CHECK(few.run_drive().failure ==
        "0000:01:00.0: the controller has I/O queues for 1 of 2 workers");
}

TEST_CASE("Load: a drive that does not come up is a report that says why") {
  Scene scene;
  CHECK(scene.run_drive(2).failure.starts_with("0000:01:00.0: "));
  Scene other;
  CHECK(other.run(std::make_unique<PcieLoadTarget>("0000:02:00.0", 1)).failure ==
        "there is no PCI device 0000:02:00.0");
  Scene deep;
  deep.drive_options.queue_entries_max = 8;
  CHECK(deep.run_drive().failure ==
        "0000:01:00.0: the controller's queues hold at most 7 commands");
}

TEST_CASE("Load: a drive that fails ends the run, with what was measured") {
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    CAPTURE(seed);
    Scene scene(seed);
    scene.after_operations(500, [&] {
      if (seed <= 2) {
        scene.ssd->fail();
      } else {
        scene.ssd->pull();
      }
    });
    const LoadReport report = scene.run_drive();
    CHECK(report.failure == (seed <= 2 ? "the controller has failed (CSTS.CFS)"
                                       : "the device is gone: its registers read as all ones"));
    CHECK(report.read.operations + report.write.operations > 0);
    CHECK(report.read.errors + report.write.errors > 0);
    CHECK(report.verify.mismatches == 0);
  }
}

TEST_CASE("Load: a controller that breaks the rules ends the run") {
  Scene scene;
  scene.after_operations(500, [&] { scene.ssd->faults.wrong_cids = 1; });
  CHECK(scene.run_drive().failure == "the controller broke the rules of an I/O queue: unknown_cid");
}

TEST_CASE("Load: what a drive says of a command is counted") {
  Scene scene;
  scene.options.load.verify = false;
  scene.after_operations(500, [&] {
    scene.ssd->faults.status = wire::MediaStatus::kUnrecoveredReadError;
    scene.ssd->faults.failures = 5;
  });
  const LoadReport report = scene.run_drive();
  CHECK(report.failure == "");
  CHECK(report.read.errors + report.write.errors == 5);
  CHECK(report.first_error_status == wire::Status(wire::MediaStatus::kUnrecoveredReadError).pack());
}

TEST_CASE("Load: a drive with the block layer above it, which outlives a reset") {
  Scene scene;
  uint32_t resets = 0;
  scene.after_operations(500, [&] { scene.ssd->fail(); });
  scene.at_end = [&] { resets = scene.ssd->resets(); };
  const LoadReport report = scene.run_bdevs({{"ssd", "nvme", {{"address", kAddress}}}});
  CHECK(report.failure == "");
  CHECK(resets > 0);
  CHECK(report.verify.mismatches == 0);
  CHECK(report.block_count == kBlocks);
}

TEST_CASE("Load: stop() ends the measuring early") {
  Scene scene;
  scene.options.load.operations_max = 0;
  scene.options.load.verify = false;
  scene.machine.after(20 * kMs, [&] { scene.load->stop(); });
  const LoadReport report = scene.run_bdevs({malloc_bdev()});
  CHECK(report.failure == "");
  CHECK(report.read.operations > 0);
  CHECK(report.elapsed_ns < kSecond);
}

TEST_CASE("Load: sizes and places that the target does not have are refused") {
  Scene scene;
  scene.options.load.workload.sizes = {{.io_bytes = 256 * 1024, .weight = 1}};
  CHECK(scene.run_drive().failure ==
        "an I/O of 262144 bytes is more than the target takes at once: 131072");
  Scene offset;
  offset.options.load.region_offset = kBlocks * kBlock;
  CHECK(offset.run_bdevs({malloc_bdev()}).failure.starts_with("the offset is not a block"));
}

}  // namespace
}  // namespace capsuled::perf
