// ShadowDoorbells: the memory of a controller's shadow doorbells, and of what it answers there, a
// page each (Doorbell Buffer Config; NVMe Base 2.1, 5.2.5).
//
// Owner: a controller. Thread: its home reactor's; each place is then its queue's.
#pragma once

#include <cstring>
#include <memory>
#include <utility>

#include "env/env.h"
#include "env/memory_registry.h"
#include "nvme/pcie/doorbell.h"
#include "wire/pcie.h"

namespace capsuled::nvme {

class ShadowDoorbells {
 public:
  static constexpr size_t kPageBytes = 4096;

  /// May block.
  static Result<std::unique_ptr<ShadowDoorbells>> create(env::Env& env, uint32_t stride) {
    auto region = env.allocate(2 * kPageBytes, env::HugePages::Never);
    if (!region.ok()) return region.error();
    return std::unique_ptr<ShadowDoorbells>(
        new ShadowDoorbells(env, std::move(region).value(), stride));
  }

  /// Before the controller is told of it: all queues are at their beginning.
  void clear() { std::memset(region_->base(), 0, region_->bytes()); }
  /// Both pages, one behind the other.
  iovec memory() const { return {region_->base(), region_->bytes()}; }
  bool has(uint32_t qid) const {
    return wire::completion_doorbell(qid, stride_) + 4 - wire::kDoorbellsOffset <= kPageBytes;
  }
  DoorbellShadow tail_of(uint32_t qid) const { return at(wire::submission_doorbell(qid, stride_)); }
  DoorbellShadow head_of(uint32_t qid) const { return at(wire::completion_doorbell(qid, stride_)); }

 private:
  ShadowDoorbells(env::Env& env, std::unique_ptr<env::Region> region, uint32_t stride)
      : region_(std::move(region)),
        reachable_(env.memory(), {region_->base(), region_->bytes()}),
        stride_(stride) {}

  DoorbellShadow at(uint32_t doorbell) const {
    std::byte* const place = region_->base() + (doorbell - wire::kDoorbellsOffset);
    return {reinterpret_cast<volatile uint32_t*>(place),
            reinterpret_cast<volatile uint32_t*>(place + kPageBytes)};
  }

  const std::unique_ptr<env::Region> region_;
  const env::ReachableMemory reachable_;
  const uint32_t stride_;
};

}  // namespace capsuled::nvme
