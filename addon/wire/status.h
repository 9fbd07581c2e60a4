/// NVMe status: what a completion says (NVMe Base 2.1, 4.2.3 "Status Field Definition").
///
/// Values only. Which error gets which status is decided where the error arises; `Status` carries
/// it to the completion.
#pragma once

#include "wire/layout.h"

namespace capsuled::wire {

/// Status Code Type (SCT).
#define WIRE_STATUS_CODE_TYPES(X)                                   \
  X(kGeneric, 0x0, "Generic Command Status")                        \
  X(kCommandSpecific, 0x1, "Command Specific Status")               \
  X(kMediaAndDataIntegrity, 0x2, "Media and Data Integrity Errors") \
  X(kPathRelated, 0x3, "Path Related Status")                       \
  X(kVendorSpecific, 0x7, "Vendor Specific")
WIRE_ENUM(StatusCodeType, std::uint8_t, WIRE_STATUS_CODE_TYPES);

/// Generic Command Status; 80h and up are the I/O command sets'.
#define WIRE_GENERIC_STATUS(X)                                                                \
  X(kSuccess, 0x00, "Successful Completion")                                                  \
  X(kInvalidOpcode, 0x01, "Invalid Command Opcode")                                           \
  X(kInvalidField, 0x02, "Invalid Field in Command")                                          \
  X(kCommandIdConflict, 0x03, "Command ID Conflict")                                          \
  X(kDataTransferError, 0x04, "Data Transfer Error")                                          \
  X(kAbortedPowerLoss, 0x05, "Commands Aborted due to Power Loss Notification")               \
  X(kInternalError, 0x06, "Internal Error")                                                   \
  X(kAbortRequested, 0x07, "Command Abort Requested")                                         \
  X(kAbortedSqDeletion, 0x08, "Command Aborted due to SQ Deletion")                           \
  X(kAbortedFailedFused, 0x09, "Command Aborted due to Failed Fused Command")                 \
  X(kAbortedMissingFused, 0x0a, "Command Aborted due to Missing Fused Command")               \
  X(kInvalidNamespaceOrFormat, 0x0b, "Invalid Namespace or Format")                           \
  X(kCommandSequenceError, 0x0c, "Command Sequence Error")                                    \
  X(kInvalidSglSegmentDescriptor, 0x0d, "Invalid SGL Segment Descriptor")                     \
  X(kInvalidSglDescriptorCount, 0x0e, "Invalid Number of SGL Descriptors")                    \
  X(kDataSglLengthInvalid, 0x0f, "Data SGL Length Invalid")                                   \
  X(kMetadataSglLengthInvalid, 0x10, "Metadata SGL Length Invalid")                           \
  X(kSglDescriptorTypeInvalid, 0x11, "SGL Descriptor Type Invalid")                           \
  X(kInvalidUseOfCmb, 0x12, "Invalid Use of Controller Memory Buffer")                        \
  X(kPrpOffsetInvalid, 0x13, "PRP Offset Invalid")                                            \
  X(kAtomicWriteUnitExceeded, 0x14, "Atomic Write Unit Exceeded")                             \
  X(kOperationDenied, 0x15, "Operation Denied")                                               \
  X(kSglOffsetInvalid, 0x16, "SGL Offset Invalid")                                            \
  X(kHostIdentifierInconsistentFormat, 0x18, "Host Identifier Inconsistent Format")           \
  X(kKeepAliveTimerExpired, 0x19, "Keep Alive Timer Expired")                                 \
  X(kKeepAliveTimeoutInvalid, 0x1a, "Keep Alive Timeout Invalid")                             \
  X(kAbortedPreemptAndAbort, 0x1b, "Command Aborted due to Preempt and Abort")                \
  X(kSanitizeFailed, 0x1c, "Sanitize Failed")                                                 \
  X(kSanitizeInProgress, 0x1d, "Sanitize In Progress")                                        \
  X(kSglDataBlockGranularityInvalid, 0x1e, "SGL Data Block Granularity Invalid")              \
  X(kCommandNotSupportedForQueueInCmb, 0x1f, "Command Not Supported for Queue in CMB")        \
  X(kNamespaceWriteProtected, 0x20, "Namespace is Write Protected")                           \
  X(kCommandInterrupted, 0x21, "Command Interrupted")                                         \
  X(kTransientTransportError, 0x22, "Transient Transport Error")                              \
  X(kCommandProhibitedByLockdown, 0x23, "Command Prohibited by Command and Feature Lockdown") \
  X(kAdminCommandMediaNotReady, 0x24, "Admin Command Media Not Ready")                        \
  X(kInvalidKeyTag, 0x25, "Invalid Key Tag")                                                  \
  X(kHostDispersedNamespaceNotEnabled, 0x26, "Host Dispersed Namespace Support Not Enabled")  \
  X(kHostIdentifierNotInitialized, 0x27, "Host Identifier Not Initialized")                   \
  X(kIncorrectKey, 0x28, "Incorrect Key")                                                     \
  X(kFdpDisabled, 0x29, "FDP Disabled")                                                       \
  X(kInvalidPlacementHandleList, 0x2a, "Invalid Placement Handle List")                       \
  X(kLbaOutOfRange, 0x80, "LBA Out of Range")                                                 \
  X(kCapacityExceeded, 0x81, "Capacity Exceeded")                                             \
  X(kNamespaceNotReady, 0x82, "Namespace Not Ready")                                          \
  X(kReservationConflict, 0x83, "Reservation Conflict")                                       \
  X(kFormatInProgress, 0x84, "Format In Progress")
WIRE_ENUM(GenericStatus, std::uint8_t, WIRE_GENERIC_STATUS);

/// Command Specific Status; 80h and up depend on the command: NvmCommandStatus or FabricsStatus.
#define WIRE_COMMAND_SPECIFIC_STATUS(X)                                                         \
  X(kCompletionQueueInvalid, 0x00, "Completion Queue Invalid")                                  \
  X(kInvalidQueueIdentifier, 0x01, "Invalid Queue Identifier")                                  \
  X(kInvalidQueueSize, 0x02, "Invalid Queue Size")                                              \
  X(kAbortCommandLimitExceeded, 0x03, "Abort Command Limit Exceeded")                           \
  X(kAsyncEventRequestLimitExceeded, 0x05, "Asynchronous Event Request Limit Exceeded")         \
  X(kInvalidFirmwareSlot, 0x06, "Invalid Firmware Slot")                                        \
  X(kInvalidFirmwareImage, 0x07, "Invalid Firmware Image")                                      \
  X(kInvalidInterruptVector, 0x08, "Invalid Interrupt Vector")                                  \
  X(kInvalidLogPage, 0x09, "Invalid Log Page")                                                  \
  X(kInvalidFormat, 0x0a, "Invalid Format")                                                     \
  X(kFirmwareNeedsConventionalReset, 0x0b, "Firmware Activation Requires Conventional Reset")   \
  X(kInvalidQueueDeletion, 0x0c, "Invalid Queue Deletion")                                      \
  X(kFeatureIdentifierNotSaveable, 0x0d, "Feature Identifier Not Saveable")                     \
  X(kFeatureNotChangeable, 0x0e, "Feature Not Changeable")                                      \
  X(kFeatureNotNamespaceSpecific, 0x0f, "Feature Not Namespace Specific")                       \
  X(kFirmwareNeedsSubsystemReset, 0x10, "Firmware Activation Requires NVM Subsystem Reset")     \
  X(kFirmwareNeedsControllerReset, 0x11, "Firmware Activation Requires Controller Level Reset") \
  X(kFirmwareMaximumTimeViolation, 0x12, "Firmware Activation Requires Maximum Time Violation") \
  X(kFirmwareActivationProhibited, 0x13, "Firmware Activation Prohibited")                      \
  X(kOverlappingRange, 0x14, "Overlapping Range")                                               \
  X(kNamespaceInsufficientCapacity, 0x15, "Namespace Insufficient Capacity")                    \
  X(kNamespaceIdentifierUnavailable, 0x16, "Namespace Identifier Unavailable")                  \
  X(kNamespaceAlreadyAttached, 0x18, "Namespace Already Attached")                              \
  X(kNamespaceIsPrivate, 0x19, "Namespace Is Private")                                          \
  X(kNamespaceNotAttached, 0x1a, "Namespace Not Attached")                                      \
  X(kThinProvisioningNotSupported, 0x1b, "Thin Provisioning Not Supported")                     \
  X(kControllerListInvalid, 0x1c, "Controller List Invalid")                                    \
  X(kDeviceSelfTestInProgress, 0x1d, "Device Self-test In Progress")                            \
  X(kBootPartitionWriteProhibited, 0x1e, "Boot Partition Write Prohibited")                     \
  X(kInvalidControllerIdentifier, 0x1f, "Invalid Controller Identifier")                        \
  X(kInvalidSecondaryControllerState, 0x20, "Invalid Secondary Controller State")               \
  X(kInvalidControllerResourceCount, 0x21, "Invalid Number of Controller Resources")            \
  X(kInvalidResourceIdentifier, 0x22, "Invalid Resource Identifier")                            \
  X(kSanitizeProhibitedByPmr, 0x23,                                                             \
    "Sanitize Prohibited While Persistent Memory Region is Enabled")                            \
  X(kAnaGroupIdentifierInvalid, 0x24, "ANA Group Identifier Invalid")                           \
  X(kAnaAttachFailed, 0x25, "ANA Attach Failed")                                                \
  X(kInsufficientCapacity, 0x26, "Insufficient Capacity")                                       \
  X(kNamespaceAttachmentLimitExceeded, 0x27, "Namespace Attachment Limit Exceeded")             \
  X(kProhibitionNotSupported, 0x28, "Prohibition of Command Execution Not Supported")           \
  X(kIoCommandSetNotSupported, 0x29, "I/O Command Set Not Supported")                           \
  X(kIoCommandSetNotEnabled, 0x2a, "I/O Command Set Not Enabled")                               \
  X(kIoCommandSetCombinationRejected, 0x2b, "I/O Command Set Combination Rejected")             \
  X(kInvalidIoCommandSet, 0x2c, "Invalid I/O Command Set")                                      \
  X(kIdentifierUnavailable, 0x2d, "Identifier Unavailable")
WIRE_ENUM(CommandSpecificStatus, std::uint8_t, WIRE_COMMAND_SPECIFIC_STATUS);

/// Command Specific Status of NVM Command Set commands (NVM Command Set 1.1, 3.1).
#define WIRE_NVM_COMMAND_STATUS(X)                                              \
  X(kConflictingAttributes, 0x80, "Conflicting Attributes")                     \
  X(kInvalidProtectionInformation, 0x81, "Invalid Protection Information")      \
  X(kAttemptedWriteToReadOnlyRange, 0x82, "Attempted Write to Read Only Range") \
  X(kCommandSizeLimitExceeded, 0x83, "Command Size Limit Exceeded")
WIRE_ENUM(NvmCommandStatus, std::uint8_t, WIRE_NVM_COMMAND_STATUS);

/// Command Specific Status of Fabrics commands and of Get Log Page for discovery (NVMe Base 2.1, 6
/// "Fabrics Command Set").
#define WIRE_FABRICS_STATUS(X)                                       \
  X(kConnectIncompatibleFormat, 0x80, "Connect Incompatible Format") \
  X(kConnectControllerBusy, 0x81, "Connect Controller Busy")         \
  X(kConnectInvalidParameters, 0x82, "Connect Invalid Parameters")   \
  X(kConnectRestartDiscovery, 0x83, "Connect Restart Discovery")     \
  X(kConnectInvalidHost, 0x84, "Connect Invalid Host")               \
  X(kInvalidQueueType, 0x85, "Invalid Queue Type")                   \
  X(kDiscoverRestart, 0x90, "Discover Restart")                      \
  X(kAuthenticationRequired, 0x91, "Authentication Required")
WIRE_ENUM(FabricsStatus, std::uint8_t, WIRE_FABRICS_STATUS);

/// Media and Data Integrity Errors.
#define WIRE_MEDIA_STATUS(X)                                                   \
  X(kWriteFault, 0x80, "Write Fault")                                          \
  X(kUnrecoveredReadError, 0x81, "Unrecovered Read Error")                     \
  X(kGuardCheckError, 0x82, "End-to-end Guard Check Error")                    \
  X(kApplicationTagCheckError, 0x83, "End-to-end Application Tag Check Error") \
  X(kReferenceTagCheckError, 0x84, "End-to-end Reference Tag Check Error")     \
  X(kCompareFailure, 0x85, "Compare Failure")                                  \
  X(kAccessDenied, 0x86, "Access Denied")                                      \
  X(kDeallocatedOrUnwritten, 0x87, "Deallocated or Unwritten Logical Block")   \
  X(kStorageTagCheckError, 0x88, "End-to-End Storage Tag Check Error")
WIRE_ENUM(MediaStatus, std::uint8_t, WIRE_MEDIA_STATUS);

/// Path Related Status.
#define WIRE_PATH_STATUS(X)                                        \
  X(kInternalPathError, 0x00, "Internal Path Error")               \
  X(kAnaPersistentLoss, 0x01, "Asymmetric Access Persistent Loss") \
  X(kAnaInaccessible, 0x02, "Asymmetric Access Inaccessible")      \
  X(kAnaTransition, 0x03, "Asymmetric Access Transition")          \
  X(kControllerPathingError, 0x60, "Controller Pathing Error")     \
  X(kHostPathingError, 0x70, "Host Pathing Error")                 \
  X(kAbortedByHost, 0x71, "Command Aborted By Host")
WIRE_ENUM(PathStatus, std::uint8_t, WIRE_PATH_STATUS);

/// The 16 bits of the completion's status, phase tag included (it is 0 over fabrics).
#define WIRE_STATUS_BITS(X)                                                \
  X(Phase, 0, 0, "Phase Tag (P)")                                          \
  X(Code, 8, 1, "Status Code (SC)")                                        \
  X(CodeType, 11, 9, "Status Code Type (SCT)")                             \
  X(RetryDelay, 13, 12, "Command Retry Delay (CRD)")                       \
  X(More, 14, 14, "More (M): the error log has an entry for this command") \
  X(DoNotRetry, 15, 15, "Do Not Retry (DNR)")
WIRE_BITS(StatusField, WIRE_STATUS_BITS);

/// A status by value. Constructed from any of the status enumerations, so that `return
/// GenericStatus::kInvalidField;` reads well; retrying is allowed unless `do_not_retry()` says
/// otherwise.
class Status {
 public:
  constexpr Status() = default;
  constexpr Status(GenericStatus code) : Status(StatusCodeType::kGeneric, code) {}
  constexpr Status(CommandSpecificStatus code) : Status(StatusCodeType::kCommandSpecific, code) {}
  constexpr Status(NvmCommandStatus code) : Status(StatusCodeType::kCommandSpecific, code) {}
  constexpr Status(FabricsStatus code) : Status(StatusCodeType::kCommandSpecific, code) {}
  constexpr Status(MediaStatus code) : Status(StatusCodeType::kMediaAndDataIntegrity, code) {}
  constexpr Status(PathStatus code) : Status(StatusCodeType::kPathRelated, code) {}

