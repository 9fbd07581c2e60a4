#include "nvme/pcie/pcie_qpair.h"

#include <doctest/doctest.h>

#include <cstring>
#include <deque>
#include <string>

#include "base/prng.h"
#include "nvme/testing/software_controller.h"
#include "wire/admin_command.h"
#include "wire/io_command.h"
#include "wire/registers.h"

namespace capsuled::nvme::testing {
namespace {

constexpr uint32_t kNsid = 1;
constexpr size_t kPage = 4096;

struct Command : Request {
  bool done = false;
  wire::CompletionQueueEntry cqe{};
  std::vector<iovec> parts;

  Command() {
    complete = [](Request& request, const wire::CompletionQueueEntry& entry) {
      auto& self = static_cast<Command&>(request);
      CHECK_FALSE(self.done);
      self.done = true;
      self.cqe = entry;
    };
  }
  bool ok() const { return done && status_of(cqe).is_success(); }
};

/// A controller with an admin queue and, from make_io_queue() on, I/O queues: made by hand, so that
/// nothing but the qpair is tried.
struct Fixture : PcieQpairOwner {
  explicit Fixture(const SoftwareControllerOptions& options = {}) : controller(*env, options) {
    ReactorOptions reactor_options;
    reactor_options.mode = PollMode::Busy;
    reactor_options.memory_bytes = kBufferMemoryBytesMin;
    reactor_options.huge_pages = env::HugePages::Never;
    reactor_options.ring_entries = 64;
    reactor = Reactor::create(*env, reactor_options).value();
    controller.add_namespace(kNsid, {});
    stride = options.doorbell_stride;
    admin = make(0, 8);
    const Registers registers(controller.registers(), controller.register_bytes());
    uint32_t aqa = wire::Aqa::Asqs::set(0u, 7u);
    aqa = wire::Aqa::Acqs::set(aqa, 7u);
    registers.set32(wire::Property::kAqa, aqa);
    registers.set64(wire::Property::kAsq, admin->submission_queue());
    registers.set64(wire::Property::kAcq, admin->completion_queue());
    uint32_t cc = wire::Cc::En::set(0u, 1u);
    cc = wire::Cc::Iosqes::set(cc, 6u);
    cc = wire::Cc::Iocqes::set(cc, 4u);
    registers.set32(wire::Property::kCc, cc);
    for (int step = 0; step < 10 && !controller.ready(); ++step) controller.step();
    REQUIRE(controller.ready());
    admin->start(*reactor, *this, nullptr);
    memory = env->allocate(kMemoryBytes, env::HugePages::Never).value();
    reachable = std::make_unique<env::ReachableMemory>(
        env->memory(), env::MemoryRange{memory->base(), memory->bytes()});
  }
  ~Fixture() override {
    if (io != nullptr) io->release();
    admin->release();
  }

