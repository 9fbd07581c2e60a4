// What the control thread asks of bdevs that are in use.
#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "control/engine.h"
#include "control/testing/test_engine.h"

namespace capsuled::control {

namespace {

using transport::testing::make_io;
using transport::testing::TestHost;

constexpr uint64_t kBytes = 8 << 20;
constexpr uint64_t kBlock = 512;

struct Target : testing::TestEngine {
  Target() : TestEngine(2) { add_bdev("ram0", "malloc", kBytes); }

  std::shared_ptr<BdevDesc> open(const std::string& name) {
    return engine->bdevs().open(name).value();
  }
  void add_over(const char* name, const char* kind, const char* base, BdevSection values) {
    BdevContext context{.env = engine->env(), .reactors = engine->reactors()};
    context.bases.emplace(base, open(base));
    values.emplace("base", base);
    auto bdev = make_bdev(context, {name, kind, std::move(values)});
    ASSERT(bdev.ok() && engine->bdevs().add(std::move(bdev).value()).ok());
  }
  BdevStatus write(const std::string& name, uint64_t first_block, std::vector<std::byte> bytes) {
    BdevStatus found = BdevStatus::Failed;
    wait([&](const Done& done) {
      engine->bdev_write(open(name), first_block, bytes, [&found, done](BdevStatus status) {
        found = status;
        done();
      });
    });
    return found;
  }
  std::pair<BdevStatus, std::vector<std::byte>> read(const std::string& name, uint64_t first_block,
                                                     uint64_t count_blocks) {
    std::pair<BdevStatus, std::vector<std::byte>> found;
    wait([&](const Done& done) {
      engine->bdev_read(open(name), first_block, count_blocks,
                        [&found, done](BdevStatus status, std::vector<std::byte> bytes) {
                          found = {status, std::move(bytes)};
                          done();
                        });
    });
    return found;
  }
};

std::vector<std::byte> numbered(size_t bytes) {
  std::vector<std::byte> made(bytes);
  for (size_t index = 0; index < bytes; ++index) made[index] = std::byte(index * 7 + index / 512);
  return made;
}

BdevSection hanging(const char* op) {
  return {{"faults", BdevList{BdevSection{{"op", op}, {"action", "hang"}}}}};
}

}  // namespace

TEST_CASE("the control thread reads what it has written, on any bdev, of any size") {
  Target target;
  target.add_over("part0", "split", "ram0", {{"offset", 100 * kBlock}});
  const auto bytes = numbered(3 << 20);
  CHECK(target.write("part0", 7, bytes) == BdevStatus::Success);
  CHECK(target.read("part0", 7, bytes.size() / kBlock).second == bytes);
  const auto below = target.read("ram0", 107, 1);
  CHECK(below.first == BdevStatus::Success);
  CHECK(std::ranges::equal(below.second, std::span(bytes).first(kBlock)));
  CHECK(target.engine->bdevs().take("part0").ok());
}

TEST_CASE("what the control thread cannot read is an error, and the bdev is not held") {
  Target target;
  target.add_over("bad0", "error", "ram0", {{"faults", BdevList{BdevSection{{"op", "read"}}}}});
  const auto found = target.read("bad0", 0, 1);
  CHECK(found.first == BdevStatus::Failed);
  CHECK(found.second.empty());
  CHECK(target.engine->bdevs().take("bad0").ok());
}

TEST_CASE("a factory gets what it wants to read, or the reason why not") {
  Target target;
  const auto bytes = numbered(2 * kBlock);
  REQUIRE(target.write("ram0", 5, bytes) == BdevStatus::Success);
  const std::shared_ptr<BdevDesc> ram = target.open("ram0");
  BaseReads reads;
  CHECK(reads.blocks(ram, 5, 2) == nullptr);
  CHECK(reads.error().errnum == EAGAIN);
  target.wait([&](Done done) { target.engine->bdev_provide(reads, std::move(done)); });
  CHECK(!reads.wanted().has_value());
  REQUIRE(reads.blocks(ram, 5, 2) != nullptr);
  CHECK(*reads.blocks(ram, 5, 2) == bytes);
  target.add_over("bad0", "error", "ram0", {{"faults", BdevList{BdevSection{{"op", "read"}}}}});
  const std::shared_ptr<BdevDesc> bad = target.open("bad0");
  CHECK(reads.blocks(bad, 0, 1) == nullptr);
  target.wait([&](Done done) { target.engine->bdev_provide(reads, std::move(done)); });
  CHECK(reads.blocks(bad, 0, 1) == nullptr);
  CHECK(!reads.wanted().has_value());
  CHECK(reads.error().message ==
        "expected to read the blocks 0 to 0 of bad0, got an internal failure");
}

TEST_CASE("what hangs on a bdev goes on when that is changed, on each reactor") {
  Target target;
  target.add_over("bad0", "error", "ram0", hanging("read"));
  target.publish({{.nsid = 1, .bdev = "bad0", .read_only = false}});
  std::atomic<int> step = 0;
  const auto reach = [&](int next) {
    step = next;
    target.notify();
  };
  std::thread hosts([&] {
    // One for each reactor.
    TestHost first(target.dial());
    TestHost second(target.dial());
    CHECK(first.connect(1, 16) == 0);
    CHECK(second.connect(2, 16) == 0);
    for (TestHost* const host : {&first, &second}) {
      host->capsule(make_io(wire::IoOpcode::kRead, 6, 0, 512));
      // The read has begun when what is behind it is answered.
      host->capsule(make_io(wire::IoOpcode::kFlush, 7, 0, 0));
      CHECK(host->receive().cid() == 7);
    }
    reach(1);
    CHECK(first.receive().data.size() == 512);
    CHECK(second.receive().data.size() == 512);
    reach(2);
  });
  target.serve_until([&] { return step == 1; });
  CHECK(!target.engine->bdev_change("bad0", {"bad0", "error"}).has_value());
  target.serve_until([&] { return step == 2; });
  hosts.join();
  CHECK(target.engine->bdev_change("none", {"none", "error"})->errnum == ENOENT);
  CHECK(target.engine->bdev_change("bad0", {"bad0", "error", hanging("seek")})->field ==
        "faults[0].op");
}

TEST_CASE("a file that grows is larger for hosts, and so is what stands on it") {
  char path[] = "/tmp/capsuled-grows-XXXXXX";
  const int fd = ::mkstemp(path);
  REQUIRE(fd >= 0);
  REQUIRE(::ftruncate(fd, kBytes) == 0);
  Target target;
  {
    const BdevContext context{.env = target.engine->env(), .reactors = target.engine->reactors()};
    auto bdev = make_bdev(context, {"file0", "uring", {{"path", std::string(path)}}});
    REQUIRE(bdev.ok());
    REQUIRE(target.engine->bdevs().add(std::move(bdev).value()).ok());
  }
  target.add_over("part0", "split", "file0", {{"offset", kBytes / 2}});
  target.publish({{.nsid = 1, .bdev = "part0", .read_only = false}});
  const auto part = target.engine->bdevs().find("part0");
  const uint64_t end = part->bdev->block_count();
  std::atomic<int> step = 0;
  const auto reach = [&](int next) {
    step = next;
    target.notify();
  };
  std::thread hosts([&] {
    // One for each reactor.
    TestHost first(target.dial());
    TestHost second(target.dial());
    CHECK(first.connect(1, 16) == 0);
    CHECK(second.connect(2, 16) == 0);
    const auto read_behind = [&](TestHost& host) {
      host.capsule(make_io(wire::IoOpcode::kRead, 6, end, 4096));
      return host.receive().data.size();
    };
    CHECK(read_behind(first) == 0);
    CHECK(read_behind(second) == 0);
    reach(1);
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (step != 2 && std::chrono::steady_clock::now() < limit) std::this_thread::yield();
    CHECK(read_behind(first) == 4096);
    CHECK(read_behind(second) == 4096);
    reach(3);
  });
  target.serve_until([&] { return step == 1; });
  REQUIRE(::ftruncate(fd, 2 * kBytes) == 0);
  // The reactors look at it once a second.
  const auto file = target.engine->bdevs().find("file0");
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (file->bdev->blocks_found() == file->bdev->block_count()) {
    REQUIRE(std::chrono::steady_clock::now() < limit);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  target.wait([&](Done done) { REQUIRE(target.engine->bdev_grow("file0", std::move(done)).ok()); });
  CHECK(part->bdev->block_count() == 3 * end);
  reach(2);
  target.serve_until([&] { return step == 3; });
  hosts.join();
  CHECK(target.engine->bdev_grow("none", [] {}).error().errnum == ENOENT);
  ::close(fd);
  ::unlink(path);
}

}  // namespace capsuled::control
