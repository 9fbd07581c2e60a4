#include "env/linux/eager_receives.h"

#include <sys/socket.h>

#include <cerrno>

namespace capsuled::env {

bool EagerReceives::attempt(RingOp& op) {
  auto& buffers = static_cast<LinuxProvidedBuffers&>(*op.provided);
  // Whoever holds it gives it back soon; or else io_uring has others.
  if (buffers.eager_taken()) return false;
  const ssize_t got =
      ::recv(op.fd, buffers.at(buffers.eager_index()), buffers.buffer_bytes(), MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  op.outcome = {got < 0 ? -errno : static_cast<int32_t>(got), 0, 0};
  if (got > 0) {
    op.outcome.flags = Completion::kBuffer;
    op.outcome.buffer_index = buffers.eager_index();
    buffers.take(buffers.eager_index());
  }
  return true;
}

}  // namespace capsuled::env
