// SoftwareController: a whole NVMe controller on PCI Express, made of software: registers,
// doorbells, an admin queue, I/O queues, namespaces. What a driver sees of it is what it sees of a
// real one: memory that it maps, memory that is read and written behind its back.
//
// It does nothing by itself: step() is all that it would do by now, and the test, or the
// simulation, says when. What it does wrong, it is told to do (Faults).
//
// Owner: a test. Thread: one at a time, the driver's or another. What both touch are words of the
// registers and of the queues, which both read and write as drivers and devices do, and vectors.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/prng.h"
#include "env/env.h"
#include "env/pci_device.h"
#include "nvme/pcie/registers.h"
#include "nvme/testing/device_memory.h"
#include "nvme/testing/software_namespace.h"
#include "wire/admin_command.h"
#include "wire/command.h"
#include "wire/log_page.h"
#include "wire/pcie.h"

namespace capsuled::nvme::testing {

struct SoftwareControllerOptions {
  std::string address = "0000:01:00.0";
  uint16_t vendor_id = 0xfff0;
  uint16_t device_id = 0x0001;
  uint16_t queue_entries_max = 1024;  ///< CAP.MQES + 1
  uint32_t doorbell_stride = 0;       ///< CAP.DSTRD
  uint16_t io_queues_max = 16;        ///< of either kind
  uint8_t mdts = 5;                   ///< 128 KiB
  bool has_cache = true;              ///< VWC
  bool has_shadows = false;           ///< Doorbell Buffer Config
  uint8_t wzsl = 0;                   ///< of Write Zeroes; 0: no limit
  uint32_t dmrsl = 0;                 ///< of one range of Dataset Management; 0: no limit
  bool refuses_shadows = false;       ///< it says that it has it, and refuses it
  bool refuses_warnings = false;      ///< of Asynchronous Event Configuration, SHCW
  uint32_t shutdown_us = 0;           ///< RTD3E
  uint16_t oncs = 0x9f;               ///< what it can, by ONCS: see wire::Oncs
  uint32_t ready_steps = 3;           ///< from CC.EN to CSTS.RDY, and back; of a shutdown, too
  uint64_t seed = 1;
  std::function<void()> destroyed{};  ///< called when the driver has let it go; may be empty
};

/// What goes wrong. Counts are of what is to come; each is used up.
struct SoftwareFaults {
  uint32_t held_commands = 0;     ///< not carried out until they are aborted
  uint32_t lost_completions = 0;  ///< never posted
  uint32_t late_completions = 0;  ///< posted only when `late_steps` have passed
  uint32_t late_steps = 100;
  uint32_t duplicate_completions = 0;  ///< posted twice
  uint32_t late_duplicates = 0;        ///< likewise, when the slot may be another command's
  uint32_t wrong_cids = 0;             ///< of no command
  uint32_t wrong_phases = 0;           ///< posted with the phase tag of the last round
  bool shuffles = false;               ///< commands are carried out in any order
  bool lingers = false;                ///< now and then it does nothing for a step
  wire::Status status{};               ///< of I/O commands, if `failures` is not used up
  uint32_t failures = 0;
  wire::Status identify_status{};  ///< of Identify of a namespace
  uint32_t identify_failures = 0;
};

class SoftwareController final : public env::PciDevice {
 public:
  SoftwareController(env::Env& env, const SoftwareControllerOptions& options);
  ~SoftwareController() override;

  // PciDevice: the driver's side.
  const env::PciFacts& facts() const override { return facts_; }
  volatile std::byte* registers() override { return registers_.get(); }
  size_t register_bytes() const override { return kRegisterBytes; }
  const env::DmaMap& dma() const override { return memory_.map(); }
  Result<void> set_bus_master(bool may) override {
    bus_master_.store(may, std::memory_order_release);
    return {};
  }
  bool wanted_back() override { return wanted_back_.load(std::memory_order_acquire); }
  uint32_t interrupt_count() const override { return kVectors; }
  Result<void> set_interrupts(std::span<const int> event_fds) override;
  void mask_interrupt(uint32_t vector, bool masked) override;

