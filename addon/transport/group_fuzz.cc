// Several hosts on one group at once: each has an admin queue and I/O queues, and all share small
// pools. The hosts are honest and unlucky: they are slow, their sends are not taken, connections
// break in the middle of everything, controllers are reset, commands aborted. An input is a seed
// and a script, as for connection_fuzz.
//
// Each host has blocks of its own on one RAM disk. What it reads there is what it last wrote: whole
// blocks of the write before or after, when it cannot know whether a write was done. A command on a
// connection that lives is answered once, and at the end none is left without its answer.
#include <array>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "transport/testing/fuzz_target.h"
#include "transport/testing/test_host.h"

namespace capsuled::transport::testing {
namespace {

constexpr uint64_t kMillisecond = 1'000'000;
constexpr uint32_t kHosts = 3;
constexpr uint32_t kQueues = 3;  // of a host: admin and two for I/O
constexpr uint32_t kBlockBytes = 512;
/// A host's part of the disk is so many slots, with one command on each at a time.
constexpr uint32_t kSlots = 4;
constexpr uint32_t kSlotBytes = 256 * 1024;
constexpr uint32_t kSlotBlocks = kSlotBytes / kBlockBytes;
constexpr uint8_t kKeepAlive = 0x18;
constexpr uint8_t kEventRequest = 0x0c;

/// What a block may hold: the number of the write that is known to be there, and of one that may
/// have come after it.
struct Block {
  uint32_t known = 0;
  uint32_t maybe = 0;
};

struct Slot {
  std::array<Block, kSlotBlocks> blocks{};
  bool busy = false;
};

struct Command {
  wire::IoOpcode opcode = {};
  std::optional<uint32_t> slot = {};  ///< none: not a read or write of a slot
  uint32_t bytes = 0;
  uint32_t stamp = 0;
};

struct Queue {
  SimSocket* socket = nullptr;  ///< none
  bool reads = true;
  ConnectionId id = 0;
  bool live = false;  ///< Connect was answered with success
  uint16_t cid = 1;
  std::map<uint16_t, Command> commands;
  std::vector<Pdu> r2ts;
  std::vector<std::byte> received;
  size_t read_bytes = 0;  ///< of these
};

struct Host {
  std::array<Queue, kQueues> queues;
  std::array<Slot, kSlots> slots;
};

class Fuzz final : public FuzzTarget {
 public:
  Fuzz(uint64_t seed, std::span<const uint8_t> script)
      : FuzzTarget(seed, script, group_options(), uint64_t{kHosts} * kSlots * kSlotBytes) {}

 private:
  static GroupOptions group_options() {
    GroupOptions options;
    options.connections_max = kHosts * kQueues;
    options.requests_max = 40;
    options.queue_entries_max = 8;
    options.peers_max = kHosts;
    options.receive_buffers = 3;
    return options;
  }

  template <typename Visit>
  void each_queue(Visit visit) {
    for (uint32_t host = 0; host < kHosts; ++host) {
      for (uint32_t qid = 0; qid < kQueues; ++qid) {
        if (hosts_[host].queues[qid].socket != nullptr) visit(host, qid, hosts_[host].queues[qid]);
      }
    }
  }

  /// First everybody does what they owe, until nothing is left to answer; then all go.
  bool wind_down() override {
    set_piece_max(64 * 1024);
    held_->release_all();
    bool owed = false;
    each_queue([&](uint32_t host, uint32_t qid, Queue& queue) {
      set_reads(queue, true);
      SimSocket& other = *queue.socket->other();
      if (other.send_end() == SendEnd::Held) other.end_sends(SendEnd::Whole);
      read(host, qid);
      while (!queue.r2ts.empty()) answer_r2t(host, qid, UINT32_MAX);
      for (const auto& [cid, command] : queue.commands) {
        const bool parked = static_cast<uint8_t>(command.opcode) == kEventRequest && qid == 0;
        if (!parked && !other.reads_shut() && other.error() == 0) owed = true;
      }
    });
    drain_control();
    while (!commands_.empty()) answer_one(0);
    if (owed) return false;
    each_queue([&](uint32_t, uint32_t, Queue& queue) { queue.socket->shut_writes(); });
    advance(kMillisecond);
    return group_->connection_count() == 0;
  }

