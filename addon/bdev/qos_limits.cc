#include "bdev/qos_limits.h"

#include <string>

namespace capsuled {

namespace {

constexpr uint32_t bit(QosLimit limit) { return 1u << static_cast<uint32_t>(limit); }

/// `otherwise`, and what is written within these bounds.
uint64_t read_number(BdevParameters& section, const std::string& key, uint64_t least, uint64_t most,
                     uint64_t otherwise) {
  if (!section.has(key)) return otherwise;
  const uint64_t value = section.number(key, least);
  if (value < least || value > most) {
    section.refuse(key, "expected " + std::to_string(least) + " to " + std::to_string(most) +
                            " for `" + section.way(key) + "`, got " + std::to_string(value));
  }
  return value;
}

}  // namespace

uint32_t qos_limits_of(BdevIoType type) {
  switch (type) {
    case BdevIoType::Read:
    case BdevIoType::Compare:
      return bit(QosLimit::Iops) | bit(QosLimit::Bandwidth) | bit(QosLimit::ReadBandwidth);
    case BdevIoType::Write:
      return bit(QosLimit::Iops) | bit(QosLimit::Bandwidth) | bit(QosLimit::WriteBandwidth);
    case BdevIoType::Flush:
    case BdevIoType::Unmap:
    case BdevIoType::WriteZeroes: return bit(QosLimit::Iops);
  }
  UNREACHABLE();
}

QosLimits read_qos_limits(BdevParameters& parameters) {
  QosLimits limits;
  bool missing = parameters.has("qos");
  BdevParameters& section = parameters.section("qos");
  std::string known;
  for (size_t limit = 0; limit < kQosLimitCount; ++limit) {
    const std::string key = kQosLimitNames[limit];
    const bool operations = limit == static_cast<size_t>(QosLimit::Iops);
    limits.rates[limit] = read_number(section, key, operations ? 1 : kQosBandwidthMin,
                                      operations ? kQosIopsMax : kQosBandwidthMax, 0);
    missing = missing && !section.has(key);
    known += (limit == 0 ? "" : ", ") + key;
  }
  limits.burst_ns =
      read_number(section, "burst", kQosBurstMinNs, kQosBurstMaxNs, kQosBurstDefaultNs);
  if (missing) {
    parameters.refuse("qos", "expected at least one of " + known + " for `qos`");
  }
  return limits;
}

}  // namespace capsuled
