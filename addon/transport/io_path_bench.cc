// The path of an I/O through reactor, transport, nvmf and bdev, from received bytes to sent ones,
// on a simulated machine: a host sends batches of commands as deep as its queue, and the next batch
// when it has every answer to the last. For counting instructions with callgrind
// (bench/instructions.ts, docs/internals/performance.md), which is told when they are the engine's;
// its running time says nothing.
//
//   io_path_bench CASE COUNT     COUNT commands, a multiple of the queue depth; prints as JSON what
//                                instructions do not show: bytes moved, calls of the kernel, …
//   io_path_bench --list         each case and its queue depth
//
// Each command must be answered once, with success and as much data as it asked for.
#include <valgrind/callgrind.h>

#include <charconv>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <optional>

#include "bdev/bdev_registry.h"
#include "bdev/delay/delay_bdev.h"
#include "bdev/malloc/malloc_bdev.h"
#include "bdev/null/null_bdev.h"
#include "bdev/qos_limits.h"
#include "bdev/split/split_bdev.h"
#include "env/sim/sim_env.h"
#include "nvmf/namespace_table.h"
#include "transport/group.h"
#include "transport/testing/counted_calls.h"
#include "transport/testing/test_host.h"

namespace capsuled::transport::bench {
namespace {

using testing::Digests;
using testing::Octets;

enum class Backend : uint8_t { Null, Malloc, SplitMalloc, DelayMalloc, LimitedMalloc };
enum class Transfer : uint8_t { Read, WriteInCapsule, WriteR2t };

struct Case {
  const char* name;
  Backend backend;
  Transfer transfer;
  uint32_t bytes;
  uint32_t queue_depth;
  Digests digests = {};
};

constexpr uint32_t k4k = 4096;
constexpr uint32_t k128k = 128 * 1024;
constexpr Case kCases[] = {
    {"read_null_4k_qd32", Backend::Null, Transfer::Read, k4k, 32},
    {"read_malloc_4k_qd32", Backend::Malloc, Transfer::Read, k4k, 32},
    {"read_malloc_4k_qd1", Backend::Malloc, Transfer::Read, k4k, 1},
    {"read_malloc_4k_qd32_digests", Backend::Malloc, Transfer::Read, k4k, 32, {true, true}},
    {"write_in_capsule_malloc_4k_qd32", Backend::Malloc, Transfer::WriteInCapsule, k4k, 32},
    {"write_r2t_malloc_128k_qd8", Backend::Malloc, Transfer::WriteR2t, k128k, 8},
    {"read_split_malloc_4k_qd32", Backend::SplitMalloc, Transfer::Read, k4k, 32},
    {"read_delay_malloc_4k_qd32", Backend::DelayMalloc, Transfer::Read, k4k, 32},
    {"read_limited_malloc_4k_qd32", Backend::LimitedMalloc, Transfer::Read, k4k, 32},
};
constexpr uint32_t kQueueDepthMax = 32;
constexpr uint64_t kBdevBytes = uint64_t{64} << 20;
constexpr uint64_t kMemoryBytes = uint64_t{64} << 20;

/// The host: its byte stream, one batch of it, and its view of the answers.
class BatchHost {
 public:
  BatchHost(const Case& chosen, uint64_t count) : case_(chosen), left_(count) {}

  /// Bytes that do not belong to a batch: ICReq, Connect.
  void say(const Octets& octets) { publish(octets, octets.size()); }
  /// From here on it is batches.
  void begin() {
    Octets stream;
    for (uint32_t cid = 0; cid < case_.queue_depth; ++cid) append(stream, make_command(cid));
    capsules_bytes_ = stream.size();
    if (case_.transfer == Transfer::WriteR2t) {
      for (uint32_t turn = 0; turn < case_.queue_depth; ++turn) {
        const Octets pdu = make_h2c(turn);
        h2c_bytes_ = pdu.size();
        append(stream, pdu);
      }
    }
    running_ = true;
    publish(stream, 0);
    next_batch();
  }
  bool done() const { return running_ && left_ == 0; }
  /// PDUs outside of batches.
  uint32_t replies() const { return replies_; }

