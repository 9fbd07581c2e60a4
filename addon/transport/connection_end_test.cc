// Every way to end a connection, in every state of a request, while a send of every kind is with
// the ring, which may complete it, fail it or cancel it afterwards. Memory of a send that is in
// flight must stay as it is (SimRing sees to that), and at the end nothing may be left.
#include <doctest/doctest.h>

#include <array>
#include <string>

#include "transport/testing/stepped_target.h"

namespace capsuled::transport::testing {

namespace {

using wire::IoOpcode;
using wire::PduType;

constexpr uint64_t kSecond = 1'000'000'000;
constexpr uint32_t kSettleTurns = 12;

/// What the ring holds of the connection's sends.
enum class Blocked : uint8_t {
  Nothing,
  IcResp,
  ThisR2t,
  OtherR2t,
  ThisAnswer,
  OtherAnswer,
  HalfThisAnswer,
  HalfOtherAnswer,
};
constexpr std::array kBlockedNames = {"nothing",         "ICResp",
                                      "its R2T",         "R2T of another",
                                      "its answer",      "answer of another",
                                      "half its answer", "half an answer of another"};

enum class State : uint8_t {
  Receiving,
  Waiting,  ///< for buffers: a command without a request
  AwaitHostData,
  InPlace,  ///< AwaitHostData, and the ring receives into its buffers
  Executing,
  Parked,  ///< Executing, as an Asynchronous Event Request
  AwaitControl,
  Responding,
};
constexpr std::array kStateNames = {"receiving", "waiting", "await host data", "in place",
                                    "executing", "parked",  "await control",   "responding"};

enum class End : uint8_t {
  Reset,
  HalfClose,
  Garbage,
  H2cTermReq,
  TimeOut,
  Terminate,
  Abort,
  ControllerReset,
  GroupStop,
};
constexpr std::array kEndNames = {"reset",      "half close",       "garbage",
                                  "H2CTermReq", "time-out",         "terminate",
                                  "abort",      "controller reset", "group stop"};

constexpr std::array kSendEnds = {SendEnd::Whole, SendEnd::Failed, SendEnd::Cancelled};

/// When bdev and control plane say what they still have to say.
enum class Late : uint8_t { BeforeSend, AfterSend };

constexpr uint16_t kCid = 100;  // of the request that is looked at
constexpr uint16_t kOtherCid = 50;
constexpr uint8_t kAdminSend = 0x09;  // Set Features

wire::SubmissionQueueEntry on_namespace(wire::SubmissionQueueEntry sqe, uint32_t nsid) {
  sqe.nsid.set(nsid);
  return sqe;
}

/// Whether a request of such a queue can be in that state beside that send.
bool is_possible(bool admin, Blocked blocked, State state) {
  if (admin && (state == State::Waiting || state == State::InPlace || state == State::Executing)) {
    return false;
  }
  if (!admin && state == State::Parked) return false;
  switch (blocked) {
    case Blocked::Nothing: return state != State::Responding;
    case Blocked::ThisR2t:
      return state != State::Receiving && state != State::Waiting && state != State::Parked &&
             (admin || state != State::AwaitControl);
    // No R2T of its own is with the host then.
    case Blocked::IcResp:
    case Blocked::OtherR2t:
    case Blocked::OtherAnswer: return state != State::InPlace;
    case Blocked::ThisAnswer: return state == State::Responding;
    case Blocked::HalfThisAnswer: return !admin && state == State::Responding;
    case Blocked::HalfOtherAnswer: return !admin && state != State::InPlace;
  }
  UNREACHABLE();
}

/// One connection, brought into a state.
class Scene {
 public:
  Scene(SteppedTarget& target, uint16_t qid, Blocked blocked, State state)
      : target_(target), host_(target), qid_(qid), blocked_(blocked), state_(state) {}

  SteppedHost& host() { return host_; }

  void set() {
    if (blocked_ == Blocked::IcResp) hold();
    host_.connect(1 + qid_, qid_);
    target_.turns(kSettleTurns);
    before_ = target_.stats();
    block();
    begin();
  }

