// For tests: bdevs on top of each other, and a channel of the topmost.
#pragma once

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <utility>

#include "bdev/bdev_core.h"
#include "bdev/test_reactors.h"

namespace capsuled {

class TestStack {
 public:
  explicit TestStack(std::unique_ptr<Bdev> base, uint64_t memory_bytes = uint64_t{16} << 20)
      : reactors_(1, memory_bytes), registry_(1) {
    add(std::move(base));
  }
  /// On another machine, which outlives it.
  TestStack(env::Env& env, std::unique_ptr<Bdev> base) : reactors_(env, 1), registry_(1) {
    add(std::move(base));
  }
  ~TestStack() { release(); }
  TestStack(const TestStack&) = delete;
  TestStack& operator=(const TestStack&) = delete;

  BdevRegistry& registry() { return registry_; }
  TestReactors& reactors() { return reactors_; }
  std::shared_ptr<BdevDesc> open(const std::string& name) { return registry_.open(name).value(); }
  /// What is added last is what operations go to.
  void add(std::unique_ptr<Bdev> bdev) {
    name_ = bdev->facts().name;
    REQUIRE(registry_.add(std::move(bdev)).ok());
  }
  BdevStats& stats(const std::string& name) { return *registry_.find(name)->stats[0]; }
  const BdevFacts& facts() { return registry_.find(name_)->bdev->facts(); }

  CoreChannel& channel() {
    if (channel_ == nullptr) {
      desc_ = open(name_);
      reactors_.run(0, [this](Reactor& reactor) {
        channel_ = CoreChannel::acquire(reactor, desc_->entry());
      });
    }
    return *channel_;
  }
  void release() {
    if (channel_ == nullptr) return;
    reactors_.run(0, [this](Reactor&) { std::exchange(channel_, nullptr)->release(); });
    desc_.reset();
  }
  void start(TestIo& io) {
    CoreChannel& at = channel();
    io.env = &reactors_.env();
    reactors_.run(0, [&](Reactor&) { at.submit(io.io); });
  }
  BdevStatus run(TestIo& io) {
    start(io);
    return io.wait();
  }
  BdevStatus run(BdevIoType type, uint64_t offset_blocks, std::span<std::byte> data) {
    TestIo io(type, offset_blocks, data.size() / facts().block_size,
              {iovec{data.data(), data.size()}});
    return run(io);
  }

 private:
  TestReactors reactors_;
  BdevRegistry registry_;
  std::string name_;
  std::shared_ptr<BdevDesc> desc_;
  CoreChannel* channel_ = nullptr;
};

}  // namespace capsuled
