// Join: runs something on the control thread once every part of a request to the reactors is done.
//
// Made on the control thread with the number of parts; each part calls arrive() once, on any
// thread; the last one hands `done` to the completions, which the control thread runs when it
// drains. Owned by its parts: deleted by the last.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>

#include "control/completions.h"

namespace capsuled::control {

class Join {
 public:
  static Join* make(Completions& completions, uint32_t parts, std::function<void()> done) {
    return new Join(completions, parts, std::move(done));
  }
  void arrive() {
    // acq_rel: what every part did happens before `done`.
    if (left_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    completions_.push(std::move(done_));
    delete this;
  }

 private:
  Join(Completions& completions, uint32_t parts, std::function<void()> done)
      : completions_(completions), left_(parts), done_(std::move(done)) {}
  ~Join() = default;

  Completions& completions_;
  std::atomic<uint32_t> left_;
  std::function<void()> done_;
};

}  // namespace capsuled::control
