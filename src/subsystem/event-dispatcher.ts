/**
 * Takes the engine's events: keeps the model in step with connections, and answers every command
 * exactly once, whatever happens on the way.
 */

import type {
  CommandAnswer,
  CommandEvent,
  CommandFailedEvent,
  ConnectionClosedEvent,
  ConnectionOpenedEvent,
  ConnectionsRefusedEvent,
  EngineEvent,
  PeerLimitedEvent,
} from '../engine/engine-types.js';
import { Connection } from '../transport/connection.js';
import {
  AdminOpcode,
  AdminOpcodeName,
  FabricsCommand,
  FabricsCommandType,
  FabricsCommandTypeName,
  GenericStatus,
  IoOpcode,
  IoOpcodeName,
  StatusFieldBits,
  SubmissionQueueEntry,
  fabricsOpcode,
} from '../wire/layout.gen.js';
import { packBits } from '../wire/bits.js';
import { abort } from './abort.js';
import { adminCommand } from './admin-command.js';
import type { AdminCommand, CommandExecutor } from './admin-command.js';
import { CommandError, commandSequenceError, genericError } from './command-error.js';
import { connect } from './connect.js';
import { fabrics } from './fabrics.js';
import { getFeatures, setFeatures, watchedKeepAliveMs } from './features.js';
import { identify } from './identify.js';
import { getLogPage } from './log-page.js';
import { PendingCommand, carryOut, internalError } from './pending-command.js';
import type { TargetOptions } from './target-options.js';
import type { TargetState } from './target-state.js';

const executors: Readonly<Record<number, CommandExecutor>> = {
  [AdminOpcode.getLogPage]: getLogPage,
  [AdminOpcode.identify]: identify,
  [AdminOpcode.abort]: abort,
  [AdminOpcode.setFeatures]: setFeatures,
  [AdminOpcode.getFeatures]: getFeatures,
};

/** Ends of connections that are nobody's fault: the host left, or the daemon stops. */
const orderlyReasons: ReadonlySet<string> = new Set([
  'host_closed',
  'closed_by_control',
  'stopped',
]);

/** More (M), in the engine's form of a status. */
const more = packBits([StatusFieldBits.more, 1]) >>> 1;

export class EventDispatcher {
  readonly #state: TargetState;
  readonly #onAnswered: TargetOptions['onCommandAnswered'];

  constructor(state: TargetState, onAnswered: TargetOptions['onCommandAnswered']) {
    this.#state = state;
    this.#onAnswered = onAnswered;
  }

  handle(event: EngineEvent): void {
    switch (event.type) {
      case 'command':
        void this.#command(event);
        break;
      case 'command_failed':
        this.#commandFailed(event);
        break;
      case 'connection_opened':
        this.#connectionOpened(event);
        break;
      case 'connection_closed':
        this.#connectionClosed(event);
        break;
      case 'connections_refused':
        this.#connectionsRefused(event);
        break;
      case 'keep_alive_expired':
        this.#keepAliveExpired(event.controller);
        break;
      case 'peer_limited':
        this.#peerLimited(event);
        break;
    }
  }

