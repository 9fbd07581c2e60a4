// Stream: one polled connection of the limit programs: what came and was not taken yet, and a
// gather list of what is to be sent. Nothing blocks, so that two ends that both send cannot wait
// for each other.
#pragma once

#include <sys/uio.h>

#include <algorithm>
#include <vector>

#include "socket.h"

namespace capsuled::bench {

class Stream {
 public:
  explicit Stream(int fd) : fd_(fd) {}

  /// Reads once.
  void receive() {
    const ssize_t got = ::recv(fd_, input_.data() + filled_, input_.size() - filled_, MSG_DONTWAIT);
    if (got > 0) {
      filled_ += static_cast<size_t>(got);
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
      closed_ = true;
    }
  }
  /// The peer has gone.
  bool closed() const { return closed_; }
  /// What has come, from the first byte that was not taken.
  const std::byte* at() const { return input_.data() + taken_; }
  size_t there() const { return filled_ - taken_; }
  void take(size_t bytes) { taken_ += bytes; }
  /// Payload that nobody looks at, here or still to come.
  void skip(size_t bytes) { skip_ += bytes; }
  /// Takes what is to be skipped; true: nothing is left to skip.
  bool skipped() {
    const size_t now = std::min(skip_, there());
    taken_ += now;
    skip_ -= now;
    return skip_ == 0;
  }
  /// Moves the rest of a message to the front.
  void settle() {
    if (taken_ == filled_) {
      taken_ = filled_ = 0;
    } else if (taken_ > 0) {
      std::memmove(input_.data(), at(), there());
      filled_ -= taken_;
      taken_ = 0;
    }
  }

  /// Stays valid until it was sent.
  void add(const void* bytes, size_t count) {
    output_.push_back({const_cast<void*>(bytes), count});
    pending_ += count;
  }
  size_t pending() const { return pending_; }
  /// Sends what the socket takes.
  void flush() {
    while (pending_ > 0) {
      constexpr size_t kIovMax = 1024;
      msghdr message{};
      message.msg_iov = output_.data() + first_;
      message.msg_iovlen = std::min(output_.size() - first_, kIovMax);
      const ssize_t sent = ::sendmsg(fd_, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent < 0 && (errno == EINTR || errno == EAGAIN)) return;
      if (sent < 0) {
        closed_ = true;
        return;
      }
      pending_ -= static_cast<size_t>(sent);
      auto left = static_cast<size_t>(sent);
      while (left > 0 && left >= output_[first_].iov_len) left -= output_[first_++].iov_len;
      if (left > 0) {
        output_[first_].iov_base = static_cast<std::byte*>(output_[first_].iov_base) + left;
        output_[first_].iov_len -= left;
      }
    }
    output_.clear();
    first_ = 0;
  }

 private:
  int fd_;
  std::vector<std::byte> input_ = std::vector<std::byte>(512 * 1024);
  size_t filled_ = 0;
  size_t taken_ = 0;
  size_t skip_ = 0;
  std::vector<iovec> output_;
  size_t first_ = 0;
  size_t pending_ = 0;
  bool closed_ = false;
};

}  // namespace capsuled::bench
