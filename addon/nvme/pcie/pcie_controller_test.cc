#include "nvme/pcie/pcie_controller.h"

#include <doctest/doctest.h>

#include <array>
#include <deque>
#include <functional>
#include <string>

#include "env/sim/sim_env.h"
#include "nvme/testing/software_controller.h"
#include "wire/io_command.h"

namespace capsuled::nvme::testing {
namespace {

constexpr uint64_t kMs = 1'000'000;
constexpr uint64_t kSecond = 1'000 * kMs;
constexpr uint32_t kNsid = 1;

/// The user of a queue, who knows what became of it.
struct User : IoQueueUser {
  void queue_live(Qpair& live) override { qpair = &live; }
  void queue_stopped() override {
    qpair = nullptr;
    ++stops;
  }
  Qpair* qpair = nullptr;
  uint32_t stops = 0;
};

struct Io : Request {
  Io() {
    complete = [](Request& request, const wire::CompletionQueueEntry& entry) {
      auto& self = static_cast<Io&>(request);
      CHECK_FALSE(self.done);
      self.done = true;
      self.status = status_of(entry);
    };
  }
  bool done = false;
  wire::Status status{};
  iovec part{};
};

/// A machine with two reactors and a controller that works by itself, in virtual time.
struct World : ControllerOwner {
  explicit World(uint64_t seed = 1, const SoftwareControllerOptions& options = {})
      : machine(seed), network(machine, {}), env(machine, network, files) {
    for (uint32_t index = 0; index < reactors.size(); ++index) {
      ReactorOptions reactor;
      reactor.index = index;
      reactor.mode = seed % 2 == 0 ? PollMode::Busy : PollMode::Interrupt;
      reactor.memory_bytes = kBufferMemoryBytesMin;
      reactors[index] = Reactor::create(env, reactor).value();
      REQUIRE(reactors[index]->start().ok());
    }
    memory = env.allocate(size_t{1} << 20, env::HugePages::Never).value();
    reachable = std::make_unique<env::ReachableMemory>(
        env.memory(), env::MemoryRange{memory->base(), memory->bytes()});
    auto made = std::make_unique<SoftwareController>(env, options);
    device = made.get();
    device->add_namespace(kNsid, {.block_bytes = 4096, .block_count = 100});
    controller = PcieController::create(std::move(made), *reactors[0], *this,
                                        {{reactors[0].get(), reactors[1].get()}, 17})
                     .value();
    work();
    for (uint32_t index = 0; index < 2; ++index) {
      on(index, [&] { controller->io_queue(index).attach(users[index]); });
    }
  }
  ~World() override {
    if (open) {
      on(0, [&] { controller->disconnect(); });
      CHECK(until([&] { return !open; }));
    }
    // Nothing is outstanding any more, whatever became of the controller.
    for (uint32_t index = 0; index < 2; ++index) {
      on(index, [&] { controller->io_queue(index).detach(); });
    }
    working = false;
    pass(kMs);
    controller.reset();
    reachable.reset();
    memory.reset();
    for (auto& reactor : reactors) reactor->stop();
  }

