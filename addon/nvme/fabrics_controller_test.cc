#include "nvme/fabrics_controller.h"

#include <doctest/doctest.h>

#include <atomic>
#include <deque>

#include "nvme/testing/scripted_controller.h"
#include "wire/identify.h"

namespace capsuled::nvme::testing {
namespace {

using wire::PduType;

/// What the controller is, and what it answers while a host comes up.
struct Personality {
  uint64_t cap = wire::Cap::To::set(wire::Cap::Mqes::set(uint64_t{0}, uint64_t{127}), uint64_t{2});
  std::vector<uint32_t> csts = {wire::Csts::Rdy::set(0u, 1u)};  ///< one after the other
  uint32_t connect_dw0 = 0x0007;
  uint8_t mdts = 5;
  uint32_t ioccsz = (64 + 8192) / 16;
  uint32_t queues = 8;
  uint64_t nsze = 1000;
  uint8_t lbads = 12;
  uint16_t metadata = 0;
  uint16_t kas = 1;
  uint16_t icdoff = 0;
  uint16_t maxcmd = 0;
  /// The command that fails, counted from the Connect of the admin queue; -1: none.
  int failing = -1;
  wire::Status status = wire::GenericStatus::kInvalidField;
};

struct Fixture : ControllerOwner {
  Fixture() {
    host.run([this] { controller = std::make_unique<FabricsController>(host.reactor(), *this); });
    options.address = target.address();
    options.subnqn = "nqn.2026-11.com.example:disk0";
    options.hostnqn = "nqn.2026-11.com.example:host";
    options.hostid[0] = std::byte{0x5a};
    options.nsids = {3};
    options.io_entries = 9;
  }
  ~Fixture() override {
    peers.clear();
    if (open) {
      host.run([this] { controller->disconnect(); });
      while (journal.next().rfind("closed: ", 0) != 0) {
      }
    }
    host.run([this] { controller.reset(); });
  }

  void controller_live(Controller&) override { journal.add("live"); }
  void controller_closed(Controller& closed, const std::string& reason) override {
    open = false;
    journal.add(closed.idle() ? "closed: " + reason : "closed too early");
    if (!connect_again) return;
    connect_again = false;
    begin();
  }
  void begin() {
    open = true;
    controller->connect(options);
  }
  void connect() {
    host.run([this] { begin(); });
  }

