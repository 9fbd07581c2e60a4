#include "bdev/error/fault_table.h"

#include <algorithm>

namespace capsuled {

FaultTable::FaultTable(std::vector<Fault> faults) {
  for (const Fault& fault : faults) {
    faults_.push_back(std::make_unique<Counted>(fault));
    may_hang_ = may_hang_ || fault.action == FaultAction::Hang;
  }
}

bool FaultTable::matches(const Fault& fault, const BdevIo& io) {
  if ((fault.types >> static_cast<uint32_t>(io.type) & 1) == 0) return false;
  if (io.count_blocks == 0) return true;
  return io.offset_blocks <= fault.last_block &&
         io.offset_blocks + io.count_blocks - 1 >= fault.first_block;
}

const Fault* FaultTable::strike(const BdevIo& io, Prng& prng) const {
  for (const auto& counted : faults_) {
    const Fault& fault = counted->fault;
    if (!matches(fault, io)) continue;
    if (fault.probability < kCertain && !prng.chance(fault.probability, kCertain)) continue;
    if (fault.count_max == UINT64_MAX) return &fault;
    // Relaxed: only the number of strikes counts.
    uint64_t left = counted->left.load(std::memory_order_relaxed);
    while (left > 0) {
      if (counted->left.compare_exchange_weak(left, left - 1, std::memory_order_relaxed)) {
        return &fault;
      }
    }
  }
  return nullptr;
}

bool FaultTable::hangs(const BdevIo& io) const {
  return std::ranges::any_of(faults_, [&](const auto& counted) {
    return counted->fault.action == FaultAction::Hang && matches(counted->fault, io);
  });
}

}  // namespace capsuled
