/**
 * Connect (NVMe Base 2.1, 6.3): makes a controller of a connection (queue 0), or adds the
 * connection to one as an I/O queue. Everything is checked before anything is changed; the answer
 * and the attachment are one step in the engine.
 */

import type { CommandEvent, QueueAttach } from '../engine/engine-types.js';
import { printable } from '../printable.js';
import type { Connection } from '../transport/connection.js';
import { hostOf } from '../transport/peer-address.js';
import { hasBit, packBits } from '../wire/bits.js';
import type { Retry } from '../wire/status.js';
import {
  ConnectAttributesBits,
  ConnectCommand,
  ConnectData,
  ConnectInvalidBits,
  ConnectResultBits,
  FabricsStatus,
  GenericStatus,
  StatusCodeType,
  cntlidDynamic,
  discoveryNqn,
} from '../wire/layout.gen.js';
import { CommandError, statusOf } from './command-error.js';
import type { CommandErrorOptions } from './command-error.js';
import type { Controller } from './controller.js';
import type { ShareFault } from './connection-shares.js';
import type { ConnectRejectReason } from './counters.js';
import type { DiscoverySubsystem } from './discovery-subsystem.js';
import { roundedKeepAliveMs, watchedKeepAliveMs } from './features.js';
import { asynchronousEventsMax } from './identify-controller.js';
import { hostPath } from './host-paths.js';
import { hostName, nqnFault } from './nqn.js';
import type { PendingCommand } from './pending-command.js';
import { whileDeviceHangs } from './retry-delays.js';
import type { Subsystem } from './subsystem.js';
import type { TargetState } from './target-state.js';

/** The smallest admin submission queue that fabrics allow. */
const adminQueueEntriesMin = 32;

/** The status of a Connect whose connection is gone. */
const abortedSqDeletion = statusOf(StatusCodeType.generic, GenericStatus.abortedSqDeletion);

const commandFields = ConnectCommand.fields;
const dataFields = ConnectData.fields;

/** A Connect that is refused, with the word that the metric and the log have for it. */
export class ConnectError extends CommandError {
  readonly reason: ConnectRejectReason;

  constructor(
    reason: ConnectRejectReason,
    status: number,
    message: string,
    options?: CommandErrorOptions,
  ) {
    super(status, message, options);
    this.reason = reason;
  }
}

/** What a Connect says, as a typed object. */
export interface ConnectRequest {
  readonly recfmt: number;
  readonly qid: number;
  /** SQSIZE + 1; 1 stands for the invalid SQSIZE 0. */
  readonly entries: number;
  readonly flowControlDisabled: boolean;
  readonly keepAliveTimeoutMs: number;
  /** 16 bytes, copied. */
  readonly hostId: Buffer;
  readonly cntlid: number;
  readonly subsystemNqn: string;
  readonly hostNqn: string;
}

type Where = 'command' | 'data';

function invalidParameter(
  reason: ConnectRejectReason,
  where: Where,
  field: { readonly offset: number },
  message: string,
  retry: Retry = 'doNotRetry',
): ConnectError {
  const code = FabricsStatus.connectInvalidParameters;
  return fabricsError(reason, code, message, retry, invalidAt(where, field));
}

/** Dword 0 of a refusal: where the parameter at fault is. */
function invalidAt(where: Where, field: { readonly offset: number }): CommandErrorOptions {
  const inData = where === 'data' ? 1 : 0;
  return {
    dw0: packBits([ConnectInvalidBits.ipo, field.offset], [ConnectInvalidBits.inData, inData]),
  };
}

function fabricsError(
  reason: ConnectRejectReason,
  code: number,
  message: string,
  retry: Retry = 'doNotRetry',
  options: CommandErrorOptions = {},
): ConnectError {
  const status = statusOf(StatusCodeType.commandSpecific, code, retry);
  return new ConnectError(reason, status, message, options);
}

function sequenceError(reason: ConnectRejectReason, message: string, retry: Retry): ConnectError {
  const status = statusOf(StatusCodeType.generic, GenericStatus.commandSequenceError, retry);
  return new ConnectError(reason, status, message);
}

