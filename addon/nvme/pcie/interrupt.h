// Interrupt: what ends the sleep of a reactor when a controller has written to its completion
// queue: an MSI-X vector, which signals an event that the reactor's ring waits for.
//
// When a reactor that polls has found kTakenMax completions, the vector is masked, so that more
// cost nobody an interrupt. Who sleeps again after fewer leaves it as it is: masking is a write of
// a register, too, and in a virtual machine a slow one. A vector that is masked keeps what it was
// to signal, and does when it is not masked any more: no completion is missed between the last look
// at the queue and the sleep.
//
// Owner: a controller. Thread: that of the reactor given to arm(), until the end of abandon().
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "env/pci_device.h"
#include "reactor/reactor.h"

namespace capsuled::nvme {

class Interrupt {
 public:
  /// `event_fd` is what the vector signals; whoever has it closes it, behind this one.
  Interrupt(env::PciDevice& device, uint32_t vector, int event_fd)
      : device_(device), vector_(vector), event_fd_(event_fd) {
    device_.mask_interrupt(vector_, true);
  }
  ~Interrupt() { ASSERT_MSG(waiter_ == nullptr, "an interrupt is still waited for"); }
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  /// From here on it ends a sleep of the reactor.
  void arm(Reactor& reactor) {
    if (armed_) return;
    armed_ = true;
    if (waiter_ == nullptr) {
      waiter_ = std::make_unique<Waiter>();
      waiter_->interrupt = this;
      waiter_->complete = Waiter::signaled;
    }
    if (!waiter_->in_flight) reactor.ring().await_event(*waiter_, event_fd_, waiter_->count);
    taken_ = 0;
    if (std::exchange(masked_, false)) device_.mask_interrupt(vector_, false);
  }
  /// The reactor polls again.
  void disarm() { armed_ = false; }
  /// It found so many completions by that.
  void polled(uint32_t completions) {
    if (masked_) [[likely]]
      return;
    taken_ += completions;
    if (taken_ >= kTakenMax) mask();
  }
  /// The reactor has no more to do with it. What its ring still waits for goes away by itself.
  void abandon(Reactor& reactor) {
    disarm();
    if (!masked_) mask();
    if (waiter_ == nullptr) return;
    waiter_->interrupt = nullptr;
    if (!waiter_->in_flight) return waiter_.reset();
    Waiter* const cancelled = waiter_.release();  // signaled() has it
    reactor.ring().cancel(*cancelled);
  }

 private:
  /// It outlives the interrupt, if the ring has it.
  struct Waiter : env::RingOp {
    static void signaled(env::RingOp& op, env::Completion) {
      auto* const self = static_cast<Waiter*>(&op);
      if (self->interrupt == nullptr) const std::unique_ptr<Waiter> over(self);
    }
    Interrupt* interrupt = nullptr;  ///< null: abandoned
    uint64_t count = 0;
  };

  /// Completions between two sleeps that it takes before the vector is masked.
  static constexpr uint32_t kTakenMax = 16;

  void mask() {
    masked_ = true;
    device_.mask_interrupt(vector_, true);
  }

  env::PciDevice& device_;
  const uint32_t vector_;
  const int event_fd_;
  bool armed_ = false;
  bool masked_ = true;
  uint32_t taken_ = 0;  ///< since it was armed
  std::unique_ptr<Waiter> waiter_;
};

}  // namespace capsuled::nvme
