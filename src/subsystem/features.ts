/**
 * Get Features and Set Features (NVMe Base 2.1, 5.1.11 and 5.1.25). A row of the table is a
 * feature; nothing can be saved, for a controller lives as long as its association.
 */

import type { CommandAnswer } from '../engine/engine-types.js';
import { getBits, hasBit, packBits } from '../wire/bits.js';
import {
  CommandSpecificStatus,
  ErrorRecoveryFeatureBits,
  Feature,
  FeatureCapabilitiesBits,
  FeatureSelect,
  GenericStatus,
  GetFeaturesCdw10Bits,
  HostBehaviorSupport,
  HostIdentifierFeatureBits,
  NumberOfQueuesFeatureBits,
  PowerManagementFeatureBits,
  SetFeaturesCdw10Bits,
  SubmissionQueueEntry,
  TemperatureThresholdFeatureBits,
  VolatileWriteCacheFeatureBits,
  nsidBroadcast,
} from '../wire/layout.gen.js';
import type { AdminCommand } from './admin-command.js';
import { dataAnswer } from './admin-command.js';
import { noticesSupported } from './aen.js';
import {
  commandSequenceError,
  commandSpecificError,
  genericError,
  invalidField,
  invalidNamespace,
} from './command-error.js';
import type { Controller } from './controller.js';
import { warningTemperatureKelvin } from './health.js';

const { cdw10, cdw11 } = SubmissionQueueEntry.fields;

/** KAS: hosts' keep-alive times are rounded up to a multiple of this. */
export const keepAliveGranularityMs = 100;

export function roundedKeepAliveMs(timeoutMs: number): number {
  const rounded = Math.ceil(timeoutMs / keepAliveGranularityMs) * keepAliveGranularityMs;
  return Math.min(rounded, 0xffffffff);
}

/**
 * A discovery controller without a keep-alive time is kept so long behind its last command; others
 * without one are kept for ever.
 */
export const discoveryIdleMs = 120_000;

/** The time that the engine is to watch over; 0: none. */
export function watchedKeepAliveMs({ keepAliveTimeoutMs, subsystem }: Controller): number {
  if (keepAliveTimeoutMs > 0) return keepAliveTimeoutMs;
  return subsystem.kind === 'discovery' ? discoveryIdleMs : 0;
}

/** What a host changed. Empty means that all are at their defaults. */
export class FeatureValues {
  readonly #values = new Map<string, number>();

  get(instance: string): number | undefined {
    return this.#values.get(instance);
  }

  set(instance: string, value: number): void {
    this.#values.set(instance, value);
  }

  /** Every instance of a feature. */
  forget(prefix: string): void {
    for (const instance of this.#values.keys()) {
      if (instance.startsWith(prefix)) this.#values.delete(instance);
    }
  }

  clear(): void {
    this.#values.clear();
  }
}

interface FeatureKind {
  readonly controllers: readonly ('io' | 'discovery')[];
  readonly changeable: boolean;
  readonly namespaceSpecific?: boolean;
  /** Dword 0 of Get Features at the default. */
  defaultValue(command: AdminCommand): number;
  /** Current value, where it is not what was stored. */
  currentValue?(command: AdminCommand): number;
  /** Data of Get Features, for features that have some. */
  data?(command: AdminCommand): Buffer;
  /** Data of Get Features at the default, where that is not what is current. */
  defaultData?(): Buffer;
  /** Throws if the value cannot be stored. */
  validate?(command: AdminCommand, value: number): void;
  /** Sets the value in place of storing it; answers dword 0. */
  apply?(command: AdminCommand, value: number): number;
  /** Tells apart values of one feature that dword 11 or the NSID selects. */
  selector?(command: AdminCommand): string;
}

const everywhere = ['io', 'discovery'] as const;
const ioOnly = ['io'] as const;
const zero = (): number => 0;

function notChangeable(): never {
  const { featureNotChangeable } = CommandSpecificStatus;
  throw commandSpecificError(featureNotChangeable, 'the feature cannot be changed');
}

