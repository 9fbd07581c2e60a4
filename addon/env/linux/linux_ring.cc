#include "env/linux/linux_ring.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "env/linux/linux_provided_buffers.h"

namespace capsuled::env {
namespace {

// Values of `user_data` that are not the address of a RingOp.
constexpr uint64_t kUserDataCancel = 1;
constexpr uint64_t kUserDataWake = 2;

// The flag for a socket that was not ready a moment ago: io_uring waits at once, instead of trying
// the socket first.
constexpr uint16_t kTriedAlready = IORING_RECVSEND_POLL_FIRST;

// The completion queue is this much larger than the submission queue. The kernel keeps further
// completions until the queue has room, at the price of one allocation for each of them.
constexpr uint32_t kCompletionsPerEntry = 4;

// Reads and writes of files go to the device in groups of this size. A device that gets all of a
// turn at its end has nothing to do while the turn is made, and some devices report no operation of
// a group as done before the whole group is done.
constexpr uint32_t kTransfersTogether = 2;

// How often the ring submits again, when the kernel is out of memory, before the process gives up.
constexpr int kSubmitAttemptsMax = 1000;

uint64_t monotonic_ns() {
  timespec now;
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(now.tv_nsec);
}

uint64_t user_data_of(const RingOp& op) { return reinterpret_cast<uintptr_t>(&op); }

}  // namespace

Result<std::unique_ptr<LinuxRing>> LinuxRing::create(uint32_t entries) {
  std::unique_ptr<LinuxRing> ring(new LinuxRing());
  io_uring_params parameters = {};
  parameters.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                     IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_R_DISABLED |
                     IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
  parameters.cq_entries = entries * kCompletionsPerEntry;
  const int result = io_uring_queue_init_params(entries, &ring->ring_, &parameters);
  if (result < 0) {
    ring->ring_.ring_fd = -1;
    return Error{-result, result == -ENOMEM
                              ? "io_uring: not enough lockable memory; raise RLIMIT_MEMLOCK "
                                "(ulimit -l, LimitMEMLOCK= in systemd)"
                              : "io_uring: cannot make a ring"};
  }
  ring->wake_fd_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (ring->wake_fd_ < 0) return Error{errno, "cannot make an eventfd"};
  return ring;
}

LinuxRing::~LinuxRing() {
  ASSERT_MSG(in_flight_ == 0, "a ring destroyed with operations in flight");
  ASSERT_MSG(!wake_armed_, "a ring destroyed without finish()");
  if (ring_.ring_fd >= 0) io_uring_queue_exit(&ring_);
  if (wake_fd_ >= 0) ::close(wake_fd_);
}

// ---- Preparing ---------------------------------------------------------------------------------

io_uring_sqe& LinuxRing::next_sqe() {
  io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
  for (int attempt = 0; sqe == nullptr; ++attempt) {
    ASSERT_MSG(attempt < kSubmitAttemptsMax, "io_uring takes no submissions: out of memory");
    if (attempt > 0) ::sched_yield();
    submit();
    sqe = io_uring_get_sqe(&ring_);
  }
  return *sqe;
}

void LinuxRing::begin(RingOp& op) {
  ASSERT_MSG(!op.in_flight, "a RingOp prepared twice");
  ASSERT(op.complete != nullptr);
  op.in_flight = true;
  op.cancelled = false;
  op.accept_fd = -1;
  op.provided = nullptr;
  op.message = nullptr;
  op.moved_bytes = 0;
  ++in_flight_;
}

void LinuxRing::prepare_accept(io_uring_sqe& sqe, RingOp& op) {
  if (multishot_accept_) {
    io_uring_prep_multishot_accept(&sqe, op.accept_fd, nullptr, nullptr, SOCK_CLOEXEC);
  } else {
    io_uring_prep_accept(&sqe, op.accept_fd, nullptr, nullptr, SOCK_CLOEXEC);
  }
  sqe.user_data = user_data_of(op);
}

void LinuxRing::accept(RingOp& op, int listen_fd) {
  ASSERT(listen_fd >= 0);
  begin(op);
  io_uring_sqe& sqe = next_sqe();
  op.accept_fd = listen_fd;
  prepare_accept(sqe, op);
}

void LinuxRing::connect(RingOp& op, int fd, const SocketAddress& address) {
  begin(op);
  io_uring_sqe& sqe = next_sqe();
  io_uring_prep_connect(&sqe, fd, address.raw(), address.length);
  sqe.user_data = user_data_of(op);
}

void LinuxRing::receive_provided(RingOp& op, int fd, ProvidedBuffers& buffers, uint32_t bytes_max) {
  begin(op);
  op.fd = fd;
  op.provided = &buffers;
  op.bytes_max = bytes_max;
  if (!eager_.add(op)) prepare_receive(op, 0);
}

void LinuxRing::receive(RingOp& op, int fd, msghdr& message, WaitFor wait_for) {
  begin(op);
  op.fd = fd;
  op.message = &message;
  op.wait_for_all = wait_for == WaitFor::All;
  if (!eager_.add(op)) prepare_receive(op, 0);
}

void LinuxRing::prepare_receive(RingOp& op, uint16_t flags) {
  io_uring_sqe& sqe = next_sqe();
  if (op.message != nullptr) {
    io_uring_prep_recvmsg(&sqe, op.fd, op.message, op.wait_for_all ? MSG_WAITALL : 0);
  } else {
    auto& buffers = static_cast<LinuxProvidedBuffers&>(*op.provided);
    io_uring_prep_recv(&sqe, op.fd, nullptr, std::min(op.bytes_max, buffers.buffer_bytes()), 0);
    sqe.flags |= IOSQE_BUFFER_SELECT;
    sqe.buf_group = buffers.group();
  }
  sqe.ioprio = flags;
  sqe.user_data = user_data_of(op);
}

void LinuxRing::send(RingOp& op, int fd, msghdr& message) {
  begin(op);
  uint16_t flags = 0;
  if (!sent_directly_) {
    sent_directly_ = true;
    if (send_directly(op, fd, message)) return;
    flags = kTriedAlready;
  }
  io_uring_sqe& sqe = next_sqe();
  io_uring_prep_sendmsg(&sqe, fd, &message, MSG_WAITALL | MSG_NOSIGNAL);
  sqe.ioprio = flags;
  sqe.user_data = user_data_of(op);
}

/// True: the send has ended. False: `message` is what io_uring has yet to send.
bool LinuxRing::send_directly(RingOp& op, int fd, msghdr& message) {
  const ssize_t sent = ::sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent < 0) {
    if (errno == EAGAIN || errno == EINTR) return false;
    end_outside(op, {-errno, 0, 0});
    return true;
  }
  op.moved_bytes = static_cast<size_t>(sent);
  if (skip_front(message, op.moved_bytes)) return false;
  end_outside(op, {static_cast<int32_t>(sent), 0, 0});
  return true;
}

