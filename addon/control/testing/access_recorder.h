// AccessRecorder: which cache lines each reactor's thread reads and writes.
//
// The compiler is told to build for the thread sanitizer (-fsanitize=thread), so that each access
// to memory calls a function of it, and these definitions stand in for the sanitizer's run-time.
// What the C library does by itself is not seen, nor what the kernel does.
//
// Definitions, not declarations: included by the one source of a program. The names are the
// compiler's. Nothing here may be instrumented itself, and so it calls nothing that is.
#pragma once

#include <sys/mman.h>
#include <sys/prctl.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#define CAPSULED_NOT_RECORDED __attribute__((disable_sanitizer_instrumentation))

namespace capsuled::control::testing {

inline constexpr size_t kCacheLineBytes = 64;
inline constexpr uint32_t kRecordedReactorsMax = 4;

/// A cache line that one thread used, and from where it did so first (null: it did not).
struct UsedLine {
  uintptr_t address;
  const void* written_at;
  const void* read_at;
};

/// Open addressing; a zero address is a free slot.
struct LineTable {
  static constexpr size_t kSlotCount = size_t{1} << 19;
  UsedLine* slots;
  size_t used;
};

inline LineTable line_tables[kRecordedReactorsMax];
inline bool recording = false;
inline constexpr int kUnknownThread = -2;
inline constexpr int kOtherThread = -1;
inline thread_local int recorded_thread = kUnknownThread;

/// The reactor whose thread this is, by its name.
CAPSULED_NOT_RECORDED inline int find_recorded_thread() {
  char name[16] = {};
  ::prctl(PR_GET_NAME, name);
  constexpr char kPrefix[] = "reactor-";
  for (size_t index = 0; index + 1 < sizeof(kPrefix); ++index) {
    if (name[index] != kPrefix[index]) return kOtherThread;
  }
  const int reactor = name[sizeof(kPrefix) - 1] - '0';
  return reactor >= 0 && reactor < static_cast<int>(kRecordedReactorsMax) ? reactor : kOtherThread;
}

CAPSULED_NOT_RECORDED inline void record(const volatile void* address, size_t bytes, bool write,
                                         const void* from) {
  // Relaxed: what is recorded a little too early or late is of the same kind.
  if (bytes == 0 || !__atomic_load_n(&recording, __ATOMIC_RELAXED)) return;
  if (recorded_thread == kUnknownThread) recorded_thread = find_recorded_thread();
  if (recorded_thread < 0) return;
  LineTable& table = line_tables[recorded_thread];
  const uintptr_t begin = reinterpret_cast<uintptr_t>(address) / kCacheLineBytes;
  const uintptr_t last = (reinterpret_cast<uintptr_t>(address) + bytes - 1) / kCacheLineBytes;
  for (uintptr_t line = begin; line <= last; ++line) {
    size_t slot = (line * 0x9e3779b97f4a7c15u) >> 45;  // 19 bits
    while (table.slots[slot].address != 0 && table.slots[slot].address != line * kCacheLineBytes) {
      slot = (slot + 1) % LineTable::kSlotCount;
    }
    UsedLine& used = table.slots[slot];
    if (used.address == 0) {
      if (++table.used > LineTable::kSlotCount / 2) ::abort();
      used.address = line * kCacheLineBytes;
    }
    const void*& first = write ? used.written_at : used.read_at;
    if (first == nullptr) first = from;
  }
}

/// Before any thread records.
CAPSULED_NOT_RECORDED inline void prepare_recording() {
  for (LineTable& table : line_tables) {
    void* const memory =
        ::mmap(nullptr, LineTable::kSlotCount * sizeof(UsedLine), PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) ::abort();
    table.slots = static_cast<UsedLine*>(memory);
  }
}

CAPSULED_NOT_RECORDED inline void set_recording(bool on) {
  __atomic_store_n(&recording, on, __ATOMIC_SEQ_CST);
}

/// What `reactor` did with the line at `address`; null: nothing. Nobody records.
CAPSULED_NOT_RECORDED inline const UsedLine* find_line(uint32_t reactor, uintptr_t address) {
  const LineTable& table = line_tables[reactor];
  size_t slot = (address / kCacheLineBytes * 0x9e3779b97f4a7c15u) >> 45;
  for (; table.slots[slot].address != 0; slot = (slot + 1) % LineTable::kSlotCount) {
    if (table.slots[slot].address == address) return &table.slots[slot];
  }
  return nullptr;
}

}  // namespace capsuled::control::testing

// ---- What the compiler calls -------------------------------------------------------------------

#define CAPSULED_FROM __builtin_return_address(0)
#define CAPSULED_RECORD(address, bytes, write) \
  capsuled::control::testing::record(address, bytes, write, CAPSULED_FROM)

