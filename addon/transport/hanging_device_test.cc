// A device that hangs, and commands for it that hold nothing but their requests: it keeps none that
// others need. docs/internals/limits.md has the shares that these tests are about.
#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

#include "bdev/core_channel.h"
#include "transport/testing/stepped_target.h"
#include "wire/admin_command.h"

namespace capsuled::transport::testing {
namespace {

using wire::IoOpcode;
using wire::PduType;

constexpr uint32_t kHeld = 2;
constexpr uint16_t kCommands = 60;
constexpr uint8_t kRetryDelay = 2;

bool is_interrupted(const Pdu& pdu) {
  const auto interrupted = wire::Status(wire::GenericStatus::kCommandInterrupted);
  const auto status = wire::Status::unpack(pdu.status());
  return status.with_more() == interrupted.with_retry_delay(kRetryDelay).with_more();
}

/// Hosts that send commands of one kind for the device, as many as their queues hold.
class Flood {
 public:
  Flood(IoOpcode opcode, uint32_t nsid, uint32_t hosts, uint32_t queues)
      : target_(1, 128 << 20, options()), opcode_(opcode), nsid_(nsid) {
    target_.retry_delay(kRetryDelay);
    for (uint32_t host = 1; host <= hosts; ++host) {
      admins_.push_back(&connect(host, 0));
      for (uint32_t queue = 0; queue < queues; ++queue) queues_.push_back(&connect(host, 1));
    }
    target_.turns(300);
    for (SteppedHost* const queue : queues_) {
      for (uint16_t cid = 1; cid <= kCommands; ++cid) send(*queue, cid);
    }
    target_.turns(300);
  }

  SteppedTarget& target() { return target_; }
  const TransportStats& stats() { return target_.stats(); }
  const std::vector<SteppedHost*>& queues() const { return queues_; }
  SteppedHost& connect(uint32_t host, uint16_t qid) {
    hosts_.push_back(std::make_unique<SteppedHost>(target_));
    hosts_.back()->connect(host, qid, host);
    target_.turns(4);
    CHECK(hosts_.back()->receive(PduType::kCapsuleResp).status() == 0);
    return *hosts_.back();
  }
  /// Of the other disk: one more queue of `host` reads and writes.
  void works(uint32_t host) {
    SteppedHost& queue = connect(host, 1);
    for (int round = 0; round < 3; ++round) {
      queue.capsule(make_io(IoOpcode::kRead, 1, 0, 4096));
      CHECK(queue.receive(PduType::kC2hData).data.size() == 4096);
      queue.capsule(make_io(IoOpcode::kWrite, 2, 0, 65536));
      const Pdu r2t = queue.receive(PduType::kR2t);
      const uint16_t tag = r2t.as<wire::R2t>().ttag.get();
      queue.put(make_h2c_data(2, tag, 0, Octets(65536), {}, true));
      CHECK(queue.receive(PduType::kCapsuleResp).status() == 0);
    }
  }
  void keeps_alive() {
    for (SteppedHost* const admin : admins_) {
      admin->capsule(make_sqe(static_cast<uint8_t>(wire::AdminOpcode::kKeepAlive), 1));
      CHECK(admin->receive(PduType::kCapsuleResp).status() == 0);
    }
  }
  void pass_seconds(uint32_t seconds) {
    for (uint32_t half = 0; half < 2 * seconds; ++half) {
      target_.advance(500'000'000);
      target_.turns(50);
    }
  }
  /// Counts the answers to the flood, and of these those that say Interrupted.
  void take_answers() {
    for (SteppedHost* const queue : queues_) {
      for (Pdu pdu = queue->take(); pdu.type != PduType{0xff}; pdu = queue->take()) {
        ++answers;
        if (is_interrupted(pdu)) {
          ++interrupted;
        } else {
          CHECK(pdu.status() == 0);
        }
      }
    }
  }
  /// The device goes on: every command has its answer, and nothing is held any more.
  void ends() {
    for (int turn = 0; turn < 2000 && answers < queues_.size() * kCommands; ++turn) {
      target_.release_held();
      target_.turns(1);
      take_answers();
    }
    CHECK(answers == queues_.size() * kCommands);
    target_.turns(4);
    CHECK(target_.reactor_stats().requests_used == 0);
  }

  size_t answers = 0;
  size_t interrupted = 0;

