/**
 * The log pages (NVMe Base 2.1, 5.1.12.1), each made whole; `log-page.ts` cuts out what is asked
 * for.
 */

import { packBits } from '../wire/bits.js';
import {
  AdminOpcode,
  AfiBits,
  CommandEffectsBits,
  CommandsSupportedAndEffects,
  DiscoveryLspBits,
  ErrorLogEntry,
  FeatureEffectsBits,
  FeaturesSupportedAndEffects,
  FirmwareSlotLog,
  IoOpcode,
  LidSupportedBits,
  LogPage,
  NamespaceList,
  SmartLog,
  SupportedLogPages,
  nsidBroadcast,
} from '../wire/layout.gen.js';
import type { BdevHealth, DriveHealth } from '../engine/engine-types.js';
import type { AdminCommand } from './admin-command.js';
import { criticalWarning } from './bdev-condition.js';
import { invalidNamespace } from './command-error.js';
import { changedNamespacesMax } from './controller.js';
import { discoveryLogPage } from './discovery.js';
import { featuresOf } from './features.js';
import { namespaceUsage, subsystemUsage } from './health.js';
import type { Usage } from './health.js';
import { firmwareRevision } from './identify-controller.js';
import type { LogPageRequest } from './log-page.js';

/** A page that many read, kept by the engine. */
export interface SharedLogPage {
  readonly page: number;
  readonly length: number;
}

interface LogPageKind {
  readonly controllers: readonly ('io' | 'discovery')[];
  /** The page's field in Supported Log Pages that it gives a meaning to. */
  readonly parameter?: number;
  /** Small pages are made for each reading; a large one is with the engine. */
  read(command: AdminCommand, request: LogPageRequest): Buffer | SharedLogPage;
  /** Forgets what the host has now read. */
  clear?(command: AdminCommand): void;
}

/**
 * LIDs that the layout has no name for: NVMe-MI Commands Supported and Effects, which LPA.MLPS
 * demands.
 */
const nvmeMiEffects = 0x13;

/** Scopes of effects (CSP and FSP): one bit each. */
const namespaceScope = 1 << 0;
const controllerScope = 1 << 1;

/** Data units of the SMART log: a thousand blocks of 512 bytes. */
const dataUnitBytes = 512_000n;

const nsPerMinute = 60_000_000_000n;

const everywhere = ['io', 'discovery'] as const;
const ioOnly = ['io'] as const;

export const logPages: Readonly<Record<number, LogPageKind>> = {
  [LogPage.supportedLogPages]: { controllers: everywhere, read: supportedLogPages },
  [LogPage.errorInformation]: { controllers: everywhere, read: errorInformation },
  [LogPage.smartHealthInformation]: { controllers: ioOnly, read: smart },
  [LogPage.firmwareSlotInformation]: { controllers: ioOnly, read: firmwareSlots },
  [LogPage.changedNamespaceList]: {
    controllers: ioOnly,
    read: changedNamespaces,
    clear: ({ controller }) => {
      controller.changedNamespaces.clear();
    },
  },
  [LogPage.commandsSupportedAndEffects]: { controllers: ioOnly, read: commandEffects },
  [LogPage.featureIdentifiersSupportedAndEffects]: { controllers: ioOnly, read: featureEffects },
  // Nothing of NVMe-MI is supported: all zeros.
  [nvmeMiEffects]: { controllers: ioOnly, read: () => Buffer.alloc(4096) },
  [LogPage.discovery]: {
    controllers: ['discovery'],
    // What may be asked for has its support bit at the same place in LIDSP.
    parameter: packBits([DiscoveryLspBits.pleo, 1]),
    read: ({ state, controller, connection }, { offset, lsp }) =>
      discoveryLogPage(state, controller, connection, Number(offset), lsp),
  },
};

function supportedLogPages({ controller }: AdminCommand): Buffer {
  const log = SupportedLogPages.alloc();
  for (const [lid, { controllers, parameter = 0 }] of Object.entries(logPages)) {
    if (!controllers.includes(controller.subsystem.kind)) continue;
    const supported = packBits([LidSupportedBits.lsupp, 1], [LidSupportedBits.lidsp, parameter]);
    log.setLid(Number(lid), supported);
  }
  return log.buffer;
}

function errorInformation({ controller }: AdminCommand): Buffer {
  const { errorLog } = controller;
  const page = Buffer.alloc(errorLog.capacity * ErrorLogEntry.size);
  errorLog.entries.forEach((error, index) => {
    const entry = new ErrorLogEntry(page.subarray(index * ErrorLogEntry.size));
    entry.errorCount = error.errorCount;
    entry.sqid = error.sqid;
    entry.cid = error.cid;
    // The phase tag is bit 0 of this field.
    entry.status = error.status * 2;
    // FFFFh: no parameter of the command is at fault.
    entry.pel = error.parameterByte ?? 0xffff;
    entry.lba = error.lba;
    entry.nsid = error.nsid;
    entry.opc = error.opcode;
  });
  return page;
}

