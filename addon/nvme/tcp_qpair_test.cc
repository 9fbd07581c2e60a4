#include "nvme/tcp_qpair.h"

#include <doctest/doctest.h>

#include <atomic>

#include "nvme/testing/scripted_controller.h"

namespace capsuled::nvme::testing {
namespace {

using wire::PduType;

constexpr uint8_t kSuccessful = wire::kDataLastPdu | wire::kDataSuccess;

/// A request that writes down how it ended, and into what its data are cut.
struct TestRequest : Request {
  TestRequest(std::string its_name, Journal& its_journal, Transfer way, Octets octets,
              size_t segments = 1)
      : name(std::move(its_name)), journal(its_journal), memory(std::move(octets)) {
    transfer = way;
    bytes = static_cast<uint32_t>(memory.size());
    for (size_t index = 0, at = 0; index < segments && bytes > 0; ++index) {
      const size_t end = index + 1 == segments ? memory.size() : at + memory.size() / segments;
      places.push_back({memory.data() + at, end - at});
      at = end;
    }
    iov = places.data();
    sqe = make_sqe(static_cast<uint8_t>(way == Transfer::ToController ? wire::IoOpcode::kWrite
                                                                      : wire::IoOpcode::kRead),
                   0);
    complete = [](Request& request, const wire::CompletionQueueEntry& cqe) {
      auto& self = static_cast<TestRequest&>(request);
      // Once it is written down, the test may end the request's life.
      const std::function<void()> next = self.then;
      self.journal.add(self.name + ": " + wire::status_name(status_of(cqe)));
      if (next) next();
    };
  }

  std::string name;
  Journal& journal;
  Octets memory;
  std::vector<iovec> places;
  std::function<void()> then;
};

/// A qpair on a reactor, and the controller that it is connected to.
struct Fixture : TcpQpairOwner {
  explicit Fixture(Digests its_digests = {}) : digests(its_digests) {
    host.run([this] { qpair = std::make_unique<TcpQpair>(host.reactor(), *this); });
  }
  ~Fixture() override {
    peer.close();
    if (open) {
      terminate("the_test_has_ended");
      while (journal.next().rfind("closed: ", 0) != 0) {
      }
    }
    host.run([this] { qpair.reset(); });
  }

  void qpair_live(TcpQpair&) override { journal.add("live"); }
  void qpair_closed(TcpQpair& closed, const char* reason) override {
    open = false;
    if (closed.outstanding() != 0 || !closed.idle()) journal.add("closed too early");
    journal.add(std::string("closed: ") + reason);
    if (then_connect) {
      then_connect = false;
      begin();
    }
  }

  /// On the reactor's thread.
  void begin() {
    open = true;
    qpair->connect({.address = controller.address(),
                    .digests = {digests.header, digests.data},
                    .entries = entries,
                    .in_capsule_bytes = 8192});
  }
  void connect() {
    host.run([this] { begin(); });
  }
  void accept() {
    peer = controller.accept();
    const Pdu pdu = peer.receive();
    if (pdu.closed) FAIL("no ICReq came: ", journal.next());
    REQUIRE(pdu.type == PduType::kIcReq);
    CHECK(pdu.as<wire::IcReq>().pfv.get() == 0);
    CHECK(pdu.as<wire::IcReq>().hpda == 0);
    CHECK(pdu.as<wire::IcReq>().maxr2t.get() == 0);
    CHECK(pdu.as<wire::IcReq>().dgst == ((digests.header ? 1 : 0) | (digests.data ? 2 : 0)));
  }
  void bring_up(uint32_t maxh2cdata = 131072) {
    connect();
    accept();
    peer.send(make_ic_resp(digests, maxh2cdata));
    REQUIRE(journal.next() == "live");
  }
  bool submit(Request& request) {
    bool taken = false;
    host.run([&] { taken = qpair->submit(request); });
    return taken;
  }
  void terminate(const char* reason) {
    host.run([this, reason] { qpair->terminate(reason); });
  }
  /// The CapsuleCmd of a request that was just submitted.
  Pdu command() {
    Pdu pdu = peer.receive();
    if (pdu.closed) FAIL("no command came: ", journal.next());
    REQUIRE(pdu.type == PduType::kCapsuleCmd);
    CHECK(pdu.digests_right);
    CHECK(((pdu.flags & wire::kHdgstf) != 0) == digests.header);
    return pdu;
  }
  uint16_t submitted(TestRequest& request) {
    REQUIRE(submit(request));
    return command().as<wire::CapsuleCmdHeader>().sqe.cid.get();
  }
  /// Sends `pdu` and expects the end: `request` fails, once, then the qpair closes.
  void expect_end(const Octets& pdu, const std::string& reason) {
    peer.send(pdu);
    CHECK(journal.next() == "request: Host Pathing Error");
    CHECK(journal.next() == "closed: " + reason);
  }
  void answer(uint16_t cid, wire::Status status = {}) {
    peer.send(make_response(make_cqe(cid, status), digests));
  }

