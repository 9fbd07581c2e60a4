// BdevLoadTarget: a bdev, and what it stands on, without a network: what is measured is what the
// I/O plane of a target would ask of it. The workers share it, each with a channel of its own.
//
// Owner: Load. Thread: see LoadTarget and LoadPath.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "bdev/bdev_core.h"
#include "bdev/bdev_error.h"
#include "bdev/bdev_parameters.h"
#include "perf/load_target.h"

namespace capsuled::perf {

class BdevLoadTarget final : public LoadTarget {
 public:
  /// The load is on the last of `bdevs`; each may stand on the one before it.
  explicit BdevLoadTarget(std::vector<BdevParameters> bdevs);
  ~BdevLoadTarget() override;

  /// What a layer makes of a write is in buffers of the pool.
  uint64_t buffer_bytes() const override { return uint64_t{64} << 20; }
  std::string open(const LoadPlan& plan) override;
  LoadPath& path(uint32_t worker) override;
  void close() override;

 private:
  class Path;

  BdevResult make(const BdevParameters& parameters);

  const std::vector<BdevParameters> bdevs_;
  std::vector<Reactor*> reactors_;
  std::unique_ptr<BdevRegistry> registry_;
  std::vector<std::string> names_;  // of those that are there, the lowest first
  std::shared_ptr<BdevDesc> top_;   // the last of them
  std::vector<std::unique_ptr<Path>> paths_;
};

}  // namespace capsuled::perf