export function parseConnect(event: CommandEvent): ConnectRequest {
  const { data } = event;
  if (data === null || data.length < ConnectData.size) {
    const status = statusOf(StatusCodeType.generic, GenericStatus.dataSglLengthInvalid);
    const message = `expected ${ConnectData.size} bytes of data, got ${data?.length ?? 0}`;
    throw new ConnectError('length_invalid', status, message);
  }
  const command = new ConnectCommand(event.sqe);
  if (command.recfmt !== 0) {
    const code = FabricsStatus.connectIncompatibleFormat;
    throw fabricsError('format_invalid', code, `expected RECFMT 0, got ${command.recfmt}`);
  }
  const connectData = new ConnectData(data);
  return {
    recfmt: command.recfmt,
    qid: command.qid,
    entries: command.sqsize + 1,
    flowControlDisabled: hasBit(command.cattr, ConnectAttributesBits.disableSqFlowControl),
    keepAliveTimeoutMs: roundedKeepAliveMs(command.kato),
    hostId: Buffer.from(connectData.hostid),
    cntlid: connectData.cntlid,
    subsystemNqn: parseNqn(data, dataFields.subnqn, 'subsystem_unknown', 'SUBNQN'),
    hostNqn: parseHostNqn(data),
  };
}

function parseNqn(
  data: Buffer,
  field: { readonly offset: number; readonly size: number },
  reason: ConnectRejectReason,
  name: string,
): string {
  const bytes = data.subarray(field.offset, field.offset + field.size);
  const end = bytes.indexOf(0);
  const text = bytes.toString('utf8', 0, end < 0 ? bytes.length : end);
  const fault = end < 0 ? 'a name that ends with NUL' : nqnFault(text);
  if (fault === null) return text;
  throw invalidParameter(reason, 'data', field, `expected ${fault} for ${name}`);
}

/** Some hosts give no name, SPDK's tools among them: where any host may connect, they may. */
function parseHostNqn(data: Buffer): string {
  const { offset } = dataFields.hostnqn;
  return data[offset] === 0 ? '' : parseNqn(data, dataFields.hostnqn, 'host_invalid', 'HOSTNQN');
}

/** Answers the Connect, with success or not. */
export async function connect(
  state: TargetState,
  connection: Connection,
  command: PendingCommand,
): Promise<void> {
  if (connection.state !== 'new') {
    const message = 'the connection is a queue already';
    refuse(state, connection, command, sequenceError('already_connected', message, 'doNotRetry'));
    return;
  }
  try {
    const request = parseConnect(command.event);
    connection.state = 'connecting';
    if (request.qid === 0) await connectAdmin(state, connection, command, request);
    else await connectIo(state, connection, command, request);
  } catch (error) {
    connection.connectFailed();
    refuse(state, connection, command, error);
  }
}

function refuse(
  state: TargetState,
  connection: Connection,
  command: PendingCommand,
  error: unknown,
): void {
  const refusal = error instanceof ConnectError ? error : internalRefusal(error);
  state.counters.connectRejected(refusal.reason);
  const fields = { reason: refusal.reason, ...connectionFields(connection, command.event) };
  const line = `Connect refused: ${refusal.message}`;
  if (refusal.reason === 'internal') {
    state.logger.error({ ...fields, err: error }, 'Connect failed');
  } else {
    const { address } = connection.peer;
    state.peerLines.write('warn', 'connect_refused', address, fields, line);
  }
  command.refuse(refusal);
}

function internalRefusal(cause: unknown): ConnectError {
  const status = statusOf(StatusCodeType.generic, GenericStatus.internalError, 'retry');
  return new ConnectError('internal', status, 'internal error', { cause });
}

/** Who wanted what, for the log: a host's own message is only "connect failed". */
function connectionFields(connection: Connection, { sqe, data }: CommandEvent): object {
  const { peer, local } = connection;
  const names =
    data === null || data.length < ConnectData.size
      ? {}
      : {
          hostNqn: printable(hostName(new ConnectData(data).hostnqn)),
          subsystem: printable(new ConnectData(data).subnqn),
        };
  const { qid } = new ConnectCommand(sqe);
  return { peer, local, connection: connection.connection, qid, ...names };
}

function checkEntries(state: TargetState, entries: number, entriesMin: number): void {
  const entriesMax = state.engine.facts.queueEntriesMax;
  if (entries >= entriesMin && entries <= entriesMax) return;
  throw invalidParameter(
    'queue_size_invalid',
    'command',
    commandFields.sqsize,
    `expected ${entriesMin} to ${entriesMax} queue entries, got ${entries}`,
  );
}

