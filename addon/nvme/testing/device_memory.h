// DeviceMemory: what a controller made of software reaches of the process's memory: what the
// registry knows, by addresses of the device's own, so that whoever gives it another address is
// found out.
//
// Owner: a SoftwareController. Thread: the registry's callers fill it; the controller's reads.
#pragma once

#include <cstddef>
#include <span>

#include "env/dma_map.h"
#include "env/memory_registry.h"

namespace capsuled::nvme::testing {

class DeviceMemory final : public env::MemoryWatcher {
 public:
  explicit DeviceMemory(env::MemoryRegistry& registry) : registry_(registry) {
    registry_.watch(*this);
  }
  ~DeviceMemory() { registry_.unwatch(*this); }
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;

  const env::DmaMap& map() const { return map_; }
  /// Memory is refused from here on, as if too much was pinned.
  void refuse_more() { refuses_ = true; }

  /// The bytes at an address of the device. Asserts that it may reach all of them: a driver that
  /// gives it anything else would overwrite memory, or let others read it.
  std::span<std::byte> at(env::DmaAddress address, size_t bytes) {
    const env::DmaTable& table = table_.get();
    for (const env::DmaRange& range : table.ranges()) {
      const uint64_t offset = address - range.address;  // wraps below
      if (offset < range.bytes && bytes <= range.bytes - offset) {
        return {const_cast<std::byte*>(range.base) + offset, bytes};
      }
    }
    ASSERT_MSG(false, "a device was given memory that it may not reach");
    return {};
  }

  void memory_added(const env::MemoryRange& range) override {
    if (refuses_) return;
    now_.add({range.base, range.bytes, next_});
    // With a gap, so that nothing runs from one range into another.
    next_ += (range.bytes + 2 * kGapBytes - 1) / kGapBytes * kGapBytes;
    map_.set(now_);
  }
  void memory_removed(const env::MemoryRange& range) override {
    if (now_.find(range.base, range.bytes) == nullptr) return;
    now_.remove(range.base);
    map_.set(now_);
  }

 private:
  static constexpr uint64_t kGapBytes = uint64_t{2} * 1024 * 1024;

  env::MemoryRegistry& registry_;
  env::DmaTable now_;
  env::DmaMap map_{env::DmaTable{}};
  env::DmaMap::Copy table_{map_};
  env::DmaAddress next_ = kGapBytes;
  bool refuses_ = false;
};

}  // namespace capsuled::nvme::testing