  // The test's side.
  SoftwareNamespace& add_namespace(uint32_t nsid, const SoftwareNamespaceOptions& options);
  /// One that is there already, and stays when the controller goes.
  void insert(uint32_t nsid, std::shared_ptr<SoftwareNamespace> medium);
  void remove_namespace(uint32_t nsid);
  /// What it does from here on, nobody else sees: its process is gone, and does not know it.
  void part_from_media();
  SoftwareNamespace& at(uint32_t nsid) { return *namespaces_.at(nsid); }
  /// An asynchronous event: the namespace is not as it was.
  void changed(uint32_t nsid);
  /// Another: the driver has made a mistake.
  void tell_error();
  /// Events that it could not tell so far.
  size_t untold_events() const { return events_.size(); }
  /// All that it would do by now. True: it did something.
  bool step();
  /// Whether there is anything to do, now or in some steps.
  bool has_work() const;
  /// CSTS.CFS: nothing more happens until it is reset.
  void fail();
  /// It has lost its power, and has it again: what was only in its cache may be gone.
  void lose_power();
  /// It is pulled out.
  void pull();
  /// The machine wants it back.
  void ask_back() { wanted_back_.store(true, std::memory_order_release); }
  bool ready() const;
  bool is_masked(uint32_t vector) {
    const std::lock_guard lock(vectors_mutex_);
    return masked_[vector];
  }
  /// It does not hear of CC.EN any more.
  void go_deaf() { deaf_ = true; }
  DeviceMemory& memory() { return memory_; }
  SoftwareFaults faults;

  uint32_t invalid_doorbells() const { return invalid_doorbells_; }
  uint32_t resets() const { return resets_; }
  bool was_shut_down() const { return shut_down_; }
  /// How often a shutdown that it was told of was complete.
  uint32_t shutdowns() const { return shutdowns_; }
  uint64_t interrupts() const { return interrupts_; }
  /// How often a doorbell was written that has a shadow.
  uint64_t rings() const { return rings_; }
  /// Of the I/O queues.
  size_t queue_count() const { return submissions_.size() - (submissions_.contains(0) ? 1 : 0); }

 private:
  static constexpr size_t kRegisterBytes = 16 * 1024;
  static constexpr uint32_t kVectors = 17;
  static constexpr size_t kPageBytes = 4096;
  static constexpr uint32_t kEventRequestsMax = 4;

  struct CompletionQueue {
    env::DmaAddress base = 0;
    uint32_t entries = 0;
    uint32_t head = 0;
    uint32_t tail = 0;
    uint16_t phase = 1;
    bool interrupts = false;
    uint32_t vector = 0;
    bool signal = false;
    std::deque<wire::CompletionQueueEntry> line{};  ///< that it has no room for
  };
  struct SubmissionQueue {
    env::DmaAddress base = 0;
    uint32_t entries = 0;
    uint32_t head = 0;
    uint32_t tail = 0;
    uint16_t cqid = 0;
  };
  struct Command {
    uint16_t sqid = 0;
    wire::SubmissionQueueEntry sqe{};
    uint64_t due_step = 0;
  };
  /// A doorbell with a shadow.
  struct Bell {
    uint32_t value = 0;
    bool awake = false;  ///< it looks at the shadow by itself
  };
  struct Answer {
    wire::Status status{};
    uint32_t dw0 = 0;
  };
  enum class Power : uint8_t { Off, Starting, On, Stopping, Failed, Gone };

  bool is_rung() const;
  uint32_t get(wire::Property property) const { return view_.get32(property); }
  void look_at_configuration();
  void shut_down();
  void start();
  void reset();
  void look_at_doorbells();
  uint32_t doorbell(uint32_t offset);
  void fetch();
  bool carry_out();
  void execute(const Command& command);
  void complete(uint16_t sqid, uint16_t cid, const Answer& answer);
  bool post_all();
  void post(uint16_t cqid, CompletionQueue& queue, wire::CompletionQueueEntry cqe);
  void signal(uint32_t vector);
  void signal_locked(uint32_t vector);

