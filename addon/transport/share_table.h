// ShareTable: who may hold how much of one resource, so that no member takes what another needs.
//
// Each of the first `members` has a guaranteed part that nobody else can take, used or not. What is
// left of the resource is the shared part: a member that needs more than its guarantee takes it
// from there, up to a limit of its own. So a member that gives nothing back costs the others some
// of the shared part, and never their guarantees. A member that comes when all guarantees are given
// away has the shared part alone.
//
// Nothing is looked up and nothing is summed: what is left of the shared part is one number.
//
// Owner: a PeerClass. Thread: the reactor's. Invariant: `shared_free_` and what each member holds
// beyond its guarantee add up to the shared part; so all that is held is never more than the total.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/assert.h"

namespace capsuled::transport {

/// How a resource is divided.
struct SharePlan {
  uint32_t total = 0;
  uint32_t guarantee = 0;   ///< of each of the first `members`
  uint32_t members = 0;     ///< how many have a guarantee
  uint32_t shared_max = 0;  ///< that one member may hold of the shared part

  /// Of those with a guarantee, further ones of an address that has one already: names can be had
  /// for nothing, addresses cannot.
  constexpr uint32_t members_further() const { return members / 8; }
  constexpr uint32_t shared() const { return total - guarantee * members; }

  static constexpr SharePlan of_parts(uint32_t guarantee, uint32_t members, uint32_t shared,
                                      uint32_t shared_max) {
    return {.total = guarantee * members + shared,
            .guarantee = guarantee,
            .members = members,
            .shared_max = shared_max};
  }
  /// Up to three quarters are guaranteed to `members_max` members, or to as many as can have
  /// `guarantee_min` each; every member can hold `needed` at once.
  static constexpr SharePlan divide(uint32_t total, uint32_t guarantee_min, uint32_t needed,
                                    uint32_t members_max) {
    ASSERT(guarantee_min > 0 && members_max > 0 && needed <= total);
    SharePlan plan{.total = total};
    const uint32_t guaranteed = std::min(total / 4 * 3, total - needed);
    plan.guarantee = std::max(guarantee_min, guaranteed / members_max);
    plan.members = std::min(members_max, guaranteed / plan.guarantee);
    plan.shared_max = std::max(needed, plan.shared() / 4 * 3);
    return plan;
  }
  /// Nobody has a guarantee.
  static constexpr SharePlan all_shared(uint32_t total, uint32_t one_member_max) {
    return {.total = total, .shared_max = std::min(total, one_member_max)};
  }
  /// A quarter of each part, at least one. Both have at least two: so rest() has some, too.
  constexpr SharePlan quarter() const {
    ASSERT((members == 0 || guarantee > 1) && shared_max > 1);
    return of_parts(std::max(guarantee / 4, 1u), members, std::max(shared() / 4, 1u),
                    std::max(shared_max / 4, 1u));
  }
  /// What quarter() leaves of each part.
  constexpr SharePlan rest() const {
    const SharePlan taken = quarter();
    return of_parts(guarantee - taken.guarantee, members, shared() - taken.shared(),
                    shared_max - taken.shared_max);
  }
};

/// What one member has of one resource.
struct PeerShare {
  uint32_t held = 0;
  uint32_t guarantee = 0;

  uint32_t beyond(uint32_t amount) const { return amount > guarantee ? amount - guarantee : 0; }
  /// Of `after` held, which is beyond the guarantee: how much of the last `amount` is shared.
  uint32_t shared_of_last(uint32_t after, uint32_t amount) const {
    return std::min(amount, after - guarantee);
  }
};

/// Why a member cannot take more now.
enum class Lack : uint8_t {
  None,    ///< it can
  Own,     ///< it holds all that it may: what it gives back itself moves it on
  Shared,  ///< too little is left of the shared part: what anybody gives back there moves it on
};

class ShareTable {
 public:
  explicit ShareTable(const SharePlan& plan) : plan_(plan), shared_free_(plan.shared()) {
    ASSERT(uint64_t{plan.guarantee} * plan.members <= plan.total);
    ASSERT(plan.shared_max <= plan.shared());
  }
  ~ShareTable() { ASSERT(guaranteed_ == 0 && shared_free_ == plan_.shared()); }
  ShareTable(const ShareTable&) = delete;
  ShareTable& operator=(const ShareTable&) = delete;

  /// `first`: of its address, else a further one.
  void join(PeerShare& share, bool first = true) {
    ASSERT(share.held == 0 && share.guarantee == 0);
    if (guaranteed_ == plan_.members) return;
    if (!first && further_ == plan_.members_further()) return;
    ++guaranteed_;
    if (!first) ++further_;
    share.guarantee = plan_.guarantee;
  }
  /// `first`: as at join().
  void leave(PeerShare& share, bool first = true) {
    ASSERT(share.held == 0);
    if (share.guarantee > 0) {
      --guaranteed_;
      if (!first) --further_;
    }
    share.guarantee = 0;
  }

  /// Whether `share` may take `amount` more now.
  Lack lack(const PeerShare& share, uint32_t amount) const {
    const uint32_t after = share.held + amount;
    if (after <= share.guarantee) [[likely]]
      return Lack::None;
    if (after - share.guarantee > plan_.shared_max) return Lack::Own;
    return share.shared_of_last(after, amount) > shared_free_ ? Lack::Shared : Lack::None;
  }
  /// How much more of the shared part `share` could hold, if nobody else held any of it.
  uint32_t room(const PeerShare& share) const {
    return plan_.shared_max - share.beyond(share.held);
  }
  /// lack() said None.
  void take(PeerShare& share, uint32_t amount) {
    share.held += amount;
    if (share.held <= share.guarantee) [[likely]]
      return;
    const uint32_t growth = share.shared_of_last(share.held, amount);
    ASSERT(growth <= shared_free_);
    shared_free_ -= growth;
  }
  /// True: the shared part has grown.
  bool give(PeerShare& share, uint32_t amount) {
    ASSERT(share.held >= amount);
    const uint32_t before = share.held;
    share.held -= amount;
    if (before <= share.guarantee) [[likely]]
      return false;
    const uint32_t returned = share.shared_of_last(before, amount);
    shared_free_ += returned;
    return returned > 0;
  }

  /// True: `share` could take `amount` if it and everybody else held nothing.
  bool possible(const PeerShare& share, uint32_t amount) const {
    return share.beyond(amount) <= plan_.shared_max;
  }
  const SharePlan& plan() const { return plan_; }
  uint32_t shared_free() const { return shared_free_; }

 private:
  const SharePlan plan_;
  uint32_t shared_free_;
  uint32_t guaranteed_ = 0;  ///< members that have a guarantee
  uint32_t further_ = 0;     ///< of these, further ones of their addresses
};

}  // namespace capsuled::transport
