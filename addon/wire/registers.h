/// Controller properties: over fabrics reached by Property Get and Set (NVMe Base 2.1, 3.1.4).
#pragma once

#include "wire/layout.h"

namespace capsuled::wire {

/// Offset of a property, in bytes.
#define WIRE_PROPERTIES(X)                                            \
  X(kCap, 0x00, "Controller Capabilities (CAP), 8 bytes")             \
  X(kVs, 0x08, "Version (VS)")                                        \
  X(kIntms, 0x0c, "Interrupt Mask Set (INTMS)")                       \
  X(kIntmc, 0x10, "Interrupt Mask Clear (INTMC)")                     \
  X(kCc, 0x14, "Controller Configuration (CC)")                       \
  X(kCsts, 0x1c, "Controller Status (CSTS)")                          \
  X(kNssr, 0x20, "NVM Subsystem Reset (NSSR)")                        \
  X(kAqa, 0x24, "Admin Queue Attributes (AQA)")                       \
  X(kAsq, 0x28, "Admin Submission Queue Base Address (ASQ), 8 bytes") \
  X(kAcq, 0x30, "Admin Completion Queue Base Address (ACQ), 8 bytes") \
  X(kCmbloc, 0x38, "Controller Memory Buffer Location (CMBLOC)")      \
  X(kCmbsz, 0x3c, "Controller Memory Buffer Size (CMBSZ)")            \
  X(kNssd, 0x64, "NVM Subsystem Shutdown (NSSD)")                     \
  X(kCrto, 0x68, "Controller Ready Timeouts (CRTO)")
WIRE_ENUM(Property, std::uint32_t, WIRE_PROPERTIES);

/// What a host writes to NSSR: "NVMe" in ASCII.
inline constexpr std::uint32_t kNssrReset = 0x4e564d65;

#define WIRE_CAP_BITS(X)                                                   \
  X(Mqes, 15, 0, "Maximum Queue Entries Supported (MQES), 0's based")      \
  X(Cqr, 16, 16, "Contiguous Queues Required (CQR)")                       \
  X(Ams, 18, 17, "Arbitration Mechanism Supported (AMS)")                  \
  X(To, 31, 24, "Timeout (TO), in 500 ms")                                 \
  X(Dstrd, 35, 32, "Doorbell Stride (DSTRD)")                              \
  X(Nssrs, 36, 36, "NVM Subsystem Reset Supported (NSSRS)")                \
  X(Css, 44, 37, "Command Sets Supported (CSS)")                           \
  X(Bps, 45, 45, "Boot Partition Support (BPS)")                           \
  X(Cps, 47, 46, "Controller Power Scope (CPS)")                           \
  X(Mpsmin, 51, 48, "Memory Page Size Minimum (MPSMIN): 2^(12 + n) bytes") \
  X(Mpsmax, 55, 52, "Memory Page Size Maximum (MPSMAX): 2^(12 + n) bytes") \
  X(Pmrs, 56, 56, "Persistent Memory Region Supported (PMRS)")             \
  X(Cmbs, 57, 57, "Controller Memory Buffer Supported (CMBS)")             \
  X(Nsss, 58, 58, "NVM Subsystem Shutdown Supported (NSSS)")               \
  X(Crms, 60, 59, "Controller Ready Modes Supported (CRMS)")               \
  X(Nsses, 61, 61, "NVM Subsystem Shutdown Enhancements Supported (NSSES)")
WIRE_BITS(Cap, WIRE_CAP_BITS);

/// Bits of CAP.CSS.
#define WIRE_CAP_CSS_BITS(X)                                                      \
  X(Nvm, 0, 0, "NVM Command Set Support (NCSS)")                                  \
  X(OneOrMore, 6, 6, "I/O Command Set Support (IOCSS): one or more, see CNS 1Ch") \
  X(NoIo, 7, 7, "No I/O Command Set Support (NOIOCSS)")
WIRE_BITS(CapCss, WIRE_CAP_CSS_BITS);

#define WIRE_VS_BITS(X)                  \
  X(Ter, 7, 0, "Tertiary Version (TER)") \
  X(Mnr, 15, 8, "Minor Version (MNR)")   \
  X(Mjr, 31, 16, "Major Version (MJR)")
WIRE_BITS(Vs, WIRE_VS_BITS);

#define WIRE_CC_BITS(X)                                                    \
  X(En, 0, 0, "Enable (EN)")                                               \
  X(Css, 6, 4, "I/O Command Set Selected (CSS)")                           \
  X(Mps, 10, 7, "Memory Page Size (MPS): 2^(12 + n) bytes")                \
  X(Ams, 13, 11, "Arbitration Mechanism Selected (AMS)")                   \
  X(Shn, 15, 14, "Shutdown Notification (SHN)")                            \
  X(Iosqes, 19, 16, "I/O Submission Queue Entry Size (IOSQES): 2^n bytes") \
  X(Iocqes, 23, 20, "I/O Completion Queue Entry Size (IOCQES): 2^n bytes") \
  X(Crime, 24, 24, "Controller Ready Independent of Media Enable (CRIME)")
WIRE_BITS(Cc, WIRE_CC_BITS);

/// I/O Command Set Selected (CC.CSS).
#define WIRE_CC_CSS(X)                                    \
  X(kNvm, 0x0, "NVM Command Set")                         \
  X(kAllSupported, 0x6, "All Supported I/O Command Sets") \
  X(kAdminOnly, 0x7, "Admin Command Set only")
WIRE_ENUM(CommandSetSelected, std::uint8_t, WIRE_CC_CSS);

/// Shutdown Notification (CC.SHN).
#define WIRE_SHUTDOWN_NOTIFICATIONS(X)            \
  X(kNone, 0x0, "No notification")                \
  X(kNormal, 0x1, "Normal shutdown notification") \
  X(kAbrupt, 0x2, "Abrupt shutdown notification")
WIRE_ENUM(ShutdownNotification, std::uint8_t, WIRE_SHUTDOWN_NOTIFICATIONS);

#define WIRE_CSTS_BITS(X)                                \
  X(Rdy, 0, 0, "Ready (RDY)")                            \
  X(Cfs, 1, 1, "Controller Fatal Status (CFS)")          \
  X(Shst, 3, 2, "Shutdown Status (SHST)")                \
  X(Nssro, 4, 4, "NVM Subsystem Reset Occurred (NSSRO)") \
  X(Pp, 5, 5, "Processing Paused (PP)")                  \
  X(St, 6, 6, "Shutdown Type (ST)")
WIRE_BITS(Csts, WIRE_CSTS_BITS);

/// Shutdown Status (CSTS.SHST).
#define WIRE_SHUTDOWN_STATUS(X)                       \
  X(kNormalOperation, 0x0, "Normal operation")        \
  X(kOccurring, 0x1, "Shutdown processing occurring") \
  X(kComplete, 0x2, "Shutdown processing complete")
WIRE_ENUM(ShutdownStatus, std::uint8_t, WIRE_SHUTDOWN_STATUS);

#define WIRE_CRTO_BITS(X)                                                   \
  X(Crwmt, 15, 0, "Controller Ready With Media Timeout (CRWMT), in 500 ms") \
  X(Crimt, 31, 16, "Controller Ready Independent of Media Timeout (CRIMT), in 500 ms")
WIRE_BITS(Crto, WIRE_CRTO_BITS);

/// Versions as VS and Identify Controller's VER say them.
inline constexpr std::uint32_t kVersion13 = 0x00010300;
inline constexpr std::uint32_t kVersion14 = 0x00010400;
inline constexpr std::uint32_t kVersion20 = 0x00020000;
inline constexpr std::uint32_t kVersion21 = 0x00020100;

}  // namespace capsuled::wire
