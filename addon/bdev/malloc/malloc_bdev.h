// malloc: a RAM disk. The memory of the disk is mapped and not touched, so blocks that were never
// written cost nothing and read as zeros. Manual: docs/reference/bdev/malloc.md
//
// Several reactors read and write the same memory, and yet no block may tear. So the memory is
// divided into pages of 4 KiB (or of one block, if a block is larger), and whoever accesses a page
// holds the page's lock, one of a fixed number of spin locks (block_locks.h). A disk that one
// reactor alone uses has no locks. What a Read lends stays as it is: whoever writes a lent page
// writes to another place (disk_pages.h).
#pragma once

#include <cstdint>
#include <string>

#include "bdev/bdev.h"
#include "bdev/bdev_kind.h"
#include "env/env.h"

namespace capsuled {

struct MallocBdevOptions {
  std::string name;
  uint64_t bytes = 0;
  uint32_t block_size = 512;
  uint32_t reactor_count = 1;  ///< how many reactors will ever use the disk; 1: no locks
};

/// Any thread. Errors: a bad geometry; ENOMEM for `size`.
BdevResult make_malloc_bdev(env::Env& env, const MallocBdevOptions& options);

extern const BdevKind kMallocKind;

}  // namespace capsuled
