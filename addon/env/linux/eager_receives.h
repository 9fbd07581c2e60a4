// EagerReceives: the few receives that a busy ring tries by a system call of their own in each
// poll(), before it leaves them to io_uring.
//
// On a busy connection bytes are about to come. Leaving a receive to io_uring then costs an attempt
// that finds nothing, a poll entry, its wake-up and a second entry into the kernel; asking the
// socket costs one short system call for each turn. So a receive begins here while there is room,
// is tried a bounded number of times, and then goes to io_uring, where waiting costs nothing. A
// receive for all that got a part is tried on for the rest. A ring that is about to sleep hands all
// of them over.
//
// Owner: a LinuxRing. Thread: the ring's. Invariant: each member is in flight and not with the
// kernel.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

#include "env/linux/linux_provided_buffers.h"
#include "env/ring.h"

namespace capsuled::env {

class EagerReceives {
 public:
  /// False: there is no room.
  [[nodiscard]] bool add(RingOp& op) {
    if (count_ == kCountMax) return false;
    op.attempts_left = kAttemptsMax;
    push(op);
    return true;
  }

  /// False: it is not here.
  bool remove(const RingOp& op) {
    bool found = false;
    for (uint32_t turns = count_; turns > 0; --turns) {
      RingOp& member = pop();
      if (&member == &op) {
        found = true;
      } else {
        push(member);
      }
    }
    return found;
  }

  /// Tries each once, in the order of their last attempts; one that is added meanwhile has its turn
  /// later. `ended(op)`: it has its outcome; what it holds of the provided buffers may be given
  /// back before the next one is tried. `hand_over(op)`: it was tried often enough.
  template <typename Ended, typename HandOver>
  void attempt(Ended ended, HandOver hand_over) {
    for (uint32_t turns = count_; turns > 0 && count_ > 0; --turns) {
      RingOp& op = pop();
      if (attempt(op)) {
        ended(op);
      } else if (--op.attempts_left == 0) {
        hand_over(op);
      } else {
        push(op);
      }
    }
  }

  template <typename HandOver>
  void hand_over_all(HandOver hand_over) {
    while (count_ > 0) hand_over(pop());
  }

 private:
  // More would make each turn of many busy connections longer than it makes their receives shorter.
  static constexpr uint32_t kCountMax = 8;
  static_assert(std::has_single_bit(kCountMax));
  // Some tens of µs of an otherwise idle loop.
  static constexpr uint32_t kAttemptsMax = 256;

  /// True: `op.outcome` is filled.
  static bool attempt(RingOp& op);
  static bool attempt_provided(RingOp& op);
  static bool attempt_message(RingOp& op);

  RingOp& pop() {
    RingOp& op = *members_[first_];
    first_ = (first_ + 1) % kCountMax;
    --count_;
    return op;
  }
  void push(RingOp& op) { members_[(first_ + count_++) % kCountMax] = &op; }

  std::array<RingOp*, kCountMax> members_{};  ///< a ring, from first_
  uint32_t first_ = 0;
  uint32_t count_ = 0;
};

/// Takes `bytes` off the front of `message`, if that leaves something; false: it is the whole.
bool skip_front(msghdr& message, size_t bytes);

}  // namespace capsuled::env
