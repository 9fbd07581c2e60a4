#include "sim/sim_drive.h"

#include <cerrno>
#include <utility>

namespace capsuled::sim {

using nvme::testing::SoftwareController;
using nvme::testing::SoftwareControllerOptions;
using nvme::testing::SoftwareNamespace;

SimDrive::SimDrive(env::sim::SimMachine& machine, const SimDriveOptions& options)
    : machine_(machine),
      options_(options),
      medium_(std::make_shared<SoftwareNamespace>(nvme::testing::SoftwareNamespaceOptions{
          .block_bytes = options.block_bytes, .block_count = options.blocks})) {
  machine_.watch_steps(this, [this] { look(); });
}

SimDrive::~SimDrive() {
  machine_.forget(this);
  if (step_) machine_.cancel(*step_);
}

env::PciOpened SimDrive::open(env::Env& env) {
  if (controller_ != nullptr) return {nullptr, EBUSY, "the drive is in use"};
  SoftwareControllerOptions options = options_.controller;
  options.destroyed = [this] {
    // A process that is gone ends before the next one begins.
    if (parted_ != nullptr) {
      parted_ = nullptr;
    } else {
      controller_ = nullptr;
    }
  };
  auto made = std::make_unique<SoftwareController>(env, options);
  made->insert(1, medium_);
  made->faults.lingers = true;
  made->faults.shuffles = true;
  controller_ = made.get();
  return {std::move(made), 0, ""};
}

void SimDrive::crash(bool power) {
  if (controller_ == nullptr) return;
  controller_->part_from_media();
  controller_->faults = {};
  parted_ = std::exchange(controller_, nullptr);
  if (power) medium_->cut_power(machine_.prng());
}

/// After each step of a thread: it may have rung.
void SimDrive::look() {
  const SoftwareController* const works = parted_ != nullptr ? parted_ : controller_;
  if (step_ || works == nullptr || !works->has_work()) return;
  step_ = machine_.after(options_.step.pick(machine_.prng()), [this] { step(); });
}

void SimDrive::step() {
  step_ = std::nullopt;
  SoftwareController* const works = parted_ != nullptr ? parted_ : controller_;
  if (works == nullptr) return;
  works->step();
  look();
}

}  // namespace capsuled::sim
