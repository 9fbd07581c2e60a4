// The kinds of bdev: one factory for all, by the name of the kind.
#pragma once

#include <cstdint>
#include <string>

#include "bdev/bdev_error.h"
#include "env/env.h"

namespace capsuled {

/// What a configuration says about one bdev. Which members a kind uses is in its manual; the others
/// keep their default.
struct BdevParameters {
  std::string name;
  std::string kind;         ///< "malloc", "null", "uring"
  uint64_t bytes = 0;       ///< 0: not given
  uint32_t block_size = 0;  ///< 0: the kind's default
  std::string path{};
  bool create = false;
  bool read_only = false;
  bool claim = true;           ///< of the file; false: beside who has it open
  uint32_t reactor_count = 1;  ///< of the process
};

/// Control or worker thread; may block. `field` of the error is the configuration key at fault.
BdevResult make_bdev(env::Env& env, const BdevParameters& parameters);

}  // namespace capsuled
