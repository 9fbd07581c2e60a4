// Timer: one deadline on a reactor, owned by whoever started it; start again to move it, cancel to
// drop it. Thread: the reactor's own. `expired` runs from the loop, after which the timer may be
// started again.
#pragma once

#include <cstdint>

namespace capsuled {

struct Timer {
  void (*expired)(Timer& timer) = nullptr;
  uint64_t deadline_ns = 0;
  uint32_t heap_index = kUnset;  ///< kept by the reactor: kUnset when not started
  static constexpr uint32_t kUnset = UINT32_MAX;
  bool started() const { return heap_index != kUnset; }
};

}  // namespace capsuled