void LinuxRing::read(RingOp& op, int fd, const iovec* iov, uint32_t iov_count, uint64_t offset) {
  begin(op);
  io_uring_sqe& sqe = next_sqe();
  io_uring_prep_readv(&sqe, fd, iov, iov_count, offset);
  sqe.user_data = user_data_of(op);
  transfer_prepared();
}

void LinuxRing::write(RingOp& op, int fd, const iovec* iov, uint32_t iov_count, uint64_t offset,
                      Durability durability) {
  begin(op);
  io_uring_sqe& sqe = next_sqe();
  io_uring_prep_writev2(&sqe, fd, iov, iov_count, offset,
                        durability == Durability::Durable ? RWF_DSYNC : 0);
  sqe.user_data = user_data_of(op);
  transfer_prepared();
}

void LinuxRing::transfer_prepared() {
  if (++transfers_prepared_ >= kTransfersTogether && bound_) submit();
}

void LinuxRing::sync_data(RingOp& op, int fd) {
  begin(op);
  io_uring_sqe& sqe = next_sqe();
  io_uring_prep_fsync(&sqe, fd, IORING_FSYNC_DATASYNC);
  sqe.user_data = user_data_of(op);
}

void LinuxRing::allocate(RingOp& op, int fd, AllocateMode mode, uint64_t offset, uint64_t length) {
  begin(op);
  io_uring_sqe& sqe = next_sqe();
  const int how = mode == AllocateMode::PunchHole ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE;
  io_uring_prep_fallocate(&sqe, fd, how | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                          static_cast<off_t>(length));
  sqe.user_data = user_data_of(op);
}

