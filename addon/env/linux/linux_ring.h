// LinuxRing: Ring over io_uring.
//
// The kernel's ring is made disabled on the control thread and enabled by the first poll() or
// sleep(), which makes that thread its only issuer (SINGLE_ISSUER); completions are posted only
// when that thread enters the kernel for them (DEFER_TASKRUN), and a flag in shared memory says
// when that is worth it, so that polling an idle ring costs no system call.
//
// A few busy sockets are quicker without io_uring. The first send of a turn is a system call of its
// own, at once, and only what it leaves goes to io_uring; where there are more, io_uring takes them
// together. Receives are tried by EagerReceives first, in poll(). A send that ended waits in
// `ended_` for the next poll(), and sleep() does not sleep while something does.
//
// Reads and writes of files do not wait for the next poll() either: a few together go to the kernel
// at once, so that a device works while the rest of the turn is made.
//
// What the kernel cannot begin without waiting, it gives to a worker: a thread of this ring's
// thread, made when it is needed. There are at most so many as it is told, for all files together:
// one for each operation that was said to block, and `workers_of_all_` for everything else.
//
// Owner: one reactor. Thread: see ring.h. Invariant: in_flight_ is the number of RingOps with
// in_flight set; the wake-up operation and cancellations are the ring's own and not counted.
//
// Waking. wake() may come from any thread and must not be lost, yet should cost no system call
// while the reactor is awake. Two flags, all accesses sequentially consistent:
//
//   wake():   W1  pending := true (exchange; if it was true already, return)
//             W2  if sleeping: write the eventfd, on which the ring has a multishot poll
//   sleep():  S1  sleeping := true
//             S2  if not pending: enter the kernel until a completion
//             S3  sleeping := false
//             S4  pending := false (exchange)
//
// W1 before W2 and S1 before S2, in one total order: either W2 sees `sleeping` and the eventfd ends
// the sleep (the poll also sees a count that was written before it was armed), or S2 sees `pending`
// and there is no sleep. A waker that found `pending` set relies on the waker that set it, which
// has yet to do W2 or did it. S4 reads the last W1, so what that waker wrote before is visible
// after sleep(); a W1 after S4 is for the next sleep(). At worst the eventfd is written for a sleep
// that has ended already, and the next one ends at once for nothing.
#pragma once

#include <liburing.h>

#include <atomic>
#include <memory>

#include "env/linux/eager_receives.h"
#include "env/ring.h"

namespace capsuled::env {

/// On cache lines of its own: what lies beside it may be another reactor's.
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
  Queue<RingOp, &RingOp::ended_node> ended_;  ///< outside of io_uring; for the next poll()
  int wake_fd_ = -1;
  uint32_t in_flight_ = 0;
  uint32_t blocking_expected_ = 0;
  uint32_t workers_of_all_ = 0;      ///< as many as the kernel had chosen
  uint32_t transfers_prepared_ = 0;  ///< of files, since the last submission
  bool sent_directly_ = false;       ///< since the last poll()
  uint16_t buffer_group_next_ = 0;
  bool bound_ = false;            ///< enabled, and owned by the reactor's thread
  bool multishot_accept_ = true;  ///< false once the kernel has refused it
  bool multishot_accept_proven_ = false;
  bool wake_armed_ = false;
  std::atomic<bool> sleeping_{false};
  std::atomic<bool> wake_pending_{false};
};

}  // namespace capsuled::env