  void closed(ConnectionId connection) override {
    each_queue([&](uint32_t host, uint32_t, Queue& queue) {
      if (queue.id == connection) lose(hosts_[host], queue);
    });
  }

  /// The connection is gone: what its commands did is not known.
  static void lose(Host& host, Queue& queue) {
    for (const auto& [cid, command] : queue.commands) {
      if (command.slot.has_value()) host.slots[*command.slot].busy = false;
    }
    queue = Queue{};
  }

  void answer_one(uint8_t how) {
    const auto event = next_command();
    if (event == nullptr) return;
    if (is_connect(*event)) {
      const auto& command = wire::command_as<wire::ConnectCommand>(event->sqe);
      QueueAttach attach;
      attach.token = event->token;
      attach.controller = command.kato.get();
      attach.qid = command.qid.get();
      attach.entries = 2 + how % 7u;
      attach.host = command.kato.get();
      attach.flow_control_disabled = true;
      each_queue([&](uint32_t, uint32_t, Queue& queue) {
        if (queue.id == event->connection) queue.live = true;
      });
      return FuzzTarget::attach(attach);
    }
    ControlAnswer answer;
    answer.token = event->token;
    answer.data.resize(512);
    group_->answer(std::move(answer));
  }

  void step() override {
    if (pause_polls_ > 0) {
      --pause_polls_;
      each_queue([this](uint32_t host, uint32_t qid, Queue&) { read(host, qid); });
      return;
    }
    const uint8_t what = script_.next();
    const uint8_t who = script_.next();
    const uint32_t host = who % kHosts;
    const uint32_t qid = who / kHosts % kQueues;
    Queue& queue = hosts_[host].queues[qid];
    if (what % 20 < 2) return open(host, qid);
    if (what % 20 == 19) {
      // A while for what is under way.
      pause_polls_ = who;
      return;
    }
    if (queue.socket == nullptr) return;
    SimSocket& other = *queue.socket->other();
    switch (what % 20) {
      case 2:
      case 3:
      case 4:
      case 5: return qid == 0 ? admin(host) : io(host, qid);
      case 6:
      case 7: return answer_r2t(host, qid, (1 + script_.next()) * 1024u);
      case 8: return set_reads(queue, !queue.reads);
      case 9: return other.end_sends(SendEnd::Held);
      case 10:
        if (other.send_end() == SendEnd::Held) other.end_sends(SendEnd::Whole);
        return;
      case 11:
        if ((script_.next() & 3) == 0) queue.socket->reset();
        return;
      case 12: group_->terminate(queue.id, "fuzz"); return;
      case 13:
        group_->abort(queue.id, static_cast<uint16_t>(queue.cid - 1 - script_.next() % 4),
                      [](bool) {});
        return;
      case 14: return reset_controller(host);
      case 15: held_->release_all(); return;
      case 16: return set_piece_max(1u + script_.next() * 257u);
      case 17: group_->asynchronous_event(1 + host, who); return;
      case 18: drain_control(); return answer_one(script_.next());
      default:
        // A while for what is under way.
        pause_polls_ = who;
    }
  }

  void open(uint32_t host, uint32_t qid) {
    Queue& queue = hosts_[host].queues[qid];
    drain_control();
    if (queue.socket != nullptr || group_->connection_count() == kHosts * kQueues) return;
    queue.socket = &connect({"127.0.0." + std::to_string(1 + host), 50000});
    ASSERT(!queue.socket->other()->closed());
    drain_control();
    queue.id = newest_;
    put(queue, make_ic_req({}));
    // The controller's number travels as KATO.
    auto connect = make_connect(0, static_cast<uint16_t>(qid), 8, true, 1 + host);
    queue.commands[0] = {};
    put(queue, make_capsule(connect, Octets(sizeof(wire::ConnectData)), {}));
  }

  /// As CC.EN cleared: the I/O queues end.
  void reset_controller(uint32_t host) {
    group_->reset_controller(1 + host);
    for (uint32_t qid = 1; qid < kQueues; ++qid) {
      Queue& queue = hosts_[host].queues[qid];
      if (queue.socket != nullptr) group_->terminate(queue.id, "controller_reset");
    }
  }

  static void put(Queue& queue, const Octets& pdu) { queue.socket->write_all(pdu); }
  static void set_reads(Queue& queue, bool reads) {
    queue.reads = reads;
    queue.socket->other()->block_writes(!reads);
  }

