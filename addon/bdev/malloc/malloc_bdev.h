// malloc: a RAM disk. Its memory is mapped, not touched: blocks never written cost nothing and read
// as zeros. Manual: docs/reference/bdev/malloc.md
//
// Several reactors read and write the same memory. A block never tears: the memory is divided into
// units of 4 KiB (or of a block, if that is larger), and every access holds its unit's lock, one of
// a fixed number of spin locks (block_locks.h). With one reactor there are no locks.
#pragma once

#include <cstdint>
#include <string>

#include "bdev/bdev.h"
#include "env/env.h"

namespace capsuled {

struct MallocBdevOptions {
  std::string name;
  uint64_t bytes = 0;
  uint32_t block_size = 512;
  uint32_t reactor_count = 0;  ///< that will ever use it; 1 does without locks, 0: not known
};

/// Any thread. Errors: the geometry; ENOMEM for `size`.
BdevResult make_malloc_bdev(env::Env& env, const MallocBdevOptions& options);

}  // namespace capsuled