  PduPeer& accept() {
    peers.push_back(target.accept());
    const Pdu pdu = peers.back().receive();
    if (pdu.closed || pdu.type != PduType::kIcReq) FAIL("no ICReq came: ", journal.next());
    peers.back().send(make_ic_resp({}));
    return peers.back();
  }
  void note_connect(const Pdu& pdu) {
    const auto& sqe = pdu.as<wire::CapsuleCmdHeader>().sqe;
    connects.push_back(wire::view_as<wire::ConnectCommand>(wire::bytes_of(sqe)));
    REQUIRE(pdu.data.size() == sizeof(wire::ConnectData));
    connect_data.push_back(wire::view_as<wire::ConnectData>(std::span<const std::byte>(pdu.data)));
  }
  /// Answers one command; false: the connection has ended.
  bool serve(PduPeer& peer, Personality& is) {
    const Pdu pdu = peer.receive();
    if (pdu.closed) return false;
    REQUIRE(pdu.type == PduType::kCapsuleCmd);
    const auto& sqe = pdu.as<wire::CapsuleCmdHeader>().sqe;
    wire::CompletionQueueEntry cqe = make_cqe(sqe.cid.get());
    if (is.failing-- == 0) {
      cqe.status.set(is.status.pack());
      peer.send(make_response(cqe, {}));
      return true;
    }
    Octets page;
    if (sqe.opcode == wire::kFabricsOpcode) {
      const auto& command = wire::view_as<wire::ConnectCommand>(wire::bytes_of(sqe));
      switch (static_cast<wire::FabricsCommandType>(command.fctype)) {
        case wire::FabricsCommandType::kConnect:
          note_connect(pdu);
          cqe.dw0.set(is.connect_dw0);
          break;
        case wire::FabricsCommandType::kPropertyGet: {
          const auto& get = wire::view_as<wire::PropertyGetCommand>(wire::bytes_of(sqe));
          uint64_t value = is.cap;
          if (get.ofst.get() == static_cast<uint32_t>(wire::Property::kCsts)) {
            value = is.csts.front();
            if (is.csts.size() > 1) is.csts.erase(is.csts.begin());
          }
          cqe.dw0.set(static_cast<uint32_t>(value));
          cqe.dw1.set(static_cast<uint32_t>(value >> 32));
          break;
        }
        case wire::FabricsCommandType::kPropertySet: {
          const auto& set = wire::view_as<wire::PropertySetCommand>(wire::bytes_of(sqe));
          CHECK(wire::Cc::En::get(static_cast<uint32_t>(set.value.get())) == 1);
          break;
        }
        default: FAIL("an unknown Fabrics command");
      }
    } else if (sqe.opcode == static_cast<uint8_t>(wire::AdminOpcode::kIdentify)) {
      page = sqe.nsid.get() == 0 ? controller_page(is) : namespace_page(is);
      if (sqe.nsid.get() != 0) CHECK(sqe.nsid.get() == options.nsids.front());
    } else if (sqe.opcode == static_cast<uint8_t>(wire::AdminOpcode::kSetFeatures)) {
      cqe.dw0.set((is.queues - 1) << 16 | (is.queues - 1));
    } else if (sqe.opcode == static_cast<uint8_t>(wire::AdminOpcode::kKeepAlive)) {
      ++keep_alives;
    }
    if (!page.empty()) {
      peer.send(make_c2h_data(sqe.cid.get(), 0, page, {}, wire::kDataLastPdu));
    }
    peer.send(make_response(cqe, {}));
    return true;
  }
  static Octets controller_page(const Personality& is) {
    wire::IdentifyController page = {};
    page.kas.set(is.kas);
    page.icdoff.set(is.icdoff);
    page.maxcmd.set(is.maxcmd);
    page.mdts = is.mdts;
    page.ioccsz.set(is.ioccsz);
    return octets_of(page);
  }
  static Octets namespace_page(const Personality& is) {
    wire::IdentifyNamespace page = {};
    page.nsze.set(is.nsze);
    page.lbaf[0].lbads = is.lbads;
    page.lbaf[0].ms.set(is.metadata);
    return octets_of(page);
  }
  /// Connects, with `io_queues` of them granted.
  void bring_up(Personality is = {}, uint32_t io_queues = 1) {
    connect();
    serve_all(is, io_queues);
    REQUIRE(journal.next() == "live");
  }
  void serve_all(Personality& is, uint32_t io_queues) {
    const size_t admin = peers.size();
    accept();
    const size_t polls = is.csts.size();
    for (size_t count = 0; count < 6 + polls; ++count) REQUIRE(serve(peers[admin], is));
    for (uint32_t count = 0; count < io_queues; ++count) REQUIRE(serve(accept(), is));
  }
  /// Connects and expects the end with `reason`.
  void expect_end(Personality is, const std::string& reason) {
    connect();
    PduPeer& peer = accept();
    while (serve(peer, is)) {
    }
    CHECK(journal.next() == "closed: " + reason);
    CHECK(journal.empty());
  }

