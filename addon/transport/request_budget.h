// RequestBudget: who may take one of a group's requests, so that the group never locks up.
//
// A connection that was sent an R2T has data on the way, and in its stream the data may come behind
// other commands. If such a connection had to stop reading because no request is free, its data
// would never arrive, and the request and the buffers that wait for them would never become free
// either. So before the first R2T the connection claims as many requests as its queue may have
// commands, and what is claimed is nobody else's. Connections without a claim only ever wait for
// commands that make progress by themselves.
//
// A part of the budget (the headroom) can only be claimed: when nothing is claimed, a claim always
// succeeds.
//
// Thread: the reactor's. Invariant: `charged` is the sum over all shares of max(held, claim), at
// most the total.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/assert.h"

namespace capsuled::transport {

/// One connection's part.
struct RequestShare {
  uint32_t held = 0;
  uint32_t claim = 0;  ///< 0: none
};

class RequestBudget {
 public:
  explicit RequestBudget(uint32_t total) : total_(total), headroom_(std::max(total / 4, 1u)) {
    ASSERT(total >= 2);
  }

  /// One request more for `share`; false: wait.
  [[nodiscard]] bool try_take(RequestShare& share) {
    if (share.held >= share.claim) {
      if (charged_ >= total_ - headroom_) return false;
      ++charged_;
    }
    ++share.held;
    return true;
  }

  void give(RequestShare& share) {
    ASSERT(share.held > 0);
    if (share.held > share.claim) --charged_;
    --share.held;
  }

  /// Sets `entries` requests aside for `share`, or as much of them as one may; false: wait.
  [[nodiscard]] bool try_claim(RequestShare& share, uint32_t entries) {
    ASSERT(share.claim == 0 && entries > 0);
    const uint32_t claim = std::max(share.held, std::min(entries, headroom_));
    const uint32_t growth = claim - share.held;
    if (growth > total_ - charged_) return false;
    charged_ += growth;
    share.claim = claim;
    return true;
  }

  void drop_claim(RequestShare& share) {
    ASSERT(share.claim > 0);
    if (share.claim > share.held) charged_ -= share.claim - share.held;
    share.claim = 0;
  }

  uint32_t charged() const { return charged_; }

 private:
  const uint32_t total_;
  const uint32_t headroom_;
  uint32_t charged_ = 0;
};

}  // namespace capsuled::transport