  /// The gauge of the state, against what it was before the commands of the scene.
  bool is_there() const {
    const TransportStats& now = target_.stats();
    switch (state_) {
      case State::Receiving: return now.request_receiving == 1;
      case State::Waiting: return now.commands_parked == 1;
      case State::AwaitHostData: return now.request_await_host_data >= 1;
      case State::InPlace: return now.receives_in_place == before_.receives_in_place + 1;
      case State::Executing:
      case State::Parked: return now.request_executing == 1;
      case State::AwaitControl: return now.request_await_control == 1;
      case State::Responding: return now.request_responding > before_.request_responding;
    }
    UNREACHABLE();
  }

  void end(End end) {
    switch (end) {
      case End::Reset: host_.socket().reset(); return;
      case End::HalfClose: host_.socket().shut_writes(); return;
      case End::Garbage: host_.put(Octets(100'000, std::byte{0xff})); return;
      case End::H2cTermReq: {
        wire::TermReq pdu = {};
        pdu.common.type = static_cast<uint8_t>(PduType::kH2cTermReq);
        pdu.fes.set(1);
        host_.put(make_pdu(octets_of(pdu), Octets(24), {}));
        return;
      }
      case End::TimeOut: target_.advance(60 * kSecond); return;
      case End::Terminate:
        target_.on_reactor([this] { target_.group().terminate(host_.connection(), "test"); });
        return;
      case End::Abort:
        target_.on_reactor(
            [this] { target_.group().abort(host_.connection(), kCid, [](bool) {}); });
        return;
      case End::ControllerReset:
        target_.on_reactor([this] {
          if (qid_ != 0) target_.group().terminate(host_.connection(), "controller_reset");
          if (qid_ == 0) target_.group().reset_controller(1);
        });
        return;
      case End::GroupStop: target_.stop(); return;
    }
  }

  /// Whoever still has something of it lets go; the connection must end then.
  bool let_go() {
    if (host_.other().send_end() != SendEnd::Open) host_.other().end_sends(SendEnd::Open);
    host_.socket().shut_writes();
    return target_.until([this] {
      target_.release_held();
      target_.answer_all();
      target_.advance(kSecond / 1000);
      return !target_.is_open(host_.connection());
    });
  }

 private:
  bool admin() const { return qid_ == 0; }
  void hold() { host_.other().end_sends(SendEnd::Held); }

  void read_held(uint16_t cid, uint32_t bytes) {
    host_.capsule(on_namespace(make_io(IoOpcode::kRead, cid, 0, bytes), 2));
  }
  /// A command whose data are asked for by R2T.
  void send_data(uint16_t cid, uint32_t bytes) {
    auto sqe = admin() ? make_sqe(kAdminSend, cid) : make_io(IoOpcode::kWrite, cid, 0, bytes);
    set_transport_sgl(sqe, bytes);
    host_.capsule(sqe);
  }
  /// A command that is answered at once.
  void ask(uint16_t cid) {
    if (admin()) {
      host_.capsule(make_sqe(0x18, cid));
    } else {
      host_.capsule(on_namespace(make_io(IoOpcode::kRead, cid, 0, 4096), 1));
    }
  }

  /// Puts the send in flight that the scene wants, if it is not one of the request itself.
  void block() {
    const TransportStats& now = target_.stats();
    if (blocked_ != Blocked::Nothing) hold();
    if (blocked_ == Blocked::OtherR2t) {
      send_data(kOtherCid, 4096);
      REQUIRE(target_.until([&] { return now.request_await_host_data == 1; }));
    }
    if (blocked_ == Blocked::OtherAnswer) {
      ask(kOtherCid);
      REQUIRE(target_.until([&] { return now.request_responding == 1; }));
    }
    if (blocked_ == Blocked::HalfOtherAnswer) half_an_answer(kOtherCid);
    target_.turns(kSettleTurns);
    before_ = now;
  }

  /// Two answers behind one that is held; when that is sent, the second does not fit the batch.
  void half_an_answer(uint16_t cid) {
    ask(kOtherCid + 1);
    host_.capsule(on_namespace(make_io(IoOpcode::kRead, kOtherCid + 2, 0, 128 * 1024), 3));
    host_.capsule(on_namespace(make_io(IoOpcode::kRead, cid, 0, 1 << 20), 3));
    REQUIRE(target_.until([this] { return target_.stats().request_responding == 3; }));
    host_.other().end_sends(SendEnd::Whole);
    target_.turns(1);
    hold();
  }

  void begin() {
    switch (state_) {
      case State::Receiving: return begin_receiving();
      case State::Waiting:
        // All of the peer's share is the first one's.
        host_.capsule(on_namespace(make_io(IoOpcode::kRead, kOtherCid + 3, 0, 1 << 20), 2));
        REQUIRE(target_.until([this] { return target_.held().held() == 1; }));
        return host_.capsule(on_namespace(make_io(IoOpcode::kRead, kCid, 0, 1 << 20), 2));
      case State::AwaitHostData: return send_data(kCid, 4096);
      case State::InPlace: return answer_r2t(begin_transfer(0x10000), 20'000);
      case State::Executing:
        if (blocked_ != Blocked::ThisR2t) return read_held(kCid, 4096);
        return answer_r2t(begin_transfer(4096), 4096);
      case State::Parked: return host_.capsule(make_sqe(0x0c, kCid));
      case State::AwaitControl: return begin_control();
      case State::Responding: return begin_responding();
    }
  }
  void begin_receiving() {
    auto sqe = admin() ? make_sqe(kAdminSend, kCid) : make_io(IoOpcode::kWrite, kCid, 0, 4096);
    set_capsule_sgl(sqe, 4096);
    Octets pdu = make_capsule(sqe, Octets(4096), {});
    pdu.resize(2000);
    host_.put(pdu);
  }
  void begin_control() {
    if (blocked_ == Blocked::ThisR2t) return answer_r2t(begin_transfer(4096), 4096);
    // Disconnect is a command of the control plane on either kind of queue.
    auto sqe = make_sqe(wire::kFabricsOpcode, kCid);
    sqe.nsid.set(static_cast<uint8_t>(wire::FabricsCommandType::kDisconnect));
    host_.capsule(sqe);
  }
  void begin_responding() {
    if (blocked_ == Blocked::HalfThisAnswer) return half_an_answer(kCid);
    if (blocked_ != Blocked::ThisR2t) return ask(kCid);
    answer_r2t(begin_transfer(4096), 4096);
    if (!admin()) return;
    REQUIRE(target_.until([this] { return !target_.commands().empty(); }));
    target_.answer_all();
  }
  Pdu begin_transfer(uint32_t bytes) {
    const bool executes = state_ == State::Executing || state_ == State::InPlace;
    auto sqe = admin() ? make_sqe(kAdminSend, kCid) : make_io(IoOpcode::kWrite, kCid, 0, bytes);
    if (!admin()) sqe.nsid.set(executes ? 2 : 1);
    set_transport_sgl(sqe, bytes);
    host_.capsule(sqe);
    return host_.receive(PduType::kR2t);
  }
  /// Sends what the R2T asks for, or only the first `bytes` of it.
  void answer_r2t(const Pdu& r2t, uint32_t bytes) {
    const auto& header = r2t.as<wire::R2t>();
    const uint32_t total = header.r2tl.get();
    Octets pdu = make_h2c_data(kCid, header.ttag.get(), 0, Octets(total), {}, true);
    pdu.resize(sizeof(wire::H2cData) + bytes);
    host_.put(pdu);
  }

  SteppedTarget& target_;
  SteppedHost host_;
  const uint16_t qid_;
  const Blocked blocked_;
  const State state_;
  TransportStats before_;
};

/// Another host, whose commands use what the first one's gave back.
class Bystander {
 public:
  explicit Bystander(SteppedTarget& target) : host_(target) {
    host_.connect(7, 1, 7);
    (void)host_.receive(PduType::kCapsuleResp);
  }
  void work() {
    host_.capsule(make_io(IoOpcode::kWrite, 1, 0, kWriteBytes));
    const Pdu r2t = host_.receive(PduType::kR2t);
    host_.put(make_h2c_data(1, r2t.as<wire::R2t>().ttag.get(), 0, pattern(kWriteBytes, ++seed_), {},
                            true));
    CHECK(host_.receive(PduType::kCapsuleResp).status() == 0);
    for (uint16_t cid = 2; cid < 6; ++cid) {
      host_.capsule(make_io(IoOpcode::kRead, cid, 0, 8192));
      CHECK(host_.receive(PduType::kC2hData).data.size() == 8192);
    }
  }

 private:
  static constexpr uint32_t kWriteBytes = 16 * 1024;
  SteppedHost host_;
  uint64_t seed_ = 0;
};

/// Every per-state counter but `free` becomes zero, up to connections that live on.
void check_rest(SteppedTarget& target, uint64_t live) {
  const TransportStats& now = target.stats();
  CHECK(target.until([&] { return target.group().connection_count() == live; }));
  CHECK(now.connection_live == live);
  CHECK(now.connection_await_icreq + now.connection_await_connect + now.connection_terminating +
            now.connection_draining + now.connection_closing ==
        0);
  CHECK(now.request_receiving + now.commands_parked + now.request_await_host_data +
            now.request_executing + now.request_await_control + now.request_responding +
            now.request_retiring ==
        0);
  CHECK(read_stat(target.reactor_stats().requests_used) == 0);
  CHECK(read_stat(target.reactor_stats().small_buffers_used) == 0);
  CHECK(read_stat(target.reactor_stats().large_buffers_used) == 0);
}

void play(SteppedTarget& target, Bystander& bystander, Scene& scene, End end, SendEnd send_end,
          Late late) {
  scene.set();
  REQUIRE(target.until([&] { return scene.is_there(); }));
  scene.end(end);
  target.turns(kSettleTurns);
  if (end != End::GroupStop) bystander.work();
  if (late == Late::BeforeSend) {
    target.release_held();
    target.answer_all();
    target.turns(kSettleTurns);
  } else {
    // A C2HTermReq that cannot be sent gives up.
    target.advance(3 * kSecond);
    target.turns(kSettleTurns);
  }
  if (scene.host().other().send_end() == SendEnd::Held) scene.host().other().end_sends(send_end);
  target.turns(kSettleTurns);
  if (end != End::GroupStop) bystander.work();
  CHECK(scene.let_go());
}

constexpr auto kBlocked = std::to_array(
    {Blocked::Nothing, Blocked::IcResp, Blocked::ThisR2t, Blocked::OtherR2t, Blocked::ThisAnswer,
     Blocked::OtherAnswer, Blocked::HalfThisAnswer, Blocked::HalfOtherAnswer});
constexpr auto kStates =
    std::to_array({State::Receiving, State::Waiting, State::AwaitHostData, State::InPlace,
                   State::Executing, State::Parked, State::AwaitControl, State::Responding});

/// ThreadSanitizer needs ten minutes for all of the scenes, whose threads are the same in each.
#ifdef __SANITIZE_THREAD__
constexpr uint32_t kOneOf = 25;
#else
constexpr uint32_t kOneOf = 1;
#endif

/// Plays every scene of a queue with this end, and each send's ends; returns how many there were.
uint32_t play_all(uint16_t qid, End end) {
  uint32_t played = 0;
  std::unique_ptr<SteppedTarget> target;
  std::unique_ptr<Bystander> bystander;
  const auto play_one = [&](Blocked blocked, State state, SendEnd send_end, Late late) {
    if (played++ % kOneOf != 0) return;
    if (target == nullptr || end == End::GroupStop) {
      bystander.reset();
      target = std::make_unique<SteppedTarget>();
      bystander = std::make_unique<Bystander>(*target);
    }
    INFO("blocked: ", std::string(kBlockedNames[static_cast<size_t>(blocked)]));
    INFO("state: ", std::string(kStateNames[static_cast<size_t>(state)]));
    INFO("send ends: ", static_cast<int>(send_end), ", late: ", static_cast<int>(late));
    Scene scene(*target, qid, blocked, state);
    play(*target, *bystander, scene, end, send_end, late);
    check_rest(*target, end == End::GroupStop ? 0 : 1);
  };
  for (const Blocked blocked : kBlocked) {
    for (const State state : kStates) {
      if (!is_possible(qid == 0, blocked, state)) continue;
      for (const Late late : {Late::BeforeSend, Late::AfterSend}) {
        for (const SendEnd send_end : kSendEnds) play_one(blocked, state, send_end, late);
      }
    }
  }
  return played;
}

}  // namespace

TEST_CASE("a connection ends whatever its requests wait for and whatever the ring still holds") {
  for (size_t index = 0; index < kEndNames.size(); ++index) {
    const auto end = static_cast<End>(index);
    INFO("end: ", std::string(kEndNames[index]));
    CHECK(play_all(1, end) == 6 * 36);
    CHECK(play_all(0, end) == 6 * 23);
  }
}

}  // namespace capsuled::transport::testing
