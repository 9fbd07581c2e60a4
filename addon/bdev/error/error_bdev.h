// error: another bdev that fails as it is told to.
// Manual: docs/reference/bdev/error.md
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bdev/bdev.h"
#include "bdev/bdev_kind.h"

namespace capsuled {

enum class FaultAction : uint8_t {
  Status,   ///< ends with a status, and its base does not hear of it
  Hang,     ///< does not end
  Corrupt,  ///< reads or writes a byte that is wrong, with success
  Torn,     ///< writes the first half of its blocks, rounded down, with success
};

inline constexpr uint64_t kCertain = 1'000'000'000;

/// What goes wrong, and with which operations.
struct Fault {
  uint32_t types = 0;  ///< bits by BdevIoType
  uint64_t first_block = 0;
  uint64_t last_block = UINT64_MAX;  ///< operations without blocks are within any range
  FaultAction action = FaultAction::Status;
  BdevStatus status = BdevStatus::Failed;
  uint64_t probability = kCertain;  ///< parts of a billion
  uint64_t count_max = UINT64_MAX;  ///< of all reactors together, since it was set
};

struct ErrorBdevOptions {
  std::string name;
  std::shared_ptr<BdevDesc> base;
  BdevAccess access = BdevAccess::ExclusiveWriter;
  std::vector<Fault> faults;
  uint64_t seed = 0;
};

std::unique_ptr<Bdev> make_error_bdev(const ErrorBdevOptions& options);

extern const BdevKind kErrorKind;

}  // namespace capsuled
