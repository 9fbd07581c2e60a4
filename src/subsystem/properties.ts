/**
 * Property Get and Property Set (NVMe Base 2.1, 6.5 and 6.6): the life of a controller as its host
 * drives it.
 */

import type { CommandAnswer } from '../engine/engine-types.js';
import { getBits, getBits64, hasBit, packBits, packBits64 } from '../wire/bits.js';
import {
  CapBits,
  CapCssBits,
  CcBits,
  CommandSetSelected,
  CrtoBits,
  CstsBits,
  Property,
  PropertyAttributesBits,
  PropertyGetCommand,
  PropertySetCommand,
  PropertySize,
  ShutdownNotification,
  ShutdownStatus,
  version20,
} from '../wire/layout.gen.js';
import type { AdminCommand } from './admin-command.js';
import { succeeded } from './admin-command.js';
import { invalidField } from './command-error.js';
import type { Controller } from './controller.js';
import type { TargetState } from './target-state.js';

/**
 * How long a host waits for CSTS.RDY at most: 7.5 s, as Linux's target says; here it takes
 * microseconds.
 */
const readyTimeoutHalfSeconds = 15;

/** CAP.CRMS: a controller that is ready has its media ready, and says so (bit 0 of the range). */
const readyWithMedia = 1;

/** Entry sizes are 2^6 and 2^4 bytes; nothing else exists. */
const sqEntrySizeLog2 = 6;
const cqEntrySizeLog2 = 4;

/** The Controller Capabilities property. */
export function capabilities(state: TargetState): bigint {
  return packBits64(
    [CapBits.mqes, state.engine.facts.queueEntriesMax - 1],
    [CapBits.cqr, 1],
    [CapBits.to, readyTimeoutHalfSeconds],
    [CapBits.css, packBits([CapCssBits.nvm, 1], [CapCssBits.oneOrMore, 1])],
    [CapBits.crms, readyWithMedia],
  );
}

/** The Controller Status property: follows from the state. */
export function controllerStatus(controller: Controller): number {
  const { state } = controller;
  const ready =
    state === 'ready' || (state === 'shut_down' && hasBit(controller.configuration, CcBits.en));
  return packBits(
    [CstsBits.rdy, ready ? 1 : 0],
    [CstsBits.cfs, state === 'failed' ? 1 : 0],
    [
      CstsBits.shst,
      state === 'shut_down' ? ShutdownStatus.complete : ShutdownStatus.normalOperation,
    ],
  );
}

interface PropertyAccess {
  readonly offset: number;
  readonly size: 4 | 8;
}

function parseAccess(attrib: number, offset: number): PropertyAccess {
  const fields = PropertyGetCommand.fields;
  switch (getBits(attrib, PropertyAttributesBits.size)) {
    case PropertySize._4Bytes:
      return { offset, size: 4 };
    case PropertySize._8Bytes:
      return { offset, size: 8 };
    default:
      throw invalidField('ATTRIB says no known size', fields.attrib.offset);
  }
}

export function propertyGet(command: AdminCommand): CommandAnswer {
  const entry = new PropertyGetCommand(command.sqe.buffer);
  const access = parseAccess(entry.attrib, entry.ofst);
  const value = read(command, access);
  return {
    status: 0,
    dw0: Number(BigInt.asUintN(32, value)),
    dw1: Number(BigInt.asUintN(32, value >> 32n)),
  };
}

function read({ state, controller }: AdminCommand, access: PropertyAccess): bigint {
  const wanted = access.offset === Property.cap ? 8 : 4;
  if (access.size !== wanted) {
    throw invalidField('the size is not the property’s', PropertyGetCommand.fields.attrib.offset);
  }
  switch (access.offset) {
    case Property.cap:
      return capabilities(state);
    case Property.vs:
      return BigInt(version20);
    case Property.cc:
      return BigInt(controller.configuration);
    case Property.csts:
      return BigInt(controllerStatus(controller));
    case Property.crto:
      return BigInt(packBits([CrtoBits.crwmt, readyTimeoutHalfSeconds]));
    default:
      throw invalidField('there is no such property', PropertyGetCommand.fields.ofst.offset);
  }
}

