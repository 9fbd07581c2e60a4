// ReactorStats: counters of one reactor, written by its thread alone and read by the control thread
// without locks. A plain array of 64-bit words, so that JavaScript can read it as a BigUint64Array;
// kReactorStatNames has the order.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace capsuled {

struct alignas(64) ReactorStats {
  uint64_t busy_ns = 0;
  uint64_t idle_ns = 0;
  uint64_t iterations = 0;
  uint64_t sleeps = 0;
  uint64_t messages = 0;
  uint64_t stalls = 0;
  uint64_t stall_longest_ns = 0;
  uint64_t small_buffers_free = 0;
  uint64_t small_buffers_used = 0;
  uint64_t large_buffers_free = 0;
  uint64_t large_buffers_used = 0;
  uint64_t requests_free = 0;
  uint64_t requests_used = 0;
  uint64_t missed_ns = 0;
};

inline constexpr std::array kReactorStatNames = {
    "busy_ns",
    "idle_ns",
    "iterations",
    "sleeps",
    "messages",
    "stalls",
    "stall_longest_ns",
    "small_buffers_free",
    "small_buffers_used",
    "large_buffers_free",
    "large_buffers_used",
    "requests_free",
    "requests_used",
    "missed_ns",
};
static_assert(std::atomic_ref<uint64_t>::is_always_lock_free);

/// The reactor's thread: sets a word of its statistics, ReactorStats or others.
inline void set_stat(uint64_t& word, uint64_t value) {
  // Relaxed: a word by itself says something; readers expect no order between words.
  std::atomic_ref<uint64_t>(word).store(value, std::memory_order_relaxed);
}

/// The reactor's thread: adds to a word of its statistics. No locked instruction: it is the only
/// writer.
inline void add_stat(uint64_t& word, uint64_t amount) {
#if defined(__x86_64__) && !defined(__clang__) && !defined(__SANITIZE_THREAD__) && \
    !defined(__SANITIZE_ADDRESS__)
  // Commands count a dozen words each. GCC makes three instructions of an atomic load, an addition
  // and an atomic store; this one stores an aligned word whole, too. Not where a compiler is to
  // watch the stores: the sanitizers, and sharing_bench and the fuzz targets, which are Clang's.
  asm("addq %1, %0" : "+m"(word) : "er"(amount) : "cc");
#else
  set_stat(word, word + amount);
#endif
}

/// As set_stat(), for a word that says that the words written before it are there.
inline void publish_stat(uint64_t& word, uint64_t value) {
  // Release: pairs with the acquire in read_published_stat().
  std::atomic_ref<uint64_t>(word).store(value, std::memory_order_release);
}

/// Any thread: reads a word.
inline uint64_t read_stat(uint64_t& word) {
  // Relaxed: see set_stat().
  return std::atomic_ref<uint64_t>(word).load(std::memory_order_relaxed);
}

/// Any thread: reads such a word, before the words that it says are there.
inline uint64_t read_published_stat(uint64_t& word) {
  // Acquire: pairs with the release in publish_stat().
  return std::atomic_ref<uint64_t>(word).load(std::memory_order_acquire);
}

static_assert(offsetof(ReactorStats, missed_ns) ==
                  (kReactorStatNames.size() - 1) * sizeof(uint64_t),
              "the last word has the last name; what follows it is padding");

}  // namespace capsuled
