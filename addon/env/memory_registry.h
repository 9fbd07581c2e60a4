// MemoryRegistry: all memory of this process that devices may reach.
//
// Whoever makes memory that I/O goes to or comes from registers it (ReachableMemory): buffer pools,
// the memory that commands are received into, a driver's own queues. Whoever drives a device
// watches, and maps what there is and what comes. What is registered costs nothing until a device
// is there; then it is pinned.
//
// The blocks of a RAM disk are not registered: nobody gives them to a device, and pinning would
// take memory for blocks that were never written.
//
// Owner: an Env. Any thread; a watcher may block, in the kernel, so a reactor's only while it is
// set up.
#pragma once

#include <algorithm>
#include <cstddef>
#include <mutex>
#include <span>
#include <vector>

#include "base/assert.h"

namespace capsuled::env {

/// Of whole pages, the last of which need not be used to its end.
struct MemoryRange {
  std::byte* base = nullptr;
  size_t bytes = 0;
};

/// Called under the registry's lock, one call at a time; it must not come back to the registry.
class MemoryWatcher {
 public:
  /// Memory that nobody uses yet.
  virtual void memory_added(const MemoryRange& range) = 0;
  /// Memory that nobody uses any more.
  virtual void memory_removed(const MemoryRange& range) = 0;

 protected:
  ~MemoryWatcher() = default;
};

class MemoryRegistry {
 public:
  MemoryRegistry() = default;
  ~MemoryRegistry() { ASSERT_MSG(ranges_.empty() && watchers_.empty(), "memory is still known"); }
  MemoryRegistry(const MemoryRegistry&) = delete;
  MemoryRegistry& operator=(const MemoryRegistry&) = delete;

  void add(const MemoryRange& range) {
    const std::lock_guard lock(mutex_);
    ranges_.push_back(range);
    for (MemoryWatcher* const watcher : watchers_) watcher->memory_added(range);
  }
  void remove(const MemoryRange& range) {
    const std::lock_guard lock(mutex_);
    const auto found = std::ranges::find(ranges_, range.base, &MemoryRange::base);
    ASSERT_MSG(found != ranges_.end(), "memory that was not registered");
    for (MemoryWatcher* const watcher : watchers_) watcher->memory_removed(range);
    ranges_.erase(found);
  }
  /// It hears at once of all that there is.
  void watch(MemoryWatcher& watcher) {
    const std::lock_guard lock(mutex_);
    watchers_.push_back(&watcher);
    for (const MemoryRange& range : ranges_) watcher.memory_added(range);
  }
  void unwatch(MemoryWatcher& watcher) {
    const std::lock_guard lock(mutex_);
    ASSERT_MSG(std::erase(watchers_, &watcher) == 1, "not a watcher");
  }

 private:
  std::mutex mutex_;
  std::vector<MemoryRange> ranges_;
  std::vector<MemoryWatcher*> watchers_;
};

/// Memory that devices may reach for as long as this lives.
class ReachableMemory {
 public:
  ReachableMemory(MemoryRegistry& registry, MemoryRange range)
      : registry_(registry), range_(range) {
    registry_.add(range_);
  }
  ~ReachableMemory() { registry_.remove(range_); }
  ReachableMemory(const ReachableMemory&) = delete;
  ReachableMemory& operator=(const ReachableMemory&) = delete;

 private:
  MemoryRegistry& registry_;
  const MemoryRange range_;
};

}  // namespace capsuled::env
