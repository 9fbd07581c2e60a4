/**
 * Get Log Page (NVMe Base 2.1, 5.1.12): what part of which page is asked for. The pages are in
 * `log-pages.ts`.
 */

import type { CommandAnswer } from '../engine/engine-types.js';
import { getBits, hasBit } from '../wire/bits.js';
import {
  GetLogPageCdw10Bits,
  GetLogPageCdw11Bits,
  GetLogPageCdw14Bits,
  SubmissionQueueEntry,
} from '../wire/layout.gen.js';
import type { AdminCommand } from './admin-command.js';
import { expectRoom } from './admin-command.js';
import { invalidField, invalidLogPage } from './command-error.js';
import { logPages } from './log-pages.js';

const { cdw10, cdw12, cdw14 } = SubmissionQueueEntry.fields;

export interface LogPageRequest {
  readonly lid: number;
  /** Log Specific Parameter. */
  readonly lsp: number;
  /** Whether the event that this page is about stays raised. */
  readonly retain: 'retain' | 'clear';
  /** Bytes, a multiple of 4. */
  readonly offset: bigint;
  /** Bytes, a multiple of 4. */
  readonly length: number;
}

function parse({ sqe }: AdminCommand): LogPageRequest {
  const dwordsLow = getBits(sqe.cdw10, GetLogPageCdw10Bits.numdl);
  const dwordsHigh = getBits(sqe.cdw11, GetLogPageCdw11Bits.numdu);
  return {
    lid: getBits(sqe.cdw10, GetLogPageCdw10Bits.lid),
    lsp: getBits(sqe.cdw10, GetLogPageCdw10Bits.lsp),
    retain: hasBit(sqe.cdw10, GetLogPageCdw10Bits.rae) ? 'retain' : 'clear',
    offset: BigInt(sqe.cdw12) | (BigInt(sqe.cdw13) << 32n),
    // 0's based
    length: (dwordsHigh * 0x10000 + dwordsLow + 1) * 4,
  };
}

function validate(command: AdminCommand, request: LogPageRequest): void {
  if (hasBit(command.sqe.cdw14, GetLogPageCdw14Bits.ot)) {
    throw invalidField('no log page here is read by index', cdw14.offset);
  }
  if (request.offset % 4n !== 0n) {
    throw invalidField(
      `expected an offset in dwords, got ${request.offset.toString()}`,
      cdw12.offset,
    );
  }
  if (request.length > command.state.engine.facts.transferBytesMax) {
    throw invalidField(`${request.length} bytes are more than MDTS allows`, cdw10.offset);
  }
}

export function getLogPage(command: AdminCommand): CommandAnswer {
  const request = parse(command);
  const { controller } = command;
  const page = logPages[request.lid];
  if (!page?.controllers.includes(controller.subsystem.kind)) {
    throw invalidLogPage(`there is no log page ${request.lid.toString(16)}h`);
  }
  validate(command, request);
  const whole = page.read(command, request);
  if (request.offset > BigInt(whole.length)) {
    throw invalidField(`the log page has ${whole.length} bytes`, cdw12.offset);
  }
  expectRoom(command, request.length);
  // Behind the end of the page is nothing, which reads as zeros that take no memory.
  const offset = Number(request.offset);
  const part = Buffer.isBuffer(whole)
    ? { data: whole.subarray(offset, offset + request.length) }
    : { page: whole.page, pageOffset: offset };
  const answer = { status: 0, ...part, dataLength: request.length };
  if (request.retain === 'clear') {
    controller.events.logRead(request.lid);
    page.clear?.(command);
  }
  return answer;
}
