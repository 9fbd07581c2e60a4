// PduPeer: the far end of a connection, for tests: a blocking socket, byte by byte under the test's
// control. It writes PDUs by hand, with or without mistakes, and reads PDUs checking digests and
// lengths. Thread: the test's.
#pragma once

#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <span>
#include <utility>

#include "pdu/testing/make_pdu.h"

namespace capsuled::testing {

struct Pdu {
  bool closed = false;  ///< the end of the stream instead of a PDU
  bool digests_right = true;
  wire::PduType type = {};
  uint8_t flags = 0;
  Octets header;
  Octets data;

  template <typename T>
  const T& as() const {
    return wire::view_as<T>(std::span<const std::byte>(header));
  }
  uint16_t status() const { return as<wire::CapsuleRespHeader>().cqe.status.get(); }
  uint16_t cid() const { return as<wire::CapsuleRespHeader>().cqe.cid.get(); }
};

class PduPeer {
 public:
  PduPeer() = default;
  explicit PduPeer(int fd) : fd_(fd) {
    timeval limit = {.tv_sec = 20, .tv_usec = 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  }
  ~PduPeer() { close(); }
  PduPeer(PduPeer&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  PduPeer& operator=(PduPeer&& other) noexcept {
    close();
    fd_ = std::exchange(other.fd_, -1);
    return *this;
  }

  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  int fd() const { return fd_; }

  /// False: the peer is gone.
  bool send(const Octets& octets) { return send(std::span(octets)); }
  bool send(std::span<const std::byte> octets) {
    while (!octets.empty()) {
      const ssize_t sent = ::send(fd_, octets.data(), octets.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno == EINTR) continue;
      if (sent <= 0) return false;
      octets = octets.subspan(static_cast<size_t>(sent));
    }
    return true;
  }

  Pdu receive() {
    Pdu pdu;
    Octets common = take(sizeof(wire::PduCommonHeader));
    if (common.size() < sizeof(wire::PduCommonHeader)) {
      pdu.closed = true;
      return pdu;
    }
    const auto view = wire::view_as<wire::PduCommonHeader>(std::span<const std::byte>(common));
    pdu.type = static_cast<wire::PduType>(view.type);
    pdu.flags = view.flags;
    Octets rest = take(view.plen.get() - sizeof(wire::PduCommonHeader));
    pdu.closed = rest.size() != view.plen.get() - sizeof(wire::PduCommonHeader);
    if (pdu.closed) return pdu;
    common.insert(common.end(), rest.begin(), rest.end());
    pdu.header.assign(common.begin(), common.begin() + view.hlen);
    size_t begin = view.pdo != 0 ? view.pdo : view.hlen;
    size_t end = common.size();
    if ((view.flags & wire::kHdgstf) != 0) {
      pdu.digests_right = digest_at(common, view.hlen) == crc32c(pdu.header);
      if (view.pdo == 0) begin = end;
    }
    if ((view.flags & wire::kDdgstf) != 0) end -= 4;
    if (end > begin) {
      pdu.data.assign(common.begin() + static_cast<ptrdiff_t>(begin),
                      common.begin() + static_cast<ptrdiff_t>(end));
    }
    if ((view.flags & wire::kDdgstf) != 0 && digest_at(common, end) != crc32c(pdu.data)) {
      pdu.digests_right = false;
    }
    return pdu;
  }

 private:
  static uint32_t digest_at(const Octets& octets, size_t offset) {
    return wire::view_as<Le32>(std::span<const std::byte>(octets).subspan(offset)).get();
  }
  Octets take(size_t bytes) {
    Octets octets(bytes);
    size_t taken = 0;
    while (taken < bytes) {
      const ssize_t got = ::recv(fd_, octets.data() + taken, bytes - taken, 0);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) break;
      taken += static_cast<size_t>(got);
    }
    octets.resize(taken);
    return octets;
  }

  int fd_ = -1;
};

}  // namespace capsuled::testing
