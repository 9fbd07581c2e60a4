// FaultTable: the faults of a bdev, and how often each may still strike. The table of one
// configuration; another has another table, which counts anew.
//
// Thread: any reactor; the counts are shared.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/prng.h"
#include "bdev/bdev_io.h"
#include "bdev/error/error_bdev.h"

namespace capsuled {

class FaultTable {
 public:
  explicit FaultTable(std::vector<Fault> faults);

  /// The first fault that strikes `io`, counted; null: none does.
  const Fault* strike(const BdevIo& io, Prng& prng) const;
  bool may_hang() const { return may_hang_; }
  /// Whether a fault lets operations such as `io` hang, by chance or not.
  bool hangs(const BdevIo& io) const;

 private:
  struct Counted {
    explicit Counted(const Fault& of) : fault(of), left(of.count_max) {}
    Fault fault;
    mutable std::atomic<uint64_t> left;
  };
  static bool matches(const Fault& fault, const BdevIo& io);

  std::vector<std::unique_ptr<Counted>> faults_;
  bool may_hang_ = false;
};

}  // namespace capsuled
