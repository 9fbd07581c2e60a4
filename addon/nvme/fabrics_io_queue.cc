#include "nvme/fabrics_io_queue.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"

namespace capsuled::nvme {

FabricsIoQueue::FabricsIoQueue(FabricsIoQueueOwner& owner, Reactor& home, Reactor& reactor,
                               const FabricsControllerOptions& options, uint16_t qid)
    : owner_(owner),
      reactor_(reactor),
      options_(options),
      qid_(qid),
      orders_(
          home, reactor,
          [](uint32_t orders, void* queue) { static_cast<FabricsIoQueue*>(queue)->told(orders); },
          this),
      news_(
          reactor, home,
          [](uint32_t news, void* queue) { static_cast<FabricsIoQueue*>(queue)->heard(news); },
          this) {
  connect_.queue = this;
  connect_.complete = [](Request& request, const wire::CompletionQueueEntry& cqe) {
    static_cast<ConnectRequest&>(request).queue->on_connected(cqe);
  };
  timer_.queue = this;
  timer_.expired = [](Timer& timer) { static_cast<QueueTimer&>(timer).queue->on_timer(); };
}

FabricsIoQueue::~FabricsIoQueue() {
  ASSERT_MSG(state_ == State::Closed && user_ == nullptr, "a queue destroyed while it is used");
}

// ---- At home -----------------------------------------------------------------------------------

void FabricsIoQueue::open(const NamespaceFacts& controller) {
  cntlid_ = controller.cntlid;
  in_capsule_bytes_ = controller.in_capsule_bytes;
  entries_ = controller.io_entries;
  orders_.raise(kOpen);
}

void FabricsIoQueue::close(bool by_controller) {
  close_by_controller_ = by_controller;
  orders_.raise(kClose);
}

void FabricsIoQueue::heard(uint32_t news) {
  if ((news & kOpened) != 0) owner_.queue_opened(*this);
  if ((news & kBroken) != 0) owner_.queue_broken(*this, reason_);
  // The last use: its owner may open it anew from there.
  if ((news & kClosed) != 0) owner_.queue_closed(*this);
}

// ---- On its reactor ----------------------------------------------------------------------------

void FabricsIoQueue::set_state(State state) {
  const bool allowed = (state_ == State::Closed && state == State::Opening) ||
                       (state_ == State::Opening && state == State::Live) ||
                       (state_ == State::Opening && state == State::Ended) ||
                       (state_ == State::Live && state == State::Ended) ||
                       (state_ == State::Ended && state == State::Closed);
  ASSERT_MSG(allowed, "a transition that queues do not have");
  state_ = state;
}

void FabricsIoQueue::told(uint32_t orders) {
  if (orders == kOpen) return begin();
  if ((orders & kOpen) != 0) {
    // It was never begun.
    news_.raise(kClosed);
    return;
  }
  close_asked_ = true;
  if (state_ == State::Ended) {
    finish();
  } else {
    qpair_->terminate("disconnected", close_by_controller_);
  }
}

void FabricsIoQueue::begin() {
  set_state(State::Opening);
  close_asked_ = false;
  reason_.clear();
  TcpQpairOwner& owner = *this;
  qpair_ = std::make_unique<TcpQpair>(reactor_, owner);
  qpair_->connect({.address = options_.address, .digests = options_.digests, .entries = entries_});
  reactor_.start_timer(timer_, reactor_.now_ns() + kTickNs);
}

void FabricsIoQueue::qpair_live(TcpQpair& qpair) {
  if (state_ != State::Opening) return;
  fill_connect(options_, {.qid = qid_, .entries = entries_, .cntlid = cntlid_}, connect_,
               connect_data_);
  connect_iov_ = {&connect_data_, sizeof(connect_data_)};
  connect_.iov = &connect_iov_;
  connect_.bytes = sizeof(connect_data_);
  connect_.transfer = Transfer::ToController;
  if (!qpair.submit(connect_)) end("an I/O queue takes no command");
}

void FabricsIoQueue::on_connected(const wire::CompletionQueueEntry& cqe) {
  // If it has ended, qpair_closed() follows and knows why.
  if (state_ != State::Opening || !qpair_->live()) return;
  const wire::Status status = status_of(cqe);
  if (!status.is_success()) return end("Connect of an I/O queue: " + Controller::words_of(status));
  qpair_->set_in_capsule_bytes(in_capsule_bytes_);
  set_state(State::Live);
  if (user_ != nullptr) user_->queue_live(*qpair_);
  news_.raise(kOpened);
}

/// By our own will: what is outstanding ends, and home hears why.
void FabricsIoQueue::end(std::string reason) {
  reason_ = std::move(reason);
  qpair_->terminate("ended");
}

void FabricsIoQueue::qpair_stopped(TcpQpair&) {
  const bool was_live = state_ == State::Live;
  set_state(State::Ended);
  if (was_live && user_ != nullptr) user_->queue_stopped();
}

void FabricsIoQueue::qpair_closed(TcpQpair&, const char* reason) {
  // The qpair cannot go from inside its own call.
  reactor_.start_timer(timer_, reactor_.now_ns());
  if (close_asked_) return;
  if (reason_.empty()) reason_ = std::string("an I/O queue ended: ") + reason;
  ended_by_controller_ = qpair_->ended_by_controller();
  news_.raise(kBroken);
}

void FabricsIoQueue::on_timer() {
  if (state_ == State::Ended) {
    if (close_asked_) finish();
    return;
  }
  reactor_.start_timer(timer_, reactor_.now_ns() + kTickNs);
  const uint64_t timeout_ns = qpair_->live()
                                  ? options_.timeout_ns
                                  : std::min(options_.timeout_ns, options_.connect_timeout_ns);
  if (reason_.empty() && qpair_->is_overdue(timeout_ns)) {
    end("no answer in " + std::to_string(timeout_ns / 1'000'000) + " ms");
  }
}

void FabricsIoQueue::finish() {
  reactor_.cancel_timer(timer_);
  qpair_.reset();
  set_state(State::Closed);
  news_.raise(kClosed);
}

void FabricsIoQueue::attach(IoQueueUser& user) {
  ASSERT(user_ == nullptr);
  user_ = &user;
  if (state_ == State::Live) user.queue_live(*qpair_);
}

void FabricsIoQueue::detach() {
  ASSERT(user_ != nullptr && (qpair_ == nullptr || qpair_->outstanding() == 0));
  user_ = nullptr;
}

}  // namespace capsuled::nvme
