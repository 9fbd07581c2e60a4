#include "bdev/bdev.h"

#include <algorithm>
#include <utility>

#include "bdev/bdev_registry.h"
#include "bdev/qos_limits.h"

namespace capsuled {

Bdev::Bdev(BdevFacts facts) : facts_(std::move(facts)), block_count_(facts_.block_count) {}

Bdev::Bdev(BdevFacts facts, std::vector<BdevBase> bases)
    : facts_(std::move(facts)), block_count_(facts_.block_count), bases_(std::move(bases)) {
  for (const BdevBase& base : bases_) {
    level_ = std::max(level_, base.desc->entry()->bdev->level() + 1);
  }
  ASSERT_MSG(level_ < kStackDepthMax, "too many bdevs on top of each other");
}

void Bdev::set_limits(const QosLimits& limits) {
  const QosLimits before = budget_now_ == nullptr ? QosLimits{} : budget_now_->limits;
  if (limits == before || (limits.none() && before.none())) return;
  budget_now_ = limits.none() ? nullptr : std::make_shared<QosBudget>(limits);
  budget_.set(budget_now_);
}

uint64_t Bdev::blocks_found() const {
  const uint64_t bytes = bytes_found();
  return bytes % facts_.block_size == 0 ? bytes / facts_.block_size : block_count();
}

Bdev::~Bdev() { ASSERT_MSG(bases_.empty(), "destroyed with its bases open"); }

}  // namespace capsuled
