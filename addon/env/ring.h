// Ring: the one door through which a reactor reaches sockets and files.
//
// Every operation is asynchronous: it is described by a RingOp that the caller owns, prepared by
// one of the calls below, handed to the machine at once or by poll(), sleep() or wait(), and
// answered by RingOp::complete, which runs inside poll() or wait() and never inside the call that
// prepared the operation. A RingOp stays at its address until its last completion ran (the one
// without kMore).
//
// Owner and thread: one Ring belongs to one reactor and is used on that reactor's thread only,
// except wake(). `env/linux` implements it on io_uring; a deterministic implementation for
// simulation implements the same calls.
//
// Descriptors given to a Ring are blocking ones (no O_NONBLOCK): on others io_uring answers -EAGAIN
// instead of waiting.
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/intrusive_queue.h"
#include "base/result.h"

namespace capsuled::env {

/// What a completion says besides its result.
struct Completion {
  int32_t result;  ///< >= 0: bytes or a file descriptor, as the operation has it; < 0: -errno
  uint32_t flags;  ///< kMore and kBuffer below
  uint16_t buffer_index;  ///< with kBuffer: which provided buffer holds the bytes

  static constexpr uint32_t kMore = 1;    ///< a multishot operation stays armed
  static constexpr uint32_t kBuffer = 2;  ///< `buffer_index` is valid; the caller must recycle it
};

/// A socket's address as the kernel has it.
struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = sizeof(sockaddr_storage);

  sockaddr* raw() { return reinterpret_cast<sockaddr*>(&storage); }
  const sockaddr* raw() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

class ProvidedBuffers;

/// One operation in flight. Owned by the caller; not copied, not moved while in flight. In its last
/// completion it may be prepared again or freed.
struct RingOp {
  using Complete = void (*)(RingOp& op, Completion completion);
  Complete complete = nullptr;
  bool in_flight =
      false;  ///< kept by the Ring: true from the preparing call until the last completion

  // Below: the Ring's own notes while the operation is in flight.
  bool cancelled = false;               ///< cancel() was called
  int32_t accept_fd = -1;               ///< an accept(): the listening socket, to arm it again
  ProvidedBuffers* provided = nullptr;  ///< a receive_provided(): where the buffer comes from
  int32_t fd = -1;                      ///< a receive: the socket
  msghdr* message = nullptr;            ///< a receive(): where the bytes go
  uint32_t bytes_max = 0;               ///< a receive_provided()
  uint32_t attempts_left = 0;           ///< a receive that is still tried directly
  bool wait_for_all = false;            ///< a receive()
  size_t moved_bytes = 0;               ///< before the machine had the rest
  Completion outcome = {};              ///< of what ended without the machine's queues
  QueueNode ended_node;                 ///< in the queue of such operations, until poll() runs them
};

enum class Durability : uint8_t { Cached, Durable };  ///< Durable: RWF_DSYNC (Force Unit Access)
enum class WaitFor : uint8_t { Some, All };  ///< All: MSG_WAITALL, one completion for the whole
enum class AllocateMode : uint8_t { PunchHole, ZeroRange };  ///< both keep the file's size

/// A pool of equal buffers that the kernel picks from when bytes arrive (a provided-buffer ring).
/// Destroyed before its Ring, with no receive_provided() in flight. A receive that waits for bytes
/// holds no buffer.
class ProvidedBuffers {
 public:
  virtual ~ProvidedBuffers() = default;
  virtual std::byte* at(uint16_t index) = 0;
  /// Gives a buffer back; every buffer that a completion named is recycled exactly once.
  virtual void recycle(uint16_t index) = 0;
  virtual uint32_t buffer_bytes() const = 0;
  virtual uint32_t count() const = 0;
  /// Buffers that the kernel does not hold now.
  virtual uint32_t taken() const = 0;
};

class Ring {
 public:
  virtual ~Ring() = default;

