// That two reactors share no cache line that one of them writes while both serve I/O, so that a
// second one takes nothing from the first.
//
//   sharing_bench      status 1 and each such line if there are some, with who uses it from where:
//                      llvm-symbolizer-19 --obj=build/Sharing/sharing_bench ADDRESS
//
// A whole engine of two reactors, with one host on each, both on the same namespace of a null bdev:
// reads, writes with data in the capsule and by R2T. Built with BUILDTYPE=Sharing, see
// access_recorder.h.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <atomic>
#include <cinttypes>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <thread>

#include "bdev/bdev_kinds.h"
#include "control/engine.h"
#include "control/testing/access_recorder.h"
#include "transport/testing/test_host.h"

extern "C" const char __executable_start;

namespace capsuled::control {
namespace {

using transport::ControlEvent;
using transport::ControlEventType;
using transport::testing::make_io;
using transport::testing::Octets;
using transport::testing::pattern;
using transport::testing::Pdu;
using transport::testing::set_capsule_sgl;
using transport::testing::TestHost;

constexpr uint32_t kTable = 1;
constexpr uint32_t kReactors = 2;
constexpr uint32_t kBlockBytes = 512;
constexpr uint64_t kBdevBytes = 16 << 20;
constexpr uint32_t kWarmUpRounds = 200;
constexpr uint32_t kRounds = 1000;
constexpr auto kTimeLimit = std::chrono::seconds(60);

/// An engine whose control thread accepts every Connect.
class Target {
 public:
  Target() {
    EngineOptions options;
    options.cores.assign(kReactors, -1);
    options.memory_bytes = kReactors * (32 << 20);
    options.connections_max = 64;
    engine_ = Engine::create(options, notified, this).value();
    auto bdev = make_bdev(engine_->env(), {.name = "null0",
                                           .kind = "null",
                                           .bytes = kBdevBytes,
                                           .block_size = kBlockBytes,
                                           .reactor_count = kReactors});
    ASSERT(bdev.ok() && engine_->bdevs().add(std::move(bdev).value()).ok());
    wait([&](Done done) {
      ASSERT(engine_->namespaces_publish(kTable, {{.nsid = 1, .bdev = "null0"}}, std::move(done))
                 .ok());
    });
    port_ = engine_->listener_add(1, {"127.0.0.1", 0}).value().port;
  }

  ~Target() {
    wait([&](Done done) { engine_->stop(std::move(done)); });
    engine_.reset();
  }

  /// A connection, not yet the target's.
  int dial() const {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port_);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
    return fd;
  }

  template <typename Condition>
  void serve_until(Condition condition) {
    const auto end = std::chrono::steady_clock::now() + kTimeLimit;
    for (;;) {
      for (auto& event : engine_->drain(64)) take(*event);
      if (condition()) return;
      std::unique_lock lock(mutex_);
      ASSERT_MSG(wake_.wait_until(lock, end, [&] { return notified_; }),
                 "nothing happens any more");
      notified_ = false;
    }
  }

  void notify() { notified(this); }
  const std::vector<uint32_t>& reactors() const { return reactors_; }

 private:
  static void notified(void* argument) {
    auto& self = *static_cast<Target*>(argument);
    {
      const std::lock_guard lock(self.mutex_);
      self.notified_ = true;
    }
    self.wake_.notify_one();
  }

  void wait(const std::function<void(Done done)>& ask) {
    bool done = false;
    ask([&] { done = true; });
    serve_until([&] { return done; });
  }

  void take(const ControlEvent& event) {
    if (event.type == ControlEventType::ConnectionOpened) reactors_.push_back(event.reactor);
    if (event.type != ControlEventType::Command) return;
    const auto& connect = wire::command_as<wire::ConnectCommand>(event.sqe);
    ASSERT(engine_->attach({.token = event.token,
                            .dw0 = 1,
                            .controller = 1,
                            .qid = connect.qid.get(),
                            .entries = connect.sqsize.get() + 1u,
                            .flow_control_disabled = true,
                            .table = kTable}));
  }

