#include "bdev/bdev_registry.h"

#include <doctest/doctest.h>

#include <cerrno>

#include "bdev/core_channel.h"
#include "bdev/null/null_bdev.h"
#include "bdev/test_reactors.h"

namespace capsuled {
namespace {

std::unique_ptr<Bdev> null_bdev(const char* name) {
  BdevResult made = make_null_bdev({.name = name, .bytes = 1 << 20});
  REQUIRE(made.ok());
  return std::move(made).value();
}

TEST_CASE("a name is taken once") {
  BdevRegistry registry(1);
  CHECK(registry.add(null_bdev("a")).ok());
  CHECK(registry.add(null_bdev("a")).error().errnum == EEXIST);
  CHECK(registry.take("a").ok());
  CHECK(registry.add(null_bdev("a")).ok());
}

TEST_CASE("there is one BdevStats for each reactor, which outlives the bdev") {
  BdevRegistry registry(3);
  CHECK(registry.add(null_bdev("a")).ok());
  const auto entry = registry.find("a");
  CHECK(entry->stats.size() == 3);
  CHECK(registry.take("a").ok());
  CHECK(entry->bdev == nullptr);
  CHECK(entry->stats[2]->by_type[0].operations == 0);
  CHECK(registry.find("a") == nullptr);
}

TEST_CASE("take refuses while the bdev is open or has a channel") {
  TestReactors reactors;
  BdevRegistry registry(1);
  CHECK(registry.take("a").error().errnum == ENOENT);
  CHECK(registry.open("a").error().errnum == ENOENT);
  CHECK(registry.add(null_bdev("a")).ok());
  {
    auto desc = registry.open("a");
    REQUIRE(desc.ok());
    CHECK(desc.value()->entry()->bdev->facts().kind == "null");
    CHECK(registry.take("a").error().errnum == EBUSY);
  }
  const auto entry = registry.find("a");
  CoreChannel* channel = nullptr;
  reactors.run(0, [&](Reactor& reactor) { channel = CoreChannel::acquire(reactor, entry); });
  CHECK(registry.take("a").error().errnum == EBUSY);
  reactors.run(0, [&](Reactor&) { channel->release(); });
  CHECK(registry.take("a").ok());
}

TEST_CASE("several users have a bdev open; it is taken when the last has closed it") {
  BdevRegistry registry(1);
  CHECK(registry.add(null_bdev("a")).ok());
  auto first = registry.open("a");
  auto second = registry.open("a");
  REQUIRE(first.ok());
  REQUIRE(second.ok());
  first.value().reset();
  CHECK(registry.take("a").error().errnum == EBUSY);
  second.value().reset();
  CHECK(registry.take("a").ok());
}

}  // namespace
}  // namespace capsuled
