/// Admin commands: opcodes, identifiers and dwords (NVMe Base 2.1, section 5). Their data
/// structures are in identify.h, log_page.h and feature.h.
#pragma once

#include "wire/command.h"

namespace capsuled::wire {

/// Opcode of an Admin command.
#define WIRE_ADMIN_OPCODES(X)                                                  \
  X(kDeleteIoSubmissionQueue, 0x00, "Delete I/O Submission Queue")             \
  X(kCreateIoSubmissionQueue, 0x01, "Create I/O Submission Queue")             \
  X(kGetLogPage, 0x02, "Get Log Page")                                         \
  X(kDeleteIoCompletionQueue, 0x04, "Delete I/O Completion Queue")             \
  X(kCreateIoCompletionQueue, 0x05, "Create I/O Completion Queue")             \
  X(kIdentify, 0x06, "Identify")                                               \
  X(kAbort, 0x08, "Abort")                                                     \
  X(kSetFeatures, 0x09, "Set Features")                                        \
  X(kGetFeatures, 0x0a, "Get Features")                                        \
  X(kAsynchronousEventRequest, 0x0c, "Asynchronous Event Request")             \
  X(kNamespaceManagement, 0x0d, "Namespace Management")                        \
  X(kFirmwareCommit, 0x10, "Firmware Commit")                                  \
  X(kFirmwareImageDownload, 0x11, "Firmware Image Download")                   \
  X(kDeviceSelfTest, 0x14, "Device Self-test")                                 \
  X(kNamespaceAttachment, 0x15, "Namespace Attachment")                        \
  X(kKeepAlive, 0x18, "Keep Alive")                                            \
  X(kDirectiveSend, 0x19, "Directive Send")                                    \
  X(kDirectiveReceive, 0x1a, "Directive Receive")                              \
  X(kVirtualizationManagement, 0x1c, "Virtualization Management")              \
  X(kNvmeMiSend, 0x1d, "NVMe-MI Send")                                         \
  X(kNvmeMiReceive, 0x1e, "NVMe-MI Receive")                                   \
  X(kCapacityManagement, 0x20, "Capacity Management")                          \
  X(kDiscoveryInformationManagement, 0x21, "Discovery Information Management") \
  X(kFabricZoningReceive, 0x22, "Fabric Zoning Receive")                       \
  X(kLockdown, 0x24, "Lockdown")                                               \
  X(kFabricZoningLookup, 0x25, "Fabric Zoning Lookup")                         \
  X(kFabricZoningSend, 0x29, "Fabric Zoning Send")                             \
  X(kDoorbellBufferConfig, 0x7c, "Doorbell Buffer Config")                     \
  X(kFabrics, 0x7f, "Fabrics")                                                 \
  X(kFormatNvm, 0x80, "Format NVM")                                            \
  X(kSecuritySend, 0x81, "Security Send")                                      \
  X(kSecurityReceive, 0x82, "Security Receive")                                \
  X(kSanitize, 0x84, "Sanitize")                                               \
  X(kGetLbaStatus, 0x86, "Get LBA Status")
WIRE_ENUM(AdminOpcode, std::uint8_t, WIRE_ADMIN_OPCODES);

/// Controller or Namespace Structure (CNS) of Identify (5.1.13).
#define WIRE_CNS(X)                                                                              \
  X(kNamespace, 0x00, "Identify Namespace")                                                      \
  X(kController, 0x01, "Identify Controller")                                                    \
  X(kActiveNamespaceList, 0x02, "Active Namespace ID list")                                      \
  X(kNamespaceIdDescriptors, 0x03, "Namespace Identification Descriptor list")                   \
  X(kNvmSetList, 0x04, "NVM Set List")                                                           \
  X(kIoCommandSetNamespace, 0x05, "I/O Command Set specific Identify Namespace")                 \
  X(kIoCommandSetController, 0x06, "I/O Command Set specific Identify Controller")               \
  X(kIoCommandSetActiveNamespaceList, 0x07, "I/O Command Set specific Active Namespace ID list") \
  X(kIndependentNamespace, 0x08, "I/O Command Set Independent Identify Namespace")               \
  X(kNamespaceUserDataFormat, 0x09, "Identify Namespace for a user data format")                 \
  X(kIoCommandSetNamespaceUserDataFormat, 0x0a,                                                  \
    "I/O Command Set specific Identify Namespace for a user data format")                        \
  X(kAllocatedNamespaceList, 0x10, "Allocated Namespace ID list")                                \
  X(kAllocatedNamespace, 0x11, "Identify Namespace, allocated")                                  \
  X(kNamespaceAttachedControllerList, 0x12, "Controller List of a namespace")                    \
  X(kControllerList, 0x13, "Controller List of the subsystem")                                   \
  X(kPrimaryControllerCapabilities, 0x14, "Primary Controller Capabilities")                     \
  X(kSecondaryControllerList, 0x15, "Secondary Controller List")                                 \
  X(kNamespaceGranularityList, 0x16, "Namespace Granularity List")                               \
  X(kUuidList, 0x17, "UUID List")                                                                \
  X(kDomainList, 0x18, "Domain List")                                                            \
  X(kEnduranceGroupList, 0x19, "Endurance Group List")                                           \
  X(kIoCommandSetAllocatedNamespaceList, 0x1a,                                                   \
    "I/O Command Set specific Allocated Namespace ID list")                                      \
  X(kIoCommandSetAllocatedNamespace, 0x1b,                                                       \
    "I/O Command Set specific Identify Namespace, allocated")                                    \
  X(kIoCommandSet, 0x1c, "Identify I/O Command Set")
WIRE_ENUM(Cns, std::uint8_t, WIRE_CNS);

/// Command Set Identifier (CSI).
#define WIRE_COMMAND_SETS(X)                                           \
  X(kNvm, 0x00, "NVM Command Set")                                     \
  X(kKeyValue, 0x01, "Key Value Command Set")                          \
  X(kZonedNamespace, 0x02, "Zoned Namespace Command Set")              \
  X(kSubsystemLocalMemory, 0x03, "Subsystem Local Memory Command Set") \
  X(kComputationalPrograms, 0x04, "Computational Programs Command Set")
WIRE_ENUM(CommandSet, std::uint8_t, WIRE_COMMAND_SETS);

/// Dwords of Identify (5.1.13).
#define WIRE_IDENTIFY_CDW10_BITS(X)                       \
  X(Cns, 7, 0, "Controller or Namespace Structure (CNS)") \
  X(Cntid, 31, 16, "Controller Identifier (CNTID)")
WIRE_BITS(IdentifyCdw10, WIRE_IDENTIFY_CDW10_BITS);
#define WIRE_IDENTIFY_CDW11_BITS(X)                    \
  X(Cnssid, 15, 0, "CNS Specific Identifier (CNSSID)") \
  X(Csi, 31, 24, "Command Set Identifier (CSI)")
WIRE_BITS(IdentifyCdw11, WIRE_IDENTIFY_CDW11_BITS);
#define WIRE_UUID_INDEX_CDW14_BITS(X) X(Uidx, 6, 0, "UUID Index (UIDX)")
WIRE_BITS(IdentifyCdw14, WIRE_UUID_INDEX_CDW14_BITS);

/// Log Page Identifier (LID) of Get Log Page (5.1.12).
#define WIRE_LOG_PAGES(X)                                                                      \
  X(kSupportedLogPages, 0x00, "Supported Log Pages")                                           \
  X(kErrorInformation, 0x01, "Error Information")                                              \
  X(kSmartHealthInformation, 0x02, "SMART / Health Information")                               \
  X(kFirmwareSlotInformation, 0x03, "Firmware Slot Information")                               \
  X(kChangedNamespaceList, 0x04, "Changed Attached Namespace List")                            \
  X(kCommandsSupportedAndEffects, 0x05, "Commands Supported and Effects")                      \
  X(kDeviceSelfTest, 0x06, "Device Self-test")                                                 \
  X(kTelemetryHostInitiated, 0x07, "Telemetry Host-Initiated")                                 \
  X(kTelemetryControllerInitiated, 0x08, "Telemetry Controller-Initiated")                     \
  X(kEnduranceGroupInformation, 0x09, "Endurance Group Information")                           \
  X(kPredictableLatencyPerNvmSet, 0x0a, "Predictable Latency Per NVM Set")                     \
  X(kPredictableLatencyEventAggregate, 0x0b, "Predictable Latency Event Aggregate")            \
  X(kAsymmetricNamespaceAccess, 0x0c, "Asymmetric Namespace Access")                           \
  X(kPersistentEventLog, 0x0d, "Persistent Event Log")                                         \
  X(kLbaStatusInformation, 0x0e, "LBA Status Information")                                     \
  X(kEnduranceGroupEventAggregate, 0x0f, "Endurance Group Event Aggregate")                    \
  X(kMediaUnitStatus, 0x10, "Media Unit Status")                                               \
  X(kSupportedCapacityConfigurations, 0x11, "Supported Capacity Configuration List")           \
  X(kFeatureIdentifiersSupportedAndEffects, 0x12, "Feature Identifiers Supported and Effects") \
  X(kDiscovery, 0x70, "Discovery")                                                             \
  X(kHostDiscovery, 0x71, "Host Discovery")                                                    \
  X(kReservationNotification, 0x80, "Reservation Notification")                                \
  X(kSanitizeStatus, 0x81, "Sanitize Status")
WIRE_ENUM(LogPage, std::uint8_t, WIRE_LOG_PAGES);

/// Dwords of Get Log Page (5.1.12). The offset (LPO) is the 64 bits of dwords 12 and 13, in bytes
/// unless OT says otherwise.
#define WIRE_GET_LOG_PAGE_CDW10_BITS(X)             \
  X(Lid, 7, 0, "Log Page Identifier (LID)")         \
  X(Lsp, 14, 8, "Log Specific Parameter (LSP)")     \
  X(Rae, 15, 15, "Retain Asynchronous Event (RAE)") \
  X(Numdl, 31, 16, "Number of Dwords Lower (NUMDL), with NUMDU 0's based")
WIRE_BITS(GetLogPageCdw10, WIRE_GET_LOG_PAGE_CDW10_BITS);
#define WIRE_GET_LOG_PAGE_CDW11_BITS(X)             \
  X(Numdu, 15, 0, "Number of Dwords Upper (NUMDU)") \
  X(Lsi, 31, 16, "Log Specific Identifier (LSI)")
WIRE_BITS(GetLogPageCdw11, WIRE_GET_LOG_PAGE_CDW11_BITS);
#define WIRE_GET_LOG_PAGE_CDW14_BITS(X)              \
  X(Uidx, 6, 0, "UUID Index (UIDX)")                 \
  X(Ot, 23, 23, "Offset Type (OT): LPO is an index") \
  X(Csi, 31, 24, "Command Set Identifier (CSI)")
WIRE_BITS(GetLogPageCdw14, WIRE_GET_LOG_PAGE_CDW14_BITS);

/// Log Specific Parameter of the Discovery log page (5.1.12.3.1).
#define WIRE_DISCOVERY_LSP_BITS(X)                                  \
  X(Extdlpe, 0, 0, "Extended Discovery Log Page Entries (EXTDLPE)") \
  X(Pleo, 1, 1, "Port Local Entries Only (PLEO)")                   \
  X(Allsube, 2, 2, "All NVM Subsystem Entries (ALLSUBE)")
WIRE_BITS(DiscoveryLsp, WIRE_DISCOVERY_LSP_BITS);
/// Log Specific Parameter of the Asymmetric Namespace Access log page (5.1.12.1.13).
#define WIRE_ANA_LSP_BITS(X) X(Rgo, 0, 0, "Return Groups Only (RGO)")
WIRE_BITS(AnaLsp, WIRE_ANA_LSP_BITS);

/// Feature Identifier (FID) of Get and Set Features (5.1.25).
#define WIRE_FEATURES(X)                                                            \
  X(kArbitration, 0x01, "Arbitration")                                              \
  X(kPowerManagement, 0x02, "Power Management")                                     \
  X(kLbaRangeType, 0x03, "LBA Range Type")                                          \
  X(kTemperatureThreshold, 0x04, "Temperature Threshold")                           \
  X(kErrorRecovery, 0x05, "Error Recovery")                                         \
  X(kVolatileWriteCache, 0x06, "Volatile Write Cache")                              \
  X(kNumberOfQueues, 0x07, "Number of Queues")                                      \
  X(kInterruptCoalescing, 0x08, "Interrupt Coalescing")                             \
  X(kInterruptVectorConfiguration, 0x09, "Interrupt Vector Configuration")          \
  X(kWriteAtomicityNormal, 0x0a, "Write Atomicity Normal")                          \
  X(kAsynchronousEventConfiguration, 0x0b, "Asynchronous Event Configuration")      \
  X(kAutonomousPowerStateTransition, 0x0c, "Autonomous Power State Transition")     \
  X(kHostMemoryBuffer, 0x0d, "Host Memory Buffer")                                  \
  X(kTimestamp, 0x0e, "Timestamp")                                                  \
  X(kKeepAliveTimer, 0x0f, "Keep Alive Timer")                                      \
  X(kHostControlledThermalManagement, 0x10, "Host Controlled Thermal Management")   \
  X(kNonOperationalPowerStateConfig, 0x11, "Non-Operational Power State Config")    \
  X(kReadRecoveryLevelConfig, 0x12, "Read Recovery Level Config")                   \
  X(kPredictableLatencyModeConfig, 0x13, "Predictable Latency Mode Config")         \
  X(kPredictableLatencyModeWindow, 0x14, "Predictable Latency Mode Window")         \
  X(kLbaStatusInformationAttributes, 0x15, "LBA Status Information Attributes")     \
  X(kHostBehaviorSupport, 0x16, "Host Behavior Support")                            \
  X(kSanitizeConfig, 0x17, "Sanitize Config")                                       \
  X(kEnduranceGroupEventConfiguration, 0x18, "Endurance Group Event Configuration") \
  X(kIoCommandSetProfile, 0x19, "I/O Command Set Profile")                          \
  X(kSpinupControl, 0x1a, "Spinup Control")                                         \
  X(kSoftwareProgressMarker, 0x80, "Software Progress Marker")                      \
  X(kHostIdentifier, 0x81, "Host Identifier")                                       \
  X(kReservationNotificationMask, 0x82, "Reservation Notification Mask")            \
  X(kReservationPersistence, 0x83, "Reservation Persistence")                       \
  X(kNamespaceWriteProtection, 0x84, "Namespace Write Protection Config")
WIRE_ENUM(Feature, std::uint8_t, WIRE_FEATURES);

/// Select (SEL) of Get Features (5.1.11).
#define WIRE_FEATURE_SELECTS(X) \
  X(kCurrent, 0x0, "Current")   \
  X(kDefault, 0x1, "Default")   \
  X(kSaved, 0x2, "Saved")       \
  X(kSupportedCapabilities, 0x3, "Supported Capabilities")
WIRE_ENUM(FeatureSelect, std::uint8_t, WIRE_FEATURE_SELECTS);

/// Command Dword 10 of Get Features and of Set Features.
#define WIRE_GET_FEATURES_CDW10_BITS(X)    \
  X(Fid, 7, 0, "Feature Identifier (FID)") \
  X(Sel, 10, 8, "Select (SEL)")
WIRE_BITS(GetFeaturesCdw10, WIRE_GET_FEATURES_CDW10_BITS);
#define WIRE_SET_FEATURES_CDW10_BITS(X)    \
  X(Fid, 7, 0, "Feature Identifier (FID)") \
  X(Sv, 31, 31, "Save (SV)")
WIRE_BITS(SetFeaturesCdw10, WIRE_SET_FEATURES_CDW10_BITS);
/// Completion dword 0 of Get Features with SEL = Supported Capabilities.
#define WIRE_FEATURE_CAPABILITIES_BITS(X)          \
  X(Saveable, 0, 0, "Saveable")                    \
  X(NamespaceSpecific, 1, 1, "Namespace specific") \
  X(Changeable, 2, 2, "Changeable")
WIRE_BITS(FeatureCapabilities, WIRE_FEATURE_CAPABILITIES_BITS);

/// Command Dword 10 of Abort (5.1.1), and bit 0 of its completion's dword 0.
#define WIRE_ABORT_CDW10_BITS(X)                       \
  X(Sqid, 15, 0, "Submission Queue Identifier (SQID)") \
  X(Cid, 31, 16, "Command Identifier (CID)")
WIRE_BITS(AbortCdw10, WIRE_ABORT_CDW10_BITS);
#define WIRE_ABORT_RESULT_BITS(X) X(NotAborted, 0, 0, "Immediate Abort Not Performed (IANP)")
WIRE_BITS(AbortResult, WIRE_ABORT_RESULT_BITS);

/// Asynchronous Event Type (AET; 5.1.2).
#define WIRE_ASYNC_EVENT_TYPES(X)                           \
  X(kError, 0x0, "Error status")                            \
  X(kSmartHealth, 0x1, "SMART / Health status")             \
  X(kNotice, 0x2, "Notice")                                 \
  X(kImmediate, 0x3, "Immediate")                           \
  X(kIoCommandSpecific, 0x6, "I/O Command specific status") \
  X(kVendorSpecific, 0x7, "Vendor specific")
WIRE_ENUM(AsyncEventType, std::uint8_t, WIRE_ASYNC_EVENT_TYPES);

/// Asynchronous Event Information (AEI) of type Error.
#define WIRE_ASYNC_EVENT_ERRORS(X)                                        \
  X(kInvalidDoorbellRegister, 0x00, "Write to Invalid Doorbell Register") \
  X(kInvalidDoorbellValue, 0x01, "Invalid Doorbell Write Value")          \
  X(kDiagnosticFailure, 0x02, "Diagnostic Failure")                       \
  X(kPersistentInternalError, 0x03, "Persistent Internal Error")          \
  X(kTransientInternalError, 0x04, "Transient Internal Error")            \
  X(kFirmwareImageLoadError, 0x05, "Firmware Image Load Error")
WIRE_ENUM(AsyncEventError, std::uint8_t, WIRE_ASYNC_EVENT_ERRORS);

/// Asynchronous Event Information (AEI) of type SMART / Health.
#define WIRE_ASYNC_EVENT_HEALTH(X)                        \
  X(kReliability, 0x00, "NVM Subsystem Reliability")      \
  X(kTemperatureThreshold, 0x01, "Temperature Threshold") \
  X(kSpareBelowThreshold, 0x02, "Spare Below Threshold")
WIRE_ENUM(AsyncEventHealth, std::uint8_t, WIRE_ASYNC_EVENT_HEALTH);

/// Asynchronous Event Information (AEI) of type Notice.
#define WIRE_ASYNC_EVENT_NOTICES(X)                                                         \
  X(kNamespaceAttributeChanged, 0x00, "Attached Namespace Attribute Changed")               \
  X(kFirmwareActivationStarting, 0x01, "Firmware Activation Starting")                      \
  X(kTelemetryLogChanged, 0x02, "Telemetry Log Changed")                                    \
  X(kAsymmetricNamespaceAccessChange, 0x03, "Asymmetric Namespace Access Change")           \
  X(kPredictableLatencyEventChange, 0x04, "Predictable Latency Event Aggregate Log Change") \
  X(kLbaStatusInformationAlert, 0x05, "LBA Status Information Alert")                       \
  X(kEnduranceGroupEventChange, 0x06, "Endurance Group Event Aggregate Log Page Change")    \
  X(kDiscoveryLogPageChange, 0xf0, "Discovery Log Page Change")                             \
  X(kHostDiscoveryLogPageChange, 0xf1, "Host Discovery Log Page Change")
WIRE_ENUM(AsyncEventNotice, std::uint8_t, WIRE_ASYNC_EVENT_NOTICES);

/// Asynchronous Event Information (AEI) of type Immediate.
#define WIRE_ASYNC_EVENT_IMMEDIATE(X)                                   \
  X(kNormalNvmSubsystemShutdown, 0x00, "Normal NVM Subsystem Shutdown") \
  X(kTemperatureThresholdHysteresisRecovery, 0x01, "Temperature Threshold Hysteresis Recovery")
WIRE_ENUM(AsyncEventImmediate, std::uint8_t, WIRE_ASYNC_EVENT_IMMEDIATE);

/// Completion dword 0 of Asynchronous Event Request (5.1.2).
#define WIRE_ASYNC_EVENT_RESULT_BITS(X)                 \
  X(Aet, 2, 0, "Asynchronous Event Type (AET)")         \
  X(Aei, 15, 8, "Asynchronous Event Information (AEI)") \
  X(Lid, 23, 16, "Log Page Identifier (LID): reading it clears the event")
WIRE_BITS(AsyncEventResult, WIRE_ASYNC_EVENT_RESULT_BITS);

}  // namespace capsuled::wire
