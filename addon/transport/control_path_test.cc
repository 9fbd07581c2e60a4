// What commands of the control plane may take of others: memory before Connect and behind it, time,
// and places in the queue that all connections share.
#include <doctest/doctest.h>
#include <poll.h>

#include "transport/testing/test_target.h"

namespace capsuled::transport::testing {
namespace {

using wire::GenericStatus;
using wire::PduType;

constexpr uint64_t kMillisecond = 1'000'000;

bool is(const Pdu& pdu, wire::Status status) {
  return !pdu.closed && pdu.type == PduType::kCapsuleResp &&
         wire::Status::unpack(pdu.status() & 0x3fff) == status;
}

wire::SubmissionQueueEntry connect_by_r2t(uint32_t bytes) {
  auto connect = make_connect(1, 0, 32, true);
  set_transport_sgl(connect, bytes);
  return connect;
}

/// Sends byte by byte, each a little after the one before, until the target closes.
void drip(TestHost& host, const Octets& bytes) {
  for (const std::byte& byte : bytes) {
    if (!host.send(std::span(&byte, 1))) return;
    pollfd closed = {.fd = host.fd(), .events = POLLIN | POLLRDHUP, .revents = 0};
    if (::poll(&closed, 1, 10) > 0) return;
  }
  FAIL("all bytes were taken");
}

size_t command_count(TestTarget& target) {
  size_t count = 0;
  for (const ControlEvent& event : target.events()) {
    if (event.type == ControlEventType::Command && event.controller != 0) ++count;
  }
  return count;
}

bool await_commands(TestTarget& target, size_t count) {
  return target.await([&](const TransportStats&) { return command_count(target) >= count; });
}

wire::SubmissionQueueEntry get_log_page(uint16_t cid, uint32_t bytes) {
  auto command = make_sqe(0x02, cid);
  set_transport_sgl(command, bytes);
  return command;
}

}  // namespace

TEST_CASE("before Connect nothing moves data but Connect, and that 1,024 bytes") {
  TestTarget target;
  auto host = target.open();
  REQUIRE(host->initialize({}));
  for (const uint8_t opcode : std::initializer_list<uint8_t>{0x01, 0x09, 0x0d, 0x11, 0x81, 0xc1}) {
    auto send = make_sqe(opcode, 7);
    set_transport_sgl(send, 1 << 20);
    host->capsule(send);
    CHECK(is(host->receive(), GenericStatus::kCommandSequenceError));
  }
  host->capsule(connect_by_r2t(1 << 20));
  CHECK(is(host->receive(), GenericStatus::kDataSglLengthInvalid));
  host->capsule(connect_by_r2t(1024));
  const Pdu r2t = host->receive();
  REQUIRE(r2t.type == PduType::kR2t);
  CHECK(r2t.as<wire::R2t>().r2tl.get() == 1024);
  CHECK(read_stat(target.reactor().stats().small_buffers_used) == 0);
  CHECK(read_stat(target.reactor().stats().large_buffers_used) == 0);
  const Octets data = pattern(1024, 1);
  host->h2c_data(r2t, 0, data, true);
  CHECK(host->receive().status() == 0);
  CHECK(target.events().back().data == data);
}

TEST_CASE("an opcode that we do not know moves no data, and is the control plane's to refuse") {
  TestTarget target;
  auto host = target.open();
  REQUIRE(host->connect(0, 32) == 0);
  for (const uint8_t opcode : std::initializer_list<uint8_t>{0x11, 0x81, 0xc1}) {
    auto send = make_sqe(opcode, 7);
    set_transport_sgl(send, 1 << 20);
    host->capsule(send);
    CHECK(host->receive().status() == 0);  // as TestTarget answers everything
    CHECK(target.events().back().data.empty());
    set_capsule_sgl(send, 512);
    host->capsule(send, pattern(512, 1));
    CHECK(host->receive().status() == 0);
    CHECK(target.events().back().data.empty());
  }
}

TEST_CASE("Connect must be there in time with its data, not only with its header") {
  TestTargetOptions options;
  options.group.connect_timeout_ns = 100 * kMillisecond;
  TestTarget target(options);
  auto half = target.open();
  REQUIRE(half->initialize({}));
  const Octets capsule =
      make_capsule(make_connect(1, 0, 32, true), Octets(sizeof(wire::ConnectData)), {});
  half->send(std::span<const std::byte>(capsule).first(capsule.size() - 1));
  CHECK(target.await_closed() == "connect_timeout");
  auto asked = target.open();
  REQUIRE(asked->initialize({}));
  asked->capsule(connect_by_r2t(1024));
  CHECK(asked->receive().type == PduType::kR2t);
  CHECK(target.await_closed() == "connect_timeout");
  CHECK(target.stats().error_connect_timeout == 2);
  CHECK(target.at_rest());
}

TEST_CASE("what the control plane takes for a Connect is not the host's time") {
  TestTargetOptions options;
  options.group.connect_timeout_ns = 1;
  options.group.pdu_timeout_ns = 100 * kMillisecond;
  options.group.icreq_timeout_ns = 100 * kMillisecond;
  TestTarget target(options);
  target.set_hold(true);
  target.set_command([](const ControlEvent&) { return ControlAnswer{}; });
  auto host = target.open();
  REQUIRE(host->initialize({}));
  host->capsule(make_connect(1, 0, 32, true), Octets(sizeof(wire::ConnectData)));
  REQUIRE(target.await([](const TransportStats& now) { return now.request_await_control == 1; }));
  // Others run into their time-outs, which are looked at together.
  auto silent = target.open();
  CHECK(target.await_closed() == "icreq_timeout");
  CHECK(target.stats().request_await_control == 1);
}

TEST_CASE("a PDU that comes byte by byte has the time of one PDU") {
  TestTargetOptions options;
  options.group.pdu_timeout_ns = 100 * kMillisecond;
  TestTarget target(options);
  SUBCASE("before Connect") {
    auto host = target.open();
    REQUIRE(host->initialize({}));
    drip(*host, make_capsule(make_connect(1, 0, 32, true), Octets(1024), {}));
    CHECK(target.await_closed() == "pdu_timeout");
  }
  SUBCASE("behind other PDUs of a queue") {
    auto host = target.open();
    REQUIRE(host->connect(1, 16) == 0);
    for (uint16_t cid = 0; cid < 8; ++cid) {
      host->capsule(make_io(wire::IoOpcode::kRead, cid, 0, 512));
      REQUIRE(!host->receive().closed);
    }
    auto write = make_io(wire::IoOpcode::kWrite, 9, 0, 4096);
    set_capsule_sgl(write, 4096);
    drip(*host, make_capsule(write, Octets(4096), {}));
    CHECK(target.await_closed() == "pdu_timeout");
  }
  CHECK(target.stats().error_pdu_timeout == 1);
  CHECK(target.at_rest());
}

TEST_CASE("a large PDU has more time, by its length") {
  TestTargetOptions options;
  options.group.pdu_timeout_ns = 100 * kMillisecond;
  options.group.in_capsule_bytes = 512 * 1024;  // eight seconds
  options.group.requests_max = 64;
  TestTarget target(options);
  auto host = target.open();
  REQUIRE(host->connect(1, 16) == 0);
  auto write = make_io(wire::IoOpcode::kWrite, 1, 0, 512 * 1024);
  set_capsule_sgl(write, 512 * 1024);
  const Octets pdu = make_capsule(write, pattern(512 * 1024, 1), {});
  const auto bytes = std::span<const std::byte>(pdu);
  host->send(bytes.first(bytes.size() / 2));
  // Another's time ends meanwhile: both were looked at.
  auto late = target.open();
  REQUIRE(late->connect(1, 16) == 0);
  const Octets read = make_capsule(make_io(wire::IoOpcode::kRead, 1, 0, 512), {}, {});
  late->send(std::span<const std::byte>(read).first(20));
  CHECK(target.await_closed() == "pdu_timeout");
  CHECK(late->receive().closed);
  host->send(bytes.subspan(bytes.size() / 2));
  const Pdu answer = host->receive();
  REQUIRE(!answer.closed);
  CHECK(answer.status() == 0);
}

TEST_CASE("a connection has few commands with the control plane at once, and all in order") {
  TestTarget target;
  auto host = target.open();
  REQUIRE(host->connect(0, 64) == 0);
  target.set_hold(true);
  for (uint16_t cid = 0; cid < 32; ++cid) host->capsule(make_sqe(0x0a, cid));
  REQUIRE(target.await([](const TransportStats& now) { return now.request_await_control == 32; }));
  REQUIRE(await_commands(target, 4));
  CHECK(target.stats().control_commands == 5);  // with Connect
  // Another connection's come behind these few, not behind all.
  auto other = target.open();
  target.set_hold(false);
  REQUIRE(other->connect(0, 64) == 0);
  target.set_hold(true);
  size_t answered = 0;
  while (answered < 32) {
    REQUIRE(await_commands(target, answered + 1));
    for (const ControlEvent& event : target.events()) {
      if (event.type != ControlEventType::Command || event.controller != 1) continue;
      if (event.sqe.cid.get() != answered) continue;
      target.answer({.token = event.token});
      CHECK(host->receive().cid() == answered);
      ++answered;
      break;
    }
  }
  host->close();
  CHECK(target.await_closed() == "host_closed");
}

TEST_CASE(
    "answers that a host does not take hold back its reading commands, before they are made") {
  TestTarget target;
  target.set_command([](const ControlEvent& event) {
    if (event.controller == 0) return ControlAnswer{};
    return ControlAnswer{.data = pattern(16, 3), .bytes = event.data_bytes_max};
  });
  auto host = target.open();
  REQUIRE(host->connect(0, 128) == 0);
  for (uint16_t cid = 0; cid < 100; ++cid) host->capsule(get_log_page(cid, 1 << 20));
  REQUIRE(target.await([](const TransportStats& now) {
    return now.request_await_control + now.request_responding == 100;
  }));
  CHECK(command_count(target) <= 9);  // eight, and one that is being sent
  // They come as the host takes them: what the page does not have is zeros.
  Octets expected = pattern(16, 3);
  expected.resize(1 << 20);
  for (uint16_t cid = 0; cid < 100; ++cid) {
    const Pdu answer = host->receive();
    REQUIRE(answer.type == PduType::kC2hData);
    CHECK(answer.as<wire::C2hData>().cccid.get() == cid);
    REQUIRE(answer.data == expected);
  }
  host->close();
  CHECK(target.await_closed() == "host_closed");
  CHECK(target.at_rest());
}

TEST_CASE("a page is sent to all that read it, and is gone with the last") {
  TestTarget target;
  auto page = std::make_shared<const ControlPage>(pattern(300'000, 5));
  const std::weak_ptr<const ControlPage> seen = page;
  target.set_command([&page](const ControlEvent& event) {
    if (event.controller == 0) return ControlAnswer{};
    return ControlAnswer{.page = page, .page_offset = 100'000, .bytes = event.data_bytes_max};
  });
  auto host = target.open();
  REQUIRE(host->connect(0, 128, {false, true}) == 0);
  for (const uint32_t bytes : {4u, 8192u, 200'000u, 400'000u}) {
    host->capsule(get_log_page(1, bytes));
    const Pdu answer = host->receive();
    CHECK(answer.digests_right);
    Octets expected(page->begin() + 100'000, page->end());
    expected.resize(bytes);
    CHECK(answer.data == expected);
  }
  for (uint16_t cid = 0; cid < 32; ++cid) host->capsule(get_log_page(cid, 1 << 20));
  REQUIRE(target.await([](const TransportStats& now) { return now.request_responding >= 8; }));
  target.set_command([](const ControlEvent&) { return ControlAnswer{}; });
  page.reset();
  CHECK(!seen.expired());
  host->close();
  (void)target.await_closed();
  CHECK(target.at_rest());
  CHECK(seen.expired());
}

}  // namespace capsuled::transport::testing
