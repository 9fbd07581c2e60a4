// IovCursor: a place in a scatter-gather list, and the bytes after it.
// A value: copy it to remember a place. It neither owns nor modifies the list. Empty iovecs are
// skipped.
#pragma once

#include <sys/uio.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/assert.h"

namespace capsuled {

class IovCursor {
 public:
  IovCursor() = default;
  IovCursor(const iovec* iov, uint32_t count) : iov_(iov), count_(count) {}

  /// Calls `visit(std::byte* at, size_t length)` for each stretch of the next `bytes`, and moves
  /// behind them. They must be there.
  template <typename Visit>
  void walk(size_t bytes, Visit&& visit) {
    while (bytes > 0) {
      ASSERT_MSG(index_ < count_, "fewer bytes than the operation says");
      const iovec& segment = iov_[index_];
      const size_t length = std::min(bytes, segment.iov_len - offset_);
      if (length > 0) visit(static_cast<std::byte*>(segment.iov_base) + offset_, length);
      offset_ += length;
      bytes -= length;
      if (offset_ == segment.iov_len) {
        ++index_;
        offset_ = 0;
      }
    }
  }

  void skip(size_t bytes) {
    walk(bytes, [](std::byte*, size_t) {});
  }

  /// Writes the next `bytes` as iovecs to `out`, moves behind them, returns how many iovecs. They
  /// must fit.
  uint32_t slice(size_t bytes, std::span<iovec> out) {
    uint32_t used = 0;
    walk(bytes, [&](std::byte* at, size_t length) {
      ASSERT(used < out.size());
      out[used++] = iovec{at, length};
    });
    return used;
  }

  /// Bytes in the next `segments` iovecs, the rest of the current one counting as one.
  size_t bytes_within(uint32_t segments) const {
    size_t bytes = 0;
    const uint32_t end = index_ + std::min(segments, count_ - index_);
    for (uint32_t index = index_; index < end; ++index) bytes += iov_[index].iov_len;
    return bytes - offset_;
  }

  /// The rest of the list, if the place is the start of an iovec.
  bool at_segment_start() const { return offset_ == 0; }
  std::span<const iovec> rest() const { return {iov_ + index_, count_ - index_}; }
  /// The rest of the current iovec.
  iovec current() const {
    ASSERT(index_ < count_);
    return {static_cast<std::byte*>(iov_[index_].iov_base) + offset_,
            iov_[index_].iov_len - offset_};
  }

 private:
  const iovec* iov_ = nullptr;
  uint32_t count_ = 0;
  uint32_t index_ = 0;
  size_t offset_ = 0;
};

}  // namespace capsuled
