// Generated from addon/wire by the wire_layout program. Do not edit: change the C++ tables.

import { StructView } from './struct-view.js';

export const digestSize = 0x4;
export const pduFormatVersion = 0x0;
export const maxh2cdataMin = 0x1000;
export const termReqDataMax = 0x80;
export const adminInCapsuleDataMax = 0x2000;
export const fabricsOpcode = 0x7f;
export const nqnFieldSize = 0x100;
export const nqnLengthMax = 0xdf;
export const cntlidDynamic = 0xffff;
export const cntlidStaticAny = 0xfffe;
export const nsidNone = 0x0;
export const nsidBroadcast = 0xffffffff;
export const nssrReset = 0x4e564d65;
export const version13 = 0x10300;
export const version14 = 0x10400;
export const version20 = 0x20000;
export const version21 = 0x20100;
export const discoveryNqn = 'nqn.2014-08.org.nvmexpress.discovery';

export const StatusCodeType = {
  generic: 0x00,
  commandSpecific: 0x01,
  mediaAndDataIntegrity: 0x02,
  pathRelated: 0x03,
  vendorSpecific: 0x07,
} as const;
export const StatusCodeTypeName: Readonly<Record<number, string>> = {
  0x00: 'Generic Command Status',
  0x01: 'Command Specific Status',
  0x02: 'Media and Data Integrity Errors',
  0x03: 'Path Related Status',
  0x07: 'Vendor Specific',
};

export const GenericStatus = {
  success: 0x00,
  invalidOpcode: 0x01,
  invalidField: 0x02,
  commandIdConflict: 0x03,
  dataTransferError: 0x04,
  abortedPowerLoss: 0x05,
  internalError: 0x06,
  abortRequested: 0x07,
  abortedSqDeletion: 0x08,
  abortedFailedFused: 0x09,
  abortedMissingFused: 0x0a,
  invalidNamespaceOrFormat: 0x0b,
  commandSequenceError: 0x0c,
  invalidSglSegmentDescriptor: 0x0d,
  invalidSglDescriptorCount: 0x0e,
  dataSglLengthInvalid: 0x0f,
  metadataSglLengthInvalid: 0x10,
  sglDescriptorTypeInvalid: 0x11,
  invalidUseOfCmb: 0x12,
  prpOffsetInvalid: 0x13,
  atomicWriteUnitExceeded: 0x14,
  operationDenied: 0x15,
  sglOffsetInvalid: 0x16,
  hostIdentifierInconsistentFormat: 0x18,
  keepAliveTimerExpired: 0x19,
  keepAliveTimeoutInvalid: 0x1a,
  abortedPreemptAndAbort: 0x1b,
  sanitizeFailed: 0x1c,
  sanitizeInProgress: 0x1d,
  sglDataBlockGranularityInvalid: 0x1e,
  commandNotSupportedForQueueInCmb: 0x1f,
  namespaceWriteProtected: 0x20,
  commandInterrupted: 0x21,
  transientTransportError: 0x22,
  commandProhibitedByLockdown: 0x23,
  adminCommandMediaNotReady: 0x24,
  invalidKeyTag: 0x25,
  hostDispersedNamespaceNotEnabled: 0x26,
  hostIdentifierNotInitialized: 0x27,
  incorrectKey: 0x28,
  fdpDisabled: 0x29,
  invalidPlacementHandleList: 0x2a,
  lbaOutOfRange: 0x80,
  capacityExceeded: 0x81,
  namespaceNotReady: 0x82,
  reservationConflict: 0x83,
  formatInProgress: 0x84,
} as const;
export const GenericStatusName: Readonly<Record<number, string>> = {
  0x00: 'Successful Completion',
  0x01: 'Invalid Command Opcode',
  0x02: 'Invalid Field in Command',
  0x03: 'Command ID Conflict',
  0x04: 'Data Transfer Error',
  0x05: 'Commands Aborted due to Power Loss Notification',
  0x06: 'Internal Error',
  0x07: 'Command Abort Requested',
  0x08: 'Command Aborted due to SQ Deletion',
  0x09: 'Command Aborted due to Failed Fused Command',
  0x0a: 'Command Aborted due to Missing Fused Command',
  0x0b: 'Invalid Namespace or Format',
  0x0c: 'Command Sequence Error',
  0x0d: 'Invalid SGL Segment Descriptor',
  0x0e: 'Invalid Number of SGL Descriptors',
  0x0f: 'Data SGL Length Invalid',
  0x10: 'Metadata SGL Length Invalid',
  0x11: 'SGL Descriptor Type Invalid',
  0x12: 'Invalid Use of Controller Memory Buffer',
  0x13: 'PRP Offset Invalid',
  0x14: 'Atomic Write Unit Exceeded',
  0x15: 'Operation Denied',
  0x16: 'SGL Offset Invalid',
  0x18: 'Host Identifier Inconsistent Format',
  0x19: 'Keep Alive Timer Expired',
  0x1a: 'Keep Alive Timeout Invalid',
  0x1b: 'Command Aborted due to Preempt and Abort',
  0x1c: 'Sanitize Failed',
  0x1d: 'Sanitize In Progress',
  0x1e: 'SGL Data Block Granularity Invalid',
  0x1f: 'Command Not Supported for Queue in CMB',
  0x20: 'Namespace is Write Protected',
  0x21: 'Command Interrupted',
  0x22: 'Transient Transport Error',
  0x23: 'Command Prohibited by Command and Feature Lockdown',
  0x24: 'Admin Command Media Not Ready',
  0x25: 'Invalid Key Tag',
  0x26: 'Host Dispersed Namespace Support Not Enabled',
  0x27: 'Host Identifier Not Initialized',
  0x28: 'Incorrect Key',
  0x29: 'FDP Disabled',
  0x2a: 'Invalid Placement Handle List',
  0x80: 'LBA Out of Range',
  0x81: 'Capacity Exceeded',
  0x82: 'Namespace Not Ready',
  0x83: 'Reservation Conflict',
  0x84: 'Format In Progress',
};

export const CommandSpecificStatus = {
  completionQueueInvalid: 0x00,
  invalidQueueIdentifier: 0x01,
  invalidQueueSize: 0x02,
  abortCommandLimitExceeded: 0x03,
  asyncEventRequestLimitExceeded: 0x05,
  invalidFirmwareSlot: 0x06,
  invalidFirmwareImage: 0x07,
  invalidInterruptVector: 0x08,
  invalidLogPage: 0x09,
  invalidFormat: 0x0a,
  firmwareNeedsConventionalReset: 0x0b,
  invalidQueueDeletion: 0x0c,
  featureIdentifierNotSaveable: 0x0d,
  featureNotChangeable: 0x0e,
  featureNotNamespaceSpecific: 0x0f,
  firmwareNeedsSubsystemReset: 0x10,
  firmwareNeedsControllerReset: 0x11,
  firmwareMaximumTimeViolation: 0x12,
  firmwareActivationProhibited: 0x13,
  overlappingRange: 0x14,
  namespaceInsufficientCapacity: 0x15,
  namespaceIdentifierUnavailable: 0x16,
  namespaceAlreadyAttached: 0x18,
  namespaceIsPrivate: 0x19,
  namespaceNotAttached: 0x1a,
  thinProvisioningNotSupported: 0x1b,
  controllerListInvalid: 0x1c,
  deviceSelfTestInProgress: 0x1d,
  bootPartitionWriteProhibited: 0x1e,
  invalidControllerIdentifier: 0x1f,
  invalidSecondaryControllerState: 0x20,
  invalidControllerResourceCount: 0x21,
  invalidResourceIdentifier: 0x22,
  sanitizeProhibitedByPmr: 0x23,
  anaGroupIdentifierInvalid: 0x24,
  anaAttachFailed: 0x25,
  insufficientCapacity: 0x26,
  namespaceAttachmentLimitExceeded: 0x27,
  prohibitionNotSupported: 0x28,
  ioCommandSetNotSupported: 0x29,
  ioCommandSetNotEnabled: 0x2a,
  ioCommandSetCombinationRejected: 0x2b,
  invalidIoCommandSet: 0x2c,
  identifierUnavailable: 0x2d,
} as const;
export const CommandSpecificStatusName: Readonly<Record<number, string>> = {
  0x00: 'Completion Queue Invalid',
  0x01: 'Invalid Queue Identifier',
  0x02: 'Invalid Queue Size',
  0x03: 'Abort Command Limit Exceeded',
  0x05: 'Asynchronous Event Request Limit Exceeded',
  0x06: 'Invalid Firmware Slot',
  0x07: 'Invalid Firmware Image',
  0x08: 'Invalid Interrupt Vector',
  0x09: 'Invalid Log Page',
  0x0a: 'Invalid Format',
  0x0b: 'Firmware Activation Requires Conventional Reset',
  0x0c: 'Invalid Queue Deletion',
  0x0d: 'Feature Identifier Not Saveable',
  0x0e: 'Feature Not Changeable',
  0x0f: 'Feature Not Namespace Specific',
  0x10: 'Firmware Activation Requires NVM Subsystem Reset',
  0x11: 'Firmware Activation Requires Controller Level Reset',
  0x12: 'Firmware Activation Requires Maximum Time Violation',
  0x13: 'Firmware Activation Prohibited',
  0x14: 'Overlapping Range',
  0x15: 'Namespace Insufficient Capacity',
  0x16: 'Namespace Identifier Unavailable',
  0x18: 'Namespace Already Attached',
  0x19: 'Namespace Is Private',
  0x1a: 'Namespace Not Attached',
  0x1b: 'Thin Provisioning Not Supported',
  0x1c: 'Controller List Invalid',
  0x1d: 'Device Self-test In Progress',
  0x1e: 'Boot Partition Write Prohibited',
  0x1f: 'Invalid Controller Identifier',
  0x20: 'Invalid Secondary Controller State',
  0x21: 'Invalid Number of Controller Resources',
  0x22: 'Invalid Resource Identifier',
  0x23: 'Sanitize Prohibited While Persistent Memory Region is Enabled',
  0x24: 'ANA Group Identifier Invalid',
  0x25: 'ANA Attach Failed',
  0x26: 'Insufficient Capacity',
  0x27: 'Namespace Attachment Limit Exceeded',
  0x28: 'Prohibition of Command Execution Not Supported',
  0x29: 'I/O Command Set Not Supported',
  0x2a: 'I/O Command Set Not Enabled',
  0x2b: 'I/O Command Set Combination Rejected',
  0x2c: 'Invalid I/O Command Set',
  0x2d: 'Identifier Unavailable',
};

export const NvmCommandStatus = {
  conflictingAttributes: 0x80,
  invalidProtectionInformation: 0x81,
  attemptedWriteToReadOnlyRange: 0x82,
  commandSizeLimitExceeded: 0x83,
} as const;
export const NvmCommandStatusName: Readonly<Record<number, string>> = {
  0x80: 'Conflicting Attributes',
  0x81: 'Invalid Protection Information',
  0x82: 'Attempted Write to Read Only Range',
  0x83: 'Command Size Limit Exceeded',
};

export const FabricsStatus = {
  connectIncompatibleFormat: 0x80,
  connectControllerBusy: 0x81,
  connectInvalidParameters: 0x82,
  connectRestartDiscovery: 0x83,
  connectInvalidHost: 0x84,
  invalidQueueType: 0x85,
  discoverRestart: 0x90,
  authenticationRequired: 0x91,
} as const;
export const FabricsStatusName: Readonly<Record<number, string>> = {
  0x80: 'Connect Incompatible Format',
  0x81: 'Connect Controller Busy',
  0x82: 'Connect Invalid Parameters',
  0x83: 'Connect Restart Discovery',
  0x84: 'Connect Invalid Host',
  0x85: 'Invalid Queue Type',
  0x90: 'Discover Restart',
  0x91: 'Authentication Required',
};

export const MediaStatus = {
  writeFault: 0x80,
  unrecoveredReadError: 0x81,
  guardCheckError: 0x82,
  applicationTagCheckError: 0x83,
  referenceTagCheckError: 0x84,
  compareFailure: 0x85,
  accessDenied: 0x86,
  deallocatedOrUnwritten: 0x87,
  storageTagCheckError: 0x88,
} as const;
export const MediaStatusName: Readonly<Record<number, string>> = {
  0x80: 'Write Fault',
  0x81: 'Unrecovered Read Error',
  0x82: 'End-to-end Guard Check Error',
  0x83: 'End-to-end Application Tag Check Error',
  0x84: 'End-to-end Reference Tag Check Error',
  0x85: 'Compare Failure',
  0x86: 'Access Denied',
  0x87: 'Deallocated or Unwritten Logical Block',
  0x88: 'End-to-End Storage Tag Check Error',
};

export const PathStatus = {
  internalPathError: 0x00,
  anaPersistentLoss: 0x01,
  anaInaccessible: 0x02,
  anaTransition: 0x03,
  controllerPathingError: 0x60,
  hostPathingError: 0x70,
  abortedByHost: 0x71,
} as const;
export const PathStatusName: Readonly<Record<number, string>> = {
  0x00: 'Internal Path Error',
  0x01: 'Asymmetric Access Persistent Loss',
  0x02: 'Asymmetric Access Inaccessible',
  0x03: 'Asymmetric Access Transition',
  0x60: 'Controller Pathing Error',
  0x70: 'Host Pathing Error',
  0x71: 'Command Aborted By Host',
};

export const SglType = {
  dataBlock: 0x00,
  bitBucket: 0x01,
  segment: 0x02,
  lastSegment: 0x03,
  keyedDataBlock: 0x04,
  transportDataBlock: 0x05,
  vendorSpecific: 0x0f,
} as const;
export const SglTypeName: Readonly<Record<number, string>> = {
  0x00: 'SGL Data Block descriptor',
  0x01: 'SGL Bit Bucket descriptor',
  0x02: 'SGL Segment descriptor',
  0x03: 'SGL Last Segment descriptor',
  0x04: 'Keyed SGL Data Block descriptor',
  0x05: 'Transport SGL Data Block descriptor',
  0x0f: 'Vendor Specific',
};

export const SglSubtype = {
  address: 0x00,
  offset: 0x01,
  transportSpecific: 0x0a,
} as const;
export const SglSubtypeName: Readonly<Record<number, string>> = {
  0x00: 'Address',
  0x01: "Offset: into the capsule's in-capsule data",
  0x0a: 'NVMe Transport Specific: the transport moves the data',
};

export const FusedOperation = {
  normal: 0x00,
  first: 0x01,
  second: 0x02,
} as const;
export const FusedOperationName: Readonly<Record<number, string>> = {
  0x00: 'Normal operation',
  0x01: 'Fused operation, first command',
  0x02: 'Fused operation, second command',
};

export const DataPointerType = {
  prp: 0x00,
  sgl: 0x01,
  sglAndMetadataSgl: 0x02,
} as const;
export const DataPointerTypeName: Readonly<Record<number, string>> = {
  0x00: 'PRPs are used',
  0x01: 'SGLs are used; metadata is one contiguous buffer',
  0x02: 'SGLs are used; metadata is an SGL segment',
};

export const PduType = {
  icReq: 0x00,
  icResp: 0x01,
  h2cTermReq: 0x02,
  c2hTermReq: 0x03,
  capsuleCmd: 0x04,
  capsuleResp: 0x05,
  h2cData: 0x06,
  c2hData: 0x07,
  r2t: 0x09,
} as const;
export const PduTypeName: Readonly<Record<number, string>> = {
  0x00: 'ICReq',
  0x01: 'ICResp',
  0x02: 'H2CTermReq',
  0x03: 'C2HTermReq',
  0x04: 'CapsuleCmd',
  0x05: 'CapsuleResp',
  0x06: 'H2CData',
  0x07: 'C2HData',
  0x09: 'R2T',
};

export const FatalErrorStatus = {
  invalidPduHeaderField: 0x01,
  pduSequenceError: 0x02,
  headerDigestError: 0x03,
  dataTransferOutOfRange: 0x04,
  dataTransferLimitExceeded: 0x05,
  unsupportedParameter: 0x06,
} as const;
export const FatalErrorStatusName: Readonly<Record<number, string>> = {
  0x01: 'Invalid PDU Header Field',
  0x02: 'PDU Sequence Error',
  0x03: 'Header Digest Error',
  0x04: 'Data Transfer Out of Range',
  0x05: 'Data Transfer Limit Exceeded',
  0x06: 'Unsupported Parameter',
};

export const IoOpcode = {
  flush: 0x00,
  write: 0x01,
  read: 0x02,
  writeUncorrectable: 0x04,
  compare: 0x05,
  writeZeroes: 0x08,
  datasetManagement: 0x09,
  verify: 0x0c,
  reservationRegister: 0x0d,
  reservationReport: 0x0e,
  reservationAcquire: 0x11,
  ioManagementReceive: 0x12,
  reservationRelease: 0x15,
  cancel: 0x18,
  copy: 0x19,
  ioManagementSend: 0x1d,
  fabrics: 0x7f,
} as const;
export const IoOpcodeName: Readonly<Record<number, string>> = {
  0x00: 'Flush',
  0x01: 'Write',
  0x02: 'Read',
  0x04: 'Write Uncorrectable',
  0x05: 'Compare',
  0x08: 'Write Zeroes',
  0x09: 'Dataset Management',
  0x0c: 'Verify',
  0x0d: 'Reservation Register',
  0x0e: 'Reservation Report',
  0x11: 'Reservation Acquire',
  0x12: 'I/O Management Receive',
  0x15: 'Reservation Release',
  0x18: 'Cancel',
  0x19: 'Copy',
  0x1d: 'I/O Management Send',
  0x7f: 'Fabrics',
};

export const DataTransfer = {
  none: 0x00,
  hostToController: 0x01,
  controllerToHost: 0x02,
  bidirectional: 0x03,
} as const;
export const DataTransferName: Readonly<Record<number, string>> = {
  0x00: 'No data transfer',
  0x01: 'Host to controller',
  0x02: 'Controller to host',
  0x03: 'Bidirectional',
};

export const AdminOpcode = {
  deleteIoSubmissionQueue: 0x00,
  createIoSubmissionQueue: 0x01,
  getLogPage: 0x02,
  deleteIoCompletionQueue: 0x04,
  createIoCompletionQueue: 0x05,
  identify: 0x06,
  abort: 0x08,
  setFeatures: 0x09,
  getFeatures: 0x0a,
  asynchronousEventRequest: 0x0c,
  namespaceManagement: 0x0d,
  firmwareCommit: 0x10,
  firmwareImageDownload: 0x11,
  deviceSelfTest: 0x14,
  namespaceAttachment: 0x15,
  keepAlive: 0x18,
  directiveSend: 0x19,
  directiveReceive: 0x1a,
  virtualizationManagement: 0x1c,
  nvmeMiSend: 0x1d,
  nvmeMiReceive: 0x1e,
  capacityManagement: 0x20,
  discoveryInformationManagement: 0x21,
  fabricZoningReceive: 0x22,
  lockdown: 0x24,
  fabricZoningLookup: 0x25,
  fabricZoningSend: 0x29,
  doorbellBufferConfig: 0x7c,
  fabrics: 0x7f,
  formatNvm: 0x80,
  securitySend: 0x81,
  securityReceive: 0x82,
  sanitize: 0x84,
  getLbaStatus: 0x86,
} as const;
export const AdminOpcodeName: Readonly<Record<number, string>> = {
  0x00: 'Delete I/O Submission Queue',
  0x01: 'Create I/O Submission Queue',
  0x02: 'Get Log Page',
  0x04: 'Delete I/O Completion Queue',
  0x05: 'Create I/O Completion Queue',
  0x06: 'Identify',
  0x08: 'Abort',
  0x09: 'Set Features',
  0x0a: 'Get Features',
  0x0c: 'Asynchronous Event Request',
  0x0d: 'Namespace Management',
  0x10: 'Firmware Commit',
  0x11: 'Firmware Image Download',
  0x14: 'Device Self-test',
  0x15: 'Namespace Attachment',
  0x18: 'Keep Alive',
  0x19: 'Directive Send',
  0x1a: 'Directive Receive',
  0x1c: 'Virtualization Management',
  0x1d: 'NVMe-MI Send',
  0x1e: 'NVMe-MI Receive',
  0x20: 'Capacity Management',
  0x21: 'Discovery Information Management',
  0x22: 'Fabric Zoning Receive',
  0x24: 'Lockdown',
  0x25: 'Fabric Zoning Lookup',
  0x29: 'Fabric Zoning Send',
  0x7c: 'Doorbell Buffer Config',
  0x7f: 'Fabrics',
  0x80: 'Format NVM',
  0x81: 'Security Send',
  0x82: 'Security Receive',
  0x84: 'Sanitize',
  0x86: 'Get LBA Status',
};