  /// From the wire's 16 bits; the phase tag is dropped.
  static constexpr Status unpack(std::uint16_t field) {
    Status status;
    status.field_ = StatusField::Phase::set(field, std::uint16_t{0});
    return status;
  }
  /// The wire's 16 bits, phase tag 0.
  constexpr std::uint16_t pack() const { return field_; }

  constexpr bool is_success() const {
    constexpr auto kOutcome = static_cast<std::uint16_t>(
        StatusField::Code::mask<std::uint16_t>() | StatusField::CodeType::mask<std::uint16_t>());
    return (field_ & kOutcome) == 0;
  }
  constexpr StatusCodeType type() const {
    return static_cast<StatusCodeType>(StatusField::CodeType::get(field_));
  }
  constexpr std::uint8_t code() const {
    return static_cast<std::uint8_t>(StatusField::Code::get(field_));
  }
  /// The same outcome, whatever it says besides.
  constexpr bool is(Status other) const { return type() == other.type() && code() == other.code(); }
  constexpr bool dnr() const { return StatusField::DoNotRetry::get(field_) != 0; }
  constexpr bool more() const { return StatusField::More::get(field_) != 0; }
  /// Index into the controller's Command Retry Delay Times; 0 is none.
  constexpr std::uint8_t retry_delay() const {
    return static_cast<std::uint8_t>(StatusField::RetryDelay::get(field_));
  }

