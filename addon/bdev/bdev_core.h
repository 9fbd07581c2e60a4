// The bdev core: registry of bdevs, opened handles, and the channel wrapper that splits, emulates, counts and times.
//
// BdevRegistry lives on the control thread. A BdevDesc is an open handle (claim: Shared read-write for now, exclusive
// for virtual bdevs above). CoreChannel is what I/O users submit to: one per (bdev, reactor), shared by all users on
// that reactor by reference count, made and dropped on the reactor's thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "bdev/bdev.h"
#include "reactor/reactor.h"

namespace capsuled {

/// A registered bdev with its statistics, one BdevStats per reactor. Shared: the registry, descriptors and channels.
struct BdevEntry {
  std::unique_ptr<Bdev> bdev;
  std::vector<std::unique_ptr<BdevStats>> stats;  ///< by reactor index
  uint32_t open_count = 0;                        ///< control thread
};

enum class BdevClaim : uint8_t { Shared, Exclusive };

/// An open handle on a bdev. Control thread.
class BdevDesc {
 public:
  ~BdevDesc();
  BdevDesc(const BdevDesc&) = delete;
  BdevDesc& operator=(const BdevDesc&) = delete;
  const BdevFacts& facts() const;
  const std::shared_ptr<BdevEntry>& entry() const;

 private:
  friend class BdevRegistry;
  explicit BdevDesc(std::shared_ptr<BdevEntry> entry);
  std::shared_ptr<BdevEntry> entry_;
};

class BdevRegistry {
 public:
  explicit BdevRegistry(uint32_t reactor_count);
  /// EEXIST: the name is taken.
  Result<void> add(std::unique_ptr<Bdev> bdev);
  /// EBUSY: still open. ENOENT: no such name. On success the bdev is destroyed when its last channel is gone.
  Result<void> remove(const std::string& name);
  Result<std::unique_ptr<BdevDesc>> open(const std::string& name, BdevClaim claim);
  std::shared_ptr<BdevEntry> find(const std::string& name) const;

 private:
  uint32_t reactor_count_;
  std::map<std::string, std::shared_ptr<BdevEntry>> entries_;
};

/// A bdev on one reactor: what I/O commands submit to.
class CoreChannel {
 public:
  /// Reactor's thread: the channel of `entry` on `reactor`, made if it is not there. Release it exactly once.
  static CoreChannel* acquire(Reactor& reactor, const std::shared_ptr<BdevEntry>& entry);
  void release();

  /// Starts `io`: bounds are checked by the caller (asserted here), splits at the backend's limits, emulates Compare
  /// and WriteZeroes where the backend lacks them, counts and times. `io.complete` runs later from the loop.
  void submit(BdevIo& io);
  /// Asks for an early end of `io`, which was submitted here.
  void cancel(BdevIo& io);
  const BdevFacts& facts() const;
  uint32_t in_flight() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
  explicit CoreChannel(std::unique_ptr<Impl> impl);
  ~CoreChannel();
};

}  // namespace capsuled
