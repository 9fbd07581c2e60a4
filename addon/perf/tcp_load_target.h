// TcpLoadTarget: a namespace of a remote NVM subsystem, over NVMe/TCP. Each worker is a host of its
// own: it has a controller, which it may end and make anew with I/O outstanding.
//
// Owner: Load. Thread: see LoadTarget and LoadPath.
#pragma once

#include <memory>
#include <vector>

#include "nvme/fabrics_controller.h"
#include "perf/load_target.h"

namespace capsuled::perf {

class TcpLoadTarget final : public LoadTarget {
 public:
  /// Of `controller`, the address and the queues follow from `endpoint` and the load.
  TcpLoadTarget(env::Endpoint endpoint, nvme::FabricsControllerOptions controller);
  ~TcpLoadTarget() override;

  std::string open(const LoadPlan& plan) override;
  LoadPath& path(uint32_t worker) override;

 private:
  class Path;

  const env::Endpoint endpoint_;
  const nvme::FabricsControllerOptions controller_;
  std::vector<std::unique_ptr<Path>> paths_;
};

}  // namespace capsuled::perf
