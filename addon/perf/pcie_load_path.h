// PcieLoadPath: a worker's queues of a controller on PCI Express, which it shares with other
// workers.
//
// Owner: a PcieLoadTarget. Thread: the worker's reactor's, but for what is the target's.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "nvme/pcie/pcie_io_queue.h"
#include "perf/local_load_path.h"
#include "reactor/reactor_call.h"

namespace capsuled::perf {

class PcieLoadPath final : public LocalLoadPath, public nvme::IoQueueUser {
 public:
  explicit PcieLoadPath(Reactor& reactor) : LocalLoadPath(reactor) {}

  // The target's, on the control thread, before the path is opened.
  /// One more of its queues.
  void add(nvme::PcieIoQueue& queue) { queues_.push_back(&queue); }
  void set_facts(const nvme::NamespaceFacts& facts, uint32_t nsid);
  // The target's, on the home reactor.
  /// The controller has ended, because of `reason`, which stays as it is. `untold` is one less when
  /// the path knows.
  void tell_end(Reactor& home, const std::string& reason, std::atomic<uint32_t>& untold);

  bool live() const override { return LocalLoadPath::live() && !stopped_; }
  const nvme::NamespaceFacts& facts() const override { return facts_; }
  uint32_t nsid() const override { return nsid_; }
  uint32_t qpair_count() const override { return static_cast<uint32_t>(queues_.size()); }
  nvme::Qpair& qpair(uint32_t index) override { return queues_[index]->qpair(); }

 private:
  void attach() override;
  void detach() override;
  void queue_live(nvme::Qpair&) override {}
  void queue_stopped() override { stopped_ = true; }

  std::vector<nvme::PcieIoQueue*> queues_;
  nvme::NamespaceFacts facts_;
  uint32_t nsid_ = 1;
  bool stopped_ = false;
  ReactorCall end_call_;
  const std::string* end_reason_ = nullptr;
  std::atomic<uint32_t>* untold_ = nullptr;
};

}  // namespace capsuled::perf
