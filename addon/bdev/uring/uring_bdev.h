// uring: a file or block device through the reactor's own io_uring: O_DIRECT where the file system
// has it, discard by hole punching, Flush by fdatasync, Force Unit Access by RWF_DSYNC. What a host
// flushed is on the medium. Manual: docs/reference/bdev/uring.md
#pragma once

#include <cstdint>
#include <string>

#include "bdev/bdev.h"
#include "bdev/bdev_kind.h"
#include "env/env.h"

namespace capsuled {

struct UringBdevOptions {
  std::string name;
  std::string path;
  uint64_t bytes =
      0;  ///< 0: the size of the file; else the file must have exactly this size, or be created
  uint32_t block_size = 0;  ///< 0: 512, or what O_DIRECT needs if that is more
  bool create = false;
  bool read_only = false;
  bool claim = true;  ///< false: beside who has it open, to see whether it could be opened
};

/// Control or worker thread; may block. `env` outlives the bdev, which closes the file with it.
/// Errors name the path and what does not fit; their `field` is "path", "size", "block_size" or
/// "create".
BdevResult make_uring_bdev(env::Env& env, const UringBdevOptions& options);

extern const BdevKind kUringKind;

}  // namespace capsuled
