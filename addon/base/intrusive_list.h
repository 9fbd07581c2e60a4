/// A doubly linked list whose links live in its members.
///
/// Linking never allocates and removal from the middle is O(1), which is what lists of connections
/// and of requests need. The list does not own its members. A member knows which list it is in:
/// removing it from another list, linking it twice, or destroying it while linked is our mistake
/// and asserts. One thread.
#pragma once

#include <cstddef>

#include "base/assert.h"

namespace capsuled {

/// The hook. A class has one per list that it can be in at the same time.
class ListNode {
 public:
  ListNode() = default;
  ~ListNode() { ASSERT_MSG(owner_ == nullptr, "destroyed while in a list"); }
  ListNode(const ListNode&) = delete;
  ListNode& operator=(const ListNode&) = delete;

  bool linked() const { return owner_ != nullptr; }

 private:
  template <typename T, ListNode T::*>
  friend class IntrusiveList;

  ListNode* next_ = nullptr;
  ListNode* previous_ = nullptr;
  const void* owner_ = nullptr;
  // The object that holds this hook. Kept, rather than computed from a member offset, because the
  // language has no portable way back from a member to its class.
  void* object_ = nullptr;
};

template <typename T, ListNode T::* Hook>
class IntrusiveList {
 public:
  IntrusiveList() = default;
  ~IntrusiveList() { ASSERT_MSG(empty(), "list destroyed with members"); }
  IntrusiveList(const IntrusiveList&) = delete;
  IntrusiveList& operator=(const IntrusiveList&) = delete;

  bool empty() const { return head_ == nullptr; }
  std::size_t size() const { return size_; }
  bool contains(const T& object) const { return (object.*Hook).owner_ == this; }

  /// The first member, or null.
  T* front() const { return object_of(head_); }
  /// The member after `object`, or null.
  T* next(const T& object) const {
    ASSERT(contains(object));
    return object_of((object.*Hook).next_);
  }

  void push_back(T& object) { link(object, tail_, nullptr); }
  void push_front(T& object) { link(object, nullptr, head_); }

  /// Unlinks and returns the first member, or null if there is none.
  T* pop_front() {
    T* object = front();
    if (object != nullptr) remove(*object);
    return object;
  }

  void remove(T& object) {
    ListNode& node = object.*Hook;
    ASSERT(node.owner_ == this);
    (node.previous_ == nullptr ? head_ : node.previous_->next_) = node.next_;
    (node.next_ == nullptr ? tail_ : node.next_->previous_) = node.previous_;
    node.next_ = nullptr;
    node.previous_ = nullptr;
    node.owner_ = nullptr;
    --size_;
  }

  /// Calls `visit(T&)` on each member in order. `visit` may remove the member it is given, no
  /// other.
  template <typename Visit>
  void for_each(Visit&& visit) {
    for (ListNode* node = head_; node != nullptr;) {
      ListNode* const next = node->next_;
      visit(*object_of(node));
      node = next;
    }
  }

  template <typename Visit>
  void for_each(Visit&& visit) const {
    for (const ListNode* node = head_; node != nullptr; node = node->next_) {
      visit(static_cast<const T&>(*object_of(node)));
    }
  }

 private:
  static T* object_of(const ListNode* node) {
    return node == nullptr ? nullptr : static_cast<T*>(node->object_);
  }

  void link(T& object, ListNode* previous, ListNode* next) {
    ListNode& node = object.*Hook;
    ASSERT_MSG(node.owner_ == nullptr, "already in a list");
    node.object_ = &object;
    node.owner_ = this;
    node.previous_ = previous;
    node.next_ = next;
    (previous == nullptr ? head_ : previous->next_) = &node;
    (next == nullptr ? tail_ : next->previous_) = &node;
    ++size_;
  }

  ListNode* head_ = nullptr;
  ListNode* tail_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace capsuled
