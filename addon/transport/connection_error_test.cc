// What hosts do wrong, what time takes away, and how connections end in every state.
#include <doctest/doctest.h>

#include <atomic>
#include <future>

#include "transport/testing/test_target.h"

namespace capsuled::transport::testing {
namespace {

using wire::FatalErrorStatus;
using wire::GenericStatus;
using wire::IoOpcode;
using wire::PduType;

constexpr uint64_t kMillisecond = 1'000'000;

template <typename Pdu>
Pdu& edit(Octets& pdu) {
  return *reinterpret_cast<Pdu*>(pdu.data());
}

/// The host gets a C2HTermReq that says so and repeats the header; then the connection ends,
/// leaving nothing.
void expect_term_req(TestTarget& target, TestHost& host, FatalErrorStatus status,
                     uint32_t information, const Octets& offending) {
  const Pdu pdu = host.receive();
  REQUIRE(!pdu.closed);
  REQUIRE(pdu.type == PduType::kC2hTermReq);
  CHECK(static_cast<FatalErrorStatus>(pdu.as<wire::TermReq>().fes.get()) == status);
  CHECK(pdu.as<wire::TermReq>().fei.get() == information);
  REQUIRE(!pdu.data.empty());
  CHECK(pdu.data.size() <= offending.size());
  CHECK(std::equal(pdu.data.begin(), pdu.data.end(), offending.begin()));
  host.close();
  CHECK(target.await_closed() != "none");
  CHECK(target.at_rest());
}

/// Whether Do Not Retry and More are set does not matter here.
bool is(const Pdu& pdu, wire::Status status) {
  return !pdu.closed && pdu.type == PduType::kCapsuleResp &&
         wire::Status::unpack(pdu.status() & 0x3fff) == status;
}

/// A write that was sent an R2T.
Pdu begin_write(TestHost& host, uint16_t cid, uint32_t bytes) {
  host.capsule(make_io(IoOpcode::kWrite, cid, 0, bytes));
  Pdu r2t = host.receive();
  REQUIRE(r2t.type == PduType::kR2t);
  return r2t;
}

TestTargetOptions quick_timeouts() {
  TestTargetOptions options;
  options.group.icreq_timeout_ns = 100 * kMillisecond;
  options.group.connect_timeout_ns = 100 * kMillisecond;
  options.group.pdu_timeout_ns = 100 * kMillisecond;
  return options;
}

}  // namespace

TEST_CASE("the first PDU is ICReq, and the only one") {
  TestTarget target;
  auto host = target.open();
  Octets pdu = make_capsule(make_connect(1, 0, 32, true), {}, {});
  host->send(pdu);
  expect_term_req(target, *host, FatalErrorStatus::kPduSequenceError, 0, pdu);
  host = target.open();
  REQUIRE(host->initialize({}));
  pdu = make_ic_req({});
  host->send(pdu);
  expect_term_req(target, *host, FatalErrorStatus::kPduSequenceError, 0, pdu);
  host = target.open();
  pdu = make_h2c_data(0, 0, 0, pattern(8, 1), {}, true);
  host->send(pdu);
  expect_term_req(target, *host, FatalErrorStatus::kPduSequenceError, 0, pdu);
  CHECK(target.stats().error_pdu_sequence == 3);
}

TEST_CASE("ICReq parameters that we do not have are refused") {
  TestTarget target;
  auto host = target.open();
  Octets pdu = make_ic_req({});
  edit<wire::IcReq>(pdu).pfv.set(1);
  host->send(pdu);
  expect_term_req(target, *host, FatalErrorStatus::kUnsupportedParameter, 8, pdu);
  host = target.open();
  pdu = make_ic_req({}, 32);
  host->send(pdu);
  expect_term_req(target, *host, FatalErrorStatus::kInvalidPduHeaderField, 10, pdu);
}

TEST_CASE("what is no PDU at all is refused at once") {
  TestTarget target;
  auto host = target.open();
  const std::string text = "GET / HTTP/1.1\r\n";
  Octets bytes(text.size());
  std::memcpy(bytes.data(), text.data(), text.size());
  host->send(bytes);
  expect_term_req(target, *host, FatalErrorStatus::kInvalidPduHeaderField, 0, bytes);
  CHECK(target.stats().error_invalid_pdu_header == 1);
}

TEST_CASE("a wrong header digest is fatal") {
  TestTarget target;
  auto host = target.open();
  REQUIRE(host->connect(1, 16, {true, false}) == 0);
  Octets pdu = make_capsule(make_io(IoOpcode::kRead, 3, 0, 512), {}, {true, false});
  pdu[72] ^= std::byte{0x80};
  host->send(pdu);
  const uint32_t digest = wire::view_as<Le32>(std::span<const std::byte>(pdu).subspan(72)).get();
  expect_term_req(target, *host, FatalErrorStatus::kHeaderDigestError, digest, pdu);
  CHECK(target.stats().error_header_digest == 1);
}

TEST_CASE("a wrong data digest fails its command alone") {
  TestTarget target;
  auto host = target.open();
  REQUIRE(host->connect(1, 16, {false, true}) == 0);
  auto write = make_io(IoOpcode::kWrite, 3, 0, 4096);
  set_capsule_sgl(write, 4096);
  Octets pdu = make_capsule(write, pattern(4096, 1), {false, true});
  pdu.back() ^= std::byte{1};
  host->send(pdu);
  CHECK(is(host->receive(), GenericStatus::kTransientTransportError));
  for (const uint32_t bytes : {4096u, 131072u}) {
    const Pdu r2t = begin_write(*host, 4, bytes);
    const auto& header = r2t.as<wire::R2t>();
    const Octets half = pattern(bytes / 2, 2);
    pdu = make_h2c_data(4, header.ttag.get(), 0, half, {false, true}, false);
    pdu[30] ^= std::byte{1};
    host->send(pdu);
    host->h2c_data(r2t, bytes / 2, half, true);
    CHECK(is(host->receive(), GenericStatus::kTransientTransportError));
  }
  CHECK(target.stats().error_data_digest == 3);
  CHECK(target.stats().connection_live == 1);
}

TEST_CASE("more in-capsule data than announced is fatal") {
  TestTarget target;
  auto host = target.open();
  REQUIRE(host->connect(1, 16) == 0);
  Octets pdu = make_capsule(make_io(IoOpcode::kWrite, 3, 0, 8704), pattern(8704, 1), {});
  host->send(pdu);
  expect_term_req(target, *host, FatalErrorStatus::kDataTransferLimitExceeded, 4, pdu);
}

TEST_CASE("H2CData must be what the R2T asked for") {
  struct Mistake {
    const char* name;
    FatalErrorStatus status;
    uint32_t information;
    void (*make)(wire::H2cData& pdu);
  };
  constexpr auto kInvalid = FatalErrorStatus::kInvalidPduHeaderField;
  constexpr auto kRange = FatalErrorStatus::kDataTransferOutOfRange;
  const Mistake mistakes[] = {
      {"another TTAG", kInvalid, 10, [](wire::H2cData& pdu) { pdu.ttag.set(pdu.ttag.get() ^ 1); }},
      {"a TTAG beyond all", kInvalid, 10, [](wire::H2cData& pdu) { pdu.ttag.set(0xffff); }},
      {"another CID", kInvalid, 8, [](wire::H2cData& pdu) { pdu.cccid.set(99); }},
      {"an offset too far", kRange, 12, [](wire::H2cData& pdu) { pdu.datao.set(512); }},
      {"an offset that wraps", kRange, 12, [](wire::H2cData& pdu) { pdu.datao.set(~0u); }},
      {"DATAL unlike PLEN", kInvalid, 16, [](wire::H2cData& pdu) { pdu.datal.set(4095); }},
      {"DATAL 0", kInvalid, 16, [](wire::H2cData& pdu) { pdu.datal.set(0); }},
      {"no LAST_PDU at the end", kInvalid, 1, [](wire::H2cData& pdu) { pdu.common.flags = 0; }},
  };
  for (const Mistake& mistake : mistakes) {
    CAPTURE(std::string(mistake.name));
    TestTarget target;
    auto host = target.open();
    REQUIRE(host->connect(1, 16) == 0);
    const Pdu r2t = begin_write(*host, 5, 4096);
    Octets pdu = make_h2c_data(5, r2t.as<wire::R2t>().ttag.get(), 0, pattern(4096, 1), {}, true);
    mistake.make(edit<wire::H2cData>(pdu));
    host->send(pdu);
    expect_term_req(target, *host, mistake.status, mistake.information, pdu);
  }
}

TEST_CASE("H2CData: too much, the end too early, after the end, and another connection's") {
  TestTarget target;
  auto host = target.open();
  REQUIRE(host->connect(1, 16) == 0);
  Pdu r2t = begin_write(*host, 5, 4096);
  const uint16_t ttag = r2t.as<wire::R2t>().ttag.get();
  Octets pdu = make_h2c_data(5, ttag, 0, pattern(8192, 1), {}, true);
  host->send(pdu);
  expect_term_req(target, *host, FatalErrorStatus::kDataTransferOutOfRange, 16, pdu);

  host = target.open();
  REQUIRE(host->connect(1, 16) == 0);
  r2t = begin_write(*host, 5, 4096);
  pdu = make_h2c_data(5, r2t.as<wire::R2t>().ttag.get(), 0, pattern(2048, 1), {}, true);
  host->send(pdu);
  expect_term_req(target, *host, FatalErrorStatus::kInvalidPduHeaderField, 1, pdu);

  host = target.open();
  REQUIRE(host->connect(1, 16) == 0);
  r2t = begin_write(*host, 5, 4096);
  host->h2c_data(r2t, 0, pattern(4096, 1), true);
  CHECK(host->receive().status() == 0);
  pdu = make_h2c_data(5, r2t.as<wire::R2t>().ttag.get(), 0, pattern(4096, 1), {}, true);
  host->send(pdu);
  expect_term_req(target, *host, FatalErrorStatus::kInvalidPduHeaderField, 10, pdu);

  auto owner = target.open();
  REQUIRE(owner->connect(1, 16) == 0);
  r2t = begin_write(*owner, 5, 4096);
  host = target.open();
  REQUIRE(host->connect(1, 16) == 0);
  host->h2c_data(r2t, 0, pattern(4096, 1), true);
  CHECK(host->receive().type == PduType::kC2hTermReq);
  host->close();
  owner->h2c_data(r2t, 0, pattern(4096, 1), true);
  CHECK(owner->receive().status() == 0);
}

TEST_CASE("H2CData for 1 MiB that ends in the middle leaves nothing") {
  TestTarget target;
  auto host = target.open();
  REQUIRE(host->connect(1, 16) == 0);
  const Pdu r2t = begin_write(*host, 5, 1 << 20);
  Octets pdu = make_h2c_data(5, r2t.as<wire::R2t>().ttag.get(), 0, pattern(1 << 20, 1), {}, true);
  pdu.resize(700'000);
  host->send(pdu);
  host->close();
  CHECK(target.await_closed() != "none");
  CHECK(target.at_rest());
}

TEST_CASE("a host may terminate the connection itself") {
  TestTarget target;
  auto host = target.open();
  REQUIRE(host->connect(1, 16) == 0);
  wire::TermReq pdu = {};
  pdu.common.type = static_cast<uint8_t>(PduType::kH2cTermReq);
  pdu.fes.set(1);
  host->send(make_pdu(octets_of(pdu), {}, {}));
  CHECK(host->receive().closed);
  CHECK(target.await_closed() == "host_terminated");
  CHECK(target.stats().error_h2c_term_req == 1);
  CHECK(target.at_rest());
}

TEST_CASE("before Connect there is nothing but Connect, and afterwards none") {
  TestTarget target;
  auto host = target.open();
  REQUIRE(host->initialize({}));
  host->capsule(make_sqe(0x06, 1));
  CHECK(is(host->receive(), GenericStatus::kCommandSequenceError));
  host->capsule(make_sqe(0x18, 2));
  CHECK(host->receive().cid() == 2);
  host->capsule(make_connect(3, 1, 16, true), Octets(sizeof(wire::ConnectData)));
  CHECK(host->receive().status() == 0);
  host->capsule(make_connect(4, 1, 16, true), Octets(sizeof(wire::ConnectData)));
  const Pdu again = host->receive();
  CHECK(is(again, GenericStatus::kCommandSequenceError));
}

TEST_CASE("a refused Connect may be repeated") {
  TestTarget target;
  target.set_command([](const ControlEvent&) {
    return ControlAnswer{.status = wire::Status(wire::FabricsStatus::kConnectInvalidHost).pack(),
                         .dw0 = 0x10100};
  });
  auto host = target.open();
  REQUIRE(host->initialize({}));
  for (int attempt = 0; attempt < 3; ++attempt) {
    host->capsule(make_connect(1, 0, 32, true), Octets(sizeof(wire::ConnectData)));
    const Pdu refused = host->receive();
    CHECK(is(refused, wire::FabricsStatus::kConnectInvalidHost));
    CHECK(refused.as<wire::CapsuleRespHeader>().cqe.dw0.get() == 0x10100);
  }
}

TEST_CASE("a Connect whose data were damaged may be repeated") {
  TestTarget target;
  auto host = target.open();
  REQUIRE(host->initialize({false, true}));
  Octets pdu =
      make_capsule(make_connect(1, 0, 32, true), Octets(sizeof(wire::ConnectData)), {false, true});
  Octets damaged = pdu;
  damaged.back() ^= std::byte{1};
  host->send(damaged);
  CHECK(is(host->receive(), GenericStatus::kTransientTransportError));
  host->send(pdu);
  CHECK(host->receive().status() == 0);
}

TEST_CASE("an answer may be the connection's last") {
  TestTarget target;
  target.set_command([](const ControlEvent&) { return ControlAnswer{.close = true}; });
  auto host = target.open();
  REQUIRE(host->connect(0, 32) == 0);
  host->capsule(make_sqe(0x06, 1));
  CHECK(host->receive().status() == 0);
  CHECK(host->receive().closed);
  CHECK(target.await_closed() == "closed_by_control");
}

TEST_CASE("more commands than the queue has entries end the connection") {
  TestTarget target;
  auto host = target.open();
  REQUIRE(host->connect(1, 4) == 0);
  for (uint16_t cid = 0; cid < 5; ++cid) {
    auto read = make_io(IoOpcode::kRead, cid, 0, 512);
    read.nsid.set(2);  // held
    host->capsule(read);
  }
  CHECK(host->receive().closed);
  CHECK(target.await_closed() == "queue_overrun");
  CHECK(target.stats().error_queue_overrun == 1);
  CHECK(target.at_rest());
}

TEST_CASE("a host that is silent or stops in the middle is given up") {
  TestTarget target(quick_timeouts());
  auto host = target.open();
  CHECK(target.await_closed() == "icreq_timeout");
  host = target.open();
  host->send(std::span<const std::byte>(make_ic_req({})).first(100));
  CHECK(target.await_closed() == "icreq_timeout");
  host = target.open();
  REQUIRE(host->initialize({}));
  CHECK(target.await_closed() == "connect_timeout");
  host = target.open();
  REQUIRE(host->connect(1, 16) == 0);
  host->send(std::span<const std::byte>(make_capsule(make_sqe(0, 1), {}, {})).first(30));
  CHECK(target.await_closed() == "pdu_timeout");
  for (const uint32_t bytes : {4096u, 131072u}) {
    host = target.open();
    REQUIRE(host->connect(1, 16) == 0);
    (void)begin_write(*host, 1, bytes);
    CHECK(target.await_closed() == "pdu_timeout");
    host = target.open();
    REQUIRE(host->connect(1, 16) == 0);
    const Pdu r2t = begin_write(*host, 1, bytes);
    Octets pdu = make_h2c_data(1, r2t.as<wire::R2t>().ttag.get(), 0, Octets(bytes), {}, true);
    pdu.resize(pdu.size() / 2);
    host->send(pdu);
    CHECK(target.await_closed() == "pdu_timeout");
  }
  CHECK(target.stats().error_icreq_timeout == 2);
  CHECK(target.stats().error_connect_timeout == 1);
  CHECK(target.stats().error_pdu_timeout == 5);
  CHECK(target.at_rest());
}

TEST_CASE("a host that does not take its answers is given up") {
  TestTarget target(quick_timeouts());
  auto host = target.open();
  REQUIRE(host->connect(1, 64) == 0);
  for (uint16_t cid = 0; cid < 8; ++cid) {
    host->capsule(make_io(IoOpcode::kRead, cid, 0, 1 << 20));
  }
  CHECK(target.await_closed() == "pdu_timeout");
  CHECK(target.at_rest());
}

TEST_CASE("an idle queue is not given up") {
  TestTarget target(quick_timeouts());
  auto host = target.open();
  REQUIRE(host->connect(1, 16) == 0);
  auto other = target.open();  // its time-out says that the time has passed
  CHECK(target.await_closed() == "icreq_timeout");
  host->capsule(make_io(IoOpcode::kFlush, 1, 0, 512));
  CHECK(host->receive().status() == 0);
}

TEST_CASE("a connection too many is closed at once") {
  TestTargetOptions options;
  options.group.connections_max = 2;
  TestTarget target(options);
  auto first = target.open();
  auto second = target.open();
  auto third = target.open();
  CHECK(third->receive().closed);
  CHECK(target.stats().connections_rejected == 1);
  second->close();
  CHECK(target.await_closed() == "host_closed");
  auto fourth = target.open();
  CHECK(fourth->initialize({}));
}

// ---- Termination --------------------------------------------------------------------------------

/// A state that a connection can be in, how to get there, and how to see that it is there.
struct Scene {
  const char* name;
  std::function<void(TestTarget&, TestHost&)> set;
  std::function<bool(const TransportStats&)> there;
};

wire::SubmissionQueueEntry read_held(uint16_t cid) {
  auto read = make_io(IoOpcode::kRead, cid, 0, 512);
  read.nsid.set(2);
  return read;
}

std::vector<Scene> scenes_before_a_command() {
  return {
      {"half an ICReq",
       [](TestTarget&, TestHost& host) {
         host.send(std::span<const std::byte>(make_ic_req({})).first(64));
       },
       [](const TransportStats& stats) { return stats.bytes_received == 64; }},
      {"before Connect", [](TestTarget&, TestHost& host) { REQUIRE(host.initialize({})); },
       [](const TransportStats& stats) { return stats.connection_await_connect == 1; }},
      {"Connect is being considered",
       [](TestTarget& target, TestHost& host) {
         target.set_hold(true);
         target.set_command([](const ControlEvent&) { return ControlAnswer{}; });
         REQUIRE(host.initialize({}));
         host.capsule(make_connect(1, 0, 16, true), Octets(sizeof(wire::ConnectData)));
       },
       [](const TransportStats& stats) { return stats.request_await_control == 1; }},
      {"half a capsule",
       [](TestTarget&, TestHost& host) {
         REQUIRE(host.connect(1, 16) == 0);
         auto write = make_io(IoOpcode::kWrite, 1, 0, 4096);
         set_capsule_sgl(write, 4096);
         host.send(std::span<const std::byte>(make_capsule(write, Octets(4096), {})).first(500));
       },
       [](const TransportStats& stats) { return stats.request_receiving == 1; }},
  };
}

std::vector<Scene> scenes_of_a_transfer() {
  return {
      {"R2T unanswered",
       [](TestTarget&, TestHost& host) {
         REQUIRE(host.connect(1, 16) == 0);
         for (uint16_t cid = 0; cid < 8; ++cid) (void)begin_write(host, cid, 131072);
       },
       [](const TransportStats& stats) { return stats.request_await_host_data == 8; }},
      {"in the middle of a receive in place",
       [](TestTarget&, TestHost& host) {
         REQUIRE(host.connect(1, 16) == 0);
         const Pdu r2t = begin_write(host, 1, 1 << 20);
         Octets pdu =
             make_h2c_data(1, r2t.as<wire::R2t>().ttag.get(), 0, Octets(1 << 20), {}, true);
         pdu.resize(500'000);
         host.send(pdu);
       },
       [](const TransportStats& stats) { return stats.receives_in_place == 1; }},
      {"waiting for buffers",
       [](TestTarget&, TestHost& host) {
         REQUIRE(host.connect(1, 64) == 0);
         for (uint16_t cid = 0; cid < 40; ++cid) {
           host.capsule(make_io(IoOpcode::kWrite, cid, 0, 1 << 20));
         }
       },
       [](const TransportStats& stats) {
         return stats.commands_parked > 0 &&
                stats.commands_parked + stats.request_await_host_data == 40;
       }},
  };
}

std::vector<Scene> scenes_of_a_command() {
  return {
      {"in a bdev",
       [](TestTarget&, TestHost& host) {
         REQUIRE(host.connect(1, 16) == 0);
         for (uint16_t cid = 0; cid < 8; ++cid) host.capsule(read_held(cid));
       },
       [](const TransportStats& stats) { return stats.request_executing == 8; }},
      {"with the control plane",
       [](TestTarget& target, TestHost& host) {
         REQUIRE(host.connect(0, 16) == 0);
         target.set_hold(true);
         for (uint16_t cid = 0; cid < 8; ++cid) host.capsule(make_sqe(0x06, cid));
       },
       [](const TransportStats& stats) { return stats.request_await_control == 8; }},
      {"with parked requests",
       [](TestTarget&, TestHost& host) {
         REQUIRE(host.connect(0, 16) == 0);
         for (uint16_t cid = 0; cid < 4; ++cid) host.capsule(make_sqe(0x0c, cid));
       },
       [](const TransportStats& stats) { return stats.request_executing == 4; }},
      {"with a transfer between parked requests",
       [](TestTarget&, TestHost& host) {
         REQUIRE(host.connect(0, 16) == 0);
         host.capsule(make_sqe(0x0c, 1));
         auto send = make_sqe(0x09, 2);
         set_transport_sgl(send, 4096);
         host.capsule(send);
         REQUIRE(host.receive().type == PduType::kR2t);
         host.capsule(make_sqe(0x0c, 3));
       },
       [](const TransportStats& stats) {
         return stats.request_executing == 2 && stats.request_await_host_data == 1;
       }},
      {"with answers that nobody takes",
       [](TestTarget&, TestHost& host) {
         REQUIRE(host.connect(1, 64) == 0);
         for (uint16_t cid = 0; cid < 8; ++cid) {
           host.capsule(make_io(IoOpcode::kRead, cid, 0, 1 << 17));
         }
       },
       [](const TransportStats& stats) {
         // The socket may take one of them whole, if it was sent before the others came.
         return stats.pdus_received == 10 && stats.request_responding >= 7;
       }},
      {"in the middle of termination",
       [](TestTarget&, TestHost& host) { host.send(Octets(64, std::byte{0xff})); },
       [](const TransportStats& stats) { return stats.connection_terminating == 1; }},
  };
}

void check_terminations(const std::vector<Scene>& scenes);

TEST_CASE("terminating is possible in every state before a command, and leaves nothing") {
  check_terminations(scenes_before_a_command());
}

TEST_CASE("terminating is possible in every state of a transfer, and leaves nothing") {
  check_terminations(scenes_of_a_transfer());
}

TEST_CASE("terminating is possible in every state of a command, and leaves nothing") {
  check_terminations(scenes_of_a_command());
}

void check_terminations(const std::vector<Scene>& scenes) {
  for (const Scene& scene : scenes) {
    for (const char* how : {"terminate", "stop", "host closes"}) {
      CAPTURE(std::string(scene.name));
      CAPTURE(std::string(how));
      TestTarget target;
      auto host = target.open();
      scene.set(target, *host);
      REQUIRE(target.await(scene.there));
      if (std::string(how) == "terminate") {
        const ConnectionId id = target.last_connection();
        target.on_reactor([&] { target.group().terminate(id, "test"); });
      } else if (std::string(how) == "stop") {
        target.stop();
      } else {
        host->close();
      }
      CHECK(target.await_closed() != "none");
      CHECK(target.at_rest());
      size_t closed = 0;
      for (const ControlEvent& event : target.events()) {
        if (event.type == ControlEventType::ConnectionClosed) ++closed;
      }
      CHECK(closed == 1);
    }
  }
}

TEST_CASE("a host that takes no answers leaves buffers of every size to the others") {
  TestTarget target;
  auto greedy = target.open();
  REQUIRE(greedy->connect(1, 64) == 0);
  // The disk lends 32 MiB, and nothing more to the other host either.
  constexpr uint16_t kReads = 62;
  for (uint16_t cid = 0; cid < kReads; ++cid) {
    greedy->capsule(make_io(IoOpcode::kRead, cid, 0, 1 << 20));
  }
  REQUIRE(target.await([](const TransportStats& stats) { return stats.commands_parked > 20; }));
  auto other = target.open();
  other->set_host(1);
  REQUIRE(other->connect(1, 16) == 0);
  for (const uint32_t bytes : {512u, 8192u, 131072u, 1u << 20}) {
    other->capsule(make_io(IoOpcode::kRead, 1, 0, bytes));
    CHECK(other->receive().data.size() == bytes);
  }
  // And in the end it gets all that it asked for.
  for (uint16_t answers = 0; answers < kReads; ++answers) {
    CHECK(greedy->receive().data.size() == 1 << 20);
  }
}

TEST_CASE("what a host is slow to take is what was there when it asked") {
  TestTarget target;
  constexpr uint32_t kBytes = 1 << 20;
  constexpr uint16_t kReads = 16;
  constexpr uint32_t kReadBytes = kBytes / kReads;
  auto writer = target.open();
  REQUIRE(writer->connect(1, 16) == 0);
  const auto write = [&](std::byte value) {
    writer->capsule(make_io(IoOpcode::kWrite, 1, 0, kBytes));
    const Pdu r2t = writer->receive();
    REQUIRE(r2t.type == PduType::kR2t);
    writer->h2c_data(r2t, 0, Octets(kBytes, value), true);
    CHECK(is(writer->receive(), GenericStatus::kSuccess));
  };
  for (const Digests digests : {Digests{}, Digests{.header = true, .data = true}}) {
    auto slow = target.open();
    REQUIRE(slow->connect(1, 32, digests) == 0);
    write(std::byte{1});
    for (uint16_t cid = 0; cid < kReads; ++cid) {
      slow->capsule(make_io(IoOpcode::kRead, cid, cid * kReadBytes / 512, kReadBytes));
    }
    // More than half is still in the disk's memory, for want of room in the socket.
    REQUIRE(target.await([](const TransportStats& stats) {
      return stats.request_responding > kReads / 2 && stats.request_executing == 0;
    }));
    write(std::byte{2});
    write(std::byte{3});
    for (uint16_t answers = 0; answers < kReads; ++answers) {
      CHECK(slow->receive().data == Octets(kReadBytes, std::byte{1}));
    }
    writer->capsule(make_io(IoOpcode::kRead, 1, 0, kBytes));
    CHECK(writer->receive().data == Octets(kBytes, std::byte{3}));
  }
}

TEST_CASE("a late word for something gone is ignored") {
  TestTarget target;
  auto host = target.open();
  REQUIRE(host->connect(0, 32) == 0);
  target.set_hold(true);
  host->capsule(make_sqe(0x06, 1));
  REQUIRE(
      target.await([](const TransportStats& stats) { return stats.request_await_control == 1; }));
  ControlEvent event;
  // The control thread has it a moment after the reactor gave it away.
  REQUIRE(target.await([&](const TransportStats&) {
    event = target.events().back();
    return event.type == ControlEventType::Command && event.controller != 0;
  }));
  host->close();
  CHECK(target.await_closed() == "host_closed");
  auto other = target.open();
  REQUIRE(other->initialize({}));
  target.answer({.token = event.token});
  target.answer({.token = 0});
  target.answer({.token = ~uint64_t{0}});
  target.on_reactor([&] {
    target.group().terminate(event.connection, "late");
    target.group().terminate(0, "late");
    target.group().attach({.token = event.token, .controller = 1, .entries = 1}, nullptr, nullptr);
    target.group().set_keep_alive(1, 1);
    target.group().asynchronous_event(1, 1);
    target.group().abort(event.connection, 1, [](bool aborted) { CHECK(!aborted); });
  });
  CHECK(target.stats().connection_await_connect == 1);
}

TEST_CASE("a full control queue holds commands, nothing else") {
  TestTargetOptions options;
  options.control_capacity = 2;
  TestTarget target(options);
  auto host = target.open();
  REQUIRE(host->connect(0, 128) == 0);
  auto queue = target.open();
  REQUIRE(queue->connect(1, 16) == 0);
  std::promise<void> held;
  std::promise<void> release;
  std::atomic<bool> first = true;
  target.set_command([&, released = release.get_future().share()](const ControlEvent&) {
    if (first.exchange(false)) {
      held.set_value();
      released.wait();
    }
    return ControlAnswer{};
  });
  const uint64_t before = target.stats().control_commands;
  host->capsule(make_sqe(0x06, 0));
  held.get_future().wait();
  for (uint16_t cid = 1; cid < 100; ++cid) host->capsule(make_sqe(0x06, cid));
  // One is with the control thread, two are in its queue, and for the fourth there was no room.
  CHECK(target.await([&](const TransportStats& stats) {
    return stats.control_commands == before + kControlCommandsMax;
  }));
  auto other = target.open();
  CHECK(other->initialize({}));
  queue->capsule(make_io(IoOpcode::kRead, 1, 0, 512));
  CHECK(queue->receive().data.size() == 512);
  CHECK(target.stats().control_commands == before + kControlCommandsMax);
  release.set_value();
  for (uint16_t cid = 0; cid < 100; ++cid) CHECK(host->receive().status() == 0);
  target.set_command(nullptr);
  other->capsule(make_connect(0, 0, 16, true), Octets(sizeof(wire::ConnectData)));
  CHECK(other->receive().status() == 0);
}

}  // namespace capsuled::transport::testing
