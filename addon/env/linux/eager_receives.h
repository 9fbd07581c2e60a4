// EagerReceives: the few receives that a busy ring tries by system calls of its own, one in each
// poll(), before it leaves them to io_uring.
//
// On a busy connection, bytes are about to come. If io_uring had the receive, the kernel would try
// it in vain, add an entry that polls the socket, wake that entry up, and be entered a second time
// for the bytes. Asking the socket once in each turn costs one short system call. So a receive
// begins here while there is room, and is tried a bounded number of times; after that it goes to
// io_uring, where waiting costs nothing. A receive for all (WaitFor::All) that got a part of its
// bytes starts to count again, because the rest is on its way. A ring that is about to sleep hands
// all receives over to io_uring, since nobody tries them while the ring sleeps.
//
// Owner: a LinuxRing. Thread: the ring's. Invariant: each member is in flight, and the kernel does
// not have it.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

#include "env/ring.h"

namespace capsuled::env {

class EagerReceives {
 public:
  /// False: there is no room for `op`.
  [[nodiscard]] bool add(RingOp& op) {
    if (count_ == kCountMax) return false;
    op.attempts_left = kAttemptsMax;
    push(op);
    return true;
  }

  /// False: `op` is not a member.
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

  /// Tries each member once, in the order of their last attempts. A member that is added meanwhile
  /// has its turn in the next call.
  ///
  /// `ended(op)`: `op` has its outcome. If its owner recycles the provided buffer at once, the next
  /// member can use the same buffer. `hand_over(op)`: `op` was tried often enough.
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
  // With more members, the turns of many busy connections would lose more time by attempts in vain
  // than their receives would gain.
  static constexpr uint32_t kCountMax = 8;
  static_assert(std::has_single_bit(kCountMax));
  // In a loop that is idle otherwise, so many attempts take some tens of µs.
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

  std::array<RingOp*, kCountMax> members_{};  ///< a circle; the members begin at first_
  uint32_t first_ = 0;
  uint32_t count_ = 0;
};

/// Takes `bytes` off the front of `message`. False: `bytes` are the whole message, which stays as
/// it is.
bool skip_front(msghdr& message, size_t bytes);

}  // namespace capsuled::env
