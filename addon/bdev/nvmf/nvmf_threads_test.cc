// The same with threads, sockets and time as they are: what the reactors tell each other.
#include <doctest/doctest.h>
#include <netinet/in.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <deque>
#include <list>
#include <mutex>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "bdev/nvmf/nvmf_bdev.h"
#include "bdev/test_reactors.h"
#include "pdu/testing/pdu_peer.h"
#include "wire/identify.h"
#include "wire/registers.h"

namespace capsuled {
namespace {

using namespace capsuled::testing;

constexpr uint32_t kBlock = 512;
constexpr uint64_t kBlocks = 256;

struct Disk {
  std::mutex mutex;
  std::vector<std::byte> bytes = std::vector<std::byte>(kBlock * kBlocks);
};

/// A port of a subsystem with one namespace. Each connection has a thread.
class Port {
 public:
  explicit Port(Disk& disk) : disk_(disk), listen_fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof(address);
    auto* const raw = reinterpret_cast<sockaddr*>(&address);
    ASSERT(::bind(listen_fd_, raw, length) == 0 && ::listen(listen_fd_, 64) == 0);
    ASSERT(::getsockname(listen_fd_, raw, &length) == 0);
    endpoint = {"127.0.0.1", ntohs(address.sin_port)};
    accepting_ = std::thread([this] { accept_all(); });
  }
  ~Port() {
    ::shutdown(listen_fd_, SHUT_RDWR);
    accepting_.join();
    cut();
    for (Connection& each : connections_) each.thread.join();
    ::close(listen_fd_);
  }
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;

  /// Ends all connections.
  void cut() {
    const std::lock_guard lock(mutex_);
    for (const Connection& each : connections_) ::shutdown(each.peer.fd(), SHUT_RDWR);
  }
  /// When so many more PDUs have come: what is cut is not a matter of how fast the machine is.
  void cut_after(int64_t pdus) { cut_after_ = pdus; }

  env::Endpoint endpoint;
  std::atomic<uint64_t> served = 0;  ///< of I/O queues
  std::atomic<uint32_t> cuts = 0;    ///< that cut_after() made

 private:
  struct Connection {
    PduPeer peer;
    std::thread thread{};
  };

  void accept_all() {
    for (;;) {
      const int fd = ::accept(listen_fd_, nullptr, nullptr);
      if (fd < 0 && errno == EINTR) continue;
      if (fd < 0) return;
      const std::lock_guard lock(mutex_);
      Connection& made = connections_.emplace_back(PduPeer(fd));
      made.thread = std::thread([this, &made] { serve(made.peer); });
    }
  }

  void serve(PduPeer& peer) {
    if (peer.receive().closed || !peer.send(make_ic_resp({}))) return;
    for (;;) {
      const Pdu pdu = peer.receive();
      if (pdu.closed) return;
      if (--cut_after_ == 0) {
        ++cuts;
        cut();
      }
      const auto& sqe = pdu.as<wire::CapsuleCmdHeader>().sqe;
      wire::CompletionQueueEntry cqe = {};
      cqe.cid = sqe.cid;
      const bool is_io = sqe.nsid.get() == 1 && sqe.cdw12.get() == 0 &&
                         (sqe.opcode == static_cast<uint8_t>(wire::IoOpcode::kRead) ||
                          sqe.opcode == static_cast<uint8_t>(wire::IoOpcode::kWrite)) &&
                         sqe.dptr.length.get() == kBlock;
      Octets data;
      if (is_io) {
        data = io(sqe, pdu.data);
      } else if (sqe.opcode == static_cast<uint8_t>(wire::AdminOpcode::kAsynchronousEventRequest)) {
        continue;
      } else {
        data = admin(sqe, pdu.data, cqe);
      }
      if (!data.empty() &&
          !peer.send(make_c2h_data(sqe.cid.get(), 0, data, {}, wire::kDataLastPdu))) {
        return;
      }
      if (!peer.send(make_response(cqe, {}))) return;
    }
  }

  Octets io(const wire::SubmissionQueueEntry& sqe, const Octets& data) {
    ++served;
    const std::lock_guard lock(disk_.mutex);
    std::byte* const at = disk_.bytes.data() + uint64_t{sqe.cdw10.get()} * kBlock;
    if (sqe.opcode == static_cast<uint8_t>(wire::IoOpcode::kRead)) return {at, at + kBlock};
    std::ranges::copy(data, at);
    return {};
  }

