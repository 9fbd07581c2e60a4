#include "bdev/compare_buffers.h"

#include <algorithm>

#include "base/assert.h"

namespace capsuled {

namespace {
constexpr size_t kPageBytes = 4096;
}

uint32_t CompareBuffers::get(uint32_t bytes, IoBuffers& buffers) {
  if (pool_.try_get_spare(bytes, buffers)) return bytes;
  if (reserve_taken_) return 0;
  if (reserve_ == nullptr) reserve_.reset(std::aligned_alloc(kPageBytes, kCompareReserveBytes));
  ASSERT_MSG(reserve_ != nullptr, "out of memory");
  reserve_taken_ = true;
  buffers.bytes = std::min(bytes, kCompareReserveBytes);
  buffers.count = 1;
  buffers.iov[0] = iovec{reserve_.get(), buffers.bytes};
  return buffers.bytes;
}

void CompareBuffers::put(IoBuffers& buffers) {
  if (buffers.iov[0].iov_base != reserve_.get() || reserve_ == nullptr)
    return pool_.put_spare(buffers);
  ASSERT(reserve_taken_);
  reserve_taken_ = false;
  buffers = IoBuffers{};
}

}  // namespace capsuled
