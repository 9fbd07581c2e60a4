#include "env/sim/sim_env.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "reactor/reactor.h"

namespace capsuled::env::sim {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;

/// One process on a machine, with a ring of its own that the test polls.
struct Fixture {
  explicit Fixture(uint64_t seed = 1)
      : machine(seed), network(machine), env(machine, network, files) {
    ring = env.make_ring(64).value();
  }

  SimMachine machine;
  SimNetwork network;
  SimFiles files;
  SimEnv env;
  std::unique_ptr<Ring> ring;

  template <typename Condition>
  bool until(Condition there) {
    const uint64_t end_ns = machine.now_ns() + 600 * kSecond;
    while (!there()) {
      if (machine.now_ns() > end_ns) return false;
      ring->poll();
      if (!machine.turn()) machine.pass_to(machine.now_ns() + 1'000'000);
    }
    return true;
  }
};

struct TestOp : RingOp {
  TestOp() {
    complete = [](RingOp& op, Completion completion) {
      static_cast<TestOp&>(op).seen.push_back(completion);
    };
  }
  bool done() const { return !in_flight && !seen.empty(); }
  int32_t result() const { return seen.back().result; }
  std::vector<Completion> seen;
};

std::vector<std::byte> pattern(size_t bytes, uint8_t first) {
  std::vector<std::byte> made(bytes);
  for (size_t index = 0; index < bytes; ++index) {
    made[index] = static_cast<std::byte>(first + index % 251);
  }
  return made;
}

/// A connection from outside to a listener of `fixture`: the target's descriptor and the other end.
struct Connected {
  explicit Connected(Fixture& fixture) {
    listener = fixture.env.listen({"127.0.0.1", 0}, 4).value();
    fixture.ring->accept(accepting, listener);
    fixture.network.connect("127.0.0.9", fixture.env.local_endpoint(listener).value(),
                            [this](SimSocket* socket, int) { host = socket; });
    REQUIRE(fixture.until([this] { return host != nullptr && !accepting.seen.empty(); }));
    fd = accepting.seen.front().result;
    fixture.ring->cancel(accepting);
    REQUIRE(fixture.until([this] { return !accepting.in_flight; }));
  }
  TestOp accepting;
  int listener = -1;
  int fd = -1;
  SimSocket* host = nullptr;
};

}  // namespace

TEST_CASE("sim: one seed is one run, and another is another") {
  const auto run = [](uint64_t seed) {
    SimMachine machine(seed);
    std::string trace;
    for (const char* const name : {"a", "b"}) {
      machine.start(name, [&machine, &trace, name, left = 20]() mutable {
        trace += name + std::to_string(machine.now_ns() % 1'000'000) + " ";
        return --left > 0;
      });
    }
    while (machine.turn()) {
    }
    return trace;
  };
  CHECK(run(7) == run(7));
  CHECK(run(7) != run(8));
}

TEST_CASE("sim: a thread sleeps until its time, or until it is woken, whichever is first") {
  SimMachine machine(3);
  const uint64_t start_ns = machine.now_ns();
  std::vector<uint64_t> steps;
  SimThread* thread = nullptr;
  thread = &machine.start("sleeper", [&] {
    steps.push_back(machine.now_ns() - start_ns);
    if (steps.size() == 3) return false;
    machine.sleep(*thread, machine.now_ns() + kSecond);
    return true;
  });
  CHECK(machine.until([&] { return steps.size() == 2; }, start_ns + 10 * kSecond));
  CHECK(steps[1] - steps[0] >= kSecond);
  machine.wake(*thread);
  CHECK(machine.until([&] { return thread->over(); }, start_ns + 10 * kSecond));
  CHECK(steps[2] - steps[1] < kSecond);
}

TEST_CASE("sim: nobody runs while the machine is paused") {
  SimMachine machine(3);
  std::vector<uint64_t> steps;
  machine.start("worker", [&] {
    steps.push_back(machine.now_ns());
    return steps.size() < 100;
  });
  machine.until([&] { return steps.size() == 10; }, UINT64_MAX);
  machine.pause(5 * kSecond);
  machine.until([&] { return steps.size() == 100; }, UINT64_MAX);
  CHECK(steps[10] - steps[9] >= 5 * kSecond);
  CHECK(steps[11] - steps[10] < kSecond);
}

