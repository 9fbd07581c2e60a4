// What a load run measured, and what a worker shows of itself while it runs.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>

#include "perf/latency_histogram.h"
#include "perf/verifier.h"

namespace capsuled::perf {

/// Of the I/O that ended in the measured time.
struct OperationReport {
  uint64_t operations = 0;
  uint64_t bytes = 0;
  uint64_t errors = 0;
  LatencyHistogram latency;

  void merge(const OperationReport& other) {
    operations += other.operations;
    bytes += other.bytes;
    errors += other.errors;
    latency.merge(other.latency);
  }
};

struct VerifyReport {
  uint64_t blocks_checked = 0;
  uint64_t blocks_unchecked = 0;  ///< read, but never written by this run
  uint64_t mismatches = 0;
  std::optional<Mismatch> first;

  void merge(const VerifyReport& other) {
    blocks_checked += other.blocks_checked;
    blocks_unchecked += other.blocks_unchecked;
    mismatches += other.mismatches;
    if (!first) first = other.first;
  }
};

struct LoadReport {
  OperationReport read;
  OperationReport write;
  VerifyReport verify;
  uint64_t elapsed_ns = 0;  ///< the measured time
  uint64_t busy_ns = 0;     ///< of the workers' threads in it: iterations that did work
  uint64_t reconnects = 0;
  uint32_t block_bytes = 0;
  uint64_t block_count = 0;
  uint32_t qpairs = 0;  ///< as granted, all workers together
  // Of the controller, as it says itself; empty: it is a bdev.
  std::string model;
  std::string serial;
  std::string firmware;
  /// Why the run could not begin or ended early; empty: it went through.
  std::string failure;
  /// The status field of the first I/O that failed, phase tag 0; 0: none.
  uint16_t first_error_status = 0;
};

/// Counters that a worker's thread writes and the control thread reads while the load runs.
struct alignas(64) LoadProgress {
  std::atomic<uint64_t> operations{0};
  std::atomic<uint64_t> bytes{0};
  std::atomic<uint64_t> errors{0};
};

}  // namespace capsuled::perf
