// LinuxRing: Ring over io_uring.
//
// Polling an idle ring must cost no system call. So the kernel posts completions only when the
// ring's thread enters the kernel for them (DEFER_TASKRUN), and a flag in memory that the kernel
// shares with the ring says when entering is worth it (TASKRUN_FLAG). DEFER_TASKRUN needs a ring
// with a single issuer (SINGLE_ISSUER), which is the thread that enables the ring. But a ring is
// made on the control thread, before the reactor's thread runs; therefore the ring is made
// disabled, and the first poll() or sleep() enables it.
//
// A few busy sockets are served quicker by plain system calls than by io_uring. So the first send
// of a turn is tried by a system call at once, and io_uring gets only what that call left over;
// further sends of the turn go to io_uring together. Receives are tried by EagerReceives first, in
// poll(). No completion may run inside the call that prepared its operation; therefore an operation
// that ended without io_uring waits in `ended_` for the next poll(), and sleep() returns at once
// while one is waiting there.
//
// A device should work while the reactor makes the rest of its turn. So reads and writes of files
// are not kept for the next poll(): as soon as a few are prepared, the ring submits them.
//
// An operation that the kernel cannot begin without waiting holds one of the kernel's worker
// threads until the operation ends. All files of a ring share these workers, so one file that hangs
// could hold all of them. Therefore the ring allows more workers than the kernel does by itself:
// one for each operation that expect_blocking() has announced, and `workers_of_all_` for everything
// else.
//
// Owner: one reactor. Thread: see ring.h. Invariant: in_flight_ is the number of RingOps with
// in_flight set; the poll of the eventfd and the cancellations are the ring's own operations, and
// are not counted.
//
// Waking. Any thread may call wake(). No wake may be lost, yet wake() must cost no system call
// while the reactor is awake. Two flags decide that, `pending` (wake_pending_) and `sleeping`
// (sleeping_). All accesses to the two flags are sequentially consistent, so all threads see these
// accesses in one order:
//
//   wake():   W1  pending := true (exchange; if pending was true before, return)
//             W2  if sleeping: write the eventfd, which the ring polls (multishot)
//   sleep():  S1  sleeping := true
//             S2  if not pending: enter the kernel until there is a completion
//             S3  sleeping := false
//             S4  pending := false (exchange)
//
// No waker that sets `pending` is overlooked. If W2 comes before S1, then W1 comes before S2, so S2
// sees `pending` and there is no sleep. If W2 comes after S1, W2 sees `sleeping`, unless the sleep
// has ended already, and the eventfd ends the sleep; an eventfd that is written before the ring
// polls it ends the sleep too, because the poll finds the count when the poll is armed.
//
// A waker that finds `pending` set may return, because the waker that set `pending` has done W2 or
// is about to do W2.
//
// What any waker wrote before its W1 is visible after sleep(), if that W1 comes before S4: each W1
// is an exchange, even one that finds `pending` set, and S4 reads the last of them. A W1 that comes
// after S4 is for the next sleep(); so is each W1 before a sleep() that returns at once because of
// `ended_`, as such a sleep() leaves `pending` alone.
//
// The price: a waker that is slow between W1 and W2 may write the eventfd for a sleep that has
// ended already; then the next sleep ends at once, for nothing.
#pragma once

#include <liburing.h>

#include <atomic>
#include <memory>

#include "env/linux/eager_receives.h"
#include "env/ring.h"

namespace capsuled::env {

/// A ring has cache lines of its own, because what lies beside it in memory may be another
/// reactor's.
class alignas(64) LinuxRing final : public Ring {
 public:
  static Result<std::unique_ptr<LinuxRing>> create(uint32_t entries);
  ~LinuxRing() override;
  LinuxRing(const LinuxRing&) = delete;
  LinuxRing& operator=(const LinuxRing&) = delete;

  void accept(RingOp& op, int listen_fd) override;
  void connect(RingOp& op, int fd, const SocketAddress& address) override;
  void receive_provided(RingOp& op, int fd, ProvidedBuffers& buffers, uint32_t bytes_max) override;
  void receive(RingOp& op, int fd, msghdr& message, WaitFor wait_for) override;
  void send(RingOp& op, int fd, msghdr& message) override;
  void read(RingOp& op, int fd, const iovec* iov, uint32_t iov_count, uint64_t offset) override;
  void write(RingOp& op, int fd, const iovec* iov, uint32_t iov_count, uint64_t offset,
             Durability durability) override;
  void sync_data(RingOp& op, int fd) override;
  void allocate(RingOp& op, int fd, AllocateMode mode, uint64_t offset, uint64_t length) override;
  void close(RingOp& op, int fd) override;
  void await_event(RingOp& op, int event_fd, uint64_t& count) override;
  void expect_blocking(int32_t change) override;
  Result<uint64_t> file_bytes(int fd) override;
  void cancel(RingOp& op) override;
  Result<std::unique_ptr<ProvidedBuffers>> provide_buffers(uint32_t buffer_bytes,
                                                           uint32_t count) override;
  uint32_t poll() override;
  void sleep(uint64_t deadline_ns) override;
  uint32_t wait(uint64_t deadline_ns) override;
  void wake() override;
  uint32_t in_flight() const override { return in_flight_; }
  void finish() override;

 private:
  LinuxRing() = default;

  io_uring_sqe& next_sqe();
  void begin(RingOp& op);
  void prepare_receive(RingOp& op, uint16_t flags);
  [[nodiscard]] bool send_directly(RingOp& op, int fd, msghdr& message);
  void end_outside(RingOp& op, Completion outcome);
  uint32_t attempt_eager();
  uint32_t run_ended();
  void run(RingOp& op);
  void transfer_prepared();
  void prepare_accept(io_uring_sqe& sqe, RingOp& op);
  void arm_wake();
  void bind_thread();
  void allow_workers();
  void submit();
  /// Runs the owner's completion; returns 1, or 0 if there was none to run.
  uint32_t dispatch(const io_uring_cqe& cqe);
  bool accept_again(RingOp& op, const io_uring_cqe& cqe);

  io_uring ring_{};
  EagerReceives eager_;
  Queue<RingOp, &RingOp::ended_node> ended_;  ///< ended without io_uring; the next poll() runs them
  int wake_fd_ = -1;
  uint32_t in_flight_ = 0;
  uint32_t blocking_expected_ = 0;
  uint32_t workers_of_all_ = 0;      ///< the number that the kernel chose by itself; 0: not asked
  uint32_t transfers_prepared_ = 0;  ///< reads and writes of files since the last submission
  bool sent_directly_ = false;       ///< a send has been tried at once since the last poll()
  uint16_t buffer_group_next_ = 0;
  bool bound_ = false;            ///< the ring is enabled, and its thread is the only issuer
  bool multishot_accept_ = true;  ///< false once the kernel has refused it
  bool multishot_accept_proven_ = false;
  bool wake_armed_ = false;
  std::atomic<bool> sleeping_{false};
  std::atomic<bool> wake_pending_{false};
};

}  // namespace capsuled::env
