#include "transport/bdev_shares.h"

#include <doctest/doctest.h>

#include <array>

namespace capsuled::transport {
namespace {

/// A host that has `own` buffers, and takes as many for each bdev as it may.
class Host {
 public:
  explicit Host(uint32_t own) : own_(own) {}
  uint32_t take_all(BdevShares& bdevs, uint32_t bdev, uint32_t& shared) {
    BdevHoldPart& part = hold(bdev, bdevs);
    uint32_t taken = 0;
    while (own_ > 0 && shared > 0 && !BdevShares::over(part, 1, {own_, shared})) {
      BdevShares::take(part, 1);
      --own_;
      --shared;
      ++taken;
    }
    return taken;
  }
  uint32_t own() const { return own_; }
  BdevHoldPart& hold(uint32_t bdev, BdevShares& bdevs) {
    return holds_.of(bdev, bdevs).part(BdevShare::LargeBuffers);
  }
  BdevHolds& holds() { return holds_; }

 private:
  BdevHolds holds_;
  uint32_t own_;
};

constexpr Room kRoomFor7 = {.own = 7, .shared = 7};
constexpr Room kRoomForAll = {.own = 100, .shared = 100};

}  // namespace

TEST_CASE("BdevShares: however many bdevs take all that they may, half of the rest is left") {
  BdevShares bdevs;
  Host host(300);
  uint32_t shared = 1000;
  CHECK(host.take_all(bdevs, 0, shared) == 150);
  CHECK(host.take_all(bdevs, 1, shared) == 75);
  CHECK(host.take_all(bdevs, 2, shared) == 38);
  CHECK(host.own() == 37);
  CHECK(!BdevShares::over(host.hold(3, bdevs), 8, {1, 1}));  // the first of a bdev
}

TEST_CASE("BdevShares: of one bdev, all hosts together leave half of what they share") {
  BdevShares bdevs;
  std::array<Host, 4> hosts = {Host(300), Host(300), Host(300), Host(300)};
  uint32_t shared = 400;
  for (Host& host : hosts) host.take_all(bdevs, 0, shared);
  CHECK(shared == 200);
  CHECK(hosts[0].take_all(bdevs, 1, shared) > 50);
}

TEST_CASE("BdevShares: a host's line does not hold up another host's") {
  BdevShares bdevs;
  Host greedy(10);
  Host other(100);
  BdevHoldPart& greedys = greedy.hold(0, bdevs);
  BdevHoldPart& others = other.hold(0, bdevs);
  ParkedCommand of_greedy;
  ParkedCommand of_other;
  BdevShares::take(greedys, 8);
  REQUIRE(BdevShares::over(greedys, 8, {2, 100}));
  bdevs.wait(of_greedy, greedys);
  CHECK(!BdevShares::over(others, 8, kRoomForAll));
  BdevShares::take(others, 8);
  bdevs.wait(of_other, others);
  // The first line stays as it is, and the second one goes on.
  bdevs.give(others, 8, other.holds());
  bdevs.serve([&](ParkedCommand& command, uint32_t taken) -> uint32_t {
    const Room room = &command == &of_greedy ? Room{2, 100} : kRoomForAll;
    if (BdevShares::over(*command.waits_in, 8, room, taken)) return 0;
    bdevs.leave(command);
    return 8;
  });
  CHECK(of_greedy.bdev_node.linked());
  CHECK(!of_other.bdev_node.linked());
  bdevs.forget(of_greedy);
}

TEST_CASE("BdevShares: what a host gives back of one bdev lets it go on with another") {
  BdevShares bdevs;
  Host host(100);
  Host owing(100);
  ParkedCommand command;
  BdevShares::take(owing.hold(0, bdevs), 8);
  BdevShares::take(host.hold(1, bdevs), 2);
  bdevs.wait(command, host.hold(0, bdevs));
  bdevs.give(host.hold(1, bdevs), 2, host.holds());
  CHECK(bdevs.runnable());
  bdevs.forget(command);
  bdevs.serve([](ParkedCommand&, uint32_t) -> uint32_t { return 0; });
}

TEST_CASE("BdevShares: a bdev that holds nothing lets one command out, and not the next at once") {
  BdevShares bdevs;
  Host host(100);
  BdevHoldPart& hold = host.hold(0, bdevs);
  ParkedCommand first;
  ParkedCommand second;
  BdevShares::take(hold, 8);
  CHECK(BdevShares::over(hold, 8, kRoomFor7));
  bdevs.wait(first, hold);
  bdevs.wait(second, hold);
  CHECK(!bdevs.runnable());
  const auto let_out = [&](ParkedCommand& command, uint32_t taken) -> uint32_t {
    if (BdevShares::over(hold, 8, kRoomFor7, taken)) return 0;
    bdevs.leave(command);
    return 8;
  };
  bdevs.give(hold, 8, host.holds());
  bdevs.serve(let_out);
  CHECK(!first.bdev_node.linked());
  CHECK(second.bdev_node.linked());
  CHECK(!bdevs.runnable());

  SUBCASE("the one that was let out ends without buffers: the next is let out") {
    bdevs.forget(first);
    bdevs.serve(let_out);
    CHECK(!second.bdev_node.linked());
  }
  SUBCASE("it comes back: it is before the next again") {
    BdevShares::take(hold, 8);
    bdevs.wait(first, hold);
    bdevs.give(hold, 8, host.holds());
    bdevs.serve(let_out);
    CHECK(!first.bdev_node.linked());
    CHECK(second.bdev_node.linked());
    bdevs.forget(second);
  }
  SUBCASE("the first of the line ends: the next is looked at") {
    BdevShares::take(hold, 8);
    bdevs.wait(first, hold);
    CHECK(!bdevs.runnable());
    bdevs.forget(first);
    CHECK(bdevs.runnable());
    bdevs.forget(second);
    bdevs.serve(let_out);
  }
}

}  // namespace capsuled::transport
