/// Feature values: the dwords and data of Get and Set Features (NVMe Base 2.1, 5.1.25).
#pragma once

#include "wire/admin_command.h"

namespace capsuled::wire {

/// Arbitration (01h).
#define WIRE_ARBITRATION_FEATURE_BITS(X)                             \
  X(Ab, 2, 0, "Arbitration Burst (AB): 2^n commands; 7 is no limit") \
  X(Lpw, 15, 8, "Low Priority Weight (LPW), 0's based")              \
  X(Mpw, 23, 16, "Medium Priority Weight (MPW), 0's based")          \
  X(Hpw, 31, 24, "High Priority Weight (HPW), 0's based")
WIRE_BITS(ArbitrationFeature, WIRE_ARBITRATION_FEATURE_BITS);

/// Power Management (02h).
#define WIRE_POWER_MANAGEMENT_FEATURE_BITS(X) \
  X(Ps, 4, 0, "Power State (PS)")             \
  X(Wh, 7, 5, "Workload Hint (WH)")
WIRE_BITS(PowerManagementFeature, WIRE_POWER_MANAGEMENT_FEATURE_BITS);

/// Temperature Threshold (04h).
#define WIRE_TEMPERATURE_THRESHOLD_FEATURE_BITS(X)                   \
  X(Tmpth, 15, 0, "Temperature Threshold (TMPTH), in kelvins")       \
  X(Tmpsel, 19, 16, "Threshold Temperature Select (TMPSEL)")         \
  X(Thsel, 21, 20, "Threshold Type Select (THSEL): 0 over, 1 under") \
  X(Tmpthh, 24, 22, "Temperature Threshold Hysteresis (TMPTHH), in kelvins")
WIRE_BITS(TemperatureThresholdFeature, WIRE_TEMPERATURE_THRESHOLD_FEATURE_BITS);

/// Error Recovery (05h).
#define WIRE_ERROR_RECOVERY_FEATURE_BITS(X)                       \
  X(Tler, 15, 0, "Time Limited Error Recovery (TLER), in 100 ms") \
  X(Dulbe, 16, 16, "Deallocated or Unwritten Logical Block Error Enable (DULBE)")
WIRE_BITS(ErrorRecoveryFeature, WIRE_ERROR_RECOVERY_FEATURE_BITS);

/// Volatile Write Cache (06h).
#define WIRE_VOLATILE_WRITE_CACHE_FEATURE_BITS(X) X(Wce, 0, 0, "Volatile Write Cache Enable (WCE)")
WIRE_BITS(VolatileWriteCacheFeature, WIRE_VOLATILE_WRITE_CACHE_FEATURE_BITS);

/// Number of Queues (07h). The command carries requested, the completion allocated counts.
#define WIRE_NUMBER_OF_QUEUES_FEATURE_BITS(X)                              \
  X(Nsq, 15, 0, "Number of I/O Submission Queues (NSQR, NSQA), 0's based") \
  X(Ncq, 31, 16, "Number of I/O Completion Queues (NCQR, NCQA), 0's based")
WIRE_BITS(NumberOfQueuesFeature, WIRE_NUMBER_OF_QUEUES_FEATURE_BITS);

/// Write Atomicity Normal (0Ah).
#define WIRE_WRITE_ATOMICITY_FEATURE_BITS(X) X(Dn, 0, 0, "Disable Normal (DN)")
WIRE_BITS(WriteAtomicityFeature, WIRE_WRITE_ATOMICITY_FEATURE_BITS);

/// Asynchronous Event Configuration (0Bh). Identify Controller's OAES has its notice bits at the
/// same places.
#define WIRE_ASYNC_EVENT_CONFIGURATION_BITS(X)                                           \
  X(Shcw, 7, 0, "SMART / Health Critical Warnings (SHCW)")                               \
  X(Nsan, 8, 8, "Attached Namespace Attribute Notices (NSAN)")                           \
  X(Fan, 9, 9, "Firmware Activation Notices (FAN)")                                      \
  X(Tln, 10, 10, "Telemetry Log Notices (TLN)")                                          \
  X(Anacn, 11, 11, "Asymmetric Namespace Access Change Notices (ANACN)")                 \
  X(Plealcn, 12, 12, "Predictable Latency Event Aggregate Log Change Notices (PLEALCN)") \
  X(Lsian, 13, 13, "LBA Status Information Alert Notices (LSIAN)")                       \
  X(Egealcn, 14, 14, "Endurance Group Event Aggregate Log Change Notices (EGEALCN)")     \
  X(Nnsshdn, 15, 15, "Normal NVM Subsystem Shutdown (NNSSHDN)")                          \
  X(Hdlpcn, 30, 30, "Host Discovery Log Page Change Notification (HDLPCN)")              \
  X(Dlpcn, 31, 31, "Discovery Log Page Change Notification (DLPCN)")
WIRE_BITS(AsyncEventConfiguration, WIRE_ASYNC_EVENT_CONFIGURATION_BITS);

/// Host Identifier (81h), command dword 11: over fabrics always the 128-bit form.
#define WIRE_HOST_IDENTIFIER_FEATURE_BITS(X) \
  X(Exhid, 0, 0, "Enable Extended Host Identifier (EXHID)")
WIRE_BITS(HostIdentifierFeature, WIRE_HOST_IDENTIFIER_FEATURE_BITS);

/// Namespace Write Protection Config (84h).
#define WIRE_WRITE_PROTECTION_STATES(X)                                   \
  X(kNoWriteProtect, 0x0, "No Write Protect")                             \
  X(kWriteProtect, 0x1, "Write Protect")                                  \
  X(kWriteProtectUntilPowerCycle, 0x2, "Write Protect Until Power Cycle") \
  X(kPermanentWriteProtect, 0x3, "Permanent Write Protect")
WIRE_ENUM(WriteProtectionState, std::uint8_t, WIRE_WRITE_PROTECTION_STATES);

/// Timestamp (0Eh), data (5.1.25.1.7).
struct Timestamp {
  /// Timestamp (TSTMP), the low 32 of its 48 bits: milliseconds since 1970-01-01 UTC.
  Le32 tstmp_low;
  /// Timestamp (TSTMP), the high 16 bits.
  Le16 tstmp_high;
  /// Timestamp attributes: bit 0 stopped counting, bits 3:1 origin.
  std::uint8_t attributes;
  std::uint8_t reserved7;
};
WIRE_STRUCT(Timestamp, 8, WIRE_FIELD(Timestamp, tstmp_low, 0), WIRE_FIELD(Timestamp, tstmp_high, 4),
            WIRE_FIELD(Timestamp, attributes, 6));

/// Host Behavior Support (16h), data (5.1.25.1.14).
struct HostBehaviorSupport {
  /// Advanced Command Retry Enable (ACRE): 1 lets the controller use CRD.
  std::uint8_t acre;
  /// Extended Telemetry Data Area 4 Supported (ETDAS).
  std::uint8_t etdas;
  /// LBA Format Extension Enable (LBAFEE).
  std::uint8_t lbafee;
  /// Host Dispersed Namespace Support (HDISNS).
  std::uint8_t hdisns;
  /// Copy Descriptor Formats Enable (CDFE).
  Le16 cdfe;
  Bytes<506> reserved6;
};
WIRE_STRUCT(HostBehaviorSupport, 512, WIRE_FIELD(HostBehaviorSupport, acre, 0),
            WIRE_FIELD(HostBehaviorSupport, etdas, 1), WIRE_FIELD(HostBehaviorSupport, lbafee, 2),
            WIRE_FIELD(HostBehaviorSupport, hdisns, 3), WIRE_FIELD(HostBehaviorSupport, cdfe, 4));

}  // namespace capsuled::wire
