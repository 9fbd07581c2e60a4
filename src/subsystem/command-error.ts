/**
 * A command that fails: thrown by whoever validates or executes it, turned into the answer in one
 * place.
 */

import { CommandSpecificStatus, GenericStatus, StatusCodeType } from '../wire/layout.gen.js';
import { packStatus } from '../wire/status.js';
import type { Retry } from '../wire/status.js';

export interface CommandErrorOptions extends ErrorOptions {
  readonly dw0?: number;
  /** Byte of the submission queue entry at fault, for the error log. */
  readonly parameterByte?: number;
}

export class CommandError extends Error {
  /** As {@link CommandAnswer.status}: without the phase bit. */
  readonly status: number;
  readonly dw0: number | undefined;
  readonly parameterByte: number | null;

  constructor(status: number, message: string, options: CommandErrorOptions = {}) {
    super(message, options);
    this.status = status;
    this.dw0 = options.dw0;
    this.parameterByte = options.parameterByte ?? null;
  }
}

/** The engine's form of a status: the wire's without the phase bit. */
export function statusOf(type: number, code: number, retry: Retry = 'doNotRetry'): number {
  return packStatus(type, code, retry) >>> 1;
}

export function genericError(
  code: number,
  message: string,
  options?: CommandErrorOptions,
): CommandError {
  return new CommandError(statusOf(StatusCodeType.generic, code), message, options);
}

export function commandSpecificError(
  code: number,
  message: string,
  options?: CommandErrorOptions,
): CommandError {
  return new CommandError(statusOf(StatusCodeType.commandSpecific, code), message, options);
}

/** Invalid Field in Command. */
export function invalidField(message: string, parameterByte?: number): CommandError {
  const options = parameterByte === undefined ? {} : { parameterByte };
  return genericError(GenericStatus.invalidField, message, options);
}

export function invalidNamespace(nsid: number): CommandError {
  const message = `NSID ${nsid} is not valid here`;
  return genericError(GenericStatus.invalidNamespaceOrFormat, message);
}

export function commandSequenceError(message: string): CommandError {
  return genericError(GenericStatus.commandSequenceError, message);
}

export function invalidLogPage(message: string): CommandError {
  return commandSpecificError(CommandSpecificStatus.invalidLogPage, message);
}