TEST_CASE("sim: what is sent arrives whole and in order, in pieces, both ways") {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    Fixture fixture(seed);
    Connected connected(fixture);
    // More than all buffers on the way hold.
    const std::vector<std::byte> sent = pattern(3 << 20, 5);
    iovec parts[2] = {{const_cast<std::byte*>(sent.data()), 1'000'000},
                      {const_cast<std::byte*>(sent.data()) + 1'000'000, sent.size() - 1'000'000}};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    TestOp sending;
    fixture.ring->send(sending, connected.fd, message);
    std::vector<std::byte> received;
    std::vector<std::byte> some(100'000);
    const auto read_some = [&] {
      const size_t most = fixture.machine.prng().between(1, some.size());
      const size_t count = connected.host->read(std::span(some).first(most));
      received.insert(received.end(), some.begin(), some.begin() + static_cast<ptrdiff_t>(count));
    };
    CHECK(fixture.until([&] {
      read_some();
      return sending.done() && received.size() == sent.size();
    }));
    CHECK(sending.result() == static_cast<int32_t>(sent.size()));
    CHECK(received == sent);

    // And back, into provided buffers and in place.
    auto buffers = fixture.ring->provide_buffers(4096, 2).value();
    TestOp receiving;
    fixture.ring->receive_provided(receiving, connected.fd, *buffers, 100);
    const std::vector<std::byte> answer = pattern(5000, 9);
    CHECK(connected.host->write(answer) == answer.size());
    REQUIRE(fixture.until([&] { return receiving.done(); }));
    const auto first = static_cast<size_t>(receiving.result());
    CHECK(first >= 1);
    CHECK(first <= 100);
    CHECK(std::memcmp(buffers->at(receiving.seen.back().buffer_index), answer.data(), first) == 0);
    buffers->recycle(receiving.seen.back().buffer_index);
    std::vector<std::byte> rest(answer.size() - first);
    iovec part{rest.data(), rest.size()};
    msghdr into{};
    into.msg_iov = &part;
    into.msg_iovlen = 1;
    TestOp in_place;
    fixture.ring->receive(in_place, connected.fd, into, WaitFor::All);
    REQUIRE(fixture.until([&] { return in_place.done(); }));
    CHECK(in_place.result() == static_cast<int32_t>(rest.size()));
    CHECK(std::equal(rest.begin(), rest.end(), answer.begin() + static_cast<ptrdiff_t>(first)));
    fixture.env.close(connected.fd);
  }
}

TEST_CASE(
    "sim: a receive ends with the stream, a reset, a cancellation, and for want of a buffer") {
  Fixture fixture;
  Connected connected(fixture);
  auto buffers = fixture.ring->provide_buffers(4096, 1).value();
  TestOp receiving;
  const auto receive = [&] {
    fixture.ring->receive_provided(receiving, connected.fd, *buffers, 4096);
    fixture.until([&] { return !receiving.in_flight; });
    return receiving.result();
  };
  SUBCASE("the end") {
    connected.host->shut_writes();
    CHECK(receive() == 0);
  }
  SUBCASE("a reset") {
    connected.host->reset();
    CHECK(receive() == -ECONNRESET);
  }
  SUBCASE("the peer's machine is gone") {
    connected.host->vanish();
    CHECK(receive() == -ETIMEDOUT);
  }
  SUBCASE("shut down here") {
    fixture.env.shutdown(connected.fd);
    CHECK(receive() == 0);
  }
  SUBCASE("cancelled") {
    fixture.ring->receive_provided(receiving, connected.fd, *buffers, 4096);
    fixture.ring->poll();
    fixture.ring->cancel(receiving);
    CHECK(fixture.until([&] { return receiving.done(); }));
    CHECK(receiving.result() == -ECANCELED);
  }
  SUBCASE("no buffer") {
    CHECK(connected.host->write(pattern(10, 1)) == 10);
    CHECK(receive() == 10);
    CHECK(connected.host->write(pattern(10, 1)) == 10);
    CHECK(receive() == -ENOBUFS);
    buffers->recycle(receiving.seen.front().buffer_index);
    CHECK(receive() == 10);
    buffers->recycle(receiving.seen.back().buffer_index);
  }
  fixture.env.close(connected.fd);
}

