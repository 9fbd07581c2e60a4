// Abort in every state of a command: what it says is what becomes of the command.
#include <doctest/doctest.h>

#include <optional>

#include "transport/testing/stepped_target.h"

namespace capsuled::transport::testing {

namespace {

using wire::GenericStatus;
using wire::IoOpcode;
using wire::PduType;

constexpr uint16_t kCid = 9;

struct Scene {
  SteppedTarget target;
  SteppedHost host{target};
  std::optional<bool> aborted;

  explicit Scene(uint16_t qid) {
    host.connect(1, qid);
    (void)host.receive(PduType::kCapsuleResp);
  }
  ~Scene() {
    host.socket().shut_writes();
    target.held().can_cancel = true;
    ASSERT(target.until([this] {
      target.release_held();
      target.answer_all();
      return target.group().connection_count() == 0;
    }));
  }
  const TransportStats& stats() const { return target.stats(); }
  void read_held(uint16_t cid, uint32_t bytes) {
    auto sqe = make_io(IoOpcode::kRead, cid, 0, bytes);
    sqe.nsid.set(2);
    host.capsule(sqe);
  }
  void abort() {
    aborted.reset();
    target.on_reactor([this] {
      target.group().abort(host.connection(), kCid, [this](bool was) {
        ASSERT(!aborted.has_value());
        aborted = was;
      });
    });
  }
  /// The answer to the command.
  wire::Status status() {
    const Pdu pdu = host.receive(PduType::kCapsuleResp);
    CHECK(pdu.cid() == kCid);
    // Without More, which says that the failure is in the error log page.
    const auto status = wire::Status::unpack(pdu.status());
    return status == wire::Status(GenericStatus::kAbortRequested).with_more()
               ? wire::Status(GenericStatus::kAbortRequested)
               : status;
  }
};

const wire::Status kAborted = GenericStatus::kAbortRequested;

}  // namespace

TEST_CASE("abort of what is not there says so") {
  Scene scene(1);
  scene.abort();
  CHECK(scene.aborted == false);
}

TEST_CASE("abort of a command in a bdev is answered when the bdev has let go of it") {
  Scene scene(1);
  scene.read_held(kCid, 4096);
  REQUIRE(scene.target.until([&] { return scene.target.held().held() == 1; }));
  scene.abort();
  CHECK(!scene.aborted.has_value());
  CHECK(scene.status() == kAborted);
  CHECK(scene.aborted == true);
}

TEST_CASE("abort of a command that ends before it can be aborted says what it did") {
  Scene scene(1);
  scene.read_held(kCid, 4096);
  REQUIRE(scene.target.until([&] { return scene.target.held().held() == 1; }));
  scene.target.on_reactor([&] {
    // It has ended; the loop has not looked yet.
    scene.target.held().release_all();
    scene.target.group().abort(scene.host.connection(), kCid,
                               [&](bool was) { scene.aborted = was; });
  });
  CHECK(scene.host.receive(PduType::kC2hData).data.size() == 4096);
  CHECK(scene.aborted == false);
}

TEST_CASE("abort of a command in a bdev that hangs says in time that it was not aborted") {
  Scene scene(1);
  scene.target.held().can_cancel = false;
  scene.read_held(kCid, 4096);
  REQUIRE(scene.target.until([&] { return scene.target.held().held() == 1; }));
  scene.abort();
  scene.target.turns(10);
  CHECK(!scene.aborted.has_value());
  scene.target.advance(2 * kAbortWaitNs);
  REQUIRE(scene.target.until([&] { return scene.aborted.has_value(); }));
  CHECK(scene.aborted == false);
  // Nor by another, and the command is still answered, once.
  scene.abort();
  CHECK(scene.aborted == false);
  scene.target.release_held();
  CHECK(scene.host.receive(PduType::kC2hData).data.size() == 4096);
}

TEST_CASE("abort of a command that waits for buffers takes it out of the line") {
  Scene scene(1);
  scene.read_held(1, 1 << 20);
  REQUIRE(scene.target.until([&] { return scene.target.held().held() == 1; }));
  scene.read_held(kCid, 1 << 20);
  REQUIRE(scene.target.until([&] { return scene.stats().commands_parked == 1; }));
  scene.abort();
  CHECK(scene.aborted == true);
  CHECK(scene.stats().commands_parked == 0);
  CHECK(scene.status() == kAborted);
}

TEST_CASE("abort of a write whose host still owes data says no, and the write goes on") {
  Scene scene(1);
  scene.host.capsule(make_io(IoOpcode::kWrite, kCid, 0, 16 * 1024));
  const Pdu r2t = scene.host.receive(PduType::kR2t);
  scene.abort();
  CHECK(scene.aborted == false);
  const Octets data = pattern(16 * 1024, 3);
  scene.host.put(make_h2c_data(kCid, r2t.as<wire::R2t>().ttag.get(), 0, data, {}, true));
  CHECK(scene.status().is_success());
  scene.host.capsule(make_io(IoOpcode::kRead, 1, 0, 16 * 1024));
  CHECK(scene.host.receive(PduType::kC2hData).data == data);
}

TEST_CASE("abort of a command whose capsule is not complete says no, and the command goes on") {
  Scene scene(1);
  auto sqe = make_io(IoOpcode::kWrite, kCid, 0, 4096);
  set_capsule_sgl(sqe, 4096);
  Octets pdu = make_capsule(sqe, Octets(4096), {});
  const Octets rest(pdu.begin() + 1000, pdu.end());
  pdu.resize(1000);
  scene.host.put(pdu);
  REQUIRE(scene.target.until([&] { return scene.stats().request_receiving == 1; }));
  scene.abort();
  CHECK(scene.aborted == false);
  scene.host.put(rest);
  CHECK(scene.status().is_success());
}

TEST_CASE("abort of a parked event request ends it") {
  Scene scene(0);
  scene.host.capsule(make_sqe(0x0c, kCid));
  REQUIRE(scene.target.until([&] { return scene.stats().request_executing == 1; }));
  scene.abort();
  CHECK(scene.aborted == true);
  CHECK(scene.status() == kAborted);
}

TEST_CASE("abort of a command of the control plane says no, and the command is answered") {
  Scene scene(0);
  scene.host.capsule(make_sqe(0x02, kCid));
  REQUIRE(scene.target.until([&] { return scene.stats().request_await_control == 1; }));
  scene.abort();
  CHECK(scene.aborted == false);
  scene.target.answer_all();
  CHECK(scene.status().is_success());
}

TEST_CASE("abort of a command whose connection ends is answered") {
  Scene scene(1);
  scene.target.held().can_cancel = false;
  scene.read_held(kCid, 4096);
  REQUIRE(scene.target.until([&] { return scene.target.held().held() == 1; }));
  scene.abort();
  scene.host.socket().reset();
  scene.target.turns(20);
  CHECK(!scene.aborted.has_value());
  scene.target.release_held();
  REQUIRE(scene.target.until([&] { return scene.aborted.has_value(); }));
  CHECK(scene.aborted == false);
}

}  // namespace capsuled::transport::testing
