#include "wire/catalogue.h"

#include "wire/admin_command.h"
#include "wire/command.h"
#include "wire/fabrics.h"
#include "wire/feature.h"
#include "wire/identify.h"
#include "wire/io_command.h"
#include "wire/log_page.h"
#include "wire/pdu.h"
#include "wire/registers.h"
#include "wire/status.h"

namespace capsuled::wire {
namespace {

constexpr const StructLayout* kStructs[] = {
    &kSglDescriptorLayout,
    &kSubmissionQueueEntryLayout,
    &kCompletionQueueEntryLayout,
    &kPduCommonHeaderLayout,
    &kIcReqLayout,
    &kIcRespLayout,
    &kTermReqLayout,
    &kCapsuleCmdHeaderLayout,
    &kCapsuleRespHeaderLayout,
    &kH2cDataLayout,
    &kC2hDataLayout,
    &kR2tLayout,
    &kDsmRangeLayout,
    &kCopySourceRangeLayout,
    &kTimestampLayout,
    &kHostBehaviorSupportLayout,
    &kFabricsCommandLayout,
    &kConnectCommandLayout,
    &kConnectDataLayout,
    &kPropertyGetCommandLayout,
    &kPropertySetCommandLayout,
    &kAuthenticationCommandLayout,
    &kDisconnectCommandLayout,
    &kPowerStateDescriptorLayout,
    &kIdentifyControllerLayout,
    &kLbaFormatLayout,
    &kIdentifyNamespaceLayout,
    &kIdentifyIndependentNamespaceLayout,
    &kIdentifyNvmNamespaceLayout,
    &kIdentifyNvmControllerLayout,
    &kNamespaceIdDescriptorLayout,
    &kNamespaceListLayout,
    &kControllerListLayout,
    &kIdentifyIoCommandSetLayout,
    &kSupportedLogPagesLayout,
    &kErrorLogEntryLayout,
    &kSmartLogLayout,
    &kFirmwareSlotLogLayout,
    &kCommandsSupportedAndEffectsLayout,
    &kFeaturesSupportedAndEffectsLayout,
    &kAnaLogHeaderLayout,
    &kAnaGroupDescriptorLayout,
    &kDiscoveryLogHeaderLayout,
    &kDiscoveryLogEntryLayout,
};

#define WIRE_NAMED_ENUM(name) {#name, k##name##Constants}
constexpr NamedConstants kEnums[] = {
    WIRE_NAMED_ENUM(StatusCodeType),
    WIRE_NAMED_ENUM(GenericStatus),
    WIRE_NAMED_ENUM(CommandSpecificStatus),
    WIRE_NAMED_ENUM(NvmCommandStatus),
    WIRE_NAMED_ENUM(FabricsStatus),
    WIRE_NAMED_ENUM(MediaStatus),
    WIRE_NAMED_ENUM(PathStatus),
    WIRE_NAMED_ENUM(SglType),
    WIRE_NAMED_ENUM(SglSubtype),
    WIRE_NAMED_ENUM(FusedOperation),
    WIRE_NAMED_ENUM(DataPointerType),
    WIRE_NAMED_ENUM(PduType),
    WIRE_NAMED_ENUM(FatalErrorStatus),
    WIRE_NAMED_ENUM(IoOpcode),
    WIRE_NAMED_ENUM(DataTransfer),
    WIRE_NAMED_ENUM(AdminOpcode),
    WIRE_NAMED_ENUM(Cns),
    WIRE_NAMED_ENUM(CommandSet),
    WIRE_NAMED_ENUM(LogPage),
    WIRE_NAMED_ENUM(Feature),
    WIRE_NAMED_ENUM(FeatureSelect),
    WIRE_NAMED_ENUM(AsyncEventType),
    WIRE_NAMED_ENUM(AsyncEventError),
    WIRE_NAMED_ENUM(AsyncEventHealth),
    WIRE_NAMED_ENUM(AsyncEventNotice),
    WIRE_NAMED_ENUM(AsyncEventImmediate),
    WIRE_NAMED_ENUM(WriteProtectionState),
    WIRE_NAMED_ENUM(FabricsCommandType),
    WIRE_NAMED_ENUM(PropertySize),
    WIRE_NAMED_ENUM(Property),
    WIRE_NAMED_ENUM(CommandSetSelected),
    WIRE_NAMED_ENUM(ShutdownNotification),
    WIRE_NAMED_ENUM(ShutdownStatus),
    WIRE_NAMED_ENUM(ControllerType),
    WIRE_NAMED_ENUM(NamespaceIdType),
    WIRE_NAMED_ENUM(AnaState),
    WIRE_NAMED_ENUM(TransportType),
    WIRE_NAMED_ENUM(AddressFamily),
    WIRE_NAMED_ENUM(SubsystemType),
    WIRE_NAMED_ENUM(TcpSecurityType),
};

#define WIRE_NAMED_BITS(name) {#name, k##name##Bits}
constexpr NamedBits kBits[] = {
    WIRE_NAMED_BITS(StatusField),
    WIRE_NAMED_BITS(SglIdentifier),
    WIRE_NAMED_BITS(CommandFlags),
    WIRE_NAMED_BITS(PduFlags),
    WIRE_NAMED_BITS(DigestEnable),
    WIRE_NAMED_BITS(OpcodeField),
    WIRE_NAMED_BITS(LbaRangeCdw12),
    WIRE_NAMED_BITS(DatasetManagementCdw10),
    WIRE_NAMED_BITS(DatasetManagementCdw11),
    WIRE_NAMED_BITS(CopyCdw12),
    WIRE_NAMED_BITS(IdentifyCdw10),
    WIRE_NAMED_BITS(IdentifyCdw11),
    WIRE_NAMED_BITS(IdentifyCdw14),
    WIRE_NAMED_BITS(GetLogPageCdw10),
    WIRE_NAMED_BITS(GetLogPageCdw11),
    WIRE_NAMED_BITS(GetLogPageCdw14),
    WIRE_NAMED_BITS(DiscoveryLsp),
    WIRE_NAMED_BITS(AnaLsp),
    WIRE_NAMED_BITS(GetFeaturesCdw10),
    WIRE_NAMED_BITS(SetFeaturesCdw10),
    WIRE_NAMED_BITS(FeatureCapabilities),
    WIRE_NAMED_BITS(AbortCdw10),
    WIRE_NAMED_BITS(AbortResult),
    WIRE_NAMED_BITS(AsyncEventResult),
    WIRE_NAMED_BITS(ArbitrationFeature),
    WIRE_NAMED_BITS(PowerManagementFeature),
    WIRE_NAMED_BITS(TemperatureThresholdFeature),
    WIRE_NAMED_BITS(ErrorRecoveryFeature),
    WIRE_NAMED_BITS(VolatileWriteCacheFeature),
    WIRE_NAMED_BITS(NumberOfQueuesFeature),
    WIRE_NAMED_BITS(WriteAtomicityFeature),
    WIRE_NAMED_BITS(AsyncEventConfiguration),
    WIRE_NAMED_BITS(HostIdentifierFeature),
    WIRE_NAMED_BITS(ConnectAttributes),
    WIRE_NAMED_BITS(ConnectResult),
    WIRE_NAMED_BITS(ConnectInvalid),
    WIRE_NAMED_BITS(PropertyAttributes),
    WIRE_NAMED_BITS(Cap),
    WIRE_NAMED_BITS(CapCss),
    WIRE_NAMED_BITS(Vs),
    WIRE_NAMED_BITS(Cc),
    WIRE_NAMED_BITS(Csts),
    WIRE_NAMED_BITS(Crto),
    WIRE_NAMED_BITS(Cmic),
    WIRE_NAMED_BITS(Ctratt),
    WIRE_NAMED_BITS(Oacs),
    WIRE_NAMED_BITS(Frmw),
    WIRE_NAMED_BITS(Lpa),
    WIRE_NAMED_BITS(Sanicap),
    WIRE_NAMED_BITS(Anacap),
    WIRE_NAMED_BITS(QueueEntrySize),
    WIRE_NAMED_BITS(Oncs),
    WIRE_NAMED_BITS(Fuses),
    WIRE_NAMED_BITS(Vwc),
    WIRE_NAMED_BITS(Nwpc),
    WIRE_NAMED_BITS(Sgls),
    WIRE_NAMED_BITS(Ofcs),
    WIRE_NAMED_BITS(Fcatt),
    WIRE_NAMED_BITS(Nsfeat),
    WIRE_NAMED_BITS(Flbas),
    WIRE_NAMED_BITS(Nmic),
    WIRE_NAMED_BITS(Rescap),
    WIRE_NAMED_BITS(Dlfeat),
    WIRE_NAMED_BITS(Nsattr),
    WIRE_NAMED_BITS(LbaFormatRp),
    WIRE_NAMED_BITS(IndependentNsfeat),
    WIRE_NAMED_BITS(Nstat),
    WIRE_NAMED_BITS(ExtendedLbaFormat),
    WIRE_NAMED_BITS(CommandSetVector),
    WIRE_NAMED_BITS(LidSupported),
    WIRE_NAMED_BITS(CriticalWarning),
    WIRE_NAMED_BITS(Afi),
    WIRE_NAMED_BITS(CommandEffects),
    WIRE_NAMED_BITS(FeatureEffects),
    WIRE_NAMED_BITS(Treq),
    WIRE_NAMED_BITS(Eflags),
};

}  // namespace

std::span<const StructLayout* const> all_structs() { return kStructs; }
std::span<const NamedConstants> all_enums() { return kEnums; }
std::span<const NamedBits> all_bits() { return kBits; }

const StructLayout* find_struct(std::string_view name) {
  for (const StructLayout* layout : kStructs) {
    if (name == layout->name) return layout;
  }
  return nullptr;
}

}  // namespace capsuled::wire
