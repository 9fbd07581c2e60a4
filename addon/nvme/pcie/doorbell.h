// Doorbell: how a driver tells a controller that the tail or head of a queue has moved: a register,
// and with a controller that is software itself (a virtual machine's), a shadow of it in memory,
// which saves most writes of the register, each of which stops the machine.
//
// The controller has written how far it will look by itself (EventIdx); only a move beyond that
// needs the register (NVMe Base 2.1, 5.2.5 and B.5).
//
// Owner and thread: a queue's.
#pragma once

#include <cstdint>

#include "nvme/pcie/registers.h"

namespace capsuled::nvme {

/// A doorbell's places in the two pages of Doorbell Buffer Config; null: there are none.
struct DoorbellShadow {
  volatile uint32_t* value = nullptr;
  const volatile uint32_t* event_index = nullptr;
};

class Doorbell {
 public:
  explicit Doorbell(volatile uint32_t* reg) : register_(reg) {}

  /// While the queue is at its beginning.
  void use(const DoorbellShadow& shadow) { shadow_ = shadow; }
  /// Everything written before is seen by the controller before it sees this.
  void set(uint32_t value) {
    if (shadow_.value != nullptr && !set_shadow(value)) return;
    store_release(register_, value);
  }

 private:
  /// Whether the controller has to be told by the register, too.
  bool set_shadow(uint32_t value) {
    const uint32_t before = __atomic_load_n(shadow_.value, __ATOMIC_RELAXED);
    store_release(shadow_.value, value);
    // It writes how far it looks, and looks once more; we write, and look how far it does. One of
    // the two sees the other.
    device_fence();
    const uint32_t event_index = __atomic_load_n(shadow_.event_index, __ATOMIC_RELAXED);
    return static_cast<uint16_t>(value - event_index - 1) < static_cast<uint16_t>(value - before);
  }

  volatile uint32_t* const register_;
  DoorbellShadow shadow_;
};

}  // namespace capsuled::nvme