#define CAPSULED_ACCESS(name, bytes, write)                 \
  CAPSULED_NOT_RECORDED void __tsan_##name(void* address) { \
    CAPSULED_RECORD(address, bytes, write);                 \
  }
#define CAPSULED_ACCESSES(bytes)                       \
  CAPSULED_ACCESS(read##bytes, bytes, false)           \
  CAPSULED_ACCESS(write##bytes, bytes, true)           \
  CAPSULED_ACCESS(unaligned_read##bytes, bytes, false) \
  CAPSULED_ACCESS(unaligned_write##bytes, bytes, true)

#define CAPSULED_MODIFY(bits, name, operation)                       \
  CAPSULED_NOT_RECORDED uint##bits##_t __tsan_atomic##bits##_##name( \
      volatile uint##bits##_t* address, uint##bits##_t value, int) { \
    CAPSULED_RECORD(address, sizeof(value), true);                   \
    return operation(address, value, __ATOMIC_SEQ_CST);              \
  }
#define CAPSULED_ATOMICS(bits)                                                                \
  CAPSULED_NOT_RECORDED uint##bits##_t __tsan_atomic##bits##_load(                            \
      const volatile uint##bits##_t* address, int) {                                          \
    CAPSULED_RECORD(address, bits / 8, false);                                                \
    return __atomic_load_n(address, __ATOMIC_SEQ_CST);                                        \
  }                                                                                           \
  CAPSULED_NOT_RECORDED void __tsan_atomic##bits##_store(volatile uint##bits##_t* address,    \
                                                         uint##bits##_t value, int) {         \
    CAPSULED_RECORD(address, bits / 8, true);                                                 \
    __atomic_store_n(address, value, __ATOMIC_SEQ_CST);                                       \
  }                                                                                           \
  CAPSULED_MODIFY(bits, exchange, __atomic_exchange_n)                                        \
  CAPSULED_MODIFY(bits, fetch_add, __atomic_fetch_add)                                        \
  CAPSULED_MODIFY(bits, fetch_sub, __atomic_fetch_sub)                                        \
  CAPSULED_MODIFY(bits, fetch_and, __atomic_fetch_and)                                        \
  CAPSULED_MODIFY(bits, fetch_or, __atomic_fetch_or)                                          \
  CAPSULED_MODIFY(bits, fetch_xor, __atomic_fetch_xor)                                        \
  CAPSULED_NOT_RECORDED uint##bits##_t __tsan_atomic##bits##_compare_exchange_val(            \
      volatile uint##bits##_t* address, uint##bits##_t expected, uint##bits##_t desired, int, \
      int) {                                                                                  \
    CAPSULED_RECORD(address, bits / 8, true);                                                 \
    __atomic_compare_exchange_n(address, &expected, desired, false, __ATOMIC_SEQ_CST,         \
                                __ATOMIC_SEQ_CST);                                            \
    return expected;                                                                          \
  }

// NOLINTBEGIN(bugprone-reserved-identifier)
extern "C" {

CAPSULED_NOT_RECORDED void __tsan_init() {}
CAPSULED_NOT_RECORDED void __tsan_func_entry(void*) {}
CAPSULED_NOT_RECORDED void __tsan_func_exit() {}
CAPSULED_NOT_RECORDED void __tsan_vptr_read(void** address) {
  CAPSULED_RECORD(address, sizeof(void*), false);
}
CAPSULED_NOT_RECORDED void __tsan_vptr_update(void** address, void*) {
  CAPSULED_RECORD(address, sizeof(void*), true);
}
CAPSULED_NOT_RECORDED void __tsan_atomic_thread_fence(int) {
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
}
CAPSULED_NOT_RECORDED void __tsan_atomic_signal_fence(int) {}
CAPSULED_ACCESSES(1)
CAPSULED_ACCESSES(2)
CAPSULED_ACCESSES(4)
CAPSULED_ACCESSES(8)
CAPSULED_ACCESSES(16)
CAPSULED_ATOMICS(8)
CAPSULED_ATOMICS(16)
CAPSULED_ATOMICS(32)
CAPSULED_ATOMICS(64)
CAPSULED_NOT_RECORDED void* __tsan_memcpy(void* to, const void* from, size_t bytes) {
  CAPSULED_RECORD(from, bytes, false);
  CAPSULED_RECORD(to, bytes, true);
  return std::memcpy(to, from, bytes);
}
CAPSULED_NOT_RECORDED void* __tsan_memmove(void* to, const void* from, size_t bytes) {
  CAPSULED_RECORD(from, bytes, false);
  CAPSULED_RECORD(to, bytes, true);
  return std::memmove(to, from, bytes);
}
CAPSULED_NOT_RECORDED void* __tsan_memset(void* to, int value, size_t bytes) {
  CAPSULED_RECORD(to, bytes, true);
  return std::memset(to, value, bytes);
}

}  // extern "C"
// NOLINTEND(bugprone-reserved-identifier)
