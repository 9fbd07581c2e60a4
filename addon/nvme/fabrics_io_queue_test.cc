// A remote controller whose I/O queues are on other reactors than itself.
#include "nvme/fabrics_io_queue.h"

#include <doctest/doctest.h>

#include <array>
#include <cstring>
#include <deque>
#include <vector>

#include "nvme/testing/remote_scene.h"
#include "wire/io_command.h"

namespace capsuled::nvme::testing {
namespace {

constexpr uint64_t kMs = RemoteScene::kMs;
constexpr uint64_t kSecond = RemoteScene::kSecond;
const env::Endpoint kAddress{"10.0.0.1", 4420};

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
  Io(uint8_t opcode, uint64_t block, std::vector<std::byte>& memory) {
    sqe.opcode = opcode;
    sqe.nsid.set(RemoteScene::kNsid);
    sqe.cdw10.set(static_cast<uint32_t>(block));
    sqe.cdw12.set(static_cast<uint32_t>(memory.size() / RemoteScene::kBlock - 1));
    transfer = opcode == static_cast<uint8_t>(wire::IoOpcode::kRead) ? Transfer::FromController
                                                                     : Transfer::ToController;
    bytes = static_cast<uint32_t>(memory.size());
    place = {memory.data(), memory.size()};
    iov = &place;
    complete = [](Request& request, const wire::CompletionQueueEntry& cqe) {
      auto& self = static_cast<Io&>(request);
      CHECK_FALSE(self.done);
      self.done = true;
      self.status = status_of(cqe);
    };
  }
  iovec place{};
  bool done = false;
  wire::Status status{};
};

struct World : RemoteOwner {
  explicit World(uint64_t seed = 1, const RemoteSubsystemOptions& options = {})
      : scene(seed, options) {
    scene.remote->add_port(kAddress);
    scene.on(0, [&] {
      controller = std::make_unique<FabricsController>(
          *scene.reactors[0], *this,
          std::vector<Reactor*>{scene.reactors[0].get(), scene.reactors[1].get()});
    });
    for (uint32_t index = 0; index < 2; ++index) {
      scene.on(index, [&] { controller->io_queue(index).attach(users[index]); });
    }
    to = scene.options_for(kAddress);
  }
  ~World() override {
    end();
    for (uint32_t index = 0; index < 2; ++index) {
      scene.on(index, [&] { controller->io_queue(index).detach(); });
    }
    scene.on(0, [&] { controller.reset(); });
  }
  void end() {
    scene.on(0, [&] { controller->disconnect(); });
    CHECK(scene.until([&] { return !open; }));
  }
  void connect() {
    scene.on(0, [&] {
      open = true;
      controller->connect(to);
    });
  }
  void bring_up() {
    connect();
    REQUIRE(scene.until([&] { return live || !open; }));
    CHECK(reason == "");
  }
  void submit(uint32_t index, Io& io) {
    scene.on(index, [&] {
      REQUIRE(users[index].qpair != nullptr);
      CHECK(users[index].qpair->submit(io));
    });
  }
  wire::Status run(uint32_t index, Io& io) {
    submit(index, io);
    CHECK(scene.until([&] { return io.done; }));
    return io.status;
  }

  RemoteScene scene;
  FabricsControllerOptions to;
  std::unique_ptr<FabricsController> controller;
  std::array<User, 2> users;
};

constexpr auto kRead = static_cast<uint8_t>(wire::IoOpcode::kRead);
constexpr auto kWrite = static_cast<uint8_t>(wire::IoOpcode::kWrite);

}  // namespace

TEST_CASE("FabricsIoQueue: each reactor does I/O on its own, of one controller") {
  World world;
  world.bring_up();
  CHECK(world.scene.remote->connects(0) == 3);
  CHECK(world.controller->facts().uuid[0] == 0x6b);
  CHECK(world.controller->facts().nguid[15] == 7);
  CHECK(world.controller->facts().access_group == 3);
  // In capsules, and by R2T.
  for (const size_t blocks : {1u, 200u}) {
    CAPTURE(blocks);
    std::vector<std::byte> out(blocks * RemoteScene::kBlock, std::byte(blocks));
    std::vector<std::byte> in(out.size());
    Io write(kWrite, 5, out);
    CHECK(world.run(1, write).is_success());
    Io read(kRead, 5, in);
    CHECK(world.run(0, read).is_success());
    CHECK(in == out);
  }
}

