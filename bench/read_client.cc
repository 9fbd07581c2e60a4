// Client of the read benchmark: keeps QUEUE_DEPTH 4 KiB random reads under way for SECONDS on one
// polled connection, and prints rate and latencies as JSON.
//
//   read_client CORE PORT QUEUE_DEPTH SECONDS [SUBNQN BLOCKS BLOCK_SIZE]
//
// Without SUBNQN the peer is limit_server; with it an NVMe/TCP target: the client then does ICReq,
// Connect, enable and the I/O queue's Connect first, and the same loop of the same code afterwards.
#include <algorithm>
#include <string_view>
#include <vector>

#include "base/prng.h"
#include "socket.h"
#include "wire/admin_command.h"
#include "wire/fabrics.h"
#include "wire/io_command.h"
#include "wire/pdu.h"
#include "wire/registers.h"

namespace capsuled::bench {
namespace {

constexpr uint32_t kReadBytes = 4096;

wire::CapsuleCmdHeader capsule(uint8_t opcode, uint32_t in_capsule_bytes) {
  wire::CapsuleCmdHeader pdu{};
  pdu.common.type = static_cast<uint8_t>(wire::PduType::kCapsuleCmd);
  pdu.common.hlen = sizeof(pdu);
  pdu.common.pdo = in_capsule_bytes > 0 ? sizeof(pdu) : 0;
  pdu.common.plen.set(static_cast<uint32_t>(sizeof(pdu)) + in_capsule_bytes);
  pdu.sqe.opcode = opcode;
  pdu.sqe.flags =
      wire::CommandFlags::Psdt::set(uint8_t{0}, static_cast<uint8_t>(wire::DataPointerType::kSgl));
  pdu.sqe.dptr.length.set(in_capsule_bytes);
  if (in_capsule_bytes > 0) {
    pdu.sqe.dptr.set_identifier(wire::SglType::kDataBlock, wire::SglSubtype::kOffset);
  } else {
    pdu.sqe.dptr.set_identifier(wire::SglType::kTransportDataBlock,
                                wire::SglSubtype::kTransportSpecific);
  }
  return pdu;
}

/// One queue of the target: a connection past ICResp.
class Queue {
 public:
  explicit Queue(uint16_t port) : fd_(connect_to(port)) {
    wire::IcReq request{};
    request.common.type = static_cast<uint8_t>(wire::PduType::kIcReq);
    request.common.hlen = sizeof(request);
    request.common.plen.set(sizeof(request));
    send_all(fd_, &request, sizeof(request));
    wire::IcResp response{};
    receive_all(fd_, &response, sizeof(response));
  }
  int fd() const { return fd_; }

  /// Sends a command without data to the host and waits for its success; returns dword 0.
  uint32_t call(const wire::CapsuleCmdHeader& pdu, const void* data, size_t bytes,
                const char* what) {
    send_all(fd_, &pdu, sizeof(pdu));
    if (bytes > 0) send_all(fd_, data, bytes);
    wire::CapsuleRespHeader response{};
    receive_all(fd_, &response, sizeof(response));
    const auto status = wire::Status::unpack(response.cqe.status.get());
    if (!status.is_success()) {
      std::fprintf(stderr, "%s: %s\n", what, wire::fabrics_status_name(status));
      std::exit(1);
    }
    return response.cqe.dw0.get();
  }

  uint16_t connect(uint16_t qid, uint16_t entries, uint16_t cntlid, std::string_view subnqn) {
    auto pdu = capsule(wire::kFabricsOpcode, sizeof(wire::ConnectData));
    wire::ConnectCommand command{};
    std::memcpy(static_cast<void*>(&command), static_cast<const void*>(&pdu.sqe), sizeof(command));
    command.fctype = static_cast<uint8_t>(wire::FabricsCommandType::kConnect);
    command.qid.set(qid);
    command.sqsize.set(static_cast<uint16_t>(entries - 1));
    command.cattr = 1u << 2;  // SQ flow control disabled, so that a read is one PDU
    std::memcpy(static_cast<void*>(&pdu.sqe), &command, sizeof(command));
    wire::ConnectData data{};
    data.hostid[0] = 1;
    data.cntlid.set(cntlid);
    data.subnqn.set(subnqn);
    data.hostnqn.set("nqn.2014-08.org.nvmexpress:uuid:00000000-0000-4000-8000-00000000be0c");
    return static_cast<uint16_t>(call(pdu, &data, sizeof(data), "Connect"));
  }

  void enable() {
    auto pdu = capsule(wire::kFabricsOpcode, 0);
    wire::PropertySetCommand command{};
    std::memcpy(static_cast<void*>(&command), static_cast<const void*>(&pdu.sqe), sizeof(command));
    command.fctype = static_cast<uint8_t>(wire::FabricsCommandType::kPropertySet);
    command.ofst.set(static_cast<uint32_t>(wire::Property::kCc));
    command.value.set(0x00460001);  // IOCQES 4, IOSQES 6, EN
    std::memcpy(static_cast<void*>(&pdu.sqe), &command, sizeof(command));
    call(pdu, nullptr, 0, "enable");
    pdu = capsule(static_cast<uint8_t>(wire::AdminOpcode::kSetFeatures), 0);
    pdu.sqe.cdw10.set(static_cast<uint32_t>(wire::Feature::kNumberOfQueues));
    call(pdu, nullptr, 0, "Number of Queues");
  }

