// PcieQpair: a queue pair in memory that a controller on PCI Express reads and writes.
//
// A request is written into the next entry of the submission queue; the reactor's Send stage tells
// the controller of all of them at once, by the tail doorbell. Entries of the completion queue are
// recognised by their phase tag; the head doorbell is written when a quarter of the queue was
// taken. Nothing here is allocated, locked or asked of the kernel for a request.
//
//   Idle ──start()──▶ Live ──stop()──▶ Stopped ──release()──▶ Idle
//
//   Idle     the controller does not know the queues    start(), when it does
//   Live     takes requests                             stop(), by the owner
//   Stopped  takes none, and looks at nothing; the      release(), when the controller can reach
//            controller may still reach the memory of   memory no more
//            what is outstanding
//
// A CID says which slot a request has, and in its upper bits how often that was used; so a
// completion that comes twice, or for what has completed long ago, is known for what it is: then
// the controller is not to be believed any more, and the owner hears qpair_broken().
//
// Owner: a controller, or the channel of a bdev. Thread: the reactor's.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "env/dma_map.h"
#include "env/env.h"
#include "env/memory_registry.h"
#include "nvme/pcie/doorbell.h"
#include "nvme/pcie/interrupt.h"
#include "nvme/pcie/registers.h"
#include "nvme/qpair.h"
#include "reactor/reactor.h"
#include "wire/pcie.h"

namespace capsuled::nvme {

class PcieQpair;

class PcieQpairOwner {
 public:
  virtual ~PcieQpairOwner() = default;
  /// The controller has broken the rules; `reason` is a stable lower_snake word. The owner stops
  /// the qpair, from inside this call or soon. Called from the reactor's loop, once.
  virtual void qpair_broken(PcieQpair& qpair, const char* reason) = 0;
};

struct PcieQpairOptions {
  uint16_t qid = 0;
  uint16_t entries = 32;         ///< of both queues, 2 to kEntriesMax; one less may be outstanding
  uint32_t doorbell_stride = 0;  ///< CAP.DSTRD
};

class PcieQpair final : public Qpair {
 public:
  static constexpr uint32_t kPageBytes = 4096;  ///< a memory page of the controller (CC.MPS 0)
  static constexpr uint16_t kEntriesMax = 1024;
  /// Of one request.
  static constexpr uint32_t kTransferBytesMax = 1024 * 1024;

  /// ENOMEM and the like: there is no memory for the queues. `dma` is the device's, which comes to
  /// know them. Any thread but a reactor's.
  static Result<std::unique_ptr<PcieQpair>> create(env::Env& env, const env::DmaMap& dma,
                                                   Registers registers,
                                                   const PcieQpairOptions& options);
  ~PcieQpair() override;
  PcieQpair(const PcieQpair&) = delete;
  PcieQpair& operator=(const PcieQpair&) = delete;

  /// Where the queues are, for the controller; kNoDmaAddress: it does not reach them.
  env::DmaAddress submission_queue() const { return submission_address_; }
  env::DmaAddress completion_queue() const { return completion_address_; }
  /// The same here, for who names one of them in a command: its first page.
  iovec submission_memory() const { return {submissions_, kPageBytes}; }
  iovec completion_memory() const { return {completions_, kPageBytes}; }
  const PcieQpairOptions& options() const { return options_; }

  /// While it is Idle: its doorbells have these shadows, or none.
  void use_shadows(const DoorbellShadow& tail, const DoorbellShadow& head) {
    tail_doorbell_.use(tail);
    head_doorbell_.use(head);
  }
  /// From Idle: the queues are empty, and the controller may be told of them. All three outlive
  /// release(). `interrupt` is the completion queue's; null: it has none, and the reactor does not
  /// sleep while something is outstanding.
  void start(Reactor& reactor, PcieQpairOwner& owner, Interrupt* interrupt);
  /// Nothing if it is not Live.
  void stop();
  /// Whatever was outstanding completes, with Host Pathing Error. Nothing if it is Idle.
  void release();
  bool live() const { return state_ == State::Live; }

  bool submit(Request& request) override;
  bool reaches(const Request& request) override;
  uint32_t outstanding() const override { return entries_max_ - (free_end_ - free_begin_); }
  /// Of those that an answer is expected to, the one that was submitted first. Looks at all.
  struct Oldest {
    uint64_t submitted_ns = UINT64_MAX;  ///< UINT64_MAX: there is none
    uint16_t cid = 0;
  };
  Oldest oldest() const;

  /// Takes what has completed; how much. Called by the reactor, or a test.
  uint32_t reap();
  /// Tells the controller what was submitted. Called by the reactor, or a test.
  void ring();

 private:
  enum class State : uint8_t { Idle, Live, Stopped };
  /// PRP entries of a request beside PRP1: the pages of the largest that does not begin with one.
  static constexpr uint32_t kListEntries = kTransferBytesMax / kPageBytes;
  static constexpr uint32_t kListBytes = kListEntries * sizeof(Le64);
  /// Completions that one turn of the loop takes.
  static constexpr uint32_t kReapMax = 64;

  struct Slot {
    Request* request = nullptr;
    uint64_t submitted_ns = 0;
    uint16_t cid = 0;  ///< of the request, or of the last one
  };
  struct Reaper final : Poller {
    explicit Reaper(PcieQpair& of) : Poller(PollStage::Work), qpair(of) {}
    PollResult poll() override;
    bool may_sleep() override;
    PcieQpair& qpair;
  };
  struct Ringer final : Poller {
    explicit Ringer(PcieQpair& of) : Poller(PollStage::Send), qpair(of) {}
    PollResult poll() override;
    PcieQpair& qpair;
  };

  PcieQpair(const env::DmaMap& dma, Registers registers, const PcieQpairOptions& options,
            std::unique_ptr<env::Region> region, env::MemoryRegistry& registry);

  void set_state(State state);
  bool map(const Request& request, uint32_t slot, wire::PrpPointer& prp);
  bool has_completion() const;
  bool complete(const wire::CompletionQueueEntry& cqe);
  void broken(const char* reason);

  const PcieQpairOptions options_;
  const uint32_t entries_max_;  // outstanding
  State state_ = State::Idle;
  Reactor* reactor_ = nullptr;
  PcieQpairOwner* owner_ = nullptr;
  Interrupt* interrupt_ = nullptr;
  bool broken_ = false;

  // The memory: submission queue, completion queue, a list of PRP entries for each slot.
  std::unique_ptr<env::Region> region_;
  env::ReachableMemory reachable_;
  env::DmaTranslator dma_;
  wire::SubmissionQueueEntry* submissions_;
  wire::CompletionQueueEntry* completions_;
  Le64* lists_;
  env::DmaAddress submission_address_;
  env::DmaAddress completion_address_;
  env::DmaAddress lists_address_;

  Doorbell tail_doorbell_;
  Doorbell head_doorbell_;
  uint32_t tail_ = 0;
  uint32_t tail_told_ = 0;
  uint32_t head_ = 0;
  uint32_t untold_ = 0;  // completions that were taken since the head was told
  uint16_t phase_ = 1;   // of entries that are new
  uint16_t cid_step_;
  uint16_t slot_mask_;
  uint32_t free_begin_ = 0;  // of free_: places count on, and are taken modulo its size
  uint32_t free_end_ = 0;
  uint32_t patient_count_ = 0;  // of what is outstanding
  /// Slots, a ring: the one that has rested for longest is next, so that no CID returns soon.
  std::vector<uint16_t> free_;
  std::vector<Slot> slots_;
  Reaper reaper_{*this};
  Ringer ringer_{*this};
};

}  // namespace capsuled::nvme
