// Completions: what reactors hand back to the control thread when a request of its own is done.
//
// Rare (a namespace published, a listener closed), and bounded by what the control thread has asked
// for; a mutex is right here, since no I/O ever takes it. Threads: push() any; run() the control
// thread.
#pragma once

#include <functional>
#include <mutex>
#include <utility>
#include <vector>

namespace capsuled::control {

class Completions {
 public:
  Completions(void (*notify)(void* argument), void* argument)
      : notify_(notify), argument_(argument) {}

  void push(std::function<void()> done) {
    {
      const std::lock_guard lock(mutex_);
      waiting_.push_back(std::move(done));
    }
    notify_(argument_);
  }

  void run() {
    std::vector<std::function<void()>> ready;
    {
      const std::lock_guard lock(mutex_);
      ready.swap(waiting_);
    }
    for (auto& done : ready) done();
  }

 private:
  std::mutex mutex_;
  std::vector<std::function<void()>> waiting_;
  void (*notify_)(void* argument);
  void* argument_;
};

}  // namespace capsuled::control
