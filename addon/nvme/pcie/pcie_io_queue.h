// PcieIoQueue: an I/O queue pair of a controller, on the reactor that uses it, between the two
// that have to do with it: the controller at home, which says when the queue is there, and the
// user, who does I/O on it.
//
//   Closed ──start()──▶ Live ──stop()──▶ Stopped ──release()──▶ Closed
//
//   Closed   the controller has no such queue          the home reactor: start()
//   Live     its user does I/O                         the home reactor: stop(), or an error
//   Stopped  the controller may still reach memory     the home reactor: release()
//
// Each of the three is a message from home, and is answered by one.
//
// Owner: a PcieController. Thread: what is called `…_there` runs on the queue's reactor, as do
// attach() and detach(); all else at home.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "nvme/io_queue_user.h"
#include "nvme/pcie/interrupt.h"
#include "nvme/pcie/pcie_qpair.h"
#include "nvme/pcie/shadow_doorbells.h"
#include "reactor/reactor_call.h"

namespace capsuled::nvme {

class PcieIoQueue;

/// Called from the home reactor's loop.
class PcieIoQueueOwner {
 public:
  virtual ~PcieIoQueueOwner() = default;
  virtual void queue_started(PcieIoQueue& queue) = 0;
  virtual void queue_stopped(PcieIoQueue& queue) = 0;
  virtual void queue_released(PcieIoQueue& queue) = 0;
  /// The controller has broken the rules on this queue.
  virtual void queue_broken(PcieIoQueue& queue, const char* reason) = 0;
  /// The controller owes an answer to this command for too long: it is to be aborted, and
  /// abort_ended() to be called, now or later. If that did not help, the queue breaks a little
  /// after that.
  virtual void queue_overdue(PcieIoQueue& queue, uint16_t cid) = 0;
};

class PcieIoQueue final : private PcieQpairOwner {
 public:
  /// `interrupt` may be null.
  PcieIoQueue(PcieIoQueueOwner& owner, Reactor& home, Reactor& reactor,
              std::unique_ptr<PcieQpair> qpair, std::unique_ptr<Interrupt> interrupt);
  ~PcieIoQueue() override = default;

  Reactor& reactor() { return reactor_; }
  const PcieQpair& qpair() const { return *qpair_; }
  /// On its reactor.
  Qpair& qpair() { return *qpair_; }

  // At home. The next only when the last was answered.
  /// `shadows` may be null.
  void start(uint64_t timeout_ns, const ShadowDoorbells* shadows);
  void stop();
  void release();
  /// See PcieIoQueueOwner::queue_overdue().
  void abort_ended();

  // On its reactor.
  /// queue_live() follows, from inside this call if it is.
  void attach(IoQueueUser& user);
  /// Its user has nothing outstanding.
  void detach();

 private:
  using Answer = void (PcieIoQueueOwner::*)(PcieIoQueue&);
  static constexpr uint64_t kTickNs = 250'000'000;
  /// What was aborted ends so soon, or in another time-out if that is shorter.
  static constexpr uint64_t kAbortNs = 5'000'000'000;
  struct Watch : Timer {
    PcieIoQueue* queue = nullptr;
  };

  void start_there();
  void stop_there();
  void release_there();
  void answer(Answer with);
  void look_at_oldest();
  void qpair_broken(PcieQpair& qpair, const char* reason) override;

  PcieIoQueueOwner& owner_;
  Reactor& home_;
  Reactor& reactor_;
  std::unique_ptr<Interrupt> interrupt_;  // outlives the qpair
  std::unique_ptr<PcieQpair> qpair_;
  ReactorCall call_;
  ReactorCall answer_call_;
  ReactorCall broken_call_;
  Answer answer_ = nullptr;
  uint32_t life_ = 0;             // how often it was started; home's
  uint32_t broken_life_ = 0;      // the last that was
  const char* broken_ = nullptr;  // why
  uint64_t timeout_ns_ = 0;
  const ShadowDoorbells* shadows_ = nullptr;  // of this life
  Watch watch_;                               // started while the qpair is live
  ReactorCall overdue_call_;
  bool has_overdue_ = false;
  uint16_t overdue_cid_ = 0;                // the last that was
  uint64_t aborted_ns_ = 0;                 // when its Abort was seen to have ended; 0: not yet
  std::atomic<bool> overdue_told_ = false;  // home was told of it, and it is being aborted
  IoQueueUser* user_ = nullptr;
};

}  // namespace capsuled::nvme
