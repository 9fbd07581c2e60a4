// For tests: reactors, on real threads or on a simulated machine, and operations that a test waits
// for.
//
// The test's own thread plays the control thread. TestReactors::run() runs a function on a reactor
// and waits for it; such a function may CHECK but not REQUIRE (which throws).
#pragma once

#include <doctest/doctest.h>

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bdev/bdev_core.h"
#include "bdev/reactor_channels.h"
#include "env/env.h"
#include "reactor/reactor.h"

namespace capsuled {

class TestReactors {
 public:
  /// On this machine.
  explicit TestReactors(uint32_t count = 1, uint64_t memory_bytes = uint64_t{16} << 20)
      : own_(env::make_linux_env().value()), env_(*own_) {
    make(count, memory_bytes);
  }
  /// On another, which outlives them.
  TestReactors(env::Env& env, uint32_t count, uint64_t memory_bytes = uint64_t{16} << 20)
      : env_(env) {
    make(count, memory_bytes);
  }

  env::Env& env() { return env_; }
  Reactor& reactor(uint32_t index) { return *reactors_[index]; }

  /// Starts `call` on a reactor; it is done when the future is.
  std::future<void> start(uint32_t index, std::function<void(Reactor&)> call) {
    struct Job {
      std::function<void(Reactor&)> call;
      std::promise<void> done;
    };
    auto job = std::make_unique<Job>();
    job->call = std::move(call);
    std::future<void> done = job->done.get_future();
    reactors_[index]->send_message_wait({[](Reactor& reactor, void* argument) {
                                           std::unique_ptr<Job> mine(static_cast<Job*>(argument));
                                           mine->call(reactor);
                                           mine->done.set_value();
                                         },
                                         job.release()});
    return done;
  }

  void run(uint32_t index, std::function<void(Reactor&)> call) {
    wait(env_, start(index, std::move(call)));
  }
  /// Lets others run until `future` is there. The limit is only there to end a test that hangs.
  template <typename T>
  static T wait(env::Env& env, std::future<T> future) {
    const uint64_t limit_ns = env.now_ns() + 60'000'000'000u;
    while (future.wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
      ASSERT_MSG(env.now_ns() < limit_ns, "what a test waits for does not come");
      env.yield();
    }
    return future.get();
  }

 private:
  void make(uint32_t count, uint64_t memory_bytes) {
    for (uint32_t index = 0; index < count; ++index) {
      ReactorOptions options;
      options.index = index;
      options.memory_bytes = memory_bytes;
      options.huge_pages = env::HugePages::Never;
      options.ring_entries = 256;
      auto reactor = Reactor::create(env_, options);
      REQUIRE(reactor.ok());
      reactors_.push_back(std::move(reactor).value());
      REQUIRE(reactors_.back()->start().ok());
    }
  }

  std::unique_ptr<env::Env> own_;  ///< null: it is another's
  env::Env& env_;
  std::vector<std::unique_ptr<Reactor>> reactors_;
};

/// One operation, from any thread's point of view: start it on a reactor, wait for it on the test's
/// thread.
class TestIo {
 public:
  TestIo(BdevIoType type, uint64_t offset_blocks, uint64_t count_blocks,
         std::vector<iovec> iov = {}) {
    io.type = type;
    io.offset_blocks = offset_blocks;
    io.count_blocks = count_blocks;
    iov_ = std::move(iov);
    io.iov = iov_.data();
    io.iov_count = static_cast<uint32_t>(iov_.size());
    io.user = this;
    io.complete = [](BdevIo& done) {
      auto& test = *static_cast<TestIo*>(done.user);
      if (test.on_complete) test.on_complete();
      test.done_.set_value(done.status);
    };
  }

  BdevStatus wait() {
    return env == nullptr ? done_.get_future().get() : TestReactors::wait(*env, done_.get_future());
  }

  BdevIo io;
  env::Env* env = nullptr;            ///< of the reactors, whoever runs them
  std::function<void()> on_complete;  ///< on the reactor

