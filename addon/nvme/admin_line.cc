#include "nvme/admin_line.h"

#include <utility>

#include "base/assert.h"

namespace capsuled::nvme {
namespace {

/// What a queue that ends completes its requests with.
bool is_of_end(wire::Status status) {
  return status.type() == wire::StatusCodeType::kPathRelated &&
         status.code() == static_cast<uint8_t>(wire::PathStatus::kHostPathingError);
}

}  // namespace

AdminLine::AdminLine() {
  request_.line = this;
  request_.complete = [](Request& request, const wire::CompletionQueueEntry& cqe) {
    static_cast<LineRequest&>(request).line->on_answer(cqe);
  };
}

AdminLine::~AdminLine() { ASSERT_MSG(commands_.empty(), "admin commands that have not ended"); }

void AdminLine::open(Qpair& qpair, std::byte* page) {
  ASSERT(qpair_ == nullptr && !busy_);
  qpair_ = &qpair;
  page_ = page;
}

void AdminLine::close() {
  qpair_ = nullptr;
  std::deque<AdminCommand> unsent;
  while (commands_.size() > (busy_ ? 1 : 0)) {
    unsent.push_front(std::move(commands_.back()));
    commands_.pop_back();
  }
  for (AdminCommand& command : unsent) command.done({});
}

void AdminLine::add(AdminCommand command) {
  ASSERT(command.bytes <= kAdminDataBytes);
  if (qpair_ == nullptr) {
    command.done({});
    return;
  }
  commands_.push_back(std::move(command));
  if (!busy_) send();
}

void AdminLine::send() {
  const AdminCommand& command = commands_.front();
  request_.sqe = command.sqe;
  request_.transfer = command.bytes > 0 ? Transfer::FromController : Transfer::None;
  request_.bytes = command.bytes;
  place_ = {page_, command.bytes};
  request_.iov = &place_;
  busy_ = qpair_->submit(request_);
  // A queue that takes nothing is about to end, and then close() ends this one.
}

void AdminLine::on_answer(const wire::CompletionQueueEntry& cqe) {
  busy_ = false;
  const AdminCommand command = std::move(commands_.front());
  commands_.pop_front();
  // Of a queue that has ended, or is about to say so, it is no answer.
  const bool answered = qpair_ != nullptr && !is_of_end(status_of(cqe));
  command.done({answered, cqe, std::span<const std::byte>(page_, answered ? command.bytes : 0)});
  if (!busy_ && qpair_ != nullptr && !commands_.empty()) send();
}

}  // namespace capsuled::nvme
