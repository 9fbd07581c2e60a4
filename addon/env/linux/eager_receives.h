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
    members_[count_++] = &op;
    return true;
  }

  /// False: it is not here.
  bool remove(const RingOp& op) {
    for (uint32_t index = 0; index < count_; ++index) {
      if (members_[index] != &op) continue;
      members_[index] = members_[--count_];
      return true;
    }
    return false;
  }

  /// Tries each once. `ended(op)`: it has its outcome. `hand_over(op)`: it was tried often enough.
  template <typename Ended, typename HandOver>
  void attempt(Ended ended, HandOver hand_over) {
    uint32_t kept = 0;
    for (uint32_t index = 0; index < count_; ++index) {
      RingOp& op = *members_[index];
      if (attempt(op)) {
        ended(op);
      } else if (--op.attempts_left == 0) {
        hand_over(op);
      } else {
        members_[kept++] = &op;
      }
    }
    count_ = kept;
  }

  template <typename HandOver>
  void hand_over_all(HandOver hand_over) {
    for (uint32_t index = 0; index < count_; ++index) hand_over(*members_[index]);
    count_ = 0;
  }

 private:
  // More would make each turn of many busy connections longer than it makes their receives shorter.
  static constexpr uint32_t kCountMax = 8;
  // Some tens of µs of an otherwise idle loop.
  static constexpr uint32_t kAttemptsMax = 256;

  /// True: `op.outcome` is filled.
  static bool attempt(RingOp& op);
  static bool attempt_provided(RingOp& op);
  static bool attempt_message(RingOp& op);

  std::array<RingOp*, kCountMax> members_{};
  uint32_t count_ = 0;
};

/// Takes `bytes` off the front of `message`, if that leaves something; false: it is the whole.
bool skip_front(msghdr& message, size_t bytes);

}  // namespace capsuled::env