async function connectAdmin(
  state: TargetState,
  connection: Connection,
  command: PendingCommand,
  request: ConnectRequest,
): Promise<void> {
  checkEntries(state, request.entries, adminQueueEntriesMin);
  if (request.cntlid !== cntlidDynamic) {
    const message = `expected CNTLID ffffh (dynamic controllers), got ${request.cntlid}`;
    throw invalidParameter('cntlid_invalid', 'data', dataFields.cntlid, message);
  }
  const subsystem = subsystemFor(state, connection, request);
  makeRoom(state, connection, subsystem, request);
  const controller = createController(state, connection, subsystem, request);
  attach(state, connection, command, request, controller);
  if (subsystem.kind === 'io') state.access.controllerCreated(subsystem, controller);
  const { handle, cntlid, hostName: hostNqn, keepAliveTimeoutMs } = controller;
  const watchedMs = watchedKeepAliveMs(controller);
  if (watchedMs > 0) state.engine.controllerKeepAlive(handle, watchedMs);
  const { peer } = connection;
  const names = { controller: handle, cntlid, subsystem: subsystem.nqn, hostNqn };
  const fields = { ...names, keepAliveTimeoutMs, peer };
  state.peerLines.write('info', 'controller_made', peer.address, fields, 'controller made');
}

/** Refuses a controller more than may be, or ends another for it. */
function makeRoom(
  state: TargetState,
  { peer }: Connection,
  subsystem: Subsystem | DiscoverySubsystem,
  { hostNqn }: ConnectRequest,
): void {
  const { kind } = subsystem;
  const room =
    kind === 'io'
      ? state.shares.ioRoom(hostNqn, peer.address)
      : state.shares.discoveryRoom(peer.address);
  if (typeof room !== 'string') {
    if (room.displaced === null) return;
    state.peerLimits.counted('controllers', kind);
    void state.controllers.terminate(room.displaced, 'displaced');
    return;
  }
  if (room === 'class') state.peerLimits.turnedAway('controllers', kind);
  else state.peerLimits.counted('controllers', kind);
  const whose: Readonly<Record<ShareFault, string>> = {
    class: 'all hosts together have',
    address: `the hosts at ${peer.address} have`,
    host: 'the host has',
  };
  const code = FabricsStatus.connectControllerBusy;
  const message = `${whose[room]} as many connections as may be`;
  throw fabricsError('controller_limit', code, message, 'retry');
}

function subsystemFor(
  state: TargetState,
  connection: Connection,
  { subsystemNqn, hostNqn }: ConnectRequest,
): Subsystem | DiscoverySubsystem {
  if (subsystemNqn === discoveryNqn) return state.discovery;
  return ioSubsystemFor(state, connection, subsystemNqn, hostNqn);
}

/** For every queue: what is offered to whom may have changed since the controller was made. */
function ioSubsystemFor(
  state: TargetState,
  connection: Connection,
  subsystemNqn: string,
  hostNqn: string,
): Subsystem {
  const subsystem = state.subsystems.get(subsystemNqn);
  if (subsystem === undefined) {
    const message = `there is no subsystem ${subsystemNqn}`;
    throw invalidParameter('subsystem_unknown', 'data', dataFields.subnqn, message);
  }
  if (!subsystem.accepting) {
    // The change may fail yet, and the subsystem stay.
    const message = `the subsystem ${subsystemNqn} is being removed`;
    throw invalidParameter('subsystem_unknown', 'data', dataFields.subnqn, message, 'retry');
  }
  checkAccess(state, connection, subsystem, hostNqn);
  return subsystem;
}

function checkAccess(
  state: TargetState,
  connection: Connection,
  subsystem: Subsystem,
  hostNqn: string,
): void {
  if (!state.isOfferedOn(subsystem, connection)) {
    const message = `${subsystem.nqn} is not offered on this listener`;
    throw invalidParameter('subsystem_not_offered', 'data', dataFields.subnqn, message);
  }
  if (subsystem.allows(hostNqn)) return;
  throw fabricsError(
    'host_not_allowed',
    FabricsStatus.connectInvalidHost,
    `${hostName(hostNqn)} is not allowed on ${subsystem.nqn}`,
    'doNotRetry',
    invalidAt('data', dataFields.hostnqn),
  );
}

function createController(
  state: TargetState,
  connection: Connection,
  subsystem: Subsystem | DiscoverySubsystem,
  { hostNqn, hostId, keepAliveTimeoutMs }: ConnectRequest,
): Controller {
  const cntlid = subsystem.allocateCntlid();
  const { ioQueuesMax } = state.limits;
  const { address } = connection.peer;
  const path = hostPath(hostNqn, hostId, connection);
  const parts = { subsystem, hostNqn, hostId, address, path, keepAliveTimeoutMs, ioQueuesMax };
  const controller = cntlid === null ? null : state.controllers.create({ ...parts, cntlid });
  if (controller !== null) return controller;
  const code = FabricsStatus.connectControllerBusy;
  throw fabricsError('controller_limit', code, 'no controller is free', 'retry');
}

