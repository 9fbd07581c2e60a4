// Hosts that stop beside one that works: whatever they hold, its commands complete in a bounded
// number of turns of the loop. docs/internals/limits.md has the shares that these tests are about.
#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

#include "transport/testing/stepped_target.h"
#include "wire/admin_command.h"

namespace capsuled::transport::testing {
namespace {

using wire::IoOpcode;
using wire::PduType;

constexpr uint32_t kHonest = 1000;
constexpr uint64_t kSecond = 1'000'000'000;

/// What each queue of each hostile host asks for, and then neither sends nor takes anything.
struct Hostile {
  const char* name;
  uint32_t hosts;
  uint16_t queues;
  uint16_t commands;
  IoOpcode opcode;
  uint32_t bytes;
  uint32_t nsid = 1;
};

GroupOptions large_group() {
  GroupOptions group;
  group.connections_max = 512;
  group.requests_max = 8192;
  group.receive_buffers = 64;
  return group;
}

class Scene {
 public:
  /// Memory of two reactors with the default of engine.memory.
  Scene() : target_(1, 128 << 20, large_group()) {}

  SteppedTarget& target() { return target_; }
  SteppedHost& connect(uint32_t host) {
    hosts_.push_back(std::make_unique<SteppedHost>(target_));
    hosts_.back()->connect(host, 1, host);
    return *hosts_.back();
  }
  void attack(const Hostile& hostile) {
    for (uint32_t host = 1; host <= hostile.hosts; ++host) {
      for (uint16_t queue = 0; queue < hostile.queues; ++queue) {
        SteppedHost& peer = connect(host);
        target_.turns(4);
        peer.other().block_writes(hostile.nsid == 1);
        for (uint16_t cid = 0; cid < hostile.commands; ++cid) {
          auto sqe = make_io(hostile.opcode, cid, 0, hostile.bytes);
          sqe.nsid.set(hostile.nsid);
          peer.capsule(sqe);
        }
      }
    }
    target_.turns(300);
    // All of it is held, or the rest would show nothing.
    const TransportStats& stats = target_.stats();
    const uint64_t held = stats.request_await_host_data + stats.request_responding +
                          stats.request_executing + stats.commands_parked;
    CHECK(held >= uint64_t{hostile.hosts} * hostile.queues * hostile.commands);
  }
  /// Four writes of 256 KiB at once, more than what a host is guaranteed.
  void work_at_once(SteppedHost& honest) {
    constexpr uint32_t kBytes = 256 * 1024;
    honest.capsule(make_io(IoOpcode::kFlush, 1, 0, 0));
    CHECK(honest.receive(PduType::kCapsuleResp).status() == 0);
    for (uint16_t cid = 10; cid < 14; ++cid)
      honest.capsule(make_io(IoOpcode::kWrite, cid, 0, kBytes));
    int answers = 0;
    CHECK(target_.until([&] {
      for (Pdu pdu = honest.take(); pdu.type != PduType{0xff}; pdu = honest.take()) {
        if (pdu.type == PduType::kR2t) {
          const auto& r2t = pdu.as<wire::R2t>();
          honest.put(make_h2c_data(r2t.cccid.get(), r2t.ttag.get(), 0, Octets(kBytes), {}, true));
        } else if (pdu.type == PduType::kCapsuleResp) {
          ++answers;
        }
      }
      return answers == 4;
    }));
  }
  /// Each size and direction, one after the other.
  void work(SteppedHost& honest) {
    for (const uint32_t bytes : {4096u, 256u * 1024}) {
      for (int round = 0; round < 3; ++round) {
        honest.capsule(make_io(IoOpcode::kRead, 1, 0, bytes));
        CHECK(honest.receive(PduType::kC2hData).data.size() == bytes);
        honest.capsule(make_io(IoOpcode::kWrite, 2, 0, bytes));
        const Pdu r2t = honest.receive(PduType::kR2t);
        const auto& header = r2t.as<wire::R2t>();
        REQUIRE(header.r2tl.get() == bytes);
        honest.put(make_h2c_data(2, header.ttag.get(), 0, Octets(bytes), {}, true));
        CHECK(honest.receive(PduType::kCapsuleResp).status() == 0);
      }
    }
  }