/** Only CC can be written. */
export function propertySet(command: AdminCommand): CommandAnswer {
  const entry = new PropertySetCommand(command.sqe.buffer);
  const { offset, size } = parseAccess(entry.attrib, entry.ofst);
  if (offset !== Property.cc) {
    throw invalidField('not a property that can be set', PropertySetCommand.fields.ofst.offset);
  }
  if (size !== 4) {
    throw invalidField('the size is not the property’s', PropertySetCommand.fields.attrib.offset);
  }
  configure(command.state, command.controller, getBits64(entry.value, { high: 31, low: 0 }));
  return succeeded;
}

/** Acts on what changed between the old and the new value of CC. */
function configure(state: TargetState, controller: Controller, next: number): void {
  const before = controller.configuration;
  controller.configuration = next;
  const enabled = hasBit(next, CcBits.en);
  if (hasBit(before, CcBits.en) && !enabled) {
    reset(state, controller);
    return;
  }
  if (!hasBit(before, CcBits.en) && enabled && controller.state === 'disabled') {
    enable(state, controller);
  }
  const shutdown = getBits(next, CcBits.shn);
  const shutDownBefore = getBits(before, CcBits.shn) !== ShutdownNotification.none;
  if (shutdown !== ShutdownNotification.none && !shutDownBefore) shutDown(state, controller);
}

function enable(state: TargetState, controller: Controller): void {
  const fault = configurationFault(controller);
  if (fault !== null) {
    const { handle, cntlid, hostName: hostNqn, address } = controller;
    const subsystem = controller.subsystem.nqn;
    const fields = { controller: handle, cntlid, hostNqn, subsystem };
    state.peerLines.write('warn', 'controller_failed', address, fields, `CC: ${fault}`);
    controller.setState('failed');
    return;
  }
  controller.setState('ready');
}

/** Why a controller cannot be enabled so; null if it can. */
function configurationFault(controller: Controller): string | null {
  const { configuration, subsystem } = controller;
  const commandSets = getBits(configuration, CcBits.css);
  if (commandSets !== CommandSetSelected.nvm && commandSets !== CommandSetSelected.allSupported) {
    return `expected CSS 0 or 6, got ${commandSets}`;
  }
  const pageSize = getBits(configuration, CcBits.mps);
  if (pageSize !== 0) return `expected MPS 0 (4 KiB), got ${pageSize}`;
  const arbitration = getBits(configuration, CcBits.ams);
  if (arbitration !== 0) return `expected AMS 0 (round robin), got ${arbitration}`;
  // A discovery controller has no I/O queues, and hosts need not size their entries for it.
  if (subsystem.kind === 'discovery') return null;
  const sqEntry = getBits(configuration, CcBits.iosqes);
  const cqEntry = getBits(configuration, CcBits.iocqes);
  if (sqEntry !== sqEntrySizeLog2 || cqEntry !== cqEntrySizeLog2) {
    return `expected IOSQES 6 and IOCQES 4, got ${sqEntry} and ${cqEntry}`;
  }
  return null;
}

/**
 * Nothing is cached that a shutdown would have to write back: it is complete as soon as it is asked
 * for.
 */
function shutDown(state: TargetState, controller: Controller): void {
  if (controller.state !== 'ready' && controller.state !== 'disabled') return;
  controller.setState('shut_down');
  state.logger.debug({ controller: controller.handle }, 'controller shut down by its host');
}

/**
 * A controller reset: ends the I/O queues, then CSTS.RDY is 0. The host polls for that; the answer
 * does not wait.
 */
function reset(state: TargetState, controller: Controller): void {
  if (controller.state === 'disabled' || !controller.living) return;
  if (controller.state === 'resetting') return;
  controller.setState('resetting');
  void resetJoin(state, controller);
}

async function resetJoin(state: TargetState, controller: Controller): Promise<void> {
  try {
    await state.engine.controllerTerminate(controller.handle, 'io', 'controller_reset');
  } catch (error) {
    state.logger.error({ err: error, controller: controller.handle }, 'controller reset failed');
  }
  // Its connection may have gone in the meantime.
  if (controller.state !== 'resetting') return;
  controller.reset(state.limits.ioQueuesMax);
  if (controller.subsystem.kind === 'io') state.shares.granted(controller, 0);
  controller.setState('disabled');
  // The host may have enabled it again without waiting.
  if (hasBit(controller.configuration, CcBits.en)) enable(state, controller);
}