  void qpair_broken(PcieQpair& qpair, const char* reason) override {
    breaks.push_back(reason);
    qpair.stop();
  }
  std::unique_ptr<PcieQpair> make(uint16_t qid, uint16_t entries) {
    const Registers registers(controller.registers(), controller.register_bytes());
    return PcieQpair::create(*env, controller.dma(), registers,
                             {.qid = qid, .entries = entries, .doorbell_stride = stride})
        .value();
  }
  /// Until `command` is done, or nothing happens any more.
  void run(const Command& command) {
    for (int turn = 0; turn < 2000 && !command.done; ++turn) {
      reactor->step();
      controller.step();
    }
  }
  void make_io_queue(uint16_t entries) {
    io = make(1, entries);
    uint32_t cdw10 = wire::CreateQueueCdw10::Qid::set(0u, 1u);
    cdw10 = wire::CreateQueueCdw10::Qsize::set(cdw10, entries - 1u);
    for (const bool submission : {false, true}) {
      Command create;
      create.sqe.opcode =
          static_cast<uint8_t>(submission ? wire::AdminOpcode::kCreateIoSubmissionQueue
                                          : wire::AdminOpcode::kCreateIoCompletionQueue);
      create.sqe.cdw10.set(cdw10);
      uint32_t cdw11 = wire::CreateSubmissionQueueCdw11::Pc::set(0u, 1u);
      if (submission) cdw11 = wire::CreateSubmissionQueueCdw11::Cqid::set(cdw11, 1u);
      create.sqe.cdw11.set(cdw11);
      // The one command whose data pointer is the queue's: a page that nothing is read of or
      // written to when the command is carried out.
      iovec queue = {
          reinterpret_cast<void*>(submission ? queue_memory(*io, true) : queue_memory(*io, false)),
          kPage};
      create.transfer = Transfer::ToController;
      create.bytes = kPage;
      create.iov = &queue;
      REQUIRE(admin->submit(create));
      run(create);
      REQUIRE(create.ok());
    }
    io->start(*reactor, *this, nullptr);
  }
  /// Where in our memory a queue is.
  std::byte* queue_memory(PcieQpair& qpair, bool submission) {
    const env::DmaAddress address =
        submission ? qpair.submission_queue() : qpair.completion_queue();
    return controller.memory().at(address, kPage).data();
  }
  void fill(Command& command, wire::IoOpcode opcode, uint64_t block, uint32_t blocks) {
    command.sqe = {};
    command.sqe.opcode = static_cast<uint8_t>(opcode);
    command.sqe.nsid.set(kNsid);
    command.sqe.cdw10.set(static_cast<uint32_t>(block));
    command.sqe.cdw12.set(blocks - 1);
    const bool reads = opcode == wire::IoOpcode::kRead;
    command.transfer = reads ? Transfer::FromController : Transfer::ToController;
    command.bytes = blocks * 512;
    command.iov = command.parts.data();
    command.done = false;
  }
  std::byte* at(size_t offset) { return memory->base() + offset; }