void LinuxRing::close(RingOp& op, int fd) {
  begin(op);
  io_uring_sqe& sqe = next_sqe();
  io_uring_prep_close(&sqe, fd);
  sqe.user_data = user_data_of(op);
}

void LinuxRing::await_event(RingOp& op, int event_fd, uint64_t& count) {
  begin(op);
  io_uring_sqe& sqe = next_sqe();
  io_uring_prep_read(&sqe, event_fd, &count, sizeof(count), 0);
  sqe.user_data = user_data_of(op);
}

void LinuxRing::expect_blocking(int32_t change) {
  ASSERT(change >= 0 || blocking_expected_ >= static_cast<uint32_t>(-change));
  blocking_expected_ += static_cast<uint32_t>(change);
  if (bound_) allow_workers();
}

Result<uint64_t> LinuxRing::file_bytes(int fd) {
  struct statx facts = {};
  // DONT_SYNC: asking a file server again might wait for that server, so its last answer counts.
  if (::statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE | STATX_SIZE, &facts) != 0) {
    return Error{errno, "cannot stat the file"};
  }
  if (!S_ISBLK(facts.stx_mode)) return facts.stx_size;
  uint64_t bytes = 0;
  if (::ioctl(fd, BLKGETSIZE64, &bytes) != 0) {
    return Error{errno, "cannot read the size of the block device"};
  }
  return bytes;
}

void LinuxRing::cancel(RingOp& op) {
  if (!op.in_flight) return;
  op.cancelled = true;
  if (op.ended_node.queued()) return;
  if (eager_.remove(op)) return end_outside(op, {-ECANCELED, 0, 0});
  // The kernel takes submissions in order. So the cancellation finds `op`, even if `op` itself is
  // still waiting to be submitted; and the cancellation cannot hit a later operation at the same
  // address, because that operation is submitted after it.
  io_uring_sqe& sqe = next_sqe();
  io_uring_prep_cancel64(&sqe, user_data_of(op), 0);
  sqe.user_data = kUserDataCancel;
}

Result<std::unique_ptr<ProvidedBuffers>> LinuxRing::provide_buffers(uint32_t buffer_bytes,
                                                                    uint32_t count) {
  return LinuxProvidedBuffers::create(ring_, buffer_group_next_++, buffer_bytes, count);
}

// ---- Submitting and completing -----------------------------------------------------------------

void LinuxRing::bind_thread() {
  ASSERT_MSG(io_uring_enable_rings(&ring_) == 0, "io_uring: cannot enable the ring");
  // A registered descriptor saves the kernel a look-up in each call. The ring works without one, so
  // a failure is ignored.
  (void)io_uring_register_ring_fd(&ring_);
  bound_ = true;
  allow_workers();
}

/// Only on the ring's thread, because the kernel counts workers for each thread. The number is a
/// limit, not a reservation: the kernel makes a worker when an operation needs one, and ends a
/// worker that has been idle for some seconds.
void LinuxRing::allow_workers() {
  unsigned int counts[2] = {0, 0};  // workers for files, and for all else; 0 asks for the number
  if (workers_of_all_ == 0) {
    if (io_uring_register_iowq_max_workers(&ring_, counts) != 0) return;
    workers_of_all_ = std::max(counts[0], 1u);
    if (blocking_expected_ == 0) return;
  }
  counts[0] = workers_of_all_ + blocking_expected_;
  counts[1] = 0;
  // If the kernel refuses, the kernel's own number stays, and a disk that hangs may hold up others.
  (void)io_uring_register_iowq_max_workers(&ring_, counts);
}

