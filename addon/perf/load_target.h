// LoadTarget: what a load runs against, as far as its workers have it in common: a remote
// controller, of which each worker makes its own (tcp_load_target.h), a local one that they share
// (pcie_load_target.h), or a bdev (bdev_load_target.h).
//
// Owner: Load. Thread: the control thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "perf/load_path.h"
#include "reactor/reactor.h"

namespace capsuled::perf {

/// What one worker has of it.
struct LoadShare {
  Reactor* reactor = nullptr;
  uint32_t qpairs = 1;
};

/// What a run wants of its target.
struct LoadPlan {
  std::vector<LoadShare> workers;  ///< by the index of their reactors; never empty
  uint32_t queue_depth = 1;        ///< of each qpair
};

class LoadTarget {
 public:
  virtual ~LoadTarget() = default;
  /// I/O buffers that each reactor needs for it; the data of the load are the workers' own.
  virtual uint64_t buffer_bytes() const { return kBufferMemoryBytesMin; }
  /// Once, while the reactors run; may block. Answers why it is not to be had, for people; empty:
  /// it is there.
  virtual std::string open(const LoadPlan& plan) = 0;
  /// Between open() and close(): the way of the worker with that index.
  virtual LoadPath& path(uint32_t worker) = 0;
  /// After an open() that went well, when no path is open any more; the reactors still run. May
  /// block.
  virtual void close() {}
};

}  // namespace capsuled::perf