  // software_admin.cc
  void admin(const Command& command);
  Answer identify(const wire::SubmissionQueueEntry& sqe);
  Answer create_completion_queue(const wire::SubmissionQueueEntry& sqe);
  Answer create_submission_queue(const wire::SubmissionQueueEntry& sqe);
  Answer delete_queue(const wire::SubmissionQueueEntry& sqe, bool submission);
  bool knows_events(uint32_t configuration) const;
  Answer feature(const wire::SubmissionQueueEntry& sqe, bool set);
  Answer log_page(const wire::SubmissionQueueEntry& sqe);
  Answer abort(const wire::SubmissionQueueEntry& sqe);
  Answer configure_shadows(const wire::SubmissionQueueEntry& sqe);
  void identify_controller(std::span<std::byte> page);
  void identify_namespace(const SoftwareNamespace& from, std::span<std::byte> page);
  void tell(wire::AsyncEventType type, uint32_t information, wire::LogPage log);
  bool may_tell(uint32_t dw0) const;
  void send_events();

  // software_io.cc
  Answer io(const wire::SubmissionQueueEntry& sqe);
  Answer transfer(const wire::SubmissionQueueEntry& sqe, SoftwareNamespace& on);
  Answer manage_dataset(const wire::SubmissionQueueEntry& sqe, SoftwareNamespace& on);
  /// Copies between the pages of a command and `here`, which has as many bytes as it transfers.
  void copy_out(const wire::SubmissionQueueEntry& sqe, std::span<const std::byte> here);
  void copy_in(const wire::SubmissionQueueEntry& sqe, std::span<std::byte> here);
  template <typename Each>
  void each_page(const wire::SubmissionQueueEntry& sqe, size_t bytes, Each&& each);

  env::Env& env_;
  const SoftwareControllerOptions options_;
  const env::PciFacts facts_;
  std::unique_ptr<std::byte[], void (*)(std::byte*)> registers_;
  Registers view_;
  DeviceMemory memory_;
  Prng prng_;
  Power power_ = Power::Off;
  bool has_failed_ = false;  ///< before it was told to stop
  uint64_t step_ = 0;
  uint64_t power_step_ = 0;  ///< when a change of `power_` is over
  std::map<uint32_t, std::shared_ptr<SoftwareNamespace>> namespaces_;
  std::map<uint16_t, SubmissionQueue> submissions_;
  std::map<uint16_t, CompletionQueue> completions_;
  std::deque<Command> commands_;
  std::deque<Command> held_;
  std::deque<std::pair<uint64_t, std::pair<uint16_t, wire::CompletionQueueEntry>>> late_;
  std::deque<uint16_t> event_requests_;  ///< CIDs
  std::vector<uint32_t> changed_;        ///< namespaces, for the log page
  std::deque<uint32_t> events_;          ///< dword 0 of what is to be told
  std::set<uint32_t> unread_logs_;       ///< of what was told
  uint32_t event_configuration_ = 0;
  env::DmaAddress shadows_ = 0;  ///< 0: it was told of none
  env::DmaAddress event_indices_ = 0;
  std::map<uint32_t, Bell> bells_;  ///< by offset
  uint64_t rings_ = 0;
  bool cache_enabled_ = true;
  std::mutex vectors_mutex_;  ///< guards the three below
  std::vector<int> event_fds_;
  std::array<bool, kVectors> masked_{};
  std::array<bool, kVectors> pending_{};
  uint32_t invalid_doorbells_ = 0;
  uint32_t resets_ = 0;
  uint64_t interrupts_ = 0;
  bool shut_down_ = false;
  uint64_t shutdown_step_ = 0;  ///< when it is; 0: no shutdown is under way
  uint32_t shutdowns_ = 0;
  uint64_t power_cycles_ = 1;
  bool deaf_ = false;
  std::atomic<bool> bus_master_ = true;
  std::atomic<bool> wanted_back_ = false;
};

}  // namespace capsuled::nvme::testing
