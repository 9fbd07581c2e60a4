// NamespaceTable: the namespaces that a group of controllers sees, as one reactor uses them.
//
// The control plane publishes a table as an immutable list of entries; each reactor swaps its
// NamespaceTable's contents at once, in place, so that queue pairs keep their pointer. A namespace
// that a new version no longer has is detached: no new command finds it, those under way hold it,
// and when the last one ended `drained` runs. Nothing else stops.
//
// A controller that must not reach a namespace yet, because its host believes that another disk is
// there, has a table of its own without it: a view. Its queues change from one table to another;
// commands under way stay with the namespace that they hold.
//
// Thread: the reactor's own.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "bdev/bdev_core.h"
#include "nvmf/queue_stats.h"

namespace capsuled::nvmf {

/// The largest namespace identifier that a table can have: a table is an array indexed by it. The
/// control plane allows no more than its own limit, which is NN of Identify Controller.
inline constexpr uint32_t kNsidMax = 8192;

/// A namespace as published: shared by every reactor, immutable.
struct NamespaceEntry {
  uint32_t nsid = 0;
  bool read_only = false;
  /// When the content came here, by take_table_version(): later than the version of every table
  /// that had another one under this identifier.
  uint32_t since_version = 0;
  std::shared_ptr<BdevEntry> bdev;
  std::vector<NamespaceStats*>
      stats;  ///< by reactor; owned by the publisher, outlives the entry's channels
};

/// A namespace on one reactor.
struct NamespaceChannel {
  std::shared_ptr<const NamespaceEntry> entry;
  CoreChannel* bdev = nullptr;
  NamespaceStats* stats = nullptr;
  uint64_t block_count = 0;
  uint32_t block_shift = 9;
  bool read_only = false;
  bool lends_reads = false;
  bool detached = false;
  uint32_t in_flight = 0;
  class NamespaceTable* table = nullptr;
};

/// Of the whole process, ascending: versions of different tables are never the same. Any thread.
uint32_t take_table_version();

class NamespaceTable {
 public:
  explicit NamespaceTable(Reactor& reactor);
  ~NamespaceTable();

  /// The namespace, or null if it is not active in this table. NSID 0 and FFFFFFFFh give null.
  NamespaceChannel* find(uint32_t nsid) const {
    return nsid - 1 < by_nsid_.size() ? by_nsid_[nsid - 1].get() : nullptr;
  }
  /// Changes with every publish(); no other table has the same.
  uint32_t version() const { return version_; }
  /// Whether the namespace is one that this view's controller must identify first.
  bool withholds(uint32_t nsid) const;
  /// Before publish(): the namespaces that it will lack though others see them, ascending, and
  /// which of the controller's Command Retry Delay Times their commands are answered with (0:
  /// none).
  void withhold(std::vector<uint32_t> nsids, uint8_t retry_delay) {
    withheld_ = std::move(nsids);
    retry_delay_ = retry_delay;
  }
  uint8_t retry_delay() const { return retry_delay_; }
  uint32_t nsid_max() const { return static_cast<uint32_t>(by_nsid_.size()); }

  /// Replaces the contents. Entries that are the same object keep their channel. `drained` runs
  /// once from this call or later, when no command is left on a namespace that went away with this
  /// call.
  void publish(const std::vector<std::shared_ptr<const NamespaceEntry>>& entries,
               std::function<void()> drained);

  /// Bdevs may have grown, and their channels know it: commands may reach the new blocks.
  void grow();

  /// Runs `drained` once, from this call or later, when no command is left on any namespace that
  /// went away so far.
  void when_drained(std::function<void()> drained);

  /// The same of these namespaces alone: others that went away may be held up by another disk.
  void when_drained(const std::vector<std::shared_ptr<const NamespaceEntry>>& of,
                    std::function<void()> drained);

  /// A command begins and ends on a namespace.
  static void hold(NamespaceChannel& channel) { channel.in_flight++; }
  static void release(NamespaceChannel& channel);

 private:
  struct Drain;
  void await(std::vector<const NamespaceChannel*> waiting, std::function<void()> drained);
  void finish(NamespaceChannel& channel);

  Reactor& reactor_;
  uint32_t version_ = take_table_version();
  std::vector<uint32_t> withheld_;
  uint8_t retry_delay_ = 0;
  std::vector<std::unique_ptr<NamespaceChannel>> by_nsid_;
  std::vector<std::unique_ptr<NamespaceChannel>> detached_;
  std::vector<std::unique_ptr<Drain>> drains_;
};

}  // namespace capsuled::nvmf
