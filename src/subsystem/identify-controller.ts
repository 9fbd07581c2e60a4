/**
 * The Identify Controller data structure (NVMe Base 2.1, 5.1.13.2.1) of either kind of controller.
 */

import { packBits } from '../wire/bits.js';
import {
  CmicBits,
  ControllerType,
  CtrattBits,
  FrmwBits,
  IdentifyController,
  LpaBits,
  OfcsBits,
  OncsBits,
  QueueEntrySizeBits,
  SglsBits,
  SubmissionQueueEntry,
  CompletionQueueEntry,
  VwcBits,
  version20,
} from '../wire/layout.gen.js';
import { abortsMax } from './abort.js';
import { noticesSupported } from './aen.js';
import type { Controller } from './controller.js';
import { errorLogEntriesMax } from './controller.js';
import type { DiscoverySubsystem } from './discovery-subsystem.js';
import { keepAliveGranularityMs } from './features.js';
import { criticalTemperatureKelvin, warningTemperatureKelvin } from './health.js';
import { untilIdentified, whileDeviceHangs } from './retry-delays.js';
import type { Subsystem } from './subsystem.js';
import type { TargetState } from './target-state.js';

/** AERL + 1: Asynchronous Event Requests that may be outstanding. */
export const asynchronousEventsMax = 4;

/** MDTS counts in memory pages of 2^12 bytes. */
const memoryPageLog2 = 12;

/** VWC.FB: Flush with NSID FFFFFFFFh flushes all namespaces. */
const flushesAll = 3;

/** IOCCSZ and IORCSZ count in units of 16 bytes. */
const capsuleUnit = 16;

export function firmwareRevision(version: string): string {
  return version.slice(0, 8);
}

export function identifyController(state: TargetState, controller: Controller): Buffer {
  const { subsystem } = controller;
  const id = IdentifyController.alloc();
  id.sn = subsystem.serial;
  id.mn = subsystem.kind === 'io' ? subsystem.parameters.model : 'capsuled';
  id.fr = firmwareRevision(state.version);
  id.mdts = Math.log2(state.engine.facts.transferBytesMax) - memoryPageLog2;
  id.cntlid = controller.cntlid;
  id.ver = version20;
  id.oaes = noticesSupported(subsystem.kind);
  id.ctratt = packBits([CtrattBits.hids, 1]);
  id.cntrltype = subsystem.kind === 'io' ? ControllerType.io : ControllerType.discovery;
  id.acl = abortsMax - 1;
  id.aerl = asynchronousEventsMax - 1;
  id.elpe = errorLogEntriesMax - 1;
  id.kas = keepAliveGranularityMs / 100;
  id.maxcmd = state.engine.facts.queueEntriesMax;
  id.sgls = packBits([SglsBits.supported, 1], [SglsBits.offset, 1], [SglsBits.tsdb, 1]);
  id.subnqn = subsystem.nqn;
  if (subsystem.kind === 'io') describeIo(state, id, subsystem);
  else describeDiscovery(id, subsystem);
  return id.buffer;
}

/** Fields that discovery controllers reserve. */
function describeIo(state: TargetState, id: IdentifyController, _subsystem: Subsystem): void {
  const { limits, engine } = state;
  id.cmic = packBits([CmicBits.mports, 1], [CmicBits.mctrs, 1]);
  id.frmw = packBits([FrmwBits.ffsro, 1], [FrmwBits.nofs, 1]);
  id.lpa = packBits([LpaBits.smarts, 1], [LpaBits.cses, 1], [LpaBits.lpeds, 1], [LpaBits.mlps, 1]);
  id.wctemp = warningTemperatureKelvin;
  id.cctemp = criticalTemperatureKelvin;
  id.crdt1 = untilIdentified.time;
  id.crdt2 = whileDeviceHangs.time;
  id.sqes = entrySizes(SubmissionQueueEntry.size);
  id.cqes = entrySizes(CompletionQueueEntry.size);
  id.nn = limits.namespacesMax;
  id.mnan = limits.namespacesMax;
  id.oncs = packBits(
    [OncsBits.nvmcmps, 1],
    [OncsBits.nvmdsmsv, 1],
    [OncsBits.nvmwzsv, 1],
    [OncsBits.ssfs, 1],
  );
  // Always set: Linux sends neither Flush nor FUA to a controller without a cache.
  id.vwc = packBits([VwcBits.present, 1], [VwcBits.flushBehavior, flushesAll]);
  id.ioccsz = (SubmissionQueueEntry.size + engine.facts.inCapsuleBytes) / capsuleUnit;
  id.iorcsz = CompletionQueueEntry.size / capsuleUnit;
  id.icdoff = 0;
  id.msdbd = 1;
  id.ofcs = packBits([OfcsBits.disconnect, 1]);
}

function describeDiscovery(id: IdentifyController, _subsystem: DiscoverySubsystem): void {
  id.lpa = packBits([LpaBits.lpeds, 1]);
}

function entrySizes(bytes: number): number {
  const log2 = Math.log2(bytes);
  return packBits([QueueEntrySizeBits.min, log2], [QueueEntrySizeBits.max, log2]);
}