/**
 * Dword 11 of Temperature Threshold selects a sensor and a threshold; there is only the composite
 * temperature.
 */
function temperatureSelector({ sqe }: AdminCommand): string {
  const sensor = getBits(sqe.cdw11, TemperatureThresholdFeatureBits.tmpsel);
  const threshold = getBits(sqe.cdw11, TemperatureThresholdFeatureBits.thsel);
  if (sensor !== 0 || threshold > 1) {
    throw invalidField('there is no such temperature threshold', cdw11.offset);
  }
  return threshold === 0 ? 'over' : 'under';
}

function errorRecoverySelector({ sqe, controller }: AdminCommand): string {
  const { nsid } = sqe;
  const { subsystem } = controller;
  const active = subsystem.kind === 'io' && subsystem.namespaces.has(nsid);
  if (!active && nsid !== nsidBroadcast) throw invalidNamespace(nsid);
  return String(nsid);
}

function queueCounts(granted: number): number {
  return packBits(
    [NumberOfQueuesFeatureBits.nsq, granted - 1],
    [NumberOfQueuesFeatureBits.ncq, granted - 1],
  );
}

/**
 * Grants what is asked up to the limit. Queues come in pairs over fabrics, so the smaller request
 * counts.
 */
function grantQueues({ state, controller }: AdminCommand, value: number): number {
  const sqs = getBits(value, NumberOfQueuesFeatureBits.nsq);
  const cqs = getBits(value, NumberOfQueuesFeatureBits.ncq);
  if (sqs === 0xffff || cqs === 0xffff) {
    throw invalidField('expected a number of queues below 65536', cdw11.offset);
  }
  if ([...controller.queues.keys()].some((qid) => qid > 0)) {
    throw commandSequenceError('I/O queues are connected already');
  }
  // No more than it can then connect.
  const room = state.shares.queuesMax(controller);
  const asked = Math.min(sqs + 1, cqs + 1, state.limits.ioQueuesMax);
  if (room < asked) state.peerLimits.counted('queues', 'io');
  controller.ioQueuesGranted = Math.min(asked, room);
  controller.ioQueuesAsked = true;
  state.shares.granted(controller, controller.ioQueuesGranted);
  return queueCounts(controller.ioQueuesGranted);
}

function configureEvents({ controller }: AdminCommand, value: number): number {
  // All health warnings may be asked for, though some are never raised.
  const known = noticesSupported(controller.subsystem.kind);
  const unknown = (value & ~(known | 0xff)) >>> 0;
  if (unknown !== 0) {
    throw invalidField(`no such asynchronous event: ${unknown.toString(16)}h`, cdw11.offset);
  }
  controller.events.enabled = value;
  return 0;
}

function configureKeepAlive({ state, controller }: AdminCommand, value: number): number {
  const timeoutMs = roundedKeepAliveMs(value);
  controller.keepAliveTimeoutMs = timeoutMs;
  state.engine.controllerKeepAlive(controller.handle, watchedKeepAliveMs(controller));
  return 0;
}

function hostBehavior({ retriesLater }: Pick<Controller, 'retriesLater'>): Buffer {
  const support = HostBehaviorSupport.alloc();
  support.acre = retriesLater ? 1 : 0;
  return support.buffer;
}

/** Of what a host may say of itself, only ACRE has a meaning here. */
function configureHostBehavior({ state, controller, data }: AdminCommand): number {
  if (data === null || data.length < HostBehaviorSupport.size) {
    throw genericError(
      GenericStatus.dataSglLengthInvalid,
      `expected ${HostBehaviorSupport.size} bytes of data, got ${data?.length ?? 0}`,
      { parameterByte: SubmissionQueueEntry.fields.dptr.offset },
    );
  }
  const { acre } = new HostBehaviorSupport(data.subarray(0, HostBehaviorSupport.size));
  if (acre > 1) throw invalidField(`expected ACRE 0 or 1, got ${acre}`, cdw11.offset);
  controller.retriesLater = acre === 1;
  void state.access.retriesChanged(controller);
  return 0;
}

