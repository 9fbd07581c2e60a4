// AdminLine: admin commands of a controller that is up, one after the other: what a host asks now
// and then, such as a log page, or Abort. All have one page for their data.
//
// Owner: a Controller. Thread: its reactor's. Invariant: each command that was added ends once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <span>

#include "nvme/qpair.h"

namespace capsuled::nvme {

/// How an admin command ended. `data` is what it brought, for as long as the call lasts.
struct AdminOutcome {
  bool answered = false;  ///< false: the controller has ended
  wire::CompletionQueueEntry cqe{};
  std::span<const std::byte> data{};

  bool ok() const { return answered && status_of(cqe).is_success(); }
};

struct AdminCommand {
  wire::SubmissionQueueEntry sqe{};
  uint32_t bytes = 0;  ///< that it brings, at most kAdminDataBytes
  std::function<void(const AdminOutcome&)> done;
};

inline constexpr uint32_t kAdminDataBytes = 4096;

class AdminLine {
 public:
  AdminLine();
  ~AdminLine();
  AdminLine(const AdminLine&) = delete;
  AdminLine& operator=(const AdminLine&) = delete;

  /// From here on commands go to `qpair`. `page` is kAdminDataBytes that the controller reaches.
  void open(Qpair& qpair, std::byte* page);
  /// No more are sent. The one that is under way ends when its queue does, the others at once.
  void close();
  /// If it is not open, it ends at once, unanswered.
  void add(AdminCommand command);

 private:
  struct LineRequest : Request {
    AdminLine* line = nullptr;
  };

  void send();
  void on_answer(const wire::CompletionQueueEntry& cqe);

  Qpair* qpair_ = nullptr;  // null: closed
  std::byte* page_ = nullptr;
  std::deque<AdminCommand> commands_;  // the first is under way, if busy_
  bool busy_ = false;
  LineRequest request_;
  iovec place_ = {};
};

}  // namespace capsuled::nvme
