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

/// After each change of what it holds or its reserve: moves it in the index, or forgets it.
void Admission::rank(Hosts::iterator host) {
  Host& here = host->second;
  if (std::get<0>(here.rank) > 0) index_.erase(here.rank);
  here.rank = {};
  const uint32_t beyond = beyond_reserve(here);
  if (beyond > 0) {
    here.rank = {beyond, UINT64_MAX - places_[here.strangers.front()].arrival};
    index_[here.rank] = host;
  } else if (here.strangers.empty() && here.reserve + here.connected + here.leaving == 0 &&
             here.ended == 0) {
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

/// Of the address that has the most strangers, if one of them can be shown out; else of the next.
Admission::Ticket Admission::oldest_of_most() const {
  for (auto most = index_.rbegin(); most != index_.rend(); ++most) {
    if (const Ticket oldest = oldest_opened(most->second->second); oldest != 0) return oldest;
  }
  return 0;
}

Admission::Verdict Admission::enter(const std::string& address) {
  const std::lock_guard lock(mutex_);
  const auto found = hosts_.try_emplace(host_of(address)).first;
  Host& host = found->second;
  const bool granted = host.strangers.size() < host.reserve;
  const bool host_full = !granted && beyond_reserve(host) >= limits_.strangers_per_address_max;
  const bool full =
      present_ >= limits_.connections_max || (!granted && strangers_ >= limits_.strangers_max);
  const bool leaves_most = host.leaving >= limits_.leaving_max / 2;
  Verdict verdict;
  verdict.own_limit = host_full || leaves_most;
  const uint32_t held = beyond_reserve(host) + host.leaving + host.ended;
  bool refused = leaves_most || free_.empty() || (held > 0 && held >= free_.size());
  if (!refused && (host_full || full)) {
    const Ticket goes = host_full ? oldest_opened(host) : oldest_of_most();
    refused = goes == 0;
    if (!refused) verdict.displaced = show_out(goes);
  }
  if (refused) {
    rank(found);
    return verdict;
  }
  verdict.ticket = free_.back();
  free_.pop_back();
  Place& place = places_[verdict.ticket];
  place.state = PlaceState::Stranger;
  place.arrival = ++arrivals_;
  place.host = found;
  place.at = host.strangers.insert(host.strangers.end(), verdict.ticket);
  ++present_;
  ++strangers_;
  rank(found);
  return verdict;
}

ConnectionId Admission::show_out(Ticket ticket) {
  ASSERT(places_[ticket].state == PlaceState::Stranger && places_[ticket].connection != 0);
  depart(ticket);
  return places_[ticket].connection;
}

void Admission::depart(Ticket ticket) {
  ++places_[ticket].host->second.leaving;
  forget(ticket);
  --present_;
  places_[ticket].state = PlaceState::Leaving;
}

/// It is no stranger any more. What else it becomes is counted before, lest its address be
/// forgotten.
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
  ++places_[ticket].host->second.connected;
  forget(ticket);
  places_[ticket].state = PlaceState::Connected;
}

void Admission::closed(Ticket ticket) {
  if (ticket == 0) return;
  const std::lock_guard lock(mutex_);
  Place& place = places_[ticket];
  switch (place.state) {
    case PlaceState::Stranger: return depart(ticket);
    case PlaceState::Connected:
      --place.host->second.connected;
      ++place.host->second.ended;
      --present_;
      place.state = PlaceState::Ended;
      return;
    case PlaceState::Leaving: return;
    case PlaceState::Ended:
    case PlaceState::Free: break;
  }
  UNREACHABLE();
}

void Admission::leave(Ticket ticket) {
  if (ticket == 0) return;
  const std::lock_guard lock(mutex_);
  Place& place = places_[ticket];
  if (place.state == PlaceState::Stranger) depart(ticket);
  Host& host = place.host->second;
  ASSERT(place.state == PlaceState::Leaving || place.state == PlaceState::Ended);
  --(place.state == PlaceState::Leaving ? host.leaving : host.ended);
  rank(place.host);
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
