// What a queue pair in memory costs for each I/O: submit, doorbells, completion, against a
// controller made of software. For counting instructions with callgrind (bench/instructions.ts),
// which is told when they are the driver's; its running time says nothing.
//
//   pcie_qpair_bench CASE COUNT     COUNT commands, a multiple of the queue depth
//   pcie_qpair_bench --list         each case and its queue depth
#include <valgrind/callgrind.h>

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "env/sim/sim_env.h"
#include "nvme/pcie/pcie_qpair.h"
#include "nvme/testing/software_controller.h"
#include "wire/admin_command.h"
#include "wire/io_command.h"

namespace capsuled::nvme::bench {
namespace {

struct Case {
  const char* name;
  wire::IoOpcode opcode;
  uint32_t bytes;
  uint32_t queue_depth;
};

constexpr uint32_t k4k = 4096;
constexpr uint32_t k128k = 128 * 1024;
constexpr Case kCases[] = {
    {"pcie_read_4k_qd32", wire::IoOpcode::kRead, k4k, 32},
    {"pcie_read_4k_qd1", wire::IoOpcode::kRead, k4k, 1},
    {"pcie_write_128k_qd8", wire::IoOpcode::kWrite, k128k, 8},
};

class Run final : public PcieQpairOwner {
 public:
  Run(const Case& chosen, uint64_t count)
      : case_(chosen),
        left_(count),
        machine_(1),
        network_(machine_, {}),
        env_(machine_, network_, files_),
        controller_(env_, {}) {
    ReactorOptions options;
    options.memory_bytes = kBufferMemoryBytesMin;
    options.mode = PollMode::Busy;
    reactor_ = Reactor::create(env_, options).value();
    controller_.add_namespace(1, {.block_bytes = 4096, .block_count = 2048});
    memory_ = env_.allocate(size_t{case_.bytes} * case_.queue_depth, env::HugePages::Never).value();
    reachable_ = std::make_unique<env::ReachableMemory>(
        env_.memory(), env::MemoryRange{memory_->base(), memory_->bytes()});
    const Registers registers(controller_.registers(), controller_.register_bytes());
    admin_ =
        PcieQpair::create(env_, controller_.dma(), registers, {.qid = 0, .entries = 8}).value();
    io_ = PcieQpair::create(env_, controller_.dma(), registers, {.qid = 1, .entries = 129}).value();
    enable(registers);
    const ReactorScope scope(*reactor_);
    admin_->start(*reactor_, *this, nullptr);
    make_queue(wire::AdminOpcode::kCreateIoCompletionQueue, io_->completion_queue());
    make_queue(wire::AdminOpcode::kCreateIoSubmissionQueue, io_->submission_queue());
    io_->start(*reactor_, *this, nullptr);
  }
  ~Run() override {
    const ReactorScope scope(*reactor_);
    io_->release();
    admin_->release();
  }

  void run() {
    const ReactorScope scope(*reactor_);
    std::vector<BenchRequest> requests(case_.queue_depth);
    for (uint32_t index = 0; index < case_.queue_depth; ++index) fill(requests[index], index);
    for (; left_ > 0; left_ -= case_.queue_depth) {
      completed_ = 0;
      CALLGRIND_TOGGLE_COLLECT;
      for (Request& request : requests) ASSERT(io_->submit(request));
      io_->ring();
      CALLGRIND_TOGGLE_COLLECT;
      while (controller_.step()) {
      }
      CALLGRIND_TOGGLE_COLLECT;
      io_->reap();
      CALLGRIND_TOGGLE_COLLECT;
      ASSERT(completed_ == case_.queue_depth);
    }
  }

  void qpair_broken(PcieQpair&, const char*) override { UNREACHABLE(); }

 private:
  struct BenchRequest : Request {
    Run* run = nullptr;
    iovec part{};
  };