export const Cns = {
  namespace: 0x00,
  controller: 0x01,
  activeNamespaceList: 0x02,
  namespaceIdDescriptors: 0x03,
  nvmSetList: 0x04,
  ioCommandSetNamespace: 0x05,
  ioCommandSetController: 0x06,
  ioCommandSetActiveNamespaceList: 0x07,
  independentNamespace: 0x08,
  namespaceUserDataFormat: 0x09,
  ioCommandSetNamespaceUserDataFormat: 0x0a,
  allocatedNamespaceList: 0x10,
  allocatedNamespace: 0x11,
  namespaceAttachedControllerList: 0x12,
  controllerList: 0x13,
  primaryControllerCapabilities: 0x14,
  secondaryControllerList: 0x15,
  namespaceGranularityList: 0x16,
  uuidList: 0x17,
  domainList: 0x18,
  enduranceGroupList: 0x19,
  ioCommandSetAllocatedNamespaceList: 0x1a,
  ioCommandSetAllocatedNamespace: 0x1b,
  ioCommandSet: 0x1c,
} as const;
export const CnsName: Readonly<Record<number, string>> = {
  0x00: 'Identify Namespace',
  0x01: 'Identify Controller',
  0x02: 'Active Namespace ID list',
  0x03: 'Namespace Identification Descriptor list',
  0x04: 'NVM Set List',
  0x05: 'I/O Command Set specific Identify Namespace',
  0x06: 'I/O Command Set specific Identify Controller',
  0x07: 'I/O Command Set specific Active Namespace ID list',
  0x08: 'I/O Command Set Independent Identify Namespace',
  0x09: 'Identify Namespace for a user data format',
  0x0a: 'I/O Command Set specific Identify Namespace for a user data format',
  0x10: 'Allocated Namespace ID list',
  0x11: 'Identify Namespace, allocated',
  0x12: 'Controller List of a namespace',
  0x13: 'Controller List of the subsystem',
  0x14: 'Primary Controller Capabilities',
  0x15: 'Secondary Controller List',
  0x16: 'Namespace Granularity List',
  0x17: 'UUID List',
  0x18: 'Domain List',
  0x19: 'Endurance Group List',
  0x1a: 'I/O Command Set specific Allocated Namespace ID list',
  0x1b: 'I/O Command Set specific Identify Namespace, allocated',
  0x1c: 'Identify I/O Command Set',
};

export const CommandSet = {
  nvm: 0x00,
  keyValue: 0x01,
  zonedNamespace: 0x02,
  subsystemLocalMemory: 0x03,
  computationalPrograms: 0x04,
} as const;
export const CommandSetName: Readonly<Record<number, string>> = {
  0x00: 'NVM Command Set',
  0x01: 'Key Value Command Set',
  0x02: 'Zoned Namespace Command Set',
  0x03: 'Subsystem Local Memory Command Set',
  0x04: 'Computational Programs Command Set',
};

export const LogPage = {
  supportedLogPages: 0x00,
  errorInformation: 0x01,
  smartHealthInformation: 0x02,
  firmwareSlotInformation: 0x03,
  changedNamespaceList: 0x04,
  commandsSupportedAndEffects: 0x05,
  deviceSelfTest: 0x06,
  telemetryHostInitiated: 0x07,
  telemetryControllerInitiated: 0x08,
  enduranceGroupInformation: 0x09,
  predictableLatencyPerNvmSet: 0x0a,
  predictableLatencyEventAggregate: 0x0b,
  asymmetricNamespaceAccess: 0x0c,
  persistentEventLog: 0x0d,
  lbaStatusInformation: 0x0e,
  enduranceGroupEventAggregate: 0x0f,
  mediaUnitStatus: 0x10,
  supportedCapacityConfigurations: 0x11,
  featureIdentifiersSupportedAndEffects: 0x12,
  discovery: 0x70,
  hostDiscovery: 0x71,
  reservationNotification: 0x80,
  sanitizeStatus: 0x81,
} as const;
export const LogPageName: Readonly<Record<number, string>> = {
  0x00: 'Supported Log Pages',
  0x01: 'Error Information',
  0x02: 'SMART / Health Information',
  0x03: 'Firmware Slot Information',
  0x04: 'Changed Attached Namespace List',
  0x05: 'Commands Supported and Effects',
  0x06: 'Device Self-test',
  0x07: 'Telemetry Host-Initiated',
  0x08: 'Telemetry Controller-Initiated',
  0x09: 'Endurance Group Information',
  0x0a: 'Predictable Latency Per NVM Set',
  0x0b: 'Predictable Latency Event Aggregate',
  0x0c: 'Asymmetric Namespace Access',
  0x0d: 'Persistent Event Log',
  0x0e: 'LBA Status Information',
  0x0f: 'Endurance Group Event Aggregate',
  0x10: 'Media Unit Status',
  0x11: 'Supported Capacity Configuration List',
  0x12: 'Feature Identifiers Supported and Effects',
  0x70: 'Discovery',
  0x71: 'Host Discovery',
  0x80: 'Reservation Notification',
  0x81: 'Sanitize Status',
};

export const Feature = {
  arbitration: 0x01,
  powerManagement: 0x02,
  lbaRangeType: 0x03,
  temperatureThreshold: 0x04,
  errorRecovery: 0x05,
  volatileWriteCache: 0x06,
  numberOfQueues: 0x07,
  interruptCoalescing: 0x08,
  interruptVectorConfiguration: 0x09,
  writeAtomicityNormal: 0x0a,
  asynchronousEventConfiguration: 0x0b,
  autonomousPowerStateTransition: 0x0c,
  hostMemoryBuffer: 0x0d,
  timestamp: 0x0e,
  keepAliveTimer: 0x0f,
  hostControlledThermalManagement: 0x10,
  nonOperationalPowerStateConfig: 0x11,
  readRecoveryLevelConfig: 0x12,
  predictableLatencyModeConfig: 0x13,
  predictableLatencyModeWindow: 0x14,
  lbaStatusInformationAttributes: 0x15,
  hostBehaviorSupport: 0x16,
  sanitizeConfig: 0x17,
  enduranceGroupEventConfiguration: 0x18,
  ioCommandSetProfile: 0x19,
  spinupControl: 0x1a,
  softwareProgressMarker: 0x80,
  hostIdentifier: 0x81,
  reservationNotificationMask: 0x82,
  reservationPersistence: 0x83,
  namespaceWriteProtection: 0x84,
} as const;
export const FeatureName: Readonly<Record<number, string>> = {
  0x01: 'Arbitration',
  0x02: 'Power Management',
  0x03: 'LBA Range Type',
  0x04: 'Temperature Threshold',
  0x05: 'Error Recovery',
  0x06: 'Volatile Write Cache',
  0x07: 'Number of Queues',
  0x08: 'Interrupt Coalescing',
  0x09: 'Interrupt Vector Configuration',
  0x0a: 'Write Atomicity Normal',
  0x0b: 'Asynchronous Event Configuration',
  0x0c: 'Autonomous Power State Transition',
  0x0d: 'Host Memory Buffer',
  0x0e: 'Timestamp',
  0x0f: 'Keep Alive Timer',
  0x10: 'Host Controlled Thermal Management',
  0x11: 'Non-Operational Power State Config',
  0x12: 'Read Recovery Level Config',
  0x13: 'Predictable Latency Mode Config',
  0x14: 'Predictable Latency Mode Window',
  0x15: 'LBA Status Information Attributes',
  0x16: 'Host Behavior Support',
  0x17: 'Sanitize Config',
  0x18: 'Endurance Group Event Configuration',
  0x19: 'I/O Command Set Profile',
  0x1a: 'Spinup Control',
  0x80: 'Software Progress Marker',
  0x81: 'Host Identifier',
  0x82: 'Reservation Notification Mask',
  0x83: 'Reservation Persistence',
  0x84: 'Namespace Write Protection Config',
};

export const FeatureSelect = {
  current: 0x00,
  default: 0x01,
  saved: 0x02,
  supportedCapabilities: 0x03,
} as const;
export const FeatureSelectName: Readonly<Record<number, string>> = {
  0x00: 'Current',
  0x01: 'Default',
  0x02: 'Saved',
  0x03: 'Supported Capabilities',
};

export const AsyncEventType = {
  error: 0x00,
  smartHealth: 0x01,
  notice: 0x02,
  immediate: 0x03,
  ioCommandSpecific: 0x06,
  vendorSpecific: 0x07,
} as const;
export const AsyncEventTypeName: Readonly<Record<number, string>> = {
  0x00: 'Error status',
  0x01: 'SMART / Health status',
  0x02: 'Notice',
  0x03: 'Immediate',
  0x06: 'I/O Command specific status',
  0x07: 'Vendor specific',
};

export const AsyncEventError = {
  invalidDoorbellRegister: 0x00,
  invalidDoorbellValue: 0x01,
  diagnosticFailure: 0x02,
  persistentInternalError: 0x03,
  transientInternalError: 0x04,
  firmwareImageLoadError: 0x05,
} as const;
export const AsyncEventErrorName: Readonly<Record<number, string>> = {
  0x00: 'Write to Invalid Doorbell Register',
  0x01: 'Invalid Doorbell Write Value',
  0x02: 'Diagnostic Failure',
  0x03: 'Persistent Internal Error',
  0x04: 'Transient Internal Error',
  0x05: 'Firmware Image Load Error',
};

export const AsyncEventHealth = {
  reliability: 0x00,
  temperatureThreshold: 0x01,
  spareBelowThreshold: 0x02,
} as const;
export const AsyncEventHealthName: Readonly<Record<number, string>> = {
  0x00: 'NVM Subsystem Reliability',
  0x01: 'Temperature Threshold',
  0x02: 'Spare Below Threshold',
};

export const AsyncEventNotice = {
  namespaceAttributeChanged: 0x00,
  firmwareActivationStarting: 0x01,
  telemetryLogChanged: 0x02,
  asymmetricNamespaceAccessChange: 0x03,
  predictableLatencyEventChange: 0x04,
  lbaStatusInformationAlert: 0x05,
  enduranceGroupEventChange: 0x06,
  discoveryLogPageChange: 0xf0,
  hostDiscoveryLogPageChange: 0xf1,
} as const;
export const AsyncEventNoticeName: Readonly<Record<number, string>> = {
  0x00: 'Attached Namespace Attribute Changed',
  0x01: 'Firmware Activation Starting',
  0x02: 'Telemetry Log Changed',
  0x03: 'Asymmetric Namespace Access Change',
  0x04: 'Predictable Latency Event Aggregate Log Change',
  0x05: 'LBA Status Information Alert',
  0x06: 'Endurance Group Event Aggregate Log Page Change',
  0xf0: 'Discovery Log Page Change',
  0xf1: 'Host Discovery Log Page Change',
};

export const AsyncEventImmediate = {
  normalNvmSubsystemShutdown: 0x00,
  temperatureThresholdHysteresisRecovery: 0x01,
} as const;
export const AsyncEventImmediateName: Readonly<Record<number, string>> = {
  0x00: 'Normal NVM Subsystem Shutdown',
  0x01: 'Temperature Threshold Hysteresis Recovery',
};

export const WriteProtectionState = {
  noWriteProtect: 0x00,
  writeProtect: 0x01,
  writeProtectUntilPowerCycle: 0x02,
  permanentWriteProtect: 0x03,
} as const;
export const WriteProtectionStateName: Readonly<Record<number, string>> = {
  0x00: 'No Write Protect',
  0x01: 'Write Protect',
  0x02: 'Write Protect Until Power Cycle',
  0x03: 'Permanent Write Protect',
};

export const FabricsCommandType = {
  propertySet: 0x00,
  connect: 0x01,
  propertyGet: 0x04,
  authenticationSend: 0x05,
  authenticationReceive: 0x06,
  disconnect: 0x08,
} as const;
export const FabricsCommandTypeName: Readonly<Record<number, string>> = {
  0x00: 'Property Set',
  0x01: 'Connect',
  0x04: 'Property Get',
  0x05: 'Authentication Send',
  0x06: 'Authentication Receive',
  0x08: 'Disconnect',
};

export const PropertySize = {
  _4Bytes: 0x00,
  _8Bytes: 0x01,
} as const;
export const PropertySizeName: Readonly<Record<number, string>> = {
  0x00: '4 bytes',
  0x01: '8 bytes',
};

export const Property = {
  cap: 0x00,
  vs: 0x08,
  intms: 0x0c,
  intmc: 0x10,
  cc: 0x14,
  csts: 0x1c,
  nssr: 0x20,
  aqa: 0x24,
  asq: 0x28,
  acq: 0x30,
  cmbloc: 0x38,
  cmbsz: 0x3c,
  nssd: 0x64,
  crto: 0x68,
} as const;
export const PropertyName: Readonly<Record<number, string>> = {
  0x00: 'Controller Capabilities (CAP), 8 bytes',
  0x08: 'Version (VS)',
  0x0c: 'Interrupt Mask Set (INTMS)',
  0x10: 'Interrupt Mask Clear (INTMC)',
  0x14: 'Controller Configuration (CC)',
  0x1c: 'Controller Status (CSTS)',
  0x20: 'NVM Subsystem Reset (NSSR)',
  0x24: 'Admin Queue Attributes (AQA)',
  0x28: 'Admin Submission Queue Base Address (ASQ), 8 bytes',
  0x30: 'Admin Completion Queue Base Address (ACQ), 8 bytes',
  0x38: 'Controller Memory Buffer Location (CMBLOC)',
  0x3c: 'Controller Memory Buffer Size (CMBSZ)',
  0x64: 'NVM Subsystem Shutdown (NSSD)',
  0x68: 'Controller Ready Timeouts (CRTO)',
};

export const CommandSetSelected = {
  nvm: 0x00,
  allSupported: 0x06,
  adminOnly: 0x07,
} as const;
export const CommandSetSelectedName: Readonly<Record<number, string>> = {
  0x00: 'NVM Command Set',
  0x06: 'All Supported I/O Command Sets',
  0x07: 'Admin Command Set only',
};

export const ShutdownNotification = {
  none: 0x00,
  normal: 0x01,
  abrupt: 0x02,
} as const;
export const ShutdownNotificationName: Readonly<Record<number, string>> = {
  0x00: 'No notification',
  0x01: 'Normal shutdown notification',
  0x02: 'Abrupt shutdown notification',
};

export const ShutdownStatus = {
  normalOperation: 0x00,
  occurring: 0x01,
  complete: 0x02,
} as const;
export const ShutdownStatusName: Readonly<Record<number, string>> = {
  0x00: 'Normal operation',
  0x01: 'Shutdown processing occurring',
  0x02: 'Shutdown processing complete',
};

export const ControllerType = {
  notReported: 0x00,
  io: 0x01,
  discovery: 0x02,
  administrative: 0x03,
} as const;
export const ControllerTypeName: Readonly<Record<number, string>> = {
  0x00: 'Controller type not reported',
  0x01: 'I/O controller',
  0x02: 'Discovery controller',
  0x03: 'Administrative controller',
};

export const NamespaceIdType = {
  eui64: 0x01,
  nguid: 0x02,
  uuid: 0x03,
  csi: 0x04,
} as const;
export const NamespaceIdTypeName: Readonly<Record<number, string>> = {
  0x01: 'IEEE Extended Unique Identifier, 8 bytes',
  0x02: 'Namespace Globally Unique Identifier, 16 bytes',
  0x03: 'Namespace UUID, 16 bytes',
  0x04: 'Command Set Identifier, 1 byte',
};

export const AnaState = {
  optimized: 0x01,
  nonOptimized: 0x02,
  inaccessible: 0x03,
  persistentLoss: 0x04,
  change: 0x0f,
} as const;
export const AnaStateName: Readonly<Record<number, string>> = {
  0x01: 'ANA Optimized state',
  0x02: 'ANA Non-Optimized state',
  0x03: 'ANA Inaccessible state',
  0x04: 'ANA Persistent Loss state',
  0x0f: 'ANA Change state',
};

export const TransportType = {
  rdma: 0x01,
  fibreChannel: 0x02,
  tcp: 0x03,
  intraHost: 0xfe,
} as const;
export const TransportTypeName: Readonly<Record<number, string>> = {
  0x01: 'RDMA',
  0x02: 'Fibre Channel',
  0x03: 'TCP',
  0xfe: 'Intra-host transport',
};

export const AddressFamily = {
  ipv4: 0x01,
  ipv6: 0x02,
  infiniBand: 0x03,
  fibreChannel: 0x04,
  intraHost: 0xfe,
} as const;
export const AddressFamilyName: Readonly<Record<number, string>> = {
  0x01: 'IPv4',
  0x02: 'IPv6',
  0x03: 'InfiniBand',
  0x04: 'Fibre Channel',
  0xfe: 'Intra-host',
};

export const SubsystemType = {
  referral: 0x01,
  nvme: 0x02,
  currentDiscovery: 0x03,
} as const;
export const SubsystemTypeName: Readonly<Record<number, string>> = {
  0x01: 'Referral to another discovery subsystem',
  0x02: 'NVM subsystem with I/O controllers',
  0x03: 'Current discovery subsystem',
};

export const TcpSecurityType = {
  none: 0x00,
  tls12: 0x01,
  tls13: 0x02,
} as const;
export const TcpSecurityTypeName: Readonly<Record<number, string>> = {
  0x00: 'No Security',
  0x01: 'TLS 1.2, obsolete',
  0x02: 'TLS 1.3 or later',
};

export const StatusFieldBits = {
  /** Phase Tag (P) */
  phase: { high: 0, low: 0 },
  /** Status Code (SC) */
  code: { high: 8, low: 1 },
  /** Status Code Type (SCT) */
  codeType: { high: 11, low: 9 },
  /** Command Retry Delay (CRD) */
  retryDelay: { high: 13, low: 12 },
  /** More (M): the error log has an entry for this command */
  more: { high: 14, low: 14 },
  /** Do Not Retry (DNR) */
  doNotRetry: { high: 15, low: 15 },
} as const;

export const SglIdentifierBits = {
  /** SGL Descriptor Sub Type */
  subtype: { high: 3, low: 0 },
  /** SGL Descriptor Type */
  type: { high: 7, low: 4 },
} as const;

export const CommandFlagsBits = {
  /** Fused Operation (FUSE) */
  fuse: { high: 1, low: 0 },
  /** PRP or SGL for Data Transfer (PSDT) */
  psdt: { high: 7, low: 6 },
} as const;

export const PduFlagsBits = {
  /** Header Digest Flag (HDGSTF): a header digest follows the header */
  hdgstf: { high: 0, low: 0 },
  /** Data Digest Flag (DDGSTF): a data digest follows the data */
  ddgstf: { high: 1, low: 1 },
  /** Last PDU (LAST_PDU) of a data transfer */
  lastPdu: { high: 2, low: 2 },
  /** Success (SUCCESS): no response capsule follows */
  success: { high: 3, low: 3 },
} as const;

export const DigestEnableBits = {
  /** Header Digest Enable (HDGST_ENABLE) */
  hdgstEnable: { high: 0, low: 0 },
  /** Data Digest Enable (DDGST_ENABLE) */
  ddgstEnable: { high: 1, low: 1 },
} as const;

export const OpcodeFieldBits = {
  /** Data Transfer (DTD) */
  dataTransferDirection: { high: 1, low: 0 },
} as const;

export const LbaRangeCdw12Bits = {
  /** Number of Logical Blocks (NLB), 0's based */
  nlb: { high: 15, low: 0 },
  /** Namespace Zeroes (NSZ), Write Zeroes only */
  nsz: { high: 23, low: 23 },
  /** Storage Tag Check (STC) */
  stc: { high: 24, low: 24 },
  /** Deallocate (DEAC), Write Zeroes only */
  deac: { high: 25, low: 25 },
  /** Protection Information (PRINFO) */
  prinfo: { high: 29, low: 26 },
  /** Force Unit Access (FUA) */
  fua: { high: 30, low: 30 },
  /** Limited Retry (LR) */
  lr: { high: 31, low: 31 },
} as const;

export const DatasetManagementCdw10Bits = {
  /** Number of Ranges (NR), 0's based */
  nr: { high: 7, low: 0 },
} as const;

export const DatasetManagementCdw11Bits = {
  /** Attribute - Integral Dataset for Read (IDR) */
  idr: { high: 0, low: 0 },
  /** Attribute - Integral Dataset for Write (IDW) */
  idw: { high: 1, low: 1 },
  /** Attribute - Deallocate (AD) */
  ad: { high: 2, low: 2 },
} as const;

export const CopyCdw12Bits = {
  /** Number of Ranges (NR), 0's based */
  nr: { high: 7, low: 0 },
  /** Descriptor Format (DESFMT) */
  desfmt: { high: 11, low: 8 },
  /** Protection Information Read (PRINFOR) */
  prinfor: { high: 15, low: 12 },
  /** Storage Tag Check Write (STCW) */
  stcw: { high: 24, low: 24 },
  /** Storage Tag Check Read (STCR) */
  stcr: { high: 25, low: 25 },
  /** Protection Information Write (PRINFOW) */
  prinfow: { high: 29, low: 26 },
  /** Force Unit Access (FUA) */
  fua: { high: 30, low: 30 },
  /** Limited Retry (LR) */
  lr: { high: 31, low: 31 },
} as const;