  Octets admin(const wire::SubmissionQueueEntry& sqe, const Octets& data,
               wire::CompletionQueueEntry& cqe) {
    if (sqe.opcode == wire::kFabricsOpcode) {
      fabrics(sqe, data, cqe);
    } else if (sqe.opcode == static_cast<uint8_t>(wire::AdminOpcode::kSetFeatures)) {
      cqe.dw0.set(0x000f'000f);
    } else if (sqe.opcode == static_cast<uint8_t>(wire::AdminOpcode::kIdentify)) {
      if (sqe.nsid.get() == 0) {
        wire::IdentifyController page = {};
        page.kas.set(1);
        page.ioccsz.set((64 + 8192) / 16);
        return octets_of(page);
      }
      wire::IdentifyNamespace page = {};
      page.nsze.set(kBlocks);
      page.lbaf[0].lbads = 9;
      page.nguid[0] = 5;
      return octets_of(page);
    }
    return {};
  }

  void fabrics(const wire::SubmissionQueueEntry& sqe, const Octets& data,
               wire::CompletionQueueEntry& cqe) {
    const auto& get = wire::view_as<wire::PropertyGetCommand>(wire::bytes_of(sqe));
    switch (static_cast<wire::FabricsCommandType>(get.fctype)) {
      case wire::FabricsCommandType::kConnect: {
        const auto& connect = wire::view_as<wire::ConnectData>(std::span(data));
        const bool is_admin = connect.cntlid.get() == wire::kCntlidDynamic;
        cqe.dw0.set(is_admin ? 1u + controllers_++ % 1000 : connect.cntlid.get());
        break;
      }
      case wire::FabricsCommandType::kPropertyGet:
        if (get.ofst.get() == static_cast<uint32_t>(wire::Property::kCsts)) {
          cqe.dw0.set(wire::Csts::Rdy::set(0u, 1u));
        } else {
          cqe.dw0.set(static_cast<uint32_t>(wire::Cap::Mqes::set(uint64_t{0}, uint64_t{127})));
        }
        break;
      default: break;
    }
  }

  Disk& disk_;
  const int listen_fd_;
  std::thread accepting_;
  std::atomic<uint32_t> controllers_ = 0;
  std::atomic<int64_t> cut_after_ = 0;  ///< PDUs; it is done if that is not positive
  std::mutex mutex_;                    ///< guards the list
  std::list<Connection> connections_;
};

}  // namespace

TEST_CASE("nvmf: on threads, over paths that are cut again and again, nothing is lost") {
  Disk disk;
  Port one(disk);
  Port other(disk);
  TestReactors reactors(2);
  NvmfOptions options;
  options.subnqn = "nqn.2026-11.com.example:far0";
  options.hostnqn = "nqn.2026-11.com.example:host";
  options.paths = {one.endpoint, other.endpoint};
  options.policy = PathPolicy::RoundRobin;
  options.reconnect_delay_ns = 20'000'000;
  BdevResult made =
      make_nvmf_bdev(reactors.env(), {&reactors.reactor(0), &reactors.reactor(1)}, "far0", options);
  REQUIRE(made.ok());
  TestBdevUser user(reactors, std::move(made).value(), 2);

  constexpr uint32_t kAtOnce = 24;
  std::vector<std::byte> memory(kAtOnce * kBlock);
  const auto run_all = [&](BdevIoType type) {
    std::deque<TestIo> ios;
    for (uint32_t index = 0; index < kAtOnce; ++index) {
      ios.emplace_back(type, index, 1, std::vector<iovec>{{&memory[index * kBlock], kBlock}});
      user.start(ios.back(), index % 2);
    }
    for (TestIo& io : ios) CHECK(io.wait() == BdevStatus::Success);
  };
  size_t states = 0;
  for (uint32_t round = 1; one.cuts + other.cuts < 16; ++round) {
    // Some of it comes through before a path is cut, so that all is done at last.
    for (Port* const port : {&one, &other})
      port->cut_after(5 + (round * 17 + port->cuts * 29) % 60);
    const auto value = static_cast<int>(round % 255 + 1);
    std::memset(memory.data(), value, memory.size());
    run_all(BdevIoType::Write);
    std::memset(memory.data(), 0, memory.size());
    run_all(BdevIoType::Read);
    const auto is_right = [value](std::byte byte) { return std::to_integer<int>(byte) == value; };
    CHECK(std::ranges::all_of(memory, is_right));
    for (const BdevPath& path : user.bdev().paths()) states += path.state.size();
    CHECK(user.bdev().bytes_found() == kBlock * kBlocks);
  }
  CHECK(states > 0);
  CHECK(one.served > 0);
  CHECK(other.served > 0);
}

TEST_CASE("nvmf: on threads, opened and closed while paths are cut, it leaves nothing behind") {
  Disk disk;
  Port one(disk);
  Port other(disk);
  TestReactors reactors(2);
  NvmfOptions options;
  options.subnqn = "nqn.2026-11.com.example:far0";
  options.hostnqn = "nqn.2026-11.com.example:host";
  options.paths = {one.endpoint, other.endpoint};
  options.reconnect_delay_ns = 5'000'000;
  uint32_t opened = 0;
  for (uint32_t round = 0; round < 30; ++round) {
    // Of the PDUs that it takes to connect, each may be the last.
    one.cut_after(1 + round % 15);
    other.cut_after(round % 3 == 0 ? 0 : 1 + round * 7 % 15);
    BdevResult made = make_nvmf_bdev(reactors.env(), {&reactors.reactor(0), &reactors.reactor(1)},
                                     "far0", options);
    if (made.ok()) ++opened;
    std::thread cutting([&] { (round % 2 == 0 ? one : other).cut(); });
    if (made.ok()) std::move(made).value().reset();
    cutting.join();
  }
  CHECK(opened > 0);
}

}  // namespace capsuled