function hostIdentifier({ sqe, controller }: AdminCommand): Buffer {
  if (!hasBit(sqe.cdw11, HostIdentifierFeatureBits.exhid)) {
    throw genericError(
      GenericStatus.hostIdentifierInconsistentFormat,
      'host identifiers have 128 bits over fabrics',
      { parameterByte: cdw11.offset },
    );
  }
  return controller.hostId;
}

function expectAtMost(value: number, valueMax: number, what: string): void {
  if (value > valueMax) {
    throw invalidField(`expected ${what} up to ${valueMax}, got ${value}`, cdw11.offset);
  }
}

const features: Readonly<Record<number, FeatureKind>> = {
  [Feature.arbitration]: { controllers: ioOnly, changeable: true, defaultValue: zero },
  [Feature.powerManagement]: {
    controllers: ioOnly,
    changeable: true,
    defaultValue: zero,
    validate: (_command, value) => {
      expectAtMost(getBits(value, PowerManagementFeatureBits.ps), 0, 'a power state');
    },
  },
  [Feature.temperatureThreshold]: {
    controllers: ioOnly,
    changeable: true,
    selector: temperatureSelector,
    defaultValue: (command) =>
      temperatureSelector(command) === 'over' ? warningTemperatureKelvin : 0,
  },
  [Feature.errorRecovery]: {
    controllers: ioOnly,
    changeable: true,
    namespaceSpecific: true,
    selector: errorRecoverySelector,
    defaultValue: zero,
    validate: (_command, value) => {
      expectAtMost(getBits(value, ErrorRecoveryFeatureBits.dulbe), 0, 'DULBE');
    },
  },
  [Feature.volatileWriteCache]: {
    controllers: ioOnly,
    changeable: false,
    defaultValue: () => packBits([VolatileWriteCacheFeatureBits.wce, 1]),
    apply: (_command, value) =>
      // Leaving it on is no change; it cannot be turned off, hosts flush instead.
      hasBit(value, VolatileWriteCacheFeatureBits.wce) ? 0 : notChangeable(),
  },
  [Feature.numberOfQueues]: {
    controllers: ioOnly,
    changeable: true,
    defaultValue: ({ state }) => queueCounts(state.limits.ioQueuesMax),
    currentValue: ({ controller }) => queueCounts(controller.ioQueuesGranted),
    apply: grantQueues,
  },
  [Feature.writeAtomicityNormal]: { controllers: ioOnly, changeable: true, defaultValue: zero },
  [Feature.asynchronousEventConfiguration]: {
    controllers: everywhere,
    changeable: true,
    defaultValue: ({ controller }) => noticesSupported(controller.subsystem.kind),
    currentValue: ({ controller }) => controller.events.enabled,
    apply: configureEvents,
  },
  [Feature.keepAliveTimer]: {
    controllers: everywhere,
    changeable: true,
    defaultValue: zero,
    currentValue: ({ controller }) => controller.keepAliveTimeoutMs,
    apply: configureKeepAlive,
  },
  [Feature.ioCommandSetProfile]: {
    controllers: ioOnly,
    changeable: true,
    defaultValue: zero,
    apply: (_command, value) => {
      if (value === 0) return 0;
      const { ioCommandSetCombinationRejected } = CommandSpecificStatus;
      throw commandSpecificError(ioCommandSetCombinationRejected, 'there is only combination 0');
    },
  },
  [Feature.hostBehaviorSupport]: {
    controllers: ioOnly,
    changeable: true,
    defaultValue: zero,
    data: ({ controller }) => hostBehavior(controller),
    defaultData: () => hostBehavior({ retriesLater: false }),
    apply: configureHostBehavior,
  },
  [Feature.hostIdentifier]: {
    controllers: everywhere,
    changeable: false,
    defaultValue: zero,
    data: hostIdentifier,
    apply: () => {
      throw commandSequenceError('Connect sets the host identifier');
    },
  },
};

