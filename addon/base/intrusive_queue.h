/// A first-in first-out queue whose single link lives in its members.
///
/// For what only ever waits its turn (requests waiting for a buffer, completions waiting for the
/// loop): one pointer less per link than IntrusiveList, and no removal from the middle. The queue
/// does not own its members. One thread.
#pragma once

#include <cstddef>

#include "base/assert.h"

namespace capsuled {

/// The hook. A class has one per queue that it can be in at the same time.
class QueueNode {
 public:
  QueueNode() = default;
  ~QueueNode() { ASSERT_MSG(!queued_, "destroyed while in a queue"); }
  QueueNode(const QueueNode&) = delete;
  QueueNode& operator=(const QueueNode&) = delete;

  bool queued() const { return queued_; }

 private:
  template <typename T, QueueNode T::*>
  friend class Queue;

  // The next member's object (not its hook): the queue knows the hook's type and needs no way back.
  void* next_ = nullptr;
  bool queued_ = false;
};

template <typename T, QueueNode T::* Hook>
class Queue {
 public:
  Queue() = default;
  ~Queue() { ASSERT_MSG(empty(), "queue destroyed with members"); }
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  bool empty() const { return head_ == nullptr; }
  std::size_t size() const { return size_; }
  /// The first member, or null.
  T* front() const { return head_; }

  void push_back(T& object) {
    QueueNode& node = object.*Hook;
    ASSERT_MSG(!node.queued_, "already in a queue");
    node.queued_ = true;
    node.next_ = nullptr;
    if (tail_ == nullptr) {
      head_ = &object;
    } else {
      (tail_->*Hook).next_ = &object;
    }
    tail_ = &object;
    ++size_;
  }

  /// Puts `object` first: for a member that was popped and could not be served yet.
  void push_front(T& object) {
    QueueNode& node = object.*Hook;
    ASSERT_MSG(!node.queued_, "already in a queue");
    node.queued_ = true;
    node.next_ = head_;
    head_ = &object;
    if (tail_ == nullptr) tail_ = &object;
    ++size_;
  }

  /// Unlinks and returns the first member, or null if there is none.
  T* pop_front() {
    T* const object = head_;
    if (object == nullptr) return nullptr;
    QueueNode& node = object->*Hook;
    head_ = static_cast<T*>(node.next_);
    if (head_ == nullptr) tail_ = nullptr;
    node.next_ = nullptr;
    node.queued_ = false;
    --size_;
    return object;
  }

  /// Appends all members of `other`, in order, and leaves it empty. O(1).
  void splice_back(Queue& other) {
    ASSERT(&other != this);
    if (other.empty()) return;
    if (tail_ == nullptr) {
      head_ = other.head_;
    } else {
      (tail_->*Hook).next_ = other.head_;
    }
    tail_ = other.tail_;
    size_ += other.size_;
    other.head_ = nullptr;
    other.tail_ = nullptr;
    other.size_ = 0;
  }

 private:
  T* head_ = nullptr;
  T* tail_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace capsuled
