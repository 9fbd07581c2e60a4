#include "perf/pcie_load_path.h"

#include <algorithm>

namespace capsuled::perf {

void PcieLoadPath::set_facts(const nvme::NamespaceFacts& facts, uint32_t nsid) {
  facts_ = facts;
  facts_.transfer_bytes_max =
      std::min(facts.transfer_bytes_max, nvme::PcieQpair::kTransferBytesMax);
  nsid_ = nsid;
}

void PcieLoadPath::attach() {
  for (nvme::PcieIoQueue* const queue : queues_) queue->attach(*this);
}

void PcieLoadPath::detach() {
  for (nvme::PcieIoQueue* const queue : queues_) queue->detach();
}

void PcieLoadPath::tell_end(Reactor& home, const std::string& reason,
                            std::atomic<uint32_t>& untold) {
  end_reason_ = &reason;
  untold_ = &untold;
  end_call_.start(
      home, reactor(),
      [](Reactor&, void* argument) {
        auto& self = *static_cast<PcieLoadPath*>(argument);
        if (!self.end_reason_->empty()) self.lost(*self.end_reason_);
        // Release: the target goes away when it sees this, and what happened here came before.
        self.untold_->fetch_sub(1, std::memory_order_release);
      },
      this);
}

}  // namespace capsuled::perf