  /// A host does not overrun its queue, whose size it may not know yet.
  static bool may_submit(const Queue& queue) { return queue.live && queue.commands.size() < 2; }

  void submit(Queue& queue, wire::SubmissionQueueEntry sqe, const Command& command,
              const Octets& data = {}) {
    sqe.cid.set(queue.cid);
    ASSERT(queue.commands.emplace(queue.cid, command).second);
    if (++queue.cid == 0) queue.cid = 1;
    put(queue, make_capsule(sqe, data, {}));
  }

  void admin(uint32_t host) {
    Queue& queue = hosts_[host].queues[0];
    static constexpr uint8_t kOpcodes[] = {0x02, 0x06, 0x09, kEventRequest, kKeepAlive, 0x0a};
    const uint8_t how = script_.next();
    if (!may_submit(queue)) return;
    const uint8_t opcode = kOpcodes[how % 6];
    auto sqe = make_sqe(opcode, 0);
    if (opcode == 0x02 || opcode == 0x06) set_transport_sgl(sqe, how * 32u);
    Octets data;
    if (opcode == 0x09) {
      set_transport_sgl(sqe, 4096);
      if ((how & 0x80) != 0) {
        set_capsule_sgl(sqe, 4096);
        data.resize(4096);
      }
    }
    submit(queue, sqe, {.opcode = static_cast<wire::IoOpcode>(opcode)}, data);
  }

  void io(uint32_t host, uint32_t qid) {
    Queue& queue = hosts_[host].queues[qid];
    static constexpr uint32_t kBytes[] = {512,   4096,   8192,         8704,
                                          65536, 131072, 131072 + 512, kSlotBytes};
    const uint8_t how = script_.next();
    const uint32_t number = how / 8 % kSlots;
    Slot& slot = hosts_[host].slots[number];
    if (!may_submit(queue)) return;
    if ((how & 0x60) == 0x60) {
      auto sqe = make_io(wire::IoOpcode::kRead, 0, 0, kBytes[how % 8]);
      sqe.nsid.set(2);
      return submit(queue, sqe, {.opcode = wire::IoOpcode::kRead});
    }
    if (slot.busy) return;
    slot.busy = true;
    const bool write = (how & 0x80) != 0;
    Command command{.opcode = write ? wire::IoOpcode::kWrite : wire::IoOpcode::kRead,
                    .slot = number,
                    .bytes = kBytes[how % 8],
                    .stamp = 0};
    auto sqe = make_io(command.opcode, 0, first_block(host, number), command.bytes);
    if (!write) return submit(queue, sqe, command);
    command.stamp = ++stamp_;
    for (uint32_t block = 0; block < command.bytes / kBlockBytes; ++block) {
      // What was doubtful before stays so in one way only: the host looks before it writes again.
      Block& at = slot.blocks[block];
      if (at.maybe != 0) at.known = kUnknown;
      at.maybe = command.stamp;
    }
    if (command.bytes > 8192) return submit(queue, sqe, command);
    set_capsule_sgl(sqe, command.bytes);
    submit(queue, sqe, command, stamped(command.stamp, command.bytes));
  }

  static constexpr uint32_t kUnknown = UINT32_MAX;
  static uint64_t first_block(uint32_t host, uint32_t slot) {
    return uint64_t{host * kSlots + slot} * kSlotBlocks;
  }
  /// Every word of a write says which write it is, and where.
  static Octets stamped(uint32_t stamp, uint32_t bytes) {
    Octets octets(bytes);
    for (uint32_t at = 0; at < bytes; at += 8) {
      const uint64_t word = uint64_t{stamp} << 32 | at;
      std::memcpy(octets.data() + at, &word, sizeof(word));
    }
    return octets;
  }

  void answer_r2t(uint32_t host, uint32_t qid, uint32_t piece) {
    Queue& queue = hosts_[host].queues[qid];
    read(host, qid);
    if (queue.r2ts.empty()) return;
    const Pdu r2t = queue.r2ts.front();
    queue.r2ts.erase(queue.r2ts.begin());
    const auto& header = r2t.as<wire::R2t>();
    const auto command = queue.commands.find(header.cccid.get());
    ASSERT_MSG(command != queue.commands.end(), "an R2T for no command");
    const uint32_t total = header.r2tl.get();
    const Octets data = stamped(command->second.stamp, total);
    piece = std::min(piece, 131072u);
    for (uint32_t offset = 0; offset < total; offset += piece) {
      const uint32_t length = std::min(piece, total - offset);
      const auto from = data.begin() + offset;
      put(queue, make_h2c_data(header.cccid.get(), header.ttag.get(), offset,
                               Octets(from, from + length), {}, offset + length == total));
    }
  }

