// Memory that a pool has and nobody else: with the address sanitizer, whoever touches it is told
// of. Without it, these are nothing.
#pragma once

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#define CAPSULED_POISONS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CAPSULED_POISONS 1
#endif
#endif

#if defined(CAPSULED_POISONS)
#include <sanitizer/asan_interface.h>
#endif

namespace capsuled {

/// Nobody may touch these bytes until unpoison(). `address`: aligned to 8.
inline void poison([[maybe_unused]] const void* address, [[maybe_unused]] size_t bytes) {
#if defined(CAPSULED_POISONS)
  __asan_poison_memory_region(address, bytes);
#endif
}

/// Before they are given to somebody, or to the system.
inline void unpoison([[maybe_unused]] const void* address, [[maybe_unused]] size_t bytes) {
#if defined(CAPSULED_POISONS)
  __asan_unpoison_memory_region(address, bytes);
#endif
}

}  // namespace capsuled