  /// `op` completes once per accepted connection with its descriptor (close-on-exec), with kMore
  /// while armed. An error comes without kMore: -EMFILE and the like; who wants to go on calls
  /// accept() again.
  virtual void accept(RingOp& op, int listen_fd) = 0;
  /// Connects a socket of Env::make_socket(); `address` stays valid until completion. The result is
  /// 0 or an error.
  virtual void connect(RingOp& op, int fd, const SocketAddress& address) = 0;
  /// Receives once, at most `bytes_max`, into one buffer of `buffers` (which may hold less);
  /// -ENOBUFS when none is free. kBuffer is set exactly if the result is positive; at the end of
  /// the stream the result is 0.
  virtual void receive_provided(RingOp& op, int fd, ProvidedBuffers& buffers,
                                uint32_t bytes_max) = 0;
  /// Receives into `message`, which stays valid with its iovecs until completion and may be changed
  /// by the Ring. With WaitFor::All
  /// a result short of the whole means end of stream, an error of the connection, or cancel().
  virtual void receive(RingOp& op, int fd, msghdr& message, WaitFor wait_for) = 0;
  /// Sends all of `message`, which stays valid with its iovecs until completion and may be changed
  /// by the Ring; the result is the number of bytes sent. A result short of the whole means that
  /// the connection failed, or that cancel() came, in the middle: nobody can know where the peer's
  /// stream stands, so the caller terminates.
  virtual void send(RingOp& op, int fd, msghdr& message) = 0;
  /// File operations: `iov` stays valid until completion; the result may be short, as with
  /// preadv(2) and pwritev(2).
  virtual void read(RingOp& op, int fd, const iovec* iov, uint32_t iov_count, uint64_t offset) = 0;
  virtual void write(RingOp& op, int fd, const iovec* iov, uint32_t iov_count, uint64_t offset,
                     Durability durability) = 0;
  virtual void sync_data(RingOp& op, int fd) = 0;
  virtual void allocate(RingOp& op, int fd, AllocateMode mode, uint64_t offset,
                        uint64_t length) = 0;
  virtual void close(RingOp& op, int fd) = 0;
  /// Waits until an event of Env::make_event() is signaled, and takes it: `count`, which stays
  /// valid until completion, is how often it was. The result is 8.
  virtual void await_event(RingOp& op, int event_fd, uint64_t& count) = 0;
  /// Says that `change` more (or fewer) file operations may wait within the machine at a time,
  /// each of which may hold a thread there until it ends. So many do not get in each other's way,
  /// nor in the way of others. Costs nothing until they do wait. What the machine's limits do not
  /// allow is not had.
  virtual void expect_blocking(int32_t change) { (void)change; }
  /// The size of a regular file or block device as this machine knows it: at once, without asking
  /// a server or a device.
  virtual Result<uint64_t> file_bytes(int fd) {
    (void)fd;
    return Error{ENOSYS, "sizes of files are not known here"};
  }
  /// Asks for `op` to end early; its completion comes in any case (-ECANCELED if it was in time).
  /// Nothing if `op` is not in flight.
  virtual void cancel(RingOp& op) = 0;

  /// `count` buffers in 1..32768 of `buffer_bytes`, all free.
  virtual Result<std::unique_ptr<ProvidedBuffers>> provide_buffers(uint32_t buffer_bytes,
                                                                   uint32_t count) = 0;

  /// Hands prepared operations over and runs the completions that are there; returns how many ran.
  virtual uint32_t poll() = 0;
  /// Hands prepared operations over and sleeps until a completion, wake() or `deadline_ns`
  /// (monotonic clock; UINT64_MAX: none). Runs no completions, so that the caller can refresh its
  /// clock before poll() does.
  virtual void sleep(uint64_t deadline_ns) = 0;
  /// sleep(), then poll().
  virtual uint32_t wait(uint64_t deadline_ns) = 0;
  /// Any thread: makes a sleep() that is running, or the next one, return. What the caller wrote
  /// before is visible to the reactor's thread when that sleep() has returned.
  virtual void wake() = 0;
  /// Operations whose last completion has not run.
  virtual uint32_t in_flight() const = 0;
  /// The reactor's thread, when its loop has ended and nothing is in flight: takes back what the
  /// Ring itself has with the machine. No other call but the destructor may follow.
  virtual void finish() = 0;
};

}  // namespace capsuled::env
