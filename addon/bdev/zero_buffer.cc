#include "bdev/zero_buffer.h"

#include <algorithm>

#include "base/assert.h"

namespace capsuled {

namespace {
// Not const, so that it lies in .bss and costs neither file size nor memory: the kernel maps its
// one page of zeros.
alignas(4096) std::byte zeros[kZeroBufferBytes];
}  // namespace

uint32_t zero_slice(uint64_t bytes, std::span<iovec> iov) {
  uint32_t used = 0;
  while (bytes > 0) {
    ASSERT(used < iov.size());
    const uint64_t length = std::min<uint64_t>(bytes, kZeroBufferBytes);
    iov[used++] = iovec{zeros, length};
    bytes -= length;
  }
  return used;
}

std::span<std::byte> zero_memory() { return zeros; }

}  // namespace capsuled
