#include "transport/admission.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "base/prng.h"

namespace capsuled::transport {
namespace {

constexpr AdmissionLimits kLimits = {.connections_max = 64,
                                     .strangers_max = 16,
                                     .strangers_per_address_max = 8,
                                     .leaving_max = 1000};

/// Gives each place the ticket's number as its connection.
Admission::Verdict enter(Admission& admission, const std::string& address) {
  const Admission::Verdict verdict = admission.enter(address);
  admission.opened(verdict.ticket, verdict.ticket);
  return verdict;
}

}  // namespace

TEST_CASE("admission: one address displaces its own oldest stranger, nobody else's") {
  Admission admission(kLimits);
  const auto other = enter(admission, "10.0.0.2");
  CHECK(other.ticket != 0);
  std::vector<Admission::Ticket> mine;
  for (int index = 0; index < 8; ++index) {
    const auto verdict = enter(admission, "10.0.0.1");
    CHECK(verdict.displaced == 0);
    mine.push_back(verdict.ticket);
  }
  for (const Admission::Ticket oldest : mine) {
    CHECK(enter(admission, "10.0.0.1").displaced == oldest);
  }
}

TEST_CASE("admission: from many addresses, the address with the most gives way") {
  Admission admission(kLimits);
  std::map<std::string, int> present;
  std::map<ConnectionId, std::string> owner;
  for (int round = 0; round < 4; ++round) {
    for (int host = 0; host < 4; ++host) {
      const std::string address = "10.0.1." + std::to_string(host);
      owner[enter(admission, address).ticket] = address;
      present[address]++;
    }
  }
  // An honest one has up to as many as each of the others.
  for (int index = 0; index < 3; ++index) {
    const auto verdict = enter(admission, "10.0.2.1");
    REQUIRE(verdict.ticket != 0);
    REQUIRE(owner.contains(verdict.displaced));
    present[owner.at(verdict.displaced)]--;
  }
  for (const auto& [address, count] : present) CHECK(count >= 3);
  // And they go on displacing each other, not it.
  for (int index = 0; index < 100; ++index) {
    const std::string address = "10.0.1." + std::to_string(index % 4);
    const auto verdict = enter(admission, address);
    CHECK(owner.contains(verdict.displaced));
    owner[verdict.ticket] = address;
  }
}

TEST_CASE("admission: queues displace nobody, and are displaced by nobody") {
  Admission admission(kLimits);
  for (int index = 0; index < 64; ++index) {
    const auto verdict = enter(admission, "10.0.0.1");
    CHECK(verdict.displaced == 0);
    REQUIRE(verdict.ticket != 0);
    admission.connected(verdict.ticket);
  }
  // All is taken by queues: nobody can go.
  CHECK(enter(admission, "10.0.0.2").ticket == 0);
  CHECK(!enter(admission, "10.0.0.2").own_limit);
}

TEST_CASE("admission: what was granted to an address comes in beside its strangers") {
  Admission admission(kLimits);
  admission.set_reserve("10.0.0.1", 10);
  std::vector<Admission::Ticket> granted;
  for (int index = 0; index < 10; ++index) granted.push_back(enter(admission, "10.0.0.1").ticket);
  for (int index = 0; index < 100; ++index) {
    const auto verdict = enter(admission, "10.0.3." + std::to_string(index));
    for (const Admission::Ticket ticket : granted) CHECK(verdict.displaced != ticket);
  }
  for (const Admission::Ticket ticket : granted) admission.connected(ticket);
  admission.set_reserve("10.0.0.1", 0);
}

TEST_CASE("admission: only so many of an address leave at once, not those on the way") {
  Admission admission({.connections_max = 64,
                       .strangers_max = 2,
                       .strangers_per_address_max = 2,
                       .leaving_max = 2});
  const auto first = admission.enter("10.0.0.1");
  const auto second = enter(admission, "10.0.0.1");
  const auto third = enter(admission, "10.0.0.1");
  CHECK(third.displaced == second.ticket);  // the first has no connection yet
  const auto flood = enter(admission, "10.0.0.1");
  CHECK(flood.ticket == 0);
  CHECK(flood.own_limit);
  admission.opened(first.ticket, 77);
  CHECK(enter(admission, "10.0.0.2").displaced == 77);
  // Others come in all the same.
  CHECK(enter(admission, "10.0.0.3").displaced == third.ticket);
  admission.connected(first.ticket);  // too late: it leaves
  for (const auto& leaves : {first, second, third}) {
    CHECK(enter(admission, "10.0.0.1").ticket == 0);
    admission.closed(leaves.ticket);
    CHECK(enter(admission, "10.0.0.1").ticket == 0);
    admission.leave(leaves.ticket);
  }
  CHECK(enter(admission, "10.0.0.1").ticket != 0);
}

TEST_CASE("admission: what ended is counted until it was heard, and leaves places to others") {
  constexpr AdmissionLimits kFlooded = {.connections_max = 64,
                                        .strangers_max = 16,
                                        .strangers_per_address_max = 8,
                                        .leaving_max = 16};
  constexpr uint32_t kPlaces = 64 + 16;
  Admission admission(kFlooded);
  std::vector<Admission::Ticket> ended;
  const auto flood = [&](const std::string& address) {
    const auto verdict = enter(admission, address);
    CHECK(verdict.displaced == 0);
    if (verdict.ticket == 0) return false;
    admission.closed(verdict.ticket);
    ended.push_back(verdict.ticket);
    return true;
  };
  SUBCASE("one address") {
    for (int index = 0; index < 8; ++index) CHECK(flood("10.0.0.1"));
    CHECK(!flood("10.0.0.1"));
    CHECK(enter(admission, "10.0.0.1").own_limit);
    CHECK(enter(admission, "10.0.0.2").ticket != 0);
    for (int index = 0; index < 5; ++index) {
      admission.leave(ended.back());
      ended.pop_back();
      CHECK(flood("10.0.0.1"));
    }
  }
  SUBCASE("twenty addresses, in turn") {
    for (int round = 0; round < 100; ++round) {
      for (int host = 0; host < 20; ++host) flood("10.0.1." + std::to_string(host));
    }
    CHECK(ended.size() < kPlaces);
    CHECK(enter(admission, "10.0.0.2").ticket != 0);
    CHECK(!enter(admission, "10.0.1.1").own_limit);
  }
  SUBCASE("queues that end") {
    for (int index = 0; index < 64; ++index) {
      const auto verdict = enter(admission, "10.0.0.1");
      admission.connected(verdict.ticket);
      ended.push_back(verdict.ticket);
    }
    for (const Admission::Ticket ticket : ended) admission.closed(ticket);
    // Its host holds more than is left; others may come.
    CHECK(enter(admission, "10.0.0.1").ticket == 0);
    CHECK(enter(admission, "10.0.0.2").ticket != 0);
    for (const Admission::Ticket ticket : ended) admission.leave(ticket);
    CHECK(enter(admission, "10.0.0.1").ticket != 0);
  }
}

TEST_CASE("admission: an IPv6 host has all of its /64, a link-local or mapped one its address") {
  CHECK(Admission::host_of("2001:db8:1:2::1") == Admission::host_of("2001:db8:1:2:ffff::9"));
  CHECK(Admission::host_of("2001:db8:1:2::1") != Admission::host_of("2001:db8:1:3::1"));
  CHECK(Admission::host_of("fe80::1") != Admission::host_of("fe80::2"));
  CHECK(Admission::host_of("::1") == "::1");
  CHECK(Admission::host_of("::ffff:10.0.0.1") == "10.0.0.1");
  CHECK(Admission::host_of("10.0.0.1") == "10.0.0.1");
}

TEST_CASE("admission: whatever comes and goes, nobody is lost and the limits hold") {
  Prng prng(11);
  Admission admission({.connections_max = 40,
                       .strangers_max = 12,
                       .strangers_per_address_max = 4,
                       .leaving_max = 6});
  enum class Is { Stranger, Queue, Leaving, Ended };
  struct Peer {
    std::string address;
    Is is = Is::Stranger;
  };
  std::map<Admission::Ticket, Peer> peers;
  const auto count = [&](Is is, const std::string& address = {}) {
    return std::count_if(peers.begin(), peers.end(), [&](const auto& peer) {
      return peer.second.is == is && (address.empty() || peer.second.address == address);
    });
  };
  for (int step = 0; step < 20'000; ++step) {
    const std::string address = "10.0.0." + std::to_string(prng.below(6));
    const auto some = [&] {
      auto at = peers.begin();
      std::advance(at, static_cast<ptrdiff_t>(prng.below(peers.size())));
      return at;
    };
    const uint64_t what = prng.below(6);
    if (what < 2) {
      const auto verdict = enter(admission, address);
      if (verdict.displaced != 0) {
        Peer& goes = peers.at(static_cast<Admission::Ticket>(verdict.displaced));
        CHECK(goes.is == Is::Stranger);
        goes.is = Is::Leaving;
      }
      if (verdict.ticket != 0) CHECK(peers.emplace(verdict.ticket, Peer{address}).second);
    } else if (what == 2) {
      admission.set_reserve(address, static_cast<uint32_t>(prng.below(5)));
    } else if (!peers.empty()) {
      const auto at = some();
      Is& is = at->second.is;
      if (what == 3 && is != Is::Queue && is != Is::Ended) {
        admission.connected(at->first);
        if (is == Is::Stranger) is = Is::Queue;
      } else if (what == 4 && is != Is::Ended) {
        admission.closed(at->first);
        is = is == Is::Queue ? Is::Ended : Is::Leaving;
      } else if (what == 5 && is != Is::Queue) {
        admission.leave(at->first);
        peers.erase(at);
      }
    }
    CHECK(count(Is::Stranger) + count(Is::Queue) <= 40);
    CHECK(peers.size() <= 46);
    // What closed of strangers that were present when this was reached comes on top.
    CHECK(count(Is::Leaving, address) <= 3 + 4 + 4);
  }
  while (!peers.empty()) {
    const auto [ticket, peer] = *peers.begin();
    if (peer.is == Is::Queue) admission.closed(ticket);
    admission.leave(ticket);
    peers.erase(peers.begin());
  }
  for (int host = 0; host < 6; ++host) admission.set_reserve("10.0.0." + std::to_string(host), 0);
  for (int index = 0; index < 40; ++index) {
    const auto verdict = enter(admission, "10.1.0.1");
    REQUIRE(verdict.ticket != 0);
    admission.connected(verdict.ticket);
  }
}

}  // namespace capsuled::transport
