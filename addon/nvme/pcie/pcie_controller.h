// PcieController: a local controller, driven by its registers. Its admin queue is on one reactor,
// its home; each I/O queue is on the reactor that uses it (pcie_io_queue.h). All memory is there
// before anything begins, so that it can be begun again and again without any.
//
// What Controller calls Opening and Closing is, here:
//
//   Off ─▶ Disabling ─▶ On ─▶ Stopping ─▶ ShuttingDown ─▶ Disabled ─▶ Off
//
//   Off           nothing                                          open()
//   Disabling     CSTS.RDY goes out: somebody had left it enabled  the controller, or its time
//   On            the admin queue takes commands                   close()
//   Stopping      I/O queues take no more requests                 their reactors
//   ShuttingDown  CSTS.SHST, then CSTS.RDY goes out                the controller, or its time
//   Disabled      nothing reaches memory: queues give back what    their reactors
//                 they hold
//
// A controller that does not go out in the time it stated, or not complete a shutdown in that which
// it stated for that, is cut off from memory (PciDevice), so
// that what it held can be used again. One that the machine wants back goes down with notice, as if
// disconnect() had been called; see PciDevice::wanted_back().
//
// Owner: whoever made it. Thread: the home reactor's, but for create(), the destructor and the I/O
// queues.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "env/pci_device.h"
#include "nvme/controller.h"
#include "nvme/pcie/pcie_io_queue.h"
#include "nvme/pcie/quirks.h"

namespace capsuled::nvme {

struct PcieControllerOptions {
  std::vector<Reactor*> io_reactors;  ///< an I/O queue on each
  uint16_t io_entries = 129;          ///< at most; the controller may have fewer (CAP.MQES)
};

class PcieController final : public Controller, public PcieQpairOwner, public PcieIoQueueOwner {
 public:
  /// May block. Errors are those of memory and events, and ENODEV: what the registers say cannot
  /// be. `home` and `owner` outlive it.
  static Result<std::unique_ptr<PcieController>> create(std::unique_ptr<env::PciDevice> device,
                                                        Reactor& home, ControllerOwner& owner,
                                                        const PcieControllerOptions& options);
  /// When it is Idle.
  ~PcieController() override;

  /// From Idle. `nsids`: those that are used, if any are known yet.
  void connect(std::vector<uint32_t> nsids, uint64_t timeout_ns);
  PcieIoQueue& io_queue(uint32_t index) { return *queues_[index]; }
  env::PciDevice& device() { return *device_; }
  const Quirks& quirks() const { return quirks_; }
  /// Of each I/O queue.
  uint16_t io_entries() const { return io_entries_; }
  /// It is not on the bus now: its registers read as all ones.
  bool gone() const;
  /// Of an I/O queue on the home reactor.
  Qpair& io_qpair(uint32_t index) override;

 private:
  enum class OpeningState : uint8_t {
    Off,
    Disabling,
    On,
    Stopping,
    ShuttingDown,
    Disabled,
  };
  struct PollTimer : Timer {
    PcieController* controller = nullptr;
  };

  PcieController(std::unique_ptr<env::PciDevice> device, Reactor& home, ControllerOwner& owner,
                 const PcieControllerOptions& options);
  Result<void> make_queues();
  Result<void> show_memory();

  void open() override;
  Qpair& admin_qpair() override { return *admin_; }
  void set_configuration(uint32_t cc) override;
  void get_status() override;
  void open_io_queue() override;
  void close() override;
  void answered(const wire::CompletionQueueEntry& cqe) override;
  const char* step_name() const override;
  bool may_be_refused() const override { return configures_shadows_; }
  bool has_ended() const override { return !admin_->live(); }
  void tick() override;

  void qpair_broken(PcieQpair& qpair, const char* reason) override;
  void queue_started(PcieIoQueue& queue) override;
  void queue_stopped(PcieIoQueue& queue) override;
  void queue_released(PcieIoQueue& queue) override;
  void queue_broken(PcieIoQueue& queue, const char* reason) override;
  void queue_overdue(PcieIoQueue& queue, uint16_t cid) override;

  void poll();
  bool has_gone_out() const;
  void disable();
  void start_admin();
  void create_queue(bool submission);
  void stop_queues();
  void shut_down();
  uint64_t shutdown_ns();
  void disabled();
  void finish();
  bool is_overdue(uint64_t submitted_ns) const;

  const PcieControllerOptions queue_options_;
  const std::unique_ptr<env::PciDevice> device_;
  const Quirks quirks_;
  const Registers registers_;
  const uint64_t cap_at_first_;  ///< CAP, when it was made
  const uint16_t io_entries_;
  std::unique_ptr<env::ReachableMemory> page_reachable_;
  std::vector<int> event_fds_;
  std::unique_ptr<Interrupt> admin_interrupt_;
  std::unique_ptr<PcieQpair> admin_;
  std::vector<std::unique_ptr<PcieIoQueue>> queues_;
  OpeningState opening_ = OpeningState::Off;
  PollTimer timer_;
  uint64_t until_ns_ = 0;
  uint64_t quiet_until_ns_ = 0;  ///< its status is not read before: see Quirks
  std::unique_ptr<ShadowDoorbells> shadows_;
  bool has_shadows_ = false;         ///< the controller was told of them
  bool configures_shadows_ = false;  ///< it is being told
  bool creates_submission_ = false;  ///< of the two commands for an I/O queue, the second
  uint32_t started_ = 0;             ///< I/O queues that were told to start
  uint32_t awaited_ = 0;             ///< answers of I/O queues to what they were told last
  bool is_notified_ = false;         ///< of the shutdown, which is not complete yet
};

}  // namespace capsuled::nvme
