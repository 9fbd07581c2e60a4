#include "env/linux/linux_provided_buffers.h"

#include <sys/mman.h>

#include <bit>
#include <cerrno>

namespace capsuled::env {
namespace {

void* map(size_t bytes) {
  void* const base =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return base == MAP_FAILED ? nullptr : base;
}

}  // namespace

LinuxProvidedBuffers::LinuxProvidedBuffers(io_uring& ring, uint16_t group, uint32_t buffer_bytes,
                                           uint32_t count)
    : ring_(ring),
      group_(group),
      buffer_bytes_(buffer_bytes),
      count_(count),
      ring_entries_(std::bit_ceil(count)),
      taken_(count + 1u, false) {}

Result<std::unique_ptr<ProvidedBuffers>> LinuxProvidedBuffers::create(io_uring& ring,
                                                                      uint16_t group,
                                                                      uint32_t buffer_bytes,
                                                                      uint32_t count) {
  constexpr uint32_t kCountMax = 32768;  // the kernel's
  if (count == 0 || count > kCountMax || buffer_bytes == 0) {
    return Error{EINVAL, "expected 1 to 32768 receive buffers of at least a byte"};
  }
  std::unique_ptr<LinuxProvidedBuffers> buffers(
      new LinuxProvidedBuffers(ring, group, buffer_bytes, count));
  buffers->buffer_ring_ = static_cast<io_uring_buf_ring*>(map(buffers->ring_bytes()));
  buffers->memory_ = static_cast<std::byte*>(map(buffers->memory_bytes()));
  if (buffers->buffer_ring_ == nullptr || buffers->memory_ == nullptr) {
    return Error{ENOMEM, "cannot map memory for receive buffers"};
  }
  io_uring_buf_reg registration = {};
  registration.ring_addr = reinterpret_cast<uintptr_t>(buffers->buffer_ring_);
  registration.ring_entries = buffers->ring_entries_;
  registration.bgid = group;
  const int result = io_uring_register_buf_ring(&ring, &registration, 0);
  if (result < 0) return Error{-result, "cannot register receive buffers with io_uring"};
  buffers->registered_ = true;
  io_uring_buf_ring_init(buffers->buffer_ring_);
  for (uint32_t index = 0; index < count; ++index) buffers->give(static_cast<uint16_t>(index));
  return std::unique_ptr<ProvidedBuffers>(std::move(buffers));
}

LinuxProvidedBuffers::~LinuxProvidedBuffers() {
  // The kernel refuses this on another thread than the ring's. Then the registration ends with the
  // ring; until then the kernel holds the pages of the buffer ring by itself, so unmapping them
  // here does no harm.
  if (registered_) (void)io_uring_unregister_buf_ring(&ring_, group_);
  if (buffer_ring_ != nullptr) ASSERT(::munmap(buffer_ring_, ring_bytes()) == 0);
  if (memory_ != nullptr) ASSERT(::munmap(memory_, memory_bytes()) == 0);
}

std::byte* LinuxProvidedBuffers::at(uint16_t index) {
  ASSERT(index < taken_.size());
  return memory_ + size_t{index} * buffer_bytes_;
}

void LinuxProvidedBuffers::give(uint16_t index) {
  io_uring_buf_ring_add(buffer_ring_, at(index), buffer_bytes_, index,
                        io_uring_buf_ring_mask(ring_entries_), 0);
  // The kernel reads the tail first and then the entries before it. So the tail is stored with
  // release semantics: who sees the new tail sees the new entry.
  io_uring_buf_ring_advance(buffer_ring_, 1);
}

void LinuxProvidedBuffers::take(uint16_t index) {
  ASSERT(index < taken_.size());
  ASSERT_MSG(!taken_[index], "the kernel named a receive buffer twice");
  taken_[index] = true;
  if (index != eager_index()) ++taken_count_;
}

void LinuxProvidedBuffers::recycle(uint16_t index) {
  ASSERT(index < taken_.size());
  ASSERT_MSG(taken_[index], "a receive buffer recycled twice");
  taken_[index] = false;
  if (index == eager_index()) return;
  --taken_count_;
  give(index);
}

}  // namespace capsuled::env
