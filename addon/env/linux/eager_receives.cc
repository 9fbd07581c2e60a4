#include "env/linux/eager_receives.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "env/linux/linux_provided_buffers.h"

namespace capsuled::env {

bool EagerReceives::attempt(RingOp& op) {
  return op.message != nullptr ? attempt_message(op) : attempt_provided(op);
}

bool EagerReceives::attempt_message(RingOp& op) {
  const ssize_t got = ::recvmsg(op.fd, op.message, MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  if (got > 0) {
    op.moved_bytes += static_cast<size_t>(got);
    if (op.wait_for_all && skip_front(*op.message, static_cast<size_t>(got))) {
      // The rest is on its way, so the attempts count anew; the caller takes this one off.
      op.attempts_left = kAttemptsMax + 1;
      return false;
    }
  }
  const bool failed = got < 0 && op.moved_bytes == 0;
  op.outcome = {failed ? -errno : static_cast<int32_t>(op.moved_bytes), 0, 0};
  return true;
}

bool EagerReceives::attempt_provided(RingOp& op) {
  auto& buffers = static_cast<LinuxProvidedBuffers&>(*op.provided);
  // Whoever holds the eager buffer gives it back soon; and if not, the attempts run out, and
  // io_uring has other buffers.
  if (buffers.eager_taken()) return false;
  const size_t bytes = std::min(op.bytes_max, buffers.eager_bytes());
  const ssize_t got = ::recv(op.fd, buffers.at(buffers.eager_index()), bytes, MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  op.outcome = {got < 0 ? -errno : static_cast<int32_t>(got), 0, 0};
  if (got > 0) {
    op.outcome.flags = Completion::kBuffer;
    op.outcome.buffer_index = buffers.eager_index();
    buffers.take(buffers.eager_index());
  }
  return true;
}

bool skip_front(msghdr& message, size_t bytes) {
  for (size_t index = 0; index < message.msg_iovlen; ++index) {
    iovec& part = message.msg_iov[index];
    if (bytes < part.iov_len) {
      part.iov_base = static_cast<std::byte*>(part.iov_base) + bytes;
      part.iov_len -= bytes;
      message.msg_iov = &part;
      message.msg_iovlen -= index;
      return true;
    }
    bytes -= part.iov_len;
  }
  return false;
}

}  // namespace capsuled::env