 private:
  std::vector<iovec> iov_;
  std::promise<BdevStatus> done_;
};

/// A bdev in a registry, open, with a channel on each of `reactors`' first `count`.
class TestBdevUser {
 public:
  /// In a registry of its own.
  TestBdevUser(TestReactors& reactors, std::unique_ptr<Bdev> bdev, uint32_t count = 1)
      : TestBdevUser(reactors, std::make_shared<BdevRegistry>(count), std::move(bdev), count) {}
  /// Beside that of another: of two registries two channels of a reactor would be taken for one.
  TestBdevUser(const TestBdevUser& other, std::unique_ptr<Bdev> bdev)
      : TestBdevUser(other.reactors_, other.registry_, std::move(bdev),
                     static_cast<uint32_t>(other.channels_.size())) {}
  TestBdevUser(TestReactors& reactors, std::shared_ptr<BdevRegistry> registry,
               std::unique_ptr<Bdev> bdev, uint32_t count)
      : reactors_(reactors), registry_(std::move(registry)), name_(bdev->facts().name) {
    REQUIRE(registry_->add(std::move(bdev)).ok());
    auto opened = registry_->open(name_);
    REQUIRE(opened.ok());
    desc_ = std::move(opened).value();
    channels_.resize(count);
    for (uint32_t index = 0; index < count; ++index) {
      reactors_.run(index, [this, index](Reactor& reactor) {
        channels_[index] = CoreChannel::acquire(reactor, desc_->entry());
      });
    }
  }
  ~TestBdevUser() {
    for (uint32_t index = 0; index < channels_.size(); ++index) {
      reactors_.run(index, [this, index](Reactor&) { channels_[index]->release(); });
    }
    desc_.reset();
    CHECK(registry_->take(name_).ok());
  }
  TestBdevUser(const TestBdevUser&) = delete;
  TestBdevUser& operator=(const TestBdevUser&) = delete;

  CoreChannel& channel(uint32_t index = 0) { return *channels_[index]; }
  /// As when a namespace goes and comes again.
  void renew_channel(uint32_t index = 0) {
    reactors_.run(index, [this, index](Reactor& reactor) {
      channels_[index]->release();
      channels_[index] = CoreChannel::acquire(reactor, desc_->entry());
    });
  }
  Bdev& bdev() { return *desc_->entry()->bdev; }
  /// It becomes as large as it is found to be; false: it was.
  bool grow() {
    if (!registry_->grow(name_)) return false;
    for (uint32_t index = 0; index < channels_.size(); ++index) {
      reactors_.run(index, [](Reactor& reactor) { ReactorChannels::of(reactor).refresh(); });
    }
    return true;
  }
  const BdevFacts& facts() const { return desc_->entry()->bdev->facts(); }
  BdevHealth& health() { return desc_->entry()->bdev->health(); }
  const BdevStats& stats(uint32_t index = 0) const { return *desc_->entry()->stats[index]; }

  /// When the oldest operation began that the last tick of a reactor found; UINT64_MAX: none.
  uint64_t oldest_ns(uint32_t index = 0) const {
    return read_stat(desc_->entry()->oldest_ns[index]);
  }

  void start(TestIo& io, uint32_t index = 0) {
    io.env = &reactors_.env();
    reactors_.run(index, [&](Reactor&) { channels_[index]->submit(io.io); });
  }
  void start_recheck(TestIo& io) {
    io.env = &reactors_.env();
    reactors_.run(0, [&](Reactor&) { channels_[0]->recheck(io.io); });
  }
  BdevStatus run(TestIo& io, uint32_t index = 0) {
    start(io, index);
    return io.wait();
  }
  BdevStatus run(BdevIoType type, uint64_t offset_blocks, uint64_t count_blocks) {
    TestIo io(type, offset_blocks, count_blocks);
    return run(io);
  }
  BdevStatus run(BdevIoType type, uint64_t offset_blocks, std::span<std::byte> data) {
    TestIo io(type, offset_blocks, data.size() / facts().block_size,
              {iovec{data.data(), data.size()}});
    return run(io);
  }

 private:
  TestReactors& reactors_;
  std::shared_ptr<BdevRegistry> registry_;
  std::string name_;
  std::unique_ptr<BdevDesc> desc_;
  std::vector<CoreChannel*> channels_;
};

}  // namespace capsuled
