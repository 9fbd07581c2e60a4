// The limit of 4 KiB reads over loopback TCP: a server with the byte shape of NVMe/TCP (72-byte
// commands in, C2HData header and 4096 bytes out) and nothing else: no protocol, no storage, no
// choice. One connection, one thread, polling; everything that one receive brought is answered by
// one gather send.
//
// limit_server CORE: prints its port, serves one connection, prints the CPU time it used and the
// requests it answered.
#include <sys/uio.h>

#include <vector>

#include "socket.h"
#include "wire/pdu.h"

namespace capsuled::bench {
namespace {

constexpr size_t kReadBytes = 4096;
constexpr size_t kRequestBytes = sizeof(wire::CapsuleCmdHeader);
constexpr size_t kBatchMax = 512;

struct Batch {
  std::vector<wire::C2hData> headers = std::vector<wire::C2hData>(kBatchMax);
  std::vector<iovec> iov = std::vector<iovec>(2 * kBatchMax);
  std::vector<std::byte> block = std::vector<std::byte>(kReadBytes);

  Batch() {
    for (size_t index = 0; index < kBatchMax; index++) {
      wire::C2hData& header = headers[index];
      header = {};
      header.common.type = static_cast<uint8_t>(wire::PduType::kC2hData);
      header.common.flags = wire::kDataLastPdu | wire::kDataSuccess;
      header.common.hlen = sizeof(header);
      header.common.pdo = sizeof(header);
      header.common.plen.set(sizeof(header) + kReadBytes);
      header.datal.set(kReadBytes);
      iov[2 * index] = {&header, sizeof(header)};
      iov[2 * index + 1] = {block.data(), block.size()};
    }
  }

  void send(int fd, size_t count) {
    std::vector<iovec>& all = iov;
    size_t first = 0;
    size_t left = count * (sizeof(wire::C2hData) + kReadBytes);
    std::vector<iovec> rest(all.begin(), all.begin() + static_cast<ptrdiff_t>(2 * count));
    while (left > 0) {
      msghdr message{};
      message.msg_iov = rest.data() + first;
      message.msg_iovlen = rest.size() - first;
      const ssize_t sent = ::sendmsg(fd, &message, MSG_NOSIGNAL);
      if (sent < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (sent < 0) fail("send");
      left -= static_cast<size_t>(sent);
      auto taken = static_cast<size_t>(sent);
      while (first < rest.size() && taken >= rest[first].iov_len) taken -= rest[first++].iov_len;
      if (taken > 0) {
        rest[first].iov_base = static_cast<std::byte*>(rest[first].iov_base) + taken;
        rest[first].iov_len -= taken;
      }
    }
  }
};

/// Serves one connection to its end; returns the number of requests.
uint64_t serve(int fd) {
  Batch batch;
  std::vector<std::byte> input(256 * 1024);
  size_t filled = 0;
  uint64_t requests = 0;
  for (;;) {
    const ssize_t got = ::recv(fd, input.data() + filled, input.size() - filled, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (got <= 0) return requests;
    filled += static_cast<size_t>(got);
    size_t at = 0;
    while (filled - at >= kRequestBytes) {
      size_t count = 0;
      for (; count < kBatchMax && filled - at >= kRequestBytes; at += kRequestBytes) {
        wire::CapsuleCmdHeader command;
        std::memcpy(&command, input.data() + at, sizeof(command));
        batch.headers[count++].cccid.set(command.sqe.cid.get());
      }
      batch.send(fd, count);
      requests += count;
    }
    std::memmove(input.data(), input.data() + at, filled - at);
    filled -= at;
  }
}

int run(int core) {
  pin_to_core(core);
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = loopback(0);
  socklen_t length = sizeof(address);
  if (::bind(listener, reinterpret_cast<sockaddr*>(&address), length) != 0) fail("bind");
  if (::listen(listener, 1) != 0) fail("listen");
  if (::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length) != 0) fail("port");
  std::printf("%u\n", ntohs(address.sin_port));
  std::fflush(stdout);
  const int fd = ::accept(listener, nullptr, nullptr);
  if (fd < 0) fail("accept");
  const int on = 1;
  if (::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0) fail("TCP_NODELAY");
  const uint64_t requests = serve(fd);
  std::printf("{\"requests\":%llu}\n", static_cast<unsigned long long>(requests));
  return 0;
}

}  // namespace
}  // namespace capsuled::bench

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: limit_server CORE\n");
    return 2;
  }
  return capsuled::bench::run(std::atoi(argv[1]));
}
