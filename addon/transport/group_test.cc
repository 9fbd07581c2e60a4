// The normal life of connections, over real sockets: see connection_error_test.cc for the other
// one.
#include "transport/group.h"

#include <doctest/doctest.h>

#include "transport/testing/test_target.h"

namespace capsuled::transport::testing {
namespace {

using wire::IoOpcode;
using wire::PduType;

constexpr std::array kDigestChoices = {Digests{false, false}, Digests{true, false},
                                       Digests{false, true}, Digests{true, true}};

/// Writes by R2T, in PDUs of `pdu_bytes`; the status field.
uint16_t write_by_r2t(TestHost& host, uint16_t cid, uint64_t slba, const Octets& data,
                      size_t pdu_bytes) {
  host.capsule(make_io(IoOpcode::kWrite, cid, slba, static_cast<uint32_t>(data.size())));
  const Pdu r2t = host.receive();
  REQUIRE(r2t.type == PduType::kR2t);
  REQUIRE(r2t.digests_right);
  CHECK(r2t.as<wire::R2t>().r2to.get() == 0);
  REQUIRE(r2t.as<wire::R2t>().r2tl.get() == data.size());
  for (size_t offset = 0; offset < data.size(); offset += pdu_bytes) {
    const size_t length = std::min(pdu_bytes, data.size() - offset);
    const auto begin = data.begin() + static_cast<ptrdiff_t>(offset);
    host.h2c_data(r2t, static_cast<uint32_t>(offset),
                  Octets(begin, begin + static_cast<ptrdiff_t>(length)),
                  offset + length == data.size());
  }
  const Pdu response = host.receive();
  REQUIRE(response.type == PduType::kCapsuleResp);
  CHECK(response.digests_right);
  CHECK(response.cid() == cid);
  return response.status();
}

Octets read(TestHost& host, uint16_t cid, uint64_t slba, uint32_t bytes,
            bool flow_control_disabled = true) {
  host.capsule(make_io(IoOpcode::kRead, cid, slba, bytes));
  const Pdu data = host.receive();
  REQUIRE(data.type == PduType::kC2hData);
  CHECK(data.digests_right);
  const auto& header = data.as<wire::C2hData>();
  CHECK(header.cccid.get() == cid);
  CHECK(header.datao.get() == 0);
  CHECK(header.datal.get() == bytes);
  CHECK((data.flags & wire::kDataLastPdu) != 0);
  CHECK(((data.flags & wire::kDataSuccess) != 0) == flow_control_disabled);
  if (!flow_control_disabled) {
    const Pdu response = host.receive();
    REQUIRE(response.type == PduType::kCapsuleResp);
    CHECK(response.status() == 0);
    CHECK(response.cid() == cid);
  }
  return data.data;
}

}  // namespace

TEST_CASE("connects, serves an admin command and leaves nothing behind") {
  TestTarget target;
  auto host = target.open();
  REQUIRE(host->connect(0, 32) == 0);
  target.set_command([](const ControlEvent& event) {
    ControlAnswer answer;
    answer.data = pattern(event.data_bytes_max, 5);
    return answer;
  });
  auto identify = make_sqe(0x06, 9);
  set_transport_sgl(identify, 4096);
  host->capsule(identify);
  const Pdu data = host->receive();
  REQUIRE(data.type == PduType::kC2hData);
  CHECK(data.data == pattern(4096, 5));
  CHECK((data.flags & wire::kDataSuccess) != 0);
  CHECK(target.stats().connection_live == 1);

  host->close();
  CHECK(target.await_closed() == "host_closed");
  CHECK(target.at_rest());
  CHECK(target.stats().connections_total == 1);
}

TEST_CASE("what was written is read, at every size and with every choice of digests") {
  for (const Digests digests : kDigestChoices) {
    TestTarget target;
    auto host = target.open();
    REQUIRE(host->connect(1, 128, digests) == 0);
    uint16_t cid = 10;
    for (const uint32_t bytes : {512u, 4096u, 8192u, 8704u, 65536u, 131072u, 262656u, 1048576u}) {
      CAPTURE(bytes);
      const Octets data = pattern(bytes, bytes);
      CHECK(write_by_r2t(*host, ++cid, 8, data, bytes) == 0);
      CHECK(read(*host, ++cid, 8, bytes) == data);
      const Octets other = pattern(bytes, bytes + 1);
      CHECK(write_by_r2t(*host, ++cid, 8, other, 16384) == 0);
      CHECK(read(*host, ++cid, 8, bytes) == other);
      if (bytes > 8192) continue;
      auto write = make_io(IoOpcode::kWrite, ++cid, 100, bytes);
      set_capsule_sgl(write, bytes);
      host->capsule(write, data);
      const Pdu response = host->receive();
      REQUIRE(response.type == PduType::kCapsuleResp);
      CHECK(response.status() == 0);
      CHECK(read(*host, ++cid, 100, bytes) == data);
    }
    CHECK(target.stats().receives_in_place > 0);
    host->close();
    CHECK(target.await_closed() == "host_closed");
    CHECK(target.at_rest());
  }
}

TEST_CASE("C2HData is aligned as the host asks") {
  for (const uint8_t hpda : {uint8_t{0}, uint8_t{1}, uint8_t{7}, uint8_t{31}}) {
    TestTarget target;
    auto host = target.open();
    REQUIRE(host->connect(1, 16, {true, true}, true, hpda) == 0);
    const Octets data = pattern(4096, hpda);
    CHECK(write_by_r2t(*host, 2, 0, data, 4096) == 0);
    host->capsule(make_io(IoOpcode::kRead, 3, 0, 4096));
    const Pdu pdu = host->receive();
    CHECK(pdu.as<wire::C2hData>().common.pdo % ((hpda + 1) * 4) == 0);
    CHECK(pdu.digests_right);
    CHECK(pdu.data == data);
  }
}

TEST_CASE("with flow control SQHD moves on, and reads have a response capsule") {
  TestTarget target;
  auto host = target.open();
  REQUIRE(host->connect(1, 4, {}, false) == 0);
  for (uint16_t turn = 0; turn < 10; ++turn) {
    host->capsule(make_io(IoOpcode::kFlush, turn, 0, 512));
    const Pdu response = host->receive();
    REQUIRE(response.type == PduType::kCapsuleResp);
    CHECK(response.status() == 0);
    CHECK(response.as<wire::CapsuleRespHeader>().cqe.sqhd.get() == (turn + 2) % 4);
  }
  CHECK(read(*host, 77, 0, 4096, false) == Octets(4096));
}

TEST_CASE("any split of the bytes gives the same answers") {
  TestTarget target;
  auto host = target.open();
  REQUIRE(host->connect(1, 64, {true, true}) == 0);
  Octets stream;
  const Octets data = pattern(4096, 3);
  for (uint16_t cid = 0; cid < 8; ++cid) {
    auto write = make_io(IoOpcode::kWrite, cid, cid * 8u, 4096);
    set_capsule_sgl(write, 4096);
    const Octets pdu = make_capsule(write, data, {true, true});
    stream.insert(stream.end(), pdu.begin(), pdu.end());
  }
  Prng prng(17);
  for (int round = 0; round < 20; ++round) {
    std::span<const std::byte> rest(stream);
    while (!rest.empty()) {
      const size_t length = std::min<size_t>(rest.size(), prng.between(1, 1 + prng.below(5000)));
      REQUIRE(host->send(rest.first(length)));
      rest = rest.subspan(length);
    }
    for (uint16_t cid = 0; cid < 8; ++cid) CHECK(host->receive().status() == 0);
  }
}

TEST_CASE("many commands in flight, more than there are buffers and requests, all end") {
  TestTarget::Options options;
  options.memory_bytes = 4 << 20;
  options.group.requests_max = 136;  // four queues, of which one can be claimed whole
  options.group.receive_buffers = 4;
  TestTarget target(options);
  constexpr int kHosts = 6;
  constexpr uint16_t kDepth = 31;
  std::vector<std::thread> hosts;
  std::atomic<int> right{0};
  std::vector<std::unique_ptr<TestHost>> ends;
  for (int index = 0; index < kHosts; ++index) {
    ends.push_back(target.open());
    REQUIRE(ends.back()->connect(1, kDepth + 1) == 0);
  }
  for (int index = 0; index < kHosts; ++index) {
    hosts.emplace_back([&, index] {
      TestHost& host = *ends[static_cast<size_t>(index)];
      const uint32_t bytes = 65536;
      const Octets data = pattern(bytes, static_cast<uint64_t>(index));
      for (int round = 0; round < 5; ++round) {
        // All commands first, then the data: in-capsule ones stand before the data of those with
        // R2T.
        for (uint16_t cid = 0; cid < kDepth; ++cid) {
          host.capsule(make_io(cid % 3 == 0 ? IoOpcode::kRead : IoOpcode::kWrite, cid,
                               static_cast<uint64_t>(index) * 256, bytes));
        }
        for (int left = kDepth; left > 0;) {
          const Pdu pdu = host.receive();
          if (pdu.closed) return;
          if (pdu.type == PduType::kR2t) {
            host.h2c_data(pdu, 0, data, true);
            continue;
          }
          if (pdu.type == PduType::kCapsuleResp && pdu.status() != 0) return;
          --left;
        }
      }
      ++right;
    });
  }
  for (std::thread& host : hosts) host.join();
  CHECK(right == kHosts);
  ends.clear();
  CHECK(target.await([](const TransportStats& stats) { return stats.connection_free == 1024; }));
  CHECK(target.at_rest());
}

TEST_CASE("answers that one send does not hold come in several, whole and in order") {
  for (const bool beside_small_ones : {false, true}) {
    for (const Digests digests : {Digests{false, false}, Digests{true, true}}) {
      CAPTURE(beside_small_ones);
      TestTarget::Options options;
      options.memory_bytes = 128 << 20;
      TestTarget target(options);
      auto host = target.open();
      REQUIRE(host->connect(1, 32, digests) == 0);
      auto other = target.open();
      REQUIRE(other->connect(1, 32) == 0);
      const Octets data = pattern(1 << 20, 3);
      REQUIRE(write_by_r2t(*host, 1, 0, data, data.size()) == 0);

      // The first ones fill the socket, and the others wait together.
      const uint64_t sends_before = target.stats().sends;
      constexpr uint16_t kReads = 12;
      const auto bytes_of = [](uint16_t cid) { return cid % 3 == 0 ? 512u << 10 : 1u << 20; };
      uint64_t bytes_in_all = 0;
      for (uint16_t cid = 0; cid < kReads; ++cid) {
        host->capsule(make_io(IoOpcode::kRead, cid, 0, bytes_of(cid)));
        bytes_in_all += bytes_of(cid);
      }
      REQUIRE(target.await(
          [](const TransportStats& stats) { return stats.request_responding == kReads; }));
      for (uint16_t cid = 0; cid < kReads; ++cid) {
        if (beside_small_ones) {
          CHECK(read(*other, cid, 0, 4096) == Octets(data.begin(), data.begin() + 4096));
        }
        const Pdu answer = host->receive();
        REQUIRE(answer.type == PduType::kC2hData);
        CHECK(answer.digests_right);
        CHECK(answer.as<wire::C2hData>().cccid.get() == cid);
        CHECK(answer.data == Octets(data.begin(), data.begin() + bytes_of(cid)));
      }
      const uint64_t sends = target.stats().sends - sends_before - (beside_small_ones ? kReads : 0);
      // A send ends with the part of a body that makes it large enough.
      constexpr uint64_t kSendBytesMax = (1 << 20) + (128 << 10);
      CHECK(sends >= bytes_in_all / kSendBytesMax);
      host->close();
      other->close();
      CHECK(
          target.await([](const TransportStats& stats) { return stats.connection_free == 1024; }));
      CHECK(target.at_rest());
    }
  }
}

TEST_CASE("keep alive is answered, and its end ends the connection") {
  TestTarget target;
  auto host = target.open();
  REQUIRE(host->connect(0, 32) == 0);
  host->capsule(make_sqe(0x18, 4));
  CHECK(host->receive().status() == 0);
  CHECK(target.stats().keep_alive_commands == 1);
  target.on_reactor([&] { target.group().set_keep_alive(1, 50); });
  CHECK(host->receive().closed);
  CHECK(target.await_closed() == "keep_alive_expired");
  CHECK(target.stats().keep_alive_expired == 1);
  CHECK(target.at_rest());
}

TEST_CASE("asynchronous event requests are parked, answered and limited") {
  TestTarget target;
  auto host = target.open();
  REQUIRE(host->connect(0, 32) == 0);
  for (uint16_t cid = 20; cid < 25; ++cid) host->capsule(make_sqe(0x0c, cid));
  const Pdu refused = host->receive();
  CHECK(refused.cid() == 24);
  CHECK(refused.status() != 0);
  target.on_reactor([&] { target.group().asynchronous_event(1, 0x70f002); });
  const Pdu event = host->receive();
  CHECK(event.cid() == 20);
  CHECK(event.as<wire::CapsuleRespHeader>().cqe.dw0.get() == 0x70f002);
  const ConnectionId id = target.last_connection();
  CHECK(target.abort(id, 22));
  const Pdu aborted = host->receive();
  CHECK(aborted.cid() == 22);
  CHECK(wire::Status::unpack(aborted.status()) ==
        wire::Status(wire::GenericStatus::kAbortRequested));
  host->close();
  CHECK(target.await_closed() == "host_closed");
  CHECK(target.at_rest());
}

TEST_CASE("admin data of a host comes in the capsule or by R2T") {
  TestTarget target;
  auto host = target.open();
  REQUIRE(host->connect(0, 32) == 0);
  const Octets data = pattern(8192, 1);
  auto send = make_sqe(0x09, 2);
  set_capsule_sgl(send, 8192);
  host->capsule(send, data);
  CHECK(host->receive().status() == 0);
  CHECK(target.events().back().data == data);
  const Octets more = pattern(4096, 2);
  set_transport_sgl(send, 4096);
  host->capsule(send);
  const Pdu r2t = host->receive();
  REQUIRE(r2t.type == PduType::kR2t);
  host->h2c_data(r2t, 0, more, true);
  CHECK(host->receive().status() == 0);
  CHECK(target.events().back().data == more);
}

TEST_CASE("a command of any queue with fused operation or without SGL is refused, and not run") {
  TestTarget target;
  auto admin = target.open();
  REQUIRE(admin->connect(0, 32) == 0);
  auto queue = target.open();
  REQUIRE(queue->connect(1, 32) == 0);
  auto stranger = target.open();
  REQUIRE(stranger->initialize({}));
  const auto refused = wire::Status(wire::GenericStatus::kInvalidField).do_not_retry();
  const size_t commands = target.stats().control_commands;
  uint16_t cid = 0;
  // FUSE first and second, PSDT PRP, metadata by SGL, reserved.
  for (const uint8_t flags : std::to_array<uint8_t>({0x41, 0x42, 0x43, 0x00, 0x80, 0xc0})) {
    const auto check = [&](TestHost& host, wire::SubmissionQueueEntry sqe,
                           const Octets& data = {}) {
      sqe.flags = flags;
      sqe.cid.set(++cid);
      host.capsule(sqe, data);
      const Pdu pdu = host.receive();
      REQUIRE(pdu.type == PduType::kCapsuleResp);
      CHECK(pdu.cid() == cid);
      // The failure of an I/O command is in the error log page, and says so.
      const auto status = wire::Status::unpack(pdu.status());
      CHECK((status == refused || status == refused.with_more()));
    };
    for (const uint8_t opcode :
         std::to_array<uint8_t>({0x02, 0x06, 0x08, 0x09, 0x0a, 0x0c, 0x18})) {
      check(*admin, make_sqe(opcode, 0));
    }
    auto property_get = make_sqe(wire::kFabricsOpcode, 0);
    property_get.nsid.set(4);
    check(*admin, property_get);
    auto disconnect = make_sqe(wire::kFabricsOpcode, 0);
    disconnect.nsid.set(8);
    check(*queue, disconnect);
    check(*queue, make_io(IoOpcode::kRead, 0, 0, 512));
    check(*queue, make_io(IoOpcode::kFlush, 0, 0, 512));
    check(*stranger, make_connect(0, 0, 32, true), Octets(sizeof(wire::ConnectData)));
  }
  CHECK(target.stats().control_commands == commands);
  // A refused Connect is not the one that is being considered.
  stranger->capsule(make_connect(++cid, 0, 32, true), Octets(sizeof(wire::ConnectData)));
  CHECK(stranger->receive().status() == 0);
}

}  // namespace capsuled::transport::testing
