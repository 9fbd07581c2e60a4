// BdevKind: a kind of bdev: its name, and its factory. Each is a folder below this one, which has
// the constant: k, the folder's name with a capital letter, Kind.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "bdev/bdev_error.h"
#include "bdev/bdev_parameters.h"
#include "bdev/bdev_registry.h"
#include "env/env.h"

namespace capsuled {

/// What a factory finds.
struct BdevContext {
  env::Env& env;
  uint32_t reactor_count = 1;  ///< of the process
  bool claim = true;           ///< of files and bases; false: beside who uses them
  /// By name: what it may stand on. Opened on the control thread, for this bdev alone.
  std::map<std::string, std::shared_ptr<BdevDesc>> bases = {};
};

struct BdevKind {
  const char* name;
  /// Control or worker thread; may block. Asks for all keys that it knows before it does anything,
  /// and ends with parameters.error() if there is one. `field` of an error is the key at fault.
  BdevResult (*make)(const BdevContext& context, BdevParameters& parameters);
};

}  // namespace capsuled