  /// Reads what the target sent so far.
  void read(uint32_t host, uint32_t qid) {
    Queue& queue = hosts_[host].queues[qid];
    if (queue.socket == nullptr) return;
    if (queue.reads) read_all(*queue.socket, queue.received);
    take_pdus(queue.received, queue.read_bytes,
              [&](std::span<const std::byte> bytes) { take(hosts_[host], queue, bytes); });
  }

  void take(Host& host, Queue& queue, std::span<const std::byte> bytes) {
    const auto& common = wire::view_as<wire::PduCommonHeader>(bytes);
    switch (static_cast<wire::PduType>(common.type)) {
      case wire::PduType::kIcResp: return;
      case wire::PduType::kC2hTermReq: ASSERT_MSG(false, "an honest host was refused"); return;
      case wire::PduType::kR2t: {
        Pdu pdu;
        pdu.header.assign(bytes.begin(), bytes.begin() + common.hlen);
        queue.r2ts.push_back(pdu);
        return;
      }
      case wire::PduType::kC2hData: {
        const uint16_t cid = wire::view_as<wire::C2hData>(bytes).cccid.get();
        const auto command = queue.commands.find(cid);
        ASSERT_MSG(command != queue.commands.end(), "data for no command");
        check_data(host, command->second, bytes.subspan(common.pdo));
        if ((common.flags & wire::kDataSuccess) != 0) answered(host, queue, cid, true);
        return;
      }
      case wire::PduType::kCapsuleResp: {
        const auto& cqe = wire::view_as<wire::CapsuleRespHeader>(bytes).cqe;
        answered(host, queue, cqe.cid.get(), wire::Status::unpack(cqe.status.get()).is_success());
        return;
      }
      default: UNREACHABLE();
    }
  }

  static void check_data(Host& host, Command& command, std::span<const std::byte> data) {
    if (!command.slot.has_value()) return;
    ASSERT_MSG(data.size() == command.bytes, "not the length that was asked for");
    const Slot& slot = host.slots[*command.slot];
    for (uint32_t block = 0; block < command.bytes / kBlockBytes; ++block) {
      const auto in_block = data.subspan(size_t{block} * kBlockBytes, kBlockBytes);
      uint64_t first = 0;
      std::memcpy(&first, in_block.data(), sizeof(first));
      const auto stamp = static_cast<uint32_t>(first >> 32);
      const Block& expected = slot.blocks[block];
      ASSERT_MSG(expected.known == kUnknown || stamp == expected.known ||
                     (expected.maybe != 0 && stamp == expected.maybe),
                 "a block of another write, or of another host");
      for (uint32_t at = 0; at < kBlockBytes; at += 8) {
        uint64_t word = 0;
        std::memcpy(&word, in_block.data() + at, sizeof(word));
        const uint64_t place = stamp == 0 ? 0 : block * kBlockBytes + at;
        ASSERT_MSG(word == (uint64_t{stamp} << 32 | place), "a torn block");
      }
    }
  }

  static void answered(Host& host, Queue& queue, uint16_t cid, bool success) {
    const auto found = queue.commands.find(cid);
    ASSERT_MSG(found != queue.commands.end(), "an answer too many");
    const Command command = found->second;
    queue.commands.erase(found);
    if (!command.slot.has_value()) return;
    Slot& slot = host.slots[*command.slot];
    slot.busy = false;
    if (command.opcode != wire::IoOpcode::kWrite || !success) return;
    for (uint32_t block = 0; block < command.bytes / kBlockBytes; ++block) {
      slot.blocks[block] = {.known = command.stamp, .maybe = 0};
    }
  }

  std::array<Host, kHosts> hosts_;
  uint32_t stamp_ = 0;
  uint32_t pause_polls_ = 0;
};

}  // namespace
}  // namespace capsuled::transport::testing

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using namespace capsuled::transport::testing;
  return fuzz_one_input<Fuzz>(bytes, size);
}