export const IdentifyCdw10Bits = {
  /** Controller or Namespace Structure (CNS) */
  cns: { high: 7, low: 0 },
  /** Controller Identifier (CNTID) */
  cntid: { high: 31, low: 16 },
} as const;

export const IdentifyCdw11Bits = {
  /** CNS Specific Identifier (CNSSID) */
  cnssid: { high: 15, low: 0 },
  /** Command Set Identifier (CSI) */
  csi: { high: 31, low: 24 },
} as const;

export const IdentifyCdw14Bits = {
  /** UUID Index (UIDX) */
  uidx: { high: 6, low: 0 },
} as const;

export const GetLogPageCdw10Bits = {
  /** Log Page Identifier (LID) */
  lid: { high: 7, low: 0 },
  /** Log Specific Parameter (LSP) */
  lsp: { high: 14, low: 8 },
  /** Retain Asynchronous Event (RAE) */
  rae: { high: 15, low: 15 },
  /** Number of Dwords Lower (NUMDL), with NUMDU 0's based */
  numdl: { high: 31, low: 16 },
} as const;

export const GetLogPageCdw11Bits = {
  /** Number of Dwords Upper (NUMDU) */
  numdu: { high: 15, low: 0 },
  /** Log Specific Identifier (LSI) */
  lsi: { high: 31, low: 16 },
} as const;

export const GetLogPageCdw14Bits = {
  /** UUID Index (UIDX) */
  uidx: { high: 6, low: 0 },
  /** Offset Type (OT): LPO is an index */
  ot: { high: 23, low: 23 },
  /** Command Set Identifier (CSI) */
  csi: { high: 31, low: 24 },
} as const;

export const DiscoveryLspBits = {
  /** Extended Discovery Log Page Entries (EXTDLPE) */
  extdlpe: { high: 0, low: 0 },
  /** Port Local Entries Only (PLEO) */
  pleo: { high: 1, low: 1 },
  /** All NVM Subsystem Entries (ALLSUBE) */
  allsube: { high: 2, low: 2 },
} as const;

export const AnaLspBits = {
  /** Return Groups Only (RGO) */
  rgo: { high: 0, low: 0 },
} as const;

export const GetFeaturesCdw10Bits = {
  /** Feature Identifier (FID) */
  fid: { high: 7, low: 0 },
  /** Select (SEL) */
  sel: { high: 10, low: 8 },
} as const;

export const SetFeaturesCdw10Bits = {
  /** Feature Identifier (FID) */
  fid: { high: 7, low: 0 },
  /** Save (SV) */
  sv: { high: 31, low: 31 },
} as const;

export const FeatureCapabilitiesBits = {
  /** Saveable */
  saveable: { high: 0, low: 0 },
  /** Namespace specific */
  namespaceSpecific: { high: 1, low: 1 },
  /** Changeable */
  changeable: { high: 2, low: 2 },
} as const;

export const AbortCdw10Bits = {
  /** Submission Queue Identifier (SQID) */
  sqid: { high: 15, low: 0 },
  /** Command Identifier (CID) */
  cid: { high: 31, low: 16 },
} as const;

export const AbortResultBits = {
  /** Immediate Abort Not Performed (IANP) */
  notAborted: { high: 0, low: 0 },
} as const;

export const AsyncEventResultBits = {
  /** Asynchronous Event Type (AET) */
  aet: { high: 2, low: 0 },
  /** Asynchronous Event Information (AEI) */
  aei: { high: 15, low: 8 },
  /** Log Page Identifier (LID): reading it clears the event */
  lid: { high: 23, low: 16 },
} as const;

export const ArbitrationFeatureBits = {
  /** Arbitration Burst (AB): 2^n commands; 7 is no limit */
  ab: { high: 2, low: 0 },
  /** Low Priority Weight (LPW), 0's based */
  lpw: { high: 15, low: 8 },
  /** Medium Priority Weight (MPW), 0's based */
  mpw: { high: 23, low: 16 },
  /** High Priority Weight (HPW), 0's based */
  hpw: { high: 31, low: 24 },
} as const;

export const PowerManagementFeatureBits = {
  /** Power State (PS) */
  ps: { high: 4, low: 0 },
  /** Workload Hint (WH) */
  wh: { high: 7, low: 5 },
} as const;

export const TemperatureThresholdFeatureBits = {
  /** Temperature Threshold (TMPTH), in kelvins */
  tmpth: { high: 15, low: 0 },
  /** Threshold Temperature Select (TMPSEL) */
  tmpsel: { high: 19, low: 16 },
  /** Threshold Type Select (THSEL): 0 over, 1 under */
  thsel: { high: 21, low: 20 },
  /** Temperature Threshold Hysteresis (TMPTHH), in kelvins */
  tmpthh: { high: 24, low: 22 },
} as const;

export const ErrorRecoveryFeatureBits = {
  /** Time Limited Error Recovery (TLER), in 100 ms */
  tler: { high: 15, low: 0 },
  /** Deallocated or Unwritten Logical Block Error Enable (DULBE) */
  dulbe: { high: 16, low: 16 },
} as const;

export const VolatileWriteCacheFeatureBits = {
  /** Volatile Write Cache Enable (WCE) */
  wce: { high: 0, low: 0 },
} as const;

export const NumberOfQueuesFeatureBits = {
  /** Number of I/O Submission Queues (NSQR, NSQA), 0's based */
  nsq: { high: 15, low: 0 },
  /** Number of I/O Completion Queues (NCQR, NCQA), 0's based */
  ncq: { high: 31, low: 16 },
} as const;

export const WriteAtomicityFeatureBits = {
  /** Disable Normal (DN) */
  dn: { high: 0, low: 0 },
} as const;

export const AsyncEventConfigurationBits = {
  /** SMART / Health Critical Warnings (SHCW) */
  shcw: { high: 7, low: 0 },
  /** Attached Namespace Attribute Notices (NSAN) */
  nsan: { high: 8, low: 8 },
  /** Firmware Activation Notices (FAN) */
  fan: { high: 9, low: 9 },
  /** Telemetry Log Notices (TLN) */
  tln: { high: 10, low: 10 },
  /** Asymmetric Namespace Access Change Notices (ANACN) */
  anacn: { high: 11, low: 11 },
  /** Predictable Latency Event Aggregate Log Change Notices (PLEALCN) */
  plealcn: { high: 12, low: 12 },
  /** LBA Status Information Alert Notices (LSIAN) */
  lsian: { high: 13, low: 13 },
  /** Endurance Group Event Aggregate Log Change Notices (EGEALCN) */
  egealcn: { high: 14, low: 14 },
  /** Normal NVM Subsystem Shutdown (NNSSHDN) */
  nnsshdn: { high: 15, low: 15 },
  /** Host Discovery Log Page Change Notification (HDLPCN) */
  hdlpcn: { high: 30, low: 30 },
  /** Discovery Log Page Change Notification (DLPCN) */
  dlpcn: { high: 31, low: 31 },
} as const;

export const HostIdentifierFeatureBits = {
  /** Enable Extended Host Identifier (EXHID) */
  exhid: { high: 0, low: 0 },
} as const;

export const ConnectAttributesBits = {
  /** Priority Class (PRIOCLASS) */
  priorityClass: { high: 1, low: 0 },
  /** Disable SQ Flow Control (DSQFC) */
  disableSqFlowControl: { high: 2, low: 2 },
  /** Individual I/O Queue Deletion Support (IOQDS) */
  individualQueueDeletion: { high: 3, low: 3 },
} as const;

export const ConnectResultBits = {
  /** Controller ID (CNTLID) */
  cntlid: { high: 15, low: 0 },
  /** Authentication Transaction Required (ATR), in AUTHREQ */
  atr: { high: 17, low: 17 },
  /** Authentication and Secure Channel Required (ASCR), in AUTHREQ */
  ascr: { high: 18, low: 18 },
} as const;

export const ConnectInvalidBits = {
  /** Invalid Parameter Offset (IPO), in bytes */
  ipo: { high: 15, low: 0 },
  /** Invalid Attributes (IATTR): 1 if IPO is into the data, 0 if into the entry */
  inData: { high: 16, low: 16 },
} as const;

export const PropertyAttributesBits = {
  /** Size: see PropertySize */
  size: { high: 2, low: 0 },
} as const;

export const CapBits = {
  /** Maximum Queue Entries Supported (MQES), 0's based */
  mqes: { high: 15, low: 0 },
  /** Contiguous Queues Required (CQR) */
  cqr: { high: 16, low: 16 },
  /** Arbitration Mechanism Supported (AMS) */
  ams: { high: 18, low: 17 },
  /** Timeout (TO), in 500 ms */
  to: { high: 31, low: 24 },
  /** Doorbell Stride (DSTRD) */
  dstrd: { high: 35, low: 32 },
  /** NVM Subsystem Reset Supported (NSSRS) */
  nssrs: { high: 36, low: 36 },
  /** Command Sets Supported (CSS) */
  css: { high: 44, low: 37 },
  /** Boot Partition Support (BPS) */
  bps: { high: 45, low: 45 },
  /** Controller Power Scope (CPS) */
  cps: { high: 47, low: 46 },
  /** Memory Page Size Minimum (MPSMIN): 2^(12 + n) bytes */
  mpsmin: { high: 51, low: 48 },
  /** Memory Page Size Maximum (MPSMAX): 2^(12 + n) bytes */
  mpsmax: { high: 55, low: 52 },
  /** Persistent Memory Region Supported (PMRS) */
  pmrs: { high: 56, low: 56 },
  /** Controller Memory Buffer Supported (CMBS) */
  cmbs: { high: 57, low: 57 },
  /** NVM Subsystem Shutdown Supported (NSSS) */
  nsss: { high: 58, low: 58 },
  /** Controller Ready Modes Supported (CRMS) */
  crms: { high: 60, low: 59 },
  /** NVM Subsystem Shutdown Enhancements Supported (NSSES) */
  nsses: { high: 61, low: 61 },
} as const;

export const CapCssBits = {
  /** NVM Command Set Support (NCSS) */
  nvm: { high: 0, low: 0 },
  /** I/O Command Set Support (IOCSS): one or more, see CNS 1Ch */
  oneOrMore: { high: 6, low: 6 },
  /** No I/O Command Set Support (NOIOCSS) */
  noIo: { high: 7, low: 7 },
} as const;

export const VsBits = {
  /** Tertiary Version (TER) */
  ter: { high: 7, low: 0 },
  /** Minor Version (MNR) */
  mnr: { high: 15, low: 8 },
  /** Major Version (MJR) */
  mjr: { high: 31, low: 16 },
} as const;

export const CcBits = {
  /** Enable (EN) */
  en: { high: 0, low: 0 },
  /** I/O Command Set Selected (CSS) */
  css: { high: 6, low: 4 },
  /** Memory Page Size (MPS): 2^(12 + n) bytes */
  mps: { high: 10, low: 7 },
  /** Arbitration Mechanism Selected (AMS) */
  ams: { high: 13, low: 11 },
  /** Shutdown Notification (SHN) */
  shn: { high: 15, low: 14 },
  /** I/O Submission Queue Entry Size (IOSQES): 2^n bytes */
  iosqes: { high: 19, low: 16 },
  /** I/O Completion Queue Entry Size (IOCQES): 2^n bytes */
  iocqes: { high: 23, low: 20 },
  /** Controller Ready Independent of Media Enable (CRIME) */
  crime: { high: 24, low: 24 },
} as const;

export const CstsBits = {
  /** Ready (RDY) */
  rdy: { high: 0, low: 0 },
  /** Controller Fatal Status (CFS) */
  cfs: { high: 1, low: 1 },
  /** Shutdown Status (SHST) */
  shst: { high: 3, low: 2 },
  /** NVM Subsystem Reset Occurred (NSSRO) */
  nssro: { high: 4, low: 4 },
  /** Processing Paused (PP) */
  pp: { high: 5, low: 5 },
  /** Shutdown Type (ST) */
  st: { high: 6, low: 6 },
} as const;

export const CrtoBits = {
  /** Controller Ready With Media Timeout (CRWMT), in 500 ms */
  crwmt: { high: 15, low: 0 },
  /** Controller Ready Independent of Media Timeout (CRIMT), in 500 ms */
  crimt: { high: 31, low: 16 },
} as const;

export const CmicBits = {
  /** Multiple Ports (MPORTS) */
  mports: { high: 0, low: 0 },
  /** Multiple Controllers (MCTRS) */
  mctrs: { high: 1, low: 1 },
  /** Function Type (FT): an SR-IOV virtual function */
  ft: { high: 2, low: 2 },
  /** Asymmetric Namespace Access Reporting Support (ANARS) */
  anars: { high: 3, low: 3 },
} as const;

export const CtrattBits = {
  /** Host Identifier Support (HIDS): 128 bits */
  hids: { high: 0, low: 0 },
  /** Non-Operational Power State Permissive Mode (NOPSPM) */
  nopspm: { high: 1, low: 1 },
  /** NVM Sets (NSETS) */
  nsets: { high: 2, low: 2 },
  /** Read Recovery Levels (RRLVLS) */
  rrlvls: { high: 3, low: 3 },
  /** Endurance Groups (EGS) */
  egs: { high: 4, low: 4 },
  /** Predictable Latency Mode (PLM) */
  plm: { high: 5, low: 5 },
  /** Traffic Based Keep Alive Support (TBKAS) */
  tbkas: { high: 6, low: 6 },
  /** Namespace Granularity (NG) */
  ng: { high: 7, low: 7 },
  /** SQ Associations (SQA) */
  sqa: { high: 8, low: 8 },
  /** UUID List (ULIST) */
  ulist: { high: 9, low: 9 },
  /** Multi-Domain Subsystem (MDS) */
  mds: { high: 10, low: 10 },
  /** Fixed Capacity Management (FCM) */
  fcm: { high: 11, low: 11 },
  /** Variable Capacity Management (VCM) */
  vcm: { high: 12, low: 12 },
  /** Delete Endurance Group (DEG) */
  deg: { high: 13, low: 13 },
  /** Delete NVM Set (DNVMS) */
  dnvms: { high: 14, low: 14 },
  /** Extended LBA Formats Supported (ELBAS) */
  elbas: { high: 15, low: 15 },
  /** MDTS and Size Limits Exclude Metadata (MEM) */
  mem: { high: 16, low: 16 },
  /** Flexible Data Placement Support (FDPS) */
  fdps: { high: 19, low: 19 },
} as const;

export const OacsBits = {
  /** Security Send Receive Supported (SSRS) */
  ssrs: { high: 0, low: 0 },
  /** Format NVM Supported (FNVMS) */
  fnvms: { high: 1, low: 1 },
  /** Firmware Download Supported (FWDS) */
  fwds: { high: 2, low: 2 },
  /** Namespace Management Supported (NMS) */
  nms: { high: 3, low: 3 },
  /** Device Self-test Supported (DSTS) */
  dsts: { high: 4, low: 4 },
  /** Directives Supported (DIRS) */
  dirs: { high: 5, low: 5 },
  /** NVMe-MI Send Receive Supported (NSRS) */
  nsrs: { high: 6, low: 6 },
  /** Virtualization Management Supported (VMS) */
  vms: { high: 7, low: 7 },
  /** Doorbell Buffer Config Supported (DBCS) */
  dbcs: { high: 8, low: 8 },
  /** Get LBA Status Supported (GLSS) */
  glss: { high: 9, low: 9 },
  /** Command and Feature Lockdown Supported (CFLS) */
  cfls: { high: 10, low: 10 },
} as const;

export const FrmwBits = {
  /** First Firmware Slot Read Only (FFSRO) */
  ffsro: { high: 0, low: 0 },
  /** Number Of Firmware Slots (NOFS) */
  nofs: { high: 3, low: 1 },
  /** Firmware Activation Without Reset (FAWR) */
  fawr: { high: 4, low: 4 },
  /** Support Multiple Update Detection (SMUD) */
  smud: { high: 5, low: 5 },
} as const;

export const LpaBits = {
  /** SMART Support (SMARTS): per namespace */
  smarts: { high: 0, low: 0 },
  /** Commands Supported and Effects Support (CSES) */
  cses: { high: 1, low: 1 },
  /** Log Page Extended Data Support (LPEDS): LPO and 32-bit NUMD */
  lpeds: { high: 2, low: 2 },
  /** Telemetry Support (TS) */
  ts: { high: 3, low: 3 },
  /** Persistent Event Support (PES) */
  pes: { high: 4, low: 4 },
  /** Miscellaneous Log Page Support (MLPS): pages 00h, 12h, 13h */
  mlps: { high: 5, low: 5 },
  /** Data Area 4 Support (DA4S) */
  da4s: { high: 6, low: 6 },
} as const;

export const SanicapBits = {
  /** Crypto Erase Support (CES) */
  ces: { high: 0, low: 0 },
  /** Block Erase Support (BES) */
  bes: { high: 1, low: 1 },
  /** Overwrite Support (OWS) */
  ows: { high: 2, low: 2 },
  /** No-Deallocate Inhibited (NDI) */
  ndi: { high: 29, low: 29 },
  /** No-Deallocate Modifies Media After Sanitize (NODMMAS) */
  nodmmas: { high: 31, low: 30 },
} as const;

export const AnacapBits = {
  /** Report ANA Optimized State (RAOS) */
  raos: { high: 0, low: 0 },
  /** Report ANA Non-Optimized State (RANOS) */
  ranos: { high: 1, low: 1 },
  /** Report ANA Inaccessible State (RAIS) */
  rais: { high: 2, low: 2 },
  /** Report ANA Persistent Loss State (RAPLS) */
  rapls: { high: 3, low: 3 },
  /** Report ANA Change State (RACS) */
  racs: { high: 4, low: 4 },
  /** ANAGRPID Does Not Change while attached (IDNCS) */
  idncs: { high: 6, low: 6 },
  /** Non-Zero ANAGRPID Supported in Namespace Management (NZIS) */
  nzis: { high: 7, low: 7 },
} as const;

export const QueueEntrySizeBits = {
  /** Minimum (required), 2^n bytes */
  min: { high: 3, low: 0 },
  /** Maximum, 2^n bytes */
  max: { high: 7, low: 4 },
} as const;

export const OncsBits = {
  /** Compare Support (NVMCMPS) */
  nvmcmps: { high: 0, low: 0 },
  /** Write Uncorrectable Support (NVMWUSV) */
  nvmwusv: { high: 1, low: 1 },
  /** Dataset Management Support (NVMDSMSV) */
  nvmdsmsv: { high: 2, low: 2 },
  /** Write Zeroes Support (NVMWZSV) */
  nvmwzsv: { high: 3, low: 3 },
  /** Save and Select Feature Support (SSFS) */
  ssfs: { high: 4, low: 4 },
  /** Reservations Support (RESERVS) */
  reservs: { high: 5, low: 5 },
  /** Timestamp Support (TSS) */
  tss: { high: 6, low: 6 },
  /** Verify Support (NVMVFYS) */
  nvmvfys: { high: 7, low: 7 },
  /** Copy Support (NVMCPYS) */
  nvmcpys: { high: 8, low: 8 },
  /** Copy Single Atomicity (NVMCSA) */
  nvmcsa: { high: 9, low: 9 },
  /** All Fast Copy (NVMAFC) */
  nvmafc: { high: 10, low: 10 },
  /** Maximum Write Zeroes with Deallocate (MAXWZD) */
  maxwzd: { high: 11, low: 11 },
  /** Namespace Zeroes Support (NSZS) */
  nszs: { high: 12, low: 12 },
} as const;

export const FusesBits = {
  /** Fused Compare and Write Supported (FCWS) */
  fcws: { high: 0, low: 0 },
} as const;

export const VwcBits = {
  /** Volatile Write Cache Present (VWCP) */
  present: { high: 0, low: 0 },
  /** Flush Behavior (FB): 2 not, 3 supported with NSID ffffffffh */
  flushBehavior: { high: 2, low: 1 },
} as const;

export const NwpcBits = {
  /** No Write Protect and Write Protect Support */
  nwpwpsup: { high: 0, low: 0 },
  /** Write Protect Until Power Cycle Support (WPUPCS) */
  wpupcs: { high: 1, low: 1 },
  /** Permanent Write Protect Support (PWPS) */
  pwps: { high: 2, low: 2 },
} as const;

export const SglsBits = {
  /** SGL Supported (SGLS): 1 without, 2 with dword alignment */
  supported: { high: 1, low: 0 },
  /** Keyed SGL Data Block descriptor */
  ksgl: { high: 2, low: 2 },
  /** SGL Descriptor Threshold (SDT) */
  sdt: { high: 15, low: 8 },
  /** SGL Bit Bucket descriptor */
  sbbd: { high: 16, low: 16 },
  /** Byte aligned contiguous metadata buffer */
  mbcab: { high: 17, low: 17 },
  /** SGL length may exceed the data */
  slmb: { high: 18, low: 18 },
  /** MPTR may hold an SGL */
  mptrsgl: { high: 19, low: 19 },
  /** Address field may be an offset (in-capsule data) */
  offset: { high: 20, low: 20 },
  /** Transport SGL Data Block descriptor */
  tsdb: { high: 21, low: 21 },
} as const;

