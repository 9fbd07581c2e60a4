// NvmeDevice: a local NVMe controller and its life: it is brought up, and when it fails brought up
// again, for as long as a bdev is made of one of its namespaces.
//
//   Starting ─▶ Live ⇄ Resetting ─▶ Failed ─▶ Live
//       │        └──────┬─┴───────────┘
//       │               ▼
//       │             Gone
//       └─────────┬─────┘
//                 ▼
//              Closing ─▶ Closed
//
//   Starting   it comes up for the first time                       the controller
//   Live       it does I/O                                          the controller, or close()
//   Resetting  it failed, and is tried again and again; I/O waits   the controller, or its time:
//              a failure soon after it came up is the same one
//   Failed     it has not come back in `reset_timeout`: I/O fails,  the controller, or close()
//              and it is tried again all the same
//   Gone       it was taken out, or the machine wants it back: I/O  close()
//              fails, and it is not touched any more
//   Closing    it goes down                                         the controller
//   Closed     nothing of it is left                                nobody
//
// Each time it has come up, and before any I/O, those who use its namespaces are told what these
// are now; so nothing is written to a disk that has taken another's place.
//
// Owner: the bdevs of its namespaces, together. Thread: open(), add(), remove() and the destructor
// a control or worker thread's, which they may block; the controller's calls are its home
// reactor's, the first.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bdev/bdev_kind.h"
#include "bdev/drive_report.h"
#include "bdev/nvme/nvme_queue_users.h"
#include "nvme/pcie/pcie_controller.h"

namespace capsuled {

struct NvmeDeviceOptions {
  std::string address{};
  uint16_t queue_entries = 129;                ///< at most
  uint64_t timeout_ns = 30'000'000'000;        ///< of a command
  uint64_t reset_timeout_ns = 30'000'000'000;  ///< from a failure until I/O fails, too
};

/// Who uses a namespace. Called on the device's home reactor.
class NvmeDeviceUser {
 public:
  virtual uint32_t nsid() const = 0;
  /// What it is: when it was added, each time the controller has come up, and when it has changed.
  virtual void namespace_found(const nvme::NamespaceFacts& facts) = 0;
  /// The device will not come back.
  virtual void device_gone() = 0;
  /// The device has had no power meanwhile, and had a volatile cache.
  virtual void cache_lost() = 0;

 protected:
  ~NvmeDeviceUser() = default;
};

class NvmeDevice final : public nvme::ControllerOwner {
 public:
  /// Null: `error` says why.
  static std::shared_ptr<NvmeDevice> open(env::Env& env, const std::vector<Reactor*>& reactors,
                                          const NvmeDeviceOptions& options, BdevError& error);
  ~NvmeDevice() override;
  NvmeDevice(const NvmeDevice&) = delete;
  NvmeDevice& operator=(const NvmeDevice&) = delete;

  const NvmeDeviceOptions& options() const { return options_; }
  const nvme::Quirks& quirks() const { return controller_->quirks(); }
  const env::PciFacts& pci() const { return controller_->device().facts(); }
  /// Whether it may reach this memory, which MemoryRegistry knows.
  bool reaches(const env::MemoryRange& range) const;
  /// Commands that each reactor may have outstanding.
  uint16_t depth() const { return static_cast<uint16_t>(controller_->io_entries() - 1); }

  /// `user` hears of its namespace from here on, and first what it is, before this returns. What
  /// this returns is the same; if there is a `refusal`, it was not added.
  nvme::NamespaceFacts add(NvmeDeviceUser& user);
  void remove(NvmeDeviceUser& user);

  NvmeQueueUsers& queue_users(const Reactor& reactor) { return *queue_users_[reactor.index()]; }
  // Any thread.
  uint64_t resets() const { return resets_.load(std::memory_order_relaxed); }
  std::optional<DriveHealth> health() const;

 private:
  enum class State : uint8_t { Starting, Live, Resetting, Failed, Gone, Closing, Closed };
  struct DeviceTimer : Timer {
    NvmeDevice* device = nullptr;
  };
  struct Adding;

  NvmeDevice(env::Env& env, const std::vector<Reactor*>& reactors,
             const NvmeDeviceOptions& options);
  Reactor& home() const { return *reactors_[0]; }
  void set_state(State state);
  State state() const { return state_.load(std::memory_order_acquire); }
  void connect();
  void add_here(Adding& adding);
  void found(uint32_t nsid, const nvme::NamespaceFacts& facts);
  NvmeDeviceUser* user_of(uint32_t nsid);
  void try_later();
  void leave();
  void give_up();
  void read_health();
  void ask_again();

  std::string controller_identified(nvme::Controller& controller) override;
  void controller_live(nvme::Controller& controller) override;
  void controller_closed(nvme::Controller& controller, const std::string& reason) override;
  void namespaces_changed(nvme::Controller& controller, std::span<const uint32_t> nsids) override;
  void health_changed(nvme::Controller& controller, const wire::SmartLog& log) override;

  env::Env& env_;
  const std::vector<Reactor*> reactors_;
  const NvmeDeviceOptions options_;
  std::vector<std::unique_ptr<NvmeQueueUsers>> queue_users_;
  std::vector<std::unique_ptr<ReactorCall>> give_up_calls_;
  std::unique_ptr<nvme::PcieController> controller_;
  std::vector<NvmeDeviceUser*> users_;  ///< home's
  std::string reason_;                  ///< why it closed last; read when it is Closed
  std::atomic<State> state_ = State::Starting;
  DeviceTimer retry_timer_;
  DeviceTimer health_timer_;
  DeviceTimer identify_timer_;
  uint64_t live_since_ns_ = 0;
  uint64_t failed_ns_ = 0;
  uint64_t pause_ns_ = 0;
  std::atomic<uint64_t> resets_ = 0;
  std::optional<DriveHealth> last_health_;  ///< home's
  bool lost_cache_ = false;                 ///< found while it came up
  mutable std::mutex health_mutex_;         ///< guards the next
  std::optional<DriveHealth> health_;
};

}  // namespace capsuled
