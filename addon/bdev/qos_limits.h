// QosLimits: what may go through a bdev in a second, as its configuration says, and QosBudget, what
// its reactors share of that.
//
//   iops             operations of every type
//   bandwidth        bytes that are read, written or compared
//   read_bandwidth   of these, what is read or compared
//   write_bandwidth  of these, what is written
//
// Unmap, WriteZeroes and Flush are operations without bytes: none moves any to or from a host.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "bdev/bdev_io.h"
#include "bdev/bdev_parameters.h"
#include "bdev/qos_bucket.h"

namespace capsuled {

enum class QosLimit : uint8_t { Iops, Bandwidth, ReadBandwidth, WriteBandwidth };
inline constexpr size_t kQosLimitCount = 4;
inline constexpr std::array kQosLimitNames = {"iops", "bandwidth", "read_bandwidth",
                                              "write_bandwidth"};
static_assert(kQosLimitNames.size() == kQosLimitCount);

inline constexpr uint64_t kQosIopsMax = 1'000'000'000;
inline constexpr uint64_t kQosBandwidthMin = 4096;
inline constexpr uint64_t kQosBandwidthMax = uint64_t{1} << 40;
/// Less would be lost where a reactor wakes up late.
inline constexpr uint64_t kQosBurstMinNs = 10'000'000;
inline constexpr uint64_t kQosBurstMaxNs = 3'600'000'000'000;
inline constexpr uint64_t kQosBurstDefaultNs = 100'000'000;

struct QosLimits {
  /// By QosLimit: operations, or bytes, in a second; 0: no limit.
  std::array<uint64_t, kQosLimitCount> rates{};
  /// An idle bdev saves up what each rate gives in so much time.
  uint64_t burst_ns = kQosBurstDefaultNs;

  bool none() const { return rates == decltype(rates){}; }
  bool operator==(const QosLimits&) const = default;
};

/// By QosLimit, as bits: those that operations of this type count for.
uint32_t qos_limits_of(BdevIoType type);

/// What is written for the key `qos`; nothing written: no limits.
QosLimits read_qos_limits(BdevParameters& parameters);

/// Made anew when the limits change: what was saved up, or used in advance, is forgotten then.
struct QosBudget {
  explicit QosBudget(const QosLimits& of)
      : limits(of),
        buckets{QosBucket(of.burst_ns), QosBucket(of.burst_ns), QosBucket(of.burst_ns),
                QosBucket(of.burst_ns)} {}

  const QosLimits limits;
  std::array<QosBucket, kQosLimitCount> buckets;  ///< by QosLimit
};

}  // namespace capsuled
