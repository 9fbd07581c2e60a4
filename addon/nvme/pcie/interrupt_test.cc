#include "nvme/pcie/interrupt.h"

#include <doctest/doctest.h>

#include <atomic>

#include "base/prng.h"
#include "env/sim/sim_env.h"
#include "nvme/pcie/pcie_qpair.h"
#include "nvme/testing/scripted_controller.h"
#include "nvme/testing/software_controller.h"
#include "wire/admin_command.h"

namespace capsuled::nvme::testing {
namespace {

/// A controller with an admin queue. Its driver is on a reactor's thread, it is on the test's.
struct Scene : PcieQpairOwner {
  explicit Scene(PollMode mode) : host(mode), controller(host.reactor().env(), {}) {
    env::Env& env = host.reactor().env();
    event_fd = env.make_event().value();
    REQUIRE(controller.set_interrupts(std::span(&event_fd, 1)).ok());
    const Registers registers(controller.registers(), controller.register_bytes());
    qpair = PcieQpair::create(env, controller.dma(), registers, {.qid = 0, .entries = 8}).value();
    interrupt = std::make_unique<Interrupt>(controller, 0, event_fd);
    uint32_t aqa = wire::Aqa::Asqs::set(0u, 7u);
    registers.set32(wire::Property::kAqa, wire::Aqa::Acqs::set(aqa, 7u));
    registers.set64(wire::Property::kAsq, qpair->submission_queue());
    registers.set64(wire::Property::kAcq, qpair->completion_queue());
    uint32_t cc = wire::Cc::En::set(0u, 1u);
    cc = wire::Cc::Iosqes::set(cc, 6u);
    registers.set32(wire::Property::kCc, wire::Cc::Iocqes::set(cc, 4u));
    for (int step = 0; step < 10 && !controller.ready(); ++step) controller.step();
    host.run([this] { qpair->start(host.reactor(), *this, interrupt.get()); });
    request.scene = this;
    request.complete = [](Request& one, const wire::CompletionQueueEntry& cqe) {
      auto& self = static_cast<SceneRequest&>(one);
      self.scene->completed.fetch_add(status_of(cqe).is_success() ? 1 : 1000,
                                      std::memory_order_release);
    };
  }
  ~Scene() override {
    host.run([this] { qpair->release(); });
    // Nothing of it is with the ring any more.
    while (in_flight() > 0) {
    }
    interrupt.reset();
    host.reactor().env().close(event_fd);
  }
  void qpair_broken(PcieQpair&, const char* reason) override { FAIL(reason); }
  uint32_t in_flight() {
    uint32_t count = 0;
    host.run([&] { count = host.reactor().ring().in_flight(); });
    return count;
  }
  void submit() {
    host.run([this] {
      request.sqe = {};
      request.sqe.opcode = static_cast<uint8_t>(wire::AdminOpcode::kGetFeatures);
      request.sqe.cdw10.set(static_cast<uint32_t>(wire::Feature::kNumberOfQueues));
      REQUIRE(qpair->submit(request));
    });
  }
  /// Until so many have completed, or nothing comes for long.
  bool await(uint32_t count) {
    for (int wait = 0; wait < 20'000; ++wait) {
      if (completed.load(std::memory_order_acquire) == count) return true;
      timespec pause = {.tv_sec = 0, .tv_nsec = 100'000};
      ::nanosleep(&pause, nullptr);
    }
    return false;
  }
  uint64_t sleeps() { return read_stat(host.reactor().stats().sleeps); }

  struct SceneRequest : Request {
    Scene* scene = nullptr;
  };
  OnReactor host;
  SoftwareController controller;
  int event_fd = -1;
  std::unique_ptr<PcieQpair> qpair;
  std::unique_ptr<Interrupt> interrupt;
  SceneRequest request;
  std::atomic<uint32_t> completed = 0;
};

TEST_CASE("Interrupt: a reactor that sleeps is woken by what a controller completes") {
  Scene scene(PollMode::Interrupt);
  Prng prng(7);
  for (uint32_t round = 1; round <= 300; ++round) {
    scene.submit();
    // Anything from before the reactor has armed the interrupt to long after it fell asleep.
    for (uint64_t spin = prng.below(20'000); spin > 0; --spin) asm volatile("");
    while (!scene.controller.step()) {
    }
    REQUIRE(scene.await(round));
  }
  CHECK(scene.controller.interrupts() > 0);
  CHECK(scene.sleeps() > 100);
}

TEST_CASE("Interrupt: while a reactor polls, and when nothing is outstanding, none is signaled") {
  Scene scene(PollMode::Busy);
  for (uint32_t round = 1; round <= 100; ++round) {
    scene.submit();
    while (!scene.controller.step()) {
    }
    REQUIRE(scene.await(round));
  }
  CHECK(scene.controller.interrupts() == 0);
}

TEST_CASE("Interrupt: is masked after some completions that were found without it") {
  env::sim::SimMachine machine(1);
  env::sim::SimNetwork network(machine, {});
  env::sim::SimFiles files;
  env::sim::SimEnv env(machine, network, files);
  SoftwareController controller(env, {});
  const int event_fd = env.make_event().value();
  REQUIRE(controller.set_interrupts(std::span(&event_fd, 1)).ok());
  auto reactor = Reactor::create(env, {.memory_bytes = kBufferMemoryBytesMin}).value();
  {
    Interrupt interrupt(controller, 0, event_fd);
    CHECK(controller.is_masked(0));
    for (uint32_t sleeps = 0; sleeps < 100; ++sleeps) {
      interrupt.arm(*reactor);
      CHECK_FALSE(controller.is_masked(0));
      interrupt.disarm();
      interrupt.polled(1);
      CHECK_FALSE(controller.is_masked(0));
    }
    interrupt.polled(15);
    CHECK(controller.is_masked(0));
    interrupt.arm(*reactor);
    CHECK_FALSE(controller.is_masked(0));
    interrupt.abandon(*reactor);
    CHECK(controller.is_masked(0));
  }
  REQUIRE(controller.set_interrupts({}).ok());
  while (reactor->ring().in_flight() > 0) reactor->ring().poll();
  env.close(event_fd);
}

TEST_CASE("Interrupt: one that is armed goes away with its qpair") {
  Scene scene(PollMode::Interrupt);
  scene.submit();
  // Asleep, with something outstanding.
  const uint64_t slept = scene.sleeps();
  while (scene.sleeps() < slept + 1) (void)scene.in_flight();
  scene.host.run([&] { scene.qpair->release(); });
  CHECK(scene.completed == 1000);
}

}  // namespace
}  // namespace capsuled::nvme::testing