  OnReactor host;
  ScriptedController target;
  std::deque<PduPeer> peers;  // references stay valid
  Journal journal;
  FabricsControllerOptions options;
  std::unique_ptr<FabricsController> controller;
  std::atomic<bool> open{false};
  std::atomic<bool> connect_again{false};
  std::vector<wire::ConnectCommand> connects;
  std::vector<wire::ConnectData> connect_data;
  int keep_alives = 0;
};

struct IoRequest : Request {
  explicit IoRequest(Journal& its_journal) : journal(its_journal) {
    complete = [](Request& request, const wire::CompletionQueueEntry& cqe) {
      static_cast<IoRequest&>(request).journal.add(std::string("I/O: ") +
                                                   wire::status_name(status_of(cqe)));
    };
  }
  Journal& journal;
};

}  // namespace

TEST_CASE("FabricsController: comes up with what the controller granted") {
  Fixture fixture;
  fixture.options.io_queues = 4;
  fixture.options.keep_alive_timeout_ms = 7000;
  Personality is;
  is.queues = 2;
  is.csts = {0, 0, wire::Csts::Rdy::set(0u, 1u)};
  fixture.bring_up(is, 2);
  fixture.host.run([&] {
    CHECK(fixture.controller->live());
    CHECK(fixture.controller->io_queue_count() == 2);
    const NamespaceFacts& facts = fixture.controller->facts();
    CHECK(facts.cntlid == 7);
    CHECK(facts.block_bytes == 4096);
    CHECK(facts.block_count == 1000);
    CHECK(facts.transfer_bytes_max == 131'072);
    CHECK(facts.in_capsule_bytes == 8192);
  });
  REQUIRE(fixture.connects.size() == 3);
  CHECK(fixture.connects[0].kato.get() == 7000);
  CHECK(fixture.connect_data[0].cntlid.get() == wire::kCntlidDynamic);
  for (uint16_t qid = 0; qid < 3; ++qid) {
    CHECK(fixture.connects[qid].qid.get() == qid);
    CHECK(fixture.connects[qid].sqsize.get() == (qid == 0 ? 31 : 8));
    const wire::ConnectData& connect = fixture.connect_data[qid];
    if (qid > 0) CHECK(connect.cntlid.get() == 7);
    CHECK(octets_of(connect)[0] == std::byte{0x5a});
  }
}

TEST_CASE("FabricsController: no MDTS is no limit; no IOCCSZ is no data in capsules") {
  Fixture fixture;
  Personality is;
  is.mdts = 0;
  is.ioccsz = 0;
  fixture.bring_up(is);
  fixture.host.run([&] {
    CHECK(fixture.controller->facts().transfer_bytes_max == UINT32_MAX);
    CHECK(fixture.controller->facts().in_capsule_bytes == 0);
  });
}

TEST_CASE("FabricsController: each command that fails is named with its status") {
  const std::array<const char*, 7> steps = {"Connect",
                                            "Property Get of CAP",
                                            "Property Set of CC",
                                            "Property Get of CSTS",
                                            "Identify Controller",
                                            "Number of Queues",
                                            "Identify Namespace"};
  for (size_t step = 0; step < steps.size(); ++step) {
    Fixture fixture;
    Personality is;
    is.failing = static_cast<int>(step);
    is.status = wire::GenericStatus::kInternalError;
    fixture.expect_end(is, std::string(steps[step]) + ": Internal Error (SCT 0h, SC 06h)");
  }
}

TEST_CASE("FabricsController: an I/O queue that is refused") {
  Fixture fixture;
  Personality is;
  is.failing = 7;
  fixture.connect();
  fixture.accept();
  for (int count = 0; count < 7; ++count) REQUIRE(fixture.serve(fixture.peers[0], is));
  REQUIRE(fixture.serve(fixture.accept(), is));
  CHECK(fixture.journal.next() ==
        "closed: Connect of an I/O queue: Invalid Field in Command (SCT 0h, SC 02h)");
}

TEST_CASE("FabricsController: a controller that this host cannot use") {
  const auto expect = [](const std::function<void(Personality&)>& change,
                         const std::string& reason) {
    Fixture fixture;
    Personality is;
    change(is);
    fixture.expect_end(is, reason);
  };
  expect([](Personality& is) { is.connect_dw0 = 0x0002'0007; },
         "Connect: the controller asks for authentication");
  expect([](Personality& is) { is.cap = wire::Cap::Mqes::set(is.cap, uint64_t{7}); },
         "queues have at most 8 entries");
  expect([](Personality& is) { is.csts = {wire::Csts::Cfs::set(0u, 1u)}; },
         "the controller has failed (CSTS.CFS)");
  expect(
      [](Personality& is) {
        is.csts = {0};
        is.cap = wire::Cap::To::set(is.cap, uint64_t{1});
      },
      "the controller did not become ready in the time it stated (CAP.TO)");
  expect([](Personality& is) { is.kas = 0; }, "the controller cannot be kept alive (KAS is 0)");
  expect([](Personality& is) { is.icdoff = 4; },
         "the controller wants the data of capsules elsewhere: expected 0 for ICDOFF, got 4");
  expect([](Personality& is) { is.maxcmd = 8; }, "queues have at most 8 entries (MAXCMD)");
  expect([](Personality& is) { is.nsze = 0; }, "there is no namespace 3");
  const std::string expected =
      "; expected 512 to 65536 bytes without metadata, and it has no such format";
  expect([](Personality& is) { is.lbads = 8; }, "namespace 3 has blocks of 256 bytes" + expected);
  expect([](Personality& is) { is.lbads = 21; },
         "namespace 3 has blocks of 2097152 bytes" + expected);
  expect([](Personality& is) { is.metadata = 8; },
         "namespace 3 has blocks of 4096 bytes with 8 bytes of metadata" + expected);
}

TEST_CASE("FabricsController: a queue that ends says why, and not its command") {
  SUBCASE("nobody listens") {
    Fixture fixture;
    fixture.target.stop_listening();
    fixture.connect();
    CHECK(fixture.journal.next() == "closed: the admin queue ended: connection_refused");
  }
  SUBCASE("the admin queue, while it waits for Connect") {
    Fixture fixture;
    fixture.connect();
    PduPeer& peer = fixture.accept();
    REQUIRE(peer.receive().type == PduType::kCapsuleCmd);
    peer.close();
    CHECK(fixture.journal.next() == "closed: the admin queue ended: closed_by_controller");
  }
  SUBCASE("an I/O queue, while it waits for Connect") {
    Fixture fixture;
    fixture.connect();
    fixture.accept();
    Personality is;
    for (int count = 0; count < 7; ++count) REQUIRE(fixture.serve(fixture.peers[0], is));
    PduPeer& peer = fixture.accept();
    REQUIRE(peer.receive().type == PduType::kCapsuleCmd);
    peer.close();
    CHECK(fixture.journal.next() == "closed: an I/O queue ended: closed_by_controller");
  }
  SUBCASE("an I/O queue, with I/O outstanding") {
    Fixture fixture;
    fixture.bring_up();
    IoRequest request(fixture.journal);
    fixture.host.run([&] { REQUIRE(fixture.controller->io_qpair(0).submit(request)); });
    REQUIRE(fixture.peers[1].receive().type == PduType::kCapsuleCmd);
    fixture.peers[1].close();
    CHECK(fixture.journal.next() == "I/O: Host Pathing Error");
    CHECK(fixture.journal.next() == "closed: an I/O queue ended: closed_by_controller");
    CHECK(fixture.peers[0].receive().closed);
  }
}

TEST_CASE("FabricsController: a silent controller is given up") {
  SUBCASE("no ICResp") {
    Fixture fixture;
    fixture.options.timeout_ns = 400'000'000;
    fixture.connect();
    fixture.peers.push_back(fixture.target.accept());
    CHECK(fixture.journal.next() == "closed: no answer in 400 ms");
  }
  SUBCASE("no answer to Connect") {
    Fixture fixture;
    fixture.options.timeout_ns = 400'000'000;
    fixture.connect();
    fixture.accept();
    CHECK(fixture.journal.next() == "closed: no answer in 400 ms");
  }
  SUBCASE("no answer to I/O") {
    Fixture fixture;
    fixture.options.timeout_ns = 1'000'000'000;
    fixture.bring_up();
    IoRequest request(fixture.journal);
    fixture.host.run([&] { REQUIRE(fixture.controller->io_qpair(0).submit(request)); });
    CHECK(fixture.journal.next() == "I/O: Host Pathing Error");
    CHECK(fixture.journal.next() == "closed: no answer in 1000 ms");
  }
}

TEST_CASE("FabricsController: Keep Alive goes out twice in each time-out, and must be answered") {
  Fixture fixture;
  fixture.options.keep_alive_timeout_ms = 500;
  fixture.bring_up();
  Personality is;
  for (int count = 0; count < 3; ++count) REQUIRE(fixture.serve(fixture.peers[0], is));
  CHECK(fixture.keep_alives == 3);
  is.failing = 0;
  REQUIRE(fixture.serve(fixture.peers[0], is));
  CHECK(fixture.journal.next() == "closed: Keep Alive: Invalid Field in Command (SCT 0h, SC 02h)");
}

TEST_CASE("FabricsController: disconnect() at each step, and connect again") {
  Fixture fixture;
  fixture.host.run([&] {
    fixture.controller->disconnect();
    fixture.begin();
    fixture.controller->disconnect();
    fixture.controller->disconnect();
  });
  CHECK(fixture.journal.next() == "closed: ");
  fixture.peers.push_back(fixture.target.accept());
  for (int step = 0; step < 8; ++step) {
    CAPTURE(step);
    fixture.peers.clear();
    fixture.connect();
    Personality is;
    fixture.accept();
    for (int count = 0; count < std::min(step, 7); ++count) {
      REQUIRE(fixture.serve(fixture.peers[0], is));
    }
    PduPeer& last = step == 7 ? fixture.accept() : fixture.peers[0];
    REQUIRE(last.receive().type == PduType::kCapsuleCmd);
    fixture.host.run([&] { fixture.controller->disconnect(); });
    CHECK(fixture.journal.next() == "closed: ");
  }
  fixture.peers.clear();
  fixture.bring_up();
  // From inside the news of the end.
  fixture.connect_again = true;
  fixture.peers[1].close();
  CHECK(fixture.journal.next() == "closed: an I/O queue ended: closed_by_controller");
  fixture.peers.clear();
  Personality is;
  fixture.serve_all(is, 1);
  CHECK(fixture.journal.next() == "live");
  CHECK(fixture.journal.empty());
}

}  // namespace capsuled::nvme::testing