function smart(command: AdminCommand): Buffer {
  const { state, controller } = command;
  const usage = usageOf(command);
  const drives = drivesOf(command);
  const log = SmartLog.alloc();
  log.criticalWarning = criticalWarning(healthsOf(command), drives);
  showDrives(log, drives);
  log.dataUnitsRead = dataUnits(usage.readBytes);
  log.dataUnitsWritten = dataUnits(usage.writeBytes);
  log.hostReadCommands = usage.readOperations;
  log.hostWriteCommands = usage.writeOperations;
  const uptimeMs = Math.max(0, state.clock.nowMs() - state.startedAtMs);
  const uptimeNs = BigInt(Math.floor(uptimeMs)) * 1_000_000n;
  // Operations overlap, so that their sum may exceed the time there was.
  const busyNs = usage.operationNs < uptimeNs ? usage.operationNs : uptimeNs;
  log.controllerBusyTime = busyNs / nsPerMinute;
  log.powerCycles = 1n;
  log.powerOnHours = BigInt(Math.floor(uptimeMs / 3_600_000));
  log.errorLogEntries = controller.errorLog.errorCount;
  return log.buffer;
}

function usageOf({ state, controller, sqe }: AdminCommand): Usage {
  const { subsystem } = controller;
  const { nsid } = sqe;
  if (subsystem.kind === 'discovery') throw invalidNamespace(nsid);
  if (nsid === 0 || nsid === nsidBroadcast) return subsystemUsage(state.engine, subsystem);
  if (!subsystem.namespaces.has(nsid)) throw invalidNamespace(nsid);
  return namespaceUsage(state.engine, subsystem.table, nsid);
}

/** By the engine's names: the bdevs of the namespace that is asked for, or all. */
function bdevsOf({ controller, sqe }: AdminCommand): string[] {
  const { subsystem } = controller;
  if (subsystem.kind === 'discovery') return [];
  const { nsid } = sqe;
  const all = nsid === 0 || nsid === nsidBroadcast;
  return [...subsystem.namespaces.values()]
    .filter((namespace) => all || namespace.nsid === nsid)
    .map(({ bdev }) => bdev.name);
}

function healthsOf(command: AdminCommand): BdevHealth[] {
  return bdevsOf(command).map((bdev) => command.state.healthOf(bdev));
}

function drivesOf(command: AdminCommand): DriveHealth[] {
  return bdevsOf(command).flatMap((bdev) => command.state.drivesOf(bdev));
}

/** The worst of each. */
function showDrives(log: SmartLog, drives: readonly DriveHealth[]): void {
  const of = (read: (drive: DriveHealth) => number): number[] => drives.map(read);
  log.availableSpare = Math.min(100, ...of((drive) => drive.availableSpare));
  log.availableSpareThreshold = Math.max(0, ...of((drive) => drive.availableSpareThreshold));
  log.percentageUsed = Math.max(0, ...of((drive) => drive.percentageUsed));
  log.compositeTemperature = Math.max(0, ...of((drive) => drive.temperatureKelvin));
  log.mediaErrors = BigInt(Math.max(0, ...of((drive) => drive.mediaErrors)));
}

/** Rounded up, as the specification asks. */
function dataUnits(bytes: bigint): bigint {
  return (bytes + dataUnitBytes - 1n) / dataUnitBytes;
}

function firmwareSlots({ state }: AdminCommand): Buffer {
  const log = FirmwareSlotLog.alloc();
  log.afi = packBits([AfiBits.cafs, 1]);
  log.setFrs(0, firmwareRevision(state.version));
  return log.buffer;
}

function changedNamespaces({ controller }: AdminCommand): Buffer {
  const list = NamespaceList.alloc();
  const nsids = [...controller.changedNamespaces].sort((a, b) => a - b);
  if (nsids.length > changedNamespacesMax) list.setNsid(0, nsidBroadcast);
  else
    nsids.forEach((nsid, index) => {
      list.setNsid(index, nsid);
    });
  return list.buffer;
}

function commandEffects(): Buffer {
  const log = CommandsSupportedAndEffects.alloc();
  const supported = packBits([CommandEffectsBits.csupp, 1]);
  // No Command Scope (CSP): Linux takes any bit that it does not know for an unusual effect.
  const changesBlocks = packBits([CommandEffectsBits.csupp, 1], [CommandEffectsBits.lbcc, 1]);
  for (const opcode of [
    AdminOpcode.getLogPage,
    AdminOpcode.identify,
    AdminOpcode.abort,
    AdminOpcode.setFeatures,
    AdminOpcode.getFeatures,
    AdminOpcode.asynchronousEventRequest,
    AdminOpcode.keepAlive,
  ]) {
    log.setAcs(opcode, supported);
  }
  for (const opcode of [IoOpcode.flush, IoOpcode.read, IoOpcode.compare]) {
    log.setIocs(opcode, supported);
  }
  for (const opcode of [IoOpcode.write, IoOpcode.writeZeroes, IoOpcode.datasetManagement]) {
    log.setIocs(opcode, changesBlocks);
  }
  return log.buffer;
}

function featureEffects({ controller }: AdminCommand): Buffer {
  const log = FeaturesSupportedAndEffects.alloc();
  for (const { fid, namespaceSpecific } of featuresOf(controller.subsystem.kind)) {
    const scope = namespaceSpecific ? namespaceScope : controllerScope;
    log.setFid(fid, packBits([FeatureEffectsBits.fsupp, 1], [FeatureEffectsBits.fsp, scope]));
  }
  return log.buffer;
}
