// PendingAborts: Abort commands whose command was asked to end and has not yet. A bdev ends what it
// is asked to end when it can, and on a disk that hangs that may be never; an Abort is answered in
// a bounded time all the same, with "not aborted" then.
//
// Owner: a group. Thread: the reactor's. Invariant: each request is in here at most once, and only
// while it is Executing.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

namespace capsuled::transport {

struct TcpRequest;

/// Whether the command has ended with Abort Requested.
using AbortDone = std::function<void(bool aborted)>;

/// How long an Abort waits for its command.
inline constexpr uint64_t kAbortWaitNs = 1'000'000'000;

class PendingAborts {
 public:
  void add(const TcpRequest& request, uint64_t deadline_ns, AbortDone done) {
    pending_.push_back({&request, deadline_ns, std::move(done)});
  }

  /// The request has its answer.
  void settle(const TcpRequest& request, bool aborted) {
    take([&](const Pending& each) { return each.request == &request; }, aborted);
  }

  void expire(uint64_t now_ns) {
    take([&](const Pending& each) { return each.deadline_ns <= now_ns; }, false);
  }

 private:
  struct Pending {
    const TcpRequest* request;
    uint64_t deadline_ns;
    AbortDone done;
  };

  template <typename Predicate>
  void take(Predicate is_over, bool aborted) {
    std::vector<Pending> taken;
    std::vector<Pending> left;
    for (Pending& each : pending_) (is_over(each) ? taken : left).push_back(std::move(each));
    // Before the calls, which may add some.
    pending_ = std::move(left);
    for (const Pending& each : taken) each.done(aborted);
  }

  std::vector<Pending> pending_;
};

}  // namespace capsuled::transport