  static void count(Request& request, const wire::CompletionQueueEntry& cqe) {
    Run& self = *static_cast<BenchRequest&>(request).run;
    if (status_of(cqe).is_success()) ++self.completed_;
  }
  void fill(BenchRequest& request, uint32_t index) {
    const uint32_t blocks = case_.bytes / 4096;
    request.run = this;
    request.complete = count;
    request.sqe.opcode = static_cast<uint8_t>(case_.opcode);
    request.sqe.nsid.set(1);
    request.sqe.cdw10.set(index * blocks);
    request.sqe.cdw12.set(blocks - 1);
    request.transfer =
        case_.opcode == wire::IoOpcode::kRead ? Transfer::FromController : Transfer::ToController;
    request.bytes = case_.bytes;
    request.part = {memory_->base() + size_t{index} * case_.bytes, case_.bytes};
    request.iov = &request.part;
  }
  void enable(const Registers& registers) {
    const uint32_t aqa = wire::Aqa::Asqs::set(0u, 7u);
    registers.set32(wire::Property::kAqa, wire::Aqa::Acqs::set(aqa, 7u));
    registers.set64(wire::Property::kAsq, admin_->submission_queue());
    registers.set64(wire::Property::kAcq, admin_->completion_queue());
    uint32_t cc = wire::Cc::En::set(0u, 1u);
    cc = wire::Cc::Iosqes::set(cc, 6u);
    registers.set32(wire::Property::kCc, wire::Cc::Iocqes::set(cc, 4u));
    while (!controller_.ready()) controller_.step();
  }
  void make_queue(wire::AdminOpcode opcode, env::DmaAddress address) {
    BenchRequest request;
    request.run = this;
    request.complete = count;
    request.sqe.opcode = static_cast<uint8_t>(opcode);
    const uint32_t cdw10 = wire::CreateQueueCdw10::Qid::set(0u, 1u);
    request.sqe.cdw10.set(wire::CreateQueueCdw10::Qsize::set(cdw10, 128u));
    uint32_t cdw11 = wire::CreateSubmissionQueueCdw11::Pc::set(0u, 1u);
    if (opcode == wire::AdminOpcode::kCreateIoSubmissionQueue) {
      cdw11 = wire::CreateSubmissionQueueCdw11::Cqid::set(cdw11, 1u);
    }
    request.sqe.cdw11.set(cdw11);
    request.transfer = Transfer::ToController;
    request.bytes = k4k;
    request.part = {controller_.memory().at(address, k4k).data(), k4k};
    request.iov = &request.part;
    completed_ = 0;
    ASSERT(admin_->submit(request));
    admin_->ring();
    while (controller_.step()) {
    }
    admin_->reap();
    ASSERT(completed_ == 1);
  }

  const Case& case_;
  uint64_t left_;
  env::sim::SimMachine machine_;
  env::sim::SimNetwork network_;
  env::sim::SimFiles files_;
  env::sim::SimEnv env_;
  testing::SoftwareController controller_;
  std::unique_ptr<Reactor> reactor_;
  std::unique_ptr<env::Region> memory_;
  std::unique_ptr<env::ReachableMemory> reachable_;
  std::unique_ptr<PcieQpair> admin_;
  std::unique_ptr<PcieQpair> io_;
  uint32_t completed_ = 0;
};

int main(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[1], "--list") == 0) {
    for (const Case& each : kCases) std::printf("%s %" PRIu32 "\n", each.name, each.queue_depth);
    return 0;
  }
  for (const Case& each : kCases) {
    if (argc != 3 || std::strcmp(argv[1], each.name) != 0) continue;
    const uint64_t count = std::strtoull(argv[2], nullptr, 10);
    if (count == 0 || count % each.queue_depth != 0) break;
    Run(each, count).run();
    std::printf("{}\n");
    return 0;
  }
  std::fprintf(stderr, "usage: pcie_qpair_bench CASE COUNT, or --list\n");
  return 2;
}

}  // namespace
}  // namespace capsuled::nvme::bench

int main(int argc, char** argv) { return capsuled::nvme::bench::main(argc, argv); }
