#include "bdev/bdev_error.h"

#include "bdev/bdev.h"

namespace capsuled {

BdevResult::BdevResult(std::unique_ptr<Bdev> bdev) : bdev_(std::move(bdev)) {
  ASSERT(bdev_ != nullptr);
}
BdevResult::BdevResult(BdevError error) : error_(std::move(error)) { ASSERT(error_.errnum > 0); }
BdevResult::BdevResult(BdevResult&&) noexcept = default;
BdevResult::~BdevResult() = default;

}  // namespace capsuled
