#include "bdev/malloc/disk_memory.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include <cstdint>
#include <cstring>

namespace capsuled {

namespace {

constexpr size_t kLineBytes = 64;

#ifdef __SSE2__
/// `to` is aligned to lines. The function is never inlined, because bench/instructions.ts finds
/// copies by the names of functions, and sets them apart.
[[gnu::noinline]] void stream_lines(std::byte* to, const std::byte* from, size_t lines) {
  const auto* source = reinterpret_cast<const __m128i*>(from);
  auto* target = reinterpret_cast<__m128i*>(to);
  for (; lines > 0; --lines, source += 4, target += 4) {
    const __m128i first = _mm_loadu_si128(source);
    const __m128i second = _mm_loadu_si128(source + 1);
    const __m128i third = _mm_loadu_si128(source + 2);
    const __m128i fourth = _mm_loadu_si128(source + 3);
    _mm_stream_si128(target, first);
    _mm_stream_si128(target + 1, second);
    _mm_stream_si128(target + 2, third);
    _mm_stream_si128(target + 3, fourth);
  }
  // The processor may make such stores visible after later ones, even after the one that releases
  // a lock. The fence makes them visible before all that follows.
  _mm_sfence();
}
#endif

/// Never inlined, because bench/instructions.ts finds copies by the names of functions, and counts
/// this function as one.
[[gnu::noinline]] void prefetch_lines(const std::byte* at, size_t lines) {
  constexpr int kToRead = 0;
  constexpr int kSecondCache = 2;
  for (; lines > 0; --lines, at += kLineBytes) __builtin_prefetch(at, kToRead, kSecondCache);
  // A compiler may drop the calls of a function that changes nothing; this line forbids that.
  asm volatile("" : : "r"(at) : "memory");
}

}  // namespace

void prefetch_disk(const std::byte* at, size_t bytes) {
  prefetch_lines(at, (bytes + kLineBytes - 1) / kLineBytes);
}

void copy_to_disk(std::byte* to, const std::byte* from, size_t bytes) {
#ifdef __SSE2__
  if (reinterpret_cast<uintptr_t>(to) % kLineBytes == 0) {
    const size_t streamed = bytes - bytes % kLineBytes;
    stream_lines(to, from, streamed / kLineBytes);
    to += streamed;
    from += streamed;
    bytes -= streamed;
  }
#endif
  if (bytes > 0) std::memcpy(to, from, bytes);
}

}  // namespace capsuled