  void controller_live(Controller&) override { live = true; }
  void controller_closed(Controller&, const std::string& why) override {
    live = false;
    open = false;
    reasons.push_back(why);
  }
  void namespaces_changed(Controller&, std::span<const uint32_t> nsids) override {
    changes.insert(changes.end(), nsids.begin(), nsids.end());
  }
  void work() {
    if (!working) return;
    if (!stalled) device->step();
    machine.after(machine.prng().between(500, 20'000), [this] { work(); });
  }
  /// In the loop of a reactor; waits for its end.
  void on(uint32_t index, std::function<void()> what) {
    struct Call {
      std::function<void()> what;
      bool done = false;
    } call{std::move(what)};
    reactors[index]->send_message_wait({[](Reactor&, void* argument) {
                                          auto& self = *static_cast<Call*>(argument);
                                          self.what();
                                          self.done = true;
                                        },
                                        &call});
    REQUIRE(until([&] { return call.done; }));
  }
  template <typename Condition>
  bool until(Condition there) {
    return machine.until(there, machine.now_ns() + 100 * kSecond);
  }
  void pass(uint64_t ns) { machine.pass_to(machine.now_ns() + ns); }
  void connect() {
    on(0, [&] {
      open = true;
      controller->connect({kNsid}, 10 * kSecond);
    });
  }
  /// To be live, or closed.
  void bring_up() {
    connect();
    REQUIRE(until([&] { return live || !open; }));
  }
  void fill(Io& io, wire::IoOpcode opcode, uint32_t block, uint32_t page) {
    io.sqe = {};
    io.sqe.opcode = static_cast<uint8_t>(opcode);
    io.sqe.nsid.set(kNsid);
    io.sqe.cdw10.set(block);
    io.transfer =
        opcode == wire::IoOpcode::kRead ? Transfer::FromController : Transfer::ToController;
    io.bytes = 4096;
    io.part = {memory->base() + size_t{page} * 4096, 4096};
    io.iov = &io.part;
    io.done = false;
  }
  wire::Status run(uint32_t index, wire::IoOpcode opcode, uint32_t block, uint32_t page) {
    Io io;
    fill(io, opcode, block, page);
    on(index, [&] { REQUIRE(users[index].qpair->submit(io)); });
    REQUIRE(until([&] { return io.done; }));
    return io.status;
  }

  env::sim::SimMachine machine;
  env::sim::SimNetwork network;
  env::sim::SimFiles files;
  env::sim::SimEnv env;
  std::array<std::unique_ptr<Reactor>, 2> reactors;
  std::unique_ptr<env::Region> memory;
  std::unique_ptr<env::ReachableMemory> reachable;
  SoftwareController* device = nullptr;
  std::unique_ptr<PcieController> controller;
  std::array<User, 2> users;
  std::vector<std::string> reasons;
  std::vector<uint32_t> changes;
  bool working = true;
  bool stalled = false;
  bool live = false;
  bool open = false;
};

TEST_CASE("PcieController: comes up, with a queue on each reactor, and goes down with notice") {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    CAPTURE(seed);
    World world(seed);
    for (uint32_t round = 0; round < 3; ++round) {
      world.bring_up();
      REQUIRE(world.live);
      CHECK(world.controller->facts().block_bytes == 4096);
      CHECK(world.controller->facts().block_count == 100);
      CHECK(world.controller->facts().transfer_bytes_max == 128 * 1024);
      CHECK(world.device->queue_count() == 2);
      for (uint32_t index = 0; index < 2; ++index) {
        world.memory->base()[0] = std::byte(round + 10 * index + 1);
        CHECK(world.run(index, wire::IoOpcode::kWrite, index, 0).is_success());
        CHECK(world.run(1 - index, wire::IoOpcode::kRead, index, 1).is_success());
        CHECK(world.memory->base()[4096] == std::byte(round + 10 * index + 1));
      }
      bool notified = false;
      world.on(0, [&] { world.controller->disconnect(); });
      CHECK(world.until([&] {
        notified = notified || world.device->was_shut_down();
        return !world.open;
      }));
      CHECK(notified);
      CHECK(world.device->resets() == round + 1);
      CHECK(world.users[0].qpair == nullptr);
      CHECK(world.users[1].qpair == nullptr);
    }
    CHECK(world.reasons == std::vector<std::string>(3));
  }
}

TEST_CASE("PcieController: what is outstanding ends when it fails, and it comes up again") {
  World world;
  world.bring_up();
  world.stalled = true;
  std::deque<Io> ios(8);
  for (uint32_t index = 0; index < ios.size(); ++index) {
    world.fill(ios[index], wire::IoOpcode::kWrite, index, index);
    world.on(index % 2, [&] { REQUIRE(world.users[index % 2].qpair->submit(ios[index])); });
  }
  world.device->fail();
  world.stalled = false;
  CHECK(world.until([&] { return !world.open; }));
  CHECK(world.reasons.back() == "the controller has failed (CSTS.CFS)");
  for (const Io& io : ios) {
    REQUIRE(io.done);
    CHECK(io.status.type() == wire::StatusCodeType::kPathRelated);
  }
  world.bring_up();
  REQUIRE(world.live);
  CHECK(world.run(1, wire::IoOpcode::kRead, 0, 0).is_success());
}

TEST_CASE("PcieController: disconnect() at any moment of coming up, and connect again") {
  for (uint64_t at_ns = 0; at_ns < 4 * kMs; at_ns += 150'000) {
    CAPTURE(at_ns);
    World world(at_ns / 150'000 + 1);
    world.connect();
    world.pass(at_ns);
    world.on(0, [&] { world.controller->disconnect(); });
    CHECK(world.until([&] { return !world.open; }));
    CHECK(world.reasons.back().empty());
    world.bring_up();
    REQUIRE(world.live);
    CHECK(world.run(0, wire::IoOpcode::kRead, 0, 0).is_success());
  }
}

TEST_CASE("PcieController: a device that is pulled at any moment is gone, and nothing is lost") {
  for (uint64_t at_ns = 0; at_ns < 6 * kMs; at_ns += 400'000) {
    CAPTURE(at_ns);
    World world(at_ns / 400'000 + 1);
    world.connect();
    world.pass(at_ns);
    Io io;
    bool taken = false;
    world.fill(io, wire::IoOpcode::kRead, 0, 0);
    if (world.live) {
      world.stalled = true;
      world.on(1, [&] { taken = world.users[1].qpair->submit(io); });
      world.stalled = false;
    }
    world.device->pull();
    CHECK(world.until([&] { return !world.open; }));
    CHECK(world.reasons.back() == "the device is gone: its registers read as all ones");
    CHECK(io.done == taken);
    world.bring_up();
    CHECK_FALSE(world.live);
    CHECK(world.reasons.back() == "the device is gone: its registers read as all ones");
  }
}

TEST_CASE("PcieController: one that does not go out is cut off from memory") {
  World world;
  world.bring_up();
  Io io;
  world.stalled = true;
  world.fill(io, wire::IoOpcode::kWrite, 0, 0);
  world.on(1, [&] { REQUIRE(world.users[1].qpair->submit(io)); });
  world.device->go_deaf();
  world.on(0, [&] { world.controller->disconnect(); });
  // As long as it may still reach the memory of the write, nobody else is given that.
  world.pass(6 * kSecond);
  CHECK_FALSE(io.done);
  CHECK(world.until([&] { return !world.open; }));
  CHECK(io.done);
  // It would carry the write out now, if it could.
  world.stalled = false;
  world.memory->base()[0] = std::byte{9};
  world.pass(100 * kMs);
  CHECK(world.device->at(kNsid).blocks(0, 1)[0] == std::byte{0});
  world.bring_up();
  CHECK_FALSE(world.live);
  CHECK(world.reasons.back() == "the controller did not go out in the time it stated (CAP.TO)");
}

TEST_CASE("PcieController: a controller that breaks the rules on one queue is reset") {
  for (const bool duplicates : {false, true}) {
    World world;
    world.bring_up();
    (duplicates ? world.device->faults.duplicate_completions : world.device->faults.wrong_cids) = 1;
    Io io;
    world.fill(io, wire::IoOpcode::kRead, 0, 0);
    world.on(1, [&] { REQUIRE(world.users[1].qpair->submit(io)); });
    if (duplicates) {
      // The second completion is looked at when something is outstanding.
      CHECK(world.until([&] { return io.done; }));
      Io other;
      world.fill(other, wire::IoOpcode::kRead, 0, 0);
      world.on(1, [&] {
        if (world.users[1].qpair != nullptr) (void)world.users[1].qpair->submit(other);
      });
      CHECK(world.until([&] { return !world.open; }));
    } else {
      CHECK(world.until([&] { return !world.open; }));
    }
    CHECK(world.reasons.back() == "the controller broke the rules of an I/O queue: unknown_cid");
    CHECK(world.users[0].stops == 1);
    CHECK(world.users[1].stops == 1);
    world.bring_up();
    CHECK(world.live);
  }
}

TEST_CASE("PcieController: a command that is not answered in time is aborted, others go on") {
  World world;
  world.bring_up();
  world.device->faults.held_commands = 1;
  Io held;
  world.fill(held, wire::IoOpcode::kWrite, 0, 0);
  world.on(1, [&] { REQUIRE(world.users[1].qpair->submit(held)); });
  for (int second = 0; second < 9; ++second) {
    world.pass(kSecond);
    CHECK_FALSE(held.done);
    CHECK(world.run(1, wire::IoOpcode::kRead, 1, 1).is_success());
  }
  world.pass(2 * kSecond);
  REQUIRE(held.done);
  CHECK(held.status.code() == static_cast<uint8_t>(wire::GenericStatus::kAbortRequested));
  CHECK(world.live);
  CHECK(world.run(1, wire::IoOpcode::kRead, 1, 1).is_success());
}

TEST_CASE("PcieController: commands of two queues that are overdue at once are both aborted") {
  World world;
  world.bring_up();
  world.device->faults.held_commands = 2;
  std::array<Io, 2> held;
  for (uint32_t index = 0; index < 2; ++index) {
    world.fill(held[index], wire::IoOpcode::kWrite, index, index);
    world.on(index, [&] { REQUIRE(world.users[index].qpair->submit(held[index])); });
  }
  world.pass(30 * kSecond);
  CHECK(world.live);
  for (const Io& io : held) {
    REQUIRE(io.done);
    CHECK(io.status.code() == static_cast<uint8_t>(wire::GenericStatus::kAbortRequested));
  }
}

TEST_CASE("PcieController: one that cannot be aborted has the controller reset") {
  World world;
  world.bring_up();
  world.device->faults.lost_completions = 1;
  Io lost;
  world.fill(lost, wire::IoOpcode::kWrite, 0, 0);
  world.on(1, [&] { REQUIRE(world.users[1].qpair->submit(lost)); });
  world.pass(14 * kSecond);
  CHECK(world.live);
  CHECK(world.until([&] { return !world.open; }));
  CHECK(world.reasons.back() == "the controller broke the rules of an I/O queue: timeout");
  REQUIRE(lost.done);
  CHECK(lost.status.type() == wire::StatusCodeType::kPathRelated);
}

TEST_CASE("PcieController: what is no controller, or one that vanished, is refused with words") {
  const auto refusal = [](const SoftwareControllerOptions& options,
                          const std::function<void(SoftwareController&)>& before) {
    env::sim::SimMachine machine(1);
    env::sim::SimNetwork network(machine, {});
    env::sim::SimFiles files;
    env::sim::SimEnv env(machine, network, files);
    struct Owner : ControllerOwner {
      void controller_live(Controller&) override {}
      void controller_closed(Controller&, const std::string&) override {}
    } owner;
    ReactorOptions reactor_options;
    reactor_options.memory_bytes = kBufferMemoryBytesMin;
    const auto reactor = Reactor::create(env, reactor_options).value();
    auto device = std::make_unique<SoftwareController>(env, options);
    before(*device);
    const auto made =
        PcieController::create(std::move(device), *reactor, owner, {{reactor.get()}, 17});
    REQUIRE_FALSE(made.ok());
    return std::string(made.error().what);
  };
  CHECK(refusal({}, [](SoftwareController& device) { device.pull(); }) ==
        "the device is gone: its registers read as all ones");
  CHECK(refusal({.doorbell_stride = 15}, [](SoftwareController&) {}) ==
        "the doorbells of its queues are behind its registers (CAP.DSTRD)");
  CHECK(refusal({}, [](SoftwareController& device) { device.memory().refuse_more(); }) ==
        std::string(env::kNotPinnedWords));
}

TEST_CASE("PcieController: one that refuses its shadow doorbells is rung at each of them") {
  for (const bool refuses : {false, true}) {
    SoftwareControllerOptions options;
    options.has_shadows = true;
    options.refuses_shadows = refuses;
    World world(2, options);
    for (uint32_t round = 0; round < 2; ++round) {
      world.bring_up();
      REQUIRE(world.live);
      CHECK(world.run(1, wire::IoOpcode::kRead, 0, 0).is_success());
      CHECK((world.device->rings() == 0) == refuses);
      world.on(0, [&] { world.controller->disconnect(); });
      CHECK(world.until([&] { return !world.open; }));
    }
  }
}

TEST_CASE("PcieController: one that must not be asked at once is not, and is waited for once") {
  SoftwareControllerOptions options;
  options.vendor_id = 0x1c58;
  options.device_id = 0x0003;
  World world(1, options);
  world.bring_up();
  REQUIRE(world.live);
  world.on(0, [&] { world.controller->disconnect(); });
  CHECK(world.until([&] { return !world.open; }));
  const uint64_t began_ns = world.machine.now_ns();
  world.connect();
  // Whoever reads its status now takes it for one that is gone.
  world.stalled = true;
  const Registers registers(world.device->registers(), world.device->register_bytes());
  registers.set32(wire::Property::kCsts, UINT32_MAX);
  world.pass(2'200 * kMs);
  registers.set32(wire::Property::kCsts, 0);
  world.stalled = false;
  REQUIRE(world.until([&] { return world.live || !world.open; }));
  CHECK(world.live);
  CHECK(world.machine.now_ns() - began_ns < 2 * 2'300 * kMs);
}

TEST_CASE("PcieController: a shutdown has the time that the controller stated for it") {
  for (const bool states : {false, true}) {
    SoftwareControllerOptions options;
    if (states) options.shutdown_us = 20'000'000;
    World world(1, options);
    world.bring_up();
    world.stalled = true;
    world.on(0, [&] { world.controller->disconnect(); });
    world.pass(states ? 19 * kSecond : 4 * kSecond);
    world.stalled = false;
    CHECK(world.until([&] { return !world.open; }));
    CHECK(world.device->shutdowns() == 1);
    // And no more than that.
    world.bring_up();
    world.stalled = true;
    world.on(0, [&] { world.controller->disconnect(); });
    world.pass(states ? 21 * kSecond : 6 * kSecond);
    world.stalled = false;
    CHECK(world.until([&] { return !world.open; }));
    CHECK(world.device->shutdowns() == 1);
  }
}

TEST_CASE("PcieController: one that refuses the warnings of its health tells of namespaces") {
  SoftwareControllerOptions options;
  options.refuses_warnings = true;
  World world(1, options);
  world.bring_up();
  world.pass(kSecond);
  world.device->changed(kNsid);
  CHECK(world.until([&] { return !world.changes.empty(); }));
}

TEST_CASE("PcieController: events of its errors hide nothing, as often as they come") {
  World world;
  world.bring_up();
  world.pass(kSecond);
  for (int round = 0; round < 3; ++round) {
    world.device->tell_error();
    CHECK(world.until([&] { return world.device->untold_events() == 0; }));
  }
}

TEST_CASE("PcieController: events tell of namespaces that are others now, as often as they are") {
  World world;
  world.bring_up();
  // It lies idle for long.
  world.pass(60 * kSecond);
  CHECK(world.live);
  for (int round = 0; round < 5; ++round) {
    world.changes.clear();
    world.device->changed(kNsid);
    if (round % 2 == 1) world.device->changed(7);
    CHECK(world.until([&] { return !world.changes.empty(); }));
    CHECK(world.changes.front() == kNsid);
    if (round % 2 == 1) CHECK(world.changes.back() == 7);
    world.pass(kSecond);
  }
}

}  // namespace
}  // namespace capsuled::nvme::testing
