/** Status fields as tests write them, and the error of a command that was to succeed. */

import { setBits } from '../../src/wire/bits.js';
import { StatusCodeType, StatusFieldBits } from '../../src/wire/layout.gen.js';
import { packStatus, statusName } from '../../src/wire/status.js';
import type { Retry, StatusOrigin } from '../../src/wire/status.js';

export function generic(code: number, retry: Retry = 'doNotRetry'): number {
  return packStatus(StatusCodeType.generic, code, retry);
}

export function commandSpecific(code: number, retry: Retry = 'doNotRetry'): number {
  return packStatus(StatusCodeType.commandSpecific, code, retry);
}

export function mediaError(code: number, retry: Retry = 'doNotRetry'): number {
  return packStatus(StatusCodeType.mediaAndDataIntegrity, code, retry);
}

export class CommandFailed extends Error {
  readonly status: number;
  readonly dw0: number;

  constructor(what: string, status: number, dw0: number, origin: StatusOrigin = 'nvm') {
    super(`${what}: ${statusName(status, origin)} (${status.toString(16)}h)`);
    this.status = status;
    this.dw0 = dw0;
  }
}

/** A status field without More, which says that the error log has more about it. */
export function withoutMore(status: number): number {
  return setBits(status, StatusFieldBits.more, 0);
}
