// Admission: which accepted sockets become connections, so that strangers cannot keep hosts out.
//
// Before its Connect is accepted a peer is a stranger. Strangers have a share of all connections,
// and each address has a share of theirs. When room is needed a stranger goes: the oldest one of
// the address that has the most. So whoever holds less than others is never the one that goes, from
// however many addresses the others come. What is more than a stranger by now goes for nobody.
//
// What ended keeps its place until the control plane has heard of its end: so however fast a peer
// connects and resets, what it has waiting there is bounded. An address gets no place while it
// holds as many, beside its queues, as are left: so there is one for whoever holds none, from
// however many addresses the others come.
//
// An address whose hosts were granted queues that are not connected yet has that many strangers
// more than its share, and they do not count in the choice of who goes.
//
// An address is a host's IPv4 address or the first 64 bits of its IPv6 address, of which a host may
// have any number; but the whole of it where it is link-local, or IPv4 inside IPv6.
//
//   Free ─► Stranger ─► Connected ─► Ended ─► Free
//              └─► Leaving ─► Free
//
// Owner: the engine. Threads: any; a mutex is right here, since connections come and go rarely
// beside I/O, which never takes it. Invariant: the index has each address with strangers that may
// go, under what it holds beyond its reserve.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "transport/control_queue.h"

namespace capsuled::transport {

struct AdmissionLimits {
  uint32_t connections_max = 0;            ///< of all classes
  uint32_t strangers_max = 0;              ///< before Connect
  uint32_t strangers_per_address_max = 0;  ///< of these
  uint32_t leaving_max = 0;  ///< beside those; half of them for an address's strangers that ended

  static AdmissionLimits of(uint32_t connections_max);
};

class Admission {
 public:
  /// Names a place that was given; 0: none.
  using Ticket = uint32_t;
  struct Verdict {
    Ticket ticket = 0;           ///< 0: refused
    ConnectionId displaced = 0;  ///< who has to be terminated for it; 0: nobody
    bool own_limit = false;      ///< refused for its own address's many: others may come in
  };

  explicit Admission(const AdmissionLimits& limits);

  Verdict enter(const std::string& address);
  /// The connection of that place, from when it can be terminated.
  void opened(Ticket ticket, ConnectionId connection);
  /// It is a queue now.
  void connected(Ticket ticket);
  /// Its socket is closed.
  void closed(Ticket ticket);
  /// The control plane has heard that it was closed, or there is nothing to be heard since it did
  /// not begin.
  void leave(Ticket ticket);
  /// Connections of this address that were granted and are still to come.
  void set_reserve(const std::string& address, uint32_t count);

  /// What counts as one address.
  static std::string host_of(const std::string& address);

 private:
  enum class PlaceState : uint8_t {
    Free,       ///< enter() moves it on
    Stranger,   ///< before Connect: connected(), closed() or leave(), or enter() of another
    Connected,  ///< a queue: closed() moves it on
    Leaving,    ///< was shown out, or closed as a stranger: leave() moves it on
    Ended,      ///< was a queue: leave() moves it on
  };
  struct Host {
    std::list<Ticket> strangers;  ///< oldest first
    uint32_t reserve = 0;
    uint32_t connected = 0;
    uint32_t leaving = 0;
    uint32_t ended = 0;
    std::tuple<uint32_t, uint64_t> rank{};  ///< its place in the index; 0 strangers: none
  };
  using Hosts = std::map<std::string, Host>;
  struct Place {
    PlaceState state = PlaceState::Free;
    ConnectionId connection = 0;
    uint64_t arrival = 0;
    Hosts::iterator host;
    std::list<Ticket>::iterator at;
  };

  static uint32_t beyond_reserve(const Host& host);
  void rank(Hosts::iterator host);
  Ticket oldest_opened(const Host& host) const;
  Ticket oldest_of_most() const;
  ConnectionId show_out(Ticket ticket);
  void depart(Ticket ticket);
  void forget(Ticket ticket);

  const AdmissionLimits limits_;
  std::mutex mutex_;
  std::vector<Place> places_;
  std::vector<Ticket> free_;
  Hosts hosts_;
  /// By strangers beyond the reserve, and by the age of the oldest: who goes first is last.
  std::map<std::tuple<uint32_t, uint64_t>, Hosts::iterator> index_;
  uint64_t arrivals_ = 0;
  uint32_t present_ = 0;  // strangers and connected ones
  uint32_t strangers_ = 0;
};

}  // namespace capsuled::transport
