// DmaMap: which memory of this process a device may reach, and by which addresses.
//
// Whoever opens the device fills it in as memory comes and goes (memory_registry.h); who gives the
// device commands has a copy for each reactor and translates by it. What is not in it is not for
// the device: nobody may make up an address.
//
// Thread: set() as Changeable says; a Copy is its reactor's. A range is in the map before anybody
// is told of its memory, and stays until nobody uses it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/assert.h"
#include "base/changeable.h"

namespace capsuled::env {

/// An address as a device has it, behind its IOMMU: an IOVA.
using DmaAddress = uint64_t;
/// There is none.
inline constexpr DmaAddress kNoDmaAddress = UINT64_MAX;

/// Memory that lies together in this process, and for the device.
struct DmaRange {
  const std::byte* base = nullptr;
  size_t bytes = 0;
  DmaAddress address = 0;

  bool holds(const void* from, size_t count) const {
    const auto offset =
        reinterpret_cast<uintptr_t>(from) - reinterpret_cast<uintptr_t>(base);  // wraps below
    return offset < bytes && count <= bytes - offset;
  }
  /// Of what it holds.
  DmaAddress at(const void* from) const {
    return address + (reinterpret_cast<uintptr_t>(from) - reinterpret_cast<uintptr_t>(base));
  }
};

/// Ranges that do not overlap, by their base.
class DmaTable {
 public:
  void add(const DmaRange& range) {
    ASSERT(range.bytes > 0);
    const auto next = std::ranges::lower_bound(ranges_, range.base, {}, &DmaRange::base);
    ASSERT_MSG(next == ranges_.end() || range.base + range.bytes <= next->base, "ranges overlap");
    ASSERT_MSG(
        next == ranges_.begin() || std::prev(next)->base + std::prev(next)->bytes <= range.base,
        "ranges overlap");
    ranges_.insert(next, range);
  }
  void remove(const std::byte* base) {
    const auto found = std::ranges::find(ranges_, base, &DmaRange::base);
    ASSERT_MSG(found != ranges_.end(), "a range that there is not");
    ranges_.erase(found);
  }
  /// The range that holds all of it; null: none does.
  const DmaRange* find(const void* from, size_t count) const {
    const auto* const at = static_cast<const std::byte*>(from);
    const auto next = std::ranges::upper_bound(ranges_, at, {}, &DmaRange::base);
    if (next == ranges_.begin()) return nullptr;
    const DmaRange& range = *std::prev(next);
    return range.holds(from, count) ? &range : nullptr;
  }
  const std::vector<DmaRange>& ranges() const { return ranges_; }

 private:
  std::vector<DmaRange> ranges_;
};

using DmaMap = Changeable<DmaTable>;

/// A reactor's way to the addresses of a device. What it found last it finds again at once.
class DmaTranslator {
 public:
  explicit DmaTranslator(const DmaMap& map) : table_(map) {}

  /// The address of `count` bytes that lie together; kNoDmaAddress: the device may not reach all of
  /// them.
  DmaAddress translate(const void* from, size_t count) {
    const DmaTable& table = table_.get();
    if (&table != seen_) [[unlikely]] {
      seen_ = &table;
      found_ = {};
    }
    if (found_.holds(from, count)) [[likely]]
      return found_.at(from);
    const DmaRange* const range = table.find(from, count);
    if (range == nullptr) return kNoDmaAddress;
    found_ = *range;
    return range->at(from);
  }

 private:
  DmaMap::Copy table_;
  const DmaTable* seen_ = nullptr;  ///< the copy's, so no other table has its address
  DmaRange found_;
};

}  // namespace capsuled::env