  std::unique_ptr<Engine> engine_;
  uint16_t port_ = 0;
  std::vector<uint32_t> reactors_;  ///< of the connections, in the order of their arrival
  std::mutex mutex_;
  std::condition_variable wake_;
  bool notified_ = false;
};

/// Commands of every kind, in blocks of this host's own; all at once, then all answers.
void round(TestHost& host, uint64_t first_lba) {
  uint16_t cid = 0;
  for (uint64_t index = 0; index < 8; ++index) {
    host.capsule(make_io(wire::IoOpcode::kRead, cid++, first_lba + index * 8, 4096));
    auto write = make_io(wire::IoOpcode::kWrite, cid++, first_lba + index * 8, 4096);
    set_capsule_sgl(write, 4096);
    host.capsule(write, pattern(4096, index));
  }
  host.capsule(make_io(wire::IoOpcode::kWrite, cid++, first_lba + 64, 65536));
  for (uint16_t left = cid; left > 0;) {
    const Pdu pdu = host.receive();
    ASSERT_MSG(!pdu.closed, "the target closed the connection");
    if (pdu.type == wire::PduType::kR2t) {
      host.h2c_data(pdu, 0, pattern(65536, 9), true);
      continue;
    }
    ASSERT(pdu.type == wire::PduType::kC2hData || pdu.status() == 0);
    --left;
  }
}

const void* offset_of(const void* code) {
  return reinterpret_cast<const void*>(static_cast<const char*>(code) - &__executable_start);
}

/// Prints the lines that one reactor wrote and the other one used; returns how many.
size_t report() {
  size_t shared = 0;
  for (uint32_t writer = 0; writer < kReactors; ++writer) {
    const auto& table = testing::line_tables[writer];
    const uint32_t other = 1 - writer;
    for (size_t slot = 0; slot < testing::LineTable::kSlotCount; ++slot) {
      const testing::UsedLine& line = table.slots[slot];
      if (line.address == 0 || line.written_at == nullptr) continue;
      const testing::UsedLine* const also = testing::find_line(other, line.address);
      if (also == nullptr) continue;
      if (also->written_at != nullptr && writer > other) continue;  // told already
      ++shared;
      std::printf("line %" PRIxPTR ": reactor %u writes it at %p, reactor %u %s it at %p\n",
                  line.address, writer, offset_of(line.written_at), other,
                  also->written_at != nullptr ? "writes" : "reads",
                  offset_of(also->written_at != nullptr ? also->written_at : also->read_at));
    }
  }
  return shared;
}

int run() {
  testing::prepare_recording();
  Target target;
  std::vector<int> sockets;
  // One connection for each reactor; connections go where there are fewest.
  for (uint32_t reactor = 0; reactor < kReactors; ++reactor) sockets.push_back(target.dial());
  target.serve_until([&] { return target.reactors().size() == kReactors; });
  ASSERT_MSG(target.reactors()[0] != target.reactors()[1], "both connections on one reactor");

  std::atomic<uint32_t> warm = 0;
  std::atomic<uint32_t> done = 0;
  std::vector<std::thread> hosts;
  for (uint32_t index = 0; index < kReactors; ++index) {
    hosts.emplace_back([&, index] {
      TestHost host(sockets[index]);
      ASSERT(host.connect(1, 64) == 0);
      const uint64_t first_lba = index * (kBdevBytes / kBlockBytes / kReactors);
      for (uint32_t count = 0; count < kWarmUpRounds; ++count) round(host, first_lba);
      ++warm;
      while (warm < kReactors) std::this_thread::yield();
      testing::set_recording(true);
      for (uint32_t count = 0; count < kRounds; ++count) round(host, first_lba);
      testing::set_recording(false);
      ++done;
      target.notify();
      // Leaving is not I/O.
      while (done < kReactors) std::this_thread::yield();
    });
  }
  target.serve_until([&] { return done == kReactors; });
  for (std::thread& host : hosts) host.join();

  const size_t shared = report();
  std::printf(
      "%zu cache lines used by reactor 0, %zu by reactor 1, %zu written by one and used by "
      "both\n",
      testing::line_tables[0].used, testing::line_tables[1].used, shared);
  const bool recorded = testing::line_tables[0].used > 100 && testing::line_tables[1].used > 100;
  if (!recorded) std::printf("too little was recorded\n");
  return recorded && shared == 0 ? 0 : 1;
}

}  // namespace
}  // namespace capsuled::control

int main() { return capsuled::control::run(); }
