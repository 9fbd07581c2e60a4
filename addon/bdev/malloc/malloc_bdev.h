// malloc: a RAM disk. Its memory is mapped, not touched: blocks never written cost nothing and read as zeros.
// Manual: docs/reference/bdev/malloc.md
#pragma once

#include <memory>

#include "bdev/bdev.h"
#include "env/env.h"

namespace capsuled {

struct MallocBdevOptions {
  std::string name;
  uint64_t bytes = 0;
  uint32_t block_size = 512;
};

/// EINVAL: size not a multiple of the block size; ENOMEM.
Result<std::unique_ptr<Bdev>> make_malloc_bdev(env::Env& env, const MallocBdevOptions& options);

}  // namespace capsuled
