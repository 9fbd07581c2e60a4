/// `Result<T>`: a value, or why there is none.
///
/// It carries errors of the machine (ENOSPC, EIO, EADDRINUSE) up to the one place that maps and
/// logs them. The engine is built without exceptions, so ignoring a Result is a compiler warning
/// and reading the wrong half asserts.
#pragma once

#include <cstring>
#include <optional>
#include <utility>

#include "base/assert.h"

namespace capsuled {

/// What the machine refused.
struct Error {
  /// An errno value, positive.
  int errnum = 0;
  /// What was tried; a string literal, so that an Error is trivially copyable and never allocates.
  const char* what = "";

  /// The C library's words for `errnum`.
  const char* message() const { return std::strerror(errnum); }
};

template <typename T>
class [[nodiscard]] Result {
 public:
  // Implicit on purpose: `return value;` and `return Error{EIO, "read"};` both read well.
  Result(T value) : value_(std::move(value)) {}
  Result(Error error) : error_(error) { ASSERT(error.errnum > 0); }

  bool ok() const { return value_.has_value(); }
  explicit operator bool() const { return ok(); }

  T& value() & {
    ASSERT_MSG(ok(), error_.what);
    return *value_;
  }
  const T& value() const& {
    ASSERT_MSG(ok(), error_.what);
    return *value_;
  }
  T&& value() && {
    ASSERT_MSG(ok(), error_.what);
    return std::move(*value_);
  }

  const Error& error() const {
    ASSERT(!ok());
    return error_;
  }

 private:
  std::optional<T> value_;
  Error error_{};
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(error) { ASSERT(error.errnum > 0); }

  bool ok() const { return error_.errnum == 0; }
  explicit operator bool() const { return ok(); }

  void value() const { ASSERT_MSG(ok(), error_.what); }

  const Error& error() const {
    ASSERT(!ok());
    return error_;
  }

 private:
  Error error_{};
};

}  // namespace capsuled
