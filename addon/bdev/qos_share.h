// QosShare: what one reactor has taken from a QosBucket and not spent yet.
//
// A reactor takes a slice of time at once, so that reactors meet at the bucket one or two thousand
// times in a second and not for each operation. A slice is at least as long as the operation needs
// that is to begin; what is left of it is for the next one. An operation begins when its slice
// begins, so one that is larger than what the rate gives in a moment is waited for by those behind
// it.
//
// The unit of what is in hand is a billionth of an operation or of a byte: that is what a rate
// gives in a nanosecond, so nothing is rounded and nothing drifts. Bounds: an operation counts for
// at most kQosBytesMax bytes, and kInHandMax bounds a slice, so what is in hand is less than 2^63.
//
// Owner: a QosGate. Thread: its reactor's.
#pragma once

#include <cstdint>

#include "base/assert.h"
#include "bdev/qos_bucket.h"

namespace capsuled {

/// What one operation counts for at most.
inline constexpr uint64_t kQosBytesMax = uint64_t{1} << 32;
/// Lines of a gate for which a slice is longer.
inline constexpr uint64_t kQosSliceLinesMax = 8;

class QosShare {
 public:
  QosShare() = default;
  ~QosShare() { give_back(); }
  QosShare(const QosShare&) = delete;
  QosShare& operator=(const QosShare&) = delete;

  /// From now on of this one, which outlives the share, or is null; `rate` is in a second.
  void set(QosBucket* bucket, uint64_t rate) {
    give_back();
    bucket_ = bucket;
    rate_ = rate;
    in_hand_ = 0;
  }

  bool has(uint64_t tokens) const { return in_hand_ >= tokens * kParts; }
  /// There are as many.
  void spend(uint64_t tokens) {
    ASSERT(has(tokens));
    in_hand_ -= tokens * kParts;
  }
  /// For an operation that needs `tokens`. Takes a slice, if it has to; false: there are not as
  /// many before due_ns(). `waiting`: what others need that wait here, `lines`: how many they are.
  [[nodiscard]] bool ask(uint64_t tokens, uint64_t waiting, uint64_t lines, uint64_t now_ns);
  /// When the slice begins that was taken last.
  uint64_t due_ns() const { return slice_from_ns_; }
  /// What is not used.
  void give_back();
  /// How long the rate takes for so many, ns.
  uint64_t cost_ns(uint64_t tokens) const { return (tokens * kParts + rate_ - 1) / rate_; }

 private:
  static constexpr uint64_t kParts = 1'000'000'000;
  static constexpr uint64_t kInHandMax = uint64_t{1} << 60;
  static_assert(kQosBytesMax * kParts < uint64_t{1} << 62);

  uint64_t slice_ns(uint64_t tokens, uint64_t waiting, uint64_t lines) const;
  void begin_slice(uint64_t now_ns);

  QosBucket* bucket_ = nullptr;
  uint64_t rate_ = 0;
  uint64_t in_hand_ = 0;
  uint64_t slice_ns_ = 0;  ///< of a slice that has not begun; 0: there is none
  uint64_t slice_from_ns_ = 0;
};

}  // namespace capsuled