export const OfcsBits = {
  /** Disconnect Support */
  disconnect: { high: 0, low: 0 },
} as const;

export const FcattBits = {
  /** Controller Model (FCM): 0 dynamic, 1 static */
  fcm: { high: 0, low: 0 },
} as const;

export const NsfeatBits = {
  /** Thin Provisioning (THINP) */
  thinp: { high: 0, low: 0 },
  /** Namespace Atomic fields valid (NSABP) */
  nsabp: { high: 1, low: 1 },
  /** Deallocated or unwritten block Error supported (DAE) */
  dae: { high: 2, low: 2 },
  /** UID Reuse (UIDREUSE): NGUID and EUI64 are never reused */
  uidreuse: { high: 3, low: 3 },
  /** Optimal Performance fields valid (OPTPERF) */
  optperf: { high: 5, low: 4 },
  /** Multiple Atomicity Mode (MAM) */
  mam: { high: 6, low: 6 },
  /** Optional Read Performance (OPTRPERF) */
  optrperf: { high: 7, low: 7 },
} as const;

export const FlbasBits = {
  /** Format Index Lower (FIDXL) */
  fidxl: { high: 3, low: 0 },
  /** Metadata at the end of each block (MTELBA) */
  mtelba: { high: 4, low: 4 },
  /** Format Index Upper (FIDXU) */
  fidxu: { high: 6, low: 5 },
} as const;

export const NmicBits = {
  /** Shared Namespace (SHRNS) */
  shrns: { high: 0, low: 0 },
  /** Dispersed Namespace (DISNS) */
  disns: { high: 1, low: 1 },
} as const;

export const RescapBits = {
  /** Persist Through Power Loss Support (PTPLS) */
  ptpls: { high: 0, low: 0 },
  /** Write Exclusive Support (WES) */
  wes: { high: 1, low: 1 },
  /** Exclusive Access Support (EAS) */
  eas: { high: 2, low: 2 },
  /** Write Exclusive - Registrants Only Support (WEROS) */
  weros: { high: 3, low: 3 },
  /** Exclusive Access - Registrants Only Support (EAROS) */
  earos: { high: 4, low: 4 },
  /** Write Exclusive - All Registrants Support (WEARS) */
  wears: { high: 5, low: 5 },
  /** Exclusive Access - All Registrants Support (EAARS) */
  eaars: { high: 6, low: 6 },
  /** Ignore Existing Key Defined (IEKDO): as in revision 1.3 and later */
  iekdo: { high: 7, low: 7 },
} as const;

export const DlfeatBits = {
  /** Deallocation Read Behavior (DRB): 1 reads zeroes, 2 reads ffh */
  drb: { high: 2, low: 0 },
  /** Write Zeroes Deallocation Support (WZDS) */
  wzds: { high: 3, low: 3 },
  /** Guard Deallocation Status (GDS) */
  gds: { high: 4, low: 4 },
} as const;

export const NsattrBits = {
  /** Currently Write Protected (CWP) */
  cwp: { high: 0, low: 0 },
} as const;

export const LbaFormatRpBits = {
  /** Relative Performance (RP): 0 best, 3 degraded */
  rp: { high: 1, low: 0 },
} as const;

export const IndependentNsfeatBits = {
  /** UID Reuse (UIDREUSE) */
  uidreuse: { high: 3, low: 3 },
  /** Rotational Media (RMEDIA) */
  rmedia: { high: 4, low: 4 },
  /** Volatile Write Cache Not Present (VWCNP) */
  vwcnp: { high: 5, low: 5 },
} as const;

export const NstatBits = {
  /** Namespace Ready (NRDY) */
  nrdy: { high: 0, low: 0 },
  /** I/O Impacted (IOI) */
  ioi: { high: 2, low: 1 },
} as const;

export const ExtendedLbaFormatBits = {
  /** Storage Tag Size (STS), in bits */
  sts: { high: 6, low: 0 },
  /** Protection Information Format (PIF) */
  pif: { high: 8, low: 7 },
  /** Qualified Protection Information Format (QPIF) */
  qpif: { high: 12, low: 9 },
} as const;

export const CommandSetVectorBits = {
  /** NVM Command Set */
  nvm: { high: 0, low: 0 },
  /** Key Value Command Set */
  keyValue: { high: 1, low: 1 },
  /** Zoned Namespace Command Set */
  zonedNamespace: { high: 2, low: 2 },
} as const;

export const LidSupportedBits = {
  /** LID Supported (LSUPP) */
  lsupp: { high: 0, low: 0 },
  /** Index Offset Supported (IOS) */
  ios: { high: 1, low: 1 },
  /** LID Specific Parameter (LIDSP) */
  lidsp: { high: 31, low: 16 },
} as const;

export const CriticalWarningBits = {
  /** Available Spare Capacity Below Threshold (ASCBT) */
  ascbt: { high: 0, low: 0 },
  /** Temperature Threshold Condition (TTC) */
  ttc: { high: 1, low: 1 },
  /** NVM Subsystem Degraded Reliability (NDR) */
  ndr: { high: 2, low: 2 },
  /** All Media Read-Only (AMRO) */
  amro: { high: 3, low: 3 },
  /** Volatile Memory Backup Failed (VMBF) */
  vmbf: { high: 4, low: 4 },
  /** Persistent Memory Region Read-Only (PMRRO) */
  pmrro: { high: 5, low: 5 },
} as const;

export const AfiBits = {
  /** Current Active Firmware Slot (CAFS) */
  cafs: { high: 2, low: 0 },
  /** Next Active Firmware Slot (NAFS) */
  nafs: { high: 6, low: 4 },
} as const;

export const CommandEffectsBits = {
  /** Command Supported (CSUPP) */
  csupp: { high: 0, low: 0 },
  /** Logical Block Content Change (LBCC) */
  lbcc: { high: 1, low: 1 },
  /** Namespace Capability Change (NCC) */
  ncc: { high: 2, low: 2 },
  /** Namespace Inventory Change (NIC) */
  nic: { high: 3, low: 3 },
  /** Controller Capability Change (CCC) */
  ccc: { high: 4, low: 4 },
  /** Command Submission and Execution Relaxations (CSER) */
  cser: { high: 15, low: 14 },
  /** Command Submission and Execution (CSE) */
  cse: { high: 18, low: 16 },
  /** UUID Selection Supported (UUIDSS) */
  uuidss: { high: 19, low: 19 },
  /** Command Scope (CSP) */
  csp: { high: 31, low: 20 },
} as const;

export const FeatureEffectsBits = {
  /** FID Supported (FSUPP) */
  fsupp: { high: 0, low: 0 },
  /** User Data Content Change (UDCC) */
  udcc: { high: 1, low: 1 },
  /** Namespace Capability Change (NCC) */
  ncc: { high: 2, low: 2 },
  /** Namespace Inventory Change (NIC) */
  nic: { high: 3, low: 3 },
  /** Controller Capability Change (CCC) */
  ccc: { high: 4, low: 4 },
  /** UUID Selection Supported (UUIDSS) */
  uuidss: { high: 19, low: 19 },
  /** FID Scope (FSP) */
  fsp: { high: 31, low: 20 },
} as const;

export const TreqBits = {
  /** Secure Channel (TSC): 0 not specified, 1 required, 2 not required */
  secureChannel: { high: 1, low: 0 },
  /** Disabling SQ flow control is supported (DSQFC) */
  dsqfc: { high: 2, low: 2 },
} as const;

export const EflagsBits = {
  /** Duplicate Returned Information (DUPRETINFO) */
  dupretinfo: { high: 0, low: 0 },
  /** Explicit Persistent Connection Support for Discovery (EPCSD) */
  epcsd: { high: 1, low: 1 },
  /** No CDC Connectivity (NCC) */
  ncc: { high: 2, low: 2 },
} as const;

/** 16 bytes. */
export class SglDescriptor extends StructView {
  static readonly size = 16;
  static readonly fields = {
    address: { offset: 0, size: 8 },
    length: { offset: 8, size: 4 },
    identifier: { offset: 15, size: 1 },
  } as const;

  static alloc(): SglDescriptor {
    return new SglDescriptor(Buffer.alloc(16));
  }

  constructor(buffer: Buffer) {
    super(buffer, 16);
  }

  get address(): bigint {
    return this.buffer.readBigUInt64LE(0);
  }
  set address(value: bigint) {
    this.buffer.writeBigUInt64LE(value, 0);
  }

  get length(): number {
    return this.buffer.readUInt32LE(8);
  }
  set length(value: number) {
    this.buffer.writeUInt32LE(value, 8);
  }

  get identifier(): number {
    return this.buffer.readUInt8(15);
  }
  set identifier(value: number) {
    this.buffer.writeUInt8(value, 15);
  }
}

/** 64 bytes. */
export class SubmissionQueueEntry extends StructView {
  static readonly size = 64;
  static readonly fields = {
    opcode: { offset: 0, size: 1 },
    flags: { offset: 1, size: 1 },
    cid: { offset: 2, size: 2 },
    nsid: { offset: 4, size: 4 },
    cdw2: { offset: 8, size: 4 },
    cdw3: { offset: 12, size: 4 },
    mptr: { offset: 16, size: 8 },
    dptr: { offset: 24, size: 16 },
    cdw10: { offset: 40, size: 4 },
    cdw11: { offset: 44, size: 4 },
    cdw12: { offset: 48, size: 4 },
    cdw13: { offset: 52, size: 4 },
    cdw14: { offset: 56, size: 4 },
    cdw15: { offset: 60, size: 4 },
  } as const;

  static alloc(): SubmissionQueueEntry {
    return new SubmissionQueueEntry(Buffer.alloc(64));
  }

  constructor(buffer: Buffer) {
    super(buffer, 64);
  }

  get opcode(): number {
    return this.buffer.readUInt8(0);
  }
  set opcode(value: number) {
    this.buffer.writeUInt8(value, 0);
  }

  get flags(): number {
    return this.buffer.readUInt8(1);
  }
  set flags(value: number) {
    this.buffer.writeUInt8(value, 1);
  }

  get cid(): number {
    return this.buffer.readUInt16LE(2);
  }
  set cid(value: number) {
    this.buffer.writeUInt16LE(value, 2);
  }

  get nsid(): number {
    return this.buffer.readUInt32LE(4);
  }
  set nsid(value: number) {
    this.buffer.writeUInt32LE(value, 4);
  }

  get cdw2(): number {
    return this.buffer.readUInt32LE(8);
  }
  set cdw2(value: number) {
    this.buffer.writeUInt32LE(value, 8);
  }

  get cdw3(): number {
    return this.buffer.readUInt32LE(12);
  }
  set cdw3(value: number) {
    this.buffer.writeUInt32LE(value, 12);
  }

  get mptr(): bigint {
    return this.buffer.readBigUInt64LE(16);
  }
  set mptr(value: bigint) {
    this.buffer.writeBigUInt64LE(value, 16);
  }

  get dptr(): SglDescriptor {
    return new SglDescriptor(this.getBytes(24, 16));
  }
  set dptr(value: SglDescriptor) {
    this.setBytes(24, 16, value.buffer);
  }

  get cdw10(): number {
    return this.buffer.readUInt32LE(40);
  }
  set cdw10(value: number) {
    this.buffer.writeUInt32LE(value, 40);
  }

  get cdw11(): number {
    return this.buffer.readUInt32LE(44);
  }
  set cdw11(value: number) {
    this.buffer.writeUInt32LE(value, 44);
  }

  get cdw12(): number {
    return this.buffer.readUInt32LE(48);
  }
  set cdw12(value: number) {
    this.buffer.writeUInt32LE(value, 48);
  }

  get cdw13(): number {
    return this.buffer.readUInt32LE(52);
  }
  set cdw13(value: number) {
    this.buffer.writeUInt32LE(value, 52);
  }

  get cdw14(): number {
    return this.buffer.readUInt32LE(56);
  }
  set cdw14(value: number) {
    this.buffer.writeUInt32LE(value, 56);
  }

  get cdw15(): number {
    return this.buffer.readUInt32LE(60);
  }
  set cdw15(value: number) {
    this.buffer.writeUInt32LE(value, 60);
  }
}

/** 16 bytes. */
export class CompletionQueueEntry extends StructView {
  static readonly size = 16;
  static readonly fields = {
    dw0: { offset: 0, size: 4 },
    dw1: { offset: 4, size: 4 },
    sqhd: { offset: 8, size: 2 },
    sqid: { offset: 10, size: 2 },
    cid: { offset: 12, size: 2 },
    status: { offset: 14, size: 2 },
  } as const;

  static alloc(): CompletionQueueEntry {
    return new CompletionQueueEntry(Buffer.alloc(16));
  }

  constructor(buffer: Buffer) {
    super(buffer, 16);
  }

  get dw0(): number {
    return this.buffer.readUInt32LE(0);
  }
  set dw0(value: number) {
    this.buffer.writeUInt32LE(value, 0);
  }

  get dw1(): number {
    return this.buffer.readUInt32LE(4);
  }
  set dw1(value: number) {
    this.buffer.writeUInt32LE(value, 4);
  }

  get sqhd(): number {
    return this.buffer.readUInt16LE(8);
  }
  set sqhd(value: number) {
    this.buffer.writeUInt16LE(value, 8);
  }

  get sqid(): number {
    return this.buffer.readUInt16LE(10);
  }
  set sqid(value: number) {
    this.buffer.writeUInt16LE(value, 10);
  }

  get cid(): number {
    return this.buffer.readUInt16LE(12);
  }
  set cid(value: number) {
    this.buffer.writeUInt16LE(value, 12);
  }

  get status(): number {
    return this.buffer.readUInt16LE(14);
  }
  set status(value: number) {
    this.buffer.writeUInt16LE(value, 14);
  }
}

/** 8 bytes. */
export class PduCommonHeader extends StructView {
  static readonly size = 8;
  static readonly fields = {
    type: { offset: 0, size: 1 },
    flags: { offset: 1, size: 1 },
    hlen: { offset: 2, size: 1 },
    pdo: { offset: 3, size: 1 },
    plen: { offset: 4, size: 4 },
  } as const;

  static alloc(): PduCommonHeader {
    return new PduCommonHeader(Buffer.alloc(8));
  }

  constructor(buffer: Buffer) {
    super(buffer, 8);
  }

  get type(): number {
    return this.buffer.readUInt8(0);
  }
  set type(value: number) {
    this.buffer.writeUInt8(value, 0);
  }

  get flags(): number {
    return this.buffer.readUInt8(1);
  }
  set flags(value: number) {
    this.buffer.writeUInt8(value, 1);
  }

  get hlen(): number {
    return this.buffer.readUInt8(2);
  }
  set hlen(value: number) {
    this.buffer.writeUInt8(value, 2);
  }

  get pdo(): number {
    return this.buffer.readUInt8(3);
  }
  set pdo(value: number) {
    this.buffer.writeUInt8(value, 3);
  }

  get plen(): number {
    return this.buffer.readUInt32LE(4);
  }
  set plen(value: number) {
    this.buffer.writeUInt32LE(value, 4);
  }
}

/** 128 bytes. */
export class IcReq extends StructView {
  static readonly size = 128;
  static readonly fields = {
    common: { offset: 0, size: 8 },
    pfv: { offset: 8, size: 2 },
    hpda: { offset: 10, size: 1 },
    dgst: { offset: 11, size: 1 },
    maxr2t: { offset: 12, size: 4 },
  } as const;

  static alloc(): IcReq {
    return new IcReq(Buffer.alloc(128));
  }

  constructor(buffer: Buffer) {
    super(buffer, 128);
  }

  get common(): PduCommonHeader {
    return new PduCommonHeader(this.getBytes(0, 8));
  }
  set common(value: PduCommonHeader) {
    this.setBytes(0, 8, value.buffer);
  }

  get pfv(): number {
    return this.buffer.readUInt16LE(8);
  }
  set pfv(value: number) {
    this.buffer.writeUInt16LE(value, 8);
  }

  get hpda(): number {
    return this.buffer.readUInt8(10);
  }
  set hpda(value: number) {
    this.buffer.writeUInt8(value, 10);
  }

  get dgst(): number {
    return this.buffer.readUInt8(11);
  }
  set dgst(value: number) {
    this.buffer.writeUInt8(value, 11);
  }

  get maxr2t(): number {
    return this.buffer.readUInt32LE(12);
  }
  set maxr2t(value: number) {
    this.buffer.writeUInt32LE(value, 12);
  }
}

/** 128 bytes. */
export class IcResp extends StructView {
  static readonly size = 128;
  static readonly fields = {
    common: { offset: 0, size: 8 },
    pfv: { offset: 8, size: 2 },
    cpda: { offset: 10, size: 1 },
    dgst: { offset: 11, size: 1 },
    maxh2cdata: { offset: 12, size: 4 },
  } as const;

  static alloc(): IcResp {
    return new IcResp(Buffer.alloc(128));
  }

  constructor(buffer: Buffer) {
    super(buffer, 128);
  }

  get common(): PduCommonHeader {
    return new PduCommonHeader(this.getBytes(0, 8));
  }
  set common(value: PduCommonHeader) {
    this.setBytes(0, 8, value.buffer);
  }

  get pfv(): number {
    return this.buffer.readUInt16LE(8);
  }
  set pfv(value: number) {
    this.buffer.writeUInt16LE(value, 8);
  }

  get cpda(): number {
    return this.buffer.readUInt8(10);
  }
  set cpda(value: number) {
    this.buffer.writeUInt8(value, 10);
  }

  get dgst(): number {
    return this.buffer.readUInt8(11);
  }
  set dgst(value: number) {
    this.buffer.writeUInt8(value, 11);
  }

  get maxh2cdata(): number {
    return this.buffer.readUInt32LE(12);
  }
  set maxh2cdata(value: number) {
    this.buffer.writeUInt32LE(value, 12);
  }
}

/** 24 bytes. */
export class TermReq extends StructView {
  static readonly size = 24;
  static readonly fields = {
    common: { offset: 0, size: 8 },
    fes: { offset: 8, size: 2 },
    fei: { offset: 10, size: 4 },
  } as const;

  static alloc(): TermReq {
    return new TermReq(Buffer.alloc(24));
  }

  constructor(buffer: Buffer) {
    super(buffer, 24);
  }

  get common(): PduCommonHeader {
    return new PduCommonHeader(this.getBytes(0, 8));
  }
  set common(value: PduCommonHeader) {
    this.setBytes(0, 8, value.buffer);
  }

  get fes(): number {
    return this.buffer.readUInt16LE(8);
  }
  set fes(value: number) {
    this.buffer.writeUInt16LE(value, 8);
  }

  get fei(): number {
    return this.buffer.readUInt32LE(10);
  }
  set fei(value: number) {
    this.buffer.writeUInt32LE(value, 10);
  }
}

/** 72 bytes. */
export class CapsuleCmdHeader extends StructView {
  static readonly size = 72;
  static readonly fields = {
    common: { offset: 0, size: 8 },
    sqe: { offset: 8, size: 64 },
  } as const;

  static alloc(): CapsuleCmdHeader {
    return new CapsuleCmdHeader(Buffer.alloc(72));
  }

  constructor(buffer: Buffer) {
    super(buffer, 72);
  }

  get common(): PduCommonHeader {
    return new PduCommonHeader(this.getBytes(0, 8));
  }
  set common(value: PduCommonHeader) {
    this.setBytes(0, 8, value.buffer);
  }

  get sqe(): SubmissionQueueEntry {
    return new SubmissionQueueEntry(this.getBytes(8, 64));
  }
  set sqe(value: SubmissionQueueEntry) {
    this.setBytes(8, 64, value.buffer);
  }
}

/** 24 bytes. */
export class CapsuleRespHeader extends StructView {
  static readonly size = 24;
  static readonly fields = {
    common: { offset: 0, size: 8 },
    cqe: { offset: 8, size: 16 },
  } as const;

  static alloc(): CapsuleRespHeader {
    return new CapsuleRespHeader(Buffer.alloc(24));
  }

  constructor(buffer: Buffer) {
    super(buffer, 24);
  }

  get common(): PduCommonHeader {
    return new PduCommonHeader(this.getBytes(0, 8));
  }
  set common(value: PduCommonHeader) {
    this.setBytes(0, 8, value.buffer);
  }

  get cqe(): CompletionQueueEntry {
    return new CompletionQueueEntry(this.getBytes(8, 16));
  }
  set cqe(value: CompletionQueueEntry) {
    this.setBytes(8, 16, value.buffer);
  }
}

