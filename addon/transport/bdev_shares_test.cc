#include "transport/bdev_shares.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

namespace capsuled::transport {
namespace {

constexpr size_t kLarge = 1;

/// A host that has `shared` buffers, and takes as many for each bdev as it may.
class Host {
 public:
  explicit Host(uint32_t shared) : room_(shared) {}
  uint32_t take_all(BdevShares& bdevs, uint32_t bdev) {
    uint32_t taken = 0;
    while (room_ > 0 && !bdevs.over(bdev, kLarge, 1, room_)) {
      bdevs.take(bdev, kLarge, 1);
      --room_;
      ++taken;
    }
    return taken;
  }
  uint32_t room() const { return room_; }

 private:
  uint32_t room_;
};

}  // namespace

TEST_CASE("BdevShares: however many bdevs take all that they may, half of the rest is left") {
  BdevShares bdevs;
  Host host(300);
  CHECK(host.take_all(bdevs, 0) == 150);
  CHECK(host.take_all(bdevs, 1) == 75);
  CHECK(host.take_all(bdevs, 2) == 38);
  CHECK(host.room() == 37);
  CHECK(!bdevs.over(3, kLarge, 8, 1));  // the first of a bdev
}

TEST_CASE("BdevShares: a bdev that holds nothing lets one command out, and not the next at once") {
  BdevShares bdevs;
  ParkedCommand first;
  ParkedCommand second;
  bdevs.take(0, kLarge, 8);
  CHECK(bdevs.over(0, kLarge, 8, 7));
  bdevs.wait(first, kLarge);
  bdevs.wait(second, kLarge);
  CHECK(bdevs.has_line(0, kLarge));
  CHECK(!bdevs.runnable());
  const auto let_out = [&](ParkedCommand& command, uint32_t taken) -> uint32_t {
    if (bdevs.over(0, kLarge, 8, 7, taken)) return 0;
    bdevs.leave(command, kLarge);
    return 8;
  };
  bdevs.give(0, kLarge, 8);
  bdevs.serve(let_out);
  CHECK(!first.bdev_node.linked());
  CHECK(second.bdev_node.linked());
  CHECK(!bdevs.runnable());

  SUBCASE("the one that was let out ends without buffers: the next is let out") {
    bdevs.forget(first, kLarge);
    bdevs.serve(let_out);
    CHECK(!second.bdev_node.linked());
  }
  SUBCASE("it comes back: it is before the next again") {
    bdevs.take(0, kLarge, 8);
    bdevs.wait(first, kLarge);
    bdevs.give(0, kLarge, 8);
    bdevs.serve(let_out);
    CHECK(!first.bdev_node.linked());
    CHECK(second.bdev_node.linked());
    bdevs.forget(second, kLarge);
  }
  SUBCASE("the first of the line ends: the next is looked at") {
    bdevs.take(0, kLarge, 8);
    bdevs.wait(first, kLarge);
    CHECK(!bdevs.runnable());
    bdevs.forget(first, kLarge);
    CHECK(bdevs.runnable());
    bdevs.forget(second, kLarge);
    bdevs.serve(let_out);
  }
}

}  // namespace capsuled::transport
