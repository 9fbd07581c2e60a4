// DriveReport: what a bdev's device says and what was counted of it, for metrics and for the health
// that hosts are shown.
#pragma once

#include <cstdint>
#include <optional>

namespace capsuled {

/// The SMART / Health Information log of a drive (NVMe Base 2.1, 5.1.12.1.3), by the words there.
struct DriveHealth {
  uint8_t critical_warning = 0;        ///< bits: see wire::CriticalWarning
  uint16_t composite_temperature = 0;  ///< kelvins
  uint8_t available_spare = 0;         ///< percent
  uint8_t available_spare_threshold = 0;
  uint8_t percentage_used = 0;   ///< may exceed 100
  uint64_t data_units_read = 0;  ///< 512,000 bytes each
  uint64_t data_units_written = 0;
  uint64_t power_cycles = 0;
  uint64_t power_on_hours = 0;
  uint64_t unsafe_shutdowns = 0;
  uint64_t media_errors = 0;
};

struct DriveReport {
  uint64_t resets = 0;         ///< of its controller, since it was opened
  uint64_t bounce_copies = 0;  ///< operations whose data the device could not reach where they were
  std::optional<DriveHealth>
      health{};  ///< as it was read last: once a minute while the drive is live
};

}  // namespace capsuled