void LinuxRing::submit() {
  if (!bound_) [[unlikely]]
    bind_thread();
  transfers_prepared_ = 0;
  const int result = io_uring_submit_and_get_events(&ring_);
  // EINTR: a signal came. EAGAIN, EBUSY: the kernel is short of memory, or of room for completions.
  // In each case, submissions that the kernel did not take stay queued for the next call.
  ASSERT_MSG(result >= 0 || result == -EINTR || result == -EAGAIN || result == -EBUSY,
             "io_uring: submission failed (another thread than the ring's?)");
}

uint32_t LinuxRing::poll() {
  if (!bound_) [[unlikely]]
    bind_thread();
  sent_directly_ = false;
  // Relaxed: if this poll() misses a flag, the next one sees the flag.
  const uint32_t flags = __atomic_load_n(ring_.sq.kflags, __ATOMIC_RELAXED);
  if (io_uring_sq_ready(&ring_) > 0 || (flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0) {
    submit();
  }
  // A completion may prepare an operation that completes at once, and the reactor has other things
  // to do in between; so poll() runs only the completions that were there when it began. Sends that
  // have ended come before the receives of this turn, so that the receives find what those sends
  // held free again.
  uint32_t ran = run_ended() + attempt_eager();
  for (uint32_t ready = io_uring_cq_ready(&ring_); ready > 0; --ready) {
    io_uring_cqe* cqe = nullptr;
    if (io_uring_peek_cqe(&ring_, &cqe) != 0) break;
    const io_uring_cqe copy = *cqe;
    io_uring_cqe_seen(&ring_, cqe);
    ran += dispatch(copy);
  }
  return ran;
}

uint32_t LinuxRing::attempt_eager() {
  uint32_t ran = 0;
  eager_.attempt(
      [&](RingOp& op) {
        run(op);
        ++ran;
      },
      [this](RingOp& op) { prepare_receive(op, kTriedAlready); });
  return ran;
}

/// Keeps `op`, which ended without io_uring, and its outcome for the next poll().
void LinuxRing::end_outside(RingOp& op, Completion outcome) {
  op.outcome = outcome;
  ended_.push_back(op);
}

uint32_t LinuxRing::run_ended() {
  const auto count = static_cast<uint32_t>(ended_.size());
  for (uint32_t index = 0; index < count; ++index) run(*ended_.pop_front());
  return count;
}

void LinuxRing::run(RingOp& op) {
  op.in_flight = false;
  --in_flight_;
  op.complete(op, op.outcome);
}

uint32_t LinuxRing::dispatch(const io_uring_cqe& cqe) {
  if (cqe.user_data == kUserDataCancel) return 0;
  if (cqe.user_data == kUserDataWake) {
    if ((cqe.flags & IORING_CQE_F_MORE) == 0) wake_armed_ = false;
    return 0;
  }

  RingOp& op = *reinterpret_cast<RingOp*>(static_cast<uintptr_t>(cqe.user_data));
  ASSERT(op.in_flight);
  Completion completion{cqe.res, 0, 0};
  if (op.moved_bytes > 0) {
    completion.result = static_cast<int32_t>(op.moved_bytes) + std::max(cqe.res, 0);
  }
  bool more = (cqe.flags & IORING_CQE_F_MORE) != 0;
  if (op.accept_fd >= 0 && more) multishot_accept_proven_ = true;
  if (op.accept_fd >= 0 && !more) {
    more = accept_again(op, cqe);
    if (more && cqe.res < 0) return 0;
  }
  if ((cqe.flags & IORING_CQE_F_BUFFER) != 0) {
    auto& buffers = static_cast<LinuxProvidedBuffers&>(*op.provided);
    const auto index = static_cast<uint16_t>(cqe.flags >> IORING_CQE_BUFFER_SHIFT);
    buffers.take(index);
    if (cqe.res > 0) {
      completion.flags |= Completion::kBuffer;
      completion.buffer_index = index;
    } else {
      buffers.recycle(index);  // the end of a stream may take a buffer and put nothing into it
    }
  }
  if (more) {
    completion.flags |= Completion::kMore;
  } else {
    op.in_flight = false;
    --in_flight_;
  }
  op.complete(op, completion);
  return 1;
}

/// For an accept whose kernel operation has ended. True: a new kernel operation continues the
/// accept.
bool LinuxRing::accept_again(RingOp& op, const io_uring_cqe& cqe) {
  if (op.cancelled) return false;
  if (cqe.res == -EINVAL && multishot_accept_ && !multishot_accept_proven_) {
    // EINVAL may also mean that the socket does not listen; then the single shot says EINVAL too.
    multishot_accept_ = false;
  } else if (cqe.res < 0) {
    return false;
  }
  prepare_accept(next_sqe(), op);
  return true;
}

// ---- Sleeping and waking -----------------------------------------------------------------------

void LinuxRing::arm_wake() {
  if (wake_armed_) return;
  io_uring_sqe& sqe = next_sqe();
  // The poll is multishot, so nobody has to read the eventfd: each write to the eventfd gives a
  // completion, whatever the count is.
  io_uring_prep_poll_multishot(&sqe, wake_fd_, POLLIN);
  sqe.user_data = kUserDataWake;
  wake_armed_ = true;
}

void LinuxRing::sleep(uint64_t deadline_ns) {
  if (!bound_) [[unlikely]]
    bind_thread();
  if (!ended_.empty()) return;
  eager_.hand_over_all([this](RingOp& op) { prepare_receive(op, kTriedAlready); });
  arm_wake();
  // Sequentially consistent (S1, S2 in the header): the load must not come before the store.
  sleeping_.store(true, std::memory_order_seq_cst);
  if (!wake_pending_.load(std::memory_order_seq_cst)) {
    io_uring_cqe* cqe = nullptr;
    int result = 0;
    if (deadline_ns == UINT64_MAX) {
      result = io_uring_submit_and_wait_timeout(&ring_, &cqe, 1, nullptr, nullptr);
    } else {
      const uint64_t now_ns = monotonic_ns();
      const uint64_t left_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
      __kernel_timespec timeout = {};
      timeout.tv_sec = static_cast<int64_t>(left_ns / 1'000'000'000u);
      timeout.tv_nsec = static_cast<long long>(left_ns % 1'000'000'000u);
      result = io_uring_submit_and_wait_timeout(&ring_, &cqe, 1, &timeout, nullptr);
    }
    ASSERT_MSG(result >= 0 || result == -ETIME || result == -EINTR || result == -EAGAIN ||
                   result == -EBUSY,
               "io_uring: waiting failed (another thread than the ring's?)");
  }
  // Sequentially consistent (S3, S4 in the header): wakers that come later see that nobody sleeps;
  // and the exchange reads what the last waker stored, so that everything which wakers wrote before
  // wake() is visible on this thread now.
  sleeping_.store(false, std::memory_order_seq_cst);
  (void)wake_pending_.exchange(false, std::memory_order_seq_cst);
}

uint32_t LinuxRing::wait(uint64_t deadline_ns) {
  sleep(deadline_ns);
  return poll();
}

void LinuxRing::wake() {
  // Sequentially consistent (W1, W2 in the header): the load must not come before the store.
  if (wake_pending_.exchange(true, std::memory_order_seq_cst)) return;
  if (!sleeping_.load(std::memory_order_seq_cst)) return;
  const uint64_t one = 1;
  // The write fails only when the count of the eventfd is full, which takes 2^64 wakes.
  ASSERT(::write(wake_fd_, &one, sizeof(one)) == sizeof(one));
}

void LinuxRing::finish() {
  ASSERT_MSG(in_flight_ == 0, "a ring finished with operations in flight");
  if (wake_armed_) {
    io_uring_sqe& sqe = next_sqe();
    io_uring_prep_cancel64(&sqe, kUserDataWake, 0);
    sqe.user_data = kUserDataCancel;
    while (wake_armed_) {
      io_uring_cqe* cqe = nullptr;
      (void)io_uring_submit_and_wait_timeout(&ring_, &cqe, 1, nullptr, nullptr);
      (void)poll();
    }
  }
  if (bound_) (void)io_uring_unregister_ring_fd(&ring_);
}

}  // namespace capsuled::env