  static constexpr size_t kMemoryBytes = size_t{4} * 1024 * 1024;
  std::unique_ptr<env::Env> env = env::make_linux_env().value();
  SoftwareController controller;
  std::unique_ptr<Reactor> reactor;
  uint32_t stride = 0;
  std::unique_ptr<PcieQpair> admin;
  std::unique_ptr<PcieQpair> io;
  std::unique_ptr<env::Region> memory;
  std::unique_ptr<env::ReachableMemory> reachable;
  std::vector<std::string> breaks;
};

/// Some parts of memory that hold so many bytes, and that PRPs can name: all but the first begin
/// with a page, all but the last end with one.
std::vector<iovec> some_parts(Prng& prng, std::byte* base, size_t pages, size_t bytes) {
  std::vector<iovec> parts;
  size_t page = prng.below(4);
  size_t offset = prng.below(kPage / 4) * 4;
  while (bytes > 0) {
    const size_t most =
        bytes <= kPage - offset ? 1 : prng.between(1, (offset + bytes + kPage - 1) / kPage);
    const size_t count = std::min(bytes, most * kPage - offset);
    REQUIRE(page + most <= pages);
    parts.push_back({base + page * kPage + offset, count});
    bytes -= count;
    page += most + prng.below(3);
    offset = 0;
  }
  return parts;
}

TEST_CASE("PcieQpair: what is written in parts is read in other parts, in any order") {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    Prng prng(seed);
    SoftwareControllerOptions options;
    options.seed = seed;
    options.doorbell_stride = static_cast<uint32_t>(prng.below(3));
    Fixture fixture(options);
    fixture.controller.faults.shuffles = true;
    fixture.controller.faults.lingers = prng.chance(1, 2);
    fixture.make_io_queue(static_cast<uint16_t>(prng.between(2, 40)));
    std::vector<std::byte> model(2048 * 512);
    constexpr size_t kHalf = Fixture::kMemoryBytes / 2;
    for (int round = 0; round < 100; ++round) {
      const auto blocks = static_cast<uint32_t>(prng.between(1, 256));
      const uint64_t block = prng.below(2048 - blocks);
      Command write;
      write.parts = some_parts(prng, fixture.at(0), kHalf / kPage, blocks * 512);
      fixture.fill(write, wire::IoOpcode::kWrite, block, blocks);
      size_t at = block * 512;
      for (const iovec& part : write.parts) {
        for (size_t index = 0; index < part.iov_len; ++index) {
          const auto value = static_cast<std::byte>(prng.next());
          static_cast<std::byte*>(part.iov_base)[index] = value;
          model[at++] = value;
        }
      }
      REQUIRE(fixture.io->submit(write));
      fixture.run(write);
      REQUIRE(write.ok());
      Command read;
      read.parts = some_parts(prng, fixture.at(kHalf), kHalf / kPage, blocks * 512);
      fixture.fill(read, wire::IoOpcode::kRead, block, blocks);
      REQUIRE(fixture.io->submit(read));
      fixture.run(read);
      REQUIRE(read.ok());
      at = block * 512;
      for (const iovec& part : read.parts) {
        CHECK(std::memcmp(part.iov_base, &model[at], part.iov_len) == 0);
        at += part.iov_len;
      }
    }
    CHECK(fixture.breaks.empty());
    CHECK(fixture.controller.invalid_doorbells() == 0);
  }
}

TEST_CASE(
    "PcieQpair: as many as there are entries but one, each completes once, round after round") {
  Fixture fixture;
  fixture.controller.faults.shuffles = true;
  fixture.controller.faults.lingers = true;
  constexpr uint16_t kEntries = 9;
  fixture.make_io_queue(kEntries);
  std::deque<Command> commands(5000);
  size_t submitted = 0;
  for (int turn = 0; turn < 100'000 && submitted < commands.size(); ++turn) {
    while (submitted < commands.size()) {
      Command& command = commands[submitted];
      command.parts = {{fixture.at((submitted % 64) * kPage), 512}};
      fixture.fill(command, wire::IoOpcode::kWrite, submitted % 2048, 1);
      const bool room = fixture.io->outstanding() < kEntries - 1u;
      REQUIRE(fixture.io->submit(command) == room);
      if (!room) break;
      ++submitted;
    }
    fixture.reactor->step();
    fixture.controller.step();
  }
  fixture.run(commands.back());
  for (int turn = 0; turn < 1000 && fixture.io->outstanding() > 0; ++turn) {
    fixture.reactor->step();
    fixture.controller.step();
  }
  for (const Command& command : commands) REQUIRE(command.ok());
  CHECK(fixture.io->outstanding() == 0);
  CHECK(fixture.controller.invalid_doorbells() == 0);
}

TEST_CASE(
    "PcieQpair: memory that the device may not reach, and what PRPs cannot name, is refused") {
  Fixture fixture;
  fixture.make_io_queue(8);
  alignas(kPage) static std::array<std::byte, 2 * kPage> elsewhere;
  const auto is_taken = [&](std::vector<iovec> parts) {
    Command command;
    command.parts = std::move(parts);
    size_t bytes = 0;
    for (const iovec& part : command.parts) bytes += part.iov_len;
    fixture.fill(command, wire::IoOpcode::kWrite, 0, static_cast<uint32_t>(bytes / 512));
    const bool taken = fixture.io->submit(command);
    CHECK(fixture.io->reaches(command) == taken);
    if (taken) fixture.run(command);
    return taken;
  };
  CHECK(is_taken({{fixture.at(0), 512}}));
  CHECK(is_taken({{fixture.at(4), 512}}));
  CHECK_FALSE(is_taken({{fixture.at(2), 512}}));
  CHECK_FALSE(is_taken({{elsewhere.data(), 512}}));
  CHECK_FALSE(is_taken({{fixture.at(0), kPage}, {elsewhere.data(), 512}}));
  // Beyond the end of the memory.
  CHECK_FALSE(is_taken({{fixture.at(Fixture::kMemoryBytes - 512), 1024}}));
  // The first part ends within its page; the second begins within its.
  CHECK_FALSE(is_taken({{fixture.at(0), 512}, {fixture.at(kPage), 512}}));
  CHECK_FALSE(is_taken({{fixture.at(0), kPage}, {fixture.at(kPage + 512), 512}}));
  CHECK(is_taken({{fixture.at(3584), 512}, {fixture.at(5 * kPage), 512}}));
  // Memory that was known once.
  fixture.reachable.reset();
  CHECK_FALSE(is_taken({{fixture.at(0), 512}}));
}

TEST_CASE("PcieQpair: a completion of no command, or one that comes twice, breaks the queue") {
  for (const bool twice : {false, true}) {
    Fixture fixture;
    fixture.make_io_queue(8);
    (twice ? fixture.controller.faults.duplicate_completions
           : fixture.controller.faults.wrong_cids) = 1;
    Command first;
    Command second;
    for (Command* const command : {&first, &second}) {
      command->parts = {{fixture.at(0), 512}};
      fixture.fill(*command, wire::IoOpcode::kWrite, 0, 1);
      REQUIRE(fixture.io->submit(*command));
    }
    for (int turn = 0; turn < 20; ++turn) {
      fixture.reactor->step();
      fixture.controller.step();
    }
    REQUIRE(fixture.breaks == std::vector<std::string>{"unknown_cid"});
    CHECK(first.done == twice);
    CHECK_FALSE(second.done);
    // Whatever it still holds ends when nothing reaches its memory any more.
    fixture.io->release();
    CHECK(second.done);
    CHECK(status_of(second.cqe).type() == wire::StatusCodeType::kPathRelated);
    CHECK(fixture.io->outstanding() == 0);
  }
}

TEST_CASE("PcieQpair: a CID does not return soon, although no more than one is outstanding") {
  Fixture fixture;
  fixture.make_io_queue(129);
  std::vector<bool> used(65'536);
  for (uint32_t count = 0; count < 4'096; ++count) {
    Command command;
    command.parts = {{fixture.at(0), 512}};
    fixture.fill(command, wire::IoOpcode::kWrite, 0, 1);
    REQUIRE(fixture.io->submit(command));
    fixture.run(command);
    REQUIRE(command.ok());
    const uint16_t cid = command.cqe.cid.get();
    REQUIRE_FALSE(used[cid]);
    used[cid] = true;
  }
}

TEST_CASE("PcieQpair: one that was never started holds nothing") {
  Fixture fixture;
  CHECK(fixture.make(1, 8)->outstanding() == 0);
}

TEST_CASE("PcieQpair: a completion of an earlier round is none") {
  Fixture fixture;
  fixture.make_io_queue(4);
  fixture.controller.faults.wrong_phases = 1;
  Command command;
  command.parts = {{fixture.at(0), 512}};
  fixture.fill(command, wire::IoOpcode::kWrite, 0, 1);
  REQUIRE(fixture.io->submit(command));
  for (int turn = 0; turn < 50; ++turn) {
    fixture.reactor->step();
    fixture.controller.step();
  }
  CHECK_FALSE(command.done);
  CHECK(fixture.breaks.empty());
  CHECK(fixture.io->oldest().submitted_ns != UINT64_MAX);
  fixture.io->stop();
  CHECK_FALSE(fixture.io->submit(command));
  fixture.io->release();
  CHECK(command.done);
}

TEST_CASE("PcieQpair: a late completion of a command that was given up is none of the next one") {
  Fixture fixture;
  fixture.make_io_queue(3);
  fixture.controller.faults.late_completions = 1;
  fixture.controller.faults.late_steps = 30;
  Command late;
  late.parts = {{fixture.at(0), 512}};
  fixture.fill(late, wire::IoOpcode::kWrite, 0, 1);
  REQUIRE(fixture.io->submit(late));
  std::deque<Command> others(40);
  for (Command& other : others) {
    other.parts = {{fixture.at(kPage), 512}};
    fixture.fill(other, wire::IoOpcode::kWrite, 1, 1);
    REQUIRE(fixture.io->submit(other));
    for (int turn = 0; turn < 10 && !other.done; ++turn) {
      fixture.reactor->step();
      fixture.controller.step();
    }
    CHECK(other.ok());
  }
  CHECK(late.ok());
  CHECK(fixture.breaks.empty());
}

}  // namespace
}  // namespace capsuled::nvme::testing
