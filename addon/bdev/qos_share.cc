#include "bdev/qos_share.h"

#include <algorithm>
#include <utility>

namespace capsuled {

bool QosShare::ask(uint64_t tokens, uint64_t waiting, uint64_t lines, uint64_t now_ns) {
  ASSERT(tokens <= kQosBytesMax);
  begin_slice(now_ns);
  if (has(tokens)) return true;
  if (slice_ns_ > 0) return false;
  slice_ns_ = slice_ns(tokens, waiting, lines);
  slice_from_ns_ = bucket_->take(now_ns, slice_ns_);
  begin_slice(now_ns);
  return has(tokens);
}

/// What it needs; beyond that, no more than can be used soon.
uint64_t QosShare::slice_ns(uint64_t tokens, uint64_t waiting, uint64_t lines) const {
  const uint64_t lacking_ns = (tokens * kParts - in_hand_ + rate_ - 1) / rate_;
  bucket_->needed(lacking_ns);
  const uint64_t fair_ns =
      std::max(bucket_->turn_ns(), QosBucket::kSliceNs * std::min(lines, kQosSliceLinesMax));
  const uint64_t usable_ns =
      std::max(cost_ns(std::min(waiting, kQosBytesMax)), QosBucket::kSliceNs);
  return std::max(lacking_ns, std::min({fair_ns, usable_ns, kInHandMax / rate_}));
}

void QosShare::begin_slice(uint64_t now_ns) {
  if (slice_ns_ == 0 || slice_from_ns_ > now_ns) return;
  in_hand_ += std::exchange(slice_ns_, 0) * rate_;
}

void QosShare::give_back() {
  if (bucket_ == nullptr) return;
  const uint64_t ns = in_hand_ / rate_ + std::exchange(slice_ns_, 0);
  in_hand_ %= rate_;
  if (ns > 0) bucket_->give_back(ns);
}

}  // namespace capsuled
