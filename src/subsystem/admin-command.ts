/**
 * What an admin command's parser and executor are given, and the checks that several of them share.
 */

import type { CommandAnswer, CommandEvent } from '../engine/engine-types.js';
import type { Connection } from '../transport/connection.js';
import { GenericStatus, SubmissionQueueEntry } from '../wire/layout.gen.js';
import { genericError } from './command-error.js';
import type { Controller } from './controller.js';
import type { TargetState } from './target-state.js';

export interface AdminCommand {
  readonly state: TargetState;
  readonly connection: Connection;
  readonly controller: Controller;
  readonly qid: number;
  readonly sqe: SubmissionQueueEntry;
  /** Data from the host, or null. */
  readonly data: Buffer | null;
  /** Bytes that the host has room for. */
  readonly dataLengthMax: number;
}

export type CommandExecutor = (command: AdminCommand) => CommandAnswer | Promise<CommandAnswer>;

export const succeeded: CommandAnswer = { status: 0 };

export function adminCommand(
  state: TargetState,
  connection: Connection,
  controller: Controller,
  event: CommandEvent,
): AdminCommand {
  const { qid, data, dataLengthMax } = event;
  const sqe = new SubmissionQueueEntry(event.sqe);
  return { state, connection, controller, qid, sqe, data, dataLengthMax };
}

/** An answer with data, for which the host must have room. */
export function dataAnswer(command: AdminCommand, data: Buffer): CommandAnswer {
  expectRoom(command, data.length);
  return { status: 0, data };
}

export function expectRoom({ dataLengthMax }: AdminCommand, length: number): void {
  if (dataLengthMax >= length) return;
  throw genericError(
    GenericStatus.dataSglLengthInvalid,
    `expected room for ${length} bytes, got ${dataLengthMax}`,
    { parameterByte: SubmissionQueueEntry.fields.dptr.offset },
  );
}
