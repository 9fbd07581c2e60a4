// VfioSpace: a VFIO container: the addresses by which devices reach our memory. All devices of the
// process share it, so memory is pinned once.
//
// Memory is mapped as the registry comes to know it: at its own address where the IOMMU has that
// one, since nothing is easier to translate and to debug; else at the lowest that is free. What
// cannot be mapped, because too much is pinned, stays unknown to devices.
//
// Owner: VfioGroups. Thread: any, one call at a time; maps are read by
// reactors.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "base/result.h"
#include "env/dma_map.h"
#include "env/linux/descriptor.h"
#include "env/memory_registry.h"

namespace capsuled::env {

/// Addresses of devices, from `first` to `last`, both included.
struct DmaSpan {
  uint64_t first = 0;
  uint64_t last = 0;
};

/// Gives out addresses of whole pages.
class DmaAddresses {
 public:
  explicit DmaAddresses(std::vector<DmaSpan> spans) : spans_(std::move(spans)) {}

  /// The address `wanted` if it is free and there is one, else the lowest that is; kNoDmaAddress:
  /// there is none for so many bytes. Address 0 is nobody's: drivers take it for none.
  DmaAddress take(DmaAddress wanted, uint64_t bytes);
  void give_back(DmaAddress address);

 private:
  bool is_free(uint64_t first, uint64_t bytes) const;

  const std::vector<DmaSpan> spans_;
  std::map<uint64_t, uint64_t> taken_;  // bytes by address
};

class VfioSpace final : public MemoryWatcher {
 public:
  /// A container without a group. Errors say what is missing: the module, a right.
  static Result<std::unique_ptr<VfioSpace>> open(MemoryRegistry& registry);
  ~VfioSpace();
  VfioSpace(const VfioSpace&) = delete;
  VfioSpace& operator=(const VfioSpace&) = delete;

  int fd() const { return fd_.get(); }
  /// When it has its first group the container gets its IOMMU, and all memory is mapped; nothing
  /// after that. Whoever has it destroys it before its last group is closed.
  Result<void> set_up();
  const DmaMap& map() const { return map_; }
  /// Why some of the memory that there is could not be mapped, an errno value; 0: all could. Any
  /// thread.
  int refused() const;

  void memory_added(const MemoryRange& range) override;
  void memory_removed(const MemoryRange& range) override;

 private:
  VfioSpace(MemoryRegistry& registry, Descriptor fd) : registry_(registry), fd_(std::move(fd)) {}
  std::vector<DmaSpan> spans() const;
  void refuse(const MemoryRange& range, int errnum);

  MemoryRegistry& registry_;
  const Descriptor fd_;
  std::unique_ptr<DmaAddresses> addresses_;  // null: not set up
  DmaTable now_;
  DmaMap map_{DmaTable{}};
  mutable std::mutex refused_mutex_;         ///< guards the next
  std::map<const std::byte*, int> refused_;  ///< why, by the memory's base
};

}  // namespace capsuled::env