 private:
  int fd_;
};

struct Load {
  uint32_t queue_depth = 1;
  double seconds = 1;
  uint64_t reads_max = 1;  ///< places of 4 KiB on the namespace
  uint32_t block_size = 4096;
};

/// The loop that both peers see.
class ReadLoop {
 public:
  ReadLoop(int fd, const Load& load) : fd_(fd), load_(load), prng_(1) {
    started_ns_.resize(load.queue_depth);
    for (uint32_t cid = 0; cid < load.queue_depth; cid++) push_read(static_cast<uint16_t>(cid));
    flush();
  }

  void run() {
    const uint64_t begin_ns = now_ns();
    const auto warm_ns = static_cast<uint64_t>(load_.seconds * 2e8);
    const auto length_ns = static_cast<uint64_t>(load_.seconds * 1e9);
    bool warm = false;
    uint64_t measured_from_ns = begin_ns;
    for (;;) {
      const uint64_t now = receive();
      if (!warm && now - begin_ns > warm_ns) {
        warm = true;
        latencies_ns_.clear();
        measured_from_ns = now;
      }
      if (warm && now - measured_from_ns > length_ns) {
        print(now - measured_from_ns);
        return;
      }
      flush();
    }
  }

 private:
  void push_read(uint16_t cid) {
    auto pdu = capsule(static_cast<uint8_t>(wire::IoOpcode::kRead), 0);
    const uint32_t blocks = kReadBytes / load_.block_size;
    const uint64_t slba = prng_.below(load_.reads_max) * blocks;
    pdu.sqe.cid.set(cid);
    pdu.sqe.nsid.set(1);
    pdu.sqe.cdw10.set(static_cast<uint32_t>(slba));
    pdu.sqe.cdw11.set(static_cast<uint32_t>(slba >> 32));
    pdu.sqe.cdw12.set(blocks - 1);
    pdu.sqe.dptr.length.set(kReadBytes);
    started_ns_[cid] = now_ns();
    const auto* const bytes = reinterpret_cast<const std::byte*>(&pdu);
    output_.insert(output_.end(), bytes, bytes + sizeof(pdu));
  }

  void flush() {
    if (output_.empty()) return;
    send_all(fd_, output_.data(), output_.size());
    output_.clear();
  }

  uint64_t receive() {
    const ssize_t got = ::recv(fd_, input_.data() + filled_, input_.size() - filled_, MSG_DONTWAIT);
    const uint64_t now = now_ns();
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return now;
    if (got <= 0) fail("receive");
    filled_ += static_cast<size_t>(got);
    constexpr size_t kPduBytes = sizeof(wire::C2hData) + kReadBytes;
    size_t at = 0;
    for (; filled_ - at >= kPduBytes; at += kPduBytes) {
      wire::C2hData header;
      std::memcpy(&header, input_.data() + at, sizeof(header));
      if (header.common.type != static_cast<uint8_t>(wire::PduType::kC2hData) ||
          header.common.plen.get() != kPduBytes || header.cccid.get() >= load_.queue_depth) {
        std::fprintf(stderr, "unexpected PDU of type %u\n", header.common.type);
        std::exit(1);
      }
      latencies_ns_.push_back(static_cast<uint32_t>(
          std::min<uint64_t>(now - started_ns_[header.cccid.get()], UINT32_MAX)));
      push_read(header.cccid.get());
    }
    std::memmove(input_.data(), input_.data() + at, filled_ - at);
    filled_ -= at;
    return now;
  }

  void print(uint64_t elapsed_ns) {
    std::sort(latencies_ns_.begin(), latencies_ns_.end());
    const size_t count = latencies_ns_.size();
    const auto at = [&](double quantile) {
      const auto index = static_cast<size_t>(quantile * static_cast<double>(count - 1));
      return count == 0 ? 0.0 : latencies_ns_[index] / 1000.0;
    };
    std::printf("{\"iops\":%.0f,\"p50_us\":%.2f,\"p99_us\":%.2f}\n",
                static_cast<double>(count) * 1e9 / static_cast<double>(elapsed_ns), at(0.5),
                at(0.99));
  }

  int fd_;
  Load load_;
  Prng prng_;
  std::vector<uint64_t> started_ns_;
  std::vector<std::byte> output_;
  std::vector<std::byte> input_ = std::vector<std::byte>(1 << 20);
  size_t filled_ = 0;
  std::vector<uint32_t> latencies_ns_;
};

int run(int argc, char** argv) {
  pin_to_core(std::atoi(argv[1]));
  const auto port = static_cast<uint16_t>(std::atoi(argv[2]));
  Load load;
  load.queue_depth = static_cast<uint32_t>(std::atoi(argv[3]));
  load.seconds = std::atof(argv[4]);
  if (argc == 5) {
    ReadLoop(connect_to(port), load).run();
    return 0;
  }
  load.block_size = static_cast<uint32_t>(std::atoi(argv[7]));
  load.reads_max = std::strtoull(argv[6], nullptr, 10) * load.block_size / kReadBytes;
  Queue admin(port);
  const uint16_t cntlid = admin.connect(0, 32, wire::kCntlidDynamic, argv[5]);
  admin.enable();
  Queue io(port);
  io.connect(1, static_cast<uint16_t>(std::max(load.queue_depth + 1, 2u)), cntlid, argv[5]);
  ReadLoop(io.fd(), load).run();
  return 0;
}

}  // namespace
}  // namespace capsuled::bench

int main(int argc, char** argv) {
  if (argc != 5 && argc != 8) {
    std::fprintf(stderr,
                 "usage: read_client CORE PORT QUEUE_DEPTH SECONDS [SUBNQN BLOCKS BLOCK_SIZE]\n");
    return 2;
  }
  return capsuled::bench::run(argc, argv);
}
