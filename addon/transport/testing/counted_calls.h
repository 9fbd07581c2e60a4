// Counts what a program moves, clears, sums and allocates, by standing in for the functions that do
// it. How many instructions those take depends on the processor, for the C library and ISA-L choose
// by it; how many bytes they are given does not.
//
// Definitions, not declarations: included by the one source of a program. The names are in no
// namespace; bench/instructions.ts knows them. What the compiler puts in line (small copies of
// known size) is counted as instructions instead.
#pragma once

#include <dlfcn.h>
#include <isa-l/crc.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

#include "base/assert.h"

namespace capsuled::transport::bench {

struct CallCounts {
  std::atomic<bool> on = false;  ///< else nothing is counted
  std::atomic<uint64_t> bytes_copied = 0;
  std::atomic<uint64_t> bytes_cleared = 0;
  std::atomic<uint64_t> bytes_summed = 0;
  std::atomic<uint64_t> allocations = 0;
};
inline CallCounts call_counts;

/// The function that is stood in for.
template <typename Function>
Function* next_of(const char* name) {
  void* const found = ::dlsym(RTLD_NEXT, name);
  ASSERT_MSG(found != nullptr, name);
  return reinterpret_cast<Function*>(found);
}

inline void add(std::atomic<uint64_t>& count, uint64_t amount) {
  if (!call_counts.on.load(std::memory_order_relaxed)) return;
  count.fetch_add(amount, std::memory_order_relaxed);
}

}  // namespace capsuled::transport::bench

extern "C" {

void* memcpy(void* to, const void* from, size_t bytes) noexcept {
  using namespace capsuled::transport::bench;
  static auto* const next = next_of<void*(void*, const void*, size_t)>("memcpy");
  add(call_counts.bytes_copied, bytes);
  return next(to, from, bytes);
}

void* memmove(void* to, const void* from, size_t bytes) noexcept {
  using namespace capsuled::transport::bench;
  static auto* const next = next_of<void*(void*, const void*, size_t)>("memmove");
  add(call_counts.bytes_copied, bytes);
  return next(to, from, bytes);
}

void* memset(void* at, int value, size_t bytes) noexcept {
  using namespace capsuled::transport::bench;
  static auto* const next = next_of<void*(void*, int, size_t)>("memset");
  add(call_counts.bytes_cleared, bytes);
  return next(at, value, bytes);
}

unsigned crc32_iscsi(unsigned char* at, int bytes, unsigned crc) {
  using namespace capsuled::transport::bench;
  add(call_counts.bytes_summed, static_cast<uint64_t>(bytes));
  // The one that every processor can run: it is not the sums that are measured.
  return crc32_iscsi_base(at, bytes, crc);
}

}  // extern "C"

// Not in line, where the compiler would find the two to be of different kinds.
[[gnu::noinline]] void* operator new(size_t bytes) {
  using namespace capsuled::transport::bench;
  add(call_counts.allocations, 1);
  void* const at = std::malloc(bytes);
  ASSERT_MSG(at != nullptr, "out of memory");
  return at;
}

[[gnu::noinline]] void operator delete(void* at) noexcept { std::free(at); }
[[gnu::noinline]] void operator delete(void* at, size_t) noexcept { std::free(at); }