  /// What it sends now.
  std::span<const std::byte> take() {
    const std::span<const std::byte> bytes(stream_.data() + taken_, available_ - taken_);
    taken_ = available_;
    return bytes;
  }

  /// Goes through what the target sent, PDU by PDU, all of which end with `bytes`.
  void read(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const auto& common = wire::view_as<wire::PduCommonHeader>(bytes);
      const size_t plen = common.plen.get();
      ASSERT_MSG(bytes.size() >= plen, "a PDU in pieces");
      on_pdu(static_cast<wire::PduType>(common.type), common.flags, bytes);
      bytes = bytes.subspan(plen);
    }
  }

 private:
  static void append(Octets& to, const Octets& from) {
    to.insert(to.end(), from.begin(), from.end());
  }
  Octets make_command(uint32_t cid) const {
    const auto opcode =
        case_.transfer == Transfer::Read ? wire::IoOpcode::kRead : wire::IoOpcode::kWrite;
    auto sqe = testing::make_io(opcode, static_cast<uint16_t>(cid),
                                uint64_t{cid} * (case_.bytes / 512), case_.bytes);
    Octets data;
    if (case_.transfer == Transfer::WriteInCapsule) {
      testing::set_capsule_sgl(sqe, case_.bytes);
      data = testing::pattern(case_.bytes, cid);
    }
    return testing::make_capsule(sqe, data, case_.digests);
  }
  Octets make_h2c(uint32_t turn) const {
    return testing::make_h2c_data(0, 0, 0, testing::pattern(case_.bytes, turn), case_.digests,
                                  true);
  }

  void publish(const Octets& stream, size_t available) {
    stream_ = stream;
    taken_ = 0;
    available_ = available;
  }
  void next_batch() {
    taken_ = 0;
    available_ = capsules_bytes_;
    r2ts_ = 0;
    answers_ = 0;
    answered_.fill(false);
  }

  void on_pdu(wire::PduType type, uint8_t flags, std::span<const std::byte> header) {
    if (!running_) {
      ++replies_;
      return;
    }
    switch (type) {
      case wire::PduType::kC2hData: {
        const auto& pdu = wire::view_as<wire::C2hData>(header);
        ASSERT_MSG(pdu.datao.get() == 0 && pdu.datal.get() == case_.bytes, "expected all data");
        ASSERT_MSG((flags & wire::kDataSuccess) != 0, "expected no response capsule");
        return answered(pdu.cccid.get());
      }
      case wire::PduType::kCapsuleResp: {
        const auto& cqe = wire::view_as<wire::CapsuleRespHeader>(header).cqe;
        ASSERT_MSG(wire::Status::unpack(cqe.status.get()).is_success(), "a command failed");
        ASSERT_MSG(case_.transfer != Transfer::Read, "expected data");
        return answered(cqe.cid.get());
      }
      case wire::PduType::kR2t: return on_r2t(wire::view_as<wire::R2t>(header));
      default: UNREACHABLE();
    }
  }
  void on_r2t(const wire::R2t& r2t) {
    ASSERT(case_.transfer == Transfer::WriteR2t && r2ts_ < case_.queue_depth);
    ASSERT_MSG(r2t.r2to.get() == 0 && r2t.r2tl.get() == case_.bytes, "expected one R2T for all");
    const std::span<std::byte> pdu(stream_.data() + capsules_bytes_ + r2ts_ * h2c_bytes_,
                                   h2c_bytes_);
    auto& data = *reinterpret_cast<wire::H2cData*>(pdu.data());
    data.cccid = r2t.cccid;
    data.ttag = r2t.ttag;
    ++r2ts_;
    available_ += h2c_bytes_;
  }
  void answered(uint16_t cid) {
    ASSERT_MSG(cid < case_.queue_depth && !answered_[cid], "an answer too many");
    answered_[cid] = true;
    if (++answers_ < case_.queue_depth) return;
    ASSERT_MSG(taken_ == available_, "answered before it was asked");
    left_ -= case_.queue_depth;
    if (left_ > 0) next_batch();
  }