/** 24 bytes. */
export class H2cData extends StructView {
  static readonly size = 24;
  static readonly fields = {
    common: { offset: 0, size: 8 },
    cccid: { offset: 8, size: 2 },
    ttag: { offset: 10, size: 2 },
    datao: { offset: 12, size: 4 },
    datal: { offset: 16, size: 4 },
  } as const;

  static alloc(): H2cData {
    return new H2cData(Buffer.alloc(24));
  }

  constructor(buffer: Buffer) {
    super(buffer, 24);
  }

  get common(): PduCommonHeader {
    return new PduCommonHeader(this.getBytes(0, 8));
  }
  set common(value: PduCommonHeader) {
    this.setBytes(0, 8, value.buffer);
  }

  get cccid(): number {
    return this.buffer.readUInt16LE(8);
  }
  set cccid(value: number) {
    this.buffer.writeUInt16LE(value, 8);
  }

  get ttag(): number {
    return this.buffer.readUInt16LE(10);
  }
  set ttag(value: number) {
    this.buffer.writeUInt16LE(value, 10);
  }

  get datao(): number {
    return this.buffer.readUInt32LE(12);
  }
  set datao(value: number) {
    this.buffer.writeUInt32LE(value, 12);
  }

  get datal(): number {
    return this.buffer.readUInt32LE(16);
  }
  set datal(value: number) {
    this.buffer.writeUInt32LE(value, 16);
  }
}

/** 24 bytes. */
export class C2hData extends StructView {
  static readonly size = 24;
  static readonly fields = {
    common: { offset: 0, size: 8 },
    cccid: { offset: 8, size: 2 },
    datao: { offset: 12, size: 4 },
    datal: { offset: 16, size: 4 },
  } as const;

  static alloc(): C2hData {
    return new C2hData(Buffer.alloc(24));
  }

  constructor(buffer: Buffer) {
    super(buffer, 24);
  }

  get common(): PduCommonHeader {
    return new PduCommonHeader(this.getBytes(0, 8));
  }
  set common(value: PduCommonHeader) {
    this.setBytes(0, 8, value.buffer);
  }

  get cccid(): number {
    return this.buffer.readUInt16LE(8);
  }
  set cccid(value: number) {
    this.buffer.writeUInt16LE(value, 8);
  }

  get datao(): number {
    return this.buffer.readUInt32LE(12);
  }
  set datao(value: number) {
    this.buffer.writeUInt32LE(value, 12);
  }

  get datal(): number {
    return this.buffer.readUInt32LE(16);
  }
  set datal(value: number) {
    this.buffer.writeUInt32LE(value, 16);
  }
}

/** 24 bytes. */
export class R2t extends StructView {
  static readonly size = 24;
  static readonly fields = {
    common: { offset: 0, size: 8 },
    cccid: { offset: 8, size: 2 },
    ttag: { offset: 10, size: 2 },
    r2to: { offset: 12, size: 4 },
    r2tl: { offset: 16, size: 4 },
  } as const;

  static alloc(): R2t {
    return new R2t(Buffer.alloc(24));
  }

  constructor(buffer: Buffer) {
    super(buffer, 24);
  }

  get common(): PduCommonHeader {
    return new PduCommonHeader(this.getBytes(0, 8));
  }
  set common(value: PduCommonHeader) {
    this.setBytes(0, 8, value.buffer);
  }

  get cccid(): number {
    return this.buffer.readUInt16LE(8);
  }
  set cccid(value: number) {
    this.buffer.writeUInt16LE(value, 8);
  }

  get ttag(): number {
    return this.buffer.readUInt16LE(10);
  }
  set ttag(value: number) {
    this.buffer.writeUInt16LE(value, 10);
  }

  get r2to(): number {
    return this.buffer.readUInt32LE(12);
  }
  set r2to(value: number) {
    this.buffer.writeUInt32LE(value, 12);
  }

  get r2tl(): number {
    return this.buffer.readUInt32LE(16);
  }
  set r2tl(value: number) {
    this.buffer.writeUInt32LE(value, 16);
  }
}

/** 16 bytes. */
export class DsmRange extends StructView {
  static readonly size = 16;
  static readonly fields = {
    cattr: { offset: 0, size: 4 },
    nlb: { offset: 4, size: 4 },
    slba: { offset: 8, size: 8 },
  } as const;

  static alloc(): DsmRange {
    return new DsmRange(Buffer.alloc(16));
  }

  constructor(buffer: Buffer) {
    super(buffer, 16);
  }

  get cattr(): number {
    return this.buffer.readUInt32LE(0);
  }
  set cattr(value: number) {
    this.buffer.writeUInt32LE(value, 0);
  }

  get nlb(): number {
    return this.buffer.readUInt32LE(4);
  }
  set nlb(value: number) {
    this.buffer.writeUInt32LE(value, 4);
  }

  get slba(): bigint {
    return this.buffer.readBigUInt64LE(8);
  }
  set slba(value: bigint) {
    this.buffer.writeBigUInt64LE(value, 8);
  }
}

/** 32 bytes. */
export class CopySourceRange extends StructView {
  static readonly size = 32;
  static readonly fields = {
    slba: { offset: 8, size: 8 },
    nlb: { offset: 16, size: 2 },
    elbrt: { offset: 24, size: 4 },
    elbat: { offset: 28, size: 2 },
    elbatm: { offset: 30, size: 2 },
  } as const;

  static alloc(): CopySourceRange {
    return new CopySourceRange(Buffer.alloc(32));
  }

  constructor(buffer: Buffer) {
    super(buffer, 32);
  }

  get slba(): bigint {
    return this.buffer.readBigUInt64LE(8);
  }
  set slba(value: bigint) {
    this.buffer.writeBigUInt64LE(value, 8);
  }

  get nlb(): number {
    return this.buffer.readUInt16LE(16);
  }
  set nlb(value: number) {
    this.buffer.writeUInt16LE(value, 16);
  }

  get elbrt(): number {
    return this.buffer.readUInt32LE(24);
  }
  set elbrt(value: number) {
    this.buffer.writeUInt32LE(value, 24);
  }

  get elbat(): number {
    return this.buffer.readUInt16LE(28);
  }
  set elbat(value: number) {
    this.buffer.writeUInt16LE(value, 28);
  }

  get elbatm(): number {
    return this.buffer.readUInt16LE(30);
  }
  set elbatm(value: number) {
    this.buffer.writeUInt16LE(value, 30);
  }
}

/** 8 bytes. */
export class Timestamp extends StructView {
  static readonly size = 8;
  static readonly fields = {
    tstmpLow: { offset: 0, size: 4 },
    tstmpHigh: { offset: 4, size: 2 },
    attributes: { offset: 6, size: 1 },
  } as const;

  static alloc(): Timestamp {
    return new Timestamp(Buffer.alloc(8));
  }

  constructor(buffer: Buffer) {
    super(buffer, 8);
  }

  get tstmpLow(): number {
    return this.buffer.readUInt32LE(0);
  }
  set tstmpLow(value: number) {
    this.buffer.writeUInt32LE(value, 0);
  }

  get tstmpHigh(): number {
    return this.buffer.readUInt16LE(4);
  }
  set tstmpHigh(value: number) {
    this.buffer.writeUInt16LE(value, 4);
  }

  get attributes(): number {
    return this.buffer.readUInt8(6);
  }
  set attributes(value: number) {
    this.buffer.writeUInt8(value, 6);
  }
}

/** 512 bytes. */
export class HostBehaviorSupport extends StructView {
  static readonly size = 512;
  static readonly fields = {
    acre: { offset: 0, size: 1 },
    etdas: { offset: 1, size: 1 },
    lbafee: { offset: 2, size: 1 },
    hdisns: { offset: 3, size: 1 },
    cdfe: { offset: 4, size: 2 },
  } as const;

  static alloc(): HostBehaviorSupport {
    return new HostBehaviorSupport(Buffer.alloc(512));
  }

  constructor(buffer: Buffer) {
    super(buffer, 512);
  }

  get acre(): number {
    return this.buffer.readUInt8(0);
  }
  set acre(value: number) {
    this.buffer.writeUInt8(value, 0);
  }

  get etdas(): number {
    return this.buffer.readUInt8(1);
  }
  set etdas(value: number) {
    this.buffer.writeUInt8(value, 1);
  }

  get lbafee(): number {
    return this.buffer.readUInt8(2);
  }
  set lbafee(value: number) {
    this.buffer.writeUInt8(value, 2);
  }

  get hdisns(): number {
    return this.buffer.readUInt8(3);
  }
  set hdisns(value: number) {
    this.buffer.writeUInt8(value, 3);
  }

  get cdfe(): number {
    return this.buffer.readUInt16LE(4);
  }
  set cdfe(value: number) {
    this.buffer.writeUInt16LE(value, 4);
  }
}

/** 64 bytes. */
export class FabricsCommand extends StructView {
  static readonly size = 64;
  static readonly fields = {
    opcode: { offset: 0, size: 1 },
    flags: { offset: 1, size: 1 },
    cid: { offset: 2, size: 2 },
    fctype: { offset: 4, size: 1 },
    sgl1: { offset: 24, size: 16 },
    specific: { offset: 40, size: 24 },
  } as const;

  static alloc(): FabricsCommand {
    return new FabricsCommand(Buffer.alloc(64));
  }

  constructor(buffer: Buffer) {
    super(buffer, 64);
  }

  get opcode(): number {
    return this.buffer.readUInt8(0);
  }
  set opcode(value: number) {
    this.buffer.writeUInt8(value, 0);
  }

  get flags(): number {
    return this.buffer.readUInt8(1);
  }
  set flags(value: number) {
    this.buffer.writeUInt8(value, 1);
  }

  get cid(): number {
    return this.buffer.readUInt16LE(2);
  }
  set cid(value: number) {
    this.buffer.writeUInt16LE(value, 2);
  }

  get fctype(): number {
    return this.buffer.readUInt8(4);
  }
  set fctype(value: number) {
    this.buffer.writeUInt8(value, 4);
  }

  get sgl1(): SglDescriptor {
    return new SglDescriptor(this.getBytes(24, 16));
  }
  set sgl1(value: SglDescriptor) {
    this.setBytes(24, 16, value.buffer);
  }

  get specific(): Buffer {
    return this.getBytes(40, 24);
  }
  set specific(value: Uint8Array) {
    this.setBytes(40, 24, value);
  }
}

/** 64 bytes. */
export class ConnectCommand extends StructView {
  static readonly size = 64;
  static readonly fields = {
    opcode: { offset: 0, size: 1 },
    flags: { offset: 1, size: 1 },
    cid: { offset: 2, size: 2 },
    fctype: { offset: 4, size: 1 },
    sgl1: { offset: 24, size: 16 },
    recfmt: { offset: 40, size: 2 },
    qid: { offset: 42, size: 2 },
    sqsize: { offset: 44, size: 2 },
    cattr: { offset: 46, size: 1 },
    kato: { offset: 48, size: 4 },
  } as const;

  static alloc(): ConnectCommand {
    return new ConnectCommand(Buffer.alloc(64));
  }

  constructor(buffer: Buffer) {
    super(buffer, 64);
  }

  get opcode(): number {
    return this.buffer.readUInt8(0);
  }
  set opcode(value: number) {
    this.buffer.writeUInt8(value, 0);
  }

  get flags(): number {
    return this.buffer.readUInt8(1);
  }
  set flags(value: number) {
    this.buffer.writeUInt8(value, 1);
  }

  get cid(): number {
    return this.buffer.readUInt16LE(2);
  }
  set cid(value: number) {
    this.buffer.writeUInt16LE(value, 2);
  }

  get fctype(): number {
    return this.buffer.readUInt8(4);
  }
  set fctype(value: number) {
    this.buffer.writeUInt8(value, 4);
  }

  get sgl1(): SglDescriptor {
    return new SglDescriptor(this.getBytes(24, 16));
  }
  set sgl1(value: SglDescriptor) {
    this.setBytes(24, 16, value.buffer);
  }

  get recfmt(): number {
    return this.buffer.readUInt16LE(40);
  }
  set recfmt(value: number) {
    this.buffer.writeUInt16LE(value, 40);
  }

  get qid(): number {
    return this.buffer.readUInt16LE(42);
  }
  set qid(value: number) {
    this.buffer.writeUInt16LE(value, 42);
  }

  get sqsize(): number {
    return this.buffer.readUInt16LE(44);
  }
  set sqsize(value: number) {
    this.buffer.writeUInt16LE(value, 44);
  }

  get cattr(): number {
    return this.buffer.readUInt8(46);
  }
  set cattr(value: number) {
    this.buffer.writeUInt8(value, 46);
  }

  get kato(): number {
    return this.buffer.readUInt32LE(48);
  }
  set kato(value: number) {
    this.buffer.writeUInt32LE(value, 48);
  }
}

/** 1024 bytes. */
export class ConnectData extends StructView {
  static readonly size = 1024;
  static readonly fields = {
    hostid: { offset: 0, size: 16 },
    cntlid: { offset: 16, size: 2 },
    subnqn: { offset: 256, size: 256 },
    hostnqn: { offset: 512, size: 256 },
  } as const;

  static alloc(): ConnectData {
    return new ConnectData(Buffer.alloc(1024));
  }

  constructor(buffer: Buffer) {
    super(buffer, 1024);
  }

  get hostid(): Buffer {
    return this.getBytes(0, 16);
  }
  set hostid(value: Uint8Array) {
    this.setBytes(0, 16, value);
  }

  get cntlid(): number {
    return this.buffer.readUInt16LE(16);
  }
  set cntlid(value: number) {
    this.buffer.writeUInt16LE(value, 16);
  }

  get subnqn(): string {
    return this.getText(256, 256);
  }
  set subnqn(value: string) {
    this.setText(256, 256, value);
  }

  get hostnqn(): string {
    return this.getText(512, 256);
  }
  set hostnqn(value: string) {
    this.setText(512, 256, value);
  }
}

/** 64 bytes. */
export class PropertyGetCommand extends StructView {
  static readonly size = 64;
  static readonly fields = {
    opcode: { offset: 0, size: 1 },
    flags: { offset: 1, size: 1 },
    cid: { offset: 2, size: 2 },
    fctype: { offset: 4, size: 1 },
    attrib: { offset: 40, size: 1 },
    ofst: { offset: 44, size: 4 },
  } as const;

  static alloc(): PropertyGetCommand {
    return new PropertyGetCommand(Buffer.alloc(64));
  }

  constructor(buffer: Buffer) {
    super(buffer, 64);
  }

  get opcode(): number {
    return this.buffer.readUInt8(0);
  }
  set opcode(value: number) {
    this.buffer.writeUInt8(value, 0);
  }

  get flags(): number {
    return this.buffer.readUInt8(1);
  }
  set flags(value: number) {
    this.buffer.writeUInt8(value, 1);
  }

  get cid(): number {
    return this.buffer.readUInt16LE(2);
  }
  set cid(value: number) {
    this.buffer.writeUInt16LE(value, 2);
  }

  get fctype(): number {
    return this.buffer.readUInt8(4);
  }
  set fctype(value: number) {
    this.buffer.writeUInt8(value, 4);
  }

  get attrib(): number {
    return this.buffer.readUInt8(40);
  }
  set attrib(value: number) {
    this.buffer.writeUInt8(value, 40);
  }

  get ofst(): number {
    return this.buffer.readUInt32LE(44);
  }
  set ofst(value: number) {
    this.buffer.writeUInt32LE(value, 44);
  }
}

/** 64 bytes. */
export class PropertySetCommand extends StructView {
  static readonly size = 64;
  static readonly fields = {
    opcode: { offset: 0, size: 1 },
    flags: { offset: 1, size: 1 },
    cid: { offset: 2, size: 2 },
    fctype: { offset: 4, size: 1 },
    attrib: { offset: 40, size: 1 },
    ofst: { offset: 44, size: 4 },
    value: { offset: 48, size: 8 },
  } as const;

  static alloc(): PropertySetCommand {
    return new PropertySetCommand(Buffer.alloc(64));
  }

  constructor(buffer: Buffer) {
    super(buffer, 64);
  }

  get opcode(): number {
    return this.buffer.readUInt8(0);
  }
  set opcode(value: number) {
    this.buffer.writeUInt8(value, 0);
  }

  get flags(): number {
    return this.buffer.readUInt8(1);
  }
  set flags(value: number) {
    this.buffer.writeUInt8(value, 1);
  }

  get cid(): number {
    return this.buffer.readUInt16LE(2);
  }
  set cid(value: number) {
    this.buffer.writeUInt16LE(value, 2);
  }

  get fctype(): number {
    return this.buffer.readUInt8(4);
  }
  set fctype(value: number) {
    this.buffer.writeUInt8(value, 4);
  }

  get attrib(): number {
    return this.buffer.readUInt8(40);
  }
  set attrib(value: number) {
    this.buffer.writeUInt8(value, 40);
  }

  get ofst(): number {
    return this.buffer.readUInt32LE(44);
  }
  set ofst(value: number) {
    this.buffer.writeUInt32LE(value, 44);
  }

  get value(): bigint {
    return this.buffer.readBigUInt64LE(48);
  }
  set value(value: bigint) {
    this.buffer.writeBigUInt64LE(value, 48);
  }
}

/** 64 bytes. */
export class AuthenticationCommand extends StructView {
  static readonly size = 64;
  static readonly fields = {
    opcode: { offset: 0, size: 1 },
    flags: { offset: 1, size: 1 },
    cid: { offset: 2, size: 2 },
    fctype: { offset: 4, size: 1 },
    sgl1: { offset: 24, size: 16 },
    spsp0: { offset: 41, size: 1 },
    spsp1: { offset: 42, size: 1 },
    secp: { offset: 43, size: 1 },
    length: { offset: 44, size: 4 },
  } as const;

  static alloc(): AuthenticationCommand {
    return new AuthenticationCommand(Buffer.alloc(64));
  }

  constructor(buffer: Buffer) {
    super(buffer, 64);
  }

  get opcode(): number {
    return this.buffer.readUInt8(0);
  }
  set opcode(value: number) {
    this.buffer.writeUInt8(value, 0);
  }

  get flags(): number {
    return this.buffer.readUInt8(1);
  }
  set flags(value: number) {
    this.buffer.writeUInt8(value, 1);
  }

  get cid(): number {
    return this.buffer.readUInt16LE(2);
  }
  set cid(value: number) {
    this.buffer.writeUInt16LE(value, 2);
  }

  get fctype(): number {
    return this.buffer.readUInt8(4);
  }
  set fctype(value: number) {
    this.buffer.writeUInt8(value, 4);
  }

  get sgl1(): SglDescriptor {
    return new SglDescriptor(this.getBytes(24, 16));
  }
  set sgl1(value: SglDescriptor) {
    this.setBytes(24, 16, value.buffer);
  }

  get spsp0(): number {
    return this.buffer.readUInt8(41);
  }
  set spsp0(value: number) {
    this.buffer.writeUInt8(value, 41);
  }

  get spsp1(): number {
    return this.buffer.readUInt8(42);
  }
  set spsp1(value: number) {
    this.buffer.writeUInt8(value, 42);
  }

  get secp(): number {
    return this.buffer.readUInt8(43);
  }
  set secp(value: number) {
    this.buffer.writeUInt8(value, 43);
  }

  get length(): number {
    return this.buffer.readUInt32LE(44);
  }
  set length(value: number) {
    this.buffer.writeUInt32LE(value, 44);
  }
}

/** 64 bytes. */
export class DisconnectCommand extends StructView {
  static readonly size = 64;
  static readonly fields = {
    opcode: { offset: 0, size: 1 },
    flags: { offset: 1, size: 1 },
    cid: { offset: 2, size: 2 },
    fctype: { offset: 4, size: 1 },
    sgl1: { offset: 24, size: 16 },
    recfmt: { offset: 40, size: 2 },
  } as const;

  static alloc(): DisconnectCommand {
    return new DisconnectCommand(Buffer.alloc(64));
  }

  constructor(buffer: Buffer) {
    super(buffer, 64);
  }

  get opcode(): number {
    return this.buffer.readUInt8(0);
  }
  set opcode(value: number) {
    this.buffer.writeUInt8(value, 0);
  }

  get flags(): number {
    return this.buffer.readUInt8(1);
  }
  set flags(value: number) {
    this.buffer.writeUInt8(value, 1);
  }

  get cid(): number {
    return this.buffer.readUInt16LE(2);
  }
  set cid(value: number) {
    this.buffer.writeUInt16LE(value, 2);
  }

  get fctype(): number {
    return this.buffer.readUInt8(4);
  }
  set fctype(value: number) {
    this.buffer.writeUInt8(value, 4);
  }

  get sgl1(): SglDescriptor {
    return new SglDescriptor(this.getBytes(24, 16));
  }
  set sgl1(value: SglDescriptor) {
    this.setBytes(24, 16, value.buffer);
  }

  get recfmt(): number {
    return this.buffer.readUInt16LE(40);
  }
  set recfmt(value: number) {
    this.buffer.writeUInt16LE(value, 40);
  }
}