TEST_CASE("FabricsIoQueue: the end of one is that of all, and they come up again") {
  World world;
  world.bring_up();
  for (uint32_t round = 0; round < 5; ++round) {
    world.scene.remote->faults.held_commands = 1;
    std::vector<std::byte> memory(RemoteScene::kBlock);
    Io held(kRead, 0, memory);
    world.submit(1, held);
    world.scene.pass(10 * kMs);
    CHECK_FALSE(held.done);
    world.scene.remote->cut_one(0);
    CHECK(world.scene.until([&] { return !world.open; }));
    CHECK(held.done);
    CHECK(held.status.code() == static_cast<uint8_t>(wire::PathStatus::kHostPathingError));
    CHECK(world.reason.ends_with(" ended: connection_lost"));
    for (const User& user : world.users) {
      CHECK(user.qpair == nullptr);
      CHECK(user.stops == round + 1);
    }
    world.reason = "";
    world.bring_up();
    Io again(kRead, 0, memory);
    CHECK(world.run(1, again).is_success());
  }
}

TEST_CASE("FabricsIoQueue: what is not answered in time ends the controller") {
  World world;
  world.to.timeout_ns = 2 * kSecond;
  world.bring_up();
  world.scene.remote->faults.lost_answers = 1;
  std::vector<std::byte> memory(RemoteScene::kBlock);
  Io lost(kRead, 0, memory);
  const uint64_t before_ns = world.scene.machine.now_ns();
  CHECK_FALSE(world.run(1, lost).is_success());
  CHECK(world.scene.machine.now_ns() - before_ns >= 2 * kSecond);
  CHECK(world.scene.machine.now_ns() - before_ns <= 3 * kSecond);
  CHECK(world.scene.until([&] { return !world.open; }));
  CHECK(world.reason == "no answer in 2000 ms");
}

TEST_CASE("FabricsIoQueue: a silent controller is noticed by Keep Alive, with no I/O") {
  World world;
  world.to.keep_alive_timeout_ms = 4000;
  world.bring_up();
  world.scene.pass(60 * kSecond);
  CHECK(world.live);
  world.scene.remote->silence(0, true);
  const uint64_t before_ns = world.scene.machine.now_ns();
  CHECK(world.scene.until([&] { return !world.open; }));
  CHECK(world.scene.machine.now_ns() - before_ns <= 7 * kSecond);
  CHECK(world.reason == "Keep Alive: no answer in 4000 ms");
}

TEST_CASE("FabricsIoQueue: disconnected at any moment of coming up, it leaves nothing behind") {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    World world(seed);
    for (uint32_t round = 0; round < 4; ++round) {
      world.connect();
      world.scene.pass(world.scene.machine.prng().below(2 * kMs));
      if (world.scene.machine.prng().chance(1, 3)) world.scene.remote->cut_one(0);
      world.end();
      CHECK(world.users[0].qpair == nullptr);
      CHECK(world.users[1].qpair == nullptr);
      world.scene.pass(kMs);
      CHECK(world.scene.remote->connection_count(0) == 0);
    }
    world.reason = "";
    world.bring_up();
  }
}

TEST_CASE("FabricsIoQueue: of fewer than it wants a controller has those that it was granted") {
  World world(1, {.io_queues_max = 1});
  world.bring_up();
  CHECK(world.controller->io_queue_count() == 1);
  CHECK(world.users[0].qpair != nullptr);
  CHECK(world.users[1].qpair == nullptr);
}

TEST_CASE("FabricsIoQueue: what a controller tells by itself is heard") {
  World world;
  world.bring_up();
  world.scene.pass(10 * kMs);
  world.scene.remote->set_access(0, wire::AnaState::kNonOptimized);
  CHECK(world.scene.until([&] { return world.access_changes == 1; }));
  world.scene.remote->at(1).medium->resize(2048);
  world.scene.remote->changed();
  CHECK(world.scene.until([&] { return world.changes == 1; }));
  uint64_t blocks = 0;
  world.scene.on(0, [&] {
    world.controller->identify_namespace(1, [&](const NamespaceFacts* facts) {
      blocks = facts == nullptr ? 1 : facts->block_count;
    });
  });
  CHECK(world.scene.until([&] { return blocks != 0; }));
  CHECK(blocks == 2048);
}

TEST_CASE("FabricsController: however many events there are, each is read before the next") {
  World world;
  world.bring_up();
  // What is asked for lies there.
  world.scene.pass(10 * kMs);
  world.scene.remote->flood_events(0);
  world.scene.pass(kSecond);
  CHECK(world.changes > 100);
  CHECK(world.scene.remote->events() <= world.scene.remote->log_reads() + 2);
}

}  // namespace capsuled::nvme::testing
