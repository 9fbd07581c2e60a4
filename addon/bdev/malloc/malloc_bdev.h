// malloc: a RAM disk. Its memory is mapped, not touched: blocks never written cost nothing and read
// as zeros. Manual: docs/reference/bdev/malloc.md
//
// Several reactors read and write the same memory. A block never tears: the memory is divided into
// pages of 4 KiB (or of a block, if that is larger), and every access holds its page's lock, one of
// a fixed number of spin locks (block_locks.h). With one reactor there are no locks. What a Read
// lends stays as it is: whoever writes it meanwhile writes to another place (disk_pages.h).
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
  uint32_t reactor_count = 1;  ///< that will ever use it; 1 does without locks
};

/// Any thread. Errors: the geometry; ENOMEM for `size`.
BdevResult make_malloc_bdev(env::Env& env, const MallocBdevOptions& options);

}  // namespace capsuled