async function connectIo(
  state: TargetState,
  connection: Connection,
  command: PendingCommand,
  request: ConnectRequest,
): Promise<void> {
  checkEntries(state, request.entries, 2);
  const controller = controllerFor(state, connection, request);
  checkQueue(controller, request);
  if (controller.queues.has(request.qid)) {
    await queueClosed(state, controller, request.qid);
    // Its connection may be gone, or the controller, or another Connect was quicker.
    if (connection.state !== 'connecting') {
      // Nobody hears it: the engine ignores answers on what is closed.
      command.answer({ status: abortedSqDeletion });
      return;
    }
    checkQueue(controller, request);
    // What it may do may have changed while it waited.
    controllerFor(state, connection, request);
    if (controller.queues.has(request.qid)) {
      const message = `queue ${request.qid} is connected already`;
      throw sequenceError('qid_duplicate', message, 'retry');
    }
  }
  chargeQueue(state, controller);
  attach(state, connection, command, request, controller);
}

/** A queue that the host did not ask for before it connects it. */
function chargeQueue(state: TargetState, controller: Controller): void {
  if (controller.ioQueuesAsked) return;
  // Without the admin queue, and with this one.
  const queues = controller.queues.size;
  if (queues > state.shares.queuesMax(controller)) {
    state.peerLimits.counted('queues', 'io');
    const code = FabricsStatus.connectControllerBusy;
    throw fabricsError('queue_limit', code, 'the host has as many queues as it may', 'retry');
  }
  state.shares.granted(controller, queues);
}

function controllerFor(
  state: TargetState,
  connection: Connection,
  request: ConnectRequest,
): Controller {
  const { subsystemNqn, hostNqn, hostId, cntlid } = request;
  if (subsystemNqn === discoveryNqn) {
    const message = 'a discovery controller has no I/O queues';
    throw invalidParameter('qid_invalid', 'command', commandFields.qid, message);
  }
  const subsystem = ioSubsystemFor(state, connection, subsystemNqn, hostNqn);
  const controller = subsystem.controllers.get(cntlid);
  if (!controller?.living) {
    const message = `there is no controller ${cntlid}`;
    throw invalidParameter('cntlid_invalid', 'data', dataFields.cntlid, message);
  }
  if (controller.hostNqn !== hostNqn) {
    const message = `controller ${cntlid} is another host’s`;
    throw invalidParameter('host_invalid', 'data', dataFields.hostnqn, message);
  }
  if (!controller.hostId.equals(hostId)) {
    const message = `controller ${cntlid} was made with another host identifier`;
    throw invalidParameter('host_invalid', 'data', dataFields.hostid, message);
  }
  return controller;
}

function checkQueue(controller: Controller, { qid }: ConnectRequest): void {
  if (controller.state !== 'ready') {
    const message = `the controller is ${controller.state}`;
    throw sequenceError('controller_not_enabled', message, 'doNotRetry');
  }
  if (qid > controller.ioQueuesGranted) {
    const message = `expected a QID up to ${controller.ioQueuesGranted}, got ${qid}`;
    throw invalidParameter('qid_invalid', 'command', commandFields.qid, message);
  }
}

/** ESXi reconnects a queue before its old connection has drained: waits for that, for a moment. */
function queueClosed(state: TargetState, controller: Controller, qid: number): Promise<void> {
  return new Promise((resolve) => {
    const cancelTimer = state.clock.after(state.limits.duplicateQidWaitMs, () => {
      cancelWaiting();
      resolve();
    });
    const cancelWaiting = controller.onQueueClosed(qid, () => {
      cancelTimer();
      resolve();
    });
  });
}

function attach(
  state: TargetState,
  connection: Connection,
  command: PendingCommand,
  request: ConnectRequest,
  controller: Controller,
): void {
  const { qid, entries, flowControlDisabled } = request;
  connection.state = 'attached';
  connection.queue = { controller, qid };
  controller.queueOpened(qid, connection);
  state.shares.queueOpened(controller);
  const { hostNqn, subsystem } = controller;
  const address = hostOf(connection.peer.address);
  connection.account = state.hostAccounts.open(hostNqn, address, subsystem.kind);
  const queue: QueueAttach = {
    controller: controller.handle,
    qid,
    entries,
    flowControlDisabled,
    table: subsystem.table,
    asynchronousEventsMax,
    discovery: subsystem === state.discovery,
    host: connection.account.number,
    hostIsFirst: connection.account.isFirst,
    retryDelay: controller.retriesLater ? whileDeviceHangs.crd : 0,
  };
  command.attach(queue, packBits([ConnectResultBits.cntlid, controller.cntlid]));
}
