#include "base/intrusive_list.h"

#include <doctest/doctest.h>

#include <vector>

#include "base/intrusive_queue.h"

namespace capsuled {
namespace {

struct Item {
  explicit Item(int number) : value(number) {}
  int value;
  ListNode node;
  ListNode other_node;
  QueueNode queue_node;
};
using Items = IntrusiveList<Item, &Item::node>;
using OtherItems = IntrusiveList<Item, &Item::other_node>;
using ItemQueue = Queue<Item, &Item::queue_node>;

std::vector<int> values(const Items& list) {
  std::vector<int> result;
  list.for_each([&](const Item& item) { result.push_back(item.value); });
  return result;
}

TEST_CASE("a list keeps its order through pushes and removals at both ends and in the middle") {
  Item one(1), two(2), three(3), four(4);
  Items list;
  CHECK(list.empty());
  CHECK(list.pop_front() == nullptr);
  list.push_back(two);
  list.push_back(three);
  list.push_front(one);
  list.push_back(four);
  CHECK(values(list) == std::vector<int>{1, 2, 3, 4});
  CHECK(list.size() == 4);
  CHECK(list.next(two) == &three);
  list.remove(two);
  CHECK_FALSE(list.contains(two));
  list.remove(four);
  CHECK(values(list) == std::vector<int>{1, 3});
  CHECK(list.pop_front() == &one);
  CHECK(list.pop_front() == &three);
  CHECK(list.empty());
  list.push_back(two);
  CHECK(values(list) == std::vector<int>{2});
  list.remove(two);
}

TEST_CASE("the member that for_each visits may be removed") {
  Item one(1), two(2), three(3);
  Items list;
  for (Item* item : {&one, &two, &three}) list.push_back(*item);
  list.for_each([&](Item& item) {
    if (item.value != 2) list.remove(item);
  });
  CHECK(values(list) == std::vector<int>{2});
  list.remove(two);
}

TEST_CASE("an object is in as many lists as it has hooks") {
  Item one(1);
  Items list;
  OtherItems other;
  list.push_back(one);
  CHECK_FALSE(one.other_node.linked());
  other.push_back(one);
  list.remove(one);
  CHECK(other.contains(one));
  other.remove(one);
}

TEST_CASE("a queue is first in, first out, and a popped member can be put back in front") {
  Item one(1), two(2), three(3);
  ItemQueue queue;
  CHECK(queue.pop_front() == nullptr);
  queue.push_back(one);
  queue.push_back(two);
  CHECK(queue.pop_front() == &one);
  CHECK_FALSE(one.queue_node.queued());
  queue.push_front(one);
  queue.push_back(three);
  CHECK(queue.size() == 3);
  CHECK(queue.pop_front() == &one);
  CHECK(queue.pop_front() == &two);
  CHECK(queue.pop_front() == &three);
  CHECK(queue.empty());
  queue.push_front(two);
  queue.push_back(three);
  CHECK(queue.pop_front() == &two);
  CHECK(queue.pop_front() == &three);
}

TEST_CASE("splicing moves all members behind those that are there") {
  Item one(1), two(2), three(3);
  ItemQueue front, back;
  front.splice_back(back);
  CHECK(front.empty());
  back.push_back(two);
  front.splice_back(back);
  CHECK(front.front() == &two);
  back.push_back(three);
  back.push_back(one);
  front.splice_back(back);
  CHECK(back.empty());
  CHECK(front.size() == 3);
  CHECK(front.pop_front() == &two);
  CHECK(front.pop_front() == &three);
  CHECK(front.pop_front() == &one);
}

}  // namespace
}  // namespace capsuled
