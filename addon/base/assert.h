/// Assertions that stay on in release builds.
///
/// They are for our own mistakes: a bad transition, the wrong thread, a lost permit. What a host
/// sends is never asserted; it gets an NVMe status or a termination request. A storage target that
/// goes on after its own invariant broke may corrupt data, so it stops instead. Usable from any
/// thread.
#pragma once

#include <poll.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace capsuled {

/// Prints where and what to stderr, then aborts. Out of line and cold, so that the check costs one
/// branch. A reader of stderr that has stopped reading gets a second and no more: waiting for it
/// would keep a broken process alive.
[[noreturn, gnu::cold, gnu::noinline]] inline void assertion_failed(const char* expression,
                                                                    const char* file, int line,
                                                                    const char* message) noexcept {
  // Within PIPE_BUF, so that a pipe which poll() calls writable takes all of it without a wait.
  char text[1024];
  const int length = std::snprintf(text, sizeof(text), "%s:%d: assertion failed: %s%s%s\n", file,
                                   line, expression, message[0] == '\0' ? "" : ": ", message);
  pollfd writable{.fd = STDERR_FILENO, .events = POLLOUT, .revents = 0};
  if (length > 0 && ::poll(&writable, 1, 1000) == 1) {
    const auto whole = static_cast<size_t>(length);
    const size_t bytes = whole < sizeof(text) ? whole : sizeof(text) - 1;
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text, bytes);
  }
  std::abort();
}

}  // namespace capsuled

#define ASSERT_MSG(condition, message)                                         \
  do {                                                                         \
    if (!(condition)) [[unlikely]] {                                           \
      ::capsuled::assertion_failed(#condition, __FILE__, __LINE__, (message)); \
    }                                                                          \
  } while (false)

#define ASSERT(condition) ASSERT_MSG(condition, "")

#define UNREACHABLE() ::capsuled::assertion_failed("unreachable", __FILE__, __LINE__, "")
