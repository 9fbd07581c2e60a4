#include "bdev/bdev.h"

#include <algorithm>
#include <utility>

#include "bdev/bdev_registry.h"

namespace capsuled {

Bdev::Bdev(BdevFacts facts) : facts_(std::move(facts)) {}

Bdev::Bdev(BdevFacts facts, std::vector<BdevBase> bases)
    : facts_(std::move(facts)), bases_(std::move(bases)) {
  for (const BdevBase& base : bases_) {
    level_ = std::max(level_, base.desc->entry()->bdev->level() + 1);
  }
  ASSERT_MSG(level_ < kStackDepthMax, "too many bdevs on top of each other");
}

Bdev::~Bdev() { ASSERT_MSG(bases_.empty(), "destroyed with its bases open"); }

}  // namespace capsuled
