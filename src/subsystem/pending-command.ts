/**
 * A command that is owed its one answer. The dispatcher makes it, and whoever takes the command on
 * answers it in exactly one of three ways. What is still unanswered when its executor has ended is
 * a defect of ours, which {@link carryOut} says and makes good.
 */

import type { CommandAnswer, CommandEvent, Engine, QueueAttach } from '../engine/engine-types.js';
import { GenericStatus, StatusCodeType } from '../wire/layout.gen.js';
import { statusOf } from './command-error.js';
import type { CommandError } from './command-error.js';
import type { Logger } from './logger.js';

export const internalError: CommandAnswer = {
  status: statusOf(StatusCodeType.generic, GenericStatus.internalError, 'retry'),
};

export class PendingCommand {
  readonly event: CommandEvent;
  readonly #engine: Engine;
  #answered = false;

  constructor(engine: Engine, event: CommandEvent) {
    this.#engine = engine;
    this.event = event;
  }

  get answered(): boolean {
    return this.#answered;
  }

  answer(answer: CommandAnswer): void {
    this.#settle();
    this.#engine.complete(this.event.token, answer);
  }

  refuse({ status, dw0 }: CommandError): void {
    this.answer({ status, ...(dw0 === undefined ? {} : { dw0 }) });
  }

  /** Of a Connect: success, and the connection becomes this queue. */
  attach(queue: QueueAttach, dw0: number): void {
    this.#settle();
    this.#engine.completeConnect(this.event.token, queue, dw0);
  }

  #settle(): void {
    if (this.#answered) throw new Error('a command was answered twice');
    this.#answered = true;
  }
}

/**
 * Runs `executor`, which answers the command. Never rejects, and ends with the command answered:
 * with Internal Error, if the executor did not.
 */
export async function carryOut(
  command: PendingCommand,
  logger: Logger,
  executor: (command: PendingCommand) => Promise<void>,
): Promise<void> {
  const { connection } = command.event;
  try {
    await executor(command);
  } catch (error) {
    logger.error({ err: error, connection }, 'command failed');
  }
  if (command.answered) return;
  logger.error({ connection }, 'command was not answered');
  try {
    command.answer(internalError);
  } catch (error) {
    logger.error({ err: error, connection }, 'command cannot be answered');
  }
}
