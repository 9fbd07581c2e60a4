// BdevResult: a new bdev, or why its factory refused, in words for the operator.
//
// base/result.h carries a literal, which suits the engine's inside. Here the message names the path
// and the sizes, and `field` the configuration key at fault, so that the admin plane can show
// `bdevs[2].size`.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "base/assert.h"

namespace capsuled {

class Bdev;

struct BdevError {
  int errnum = 0;       ///< positive
  std::string field;    ///< "size", "block_size", "path", "kind", …; empty: none in particular
  std::string message;  ///< a sentence without the bdev's name: what was expected, what was found
};

class [[nodiscard]] BdevResult {
 public:
  // Implicit on purpose, as Result is.
  BdevResult(std::unique_ptr<Bdev> bdev);
  BdevResult(BdevError error);
  BdevResult(BdevResult&&) noexcept;
  ~BdevResult();

  bool ok() const { return bdev_ != nullptr; }
  explicit operator bool() const { return ok(); }
  std::unique_ptr<Bdev>&& value() && {
    ASSERT_MSG(ok(), error_.message.c_str());
    return std::move(bdev_);
  }
  std::unique_ptr<Bdev>& value() & {
    ASSERT_MSG(ok(), error_.message.c_str());
    return bdev_;
  }
  const BdevError& error() const {
    ASSERT(!ok());
    return error_;
  }

 private:
  std::unique_ptr<Bdev> bdev_;
  BdevError error_;
};

}  // namespace capsuled