/** 32 bytes. */
export class PowerStateDescriptor extends StructView {
  static readonly size = 32;
  static readonly fields = {
    mp: { offset: 0, size: 2 },
    flags: { offset: 3, size: 1 },
    enlat: { offset: 4, size: 4 },
    exlat: { offset: 8, size: 4 },
    rrt: { offset: 12, size: 1 },
    rrl: { offset: 13, size: 1 },
    rwt: { offset: 14, size: 1 },
    rwl: { offset: 15, size: 1 },
    idlp: { offset: 16, size: 2 },
    ips: { offset: 18, size: 1 },
    actp: { offset: 20, size: 2 },
    aps: { offset: 22, size: 1 },
  } as const;

  static alloc(): PowerStateDescriptor {
    return new PowerStateDescriptor(Buffer.alloc(32));
  }

  constructor(buffer: Buffer) {
    super(buffer, 32);
  }

  get mp(): number {
    return this.buffer.readUInt16LE(0);
  }
  set mp(value: number) {
    this.buffer.writeUInt16LE(value, 0);
  }

  get flags(): number {
    return this.buffer.readUInt8(3);
  }
  set flags(value: number) {
    this.buffer.writeUInt8(value, 3);
  }

  get enlat(): number {
    return this.buffer.readUInt32LE(4);
  }
  set enlat(value: number) {
    this.buffer.writeUInt32LE(value, 4);
  }

  get exlat(): number {
    return this.buffer.readUInt32LE(8);
  }
  set exlat(value: number) {
    this.buffer.writeUInt32LE(value, 8);
  }

  get rrt(): number {
    return this.buffer.readUInt8(12);
  }
  set rrt(value: number) {
    this.buffer.writeUInt8(value, 12);
  }

  get rrl(): number {
    return this.buffer.readUInt8(13);
  }
  set rrl(value: number) {
    this.buffer.writeUInt8(value, 13);
  }

  get rwt(): number {
    return this.buffer.readUInt8(14);
  }
  set rwt(value: number) {
    this.buffer.writeUInt8(value, 14);
  }

  get rwl(): number {
    return this.buffer.readUInt8(15);
  }
  set rwl(value: number) {
    this.buffer.writeUInt8(value, 15);
  }

  get idlp(): number {
    return this.buffer.readUInt16LE(16);
  }
  set idlp(value: number) {
    this.buffer.writeUInt16LE(value, 16);
  }

  get ips(): number {
    return this.buffer.readUInt8(18);
  }
  set ips(value: number) {
    this.buffer.writeUInt8(value, 18);
  }

  get actp(): number {
    return this.buffer.readUInt16LE(20);
  }
  set actp(value: number) {
    this.buffer.writeUInt16LE(value, 20);
  }

  get aps(): number {
    return this.buffer.readUInt8(22);
  }
  set aps(value: number) {
    this.buffer.writeUInt8(value, 22);
  }
}

/** 4096 bytes. */
export class IdentifyController extends StructView {
  static readonly size = 4096;
  static readonly fields = {
    vid: { offset: 0, size: 2 },
    ssvid: { offset: 2, size: 2 },
    sn: { offset: 4, size: 20 },
    mn: { offset: 24, size: 40 },
    fr: { offset: 64, size: 8 },
    rab: { offset: 72, size: 1 },
    ieee: { offset: 73, size: 3 },
    cmic: { offset: 76, size: 1 },
    mdts: { offset: 77, size: 1 },
    cntlid: { offset: 78, size: 2 },
    ver: { offset: 80, size: 4 },
    rtd3r: { offset: 84, size: 4 },
    rtd3e: { offset: 88, size: 4 },
    oaes: { offset: 92, size: 4 },
    ctratt: { offset: 96, size: 4 },
    rrls: { offset: 100, size: 2 },
    bpcap: { offset: 102, size: 1 },
    nssl: { offset: 104, size: 4 },
    plsi: { offset: 110, size: 1 },
    cntrltype: { offset: 111, size: 1 },
    fguid: { offset: 112, size: 16 },
    crdt1: { offset: 128, size: 2 },
    crdt2: { offset: 130, size: 2 },
    crdt3: { offset: 132, size: 2 },
    crcap: { offset: 134, size: 1 },
    nvmsr: { offset: 253, size: 1 },
    vwci: { offset: 254, size: 1 },
    mec: { offset: 255, size: 1 },
    oacs: { offset: 256, size: 2 },
    acl: { offset: 258, size: 1 },
    aerl: { offset: 259, size: 1 },
    frmw: { offset: 260, size: 1 },
    lpa: { offset: 261, size: 1 },
    elpe: { offset: 262, size: 1 },
    npss: { offset: 263, size: 1 },
    avscc: { offset: 264, size: 1 },
    apsta: { offset: 265, size: 1 },
    wctemp: { offset: 266, size: 2 },
    cctemp: { offset: 268, size: 2 },
    mtfa: { offset: 270, size: 2 },
    hmpre: { offset: 272, size: 4 },
    hmmin: { offset: 276, size: 4 },
    tnvmcap: { offset: 280, size: 16 },
    unvmcap: { offset: 296, size: 16 },
    rpmbs: { offset: 312, size: 4 },
    edstt: { offset: 316, size: 2 },
    dsto: { offset: 318, size: 1 },
    fwug: { offset: 319, size: 1 },
    kas: { offset: 320, size: 2 },
    hctma: { offset: 322, size: 2 },
    mntmt: { offset: 324, size: 2 },
    mxtmt: { offset: 326, size: 2 },
    sanicap: { offset: 328, size: 4 },
    hmminds: { offset: 332, size: 4 },
    hmmaxd: { offset: 336, size: 2 },
    nsetidmax: { offset: 338, size: 2 },
    endgidmax: { offset: 340, size: 2 },
    anatt: { offset: 342, size: 1 },
    anacap: { offset: 343, size: 1 },
    anagrpmax: { offset: 344, size: 4 },
    nanagrpid: { offset: 348, size: 4 },
    pels: { offset: 352, size: 4 },
    domainid: { offset: 356, size: 2 },
    kpioc: { offset: 358, size: 1 },
    mptfawr: { offset: 360, size: 2 },
    megcap: { offset: 368, size: 16 },
    tmpthha: { offset: 384, size: 1 },
    cqt: { offset: 386, size: 2 },
    sqes: { offset: 512, size: 1 },
    cqes: { offset: 513, size: 1 },
    maxcmd: { offset: 514, size: 2 },
    nn: { offset: 516, size: 4 },
    oncs: { offset: 520, size: 2 },
    fuses: { offset: 522, size: 2 },
    fna: { offset: 524, size: 1 },
    vwc: { offset: 525, size: 1 },
    awun: { offset: 526, size: 2 },
    awupf: { offset: 528, size: 2 },
    icsvscc: { offset: 530, size: 1 },
    nwpc: { offset: 531, size: 1 },
    acwu: { offset: 532, size: 2 },
    cdfs: { offset: 534, size: 2 },
    sgls: { offset: 536, size: 4 },
    mnan: { offset: 540, size: 4 },
    maxdna: { offset: 544, size: 16 },
    maxcna: { offset: 560, size: 4 },
    subnqn: { offset: 768, size: 256 },
    ioccsz: { offset: 1792, size: 4 },
    iorcsz: { offset: 1796, size: 4 },
    icdoff: { offset: 1800, size: 2 },
    fcatt: { offset: 1802, size: 1 },
    msdbd: { offset: 1803, size: 1 },
    ofcs: { offset: 1804, size: 2 },
    dctype: { offset: 1806, size: 1 },
    psd: { offset: 2048, size: 1024 },
    vs: { offset: 3072, size: 1024 },
  } as const;

  static alloc(): IdentifyController {
    return new IdentifyController(Buffer.alloc(4096));
  }

  constructor(buffer: Buffer) {
    super(buffer, 4096);
  }

  get vid(): number {
    return this.buffer.readUInt16LE(0);
  }
  set vid(value: number) {
    this.buffer.writeUInt16LE(value, 0);
  }

  get ssvid(): number {
    return this.buffer.readUInt16LE(2);
  }
  set ssvid(value: number) {
    this.buffer.writeUInt16LE(value, 2);
  }

  get sn(): string {
    return this.getAscii(4, 20);
  }
  set sn(value: string) {
    this.setAscii(4, 20, value);
  }

  get mn(): string {
    return this.getAscii(24, 40);
  }
  set mn(value: string) {
    this.setAscii(24, 40, value);
  }

  get fr(): string {
    return this.getAscii(64, 8);
  }
  set fr(value: string) {
    this.setAscii(64, 8, value);
  }

  get rab(): number {
    return this.buffer.readUInt8(72);
  }
  set rab(value: number) {
    this.buffer.writeUInt8(value, 72);
  }

  get ieee(): Buffer {
    return this.getBytes(73, 3);
  }
  set ieee(value: Uint8Array) {
    this.setBytes(73, 3, value);
  }

  get cmic(): number {
    return this.buffer.readUInt8(76);
  }
  set cmic(value: number) {
    this.buffer.writeUInt8(value, 76);
  }

  get mdts(): number {
    return this.buffer.readUInt8(77);
  }
  set mdts(value: number) {
    this.buffer.writeUInt8(value, 77);
  }

  get cntlid(): number {
    return this.buffer.readUInt16LE(78);
  }
  set cntlid(value: number) {
    this.buffer.writeUInt16LE(value, 78);
  }

  get ver(): number {
    return this.buffer.readUInt32LE(80);
  }
  set ver(value: number) {
    this.buffer.writeUInt32LE(value, 80);
  }

  get rtd3r(): number {
    return this.buffer.readUInt32LE(84);
  }
  set rtd3r(value: number) {
    this.buffer.writeUInt32LE(value, 84);
  }

  get rtd3e(): number {
    return this.buffer.readUInt32LE(88);
  }
  set rtd3e(value: number) {
    this.buffer.writeUInt32LE(value, 88);
  }

  get oaes(): number {
    return this.buffer.readUInt32LE(92);
  }
  set oaes(value: number) {
    this.buffer.writeUInt32LE(value, 92);
  }

  get ctratt(): number {
    return this.buffer.readUInt32LE(96);
  }
  set ctratt(value: number) {
    this.buffer.writeUInt32LE(value, 96);
  }

  get rrls(): number {
    return this.buffer.readUInt16LE(100);
  }
  set rrls(value: number) {
    this.buffer.writeUInt16LE(value, 100);
  }

  get bpcap(): number {
    return this.buffer.readUInt8(102);
  }
  set bpcap(value: number) {
    this.buffer.writeUInt8(value, 102);
  }

  get nssl(): number {
    return this.buffer.readUInt32LE(104);
  }
  set nssl(value: number) {
    this.buffer.writeUInt32LE(value, 104);
  }

  get plsi(): number {
    return this.buffer.readUInt8(110);
  }
  set plsi(value: number) {
    this.buffer.writeUInt8(value, 110);
  }

  get cntrltype(): number {
    return this.buffer.readUInt8(111);
  }
  set cntrltype(value: number) {
    this.buffer.writeUInt8(value, 111);
  }

  get fguid(): Buffer {
    return this.getBytes(112, 16);
  }
  set fguid(value: Uint8Array) {
    this.setBytes(112, 16, value);
  }

  get crdt1(): number {
    return this.buffer.readUInt16LE(128);
  }
  set crdt1(value: number) {
    this.buffer.writeUInt16LE(value, 128);
  }

  get crdt2(): number {
    return this.buffer.readUInt16LE(130);
  }
  set crdt2(value: number) {
    this.buffer.writeUInt16LE(value, 130);
  }

  get crdt3(): number {
    return this.buffer.readUInt16LE(132);
  }
  set crdt3(value: number) {
    this.buffer.writeUInt16LE(value, 132);
  }

  get crcap(): number {
    return this.buffer.readUInt8(134);
  }
  set crcap(value: number) {
    this.buffer.writeUInt8(value, 134);
  }

  get nvmsr(): number {
    return this.buffer.readUInt8(253);
  }
  set nvmsr(value: number) {
    this.buffer.writeUInt8(value, 253);
  }

  get vwci(): number {
    return this.buffer.readUInt8(254);
  }
  set vwci(value: number) {
    this.buffer.writeUInt8(value, 254);
  }

  get mec(): number {
    return this.buffer.readUInt8(255);
  }
  set mec(value: number) {
    this.buffer.writeUInt8(value, 255);
  }

  get oacs(): number {
    return this.buffer.readUInt16LE(256);
  }
  set oacs(value: number) {
    this.buffer.writeUInt16LE(value, 256);
  }

  get acl(): number {
    return this.buffer.readUInt8(258);
  }
  set acl(value: number) {
    this.buffer.writeUInt8(value, 258);
  }

  get aerl(): number {
    return this.buffer.readUInt8(259);
  }
  set aerl(value: number) {
    this.buffer.writeUInt8(value, 259);
  }

  get frmw(): number {
    return this.buffer.readUInt8(260);
  }
  set frmw(value: number) {
    this.buffer.writeUInt8(value, 260);
  }

  get lpa(): number {
    return this.buffer.readUInt8(261);
  }
  set lpa(value: number) {
    this.buffer.writeUInt8(value, 261);
  }

  get elpe(): number {
    return this.buffer.readUInt8(262);
  }
  set elpe(value: number) {
    this.buffer.writeUInt8(value, 262);
  }

  get npss(): number {
    return this.buffer.readUInt8(263);
  }
  set npss(value: number) {
    this.buffer.writeUInt8(value, 263);
  }

  get avscc(): number {
    return this.buffer.readUInt8(264);
  }
  set avscc(value: number) {
    this.buffer.writeUInt8(value, 264);
  }

  get apsta(): number {
    return this.buffer.readUInt8(265);
  }
  set apsta(value: number) {
    this.buffer.writeUInt8(value, 265);
  }

  get wctemp(): number {
    return this.buffer.readUInt16LE(266);
  }
  set wctemp(value: number) {
    this.buffer.writeUInt16LE(value, 266);
  }

  get cctemp(): number {
    return this.buffer.readUInt16LE(268);
  }
  set cctemp(value: number) {
    this.buffer.writeUInt16LE(value, 268);
  }

  get mtfa(): number {
    return this.buffer.readUInt16LE(270);
  }
  set mtfa(value: number) {
    this.buffer.writeUInt16LE(value, 270);
  }

  get hmpre(): number {
    return this.buffer.readUInt32LE(272);
  }
  set hmpre(value: number) {
    this.buffer.writeUInt32LE(value, 272);
  }

  get hmmin(): number {
    return this.buffer.readUInt32LE(276);
  }
  set hmmin(value: number) {
    this.buffer.writeUInt32LE(value, 276);
  }

  get tnvmcap(): bigint {
    return this.getUint128(280);
  }
  set tnvmcap(value: bigint) {
    this.setUint128(280, value);
  }

  get unvmcap(): bigint {
    return this.getUint128(296);
  }
  set unvmcap(value: bigint) {
    this.setUint128(296, value);
  }

  get rpmbs(): number {
    return this.buffer.readUInt32LE(312);
  }
  set rpmbs(value: number) {
    this.buffer.writeUInt32LE(value, 312);
  }

  get edstt(): number {
    return this.buffer.readUInt16LE(316);
  }
  set edstt(value: number) {
    this.buffer.writeUInt16LE(value, 316);
  }

  get dsto(): number {
    return this.buffer.readUInt8(318);
  }
  set dsto(value: number) {
    this.buffer.writeUInt8(value, 318);
  }

  get fwug(): number {
    return this.buffer.readUInt8(319);
  }
  set fwug(value: number) {
    this.buffer.writeUInt8(value, 319);
  }

  get kas(): number {
    return this.buffer.readUInt16LE(320);
  }
  set kas(value: number) {
    this.buffer.writeUInt16LE(value, 320);
  }

  get hctma(): number {
    return this.buffer.readUInt16LE(322);
  }
  set hctma(value: number) {
    this.buffer.writeUInt16LE(value, 322);
  }

  get mntmt(): number {
    return this.buffer.readUInt16LE(324);
  }
  set mntmt(value: number) {
    this.buffer.writeUInt16LE(value, 324);
  }

  get mxtmt(): number {
    return this.buffer.readUInt16LE(326);
  }
  set mxtmt(value: number) {
    this.buffer.writeUInt16LE(value, 326);
  }

  get sanicap(): number {
    return this.buffer.readUInt32LE(328);
  }
  set sanicap(value: number) {
    this.buffer.writeUInt32LE(value, 328);
  }

  get hmminds(): number {
    return this.buffer.readUInt32LE(332);
  }
  set hmminds(value: number) {
    this.buffer.writeUInt32LE(value, 332);
  }

  get hmmaxd(): number {
    return this.buffer.readUInt16LE(336);
  }
  set hmmaxd(value: number) {
    this.buffer.writeUInt16LE(value, 336);
  }

  get nsetidmax(): number {
    return this.buffer.readUInt16LE(338);
  }
  set nsetidmax(value: number) {
    this.buffer.writeUInt16LE(value, 338);
  }

  get endgidmax(): number {
    return this.buffer.readUInt16LE(340);
  }
  set endgidmax(value: number) {
    this.buffer.writeUInt16LE(value, 340);
  }

  get anatt(): number {
    return this.buffer.readUInt8(342);
  }
  set anatt(value: number) {
    this.buffer.writeUInt8(value, 342);
  }

  get anacap(): number {
    return this.buffer.readUInt8(343);
  }
  set anacap(value: number) {
    this.buffer.writeUInt8(value, 343);
  }

  get anagrpmax(): number {
    return this.buffer.readUInt32LE(344);
  }
  set anagrpmax(value: number) {
    this.buffer.writeUInt32LE(value, 344);
  }

  get nanagrpid(): number {
    return this.buffer.readUInt32LE(348);
  }
  set nanagrpid(value: number) {
    this.buffer.writeUInt32LE(value, 348);
  }

  get pels(): number {
    return this.buffer.readUInt32LE(352);
  }
  set pels(value: number) {
    this.buffer.writeUInt32LE(value, 352);
  }

  get domainid(): number {
    return this.buffer.readUInt16LE(356);
  }
  set domainid(value: number) {
    this.buffer.writeUInt16LE(value, 356);
  }

  get kpioc(): number {
    return this.buffer.readUInt8(358);
  }
  set kpioc(value: number) {
    this.buffer.writeUInt8(value, 358);
  }

  get mptfawr(): number {
    return this.buffer.readUInt16LE(360);
  }
  set mptfawr(value: number) {
    this.buffer.writeUInt16LE(value, 360);
  }

  get megcap(): bigint {
    return this.getUint128(368);
  }
  set megcap(value: bigint) {
    this.setUint128(368, value);
  }

  get tmpthha(): number {
    return this.buffer.readUInt8(384);
  }
  set tmpthha(value: number) {
    this.buffer.writeUInt8(value, 384);
  }

  get cqt(): number {
    return this.buffer.readUInt16LE(386);
  }
  set cqt(value: number) {
    this.buffer.writeUInt16LE(value, 386);
  }

  get sqes(): number {
    return this.buffer.readUInt8(512);
  }
  set sqes(value: number) {
    this.buffer.writeUInt8(value, 512);
  }

  get cqes(): number {
    return this.buffer.readUInt8(513);
  }
  set cqes(value: number) {
    this.buffer.writeUInt8(value, 513);
  }

  get maxcmd(): number {
    return this.buffer.readUInt16LE(514);
  }
  set maxcmd(value: number) {
    this.buffer.writeUInt16LE(value, 514);
  }

  get nn(): number {
    return this.buffer.readUInt32LE(516);
  }
  set nn(value: number) {
    this.buffer.writeUInt32LE(value, 516);
  }

  get oncs(): number {
    return this.buffer.readUInt16LE(520);
  }
  set oncs(value: number) {
    this.buffer.writeUInt16LE(value, 520);
  }

  get fuses(): number {
    return this.buffer.readUInt16LE(522);
  }
  set fuses(value: number) {
    this.buffer.writeUInt16LE(value, 522);
  }

  get fna(): number {
    return this.buffer.readUInt8(524);
  }
  set fna(value: number) {
    this.buffer.writeUInt8(value, 524);
  }

  get vwc(): number {
    return this.buffer.readUInt8(525);
  }
  set vwc(value: number) {
    this.buffer.writeUInt8(value, 525);
  }

  get awun(): number {
    return this.buffer.readUInt16LE(526);
  }
  set awun(value: number) {
    this.buffer.writeUInt16LE(value, 526);
  }

  get awupf(): number {
    return this.buffer.readUInt16LE(528);
  }
  set awupf(value: number) {
    this.buffer.writeUInt16LE(value, 528);
  }

  get icsvscc(): number {
    return this.buffer.readUInt8(530);
  }
  set icsvscc(value: number) {
    this.buffer.writeUInt8(value, 530);
  }