  /// The same status with Do Not Retry set: the command would fail again.
  [[nodiscard]] constexpr Status do_not_retry() const {
    return unpack(StatusField::DoNotRetry::set(field_, std::uint16_t{1}));
  }
  [[nodiscard]] constexpr Status with_more() const {
    return unpack(StatusField::More::set(field_, std::uint16_t{1}));
  }
  [[nodiscard]] constexpr Status with_retry_delay(std::uint8_t index) const {
    return unpack(StatusField::RetryDelay::set(field_, std::uint16_t{index}));
  }

  friend constexpr bool operator==(Status, Status) = default;

 private:
  template <typename Code>
  constexpr Status(StatusCodeType type, Code code)
      : field_(StatusField::CodeType::set(
            StatusField::Code::set(std::uint16_t{0}, static_cast<std::uint16_t>(code)),
            static_cast<std::uint16_t>(type))) {}

  std::uint16_t field_ = 0;
};
static_assert(sizeof(Status) == 2);

/// The specification's name; never null. Codes that the command gives a meaning to (command
/// specific, 80h and up) are read as those of the NVM Command Set.
const char* status_name(Status status);
/// Likewise, for the completion of a Fabrics command or of a discovery log read.
const char* fabrics_status_name(Status status);

}  // namespace capsuled::wire
