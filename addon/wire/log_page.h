/// What Get Log Page returns (NVMe Base 2.1, 5.1.12).
#pragma once

#include "wire/admin_command.h"

namespace capsuled::wire {

/// One entry of the Supported Log Pages log (5.1.12.1.1).
#define WIRE_LID_SUPPORTED_BITS(X)             \
  X(Lsupp, 0, 0, "LID Supported (LSUPP)")      \
  X(Ios, 1, 1, "Index Offset Supported (IOS)") \
  X(Lidsp, 31, 16, "LID Specific Parameter (LIDSP)")
WIRE_BITS(LidSupported, WIRE_LID_SUPPORTED_BITS);

/// Supported Log Pages, LID 00h.
struct SupportedLogPages {
  /// LID Supported and Effects, by LID: see LidSupported.
  std::array<Le32, 256> lid;
};
WIRE_STRUCT(SupportedLogPages, 1024, WIRE_FIELD(SupportedLogPages, lid, 0));

/// Error Information Log Entry, LID 01h (5.1.12.1.2). Newest first.
struct ErrorLogEntry {
  /// Error Count: unique, from 1; 0 is an unused entry.
  Le64 error_count;
  /// Submission Queue ID (SQID); ffffh if not specific to a queue.
  Le16 sqid;
  /// Command ID (CID); ffffh if not specific to a command.
  Le16 cid;
  /// Status Info (STATUS), as in the completion.
  Le16 status;
  /// Parameter Error Location (PEL): bits 7:0 byte, 10:8 bit; ffffh if unknown.
  Le16 pel;
  /// LBA: the first that had the error.
  Le64 lba;
  /// Namespace (NSID).
  Le32 nsid;
  /// Vendor Specific Information Available (VSIA).
  std::uint8_t vsia;
  /// Transport Type (TRTYPE): see TransportType.
  std::uint8_t trtype;
  /// Command Set Indicator (CSI).
  std::uint8_t csi;
  /// Opcode (OPC) of the command.
  std::uint8_t opc;
  /// Command Specific Information (CSINFO).
  Le64 csinfo;
  /// Transport Type Specific Information (TTSI).
  Le16 ttsi;
  Bytes<21> reserved42;
  /// Log Page Version (LPVER).
  std::uint8_t lpver;
};
WIRE_STRUCT(ErrorLogEntry, 64, WIRE_FIELD(ErrorLogEntry, error_count, 0),
            WIRE_FIELD(ErrorLogEntry, sqid, 8), WIRE_FIELD(ErrorLogEntry, cid, 10),
            WIRE_FIELD(ErrorLogEntry, status, 12), WIRE_FIELD(ErrorLogEntry, pel, 14),
            WIRE_FIELD(ErrorLogEntry, lba, 16), WIRE_FIELD(ErrorLogEntry, nsid, 24),
            WIRE_FIELD(ErrorLogEntry, vsia, 28), WIRE_FIELD(ErrorLogEntry, trtype, 29),
            WIRE_FIELD(ErrorLogEntry, csi, 30), WIRE_FIELD(ErrorLogEntry, opc, 31),
            WIRE_FIELD(ErrorLogEntry, csinfo, 32), WIRE_FIELD(ErrorLogEntry, ttsi, 40),
            WIRE_FIELD(ErrorLogEntry, lpver, 63));

/// Critical Warning (CW) of the SMART log.
#define WIRE_CRITICAL_WARNING_BITS(X)                                \
  X(Ascbt, 0, 0, "Available Spare Capacity Below Threshold (ASCBT)") \
  X(Ttc, 1, 1, "Temperature Threshold Condition (TTC)")              \
  X(Ndr, 2, 2, "NVM Subsystem Degraded Reliability (NDR)")           \
  X(Amro, 3, 3, "All Media Read-Only (AMRO)")                        \
  X(Vmbf, 4, 4, "Volatile Memory Backup Failed (VMBF)")              \
  X(Pmrro, 5, 5, "Persistent Memory Region Read-Only (PMRRO)")
WIRE_BITS(CriticalWarning, WIRE_CRITICAL_WARNING_BITS);

/// SMART / Health Information, LID 02h (5.1.12.1.3).
struct SmartLog {
  /// Critical Warning (CW): see CriticalWarning.
  std::uint8_t critical_warning;
  /// Composite Temperature (CTEMP), in kelvins.
  Le16 composite_temperature;
  /// Available Spare (AVSP), in percent.
  std::uint8_t available_spare;
  /// Available Spare Threshold (AVSPT), in percent.
  std::uint8_t available_spare_threshold;
  /// Percentage Used (PUSED); may exceed 100.
  std::uint8_t percentage_used;
  /// Endurance Group Critical Warning Summary (EGCWS).
  std::uint8_t endurance_group_critical_warning;
  Bytes<25> reserved7;
  /// Data Units Read (DUR), in 1000 units of 512 bytes, rounded up.
  Le128 data_units_read;
  /// Data Units Written (DUW), in 1000 units of 512 bytes, rounded up.
  Le128 data_units_written;
  /// Host Read Commands (HRC).
  Le128 host_read_commands;
  /// Host Write Commands (HWC).
  Le128 host_write_commands;
  /// Controller Busy Time (CBT), in minutes.
  Le128 controller_busy_time;
  /// Power Cycles (PWRC).
  Le128 power_cycles;
  /// Power On Hours (POH).
  Le128 power_on_hours;
  /// Unexpected Power Losses (UPL).
  Le128 unsafe_shutdowns;
  /// Media and Data Integrity Errors (MDIE).
  Le128 media_errors;
  /// Number of Error Information Log Entries (NEILE).
  Le128 error_log_entries;
  /// Warning Composite Temperature Time (WCTT), in minutes.
  Le32 warning_temperature_time;
  /// Critical Composite Temperature Time (CCTT), in minutes.
  Le32 critical_temperature_time;
  /// Temperature Sensors 1 to 8 (TSEN1 to TSEN8), in kelvins; 0 is none.
  std::array<Le16, 8> temperature_sensor;
  /// Thermal Management Temperature 1 Transition Count (TMT1TC).
  Le32 tmt1_transitions;
  /// Thermal Management Temperature 2 Transition Count (TMT2TC).
  Le32 tmt2_transitions;
  /// Total Time For Thermal Management Temperature 1 (TTTMT1), in seconds.
  Le32 tmt1_total_time;
  /// Total Time For Thermal Management Temperature 2 (TTTMT2), in seconds.
  Le32 tmt2_total_time;
  Bytes<280> reserved232;
};
WIRE_STRUCT(
    SmartLog, 512, WIRE_FIELD(SmartLog, critical_warning, 0),
    WIRE_FIELD(SmartLog, composite_temperature, 1), WIRE_FIELD(SmartLog, available_spare, 3),
    WIRE_FIELD(SmartLog, available_spare_threshold, 4), WIRE_FIELD(SmartLog, percentage_used, 5),
    WIRE_FIELD(SmartLog, endurance_group_critical_warning, 6),
    WIRE_FIELD(SmartLog, data_units_read, 32), WIRE_FIELD(SmartLog, data_units_written, 48),
    WIRE_FIELD(SmartLog, host_read_commands, 64), WIRE_FIELD(SmartLog, host_write_commands, 80),
    WIRE_FIELD(SmartLog, controller_busy_time, 96), WIRE_FIELD(SmartLog, power_cycles, 112),
    WIRE_FIELD(SmartLog, power_on_hours, 128), WIRE_FIELD(SmartLog, unsafe_shutdowns, 144),
    WIRE_FIELD(SmartLog, media_errors, 160), WIRE_FIELD(SmartLog, error_log_entries, 176),
    WIRE_FIELD(SmartLog, warning_temperature_time, 192),
    WIRE_FIELD(SmartLog, critical_temperature_time, 196),
    WIRE_FIELD(SmartLog, temperature_sensor, 200), WIRE_FIELD(SmartLog, tmt1_transitions, 216),
    WIRE_FIELD(SmartLog, tmt2_transitions, 220), WIRE_FIELD(SmartLog, tmt1_total_time, 224),
    WIRE_FIELD(SmartLog, tmt2_total_time, 228));

/// Active Firmware Info (AFI).
#define WIRE_AFI_BITS(X)                               \
  X(Cafs, 2, 0, "Current Active Firmware Slot (CAFS)") \
  X(Nafs, 6, 4, "Next Active Firmware Slot (NAFS)")
WIRE_BITS(Afi, WIRE_AFI_BITS);

/// Firmware Slot Information, LID 03h (5.1.12.1.4).
struct FirmwareSlotLog {
  /// Active Firmware Info (AFI): see Afi.
  std::uint8_t afi;
  Bytes<7> reserved1;
  /// Firmware Revision for Slot 1 to 7 (FRS1 to FRS7).
  std::array<Ascii<8>, 7> frs;
  Bytes<448> reserved64;
};
WIRE_STRUCT(FirmwareSlotLog, 512, WIRE_FIELD(FirmwareSlotLog, afi, 0),
            WIRE_FIELD(FirmwareSlotLog, frs, 8));

/// One Commands Supported and Effects data structure.
#define WIRE_COMMAND_EFFECTS_BITS(X)                                     \
  X(Csupp, 0, 0, "Command Supported (CSUPP)")                            \
  X(Lbcc, 1, 1, "Logical Block Content Change (LBCC)")                   \
  X(Ncc, 2, 2, "Namespace Capability Change (NCC)")                      \
  X(Nic, 3, 3, "Namespace Inventory Change (NIC)")                       \
  X(Ccc, 4, 4, "Controller Capability Change (CCC)")                     \
  X(Cser, 15, 14, "Command Submission and Execution Relaxations (CSER)") \
  X(Cse, 18, 16, "Command Submission and Execution (CSE)")               \
  X(Uuidss, 19, 19, "UUID Selection Supported (UUIDSS)")                 \
  X(Csp, 31, 20, "Command Scope (CSP)")
WIRE_BITS(CommandEffects, WIRE_COMMAND_EFFECTS_BITS);

/// Commands Supported and Effects, LID 05h (5.1.12.1.6).
struct CommandsSupportedAndEffects {
  /// Admin Command Supported (ACS0 to ACS255): see CommandEffects.
  std::array<Le32, 256> acs;
  /// I/O Command Supported (IOCS0 to IOCS255): see CommandEffects.
  std::array<Le32, 256> iocs;
  Bytes<2048> reserved2048;
};
WIRE_STRUCT(CommandsSupportedAndEffects, 4096, WIRE_FIELD(CommandsSupportedAndEffects, acs, 0),
            WIRE_FIELD(CommandsSupportedAndEffects, iocs, 1024));

/// One Feature Identifier Supported and Effects data structure.
#define WIRE_FEATURE_EFFECTS_BITS(X)                     \
  X(Fsupp, 0, 0, "FID Supported (FSUPP)")                \
  X(Udcc, 1, 1, "User Data Content Change (UDCC)")       \
  X(Ncc, 2, 2, "Namespace Capability Change (NCC)")      \
  X(Nic, 3, 3, "Namespace Inventory Change (NIC)")       \
  X(Ccc, 4, 4, "Controller Capability Change (CCC)")     \
  X(Uuidss, 19, 19, "UUID Selection Supported (UUIDSS)") \
  X(Fsp, 31, 20, "FID Scope (FSP)")
WIRE_BITS(FeatureEffects, WIRE_FEATURE_EFFECTS_BITS);

/// Feature Identifiers Supported and Effects, LID 12h (5.1.12.1.18).
struct FeaturesSupportedAndEffects {
  /// FID Supported and Effects, by FID: see FeatureEffects.
  std::array<Le32, 256> fid;
};
WIRE_STRUCT(FeaturesSupportedAndEffects, 1024, WIRE_FIELD(FeaturesSupportedAndEffects, fid, 0));

/// Asymmetric Namespace Access State.
#define WIRE_ANA_STATES(X)                             \
  X(kOptimized, 0x1, "ANA Optimized state")            \
  X(kNonOptimized, 0x2, "ANA Non-Optimized state")     \
  X(kInaccessible, 0x3, "ANA Inaccessible state")      \
  X(kPersistentLoss, 0x4, "ANA Persistent Loss state") \
  X(kChange, 0xf, "ANA Change state")
WIRE_ENUM(AnaState, std::uint8_t, WIRE_ANA_STATES);

/// Asymmetric Namespace Access log header, LID 0Ch (5.1.12.1.13). Group descriptors follow.
struct AnaLogHeader {
  /// Change Count (CHGCNT).
  Le64 chgcnt;
  /// Number of ANA Group Descriptors (NAGD).
  Le16 nagd;
  Bytes<6> reserved10;
};
WIRE_STRUCT(AnaLogHeader, 16, WIRE_FIELD(AnaLogHeader, chgcnt, 0),
            WIRE_FIELD(AnaLogHeader, nagd, 8));

/// ANA Group Descriptor. NNV NSIDs of 4 bytes follow.
struct AnaGroupDescriptor {
  /// ANA Group ID (AGID).
  Le32 agid;
  /// Number of NSID Values (NNV).
  Le32 nnv;
  /// Change Count (CHGC).
  Le64 chgc;
  /// Bits 3:0: Asymmetric Namespace Access State (ANAS), see AnaState.
  std::uint8_t anas;
  Bytes<15> reserved17;
};
WIRE_STRUCT(AnaGroupDescriptor, 32, WIRE_FIELD(AnaGroupDescriptor, agid, 0),
            WIRE_FIELD(AnaGroupDescriptor, nnv, 4), WIRE_FIELD(AnaGroupDescriptor, chgc, 8),
            WIRE_FIELD(AnaGroupDescriptor, anas, 16));

/// Transport Type (TRTYPE).
#define WIRE_TRANSPORT_TYPES(X)           \
  X(kRdma, 0x01, "RDMA")                  \
  X(kFibreChannel, 0x02, "Fibre Channel") \
  X(kTcp, 0x03, "TCP")                    \
  X(kIntraHost, 0xfe, "Intra-host transport")
WIRE_ENUM(TransportType, std::uint8_t, WIRE_TRANSPORT_TYPES);

/// Address Family (ADRFAM).
#define WIRE_ADDRESS_FAMILIES(X)          \
  X(kIpv4, 0x01, "IPv4")                  \
  X(kIpv6, 0x02, "IPv6")                  \
  X(kInfiniBand, 0x03, "InfiniBand")      \
  X(kFibreChannel, 0x04, "Fibre Channel") \
  X(kIntraHost, 0xfe, "Intra-host")
WIRE_ENUM(AddressFamily, std::uint8_t, WIRE_ADDRESS_FAMILIES);

/// Subsystem Type (SUBTYPE).
#define WIRE_SUBSYSTEM_TYPES(X)                                 \
  X(kReferral, 0x01, "Referral to another discovery subsystem") \
  X(kNvme, 0x02, "NVM subsystem with I/O controllers")          \
  X(kCurrentDiscovery, 0x03, "Current discovery subsystem")
WIRE_ENUM(SubsystemType, std::uint8_t, WIRE_SUBSYSTEM_TYPES);

/// Transport Requirements (TREQ).
#define WIRE_TREQ_BITS(X)                                                                     \
  X(SecureChannel, 1, 0, "Secure Channel (TSC): 0 not specified, 1 required, 2 not required") \
  X(Dsqfc, 2, 2, "Disabling SQ flow control is supported (DSQFC)")
WIRE_BITS(Treq, WIRE_TREQ_BITS);

/// Entry Flags (EFLAGS).
#define WIRE_EFLAGS_BITS(X)                                                      \
  X(Dupretinfo, 0, 0, "Duplicate Returned Information (DUPRETINFO)")             \
  X(Epcsd, 1, 1, "Explicit Persistent Connection Support for Discovery (EPCSD)") \
  X(Ncc, 2, 2, "No CDC Connectivity (NCC)")
WIRE_BITS(Eflags, WIRE_EFLAGS_BITS);

/// Security Type (SECTYPE): first byte of TSAS for TCP (NVMe/TCP 1.1, 3.1.1).
#define WIRE_TCP_SECURITY_TYPES(X)    \
  X(kNone, 0x0, "No Security")        \
  X(kTls12, 0x1, "TLS 1.2, obsolete") \
  X(kTls13, 0x2, "TLS 1.3 or later")
WIRE_ENUM(TcpSecurityType, std::uint8_t, WIRE_TCP_SECURITY_TYPES);

/// Discovery log page header, LID 70h (5.1.12.3.1). NUMREC entries of 1024 bytes follow.
struct DiscoveryLogHeader {
  /// Generation Counter (GENCTR): changes with the contents.
  Le64 genctr;
  /// Number of Records (NUMREC).
  Le64 numrec;
  /// Record Format (RECFMT): 0.
  Le16 recfmt;
  Bytes<1006> reserved18;
};
WIRE_STRUCT(DiscoveryLogHeader, 1024, WIRE_FIELD(DiscoveryLogHeader, genctr, 0),
            WIRE_FIELD(DiscoveryLogHeader, numrec, 8), WIRE_FIELD(DiscoveryLogHeader, recfmt, 16));

/// Discovery Log Page Entry (5.1.12.3.1).
struct DiscoveryLogEntry {
  /// Transport Type (TRTYPE): see TransportType.
  std::uint8_t trtype;
  /// Address Family (ADRFAM): see AddressFamily.
  std::uint8_t adrfam;
  /// Subsystem Type (SUBTYPE): see SubsystemType.
  std::uint8_t subtype;
  /// Transport Requirements (TREQ): see Treq.
  std::uint8_t treq;
  /// Port ID (PORTID).
  Le16 portid;
  /// Controller ID (CNTLID): ffffh for the dynamic controller model.
  Le16 cntlid;
  /// Admin Max SQ Size (ASQSZ), in entries, at least 32.
  Le16 asqsz;
  /// Entry Flags (EFLAGS): see Eflags.
  Le16 eflags;
  Bytes<20> reserved12;
  /// Transport Service Identifier (TRSVCID): the port, in decimal.
  Ascii<32> trsvcid;
  Bytes<192> reserved64;
  /// NVM Subsystem Qualified Name (SUBNQN).
  Text<256> subnqn;
  /// Transport Address (TRADDR).
  Ascii<256> traddr;
  /// Transport Specific Address Subtype (TSAS): byte 0 is SECTYPE.
  Bytes<256> tsas;
};
WIRE_STRUCT(DiscoveryLogEntry, 1024, WIRE_FIELD(DiscoveryLogEntry, trtype, 0),
            WIRE_FIELD(DiscoveryLogEntry, adrfam, 1), WIRE_FIELD(DiscoveryLogEntry, subtype, 2),
            WIRE_FIELD(DiscoveryLogEntry, treq, 3), WIRE_FIELD(DiscoveryLogEntry, portid, 4),
            WIRE_FIELD(DiscoveryLogEntry, cntlid, 6), WIRE_FIELD(DiscoveryLogEntry, asqsz, 8),
            WIRE_FIELD(DiscoveryLogEntry, eflags, 10), WIRE_FIELD(DiscoveryLogEntry, trsvcid, 32),
            WIRE_FIELD(DiscoveryLogEntry, subnqn, 256), WIRE_FIELD(DiscoveryLogEntry, traddr, 512),
            WIRE_FIELD(DiscoveryLogEntry, tsas, 768));

}  // namespace capsuled::wire
