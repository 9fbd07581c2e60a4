#include "nvme/pcie/pcie_io_queue.h"

#include <algorithm>
#include <utility>

namespace capsuled::nvme {

PcieIoQueue::PcieIoQueue(PcieIoQueueOwner& owner, Reactor& home, Reactor& reactor,
                         std::unique_ptr<PcieQpair> qpair, std::unique_ptr<Interrupt> interrupt)
    : owner_(owner),
      home_(home),
      reactor_(reactor),
      interrupt_(std::move(interrupt)),
      qpair_(std::move(qpair)) {
  watch_.queue = this;
  watch_.expired = [](Timer& timer) { static_cast<Watch&>(timer).queue->look_at_oldest(); };
}

// ---- At home -----------------------------------------------------------------------------------

void PcieIoQueue::start(uint64_t timeout_ns, const ShadowDoorbells* shadows) {
  ++life_;
  timeout_ns_ = timeout_ns;
  shadows_ = shadows;
  call_.start(
      home_, reactor_,
      [](Reactor&, void* argument) { static_cast<PcieIoQueue*>(argument)->start_there(); }, this);
}

void PcieIoQueue::stop() {
  call_.start(
      home_, reactor_,
      [](Reactor&, void* argument) { static_cast<PcieIoQueue*>(argument)->stop_there(); }, this);
}

void PcieIoQueue::abort_ended() {
  // Release: home has read what it was told.
  overdue_told_.store(false, std::memory_order_release);
}

void PcieIoQueue::release() {
  call_.start(
      home_, reactor_,
      [](Reactor&, void* argument) { static_cast<PcieIoQueue*>(argument)->release_there(); }, this);
}

// ---- On its reactor ----------------------------------------------------------------------------

void PcieIoQueue::start_there() {
  const uint32_t qid = qpair_->options().qid;
  if (shadows_ != nullptr && shadows_->has(qid)) {
    qpair_->use_shadows(shadows_->tail_of(qid), shadows_->head_of(qid));
  } else {
    qpair_->use_shadows({}, {});
  }
  qpair_->start(reactor_, *this, interrupt_.get());
  has_overdue_ = false;
  reactor_.start_timer(watch_, reactor_.now_ns() + kTickNs);
  if (user_ != nullptr) user_->queue_live(*qpair_);
  answer(&PcieIoQueueOwner::queue_started);
}

void PcieIoQueue::stop_there() {
  if (qpair_->live()) {
    reactor_.cancel_timer(watch_);
    qpair_->stop();
    if (user_ != nullptr) user_->queue_stopped();
  }
  // Home has no more use for what it could not be told so far.
  broken_call_.cancel();
  if (overdue_call_.is_waiting()) {
    overdue_call_.cancel();
    overdue_told_.store(false, std::memory_order_relaxed);
  }
  answer(&PcieIoQueueOwner::queue_stopped);
}

void PcieIoQueue::release_there() {
  qpair_->release();
  answer(&PcieIoQueueOwner::queue_released);
}

void PcieIoQueue::answer(Answer with) {
  answer_ = with;
  answer_call_.start(
      reactor_, home_,
      [](Reactor&, void* argument) {
        PcieIoQueue& self = *static_cast<PcieIoQueue*>(argument);
        (self.owner_.*self.answer_)(self);
      },
      this);
}

void PcieIoQueue::look_at_oldest() {
  reactor_.start_timer(watch_, reactor_.now_ns() + kTickNs);
  const PcieQpair::Oldest oldest = qpair_->oldest();
  const uint64_t now_ns = reactor_.now_ns();
  if (oldest.submitted_ns >= now_ns || now_ns - oldest.submitted_ns <= timeout_ns_) {
    has_overdue_ = false;
    return;
  }
  // It is to be aborted, or another was, for which the admin queue has a time of its own. Acquire:
  // home has read what it was told last.
  if (overdue_told_.load(std::memory_order_acquire)) return;
  if (has_overdue_ && overdue_cid_ == oldest.cid) {
    if (aborted_ns_ == 0) aborted_ns_ = now_ns;
    if (now_ns - aborted_ns_ > std::min(kAbortNs, timeout_ns_)) qpair_broken(*qpair_, "timeout");
    return;
  }
  has_overdue_ = true;
  overdue_cid_ = oldest.cid;
  aborted_ns_ = 0;
  overdue_told_.store(true, std::memory_order_relaxed);
  overdue_call_.start(
      reactor_, home_,
      [](Reactor&, void* argument) {
        PcieIoQueue& self = *static_cast<PcieIoQueue*>(argument);
        self.owner_.queue_overdue(self, self.overdue_cid_);
      },
      this);
}

void PcieIoQueue::qpair_broken(PcieQpair&, const char* reason) {
  reactor_.cancel_timer(watch_);
  qpair_->stop();
  if (user_ != nullptr) user_->queue_stopped();
  broken_ = reason;
  broken_life_ = life_;  // home does not start it anew before this one has ended
  broken_call_.start(
      reactor_, home_,
      [](Reactor&, void* argument) {
        PcieIoQueue& self = *static_cast<PcieIoQueue*>(argument);
        // It may have had to wait for so long that the queue is another one already.
        if (self.broken_life_ == self.life_) self.owner_.queue_broken(self, self.broken_);
      },
      this);
}

void PcieIoQueue::attach(IoQueueUser& user) {
  ASSERT(user_ == nullptr);
  user_ = &user;
  if (qpair_->live()) user.queue_live(*qpair_);
}

void PcieIoQueue::detach() {
  ASSERT(user_ != nullptr && qpair_->outstanding() == 0);
  user_ = nullptr;
}

}  // namespace capsuled::nvme
