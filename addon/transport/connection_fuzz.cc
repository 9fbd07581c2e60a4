// Whole connections on a simulated machine. An input is a seed and a script: each step opens a
// connection, sends a PDU (right, or with bits flipped), sends raw bytes, answers R2Ts (whole, in
// part, or such as were not received), lets the control plane or the bdev act, stops reading, keeps
// a send from completing, resets a controller or a connection, lets time pass, or closes. At the
// end everything is let go: all connections end, every counter is back.
//
// What the target sends is read too: well-formed PDUs, right digests, one answer for each command.
#include <cstdint>
#include <map>
#include <vector>

#include "transport/testing/fuzz_target.h"
#include "transport/testing/test_host.h"

namespace capsuled::transport::testing {
namespace {

constexpr uint64_t kMillisecond = 1'000'000;
constexpr size_t kConnectionsMax = 4;

/// A host of the script: knows enough to answer R2Ts and to check answers.
struct FuzzHost {
  SimSocket* socket = nullptr;
  bool reads = true;
  Digests digests;
  bool honest = true;  ///< sent nothing wrong: then nothing unexpected may come
  uint16_t cid = 0;
  std::map<uint16_t, uint8_t> outstanding;  ///< by CID, how many
  std::vector<Pdu> r2ts;
  std::vector<std::byte> received;
  size_t read_bytes = 0;  ///< of these
};

class Fuzz final : public FuzzTarget {
 public:
  Fuzz(uint64_t seed, std::span<const uint8_t> script)
      : FuzzTarget(seed, script, group_options(), 2 << 20) {}

 private:
  static GroupOptions group_options() {
    GroupOptions options;
    options.connections_max = kConnectionsMax;
    options.requests_max = 24;
    options.queue_entries_max = 8;
    options.peers_max = 2;
    options.receive_buffers = 3;
    return options;
  }

  bool wind_down() override {
    if (!std::exchange(let_go_, true)) let_go();
    act();
    advance(kMillisecond);
    return group_->connection_count() == 0;
  }

  /// The end of the script: hosts read what they get, and go.
  void let_go() {
    set_piece_max(64 * 1024);
    for (auto& host : hosts_) {
      set_reads(host, true);
      SimSocket& other = *host.socket->other();
      if (other.send_end() == SendEnd::Held) other.end_sends(SendEnd::Whole);
      host.socket->shut_writes();
    }
  }
  void act() {
    held_->release_all();
    drain_control();
    while (!commands_.empty()) answer_one(0);
    for (auto& host : hosts_) read(host);
  }

