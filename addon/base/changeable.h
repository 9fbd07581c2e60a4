// Changeable<T>: a value that one thread replaces while others work with copies of it. A look at a
// copy costs one load, and takes the lock once for each change.
//
// Thread: set() is for one thread at a time; a Copy is its owner's alone.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

namespace capsuled {

template <typename T>
class Changeable {
 public:
  explicit Changeable(T value) : value_(std::make_shared<const T>(std::move(value))) {}

  void set(T value) {
    auto next = std::make_shared<const T>(std::move(value));
    const std::lock_guard lock(mutex_);
    value_.swap(next);
    // Relaxed, as the load: what a copy is made of is read under the lock.
    version_.fetch_add(1, std::memory_order_relaxed);
  }

  class Copy {
   public:
    explicit Copy(const Changeable& of) : of_(of) { refresh(); }
    const T& get() const {
      if (version_ != of_.version_.load(std::memory_order_relaxed)) [[unlikely]]
        refresh();
      return *value_;
    }

   private:
    void refresh() const {
      const std::lock_guard lock(of_.mutex_);
      version_ = of_.version_.load(std::memory_order_relaxed);
      value_ = of_.value_;
    }

    const Changeable& of_;
    mutable uint32_t version_ = 0;
    mutable std::shared_ptr<const T> value_;
  };

 private:
  std::atomic<uint32_t> version_ = 0;
  mutable std::mutex mutex_;
  std::shared_ptr<const T> value_;
};

}  // namespace capsuled
