// For tests: a bdev over a controller made of software, on a simulated machine with two reactors.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "bdev/nvme/nvme_bdev.h"
#include "bdev/test_reactors.h"
#include "bdev/zero_buffer.h"
#include "env/sim/sim_env.h"
#include "nvme/testing/software_controller.h"

namespace capsuled {

class NvmeScene {
 public:
  static constexpr uint32_t kBlock = 512;
  static constexpr uint64_t kBlocks = 2048;
  static constexpr uint64_t kMs = 1'000'000;
  static constexpr uint64_t kSecond = 1'000 * kMs;

  enum class Open : uint8_t { AtOnce, Never };

  explicit NvmeScene(uint64_t seed = 1,
                     const nvme::testing::SoftwareControllerOptions& controller = {},
                     const NvmeDeviceOptions& device = {}, Open open = Open::AtOnce)
      : options(device),
        machine(seed),
        network(machine),
        env(machine, network, files,
            {.pci =
                 [this, controller](const std::string&) {
                   nvme::testing::SoftwareControllerOptions is = controller;
                   is.destroyed = [this] {
                     ssd = nullptr;
                     ++let_go;
                   };
                   auto made = std::make_unique<nvme::testing::SoftwareController>(env, is);
                   ++opened;
                   made->add_namespace(1, {.block_bytes = kBlock, .block_count = kBlocks});
                   ssd = made.get();
                   return env::PciOpened{std::move(made), 0, ""};
                 }}),
        reactors(env, 2),
        memory(env.allocate(size_t{4} << 20, env::HugePages::Never).value()),
        reachable(env.memory(), {memory->base(), memory->bytes()}) {
    machine.watch_steps(this, [this] { look(); });
    work();
    if (open == Open::Never) return;
    auto bdev = make();
    REQUIRE(bdev.ok());
    user = std::make_unique<TestBdevUser>(reactors, std::move(bdev).value(), 2);
  }
  ~NvmeScene() {
    user.reset();
    machine.forget(this);
    *working = false;
  }

  /// Of another namespace, or of the controller as it is now.
  BdevResult make(uint32_t nsid = 1) { return make(nsid, options); }
  BdevResult make(uint32_t nsid, NvmeDeviceOptions with) {
    with.address = "0000:01:00.0";
    const BdevContext context{
        .env = env, .reactors = {&reactors.reactor(0), &reactors.reactor(1)}, .parts = &parts};
    return make_nvme_bdev(context, "ssd" + std::to_string(nsid), with, nsid);
  }
  void pass(uint64_t ns) { machine.pass_to(machine.now_ns() + ns); }
  std::byte* at(size_t offset) { return memory->base() + offset; }
  /// Of whole blocks at the front of the memory.
  BdevStatus run(BdevIoType type, uint64_t block, uint64_t blocks, uint32_t reactor = 0) {
    TestIo io(type, block, blocks, {iovec{memory->base(), blocks * kBlock}});
    return user->run(io, reactor);
  }
  /// As an operator does who knows what was lost.
  BdevStatus recheck() {
    TestIo io(BdevIoType::Flush, 0, 0, {});
    user->start_recheck(io);
    return io.wait();
  }
  template <typename Condition>
  bool until(Condition there) {
    return machine.until(there, machine.now_ns() + 200 * kSecond);
  }

  const NvmeDeviceOptions options;
  env::sim::SimMachine machine;
  env::sim::SimNetwork network;
  env::sim::SimFiles files;
  nvme::testing::SoftwareController* ssd = nullptr;
  std::shared_ptr<bool> working = std::make_shared<bool>(true);
  bool stalled = false;  ///< it does nothing
  uint32_t opened = 0;   ///< how often it was
  uint32_t let_go = 0;
  env::sim::SimEnv env;
  TestReactors reactors;
  std::unique_ptr<env::Region> memory;
  env::ReachableMemory reachable;
  env::ReachableMemory zeros{env.memory(), {zero_memory().data(), zero_memory().size()}};
  SharedParts parts;
  std::unique_ptr<TestBdevUser> user;

 private:
  /// It looks when a thread may have rung, and now and then for what the test has done to it.
  void work() {
    look();
    machine.after(kMs, [this, alive = working] {
      if (*alive) work();
    });
  }
  void look() {
    if (stepping || ssd == nullptr || stalled || !ssd->has_work()) return;
    stepping = true;
    machine.after(machine.prng().between(500, 20'000), [this, alive = working] {
      if (!*alive) return;
      stepping = false;
      if (ssd == nullptr || stalled) return;
      ssd->step();
      look();
    });
  }

  bool stepping = false;
};

}  // namespace capsuled
