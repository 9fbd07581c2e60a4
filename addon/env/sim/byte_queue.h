// ByteQueue: bytes in order, put in and taken out in pieces of any size.
// Owner: one end of a SimStream. One thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <deque>
#include <span>
#include <utility>
#include <vector>

#include "base/assert.h"

namespace capsuled::env::sim {

class ByteQueue {
 public:
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  void push(std::vector<std::byte> bytes) {
    if (bytes.empty()) return;
    size_ += bytes.size();
    pieces_.push_back(std::move(bytes));
  }
  void push(std::span<const std::byte> bytes) {
    push(std::vector<std::byte>(bytes.begin(), bytes.end()));
  }
  /// Takes as many as there are, and as fit.
  size_t take(std::span<std::byte> to) {
    size_t taken = 0;
    while (taken < to.size() && size_ > 0) {
      const std::vector<std::byte>& first = pieces_.front();
      const size_t count = std::min(first.size() - taken_of_first_, to.size() - taken);
      std::memcpy(to.data() + taken, first.data() + taken_of_first_, count);
      taken += count;
      drop(count);
    }
    return taken;
  }
  std::vector<std::byte> take(size_t count) {
    std::vector<std::byte> bytes(std::min(count, size_));
    take(std::span(bytes));
    return bytes;
  }
  void clear() {
    pieces_.clear();
    taken_of_first_ = 0;
    size_ = 0;
  }

 private:
  /// Within the first piece.
  void drop(size_t count) {
    size_ -= count;
    taken_of_first_ += count;
    if (taken_of_first_ < pieces_.front().size()) return;
    pieces_.pop_front();
    taken_of_first_ = 0;
  }

  std::deque<std::vector<std::byte>> pieces_;
  size_t taken_of_first_ = 0;
  size_t size_ = 0;
};

}  // namespace capsuled::env::sim