 private:
  SteppedTarget target_;
  std::vector<std::unique_ptr<SteppedHost>> hosts_;
};

constexpr std::array kHostile = {
    Hostile{"one R2T on each of 24 connections", 1, 24, 1, IoOpcode::kWrite, 4096},
    Hostile{"a paused host with 8 queues of 1 MiB writes", 1, 8, 60, IoOpcode::kWrite, 1 << 20},
    Hostile{"twelve hosts that stop in mid-write", 12, 16, 32, IoOpcode::kWrite, 65536},
    Hostile{"small buffers of 200 hosts, for writes", 200, 1, 60, IoOpcode::kWrite, 4096},
    Hostile{"large buffers of 200 hosts, for writes", 200, 1, 60, IoOpcode::kWrite, 1 << 20},
    Hostile{"lent memory and small buffers, for answers not taken", 200, 2, 60, IoOpcode::kRead,
            8192},
    Hostile{"lent memory and large buffers, for answers not taken", 200, 2, 60, IoOpcode::kRead,
            1 << 20},
    Hostile{"sends of 400 connections that take nothing", 4, 100, 2, IoOpcode::kRead, 65536},
};

}  // namespace

TEST_CASE("whatever hosts hold that stop, a host beside them goes on") {
  for (const Hostile& hostile : kHostile) {
    CAPTURE(std::string(hostile.name));
    Scene scene;
    SteppedHost& before = scene.connect(kHonest);
    scene.attack(hostile);
    scene.work(before);
    scene.work_at_once(before);
    // And one that comes only now.
    scene.work(scene.connect(kHonest + 1));
  }
}

/// Commands of a disk that holds all that it is given.
constexpr std::array kHanging = {
    Hostile{"a host with 8 queues of 256 KiB reads", 1, 8, 60, IoOpcode::kRead, 1 << 18, 2},
    Hostile{"a host with 30 queues of 4 KiB reads", 1, 30, 60, IoOpcode::kRead, 4096, 2},
    Hostile{"forty hosts with 256 KiB reads", 40, 2, 12, IoOpcode::kRead, 1 << 18, 2},
    Hostile{"forty hosts with 4 KiB reads", 40, 2, 60, IoOpcode::kRead, 4096, 2},
};

TEST_CASE("a disk that hangs holds up neither its hosts' other disks nor other hosts") {
  for (const Hostile& hanging : kHanging) {
    CAPTURE(std::string(hanging.name));
    Scene scene;
    SteppedTarget& target = scene.target();
    scene.attack(hanging);
    const size_t given = target.held().held();
    CHECK(given > 0);
    CHECK(target.stats().commands_parked > 0);
    // Twice: what it gives back goes to nobody of the disk that hangs.
    for (int round = 0; round < 2; ++round) scene.work(scene.connect(1));
    scene.work_at_once(scene.connect(kHonest));
    // The disk goes on: all of its commands do.
    const auto all_over = [&] {
      target.held().release_all();
      const ReactorStats& reactor = target.reactor_stats();
      return target.stats().commands_parked == 0 && reactor.large_buffers_used == 0 &&
             reactor.small_buffers_used == 0;
    };
    bool over = false;
    for (int round = 0; round < 20 && !over; ++round) over = target.until(all_over);
    CHECK(over);
  }
}

TEST_CASE("Abort and the end of its connection reach a command that waits for its disk") {
  Scene scene;
  SteppedTarget& target = scene.target();
  scene.attack({"", 1, 8, 60, IoOpcode::kRead, 1 << 20, 2});
  SteppedHost& host = scene.connect(1);
  CHECK(host.receive(PduType::kCapsuleResp).status() == 0);  // of Connect
  auto read = make_io(IoOpcode::kRead, 7, 0, 1 << 20);
  read.nsid.set(2);
  host.capsule(read);
  target.turns(20);
  bool aborted = false;
  target.on_reactor(
      [&] { target.group().abort(host.connection(), 7, [&](bool was) { aborted = was; }); });
  CHECK(aborted);
  const auto status = wire::Status::unpack(host.receive(PduType::kCapsuleResp).status());
  CHECK(status.type() == wire::StatusCodeType::kGeneric);
  CHECK(status.code() == static_cast<uint8_t>(wire::GenericStatus::kAbortRequested));
  host.capsule(read);
  target.turns(20);
  const uint64_t parked = target.stats().commands_parked;
  target.on_reactor([&] { target.group().terminate(host.connection(), "shut_out"); });
  CHECK(target.until([&] { return target.stats().commands_parked == parked - 1; }));
}

TEST_CASE("event requests, however many, keep neither Keep Alives nor data of commands waiting") {
  GroupOptions group = large_group();
  group.requests_max = 64;
  group.peers_max = 4;
  SteppedTarget target(1, 16 << 20, group);
  std::vector<std::unique_ptr<SteppedHost>> admins;
  for (uint32_t host = 1; host <= 8; ++host) {
    admins.push_back(std::make_unique<SteppedHost>(target));
    admins.back()->connect(host, 0, host % 2);
    target.turns(20);
    for (uint16_t cid = 1; cid <= 4; ++cid) {
      admins.back()->capsule(
          make_sqe(static_cast<uint8_t>(wire::AdminOpcode::kAsynchronousEventRequest), cid));
    }
  }
  target.turns(50);
  CHECK(target.stats().limit_admin_event_waits > 0);
  for (const auto& admin : admins) {
    admin->capsule(make_sqe(static_cast<uint8_t>(wire::AdminOpcode::kKeepAlive), 9));
    auto features = make_sqe(static_cast<uint8_t>(wire::AdminOpcode::kSetFeatures), 10);
    set_transport_sgl(features, 512);
    admin->capsule(features);
  }
  size_t features_set = 0;
  CHECK(target.until([&] {
    for (const auto& admin : admins) {
      for (Pdu pdu = admin->take(); pdu.type != PduType{0xff}; pdu = admin->take()) {
        if (pdu.type == PduType::kR2t) {
          const uint16_t tag = pdu.as<wire::R2t>().ttag.get();
          admin->put(make_h2c_data(10, tag, 0, Octets(512), {}, true));
        } else if (pdu.type == PduType::kCapsuleResp && pdu.cid() == 10) {
          ++features_set;
        }
      }
    }
    target.answer_all();
    return features_set == admins.size();
  }));
  CHECK(target.stats().keep_alive_commands == admins.size());
}

TEST_CASE("a queue that owes nothing goes on beside one of the same host with an R2T unanswered") {
  Scene scene;
  scene.attack({"", 1, 24, 1, IoOpcode::kWrite, 4096});
  scene.work(scene.connect(1));
}

TEST_CASE("the machine keeps much of an I/O queue once its host has taken much, and of no other") {
  SteppedTarget target(1, 16 << 20, large_group());
  SteppedHost stranger(target);
  target.turns(4);
  CHECK(stranger.other().unsent_max() == 128 * 1024);
  SteppedHost admin(target);
  admin.connect(1, 0, 1);
  SteppedHost queue(target);
  queue.connect(1, 1, 1);
  target.turns(20);
  CHECK(queue.other().unsent_max() == 128 * 1024);
  SteppedHost deaf(target);
  deaf.connect(1, 2, 1);
  target.turns(20);
  deaf.other().block_writes(true);
  for (uint16_t cid = 1; cid <= 4; ++cid) {
    for (SteppedHost* const host : {&queue, &deaf}) {
      host->capsule(make_io(IoOpcode::kRead, cid, 0, 256 * 1024));
    }
    CHECK(queue.receive(PduType::kC2hData).data.size() == 256 * 1024);
  }
  target.turns(20);
  CHECK(queue.other().unsent_max() == 1024 * 1024);
  CHECK(deaf.other().unsent_max() == 128 * 1024);
  CHECK(admin.other().unsent_max() == 128 * 1024);
  // Another connection of the same place begins anew.
  queue.socket().shut_writes();
  REQUIRE(target.until([&] { return target.group().connection_count() == 3; }));
  SteppedHost next(target);
  next.connect(2, 1, 2);
  target.turns(20);
  CHECK(next.other().unsent_max() == 128 * 1024);
  deaf.other().block_writes(false);
}

TEST_CASE("Keep Alives and single bytes do not renew the time of data that are owed") {
  GroupOptions group = large_group();
  group.pdu_timeout_ns = 30 * kSecond;
  SteppedTarget target(1, 16 << 20, group);
  SteppedHost host(target);
  host.connect(1, 0, 1);
  SteppedHost queue(target);
  queue.connect(1, 1, 1);
  target.turns(20);
  queue.capsule(make_io(IoOpcode::kWrite, 1, 0, 1 << 20));
  const Pdu r2t = queue.receive(PduType::kR2t);
  const auto& header = r2t.as<wire::R2t>();
  for (uint32_t second = 0; second < 29; ++second) {
    host.capsule(make_sqe(0x18, static_cast<uint16_t>(second)));
    queue.put(make_h2c_data(1, header.ttag.get(), second * 4, Octets(4), {}, false));
    queue.capsule(make_io(IoOpcode::kFlush, static_cast<uint16_t>(second + 2), 0, 0));
    target.advance(kSecond);
    target.turns(4);
  }
  CHECK(target.is_open(queue.connection()));
  target.advance(2 * kSecond);
  CHECK(target.until([&] { return target.stats().error_pdu_timeout == 1; }));
  CHECK(target.until([&] { return target.group().connection_count() == 1; }));
}

}  // namespace capsuled::transport::testing
