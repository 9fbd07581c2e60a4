/// Assertions that stay on in release builds.
///
/// They are for our own mistakes: a bad transition, the wrong thread, a lost permit. What a host
/// sends is never asserted; it gets an NVMe status or a termination request. A storage target that
/// goes on after its own invariant broke may corrupt data, so it stops instead. Usable from any
/// thread.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace capsuled {

/// Prints where and what to stderr, then aborts. Out of line and cold, so that the check costs one
/// branch.
[[noreturn, gnu::cold, gnu::noinline]] inline void assertion_failed(const char* expression,
                                                                    const char* file, int line,
                                                                    const char* message) noexcept {
  std::fprintf(stderr, "%s:%d: assertion failed: %s%s%s\n", file, line, expression,
               message[0] == '\0' ? "" : ": ", message);
  std::fflush(stderr);
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