TEST_CASE("sim: a test decides when and how a send ends, and whether there is room for it") {
  Fixture fixture;
  Connected connected(fixture);
  SimSocket& near = *connected.host->other();
  std::vector<std::byte> bytes = pattern(1000, 3);
  iovec part{bytes.data(), bytes.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  TestOp sending;
  const auto wait = [&] {
    fixture.until([&, end_ns = fixture.machine.now_ns() + kSecond] {
      return sending.done() || fixture.machine.now_ns() > end_ns;
    });
    return sending.done();
  };
  SUBCASE("held, and the other end has it") {
    near.end_sends(SendEnd::Held);
    fixture.ring->send(sending, connected.fd, message);
    CHECK(!wait());
    CHECK(connected.host->readable_bytes() == bytes.size());
    fixture.ring->cancel(sending);
    CHECK(!wait());
    near.end_sends(SendEnd::Failed);
    CHECK(wait());
    CHECK(sending.result() == -ECONNRESET);
    CHECK(near.send_end() == SendEnd::Open);
  }
  SUBCASE("without room") {
    near.block_writes(true);
    fixture.ring->send(sending, connected.fd, message);
    CHECK(!wait());
    CHECK(connected.host->readable_bytes() == 0);
    near.block_writes(false);
    CHECK(wait());
    CHECK(sending.result() == 1000);
  }
  SUBCASE("short, where the kernel has no memory for the rest") {
    near.limit_unsent(300);
    near.line.receive_buffer = 200;
    fixture.ring->send(sending, connected.fd, message);
    CHECK(!wait());
    fixture.network.shorten_one_send(near.local().address);
    CHECK(wait());
    CHECK(sending.result() >= 300);
    CHECK(sending.result() < 1000);
    CHECK(near.error() == 0);
  }
  fixture.env.close(connected.fd);
}

TEST_CASE("sim: what came before a reset can be read") {
  Fixture fixture;
  Connected connected(fixture);
  CHECK(connected.host->write(pattern(100, 1)) == 100);
  fixture.machine.pass_to(fixture.machine.now_ns() + kSecond);
  connected.host->reset();
  fixture.machine.pass_to(fixture.machine.now_ns() + kSecond);
  auto buffers = fixture.ring->provide_buffers(4096, 1).value();
  TestOp receiving;
  for (const int32_t expected : {100, -ECONNRESET}) {
    fixture.ring->receive_provided(receiving, connected.fd, *buffers, 4096);
    REQUIRE(fixture.until([&] { return !receiving.in_flight; }));
    CHECK(receiving.result() == expected);
  }
  buffers->recycle(receiving.seen.front().buffer_index);
  fixture.env.close(connected.fd);
}

TEST_CASE(
    "sim: a power cut leaves of what was not flushed any part, and of the rest nothing less") {
  bool lost = false;
  bool kept = false;
  bool torn = false;
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    Prng prng(seed);
    SimDisk disk("disk", 1 << 20);
    const auto old_bytes = pattern(8192, 1);
    const auto new_bytes = pattern(8192, 2);
    disk.write(0, old_bytes);
    disk.flush(disk.version());
    disk.write(0, new_bytes);
    disk.power_cut(prng);
    std::vector<std::byte> after(8192);
    disk.read(0, after);
    uint32_t new_sectors = 0;
    for (size_t at = 0; at < after.size(); at += SimDisk::kSectorBytes) {
      const bool is_new = std::memcmp(&after[at], &new_bytes[at], SimDisk::kSectorBytes) == 0;
      if (!is_new) CHECK(std::memcmp(&after[at], &old_bytes[at], SimDisk::kSectorBytes) == 0);
      new_sectors += is_new ? 1 : 0;
    }
    lost = lost || new_sectors == 0;
    kept = kept || new_sectors == 16;
    torn = torn || (new_sectors > 0 && new_sectors < 16);
  }
  CHECK(torn);
  CHECK(!lost);  // one in 2^16
  CHECK(!kept);
}

TEST_CASE("sim: a flush covers what was written before it began") {
  SimDisk disk("disk", 1 << 20);
  disk.write(0, pattern(512, 1));
  const uint64_t version = disk.version();
  disk.write(0, pattern(512, 2));
  disk.flush(version);
  bool first = false;
  bool second = false;
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    SimDisk copy = disk;
    Prng prng(seed);
    copy.power_cut(prng);
    std::vector<std::byte> after(512);
    copy.read(0, after);
    first = first || after == pattern(512, 1);
    second = second || after == pattern(512, 2);
    CHECK((after == pattern(512, 1) || after == pattern(512, 2)));
  }
  CHECK(first);
  CHECK(second);
}