  get nwpc(): number {
    return this.buffer.readUInt8(531);
  }
  set nwpc(value: number) {
    this.buffer.writeUInt8(value, 531);
  }

  get acwu(): number {
    return this.buffer.readUInt16LE(532);
  }
  set acwu(value: number) {
    this.buffer.writeUInt16LE(value, 532);
  }

  get cdfs(): number {
    return this.buffer.readUInt16LE(534);
  }
  set cdfs(value: number) {
    this.buffer.writeUInt16LE(value, 534);
  }

  get sgls(): number {
    return this.buffer.readUInt32LE(536);
  }
  set sgls(value: number) {
    this.buffer.writeUInt32LE(value, 536);
  }

  get mnan(): number {
    return this.buffer.readUInt32LE(540);
  }
  set mnan(value: number) {
    this.buffer.writeUInt32LE(value, 540);
  }

  get maxdna(): bigint {
    return this.getUint128(544);
  }
  set maxdna(value: bigint) {
    this.setUint128(544, value);
  }

  get maxcna(): number {
    return this.buffer.readUInt32LE(560);
  }
  set maxcna(value: number) {
    this.buffer.writeUInt32LE(value, 560);
  }

  get subnqn(): string {
    return this.getText(768, 256);
  }
  set subnqn(value: string) {
    this.setText(768, 256, value);
  }

  get ioccsz(): number {
    return this.buffer.readUInt32LE(1792);
  }
  set ioccsz(value: number) {
    this.buffer.writeUInt32LE(value, 1792);
  }

  get iorcsz(): number {
    return this.buffer.readUInt32LE(1796);
  }
  set iorcsz(value: number) {
    this.buffer.writeUInt32LE(value, 1796);
  }

  get icdoff(): number {
    return this.buffer.readUInt16LE(1800);
  }
  set icdoff(value: number) {
    this.buffer.writeUInt16LE(value, 1800);
  }

  get fcatt(): number {
    return this.buffer.readUInt8(1802);
  }
  set fcatt(value: number) {
    this.buffer.writeUInt8(value, 1802);
  }

  get msdbd(): number {
    return this.buffer.readUInt8(1803);
  }
  set msdbd(value: number) {
    this.buffer.writeUInt8(value, 1803);
  }

  get ofcs(): number {
    return this.buffer.readUInt16LE(1804);
  }
  set ofcs(value: number) {
    this.buffer.writeUInt16LE(value, 1804);
  }

  get dctype(): number {
    return this.buffer.readUInt8(1806);
  }
  set dctype(value: number) {
    this.buffer.writeUInt8(value, 1806);
  }

  psd(index: number): PowerStateDescriptor {
    const at = this.elementOffset(2048, 32, 32, index);
    return new PowerStateDescriptor(this.getBytes(at, 32));
  }
  setPsd(index: number, value: PowerStateDescriptor): void {
    const at = this.elementOffset(2048, 32, 32, index);
    this.setBytes(at, 32, value.buffer);
  }

  get vs(): Buffer {
    return this.getBytes(3072, 1024);
  }
  set vs(value: Uint8Array) {
    this.setBytes(3072, 1024, value);
  }
}

/** 4 bytes. */
export class LbaFormat extends StructView {
  static readonly size = 4;
  static readonly fields = {
    ms: { offset: 0, size: 2 },
    lbads: { offset: 2, size: 1 },
    rp: { offset: 3, size: 1 },
  } as const;

  static alloc(): LbaFormat {
    return new LbaFormat(Buffer.alloc(4));
  }

  constructor(buffer: Buffer) {
    super(buffer, 4);
  }

  get ms(): number {
    return this.buffer.readUInt16LE(0);
  }
  set ms(value: number) {
    this.buffer.writeUInt16LE(value, 0);
  }

  get lbads(): number {
    return this.buffer.readUInt8(2);
  }
  set lbads(value: number) {
    this.buffer.writeUInt8(value, 2);
  }

  get rp(): number {
    return this.buffer.readUInt8(3);
  }
  set rp(value: number) {
    this.buffer.writeUInt8(value, 3);
  }
}

/** 4096 bytes. */
export class IdentifyNamespace extends StructView {
  static readonly size = 4096;
  static readonly fields = {
    nsze: { offset: 0, size: 8 },
    ncap: { offset: 8, size: 8 },
    nuse: { offset: 16, size: 8 },
    nsfeat: { offset: 24, size: 1 },
    nlbaf: { offset: 25, size: 1 },
    flbas: { offset: 26, size: 1 },
    mc: { offset: 27, size: 1 },
    dpc: { offset: 28, size: 1 },
    dps: { offset: 29, size: 1 },
    nmic: { offset: 30, size: 1 },
    rescap: { offset: 31, size: 1 },
    fpi: { offset: 32, size: 1 },
    dlfeat: { offset: 33, size: 1 },
    nawun: { offset: 34, size: 2 },
    nawupf: { offset: 36, size: 2 },
    nacwu: { offset: 38, size: 2 },
    nabsn: { offset: 40, size: 2 },
    nabo: { offset: 42, size: 2 },
    nabspf: { offset: 44, size: 2 },
    noiob: { offset: 46, size: 2 },
    nvmcap: { offset: 48, size: 16 },
    npwg: { offset: 64, size: 2 },
    npwa: { offset: 66, size: 2 },
    npdg: { offset: 68, size: 2 },
    npda: { offset: 70, size: 2 },
    nows: { offset: 72, size: 2 },
    mssrl: { offset: 74, size: 2 },
    mcl: { offset: 76, size: 4 },
    msrc: { offset: 80, size: 1 },
    kpios: { offset: 81, size: 1 },
    nulbaf: { offset: 82, size: 1 },
    kpiodaag: { offset: 84, size: 4 },
    anagrpid: { offset: 92, size: 4 },
    nsattr: { offset: 99, size: 1 },
    nvmsetid: { offset: 100, size: 2 },
    endgid: { offset: 102, size: 2 },
    nguid: { offset: 104, size: 16 },
    eui64: { offset: 120, size: 8 },
    lbaf: { offset: 128, size: 256 },
    vs: { offset: 384, size: 3712 },
  } as const;

  static alloc(): IdentifyNamespace {
    return new IdentifyNamespace(Buffer.alloc(4096));
  }

  constructor(buffer: Buffer) {
    super(buffer, 4096);
  }

  get nsze(): bigint {
    return this.buffer.readBigUInt64LE(0);
  }
  set nsze(value: bigint) {
    this.buffer.writeBigUInt64LE(value, 0);
  }

  get ncap(): bigint {
    return this.buffer.readBigUInt64LE(8);
  }
  set ncap(value: bigint) {
    this.buffer.writeBigUInt64LE(value, 8);
  }

  get nuse(): bigint {
    return this.buffer.readBigUInt64LE(16);
  }
  set nuse(value: bigint) {
    this.buffer.writeBigUInt64LE(value, 16);
  }

  get nsfeat(): number {
    return this.buffer.readUInt8(24);
  }
  set nsfeat(value: number) {
    this.buffer.writeUInt8(value, 24);
  }

  get nlbaf(): number {
    return this.buffer.readUInt8(25);
  }
  set nlbaf(value: number) {
    this.buffer.writeUInt8(value, 25);
  }

  get flbas(): number {
    return this.buffer.readUInt8(26);
  }
  set flbas(value: number) {
    this.buffer.writeUInt8(value, 26);
  }

  get mc(): number {
    return this.buffer.readUInt8(27);
  }
  set mc(value: number) {
    this.buffer.writeUInt8(value, 27);
  }

  get dpc(): number {
    return this.buffer.readUInt8(28);
  }
  set dpc(value: number) {
    this.buffer.writeUInt8(value, 28);
  }

  get dps(): number {
    return this.buffer.readUInt8(29);
  }
  set dps(value: number) {
    this.buffer.writeUInt8(value, 29);
  }

  get nmic(): number {
    return this.buffer.readUInt8(30);
  }
  set nmic(value: number) {
    this.buffer.writeUInt8(value, 30);
  }

  get rescap(): number {
    return this.buffer.readUInt8(31);
  }
  set rescap(value: number) {
    this.buffer.writeUInt8(value, 31);
  }

  get fpi(): number {
    return this.buffer.readUInt8(32);
  }
  set fpi(value: number) {
    this.buffer.writeUInt8(value, 32);
  }

  get dlfeat(): number {
    return this.buffer.readUInt8(33);
  }
  set dlfeat(value: number) {
    this.buffer.writeUInt8(value, 33);
  }

  get nawun(): number {
    return this.buffer.readUInt16LE(34);
  }
  set nawun(value: number) {
    this.buffer.writeUInt16LE(value, 34);
  }

  get nawupf(): number {
    return this.buffer.readUInt16LE(36);
  }
  set nawupf(value: number) {
    this.buffer.writeUInt16LE(value, 36);
  }

  get nacwu(): number {
    return this.buffer.readUInt16LE(38);
  }
  set nacwu(value: number) {
    this.buffer.writeUInt16LE(value, 38);
  }

  get nabsn(): number {
    return this.buffer.readUInt16LE(40);
  }
  set nabsn(value: number) {
    this.buffer.writeUInt16LE(value, 40);
  }

  get nabo(): number {
    return this.buffer.readUInt16LE(42);
  }
  set nabo(value: number) {
    this.buffer.writeUInt16LE(value, 42);
  }

  get nabspf(): number {
    return this.buffer.readUInt16LE(44);
  }
  set nabspf(value: number) {
    this.buffer.writeUInt16LE(value, 44);
  }

  get noiob(): number {
    return this.buffer.readUInt16LE(46);
  }
  set noiob(value: number) {
    this.buffer.writeUInt16LE(value, 46);
  }

  get nvmcap(): bigint {
    return this.getUint128(48);
  }
  set nvmcap(value: bigint) {
    this.setUint128(48, value);
  }

  get npwg(): number {
    return this.buffer.readUInt16LE(64);
  }
  set npwg(value: number) {
    this.buffer.writeUInt16LE(value, 64);
  }

  get npwa(): number {
    return this.buffer.readUInt16LE(66);
  }
  set npwa(value: number) {
    this.buffer.writeUInt16LE(value, 66);
  }

  get npdg(): number {
    return this.buffer.readUInt16LE(68);
  }
  set npdg(value: number) {
    this.buffer.writeUInt16LE(value, 68);
  }

  get npda(): number {
    return this.buffer.readUInt16LE(70);
  }
  set npda(value: number) {
    this.buffer.writeUInt16LE(value, 70);
  }

  get nows(): number {
    return this.buffer.readUInt16LE(72);
  }
  set nows(value: number) {
    this.buffer.writeUInt16LE(value, 72);
  }

  get mssrl(): number {
    return this.buffer.readUInt16LE(74);
  }
  set mssrl(value: number) {
    this.buffer.writeUInt16LE(value, 74);
  }

  get mcl(): number {
    return this.buffer.readUInt32LE(76);
  }
  set mcl(value: number) {
    this.buffer.writeUInt32LE(value, 76);
  }

  get msrc(): number {
    return this.buffer.readUInt8(80);
  }
  set msrc(value: number) {
    this.buffer.writeUInt8(value, 80);
  }

  get kpios(): number {
    return this.buffer.readUInt8(81);
  }
  set kpios(value: number) {
    this.buffer.writeUInt8(value, 81);
  }

  get nulbaf(): number {
    return this.buffer.readUInt8(82);
  }
  set nulbaf(value: number) {
    this.buffer.writeUInt8(value, 82);
  }

  get kpiodaag(): number {
    return this.buffer.readUInt32LE(84);
  }
  set kpiodaag(value: number) {
    this.buffer.writeUInt32LE(value, 84);
  }

  get anagrpid(): number {
    return this.buffer.readUInt32LE(92);
  }
  set anagrpid(value: number) {
    this.buffer.writeUInt32LE(value, 92);
  }

  get nsattr(): number {
    return this.buffer.readUInt8(99);
  }
  set nsattr(value: number) {
    this.buffer.writeUInt8(value, 99);
  }

  get nvmsetid(): number {
    return this.buffer.readUInt16LE(100);
  }
  set nvmsetid(value: number) {
    this.buffer.writeUInt16LE(value, 100);
  }

  get endgid(): number {
    return this.buffer.readUInt16LE(102);
  }
  set endgid(value: number) {
    this.buffer.writeUInt16LE(value, 102);
  }

  get nguid(): Buffer {
    return this.getBytes(104, 16);
  }
  set nguid(value: Uint8Array) {
    this.setBytes(104, 16, value);
  }

  get eui64(): Buffer {
    return this.getBytes(120, 8);
  }
  set eui64(value: Uint8Array) {
    this.setBytes(120, 8, value);
  }

  lbaf(index: number): LbaFormat {
    const at = this.elementOffset(128, 4, 64, index);
    return new LbaFormat(this.getBytes(at, 4));
  }
  setLbaf(index: number, value: LbaFormat): void {
    const at = this.elementOffset(128, 4, 64, index);
    this.setBytes(at, 4, value.buffer);
  }

  get vs(): Buffer {
    return this.getBytes(384, 3712);
  }
  set vs(value: Uint8Array) {
    this.setBytes(384, 3712, value);
  }
}

/** 4096 bytes. */
export class IdentifyIndependentNamespace extends StructView {
  static readonly size = 4096;
  static readonly fields = {
    nsfeat: { offset: 0, size: 1 },
    nmic: { offset: 1, size: 1 },
    rescap: { offset: 2, size: 1 },
    fpi: { offset: 3, size: 1 },
    anagrpid: { offset: 4, size: 4 },
    nsattr: { offset: 8, size: 1 },
    nvmsetid: { offset: 10, size: 2 },
    endgid: { offset: 12, size: 2 },
    nstat: { offset: 14, size: 1 },
    kpios: { offset: 15, size: 1 },
    maxkt: { offset: 16, size: 2 },
    rgrpid: { offset: 20, size: 4 },
  } as const;

  static alloc(): IdentifyIndependentNamespace {
    return new IdentifyIndependentNamespace(Buffer.alloc(4096));
  }

  constructor(buffer: Buffer) {
    super(buffer, 4096);
  }

  get nsfeat(): number {
    return this.buffer.readUInt8(0);
  }
  set nsfeat(value: number) {
    this.buffer.writeUInt8(value, 0);
  }

  get nmic(): number {
    return this.buffer.readUInt8(1);
  }
  set nmic(value: number) {
    this.buffer.writeUInt8(value, 1);
  }

  get rescap(): number {
    return this.buffer.readUInt8(2);
  }
  set rescap(value: number) {
    this.buffer.writeUInt8(value, 2);
  }

  get fpi(): number {
    return this.buffer.readUInt8(3);
  }
  set fpi(value: number) {
    this.buffer.writeUInt8(value, 3);
  }

  get anagrpid(): number {
    return this.buffer.readUInt32LE(4);
  }
  set anagrpid(value: number) {
    this.buffer.writeUInt32LE(value, 4);
  }

  get nsattr(): number {
    return this.buffer.readUInt8(8);
  }
  set nsattr(value: number) {
    this.buffer.writeUInt8(value, 8);
  }

  get nvmsetid(): number {
    return this.buffer.readUInt16LE(10);
  }
  set nvmsetid(value: number) {
    this.buffer.writeUInt16LE(value, 10);
  }

  get endgid(): number {
    return this.buffer.readUInt16LE(12);
  }
  set endgid(value: number) {
    this.buffer.writeUInt16LE(value, 12);
  }

  get nstat(): number {
    return this.buffer.readUInt8(14);
  }
  set nstat(value: number) {
    this.buffer.writeUInt8(value, 14);
  }

  get kpios(): number {
    return this.buffer.readUInt8(15);
  }
  set kpios(value: number) {
    this.buffer.writeUInt8(value, 15);
  }

  get maxkt(): number {
    return this.buffer.readUInt16LE(16);
  }
  set maxkt(value: number) {
    this.buffer.writeUInt16LE(value, 16);
  }

  get rgrpid(): number {
    return this.buffer.readUInt32LE(20);
  }
  set rgrpid(value: number) {
    this.buffer.writeUInt32LE(value, 20);
  }
}

/** 4096 bytes. */
export class IdentifyNvmNamespace extends StructView {
  static readonly size = 4096;
  static readonly fields = {
    lbstm: { offset: 0, size: 8 },
    pic: { offset: 8, size: 1 },
    pifa: { offset: 9, size: 1 },
    elbaf: { offset: 12, size: 256 },
    npdgl: { offset: 268, size: 4 },
  } as const;

  static alloc(): IdentifyNvmNamespace {
    return new IdentifyNvmNamespace(Buffer.alloc(4096));
  }

  constructor(buffer: Buffer) {
    super(buffer, 4096);
  }

  get lbstm(): bigint {
    return this.buffer.readBigUInt64LE(0);
  }
  set lbstm(value: bigint) {
    this.buffer.writeBigUInt64LE(value, 0);
  }

  get pic(): number {
    return this.buffer.readUInt8(8);
  }
  set pic(value: number) {
    this.buffer.writeUInt8(value, 8);
  }

  get pifa(): number {
    return this.buffer.readUInt8(9);
  }
  set pifa(value: number) {
    this.buffer.writeUInt8(value, 9);
  }

  elbaf(index: number): number {
    const at = this.elementOffset(12, 4, 64, index);
    return this.buffer.readUInt32LE(at);
  }
  setElbaf(index: number, value: number): void {
    const at = this.elementOffset(12, 4, 64, index);
    this.buffer.writeUInt32LE(value, at);
  }

  get npdgl(): number {
    return this.buffer.readUInt32LE(268);
  }
  set npdgl(value: number) {
    this.buffer.writeUInt32LE(value, 268);
  }
}

/** 4096 bytes. */
export class IdentifyNvmController extends StructView {
  static readonly size = 4096;
  static readonly fields = {
    vsl: { offset: 0, size: 1 },
    wzsl: { offset: 1, size: 1 },
    wusl: { offset: 2, size: 1 },
    dmrl: { offset: 3, size: 1 },
    dmrsl: { offset: 4, size: 4 },
    dmsl: { offset: 8, size: 8 },
  } as const;

  static alloc(): IdentifyNvmController {
    return new IdentifyNvmController(Buffer.alloc(4096));
  }

  constructor(buffer: Buffer) {
    super(buffer, 4096);
  }

  get vsl(): number {
    return this.buffer.readUInt8(0);
  }
  set vsl(value: number) {
    this.buffer.writeUInt8(value, 0);
  }

  get wzsl(): number {
    return this.buffer.readUInt8(1);
  }
  set wzsl(value: number) {
    this.buffer.writeUInt8(value, 1);
  }

  get wusl(): number {
    return this.buffer.readUInt8(2);
  }
  set wusl(value: number) {
    this.buffer.writeUInt8(value, 2);
  }

  get dmrl(): number {
    return this.buffer.readUInt8(3);
  }
  set dmrl(value: number) {
    this.buffer.writeUInt8(value, 3);
  }

  get dmrsl(): number {
    return this.buffer.readUInt32LE(4);
  }
  set dmrsl(value: number) {
    this.buffer.writeUInt32LE(value, 4);
  }

  get dmsl(): bigint {
    return this.buffer.readBigUInt64LE(8);
  }
  set dmsl(value: bigint) {
    this.buffer.writeBigUInt64LE(value, 8);
  }
}

/** 4 bytes. */
export class NamespaceIdDescriptor extends StructView {
  static readonly size = 4;
  static readonly fields = {
    nidt: { offset: 0, size: 1 },
    nidl: { offset: 1, size: 1 },
  } as const;

  static alloc(): NamespaceIdDescriptor {
    return new NamespaceIdDescriptor(Buffer.alloc(4));
  }

  constructor(buffer: Buffer) {
    super(buffer, 4);
  }

  get nidt(): number {
    return this.buffer.readUInt8(0);
  }
  set nidt(value: number) {
    this.buffer.writeUInt8(value, 0);
  }

  get nidl(): number {
    return this.buffer.readUInt8(1);
  }
  set nidl(value: number) {
    this.buffer.writeUInt8(value, 1);
  }
}

/** 4096 bytes. */
export class NamespaceList extends StructView {
  static readonly size = 4096;
  static readonly fields = {
    nsid: { offset: 0, size: 4096 },
  } as const;

  static alloc(): NamespaceList {
    return new NamespaceList(Buffer.alloc(4096));
  }

  constructor(buffer: Buffer) {
    super(buffer, 4096);
  }

  nsid(index: number): number {
    const at = this.elementOffset(0, 4, 1024, index);
    return this.buffer.readUInt32LE(at);
  }
  setNsid(index: number, value: number): void {
    const at = this.elementOffset(0, 4, 1024, index);
    this.buffer.writeUInt32LE(value, at);
  }
}

/** 4096 bytes. */
export class ControllerList extends StructView {
  static readonly size = 4096;
  static readonly fields = {
    count: { offset: 0, size: 2 },
    cntlid: { offset: 2, size: 4094 },
  } as const;

