// For tests: bdevs on top of each other on a simulated machine, where time passes only as the
// machine says.
#pragma once

#include <memory>
#include <utility>

#include "bdev/bdev_kinds.h"
#include "bdev/reactor_channels.h"
#include "bdev/test_bdev.h"
#include "bdev/test_stack.h"
#include "env/sim/sim_env.h"

namespace capsuled {

class TestSimStack {
 public:
  explicit TestSimStack(BdevFacts facts, uint64_t seed = 1)
      : machine(seed),
        network(machine),
        env(machine, network, files),
        stack(env, std::make_unique<TestBdev>(std::move(facts))),
        base(static_cast<TestBdev&>(*stack.registry().find("test0")->bdev)) {}

  /// A bdev of this kind over test0, by its keys.
  BdevResult make(const char* kind, BdevSection values) {
    values.emplace("base", "test0");
    BdevContext context{.env = env};
    context.bases.emplace("test0", stack.open("test0"));
    return make_bdev(context, {"top", kind, std::move(values)});
  }
  void add(const char* kind, BdevSection values) {
    stack.add(std::move(make(kind, std::move(values))).value());
  }
  std::optional<BdevError> change(BdevSection values) {
    Bdev& top = *stack.registry().find("top")->bdev;
    auto error = change_bdev(top, {"top", top.facts().kind, std::move(values)});
    const auto entry = stack.registry().find("top");
    stack.reactors().run(0,
                         [&](Reactor& reactor) { ReactorChannels::of(reactor).changed(*entry); });
    return error;
  }
  void let_go() {
    const auto entry = stack.registry().find("top");
    stack.reactors().run(0, [&](Reactor& reactor) { ReactorChannels::of(reactor).let_go(*entry); });
  }
  /// How long it takes, ns.
  uint64_t time(TestIo& io) {
    const uint64_t before_ns = machine.now_ns();
    uint64_t after_ns = 0;
    io.on_complete = [&] { after_ns = machine.now_ns(); };
    CHECK(stack.run(io) == BdevStatus::Success);
    return after_ns - before_ns;
  }
  uint64_t time(BdevIoType type, uint64_t offset_blocks, uint64_t count_blocks) {
    std::vector<std::byte> data(count_blocks * base.facts().block_size);
    TestIo io(type, offset_blocks, count_blocks, {iovec{data.data(), data.size()}});
    return time(io);
  }
  void pass(uint64_t ns) { machine.pass_to(machine.now_ns() + ns); }

  env::sim::SimMachine machine;
  env::sim::SimNetwork network;
  env::sim::SimFiles files;
  env::sim::SimEnv env;
  TestStack stack;
  TestBdev& base;
};

}  // namespace capsuled