TEST_CASE("sim: a disk that hangs keeps its operations, and workers, until it goes on") {
  Fixture fixture;
  fixture.files.make("slow", 1 << 20);
  fixture.files.make("other", 1 << 20);
  const int slow = fixture.env.open_file({.path = "slow"}).value().fd;
  const int other = fixture.env.open_file({.path = "other"}).value().fd;
  CHECK(fixture.env.open_file({.path = "slow"}).error().errnum == EAGAIN);
  fixture.files.find("slow")->hang(true);
  std::vector<TestOp> syncs(8);
  for (TestOp& sync : syncs) fixture.ring->sync_data(sync, slow);
  TestOp late;
  fixture.ring->poll();
  fixture.ring->sync_data(late, other);
  fixture.ring->poll();
  fixture.machine.pass_to(fixture.machine.now_ns() + 100 * kSecond);
  fixture.ring->poll();
  CHECK(!late.done());
  CHECK(fixture.files.find("slow")->waiting() == 8);
  fixture.files.find("slow")->let_one_go();
  CHECK(fixture.until([&] { return late.done(); }));
  CHECK(fixture.files.find("slow")->waiting() == 7);
  fixture.files.find("slow")->hang(false);
  CHECK(fixture.until(
      [&] { return std::ranges::all_of(syncs, [](const TestOp& sync) { return sync.done(); }); }));
  CHECK(late.result() == 0);
  fixture.env.close(slow);
  fixture.env.close(other);
}

TEST_CASE("sim: a process that is killed changes its files no more, and the next has them") {
  Fixture fixture;
  fixture.files.make("disk", 1 << 20);
  const int fd = fixture.env.open_file({.path = "disk"}).value().fd;
  auto first = pattern(4096, 1);
  auto second = pattern(4096, 2);
  const auto write = [&](TestOp& op, std::vector<std::byte>& bytes) {
    const iovec part{bytes.data(), bytes.size()};
    fixture.ring->write(op, fd, &part, 1, 0, Durability::Cached);
    fixture.ring->poll();
  };
  TestOp done;
  write(done, first);
  REQUIRE(fixture.until([&] { return done.done(); }));
  TestOp late;
  write(late, second);
  TestOp hanging;
  fixture.files.find("disk")->hang(true);
  fixture.ring->sync_data(hanging, fd);
  fixture.ring->poll();
  fixture.files.crash(false, fixture.machine.prng());
  CHECK(fixture.until([&] { return late.done() && hanging.done(); }));
  CHECK(late.result() == -EIO);
  CHECK(hanging.result() == -EIO);

  SimEnv next(fixture.machine, fixture.network, fixture.files);
  const int again = next.open_file({.path = "disk"}).value().fd;
  std::vector<std::byte> there(4096);
  next.disk(again).read(0, there);
  CHECK(there == first);
  next.close(again);
  fixture.env.close(fd);
}

TEST_CASE("sim: who is unplugged is heard of no more") {
  Fixture fixture;
  Connected connected(fixture);
  const Endpoint endpoint = fixture.env.local_endpoint(connected.listener).value();
  fixture.network.unplug(endpoint.address);
  CHECK(fixture.until([&] { return connected.host->error() == ECONNRESET; }));
  int refused = 0;
  fixture.network.connect("127.0.0.9", endpoint, [&](SimSocket* socket, int errnum) {
    CHECK(socket == nullptr);
    refused = errnum;
  });
  CHECK(fixture.until([&] { return refused != 0; }));
  CHECK(refused == ECONNREFUSED);
  fixture.env.close(connected.fd);
}

TEST_CASE("sim: reactors run as they do on a real machine, several on one thread") {
  SimMachine machine(11);
  SimNetwork network(machine);
  SimFiles files;
  SimEnv env(machine, network, files);
  ReactorOptions options;
  options.memory_bytes = kBufferMemoryBytesMin;
  std::vector<std::unique_ptr<Reactor>> reactors;
  for (uint32_t index = 0; index < 3; ++index) {
    options.index = index;
    reactors.push_back(Reactor::create(env, options).value());
    REQUIRE(reactors.back()->start().ok());
  }
  struct Ball {
    std::vector<std::unique_ptr<Reactor>>& reactors;
    uint32_t passes = 0;
  } ball{reactors};
  const auto pass = [](Reactor& reactor, void* argument) {
    auto& held = *static_cast<Ball*>(argument);
    CHECK(Reactor::current() == &reactor);
    ++held.passes;
  };
  for (uint32_t turn = 0; turn < 30; ++turn) {
    reactors[turn % 3]->send_message_wait({pass, &ball});
    machine.until([&] { return ball.passes == turn + 1; }, machine.now_ns() + kSecond);
    CHECK(ball.passes == turn + 1);
    // Long enough to fall asleep.
    machine.pass_to(machine.now_ns() + 10'000'000);
  }
  CHECK(Reactor::current() == nullptr);
  for (auto& reactor : reactors) reactor->stop();
}

}  // namespace capsuled::env::sim