 private:
  static GroupOptions options() {
    GroupOptions group;
    group.connections_max = 512;
    group.requests_max = 8192;
    group.receive_buffers = 64;
    return group;
  }
  void send(SteppedHost& queue, uint16_t cid) {
    const bool writes = opcode_ == IoOpcode::kWrite;
    auto sqe = make_io(opcode_, cid, 0, 4096);
    sqe.nsid.set(nsid_);
    if (writes) set_capsule_sgl(sqe, 4096);
    queue.capsule(sqe, writes ? Octets(4096) : Octets{});
  }

  SteppedTarget target_;
  const IoOpcode opcode_;
  const uint32_t nsid_;
  std::vector<std::unique_ptr<SteppedHost>> hosts_;
  std::vector<SteppedHost*> admins_;
  std::vector<SteppedHost*> queues_;
};

struct Case {
  const char* name;
  IoOpcode opcode;
  uint32_t nsid;
  uint32_t hosts;
  uint32_t queues;
};

constexpr std::array kCases = {
    Case{"writes in their capsules, of one host", IoOpcode::kWrite, kHeld, 1, 30},
    Case{"writes in their capsules, of forty hosts", IoOpcode::kWrite, kHeld, 40, 2},
    Case{"flushes", IoOpcode::kFlush, kHeld, 2, 30},
    Case{"zeroes", IoOpcode::kWriteZeroes, kHeld, 2, 30},
    Case{"flushes of all namespaces", IoOpcode::kFlush, wire::kNsidBroadcast, 2, 30},
};

}  // namespace

TEST_CASE("a device that hangs keeps no requests that other disks, hosts and admin queues need") {
  for (const Case& one : kCases) {
    CAPTURE(std::string(one.name));
    Flood flood(one.opcode, one.nsid, one.hosts, one.queues);
    CHECK(flood.stats().limit_host_bdev_requests > 0);
    const size_t kept = flood.target().held().held();
    CHECK(kept > 0);
    flood.keeps_alive();
    flood.works(1);
    flood.works(1000);
    // Nothing is refused of a device that may only be slow.
    flood.pass_seconds(4);
    flood.keeps_alive();
    flood.take_answers();
    CHECK(flood.answers == 0);
    // Now it hangs: what waits for it is refused, and its streams go on.
    flood.pass_seconds(3);
    CHECK(flood.target().held().held() <= kept + 1);
    flood.take_answers();
    CHECK(flood.interrupted == flood.queues().size() * kCommands - flood.target().held().held());
    flood.works(1);
    flood.keeps_alive();
    flood.ends();
  }
}

TEST_CASE("a device that is only slow: what waits for its share begins when it gives some back") {
  Flood flood(IoOpcode::kWrite, kHeld, 3, 30);
  const size_t kept = flood.target().held().held();
  flood.target().release_held();
  flood.target().turns(50);
  CHECK(flood.target().held().held() >= kept / 3);
  flood.ends();
  CHECK(flood.interrupted == 0);
}

TEST_CASE("data that were asked for reach their disk though a command before them has to wait") {
  Flood flood(IoOpcode::kWrite, kHeld, 1, 30);
  const uint64_t waiting = flood.stats().limit_host_bdev_requests;
  SteppedHost& queue = flood.connect(1, 1);
  queue.capsule(make_io(IoOpcode::kWrite, 1, 0, 65536));
  const Pdu r2t = queue.receive(PduType::kR2t);
  auto flush = make_io(IoOpcode::kFlush, 2, 0, 512);
  flush.nsid.set(kHeld);
  queue.capsule(flush);
  queue.put(make_h2c_data(1, r2t.as<wire::R2t>().ttag.get(), 0, Octets(65536), {}, true));
  flood.target().turns(50);
  CHECK(flood.stats().limit_host_bdev_requests == waiting + 1);
  CHECK(queue.take().type == PduType{0xff});
  flood.pass_seconds(7);
  CHECK(is_interrupted(queue.receive(PduType::kCapsuleResp)));
  CHECK(queue.receive(PduType::kCapsuleResp).status() == 0);
  flood.ends();
}

TEST_CASE("a device that hangs, or waits for its data, has not all R2Ts of its host") {
  GroupOptions group = SteppedTarget::small_group();
  group.requests_max = 128;
  SteppedTarget target(1, 128 << 20, group);
  SteppedHost hangs(target);
  SteppedHost other(target);
  for (SteppedHost* const queue : {&hangs, &other}) {
    queue->connect(1, 1, 1);
    target.turns(4);
    CHECK(queue->receive(PduType::kCapsuleResp).status() == 0);
  }
  const auto other_writes = [&] {
    other.capsule(make_io(IoOpcode::kWrite, 1, 0, 4096));
    const Pdu r2t = other.receive(PduType::kR2t);
    other.put(make_h2c_data(1, r2t.as<wire::R2t>().ttag.get(), 0, Octets(4096), {}, true));
    CHECK(other.receive(PduType::kCapsuleResp).status() == 0);
  };
  for (uint16_t cid = 1; cid <= kCommands; ++cid) {
    auto write = make_io(IoOpcode::kWrite, cid, 0, 4096);
    write.nsid.set(kHeld);
    hangs.capsule(write);
  }
  target.turns(50);
  const uint64_t asked = target.stats().request_await_host_data;
  CHECK(asked > 0);
  other_writes();
  for (Pdu pdu = hangs.take(); pdu.type != PduType{0xff}; pdu = hangs.take()) {
    const auto& r2t = pdu.as<wire::R2t>();
    hangs.put(make_h2c_data(r2t.cccid.get(), r2t.ttag.get(), 0, Octets(4096), {}, true));
  }
  target.turns(50);
  CHECK(target.held().held() == asked);
  CHECK(target.stats().request_await_host_data == 0);
  other_writes();
  // What waits for the device begins when it gives some back, and nothing is left when the host
  // forgoes the rest.
  target.release_held();
  target.turns(50);
  CHECK(target.stats().request_await_host_data == asked);
  hangs.other().reset();
  target.turns(50);
  other_writes();
  CHECK(target.stats().request_await_host_data == 0);
}

TEST_CASE(
    "who waits for his device's share goes on when others give back what they had of other disks") {
  GroupOptions group = SteppedTarget::small_group();
  group.requests_max = 128;
  SteppedTarget target(1, 128 << 20, group);
  std::vector<std::unique_ptr<SteppedHost>> hosts;
  const auto asks = [&](uint32_t host, uint32_t nsid, uint16_t writes) -> SteppedHost& {
    hosts.push_back(std::make_unique<SteppedHost>(target));
    SteppedHost& queue = *hosts.back();
    queue.connect(host, 1, host);
    target.turns(4);
    for (uint16_t cid = 1; cid <= writes; ++cid) {
      auto write = make_io(IoOpcode::kWrite, cid, 0, 4096);
      write.nsid.set(nsid);
      queue.capsule(write);
    }
    target.turns(50);
    return queue;
  };
  asks(1, kHeld, kCommands);
  SteppedHost& of_other_disk = asks(2, 1, 4);
  const uint64_t before = target.stats().request_await_host_data;
  asks(3, kHeld, 2);
  // It has what it is guaranteed, and waits for the rest.
  CHECK(target.stats().request_await_host_data == before + 1);
  const uint64_t parked = target.stats().commands_parked;
  of_other_disk.other().reset();
  target.advance(600'000'000);
  target.turns(50);
  CHECK(target.stats().commands_parked < parked);
}

TEST_CASE("a namespace that becomes another disk: streams that wait for the one before go on") {
  Flood flood(IoOpcode::kWrite, kHeld, 1, 30);
  const size_t kept = flood.target().held().held();
  flood.target().replace_held();
  flood.pass_seconds(2);
  flood.take_answers();
  CHECK(flood.answers == flood.queues().size() * kCommands - kept);
  CHECK(flood.interrupted == 0);
  flood.ends();
}

TEST_CASE("a connection that ends while its stream waits for a device lets the next one go on") {
  Flood flood(IoOpcode::kWrite, kHeld, 1, 30);
  for (SteppedHost* const queue : flood.queues()) {
    flood.target().on_reactor(
        [&] { flood.target().group().terminate(queue->connection(), "shut_out"); });
  }
  flood.target().turns(50);
  flood.works(1);
  const auto over = [&] {
    flood.target().held().release_all();
    return flood.target().reactor_stats().requests_used == 0;
  };
  CHECK(flood.target().until(over));
}

}  // namespace capsuled::transport::testing
