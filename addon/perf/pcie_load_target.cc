#include "perf/pcie_load_target.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "reactor/run_on.h"

namespace capsuled::perf {
namespace {

constexpr uint64_t kTimeoutNs = 30'000'000'000;

}  // namespace

PcieLoadTarget::PcieLoadTarget(std::string address, uint32_t nsid)
    : address_(std::move(address)), nsid_(nsid) {}

PcieLoadTarget::~PcieLoadTarget() {
  ASSERT_MSG(controller_ == nullptr, "a target destroyed while its controller is up");
}

void PcieLoadTarget::set_state(State next) {
  const State from = state();
  ASSERT_MSG((from == State::Starting && next == State::Live) ||
                 (from != State::Closed && next == State::Closed),
             "a transition that targets do not have");
  // Release: whoever waits for it reads what was written before.
  state_.store(next, std::memory_order_release);
}

std::string PcieLoadTarget::open(const LoadPlan& plan) {
  std::string refusal = make_controller(plan);
  if (refusal.empty()) refusal = bring_up();
  return refusal;
}

/// A queue for each qpair, in turns of the workers: if the controller grants fewer, all get some.
std::string PcieLoadTarget::make_controller(const LoadPlan& plan) {
  home_ = plan.workers.front().reactor;
  env::PciOpened opened = home_->env().open_pci_device(address_);
  if (opened.device == nullptr) return opened.refusal;
  nvme::PcieControllerOptions options;
  options.io_entries = static_cast<uint16_t>(plan.queue_depth + 1);
  uint32_t rounds = 0;
  for (const LoadShare& share : plan.workers) {
    paths_.push_back(std::make_unique<PcieLoadPath>(*share.reactor));
    rounds = std::max(rounds, share.qpairs);
  }
  for (uint32_t round = 0; round < rounds; ++round) {
    for (size_t worker = 0; worker < plan.workers.size(); ++worker) {
      if (round >= plan.workers[worker].qpairs) continue;
      options.io_reactors.push_back(plan.workers[worker].reactor);
      users_.push_back(paths_[worker].get());
    }
  }
  auto made = nvme::PcieController::create(std::move(opened.device), *home_, *this, options);
  if (!made.ok()) {
    return address_ + ": " + made.error().what + ": " + made.error().message();
  }
  if (made.value()->io_entries() < options.io_entries) {
    return address_ + ": the controller's queues hold at most " +
           std::to_string(made.value()->io_entries() - 1) + " commands";
  }
  controller_ = std::move(made).value();
  return "";
}

std::string PcieLoadTarget::bring_up() {
  run_on(*home_, [this] { controller_->connect({nsid_}, kTimeoutNs); });
  while (state() == State::Starting) home_->env().rest();
  std::string refusal;
  if (queue_count_ == 0) {
    refusal = reason_;
  } else if (queue_count_ < paths_.size()) {
    refusal = "the controller has I/O queues for " + std::to_string(queue_count_) + " of " +
              std::to_string(paths_.size()) + " workers";
  }
  if (!refusal.empty()) {
    close();
    return address_ + ": " + refusal;
  }
  for (uint32_t index = 0; index < queue_count_; ++index) {
    users_[index]->add(controller_->io_queue(index));
  }
  for (const auto& path : paths_) path->set_facts(facts_, nsid_);
  return "";
}

void PcieLoadTarget::close() {
  run_on(*home_, [this] {
    closing_ = true;
    controller_->disconnect();
  });
  while (state() != State::Closed) home_->env().rest();
  // Acquire: what the paths did about it is over.
  while (untold_.load(std::memory_order_acquire) > 0) home_->env().yield();
  // And home has come back from telling them.
  run_on(*home_, [] {});
  controller_.reset();
}

// ---- On the home reactor -----------------------------------------------------------------------

void PcieLoadTarget::controller_live(nvme::Controller& controller) {
  facts_ = controller.facts();
  queue_count_ = controller.io_queue_count();
  set_state(State::Live);
}

void PcieLoadTarget::controller_closed(nvme::Controller&, const std::string& reason) {
  reason_ = reason;
  if (reason.empty() && !closing_) reason_ = "the machine has asked for the device back";
  // Relaxed: it is set before the state is.
  untold_.store(static_cast<uint32_t>(paths_.size()), std::memory_order_relaxed);
  set_state(State::Closed);
  for (const auto& path : paths_) path->tell_end(*home_, reason_, untold_);
}

}  // namespace capsuled::perf