  static alloc(): ControllerList {
    return new ControllerList(Buffer.alloc(4096));
  }

  constructor(buffer: Buffer) {
    super(buffer, 4096);
  }

  get count(): number {
    return this.buffer.readUInt16LE(0);
  }
  set count(value: number) {
    this.buffer.writeUInt16LE(value, 0);
  }

  cntlid(index: number): number {
    const at = this.elementOffset(2, 2, 2047, index);
    return this.buffer.readUInt16LE(at);
  }
  setCntlid(index: number, value: number): void {
    const at = this.elementOffset(2, 2, 2047, index);
    this.buffer.writeUInt16LE(value, at);
  }
}

/** 4096 bytes. */
export class IdentifyIoCommandSet extends StructView {
  static readonly size = 4096;
  static readonly fields = {
    vector: { offset: 0, size: 4096 },
  } as const;

  static alloc(): IdentifyIoCommandSet {
    return new IdentifyIoCommandSet(Buffer.alloc(4096));
  }

  constructor(buffer: Buffer) {
    super(buffer, 4096);
  }

  vector(index: number): bigint {
    const at = this.elementOffset(0, 8, 512, index);
    return this.buffer.readBigUInt64LE(at);
  }
  setVector(index: number, value: bigint): void {
    const at = this.elementOffset(0, 8, 512, index);
    this.buffer.writeBigUInt64LE(value, at);
  }
}

/** 1024 bytes. */
export class SupportedLogPages extends StructView {
  static readonly size = 1024;
  static readonly fields = {
    lid: { offset: 0, size: 1024 },
  } as const;

  static alloc(): SupportedLogPages {
    return new SupportedLogPages(Buffer.alloc(1024));
  }

  constructor(buffer: Buffer) {
    super(buffer, 1024);
  }

  lid(index: number): number {
    const at = this.elementOffset(0, 4, 256, index);
    return this.buffer.readUInt32LE(at);
  }
  setLid(index: number, value: number): void {
    const at = this.elementOffset(0, 4, 256, index);
    this.buffer.writeUInt32LE(value, at);
  }
}

/** 64 bytes. */
export class ErrorLogEntry extends StructView {
  static readonly size = 64;
  static readonly fields = {
    errorCount: { offset: 0, size: 8 },
    sqid: { offset: 8, size: 2 },
    cid: { offset: 10, size: 2 },
    status: { offset: 12, size: 2 },
    pel: { offset: 14, size: 2 },
    lba: { offset: 16, size: 8 },
    nsid: { offset: 24, size: 4 },
    vsia: { offset: 28, size: 1 },
    trtype: { offset: 29, size: 1 },
    csi: { offset: 30, size: 1 },
    opc: { offset: 31, size: 1 },
    csinfo: { offset: 32, size: 8 },
    ttsi: { offset: 40, size: 2 },
    lpver: { offset: 63, size: 1 },
  } as const;

  static alloc(): ErrorLogEntry {
    return new ErrorLogEntry(Buffer.alloc(64));
  }

  constructor(buffer: Buffer) {
    super(buffer, 64);
  }

  get errorCount(): bigint {
    return this.buffer.readBigUInt64LE(0);
  }
  set errorCount(value: bigint) {
    this.buffer.writeBigUInt64LE(value, 0);
  }

  get sqid(): number {
    return this.buffer.readUInt16LE(8);
  }
  set sqid(value: number) {
    this.buffer.writeUInt16LE(value, 8);
  }

  get cid(): number {
    return this.buffer.readUInt16LE(10);
  }
  set cid(value: number) {
    this.buffer.writeUInt16LE(value, 10);
  }

  get status(): number {
    return this.buffer.readUInt16LE(12);
  }
  set status(value: number) {
    this.buffer.writeUInt16LE(value, 12);
  }

  get pel(): number {
    return this.buffer.readUInt16LE(14);
  }
  set pel(value: number) {
    this.buffer.writeUInt16LE(value, 14);
  }

  get lba(): bigint {
    return this.buffer.readBigUInt64LE(16);
  }
  set lba(value: bigint) {
    this.buffer.writeBigUInt64LE(value, 16);
  }

  get nsid(): number {
    return this.buffer.readUInt32LE(24);
  }
  set nsid(value: number) {
    this.buffer.writeUInt32LE(value, 24);
  }

  get vsia(): number {
    return this.buffer.readUInt8(28);
  }
  set vsia(value: number) {
    this.buffer.writeUInt8(value, 28);
  }

  get trtype(): number {
    return this.buffer.readUInt8(29);
  }
  set trtype(value: number) {
    this.buffer.writeUInt8(value, 29);
  }

  get csi(): number {
    return this.buffer.readUInt8(30);
  }
  set csi(value: number) {
    this.buffer.writeUInt8(value, 30);
  }

  get opc(): number {
    return this.buffer.readUInt8(31);
  }
  set opc(value: number) {
    this.buffer.writeUInt8(value, 31);
  }

  get csinfo(): bigint {
    return this.buffer.readBigUInt64LE(32);
  }
  set csinfo(value: bigint) {
    this.buffer.writeBigUInt64LE(value, 32);
  }

  get ttsi(): number {
    return this.buffer.readUInt16LE(40);
  }
  set ttsi(value: number) {
    this.buffer.writeUInt16LE(value, 40);
  }

  get lpver(): number {
    return this.buffer.readUInt8(63);
  }
  set lpver(value: number) {
    this.buffer.writeUInt8(value, 63);
  }
}

/** 512 bytes. */
export class SmartLog extends StructView {
  static readonly size = 512;
  static readonly fields = {
    criticalWarning: { offset: 0, size: 1 },
    compositeTemperature: { offset: 1, size: 2 },
    availableSpare: { offset: 3, size: 1 },
    availableSpareThreshold: { offset: 4, size: 1 },
    percentageUsed: { offset: 5, size: 1 },
    enduranceGroupCriticalWarning: { offset: 6, size: 1 },
    dataUnitsRead: { offset: 32, size: 16 },
    dataUnitsWritten: { offset: 48, size: 16 },
    hostReadCommands: { offset: 64, size: 16 },
    hostWriteCommands: { offset: 80, size: 16 },
    controllerBusyTime: { offset: 96, size: 16 },
    powerCycles: { offset: 112, size: 16 },
    powerOnHours: { offset: 128, size: 16 },
    unsafeShutdowns: { offset: 144, size: 16 },
    mediaErrors: { offset: 160, size: 16 },
    errorLogEntries: { offset: 176, size: 16 },
    warningTemperatureTime: { offset: 192, size: 4 },
    criticalTemperatureTime: { offset: 196, size: 4 },
    temperatureSensor: { offset: 200, size: 16 },
    tmt1Transitions: { offset: 216, size: 4 },
    tmt2Transitions: { offset: 220, size: 4 },
    tmt1TotalTime: { offset: 224, size: 4 },
    tmt2TotalTime: { offset: 228, size: 4 },
  } as const;

  static alloc(): SmartLog {
    return new SmartLog(Buffer.alloc(512));
  }

  constructor(buffer: Buffer) {
    super(buffer, 512);
  }

  get criticalWarning(): number {
    return this.buffer.readUInt8(0);
  }
  set criticalWarning(value: number) {
    this.buffer.writeUInt8(value, 0);
  }

  get compositeTemperature(): number {
    return this.buffer.readUInt16LE(1);
  }
  set compositeTemperature(value: number) {
    this.buffer.writeUInt16LE(value, 1);
  }

  get availableSpare(): number {
    return this.buffer.readUInt8(3);
  }
  set availableSpare(value: number) {
    this.buffer.writeUInt8(value, 3);
  }

  get availableSpareThreshold(): number {
    return this.buffer.readUInt8(4);
  }
  set availableSpareThreshold(value: number) {
    this.buffer.writeUInt8(value, 4);
  }

  get percentageUsed(): number {
    return this.buffer.readUInt8(5);
  }
  set percentageUsed(value: number) {
    this.buffer.writeUInt8(value, 5);
  }

  get enduranceGroupCriticalWarning(): number {
    return this.buffer.readUInt8(6);
  }
  set enduranceGroupCriticalWarning(value: number) {
    this.buffer.writeUInt8(value, 6);
  }

  get dataUnitsRead(): bigint {
    return this.getUint128(32);
  }
  set dataUnitsRead(value: bigint) {
    this.setUint128(32, value);
  }

  get dataUnitsWritten(): bigint {
    return this.getUint128(48);
  }
  set dataUnitsWritten(value: bigint) {
    this.setUint128(48, value);
  }

  get hostReadCommands(): bigint {
    return this.getUint128(64);
  }
  set hostReadCommands(value: bigint) {
    this.setUint128(64, value);
  }

  get hostWriteCommands(): bigint {
    return this.getUint128(80);
  }
  set hostWriteCommands(value: bigint) {
    this.setUint128(80, value);
  }

  get controllerBusyTime(): bigint {
    return this.getUint128(96);
  }
  set controllerBusyTime(value: bigint) {
    this.setUint128(96, value);
  }

  get powerCycles(): bigint {
    return this.getUint128(112);
  }
  set powerCycles(value: bigint) {
    this.setUint128(112, value);
  }

  get powerOnHours(): bigint {
    return this.getUint128(128);
  }
  set powerOnHours(value: bigint) {
    this.setUint128(128, value);
  }

  get unsafeShutdowns(): bigint {
    return this.getUint128(144);
  }
  set unsafeShutdowns(value: bigint) {
    this.setUint128(144, value);
  }

  get mediaErrors(): bigint {
    return this.getUint128(160);
  }
  set mediaErrors(value: bigint) {
    this.setUint128(160, value);
  }

  get errorLogEntries(): bigint {
    return this.getUint128(176);
  }
  set errorLogEntries(value: bigint) {
    this.setUint128(176, value);
  }

  get warningTemperatureTime(): number {
    return this.buffer.readUInt32LE(192);
  }
  set warningTemperatureTime(value: number) {
    this.buffer.writeUInt32LE(value, 192);
  }

  get criticalTemperatureTime(): number {
    return this.buffer.readUInt32LE(196);
  }
  set criticalTemperatureTime(value: number) {
    this.buffer.writeUInt32LE(value, 196);
  }

  temperatureSensor(index: number): number {
    const at = this.elementOffset(200, 2, 8, index);
    return this.buffer.readUInt16LE(at);
  }
  setTemperatureSensor(index: number, value: number): void {
    const at = this.elementOffset(200, 2, 8, index);
    this.buffer.writeUInt16LE(value, at);
  }

  get tmt1Transitions(): number {
    return this.buffer.readUInt32LE(216);
  }
  set tmt1Transitions(value: number) {
    this.buffer.writeUInt32LE(value, 216);
  }

  get tmt2Transitions(): number {
    return this.buffer.readUInt32LE(220);
  }
  set tmt2Transitions(value: number) {
    this.buffer.writeUInt32LE(value, 220);
  }

  get tmt1TotalTime(): number {
    return this.buffer.readUInt32LE(224);
  }
  set tmt1TotalTime(value: number) {
    this.buffer.writeUInt32LE(value, 224);
  }

  get tmt2TotalTime(): number {
    return this.buffer.readUInt32LE(228);
  }
  set tmt2TotalTime(value: number) {
    this.buffer.writeUInt32LE(value, 228);
  }
}

/** 512 bytes. */
export class FirmwareSlotLog extends StructView {
  static readonly size = 512;
  static readonly fields = {
    afi: { offset: 0, size: 1 },
    frs: { offset: 8, size: 56 },
  } as const;

  static alloc(): FirmwareSlotLog {
    return new FirmwareSlotLog(Buffer.alloc(512));
  }

  constructor(buffer: Buffer) {
    super(buffer, 512);
  }

  get afi(): number {
    return this.buffer.readUInt8(0);
  }
  set afi(value: number) {
    this.buffer.writeUInt8(value, 0);
  }

  frs(index: number): string {
    const at = this.elementOffset(8, 8, 7, index);
    return this.getAscii(at, 8);
  }
  setFrs(index: number, value: string): void {
    const at = this.elementOffset(8, 8, 7, index);
    this.setAscii(at, 8, value);
  }
}

/** 4096 bytes. */
export class CommandsSupportedAndEffects extends StructView {
  static readonly size = 4096;
  static readonly fields = {
    acs: { offset: 0, size: 1024 },
    iocs: { offset: 1024, size: 1024 },
  } as const;

  static alloc(): CommandsSupportedAndEffects {
    return new CommandsSupportedAndEffects(Buffer.alloc(4096));
  }

  constructor(buffer: Buffer) {
    super(buffer, 4096);
  }

  acs(index: number): number {
    const at = this.elementOffset(0, 4, 256, index);
    return this.buffer.readUInt32LE(at);
  }
  setAcs(index: number, value: number): void {
    const at = this.elementOffset(0, 4, 256, index);
    this.buffer.writeUInt32LE(value, at);
  }

  iocs(index: number): number {
    const at = this.elementOffset(1024, 4, 256, index);
    return this.buffer.readUInt32LE(at);
  }
  setIocs(index: number, value: number): void {
    const at = this.elementOffset(1024, 4, 256, index);
    this.buffer.writeUInt32LE(value, at);
  }
}

/** 1024 bytes. */
export class FeaturesSupportedAndEffects extends StructView {
  static readonly size = 1024;
  static readonly fields = {
    fid: { offset: 0, size: 1024 },
  } as const;

  static alloc(): FeaturesSupportedAndEffects {
    return new FeaturesSupportedAndEffects(Buffer.alloc(1024));
  }

  constructor(buffer: Buffer) {
    super(buffer, 1024);
  }

  fid(index: number): number {
    const at = this.elementOffset(0, 4, 256, index);
    return this.buffer.readUInt32LE(at);
  }
  setFid(index: number, value: number): void {
    const at = this.elementOffset(0, 4, 256, index);
    this.buffer.writeUInt32LE(value, at);
  }
}

/** 16 bytes. */
export class AnaLogHeader extends StructView {
  static readonly size = 16;
  static readonly fields = {
    chgcnt: { offset: 0, size: 8 },
    nagd: { offset: 8, size: 2 },
  } as const;

  static alloc(): AnaLogHeader {
    return new AnaLogHeader(Buffer.alloc(16));
  }

  constructor(buffer: Buffer) {
    super(buffer, 16);
  }

  get chgcnt(): bigint {
    return this.buffer.readBigUInt64LE(0);
  }
  set chgcnt(value: bigint) {
    this.buffer.writeBigUInt64LE(value, 0);
  }

  get nagd(): number {
    return this.buffer.readUInt16LE(8);
  }
  set nagd(value: number) {
    this.buffer.writeUInt16LE(value, 8);
  }
}

/** 32 bytes. */
export class AnaGroupDescriptor extends StructView {
  static readonly size = 32;
  static readonly fields = {
    agid: { offset: 0, size: 4 },
    nnv: { offset: 4, size: 4 },
    chgc: { offset: 8, size: 8 },
    anas: { offset: 16, size: 1 },
  } as const;

  static alloc(): AnaGroupDescriptor {
    return new AnaGroupDescriptor(Buffer.alloc(32));
  }

  constructor(buffer: Buffer) {
    super(buffer, 32);
  }

  get agid(): number {
    return this.buffer.readUInt32LE(0);
  }
  set agid(value: number) {
    this.buffer.writeUInt32LE(value, 0);
  }

  get nnv(): number {
    return this.buffer.readUInt32LE(4);
  }
  set nnv(value: number) {
    this.buffer.writeUInt32LE(value, 4);
  }

  get chgc(): bigint {
    return this.buffer.readBigUInt64LE(8);
  }
  set chgc(value: bigint) {
    this.buffer.writeBigUInt64LE(value, 8);
  }

  get anas(): number {
    return this.buffer.readUInt8(16);
  }
  set anas(value: number) {
    this.buffer.writeUInt8(value, 16);
  }
}

/** 1024 bytes. */
export class DiscoveryLogHeader extends StructView {
  static readonly size = 1024;
  static readonly fields = {
    genctr: { offset: 0, size: 8 },
    numrec: { offset: 8, size: 8 },
    recfmt: { offset: 16, size: 2 },
  } as const;

  static alloc(): DiscoveryLogHeader {
    return new DiscoveryLogHeader(Buffer.alloc(1024));
  }

  constructor(buffer: Buffer) {
    super(buffer, 1024);
  }

  get genctr(): bigint {
    return this.buffer.readBigUInt64LE(0);
  }
  set genctr(value: bigint) {
    this.buffer.writeBigUInt64LE(value, 0);
  }

  get numrec(): bigint {
    return this.buffer.readBigUInt64LE(8);
  }
  set numrec(value: bigint) {
    this.buffer.writeBigUInt64LE(value, 8);
  }

  get recfmt(): number {
    return this.buffer.readUInt16LE(16);
  }
  set recfmt(value: number) {
    this.buffer.writeUInt16LE(value, 16);
  }
}

/** 1024 bytes. */
export class DiscoveryLogEntry extends StructView {
  static readonly size = 1024;
  static readonly fields = {
    trtype: { offset: 0, size: 1 },
    adrfam: { offset: 1, size: 1 },
    subtype: { offset: 2, size: 1 },
    treq: { offset: 3, size: 1 },
    portid: { offset: 4, size: 2 },
    cntlid: { offset: 6, size: 2 },
    asqsz: { offset: 8, size: 2 },
    eflags: { offset: 10, size: 2 },
    trsvcid: { offset: 32, size: 32 },
    subnqn: { offset: 256, size: 256 },
    traddr: { offset: 512, size: 256 },
    tsas: { offset: 768, size: 256 },
  } as const;

  static alloc(): DiscoveryLogEntry {
    return new DiscoveryLogEntry(Buffer.alloc(1024));
  }

  constructor(buffer: Buffer) {
    super(buffer, 1024);
  }

  get trtype(): number {
    return this.buffer.readUInt8(0);
  }
  set trtype(value: number) {
    this.buffer.writeUInt8(value, 0);
  }

  get adrfam(): number {
    return this.buffer.readUInt8(1);
  }
  set adrfam(value: number) {
    this.buffer.writeUInt8(value, 1);
  }

  get subtype(): number {
    return this.buffer.readUInt8(2);
  }
  set subtype(value: number) {
    this.buffer.writeUInt8(value, 2);
  }

  get treq(): number {
    return this.buffer.readUInt8(3);
  }
  set treq(value: number) {
    this.buffer.writeUInt8(value, 3);
  }

  get portid(): number {
    return this.buffer.readUInt16LE(4);
  }
  set portid(value: number) {
    this.buffer.writeUInt16LE(value, 4);
  }

  get cntlid(): number {
    return this.buffer.readUInt16LE(6);
  }
  set cntlid(value: number) {
    this.buffer.writeUInt16LE(value, 6);
  }

  get asqsz(): number {
    return this.buffer.readUInt16LE(8);
  }
  set asqsz(value: number) {
    this.buffer.writeUInt16LE(value, 8);
  }

  get eflags(): number {
    return this.buffer.readUInt16LE(10);
  }
  set eflags(value: number) {
    this.buffer.writeUInt16LE(value, 10);
  }

  get trsvcid(): string {
    return this.getAscii(32, 32);
  }
  set trsvcid(value: string) {
    this.setAscii(32, 32, value);
  }

  get subnqn(): string {
    return this.getText(256, 256);
  }
  set subnqn(value: string) {
    this.setText(256, 256, value);
  }

  get traddr(): string {
    return this.getAscii(512, 256);
  }
  set traddr(value: string) {
    this.setAscii(512, 256, value);
  }

  get tsas(): Buffer {
    return this.getBytes(768, 256);
  }
  set tsas(value: Uint8Array) {
    this.setBytes(768, 256, value);
  }
}

/** Every structure by name. */
export const structs = {
  SglDescriptor,
  SubmissionQueueEntry,
  CompletionQueueEntry,
  PduCommonHeader,
  IcReq,
  IcResp,
  TermReq,
  CapsuleCmdHeader,
  CapsuleRespHeader,
  H2cData,
  C2hData,
  R2t,
  DsmRange,
  CopySourceRange,
  Timestamp,
  HostBehaviorSupport,
  FabricsCommand,
  ConnectCommand,
  ConnectData,
  PropertyGetCommand,
  PropertySetCommand,
  AuthenticationCommand,
  DisconnectCommand,
  PowerStateDescriptor,
  IdentifyController,
  LbaFormat,
  IdentifyNamespace,
  IdentifyIndependentNamespace,
  IdentifyNvmNamespace,
  IdentifyNvmController,
  NamespaceIdDescriptor,
  NamespaceList,
  ControllerList,
  IdentifyIoCommandSet,
  SupportedLogPages,
  ErrorLogEntry,
  SmartLog,
  FirmwareSlotLog,
  CommandsSupportedAndEffects,
  FeaturesSupportedAndEffects,
  AnaLogHeader,
  AnaGroupDescriptor,
  DiscoveryLogHeader,
  DiscoveryLogEntry,
} as const;
