#include "bdev/bdev_registry.h"

#include <doctest/doctest.h>

#include <cerrno>

#include "bdev/bdev_kinds.h"
#include "bdev/core_channel.h"
#include "bdev/null/null_bdev.h"
#include "bdev/test_bdev.h"
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

TEST_CASE("a channel that is made when its bdev has grown has no more blocks than those below") {
  TestReactors reactors;
  BdevRegistry registry(1);
  const auto env = env::make_linux_env().value();
  REQUIRE(registry.add(std::make_unique<TestBdev>(test_facts(100))).ok());
  const auto add = [&](const char* name, const char* kind, const char* base) {
    BdevContext context{.env = *env};
    context.bases.emplace(base, registry.open(base).value());
    REQUIRE(registry.add(make_bdev(context, {name, kind, {{"base", base}}}).value()).ok());
  };
  add("late", "delay", "test0");
  add("part", "split", "late");
  std::vector<CoreChannel*> channels;
  const auto acquire = [&](const char* name) {
    const auto entry = registry.find(name);
    reactors.run(
        0, [&](Reactor& reactor) { channels.push_back(CoreChannel::acquire(reactor, entry)); });
  };
  acquire("test0");
  acquire("late");
  static_cast<TestBdev&>(*registry.find("test0")->bdev).found_blocks = 130;
  REQUIRE(registry.grow("test0"));
  for (const CoreChannel* const channel : channels) CHECK(channel->block_count() == 100);
  acquire("part");
  for (const CoreChannel* const channel : channels) CHECK(channel->block_count() == 130);
  reactors.run(0, [&](Reactor&) {
    for (CoreChannel* const channel : channels) channel->release();
  });
}

TEST_CASE("what stands on a bdev grows with it, as far as it is to, and claims what it has") {
  BdevRegistry registry(1);
  const auto env = env::make_linux_env().value();
  REQUIRE(registry.add(std::make_unique<TestBdev>(test_facts(100))).ok());
  const auto add = [&](const char* name, const char* kind, const char* base, BdevSection values) {
    BdevContext context{.env = *env};
    context.bases.emplace(base, registry.open(base).value());
    values.emplace("base", base);
    BdevResult made = make_bdev(context, {name, kind, std::move(values)});
    REQUIRE(made.ok());
    const auto in_the_way = registry.in_the_way(*made.value());
    REQUIRE(registry.add(std::move(made).value()).ok() == !in_the_way.has_value());
    return !in_the_way.has_value();
  };
  const uint64_t block = test_facts(1).block_size;
  REQUIRE(add("fixed", "split", "test0", {{"size", 10 * block}}));
  REQUIRE(add("rest", "split", "test0", {{"offset", 10 * block}}));
  REQUIRE(add("late", "delay", "rest", {}));
  REQUIRE(add("half", "split", "late", {{"size", 45 * block}}));
  const auto blocks = [&](const char* name) { return registry.find(name)->bdev->block_count(); };
  CHECK(!registry.grow("test0"));
  auto& disk = static_cast<TestBdev&>(*registry.find("test0")->bdev);
  disk.found_blocks = 130;
  CHECK(blocks("test0") == 100);
  CHECK(registry.grow("test0"));
  CHECK(blocks("test0") == 130);
  CHECK(blocks("fixed") == 10);
  CHECK(blocks("rest") == 120);
  CHECK(blocks("late") == 120);
  CHECK(blocks("half") == 45);
  CHECK(!registry.grow("test0"));
  // What it got nobody else may have; what is made now sees it.
  CHECK(!add("other", "split", "test0", {{"offset", 110 * block}}));
  CHECK(add("end", "split", "late", {{"offset", 45 * block}}));
  CHECK(blocks("end") == 75);
}

}  // namespace
}  // namespace capsuled
