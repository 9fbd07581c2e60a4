// Disturbance: when something was done to a disk, a line or the target that excuses what a host
// sees of it. What nothing excuses is a finding.
// Owner: a Simulation. Thread: the machine's.
#pragma once

#include <cstdint>

#include "base/assert.h"

namespace capsuled::sim {

class Disturbance {
 public:
  void begin() { ++under_way_; }
  void end(uint64_t now_ns) {
    ASSERT(under_way_ > 0);
    --under_way_;
    last_ns_ = now_ns;
  }
  void happen(uint64_t now_ns) { last_ns_ = now_ns; }
  /// Whether there was any at some time since then.
  bool since(uint64_t start_ns) const { return under_way_ > 0 || last_ns_ >= start_ns; }

 private:
  uint32_t under_way_ = 0;
  uint64_t last_ns_ = 0;
};

}  // namespace capsuled::sim
