// PathAccess: how well the namespace can be reached over a path, as the path's home has found it
// out last, for all reactors that use it.
//
// Owner: a path. Thread: publish() is home's; the rest is anybody's.
#pragma once

#include <atomic>
#include <cstdint>

namespace capsuled {

/// The better ones first.
enum class PathClass : uint8_t { Optimized, NonOptimized, Unusable };

class PathAccess {
 public:
  struct Seen {
    PathClass path_class = PathClass::Unusable;
    uint32_t version = 0;  ///< another one each time that it was found out
  };

  void publish(PathClass path_class) {
    const uint32_t version = seen().version + 1;
    // Relaxed: whoever is to look is told by a message.
    word_.store(uint64_t{version} << 8 | static_cast<uint64_t>(path_class),
                std::memory_order_relaxed);
  }
  Seen seen() const {
    const uint64_t word = word_.load(std::memory_order_relaxed);
    return {static_cast<PathClass>(word & 0xff), static_cast<uint32_t>(word >> 8)};
  }

 private:
  std::atomic<uint64_t> word_ = static_cast<uint64_t>(PathClass::Unusable);
};

}  // namespace capsuled
