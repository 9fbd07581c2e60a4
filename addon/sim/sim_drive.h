// SimDrive: a local NVMe drive of a simulated machine: a controller made of software that works
// when there is something to do, and a medium that outlives it, as it outlives a process that is
// killed.
//
// Owner: a Simulation. Thread: the machine's.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "env/sim/sim_machine.h"
#include "nvme/testing/software_controller.h"

namespace capsuled::sim {

struct SimDriveOptions {
  uint32_t block_bytes = 512;
  uint64_t blocks = 0;
  env::sim::SimSpan step{1'000, 20'000, 0, 0};  ///< from something to do until it is done
  nvme::testing::SoftwareControllerOptions controller{};
};

class SimDrive {
 public:
  SimDrive(env::sim::SimMachine& machine, const SimDriveOptions& options);
  ~SimDrive();
  SimDrive(const SimDrive&) = delete;
  SimDrive& operator=(const SimDrive&) = delete;

  /// For a process that drives it. EBUSY: another has it.
  env::PciOpened open(env::Env& env);
  /// What goes wrong with it; reset with each process.
  nvme::testing::SoftwareController& controller() { return *controller_; }
  /// The process that drives it is gone, and does not know it. Of what its cache has some is lost
  /// if the power goes, too.
  void crash(bool power);

 private:
  void look();
  void step();

  env::sim::SimMachine& machine_;
  const SimDriveOptions options_;
  const std::shared_ptr<nvme::testing::SoftwareNamespace> medium_;
  nvme::testing::SoftwareController* controller_ = nullptr;  ///< its process has it
  /// Of a process that is gone: it works on, with media of its own.
  nvme::testing::SoftwareController* parted_ = nullptr;
  std::optional<env::sim::SimMachine::EventId> step_;
};

}  // namespace capsuled::sim
