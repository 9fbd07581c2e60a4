// SoftwareNamespace: blocks in memory, as a controller made of software has them, with a cache that
// a power cut may cost. It may outlive its controller. Thread: the controller's.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <set>
#include <span>
#include <vector>

#include "base/assert.h"
#include "base/prng.h"

namespace capsuled::nvme::testing {

struct SoftwareNamespaceOptions {
  uint32_t block_bytes = 512;
  uint64_t block_count = 2048;
  uint16_t metadata_bytes = 0;  ///< of its format; a driver has no use for it then
  std::array<uint8_t, 16> nguid{};
};

class SoftwareNamespace {
 public:
  explicit SoftwareNamespace(const SoftwareNamespaceOptions& options)
      : options_(options), bytes_(options.block_bytes * options.block_count) {}

  const SoftwareNamespaceOptions& options() const { return options_; }
  uint64_t block_count() const { return bytes_.size() / options_.block_bytes; }
  void resize(uint64_t block_count) { bytes_.resize(block_count * options_.block_bytes); }
  bool has(uint64_t first, uint64_t count) const {
    return first < block_count() && count <= block_count() - first;
  }
  std::span<std::byte> blocks(uint64_t first, uint64_t count) {
    ASSERT(has(first, count));
    return std::span(bytes_).subspan(first * options_.block_bytes, count * options_.block_bytes);
  }
  void zero(uint64_t first, uint64_t count) {
    std::ranges::fill(blocks(first, count), std::byte{0});
  }

  /// Before blocks are written into the cache.
  void changing(uint64_t first, uint64_t count) {
    for (uint64_t block = first; block < first + count; ++block) {
      const std::span<std::byte> is = blocks(block, 1);
      certain_.try_emplace(block, is.begin(), is.end());
    }
  }
  /// What the cache has of these blocks is on the medium.
  void settle(uint64_t first, uint64_t count) {
    certain_.erase(certain_.lower_bound(first), certain_.lower_bound(first + count));
  }
  void settle() { certain_.clear(); }
  /// Of what was in the cache, some is not.
  void cut_power(Prng& prng) {
    for (const auto& [block, bytes] : certain_) {
      if (prng.chance(1, 2)) std::ranges::copy(bytes, blocks(block, 1).begin());
    }
    certain_.clear();
  }

  /// Blocks that cannot be read until they are written (Write Uncorrectable).
  void spoil(uint64_t first, uint64_t count) {
    for (uint64_t block = first; block < first + count; ++block) spoiled_.insert(block);
  }
  void written(uint64_t first, uint64_t count) {
    spoiled_.erase(spoiled_.lower_bound(first), spoiled_.lower_bound(first + count));
  }
  bool readable(uint64_t first, uint64_t count) const {
    return spoiled_.lower_bound(first) == spoiled_.lower_bound(first + count);
  }

 private:
  const SoftwareNamespaceOptions options_;
  std::vector<std::byte> bytes_;
  std::set<uint64_t> spoiled_;
  std::map<uint64_t, std::vector<std::byte>> certain_;  ///< of blocks in the cache: what they were
};

}  // namespace capsuled::nvme::testing