  void answer_one(uint8_t how) {
    const auto event = next_command();
    if (event == nullptr) return;
    if (is_connect(*event) && (how & 0x80) == 0) {
      const auto& command = wire::command_as<wire::ConnectCommand>(event->sqe);
      QueueAttach attach;
      attach.token = event->token;
      attach.controller = 1 + command.qid.get() % 4u;
      attach.qid = command.qid.get();
      attach.entries = 2 + command.sqsize.get() % 6u;
      attach.flow_control_disabled = (command.cattr & 4) != 0;
      attach.discovery = command.qid.get() == 0 && (how & 0x40) != 0;
      attach.host = how % 3;
      return FuzzTarget::attach(attach);
    }
    ControlAnswer answer;
    answer.token = event->token;
    answer.status = (how & 1) != 0 ? uint16_t{0x4002} : uint16_t{0};
    answer.dw0 = (how & 2) != 0 ? 7 : 0;
    answer.close = (how & 4) != 0;
    answer.data.resize(size_t{how} * 16);
    if ((how & 8) != 0) {
      answer.page = std::make_shared<const ControlPage>(20'000);
      answer.page_offset = uint32_t{how} * 128;
    }
    if ((how & 16) != 0) answer.bytes = event->data_bytes_max;
    group_->answer(std::move(answer));
  }

  FuzzHost* pick() { return hosts_.empty() ? nullptr : &hosts_[script_.next() % hosts_.size()]; }

  void put(FuzzHost& host, Octets pdu) {
    if (pdu.empty()) return;
    if (flip_) {
      const size_t at = script_.next() + size_t{256} * (script_.next() % 4);
      pdu[at % pdu.size()] ^= static_cast<std::byte>(1u << (script_.next() % 8));
      flip_ = false;
      host.honest = false;
    }
    if (host.socket->unsent_bytes() < (4u << 20)) host.socket->write_all(pdu);
  }
  static void set_reads(FuzzHost& host, bool reads) {
    host.reads = reads;
    host.socket->other()->block_writes(!reads);
  }
  void command(FuzzHost& host, wire::SubmissionQueueEntry sqe, const Octets& data = {}) {
    sqe.cid.set(host.cid++);
    ++host.outstanding[sqe.cid.get()];
    put(host, make_capsule(sqe, data, host.digests));
  }

  void step() override {
    const uint8_t what = script_.next();
    switch (what % 24) {
      case 0: return open();
      case 1:
        if (FuzzHost* const host = pick()) return initialize(*host);
        return;
      case 2:
        if (FuzzHost* const host = pick()) {
          const uint8_t how = script_.next();
          return command(*host, make_connect(0, how % 3, uint16_t(1 + how), (how & 8) != 0),
                         Octets(sizeof(wire::ConnectData)));
        }
        return;
      case 3:
      case 4:
        if (FuzzHost* const host = pick()) return io(*host);
        return;
      case 5:
      case 6:
        if (FuzzHost* const host = pick()) return answer_r2t(*host);
        return;
      case 7:
        if (FuzzHost* const host = pick()) {
          host->honest = false;
          return put(*host, script_.raw(1 + script_.next() % 160));
        }
        return;
      case 8:
        if (FuzzHost* const host = pick()) return admin(*host);
        return;
      case 9: flip_ = true; return;
      case 10:
        if (FuzzHost* const host = pick()) host->socket->shut_writes();
        return;
      case 11:
        if (!opened_.empty()) group_->terminate(*opened_.begin(), "fuzz");
        return;
      case 12:
        if (!opened_.empty()) group_->abort(*opened_.rbegin(), script_.next(), [](bool) {});
        return;
      case 13: advance(script_.next() * 50 * kMillisecond); return;
      case 14:
      case 15:
        drain_control();
        answer_one(script_.next());
        return;
      case 16: held_->release_all(); return;
      case 17:
        group_->asynchronous_event(1 + script_.next() % 4u, script_.next());
        group_->set_keep_alive(1 + script_.next() % 4u, script_.next());
        return;
      case 18:
        if (FuzzHost* const host = pick()) set_reads(*host, !host->reads);
        return;
      case 19:
        if (FuzzHost* const host = pick()) host->socket->reset();
        return;
      case 20: return set_piece_max(1u + script_.next() * 257u);
      case 22:
        if (FuzzHost* const host = pick()) return owe(*host, script_.next());
        return;
      case 23:
        if (FuzzHost* const host = pick()) return hold(*host, script_.next());
        return;
      default:
        // A moment for what is under way.
        for (auto& host : hosts_) read(host);
        advance(1000);
    }
  }

  void open() {
    const uint8_t digests = script_.next();
    // Those beyond what the target has room for are closed at once.
    if (hosts_.size() > 2 * kConnectionsMax) return;
    FuzzHost host;
    host.socket = &connect({"127.0.0.1", 50000});
    host.digests = {(digests & 1) != 0, (digests & 2) != 0};
    hosts_.push_back(host);
  }

  void initialize(FuzzHost& host) {
    const uint8_t hpda = script_.next() % 33;
    put(host, make_ic_req(host.digests, hpda));
  }

  void io(FuzzHost& host) {
    static constexpr wire::IoOpcode kOpcodes[] = {wire::IoOpcode::kRead,
                                                  wire::IoOpcode::kWrite,
                                                  wire::IoOpcode::kWrite,
                                                  wire::IoOpcode::kCompare,
                                                  wire::IoOpcode::kWriteZeroes,
                                                  wire::IoOpcode::kFlush,
                                                  wire::IoOpcode::kDatasetManagement};
    static constexpr uint32_t kBytes[] = {512, 4096, 8192, 8704, 65536, 131072, 1 << 20, 2 << 20};
    const uint8_t how = script_.next();
    const uint8_t size = script_.next();
    const uint32_t bytes = kBytes[size % 8];
    auto sqe = make_io(kOpcodes[how % 7], 0, size / 8, bytes);
    sqe.nsid.set(how % 3 == 0 ? 2 : (how & 0x40) != 0 ? 3 : 1);
    if (kOpcodes[how % 7] == wire::IoOpcode::kDatasetManagement) {
      sqe.cdw10.set(size % 4);
      sqe.cdw11.set(4);
    }
    if ((how & 0x80) != 0 && bytes <= 8704) {
      set_capsule_sgl(sqe, bytes);
      return command(host, sqe, pattern(bytes, size));
    }
    command(host, sqe);
  }

  void answer_r2t(FuzzHost& host) {
    read(host);
    if (host.r2ts.empty()) return;
    const Pdu r2t = host.r2ts.front();
    host.r2ts.erase(host.r2ts.begin());
    const auto& header = r2t.as<wire::R2t>();
    const uint32_t total = header.r2tl.get();
    const uint32_t piece = (1 + script_.next()) * 4096u;
    for (uint32_t offset = 0; offset < total; offset += piece) {
      const uint32_t length = std::min(piece, total - offset);
      put(host, make_h2c_data(header.cccid.get(), header.ttag.get(), offset, Octets(length),
                              host.digests, offset + length == total));
    }
  }

  /// Data that come before they are asked for, to a tag that is guessed; or the beginning of what
  /// an R2T asks for, and never the rest.
  void owe(FuzzHost& host, uint8_t how) {
    if ((how & 1) != 0) {
      host.honest = false;
      const auto cid = static_cast<uint16_t>(host.cid - 1 - how / 32);
      const uint32_t bytes = (how & 2) != 0 ? 4096 : 512;
      const auto ttag = static_cast<uint16_t>((how >> 2) % 8);
      put(host, make_h2c_data(cid, ttag, 0, Octets(bytes), host.digests, (how & 2) != 0));
      return;
    }
    read(host);
    if (host.r2ts.empty()) return;
    const auto& header = host.r2ts.front().as<wire::R2t>();
    const uint32_t part = header.r2tl.get() / 2;
    if (part > 0) {
      put(host, make_h2c_data(header.cccid.get(), header.ttag.get(), 0, Octets(part), host.digests,
                              false));
    }
    host.r2ts.erase(host.r2ts.begin());
  }

  /// The host has what is being sent, and the target does not know; or learns of its end.
  void hold(FuzzHost& host, uint8_t how) {
    static constexpr SendEnd kEnds[] = {SendEnd::Held, SendEnd::Whole, SendEnd::Failed,
                                        SendEnd::Cancelled};
    host.socket->other()->end_sends(kEnds[how % 4]);
    if (how % 4 >= 2) host.honest = false;
    if ((how & 0x10) != 0) group_->reset_controller(1 + how / 32 % 4u);
  }

  void admin(FuzzHost& host) {
    const uint8_t opcode = script_.next();
    const uint8_t how = script_.next();
    auto sqe = make_sqe(opcode, 0);
    sqe.nsid.set(how);  // also FCTYPE
    const uint32_t bytes = how * 300u;
    if ((how & 1) != 0) {
      set_transport_sgl(sqe, bytes);
      return command(host, sqe);
    }
    set_capsule_sgl(sqe, bytes);
    command(host, sqe, Octets(std::min(bytes, 8192u)));
  }

  /// Reads what the target sent so far.
  void read(FuzzHost& host) {
    if (host.reads) read_all(*host.socket, host.received);
    take_pdus(host.received, host.read_bytes,
              [&](std::span<const std::byte> bytes) { take(host, bytes); });
  }

  void take(FuzzHost& host, std::span<const std::byte> bytes) {
    const auto& common = wire::view_as<wire::PduCommonHeader>(bytes);
    if ((common.flags & wire::kHdgstf) != 0) {
      ASSERT(wire::view_as<Le32>(bytes.subspan(common.hlen)).get() ==
             crc32c(bytes.first(common.hlen)));
    }
    if ((common.flags & wire::kDdgstf) != 0) {
      const auto data = bytes.subspan(common.pdo, bytes.size() - common.pdo - 4);
      ASSERT(wire::view_as<Le32>(bytes.last(4)).get() == crc32c(data));
    }
    switch (static_cast<wire::PduType>(common.type)) {
      case wire::PduType::kIcResp:
      case wire::PduType::kC2hTermReq: return;
      case wire::PduType::kR2t: {
        Pdu pdu;
        pdu.header.assign(bytes.begin(), bytes.begin() + common.hlen);
        host.r2ts.push_back(pdu);
        return;
      }
      case wire::PduType::kC2hData:
        if ((common.flags & wire::kDataSuccess) != 0) {
          answered(host, wire::view_as<wire::C2hData>(bytes).cccid.get());
        }
        return;
      case wire::PduType::kCapsuleResp:
        answered(host, wire::view_as<wire::CapsuleRespHeader>(bytes).cqe.cid.get());
        return;
      default: UNREACHABLE();
    }
  }
  static void answered(FuzzHost& host, uint16_t cid) {
    if (!host.honest) return;
    ASSERT_MSG(host.outstanding[cid] > 0, "an answer too many");
    --host.outstanding[cid];
  }

  void check_at_rest() override {
    for (const FuzzHost& host : hosts_) ASSERT(host.socket->other()->closed());
  }

  std::vector<FuzzHost> hosts_;
  bool flip_ = false;
  bool let_go_ = false;
};

}  // namespace
}  // namespace capsuled::transport::testing

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using namespace capsuled::transport::testing;
  return fuzz_one_input<Fuzz>(bytes, size);
}
