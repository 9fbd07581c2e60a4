// BdevRegistry: the bdevs by name, and BdevDesc, the open handle on one.
//
// Thread: the control thread, all of it. Who dies when: a user opens a BdevDesc, then acquires
// channels on reactors; the user releases every channel, then drops the BdevDesc. take() gives the
// Bdev away, and refuses while a BdevDesc or a channel is left. A BdevEntry may live on in the
// hands of whoever reads its statistics; its `bdev` is then null.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "bdev/bdev.h"
#include "bdev/bdev_stats.h"

namespace capsuled {

/// A registered bdev with its statistics. Shared: the registry, descriptors, channels, readers of
/// statistics.
struct BdevEntry {
  uint64_t serial = 0;                            ///< as they were added; what it stands on before
  std::unique_ptr<Bdev> bdev;                     ///< null after take()
  std::vector<std::unique_ptr<BdevStats>> stats;  ///< by reactor index
  /// By reactor index, as BdevChannel::oldest_ns() said it less than two seconds ago; read_stat().
  std::vector<uint64_t> oldest_ns;
  uint32_t open_count = 0;  ///< control thread
  /// Of the bdevs that stand on it, by name. Control thread.
  std::map<std::string, BdevClaim> claims;
  std::atomic<uint32_t> channel_count = 0;  ///< CoreChannels on all reactors
};

/// An open handle on a bdev. Outlives the channels acquired by its owner.
class BdevDesc {
 public:
  ~BdevDesc();
  BdevDesc(const BdevDesc&) = delete;
  BdevDesc& operator=(const BdevDesc&) = delete;
  const std::shared_ptr<BdevEntry>& entry() const;

 private:
  friend class BdevRegistry;
  explicit BdevDesc(std::shared_ptr<BdevEntry> entry);
  std::shared_ptr<BdevEntry> entry_;
};

class BdevRegistry {
 public:
  explicit BdevRegistry(uint32_t reactor_count);
  /// Destroys what is left; asserts that no channel is.
  ~BdevRegistry();
  BdevRegistry(const BdevRegistry&) = delete;
  BdevRegistry& operator=(const BdevRegistry&) = delete;

  /// What add() would refuse it for, in words; nothing: it would not.
  std::optional<BdevError> in_the_way(const Bdev& bdev) const;
  /// EEXIST: the name is taken. EBUSY: a bdev that it stands on is used by another. The bdev is
  /// destroyed then.
  Result<void> add(std::unique_ptr<Bdev> bdev);
  /// Removes the bdev and gives it to the caller, who may destroy it on another thread, because
  /// that may block: it closes the bdev's file and unmaps its memory. EBUSY: the bdev is still
  /// open, or a channel is not released yet. ENOENT: no such name.
  Result<std::unique_ptr<Bdev>> take(const std::string& name);
  /// ENOENT: no such name.
  Result<std::unique_ptr<BdevDesc>> open(const std::string& name);
  /// Gives the bdev the blocks that it is found to have, if they are more, and so, lowest first,
  /// those that stand on it; whether any has grown. Reactors have them when they have refreshed
  /// their channels.
  bool grow(const std::string& name);
  /// Null if there is none.
  std::shared_ptr<BdevEntry> find(const std::string& name) const;

 private:
  static std::unique_ptr<Bdev> take_bdev(BdevEntry& entry);
  static void leave_bases(Bdev& bdev);
  std::vector<BdevEntry*> by_level() const;
  static bool grow(Bdev& bdev);

  uint32_t reactor_count_;
  uint64_t added_ = 0;
  std::map<std::string, std::shared_ptr<BdevEntry>> entries_;
};

}  // namespace capsuled