/** The features of a kind of controller, for the log page that lists them. */
export function featuresOf(
  kind: 'io' | 'discovery',
): { fid: number; namespaceSpecific: boolean }[] {
  return Object.entries(features)
    .filter(([, feature]) => feature.controllers.includes(kind))
    .map(([fid, { namespaceSpecific = false }]) => ({ fid: Number(fid), namespaceSpecific }));
}

function featureOf(fid: number, controller: Controller): FeatureKind {
  const feature = features[fid];
  if (!feature?.controllers.includes(controller.subsystem.kind)) {
    throw invalidField(`there is no feature ${fid.toString(16)}h`, cdw10.offset);
  }
  return feature;
}

function instanceOf(fid: number, feature: FeatureKind, command: AdminCommand): string {
  return `${fid} ${feature.selector?.(command) ?? ''}`;
}

export function getFeatures(command: AdminCommand): CommandAnswer {
  const fid = getBits(command.sqe.cdw10, GetFeaturesCdw10Bits.fid);
  const select = getBits(command.sqe.cdw10, GetFeaturesCdw10Bits.sel);
  const feature = featureOf(fid, command.controller);
  switch (select) {
    case FeatureSelect.supportedCapabilities:
      return { status: 0, dw0: capabilitiesOf(feature) };
    case FeatureSelect.current:
      if (feature.data !== undefined) return dataAnswer(command, feature.data(command));
      return { status: 0, dw0: current(fid, feature, command) };
    case FeatureSelect.default:
    case FeatureSelect.saved: // Nothing is saveable: the default is what would come back.
      feature.selector?.(command);
      if (feature.defaultData !== undefined) return dataAnswer(command, feature.defaultData());
      if (feature.data !== undefined) return dataAnswer(command, feature.data(command));
      return { status: 0, dw0: feature.defaultValue(command) };
    default:
      throw invalidField(`there is no SEL ${select}`, cdw10.offset);
  }
}

function capabilitiesOf(feature: FeatureKind): number {
  return packBits(
    [FeatureCapabilitiesBits.namespaceSpecific, feature.namespaceSpecific === true ? 1 : 0],
    [FeatureCapabilitiesBits.changeable, feature.changeable ? 1 : 0],
  );
}

function current(fid: number, feature: FeatureKind, command: AdminCommand): number {
  if (feature.currentValue !== undefined) return feature.currentValue(command);
  const values = command.controller.features;
  const stored = values.get(instanceOf(fid, feature, command));
  // What was set for all namespaces holds for each that has nothing of its own.
  return stored ?? values.get(`${fid} ${nsidBroadcast}`) ?? feature.defaultValue(command);
}

export function setFeatures(command: AdminCommand): CommandAnswer {
  const { sqe, controller } = command;
  const fid = getBits(sqe.cdw10, SetFeaturesCdw10Bits.fid);
  const feature = featureOf(fid, controller);
  if (hasBit(sqe.cdw10, SetFeaturesCdw10Bits.sv)) {
    const { featureIdentifierNotSaveable } = CommandSpecificStatus;
    throw commandSpecificError(featureIdentifierNotSaveable, 'features cannot be saved');
  }
  if (feature.namespaceSpecific !== true && sqe.nsid !== 0 && sqe.nsid !== nsidBroadcast) {
    const { featureNotNamespaceSpecific } = CommandSpecificStatus;
    throw commandSpecificError(featureNotNamespaceSpecific, 'the feature is the controller’s');
  }
  if (feature.apply !== undefined) return { status: 0, dw0: feature.apply(command, sqe.cdw11) };
  feature.validate?.(command, sqe.cdw11);
  if (feature.namespaceSpecific === true && sqe.nsid === nsidBroadcast) {
    controller.features.forget(`${fid} `);
  }
  controller.features.set(instanceOf(fid, feature, command), sqe.cdw11);
  return { status: 0, dw0: 0 };
}
