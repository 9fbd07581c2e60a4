// BdevKind: a kind of bdev: its name, and its factory. Each is a folder below this one, which has
// the constant: k, the folder's name with a capital letter, Kind.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bdev/base_reads.h"
#include "bdev/bdev_error.h"
#include "bdev/bdev_parameters.h"
#include "bdev/bdev_registry.h"
#include "bdev/shared_parts.h"
#include "env/env.h"

namespace capsuled {

/// What a factory finds.
struct BdevContext {
  env::Env& env;
  std::vector<Reactor*> reactors = {};  ///< of the process, by index; a test may have none
  bool claim = true;                    ///< of files and bases; false: beside who uses them
  /// By name: what it may stand on. Opened on the control thread, for this bdev alone.
  std::map<std::string, std::shared_ptr<BdevDesc>> bases = {};
  BaseReads* reads = nullptr;    ///< of the bases; never null where the kind reads some
  SharedParts* parts = nullptr;  ///< of the engine; null: it has everything for itself

  uint32_t reactor_count() const {
    return reactors.empty() ? 1 : static_cast<uint32_t>(reactors.size());
  }
};

struct BdevKind {
  const char* name;
  /// Control or worker thread; may block. Asks for all keys that it knows before it does anything,
  /// and ends with parameters.error() if there is one. `field` of an error is the key at fault.
  /// `qos`, which every kind has, was asked for (bdev_kinds.cc).
  BdevResult (*make)(const BdevContext& context, BdevParameters& parameters);
  /// Gives a bdev of this kind, which is open, those of `parameters` that can be changed then: keys
  /// with the effect `reload`. Control thread; never blocks. All of it or, with an error, nothing.
  /// Null: there are none that the engine is told of.
  std::optional<BdevError> (*change)(Bdev& bdev, BdevParameters& parameters) = nullptr;
};

}  // namespace capsuled
