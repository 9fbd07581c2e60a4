// PcieLoadTarget: a namespace of a local controller on PCI Express: the driver itself, without the
// block layer. The workers share the controller, whose home is the first one's reactor; each qpair
// is a queue of its own, on the reactor of its worker.
//
//   Starting ─▶ Live ─▶ Closed
//      └──────────────────▲
//
//   Starting  the controller comes up   the controller
//   Live      paths may be opened       the controller, if it fails, or close()
//   Closed    nothing of it is left     nobody
//
// A controller that fails ends the run: what it does to I/O to be reset is what a bdev over it
// shows.
//
// Owner: Load. Thread: see LoadTarget; the controller's calls are the home reactor's.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "nvme/pcie/pcie_controller.h"
#include "perf/load_target.h"
#include "perf/pcie_load_path.h"

namespace capsuled::perf {

class PcieLoadTarget final : public LoadTarget, public nvme::ControllerOwner {
 public:
  PcieLoadTarget(std::string address, uint32_t nsid);
  ~PcieLoadTarget() override;

  std::string open(const LoadPlan& plan) override;
  LoadPath& path(uint32_t worker) override { return *paths_[worker]; }
  void close() override;

 private:
  enum class State : uint8_t { Starting, Live, Closed };

  std::string make_controller(const LoadPlan& plan);
  std::string bring_up();
  State state() const { return state_.load(std::memory_order_acquire); }
  void set_state(State state);
  void controller_live(nvme::Controller& controller) override;
  void controller_closed(nvme::Controller& controller, const std::string& reason) override;

  const std::string address_;
  const uint32_t nsid_;
  Reactor* home_ = nullptr;
  std::vector<std::unique_ptr<PcieLoadPath>> paths_;
  std::vector<PcieLoadPath*> users_;  // of the queues, by their index
  std::unique_ptr<nvme::PcieController> controller_;
  std::atomic<State> state_ = State::Starting;
  // The home reactor's until it has set the state.
  bool closing_ = false;              // close() was called
  nvme::NamespaceFacts facts_;        // from Live on
  uint32_t queue_count_ = 0;          // granted; 0: it never was Live
  std::string reason_;                // Closed: why
  std::atomic<uint32_t> untold_ = 0;  // paths that do not know yet that it is Closed
};

}  // namespace capsuled::perf