  #connectionOpened(event: ConnectionOpenedEvent): void {
    this.#state.connections.set(event.connection, new Connection(event));
    this.#state.listeners.connectionOpened(event.listener);
  }

  #connectionClosed({ connection: number, reason }: ConnectionClosedEvent): void {
    const { connections, listeners, counters, controllers } = this.#state;
    const { hostAccounts, logger, peerLines, shares } = this.#state;
    const connection = connections.get(number);
    if (connection === undefined) return;
    connections.delete(number);
    listeners.connectionClosed(connection.listener);
    counters.connectionClosed(reason);
    connection.state = 'closed';
    if (connection.account !== null) hostAccounts.close(connection.account);
    if (isFailure(connection, reason)) {
      const fields = failureFields(connection, reason);
      const { address } = connection.peer;
      peerLines.write('warn', 'connection_failed', address, fields, 'connection failed');
    } else {
      logger.debug({ connection: number, peer: connection.peer, reason }, 'connection closed');
    }
    if (connection.queue === null) return;
    const { controller, qid } = connection.queue;
    controller.queueClosed(qid);
    shares.queueClosed(controller);
    if (qid === 0 && controller.living) void controllers.terminate(controller, reason);
  }

  /** Nobody is known but the last of them. */
  #connectionsRefused({ count, peer }: ConnectionsRefusedEvent): void {
    const { peerLimits, peerLines } = this.#state;
    peerLimits.said('connections', 'before_connect');
    const message = 'connections refused: as many as there may be are there';
    peerLines.write('warn', 'connections_refused', peer.address, { peer, count }, message);
  }

  /**
   * The engine answered an I/O command with an error: the host can read more about it in the log
   * page.
   */
  #commandFailed({ controller, qid, sqe: entry, status }: CommandFailedEvent): void {
    const sqe = new SubmissionQueueEntry(entry);
    const { opcode, cid, nsid } = sqe;
    const lba = hasBlockRange(opcode) ? (BigInt(sqe.cdw11) << 32n) | BigInt(sqe.cdw10) : 0n;
    const entryFields = { sqid: qid, cid, status, nsid, opcode, lba, parameterByte: null };
    this.#state.controllers.get(controller)?.errorLog.add(entryFields);
  }

  #keepAliveExpired(handle: number): void {
    const { controllers, peerLines } = this.#state;
    const controller = controllers.get(handle);
    if (!controller?.living) return;
    const { cntlid, hostName: hostNqn, address } = controller;
    const keepAliveTimeoutMs = watchedKeepAliveMs(controller);
    const subsystem = controller.subsystem.nqn;
    const fields = { controller: handle, cntlid, subsystem, hostNqn, keepAliveTimeoutMs };
    peerLines.write('warn', 'keep_alive', address, fields, 'the host sent no Keep Alive in time');
    void controllers.terminate(controller, 'keep_alive');
  }

  /** Once a minute for each host; what happened in between is in capsuled_peer_limit_total. */
  #peerLimited({ connection: number, resource }: PeerLimitedEvent): void {
    const { connections, peerLines } = this.#state;
    const connection = connections.get(number);
    if (connection === undefined) return;
    const { peer, queue } = connection;
    const host = queue === null ? {} : { hostNqn: queue.controller.hostName };
    const message = 'a host waits at the limit of what it may hold';
    peerLines.write('info', 'peer_limited', peer.address, { resource, peer, ...host }, message);
  }

  async #command(event: CommandEvent): Promise<void> {
    const startedMs = this.#state.clock.nowMs();
    const command = new PendingCommand(this.#state.engine, event);
    await carryOut(command, this.#state.logger, () => this.#execute(command));
    const elapsedMs = this.#state.clock.nowMs() - startedMs;
    this.#onAnswered?.(commandWord(event), elapsedMs / 1000);
  }

  async #execute(command: PendingCommand): Promise<void> {
    const { event } = command;
    const connection = this.#state.connections.get(event.connection);
    if (connection === undefined) command.answer(internalError);
    else if (isConnect(event)) await connect(this.#state, connection, command);
    else command.answer(await this.#answer(connection, event));
  }

  async #answer(connection: Connection, event: CommandEvent): Promise<CommandAnswer> {
    if (connection.queue === null) {
      return answerOf(commandSequenceError('the first command must be Connect'));
    }
    const { controller } = connection.queue;
    const command = adminCommand(this.#state, connection, controller, event);
    try {
      return await execute(command);
    } catch (error) {
      if (error instanceof CommandError) return this.#failed(command, error);
      const fields = { controller: controller.handle, command: commandWord(event), err: error };
      const { address } = connection.peer;
      this.#state.peerLines.write('error', 'command_failed', address, fields, 'command failed');
      return internalError;
    }
  }

  /** Notes the failure in the controller's error log, where the host can read more about it. */
  #failed(command: AdminCommand, error: CommandError): CommandAnswer {
    const { controller, qid, sqe } = command;
    const answer = answerOf(error);
    const status = answer.status + more;
    controller.errorLog.add({
      sqid: qid,
      cid: sqe.cid,
      status,
      // A Fabrics command has its type there.
      nsid: sqe.opcode === fabricsOpcode ? 0 : sqe.nsid,
      opcode: sqe.opcode,
      lba: 0n,
      parameterByte: error.parameterByte,
    });
    const fields = { controller: controller.handle, cid: sqe.cid, command: sqe.opcode };
    this.#state.logger.debug(fields, `command refused: ${error.message}`);
    return { ...answer, status };
  }
}

/** Not when its controller is being ended already: that has been said, with its cause. */
function isFailure({ queue }: Connection, reason: string): boolean {
  return !orderlyReasons.has(reason) && (queue === null || queue.controller.living);
}

function failureFields({ connection, peer, queue }: Connection, reason: string): object {
  const fields = { connection, peer, reason };
  if (queue === null) return fields;
  const { cntlid, hostName: hostNqn, subsystem } = queue.controller;
  return { ...fields, qid: queue.qid, cntlid, subsystem: subsystem.nqn, hostNqn };
}

function answerOf({ status, dw0 }: CommandError): CommandAnswer {
  return { status, ...(dw0 === undefined ? {} : { dw0 }) };
}

function execute(command: AdminCommand): CommandAnswer | Promise<CommandAnswer> {
  const { sqe, qid, controller } = command;
  if (sqe.opcode === fabricsOpcode) return fabrics(command);
  // I/O commands, Keep Alive and Asynchronous Event Request are the engine's and never come here.
  const executor = qid === 0 ? executors[sqe.opcode] : undefined;
  if (executor === undefined) {
    const message = `there is no opcode ${sqe.opcode.toString(16)}h`;
    throw genericError(GenericStatus.invalidOpcode, message, {
      parameterByte: SubmissionQueueEntry.fields.opcode.offset,
    });
  }
  if (controller.state !== 'ready') {
    throw commandSequenceError(`the controller is ${controller.state}`);
  }
  return executor(command);
}

/** The I/O commands whose dwords 10 and 11 are a first block. */
function hasBlockRange(opcode: number): boolean {
  const { read, write, compare, writeZeroes } = IoOpcode;
  return opcode === read || opcode === write || opcode === compare || opcode === writeZeroes;
}

function isConnect({ sqe }: CommandEvent): boolean {
  const { opcode, fctype } = new FabricsCommand(sqe);
  return opcode === fabricsOpcode && fctype === FabricsCommandType.connect;
}

/** The command's name as a lower_snake word, for metrics and logs; bounded whatever hosts send. */
export function commandWord({ sqe, qid }: CommandEvent): string {
  const { opcode, fctype } = new FabricsCommand(sqe);
  const names = qid === 0 ? AdminOpcodeName : IoOpcodeName;
  const name = opcode === fabricsOpcode ? FabricsCommandTypeName[fctype] : names[opcode];
  if (name === undefined) return 'unknown';
  return name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '_');
}