  const Case& case_;
  uint64_t left_;  // commands of batches that are not complete
  bool running_ = false;
  Octets stream_;  // a batch of capsules, then a batch of H2CData in the order of R2Ts
  size_t capsules_bytes_ = 0;
  size_t h2c_bytes_ = 0;
  size_t taken_ = 0;
  size_t available_ = 0;
  uint32_t r2ts_ = 0;
  uint32_t answers_ = 0;
  uint32_t replies_ = 0;
  std::array<bool, kQueueDepthMax> answered_{};
};

/// Has only what the engine does be counted.
class EngineOnly final : public env::sim::SimDoor {
 public:
  void begin() {
    ours_ = true;
    count(true);
  }
  void end() {
    count(false);
    ours_ = false;
  }
  void enter_machine() override {
    if (ours_) count(false);
  }
  void leave_machine() override {
    if (ours_) count(true);
  }

 private:
  static void count(bool counts) {
    call_counts.on = counts;
    CALLGRIND_TOGGLE_COLLECT;
  }

  bool ours_ = false;
};

/// Target and host, from the first byte to the end.
class Run {
 public:
  Run(const Case& chosen, uint64_t count)
      : case_(chosen),
        host_(chosen, count),
        machine_(1),
        network_(machine_, at_once()),
        env_(machine_, network_, files_, {.door = &door_}),
        queue_(env_, 64, 4096, [](void*) {}, nullptr) {
    ReactorOptions options;
    options.memory_bytes = kMemoryBytes;
    options.mode = PollMode::Busy;
    reactor_ = Reactor::create(env_, options).value();
    GroupOptions group;
    group.receive_buffer_bytes = kReceiveBytes;
    group_ = Group::create(*reactor_, group, queue_).value();
    registry_ = std::make_unique<BdevRegistry>(1);
    add_bdevs();
    table_ = std::make_unique<nvmf::NamespaceTable>(*reactor_);
  }

  void run() {
    connect();
    host_.begin();
    while (!host_.done()) turn();
    bool stopped = false;
    in_place([&] { group_->stop([&] { stopped = true; }); });
    while (!stopped) turn();
    in_place([this] { table_.reset(); });
    group_.reset();
    registry_.reset();
  }
  const env::sim::SimCalls& calls() { return env_.calls(); }

 private:
  static constexpr uint64_t kTurnNs = 2'000;
  static constexpr uint32_t kReceiveBytes = 256 * 1024;  ///< a batch comes at once

  /// In pieces as large as there may be.
  static env::sim::SimLine at_once() {
    env::sim::SimLine line;
    line.latency = {};
    line.bytes_per_second = UINT64_MAX;
    line.piece_min = UINT32_MAX;
    line.piece_max = UINT32_MAX;
    line.send_buffer = 64u << 20;
    line.receive_buffer = 64u << 20;
    return line;
  }

  void add_bdevs() {
    const auto add = [this](BdevResult bdev) {
      ASSERT(registry_->add(std::move(bdev).value()).ok());
    };
    if (case_.backend == Backend::Null) {
      return add(make_null_bdev({.name = bdev_, .bytes = kBdevBytes}));
    }
    add(make_malloc_bdev(env_, {.name = bdev_, .bytes = kBdevBytes + k4k, .reactor_count = 1}));
    if (case_.backend == Backend::Malloc) return;
    if (case_.backend == Backend::LimitedMalloc) {
      // Never reached.
      return registry_->find(bdev_)->bdev->set_limits(
          {{kQosIopsMax, kQosBandwidthMax, kQosBandwidthMax, kQosBandwidthMax}});
    }
    const std::string name = std::exchange(bdev_, "layer");
    std::shared_ptr<BdevDesc> base = registry_->open(name).value();
    if (case_.backend == Backend::SplitMalloc) {
      add(make_split_bdev({.name = bdev_, .base = std::move(base), .offset_bytes = k4k}));
    } else {
      add(make_delay_bdev({.name = bdev_, .base = std::move(base)}));
    }
  }

  template <typename What>
  void in_place(What&& what) {
    const ReactorScope scope(*reactor_);
    door_.begin();
    what();
    door_.end();
  }
  void turn() {
    socket_->write_all(host_.take());
    machine_.pass_to(machine_.now_ns() + kTurnNs);
    in_place([this] { ASSERT(reactor_->step(2)); });
    machine_.pass_to(machine_.now_ns());  // what was sent is there
    answers_.resize(socket_->readable_bytes());
    ASSERT(socket_->read(answers_) == answers_.size());
    host_.read(answers_);
  }

