#include "bdev/spare_buffers.h"

#include <algorithm>

#include "base/assert.h"

namespace capsuled {

namespace {
constexpr size_t kPageBytes = 4096;
}

SpareBuffers::SpareBuffers(BufferPool& pool, uint32_t reserve_bytes)
    : pool_(pool),
      reserve_bytes_(reserve_bytes),
      reserve_(std::aligned_alloc(kPageBytes, reserve_bytes)) {
  ASSERT_MSG(reserve_ != nullptr, "out of memory");
}

SpareBuffers::~SpareBuffers() { ASSERT(!reserve_taken_ && held_.none()); }

uint32_t SpareBuffers::get(uint32_t bytes, IoBuffers& buffers) {
  if (pool_.try_get_spare(bytes, buffers, held_)) return bytes;
  if (reserve_taken_) return 0;
  reserve_taken_ = true;
  buffers.bytes = std::min(bytes, reserve_bytes_);
  buffers.count = 1;
  buffers.iov[0] = iovec{reserve_.get(), buffers.bytes};
  return buffers.bytes;
}

void SpareBuffers::put(IoBuffers& buffers) {
  if (buffers.iov[0].iov_base != reserve_.get()) return pool_.put_spare(buffers, held_);
  ASSERT(reserve_taken_);
  reserve_taken_ = false;
  buffers = IoBuffers{};
}

}  // namespace capsuled
