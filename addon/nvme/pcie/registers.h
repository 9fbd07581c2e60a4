// Registers: the memory-mapped registers of a controller on PCI Express, and memory that it writes
// while we look.
//
// Each access is one load or store of its whole width, made where it is written, once. That is what
// these functions are for: a plain access may be split, joined or left out.
//
// The order in which a device sees what we do is the order that matters. On x86 loads and stores
// are seen in the order of the program, but for a load that stands behind a store; on AArch64 in
// none, and a barrier must reach the device, which is outside of the processors ("osh").
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/assert.h"
#include "wire/registers.h"

namespace capsuled::nvme {

/// A store that a device, or a driver, sees only after all loads and stores before it.
template <typename T>
inline void store_release(volatile T* at, T value) {
#if defined(__aarch64__)
  asm volatile("dmb osh" ::: "memory");
#endif
  __atomic_store_n(at, value, __ATOMIC_RELEASE);
}

/// A load that is made before all loads and stores behind it.
template <typename T>
inline T load_acquire(const volatile T* at) {
  const T value = __atomic_load_n(at, __ATOMIC_ACQUIRE);
#if defined(__aarch64__)
  asm volatile("dmb osh" ::: "memory");
#endif
  return value;
}

/// Every load behind it is made after all stores before it can be seen.
inline void device_fence() {
#if defined(__aarch64__)
  asm volatile("dmb osh" ::: "memory");
#elif defined(__x86_64__)
  asm volatile("mfence" ::: "memory");
#else
#error "which barrier a device sees is not known here"
#endif
}

class Registers {
 public:
  Registers() = default;
  Registers(volatile std::byte* base, size_t bytes) : base_(base), bytes_(bytes) {}

  uint32_t get32(uint32_t offset) const { return __atomic_load_n(at32(offset), __ATOMIC_RELAXED); }
  /// As two halves, the lower one first: not every controller takes 64 bits at once (NVMe over PCIe
  /// 1.1, 3.1.1).
  uint64_t get64(uint32_t offset) const {
    const uint64_t low = get32(offset);
    return low | uint64_t{get32(offset + 4)} << 32;
  }
  void set32(uint32_t offset, uint32_t value) const {
    __atomic_store_n(at32(offset), value, __ATOMIC_RELAXED);
  }
  void set64(uint32_t offset, uint64_t value) const {
    set32(offset, static_cast<uint32_t>(value));
    set32(offset + 4, static_cast<uint32_t>(value >> 32));
  }
  uint32_t get32(wire::Property which) const { return get32(static_cast<uint32_t>(which)); }
  uint64_t get64(wire::Property which) const { return get64(static_cast<uint32_t>(which)); }
  void set32(wire::Property which, uint32_t value) const {
    set32(static_cast<uint32_t>(which), value);
  }
  void set64(wire::Property which, uint64_t value) const {
    set64(static_cast<uint32_t>(which), value);
  }
  size_t bytes() const { return bytes_; }
  /// For who writes one again and again, such as a doorbell.
  volatile uint32_t* at32(uint32_t offset) const {
    ASSERT(offset % 4 == 0 && offset + 4 <= bytes_);
    return reinterpret_cast<volatile uint32_t*>(base_ + offset);
  }

 private:
  volatile std::byte* base_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace capsuled::nvme
