#include "transport/admission.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

#include "base/assert.h"

namespace capsuled::transport {

AdmissionLimits AdmissionLimits::of(uint32_t connections_max) {
  AdmissionLimits limits;
  limits.connections_max = connections_max;
  limits.strangers_max = std::max(connections_max / 4, std::min(connections_max, 8u));
  limits.strangers_per_address_max =
      std::max(connections_max / 16, std::min(limits.strangers_max, 8u));
  limits.leaving_max = std::max(connections_max / 8, 16u);
  return limits;
}

Admission::Admission(const AdmissionLimits& limits) : limits_(limits) {
  ASSERT(limits.connections_max > 0 && limits.strangers_max > 0);
  ASSERT(limits.strangers_per_address_max > 0 && limits.leaving_max > 0);
  const uint32_t places = limits.connections_max + limits.leaving_max;
  places_.resize(places + 1);
  free_.reserve(places);
  for (Ticket ticket = places; ticket > 0; --ticket) free_.push_back(ticket);
}

std::string Admission::host_of(const std::string& address) {
  in6_addr ipv6{};
  // A zone behind the address is part of what tells hosts apart.
  if (address.find('%') != std::string::npos) return address;
  if (::inet_pton(AF_INET6, address.c_str(), &ipv6) != 1) return address;
  if (IN6_IS_ADDR_LINKLOCAL(&ipv6) || IN6_IS_ADDR_LOOPBACK(&ipv6)) return address;
  char text[INET6_ADDRSTRLEN] = "";
  if (IN6_IS_ADDR_V4MAPPED(&ipv6)) {
    ::inet_ntop(AF_INET, ipv6.s6_addr + 12, text, sizeof(text));
    return text;
  }
  std::memset(ipv6.s6_addr + 8, 0, 8);
  ::inet_ntop(AF_INET6, &ipv6, text, sizeof(text));
  return std::string(text) + "/64";
}

uint32_t Admission::beyond_reserve(const Host& host) {
  const auto strangers = static_cast<uint32_t>(host.strangers.size());
  return strangers - std::min(strangers, host.reserve);
}

/// After each change of its strangers or its reserve: moves it in the index, or forgets it.
void Admission::rank(Hosts::iterator host) {
  Host& here = host->second;
  if (std::get<0>(here.rank) > 0) index_.erase(here.rank);
  here.rank = {};
  const uint32_t beyond = beyond_reserve(here);
  if (beyond > 0) {
    here.rank = {beyond, UINT64_MAX - places_[here.strangers.front()].arrival};
    index_[here.rank] = host;
  } else if (here.strangers.empty() && here.reserve == 0) {
    hosts_.erase(host);
  }
}

/// Who is on the way to a reactor cannot be shown out yet.
Admission::Ticket Admission::oldest_opened(const Host& host) const {
  for (const Ticket ticket : host.strangers) {
    if (places_[ticket].connection != 0) return ticket;
  }
  return 0;
}

Admission::Verdict Admission::enter(const std::string& address) {
  const std::lock_guard lock(mutex_);
  const auto host = hosts_.try_emplace(host_of(address)).first;
  const bool granted = host->second.strangers.size() < host->second.reserve;
  const bool host_full =
      !granted && beyond_reserve(host->second) >= limits_.strangers_per_address_max;
  const bool full =
      present_ >= limits_.connections_max || (!granted && strangers_ >= limits_.strangers_max);
  Verdict verdict;
  verdict.own_limit = host_full;
  if (free_.empty()) {
    rank(host);
    return verdict;
  }
  if (host_full || full) {
    // An address that floods leaves half of this to the others.
    const uint32_t leaving_max = host_full ? limits_.leaving_max / 2 : limits_.leaving_max;
    if (leaving_ >= leaving_max) {
      rank(host);
      return verdict;
    }
    Ticket goes = 0;
    if (host_full) {
      goes = oldest_opened(host->second);
    } else {
      for (auto most = index_.rbegin(); most != index_.rend() && goes == 0; ++most) {
        goes = oldest_opened(most->second->second);
      }
    }
    if (goes == 0) {
      rank(host);
      return verdict;
    }
    verdict.displaced = show_out(goes);
  }
  // show_out() may have forgotten it, when it was the last of its address.
  const auto here = hosts_.try_emplace(host_of(address)).first;
  verdict.ticket = free_.back();
  free_.pop_back();
  Place& place = places_[verdict.ticket];
  place.state = PlaceState::Stranger;
  place.arrival = ++arrivals_;
  place.host = here;
  place.at = here->second.strangers.insert(here->second.strangers.end(), verdict.ticket);
  ++present_;
  ++strangers_;
  rank(here);
  return verdict;
}

ConnectionId Admission::show_out(Ticket ticket) {
  Place& place = places_[ticket];
  ASSERT(place.state == PlaceState::Stranger && place.connection != 0);
  forget(ticket);
  --present_;
  place.state = PlaceState::Leaving;
  ++leaving_;
  return place.connection;
}

/// It is no stranger any more.
void Admission::forget(Ticket ticket) {
  Place& place = places_[ticket];
  place.host->second.strangers.erase(place.at);
  --strangers_;
  rank(place.host);
}

void Admission::opened(Ticket ticket, ConnectionId connection) {
  if (ticket == 0) return;
  const std::lock_guard lock(mutex_);
  ASSERT(places_[ticket].state == PlaceState::Stranger);
  places_[ticket].connection = connection;
}

void Admission::connected(Ticket ticket) {
  if (ticket == 0) return;
  const std::lock_guard lock(mutex_);
  // It may have been shown out in this moment, and ends all the same.
  if (places_[ticket].state != PlaceState::Stranger) return;
  forget(ticket);
  places_[ticket].state = PlaceState::Connected;
}

void Admission::leave(Ticket ticket) {
  if (ticket == 0) return;
  const std::lock_guard lock(mutex_);
  Place& place = places_[ticket];
  switch (place.state) {
    case PlaceState::Stranger:
      forget(ticket);
      --present_;
      break;
    case PlaceState::Connected: --present_; break;
    case PlaceState::Leaving: --leaving_; break;
    case PlaceState::Free: UNREACHABLE();
  }
  place = Place{};
  free_.push_back(ticket);
}

void Admission::set_reserve(const std::string& address, uint32_t count) {
  const std::lock_guard lock(mutex_);
  const auto host = hosts_.try_emplace(host_of(address)).first;
  host->second.reserve = count;
  rank(host);
}

}  // namespace capsuled::transport