  OnReactor host;
  ScriptedController controller;
  PduPeer peer;
  Digests digests;
  Journal journal;
  uint16_t entries = 5;
  std::unique_ptr<TcpQpair> qpair;
  std::atomic<bool> open{false};
  std::atomic<bool> then_connect{false};
};

constexpr std::array<Digests, 4> kDigestChoices = {
    {{false, false}, {true, false}, {false, true}, {true, true}}};

/// `pdu` with one bit turned.
Octets damaged(Octets pdu, size_t offset) {
  pdu[offset] ^= std::byte{1};
  return pdu;
}

}  // namespace

TEST_CASE("TcpQpair: data of small writes go in the capsule, those of large ones when asked for") {
  for (const Digests digests : kDigestChoices) {
    CAPTURE(digests.header);
    CAPTURE(digests.data);
    Fixture fixture(digests);
    fixture.bring_up(4096);
    TestRequest small("small", fixture.journal, Transfer::ToController, pattern(8192, 1), 3);
    REQUIRE(fixture.submit(small));
    const Pdu capsule = fixture.command();
    CHECK(capsule.data == small.memory);
    CHECK(capsule.as<wire::CapsuleCmdHeader>().sqe.dptr.length.get() == 8192);
    fixture.answer(capsule.as<wire::CapsuleCmdHeader>().sqe.cid.get());
    CHECK(fixture.journal.next() == "small: Successful Completion");

    // Asked for in two parts, each cut by MAXH2CDATA.
    TestRequest large("large", fixture.journal, Transfer::ToController, pattern(20'000, 2), 7);
    const uint16_t cid = fixture.submitted(large);
    Octets sent;
    for (const uint32_t part : {12'000u, 8'000u}) {
      const auto offset = static_cast<uint32_t>(sent.size());
      fixture.peer.send(make_r2t(cid, 0x1234, offset, part, digests));
      for (uint32_t left = part; left > 0;) {
        const Pdu pdu = fixture.peer.receive();
        REQUIRE(pdu.type == PduType::kH2cData);
        const auto& header = pdu.as<wire::H2cData>();
        CHECK(pdu.digests_right);
        CHECK(((pdu.flags & wire::kDdgstf) != 0) == digests.data);
        CHECK(header.cccid.get() == cid);
        CHECK(header.ttag.get() == 0x1234);
        CHECK(header.datao.get() == sent.size());
        REQUIRE(header.datal.get() == pdu.data.size());
        CHECK(pdu.data.size() == std::min(left, 4096u));
        left -= header.datal.get();
        CHECK(((pdu.flags & wire::kDataLastPdu) != 0) == (left == 0));
        sent.insert(sent.end(), pdu.data.begin(), pdu.data.end());
      }
    }
    CHECK(sent == large.memory);
    fixture.answer(cid);
    CHECK(fixture.journal.next() == "large: Successful Completion");
  }
}

TEST_CASE("TcpQpair: data of a read come in several PDUs, split in any way, with either end") {
  Prng prng(7);
  for (const Digests digests : kDigestChoices) {
    Fixture fixture(digests);
    fixture.bring_up();
    for (uint32_t round = 0; round < 24; ++round) {
      CAPTURE(round);
      const Octets data = pattern(round % 2 == 0 ? 100'000 : 5'000, round);
      TestRequest read("read", fixture.journal, Transfer::FromController, Octets(data.size()),
                       1 + round % 5);
      const uint16_t cid = fixture.submitted(read);
      Octets stream;
      const bool success_in_data = round % 3 == 0;
      for (size_t at = 0; at < data.size();) {
        const size_t length = std::min<size_t>(data.size() - at, 1 + prng.below(40'000));
        const Octets part(data.begin() + static_cast<ptrdiff_t>(at),
                          data.begin() + static_cast<ptrdiff_t>(at + length));
        const bool last = at + length == data.size();
        const uint8_t flags =
            !last ? uint8_t{0} : (success_in_data ? kSuccessful : wire::kDataLastPdu);
        const Octets pdu = make_c2h_data(cid, static_cast<uint32_t>(at), part, digests, flags);
        stream.insert(stream.end(), pdu.begin(), pdu.end());
        at += length;
      }
      if (!success_in_data) {
        const Octets pdu = make_response(make_cqe(cid), digests);
        stream.insert(stream.end(), pdu.begin(), pdu.end());
      }
      const size_t piece = 1 + prng.below(round % 4 == 1 ? 100 : 50'000);
      for (size_t at = 0; at < stream.size(); at += piece) {
        fixture.peer.send(std::span(stream).subspan(at, std::min(piece, stream.size() - at)));
      }
      REQUIRE(fixture.journal.next() == "read: Successful Completion");
      CHECK(read.memory == data);
    }
  }
}

TEST_CASE("TcpQpair: one less than its entries may be outstanding; answers come in any order") {
  Fixture fixture;
  fixture.bring_up();
  TestRequest more("more", fixture.journal, Transfer::None, {});
  std::vector<std::unique_ptr<TestRequest>> requests;
  std::vector<uint16_t> cids;
  for (const char* name : {"a", "b", "c", "d"}) {
    requests.push_back(
        std::make_unique<TestRequest>(name, fixture.journal, Transfer::None, Octets()));
    // Submitted again from inside a completion.
    if (requests.size() == 3) {
      requests.back()->then = [&] {
        if (!fixture.qpair->submit(more)) fixture.journal.add("refused");
      };
    }
    cids.push_back(fixture.submitted(*requests.back()));
  }
  CHECK(!fixture.submit(more));
  for (const size_t index : {2u, 0u, 3u, 1u}) {
    fixture.answer(cids[index], wire::Status(wire::GenericStatus::kInvalidField));
    CHECK(fixture.journal.next() == requests[index]->name + ": Invalid Field in Command");
  }
  CHECK(fixture.command().as<wire::CapsuleCmdHeader>().sqe.cid.get() == cids[2]);
  fixture.answer(cids[2]);
  CHECK(fixture.journal.next() == "more: Successful Completion");
}

TEST_CASE("TcpQpair: a wrong data digest fails that command alone, and can be tried again") {
  Fixture fixture({false, true});
  fixture.bring_up();
  for (const size_t bytes : {size_t{4096}, size_t{65'536}}) {
    const Octets data = pattern(bytes, 3);
    TestRequest read("read", fixture.journal, Transfer::FromController, Octets(bytes));
    for (const bool wrong : {true, false}) {
      const uint16_t cid = fixture.submitted(read);
      const Octets pdu = make_c2h_data(cid, 0, data, {false, true}, kSuccessful);
      fixture.peer.send(wrong ? damaged(pdu, pdu.size() - 1) : pdu);
      CHECK(fixture.journal.next() ==
            (wrong ? "read: Transient Transport Error" : "read: Successful Completion"));
    }
    CHECK(read.memory == data);
    // Of two PDUs the first is damaged.
    const uint16_t cid = fixture.submitted(read);
    const Octets half(data.begin(), data.begin() + static_cast<ptrdiff_t>(bytes / 2));
    const auto offset = static_cast<uint32_t>(bytes / 2);
    fixture.peer.send(damaged(make_c2h_data(cid, 0, half, {false, true}, 0), 24));
    fixture.peer.send(make_c2h_data(cid, offset, half, {false, true}, wire::kDataLastPdu));
    fixture.answer(cid);
    CHECK(fixture.journal.next() == "read: Transient Transport Error");
  }
}

TEST_CASE("TcpQpair: an error in what the controller sends ends the connection, with its reason") {
  struct Mistake {
    const char* reason;
    Transfer transfer;
    std::function<Octets(uint16_t cid)> pdu;
  };
  const Octets data(16'384);
  const Octets little(512);
  const auto c2h = [](uint16_t cid, uint32_t datao, const Octets& octets, uint8_t flags) {
    return make_c2h_data(cid, datao, octets, {}, flags);
  };
  const auto respond = [](uint16_t cid) { return make_response(make_cqe(cid), {}); };
  const auto joined = [](Octets first, const Octets& second) {
    first.insert(first.end(), second.begin(), second.end());
    return first;
  };
  const std::vector<Mistake> mistakes = {
      {"invalid_cid", Transfer::None, [&](uint16_t cid) { return respond(cid ^ 1); }},
      {"invalid_cid", Transfer::None, [&](uint16_t) { return respond(0xffff); }},
      {"data_missing", Transfer::FromController, [&](uint16_t cid) { return respond(cid); }},
      {"data_missing", Transfer::FromController,
       [&](uint16_t cid) { return joined(c2h(cid, 0, little, 0), respond(cid)); }},
      {"data_missing", Transfer::FromController,
       [&](uint16_t cid) { return c2h(cid, 0, little, kSuccessful); }},
      {"invalid_cccid", Transfer::FromController,
       [&](uint16_t cid) { return c2h(cid ^ 1, 0, data, kSuccessful); }},
      {"invalid_cccid", Transfer::ToController,
       [&](uint16_t cid) { return c2h(cid, 0, little, 0); }},
      {"invalid_cccid", Transfer::None, [&](uint16_t cid) { return c2h(cid, 0, little, 0); }},
      {"data_transfer_out_of_range", Transfer::FromController,
       [&](uint16_t cid) { return c2h(cid, 512, little, 0); }},
      {"data_transfer_out_of_range", Transfer::FromController,
       [&](uint16_t cid) { return c2h(cid, 0, Octets(16'385), 0); }},
      {"data_transfer_out_of_range", Transfer::FromController,
       [&](uint16_t cid) { return joined(c2h(cid, 0, little, 0), c2h(cid, 0, little, 0)); }},
      {"data_transfer_out_of_range", Transfer::FromController,
       [&](uint16_t cid) { return c2h(cid, 0, {}, wire::kDataLastPdu); }},
      {"invalid_pdu_header", Transfer::FromController,
       [&](uint16_t cid) { return c2h(cid, 0, data, wire::kDataSuccess); }},
      {"invalid_cccid", Transfer::FromController,
       [&](uint16_t cid) { return make_r2t(cid, 1, 0, 512, {}); }},
      {"invalid_cccid", Transfer::ToController,
       [&](uint16_t cid) { return make_r2t(cid ^ 1, 1, 0, 512, {}); }},
      {"data_transfer_out_of_range", Transfer::ToController,
       [&](uint16_t cid) { return make_r2t(cid, 1, 0, 16'385, {}); }},
      {"data_transfer_out_of_range", Transfer::ToController,
       [&](uint16_t cid) { return make_r2t(cid, 1, 16'384, 1, {}); }},
      {"data_transfer_out_of_range", Transfer::ToController,
       [&](uint16_t cid) { return make_r2t(cid, 1, 0xffff'fe00, 1024, {}); }},
      {"data_transfer_out_of_range", Transfer::ToController,
       [&](uint16_t cid) { return make_r2t(cid, 1, 0, 0, {}); }},
      {"invalid_cccid", Transfer::ToController,
       [&](uint16_t cid) {
         return joined(make_r2t(cid, 1, 0, 512, {}), make_r2t(cid, 2, 512, 512, {}));
       }},
      {"pdu_sequence_error", Transfer::None, [&](uint16_t) { return make_ic_resp({}); }},
      {"controller_terminated", Transfer::None,
       [&](uint16_t) { return make_c2h_term_req(wire::FatalErrorStatus::kInvalidPduHeaderField); }},
      {"invalid_pdu_header", Transfer::None, [&](uint16_t) { return make_ic_req({}); }},
      {"invalid_pdu_header", Transfer::None,
       [&](uint16_t cid) { return damaged(respond(cid), 2); }},
  };
  for (const Mistake& mistake : mistakes) {
    CAPTURE(&mistake - mistakes.data());
    Fixture fixture;
    fixture.bring_up();
    const bool bare = mistake.transfer == Transfer::None;
    TestRequest request("request", fixture.journal, mistake.transfer,
                        bare ? Octets() : Octets(data));
    const uint16_t cid = fixture.submitted(request);
    fixture.expect_end(mistake.pdu(cid), mistake.reason);
    CHECK(fixture.journal.empty());
  }
}

TEST_CASE("TcpQpair: a CID that is answered twice ends the connection; the first answer holds") {
  Fixture fixture;
  fixture.bring_up();
  TestRequest first("first", fixture.journal, Transfer::None, {});
  TestRequest other("request", fixture.journal, Transfer::None, {});
  const uint16_t cid = fixture.submitted(first);
  (void)fixture.submitted(other);
  fixture.answer(cid);
  CHECK(fixture.journal.next() == "first: Successful Completion");
  fixture.expect_end(make_response(make_cqe(cid), {}), "invalid_cid");
  CHECK(fixture.journal.empty());
}

TEST_CASE("TcpQpair: a wrong header digest ends the connection") {
  Fixture fixture({true, true});
  fixture.bring_up();
  TestRequest request("request", fixture.journal, Transfer::FromController, Octets(512));
  const uint16_t cid = fixture.submitted(request);
  fixture.expect_end(damaged(make_response(make_cqe(cid), {true, true}), 9), "header_digest_error");
}

TEST_CASE("TcpQpair: the controller goes away between PDUs and in the middle of one") {
  const Octets pdu = make_c2h_data(0, 0, Octets(65'536), {}, kSuccessful);
  for (const size_t bytes : {size_t{0}, size_t{1}, size_t{8}, size_t{24}, size_t{1000},
                             size_t{60'000}, pdu.size() - 1}) {
    CAPTURE(bytes);
    Fixture fixture;
    fixture.bring_up();
    TestRequest request("request", fixture.journal, Transfer::FromController, Octets(65'536));
    Octets stream = pdu;
    stream.resize(bytes);
    const uint16_t cid = fixture.submitted(request);
    if (bytes > 9) stream[8] = static_cast<std::byte>(cid);
    fixture.peer.send(stream);
    fixture.peer.close();
    CHECK(fixture.journal.next() == "request: Host Pathing Error");
    CHECK(fixture.journal.next() == "closed: closed_by_controller");
  }
}

TEST_CASE("TcpQpair: an ICResp that asks for what is not done ends the connection") {
  const auto with = [](size_t offset, uint8_t value) {
    Octets pdu = make_ic_resp({});
    pdu[offset] = std::byte{value};
    return pdu;
  };
  const std::vector<std::pair<Octets, const char*>> mistakes = {
      {with(8, 1), "unsupported_parameter"},              // PFV
      {with(10, 1), "unsupported_parameter"},             // CPDA
      {with(11, 1), "unsupported_parameter"},             // DGST, not asked for
      {make_ic_resp({}, 4095), "unsupported_parameter"},  // MAXH2CDATA
      {make_response(make_cqe(0), {}), "pdu_sequence_error"},
      {make_c2h_term_req(wire::FatalErrorStatus::kUnsupportedParameter), "controller_terminated"},
      {Octets(), "closed_by_controller"},
  };
  for (const auto& [pdu, reason] : mistakes) {
    Fixture fixture;
    fixture.connect();
    fixture.accept();
    fixture.peer.send(pdu);
    if (pdu.empty()) fixture.peer.close();
    CHECK(fixture.journal.next() == std::string("closed: ") + reason);
  }
  Fixture fixture({true, true});
  fixture.connect();
  fixture.accept();
  fixture.peer.send(make_ic_resp({true, false}));
  CHECK(fixture.journal.next() == "closed: unsupported_parameter");
}

TEST_CASE("TcpQpair: nobody listens") {
  Fixture fixture;
  fixture.controller.stop_listening();
  fixture.connect();
  CHECK(fixture.journal.next() == "closed: connection_refused");
}

TEST_CASE("TcpQpair: terminate() in every state") {
  Fixture fixture;
  fixture.terminate("idle");
  fixture.host.run([&] {
    fixture.begin();
    fixture.qpair->terminate("connecting");
    fixture.qpair->terminate("closing");
    TestRequest request("request", fixture.journal, Transfer::None, {});
    if (fixture.qpair->submit(request)) fixture.journal.add("taken");
  });
  CHECK(fixture.journal.next() == "closed: connecting");
  fixture.peer = fixture.controller.accept();

  fixture.connect();
  fixture.accept();
  fixture.terminate("await_ic_resp");
  CHECK(fixture.journal.next() == "closed: await_ic_resp");

  fixture.bring_up();
  fixture.terminate("live");
  CHECK(fixture.journal.next() == "closed: live");
  CHECK(fixture.journal.empty());
}

TEST_CASE("TcpQpair: terminate() while data are on their way fails all requests, once") {
  Fixture fixture;
  fixture.bring_up(1 << 20);
  TestRequest read("read", fixture.journal, Transfer::FromController, Octets(65'536));
  const uint16_t read_cid = fixture.submitted(read);
  // Nobody takes it: the send stays in the ring.
  TestRequest write("write", fixture.journal, Transfer::ToController, Octets(16 << 20));
  const uint16_t write_cid = fixture.submitted(write);
  fixture.peer.send(make_r2t(write_cid, 1, 0, 16 << 20, {}));
  REQUIRE(fixture.peer.receive().type == PduType::kH2cData);
  Octets half = make_c2h_data(read_cid, 0, Octets(65'536), {}, kSuccessful);
  half.resize(30'000);
  fixture.peer.send(half);
  TestRequest waits("waits", fixture.journal, Transfer::None, {});
  REQUIRE(fixture.submit(waits));
  fixture.terminate("enough");
  std::vector<std::string> seen;
  for (int count = 0; count < 3; ++count) seen.push_back(fixture.journal.next());
  std::sort(seen.begin(), seen.end());
  CHECK(seen == std::vector<std::string>{"read: Host Pathing Error", "waits: Host Pathing Error",
                                         "write: Host Pathing Error"});
  CHECK(fixture.journal.next() == "closed: enough");
  CHECK(fixture.journal.empty());
}

TEST_CASE("TcpQpair: data that the kernel still reads are not given back by an early answer") {
  Fixture fixture;
  fixture.bring_up(1 << 20);
  TestRequest read("read", fixture.journal, Transfer::None, {});
  const uint16_t read_cid = fixture.submitted(read);
  constexpr uint32_t kBytes = 16 << 20;
  TestRequest write("write", fixture.journal, Transfer::ToController, pattern(kBytes, 1));
  const uint16_t cid = fixture.submitted(write);
  fixture.peer.send(make_r2t(cid, 1, 0, kBytes, {}));
  Pdu data = fixture.peer.receive();
  REQUIRE(data.type == PduType::kH2cData);
  // Most of it is still in the ring when the write is answered, before another one.
  fixture.answer(cid);
  fixture.answer(read_cid);
  CHECK(fixture.journal.next() == "read: Successful Completion");
  CHECK(fixture.journal.empty());
  SUBCASE("it is, when it was sent") {
    Octets sent = std::move(data.data);
    while (sent.size() < kBytes) {
      data = fixture.peer.receive();
      REQUIRE(data.type == PduType::kH2cData);
      sent.insert(sent.end(), data.data.begin(), data.data.end());
    }
    CHECK(fixture.journal.next() == "write: Successful Completion");
    CHECK(sent == write.memory);
  }
  SUBCASE("there is one answer") {
    fixture.answer(cid);
    CHECK(fixture.journal.next() == "write: Host Pathing Error");
    CHECK(fixture.journal.next() == "closed: invalid_cid");
  }
  SUBCASE("and nothing is asked for behind it") {
    fixture.peer.send(make_r2t(cid, 2, 0, 512, {}));
    CHECK(fixture.journal.next() == "write: Host Pathing Error");
    CHECK(fixture.journal.next() == "closed: invalid_cccid");
  }
}

TEST_CASE("TcpQpair: what was not delivered when it ended is not delivered later") {
  Fixture fixture;
  fixture.controller.keep_little();
  fixture.bring_up();
  // More than the controller's kernel keeps, less than ours does, which takes it at once.
  TestRequest first("first", fixture.journal, Transfer::ToController, pattern(8192, 1));
  TestRequest second("second", fixture.journal, Transfer::ToController, pattern(8192, 2));
  fixture.host.run([&] {
    if (!fixture.qpair->submit(first) || !fixture.qpair->submit(second))
      fixture.journal.add("full");
  });
  // The beginning of it is there.
  std::byte byte;
  REQUIRE(::recv(fixture.peer.fd(), &byte, 1, MSG_PEEK) == 1);
  fixture.terminate("gives_up");
  CHECK(fixture.journal.next().ends_with(": Host Pathing Error"));
  CHECK(fixture.journal.next().ends_with(": Host Pathing Error"));
  CHECK(fixture.journal.next() == "closed: gives_up");
  // Both may be carried out elsewhere by now. The controller comes back to this connection.
  size_t commands = 0;
  while (!fixture.peer.receive().closed) ++commands;
  CHECK(commands < 2);
}

TEST_CASE("TcpQpair: connects again after its end, from inside the news of it too") {
  Fixture fixture;
  fixture.bring_up();
  TestRequest request("request", fixture.journal, Transfer::FromController, Octets(65'536));
  const uint16_t before = fixture.submitted(request);
  // In the middle of a PDU, so that the reader has to begin anew.
  Octets half = make_c2h_data(before, 0, Octets(65'536), {}, kSuccessful);
  half.resize(100);
  fixture.then_connect = true;
  fixture.peer.send(half);
  fixture.peer.close();
  CHECK(fixture.journal.next() == "request: Host Pathing Error");
  CHECK(fixture.journal.next() == "closed: closed_by_controller");
  fixture.accept();
  fixture.peer.send(make_ic_resp({}));
  REQUIRE(fixture.journal.next() == "live");
  const uint16_t cid = fixture.submitted(request);
  fixture.peer.send(make_c2h_data(cid, 0, pattern(65'536, 1), {}, kSuccessful));
  CHECK(fixture.journal.next() == "request: Successful Completion");
  CHECK(request.memory == pattern(65'536, 1));
}

}  // namespace capsuled::nvme::testing
