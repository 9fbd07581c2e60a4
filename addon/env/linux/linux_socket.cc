#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "env/linux/linux_parts.h"

namespace capsuled::env {
namespace {

constexpr int kBindAttemptsMax = 20;
constexpr long kBindPauseNs = 25'000'000;

std::string ipv4_text(const void* bytes) {
  char text[INET_ADDRSTRLEN] = "";
  ::inet_ntop(AF_INET, bytes, text, sizeof(text));
  return text;
}

/// A link-local address is written with its zone, because such an address names nothing without a
/// zone.
std::string ipv6_text(const sockaddr_in6& address) {
  // A socket that listens for both families has IPv4 peers under mapped IPv6 addresses. They are
  // written as IPv4 addresses, so that nobody has to know a peer by two names.
  constexpr size_t kMappedPrefixBytes = 12;
  if (IN6_IS_ADDR_V4MAPPED(&address.sin6_addr)) {
    return ipv4_text(address.sin6_addr.s6_addr + kMappedPrefixBytes);
  }
  char text[INET6_ADDRSTRLEN] = "";
  ::inet_ntop(AF_INET6, &address.sin6_addr, text, sizeof(text));
  if (address.sin6_scope_id == 0) return text;
  char name[IF_NAMESIZE] = "";
  const bool named = ::if_indextoname(address.sin6_scope_id, name) != nullptr;
  return std::string(text) + "%" + (named ? name : std::to_string(address.sin6_scope_id));
}

Result<Endpoint> format(const SocketAddress& address) {
  if (address.storage.ss_family == AF_INET) {
    const auto* const ipv4 = reinterpret_cast<const sockaddr_in*>(&address.storage);
    return Endpoint{ipv4_text(&ipv4->sin_addr), ntohs(ipv4->sin_port)};
  }
  if (address.storage.ss_family == AF_INET6) {
    const auto* const ipv6 = reinterpret_cast<const sockaddr_in6*>(&address.storage);
    return Endpoint{ipv6_text(*ipv6), ntohs(ipv6->sin6_port)};
  }
  return Error{EAFNOSUPPORT, "the address of a socket that is neither IPv4 nor IPv6"};
}

/// Returns an errno value, or 0.
int bind_and_listen(int fd, SocketAddress& address, int backlog) {
  const int on = 1;
  if (::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0) return errno;
  if (address.storage.ss_family == AF_INET6) {
    // A listener on [::] takes connections to all addresses of IPv6 and IPv4, whatever default the
    // machine has set; any other listener takes only connections to its own address.
    const auto* const ipv6 = reinterpret_cast<const sockaddr_in6*>(&address.storage);
    const int only = IN6_IS_ADDR_UNSPECIFIED(&ipv6->sin6_addr) ? 0 : 1;
    if (::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only)) != 0) return errno;
  }
  if (::bind(fd, address.raw(), address.length) != 0) return errno;
  if (::listen(fd, backlog) != 0) return errno;
  return 0;
}

}  // namespace

Result<SocketAddress> linux_resolve(const Endpoint& endpoint) {
  SocketAddress address;
  auto* const ipv4 = reinterpret_cast<sockaddr_in*>(&address.storage);
  if (::inet_pton(AF_INET, endpoint.address.c_str(), &ipv4->sin_addr) == 1) {
    ipv4->sin_family = AF_INET;
    ipv4->sin_port = htons(endpoint.port);
    address.length = sizeof(sockaddr_in);
    return address;
  }
  auto* const ipv6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
  const size_t percent = endpoint.address.find('%');
  if (::inet_pton(AF_INET6, endpoint.address.substr(0, percent).c_str(), &ipv6->sin6_addr) == 1) {
    ipv6->sin6_family = AF_INET6;
    ipv6->sin6_port = htons(endpoint.port);
    if (percent != std::string::npos) {
      ipv6->sin6_scope_id = ::if_nametoindex(endpoint.address.c_str() + percent + 1);
      if (ipv6->sin6_scope_id == 0) return Error{errno, "no such interface after %"};
    }
    address.length = sizeof(sockaddr_in6);
    return address;
  }
  return Error{EINVAL, "expected an IPv4 or IPv6 address"};
}

Result<int> linux_make_socket(const SocketAddress& address) {
  const int fd = ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
  if (fd < 0) return Error{errno, "cannot make a socket"};
  return fd;
}

Result<int> linux_listen(const Endpoint& endpoint, int backlog) {
  Result<SocketAddress> address = linux_resolve(endpoint);
  if (!address.ok()) return address.error();
  for (int attempt = 1;; ++attempt) {
    const Result<int> fd = linux_make_socket(address.value());
    if (!fd.ok()) return fd.error();
    const int errnum = bind_and_listen(fd.value(), address.value(), backlog);
    if (errnum == 0) return fd;
    ::close(fd.value());
    if (errnum != EADDRINUSE) return Error{errnum, "listen: cannot bind the address"};
    if (attempt == kBindAttemptsMax) {
      return Error{errnum, "listen: another process has the address and port"};
    }
    const timespec pause{0, kBindPauseNs};
    ::nanosleep(&pause, nullptr);
  }
}

Result<Endpoint> linux_local_endpoint(int fd) {
  SocketAddress address;
  if (::getsockname(fd, address.raw(), &address.length) != 0) return Error{errno, "getsockname"};
  return format(address);
}

Result<Endpoint> linux_peer_endpoint(int fd) {
  SocketAddress address;
  if (::getpeername(fd, address.raw(), &address.length) != 0) return Error{errno, "getpeername"};
  return format(address);
}

}  // namespace capsuled::env