  void connect() {
    const env::Endpoint target{"127.0.0.1", 4420};
    const env::Endpoint from{"127.0.0.1", 50000};
    const auto [near, far] = network_.connected(target, from);
    socket_ = far;
    in_place([&, end = near] {
      publish();
      ASSERT(group_->adopt(env_.open(end), 1, target, from));
    });
    host_.say(testing::make_ic_req(case_.digests));
    while (host_.replies() < 1) turn();
    host_.say(testing::make_capsule(
        testing::make_connect(0, 1, static_cast<uint16_t>(kQueueDepthMax + 1), true),
        Octets(sizeof(wire::ConnectData)), case_.digests));
    while (host_.replies() < 2) {
      turn();
      attach_asked();
    }
  }
  void publish() {
    auto entry = std::make_shared<nvmf::NamespaceEntry>();
    entry->nsid = 1;
    entry->bdev = registry_->find(bdev_);
    entry->stats = {&namespace_stats_};
    table_->publish({entry}, [] {});
  }
  /// Does for Connect what the control plane would do.
  void attach_asked() {
    for (const auto& event : queue_.drain(16)) {
      if (event->type != ControlEventType::Command) continue;
      QueueAttach attach;
      attach.token = event->token;
      attach.controller = 1;
      attach.qid = 1;
      attach.entries = kQueueDepthMax + 1;
      attach.flow_control_disabled = true;
      in_place([&] { group_->attach(attach, table_.get(), &queue_stats_); });
    }
  }

  const Case& case_;
  BatchHost host_;
  EngineOnly door_;
  env::sim::SimMachine machine_;
  env::sim::SimNetwork network_;
  env::sim::SimFiles files_;
  env::sim::SimEnv env_;
  ControlQueue queue_;
  std::unique_ptr<Reactor> reactor_;
  std::unique_ptr<Group> group_;
  std::unique_ptr<BdevRegistry> registry_;
  std::string bdev_ = "bdev";  ///< that is exported
  std::unique_ptr<nvmf::NamespaceTable> table_;
  nvmf::NamespaceStats namespace_stats_;
  nvmf::QueueStats queue_stats_;
  env::sim::SimSocket* socket_ = nullptr;
  std::vector<std::byte> answers_;
};

void print(Run& run) {
  const auto field = [](const char* name, uint64_t value, const char* end) {
    std::printf("\"%s\": %" PRIu64 "%s", name, value, end);
  };
  std::printf("{");
  field("bytes_copied", call_counts.bytes_copied, ", ");
  field("bytes_cleared", call_counts.bytes_cleared, ", ");
  field("bytes_summed", call_counts.bytes_summed, ", ");
  field("allocations", call_counts.allocations, ", ");
  field("iterations", run.calls().polls, ", ");
  field("receives", run.calls().receives, ", ");
  field("sends", run.calls().sends, ", ");
  field("clock_reads", run.calls().clock_reads, "}\n");
}

int main(std::span<char*> arguments) {
  if (arguments.size() == 2 && std::strcmp(arguments[1], "--list") == 0) {
    for (const Case& each : kCases) std::printf("%s %" PRIu32 "\n", each.name, each.queue_depth);
    return 0;
  }
  const Case* chosen = nullptr;
  uint64_t count = 0;
  if (arguments.size() == 3) {
    for (const Case& each : kCases) {
      if (std::strcmp(each.name, arguments[1]) == 0) chosen = &each;
    }
    const char* const end = arguments[2] + std::strlen(arguments[2]);
    if (std::from_chars(arguments[2], end, count).ptr != end) count = 0;
  }
  if (chosen == nullptr || count == 0 || count % chosen->queue_depth != 0) {
    std::fprintf(stderr,
                 "usage: io_path_bench CASE COUNT | --list\n"
                 "COUNT is a multiple of the case's queue depth\n");
    return 2;
  }
  Run run(*chosen, count);
  run.run();
  print(run);
  return 0;
}

}  // namespace
}  // namespace capsuled::transport::bench

int main(int count, char** arguments) {
  return capsuled::transport::bench::main({arguments, static_cast<size_t>(count)});
}
