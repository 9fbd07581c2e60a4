// delay: another bdev, later: each operation ends some time after its base has done it.
// Manual: docs/reference/bdev/delay.md
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "bdev/bdev.h"
#include "bdev/bdev_kind.h"

namespace capsuled {

/// Of one type of operation; what is added to the time of the base, ns.
struct DelayTimes {
  uint64_t average_ns = 0;
  uint64_t jitter_ns = 0;  ///< uniform, up to so much more or less; at most the average
  uint64_t p99_ns = 0;     ///< of one operation in a hundred, chosen by chance; 0: no such ones

  bool none() const { return average_ns == 0 && p99_ns == 0; }
};

/// Indexed by BdevIoType.
using DelayTable = std::array<DelayTimes, kBdevIoTypeCount>;

struct DelayBdevOptions {
  std::string name;
  std::shared_ptr<BdevDesc> base;
  BdevAccess access = BdevAccess::ExclusiveWriter;
  DelayTable times{};
  uint64_t seed = 0;
};

std::unique_ptr<Bdev> make_delay_bdev(const DelayBdevOptions& options);

extern const BdevKind kDelayKind;

}  // namespace capsuled
