/** An I/O queue: the NVM command set on one namespace at a time. */

import { packBits } from '../../src/wire/bits.js';
import {
  DatasetManagementCdw10Bits,
  DatasetManagementCdw11Bits,
  DsmRange,
  IoOpcode,
  LbaRangeCdw12Bits,
  SubmissionQueueEntry,
} from '../../src/wire/layout.gen.js';
import type { AdminQueue } from './admin-queue.js';
import { PduLink } from './pdu-link.js';
import { Queue } from './queue.js';
import type { Answer, PayloadWay, QueueOptions } from './queue.js';

export interface BlockRange {
  readonly slba: bigint;
  readonly blocks: number;
}

export interface TransferOptions {
  readonly nsid?: number;
  readonly way?: PayloadWay;
  readonly forceUnitAccess?: boolean;
  readonly deallocate?: boolean;
}

export class IoQueue extends Queue {
  readonly qid: number;
  /** Bytes of a logical block. */
  blockBytes = 512;

  private constructor(link: PduLink, qid: number) {
    super(link);
    this.qid = qid;
  }

  /**
   * Queue `qid` of the admin queue's controller. Options are the admin queue's where they are not
   * given.
   */
  static async connect(
    admin: AdminQueue,
    qid: number,
    options: QueueOptions = {},
  ): Promise<IoQueue> {
    const all = { ...admin.options, ...options };
    const link = await PduLink.initialize(admin.target, all);
    const queue = new IoQueue(link, qid);
    try {
      await queue.connect(admin.identity, qid, admin.cntlid, all);
      return queue;
    } catch (error) {
      link.destroy();
      throw error;
    }
  }

  async read(slba: bigint, blocks: number, options: TransferOptions = {}): Promise<Buffer> {
    const sqe = makeRange(IoOpcode.read, { slba, blocks }, options);
    const answer = await this.command('Read', { sqe, readBytes: blocks * this.blockBytes });
    if (answer.payload.length !== blocks * this.blockBytes) {
      throw new Error(`expected ${blocks} blocks, got ${answer.payload.length} bytes`);
    }
    return answer.payload;
  }

  async write(slba: bigint, payload: Buffer, options: TransferOptions = {}): Promise<void> {
    await this.command('Write', this.#sending(IoOpcode.write, slba, payload, options));
  }

  /** The status, which is Compare Failure when they differ. */
  async compare(slba: bigint, payload: Buffer, options: TransferOptions = {}): Promise<number> {
    const submission = this.#sending(IoOpcode.compare, slba, payload, options);
    return (await this.submit(submission)).status;
  }

  async flush(nsid = 1): Promise<void> {
    await this.command('Flush', { sqe: makeIo(IoOpcode.flush, nsid) });
  }

  async writeZeroes(range: BlockRange, options: TransferOptions = {}): Promise<void> {
    await this.command('Write Zeroes', { sqe: makeRange(IoOpcode.writeZeroes, range, options) });
  }

  async deallocate(ranges: readonly BlockRange[], options: TransferOptions = {}): Promise<void> {
    await this.command('Dataset Management', makeDeallocate(ranges, options));
  }

  #sending(opcode: number, slba: bigint, payload: Buffer, options: TransferOptions) {
    const blocks = payload.length / this.blockBytes;
    const sqe = makeRange(opcode, { slba, blocks }, options);
    return { sqe, payload, way: options.way ?? 'auto' } as const;
  }

  /** A Read whatever its status. */
  async tryRead(range: BlockRange, options: TransferOptions = {}): Promise<Answer> {
    const sqe = makeRange(IoOpcode.read, range, options);
    return this.submit({ sqe, readBytes: range.blocks * this.blockBytes });
  }

  /** A Write whatever its status. */
  async tryWrite(slba: bigint, payload: Buffer, options: TransferOptions = {}): Promise<Answer> {
    return this.submit(this.#sending(IoOpcode.write, slba, payload, options));
  }
}

export function makeIo(opcode: number, nsid = 1): SubmissionQueueEntry {
  const sqe = SubmissionQueueEntry.alloc();
  sqe.opcode = opcode;
  sqe.nsid = nsid;
  return sqe;
}

export function makeRange(
  opcode: number,
  { slba, blocks }: BlockRange,
  options: TransferOptions = {},
): SubmissionQueueEntry {
  const sqe = makeIo(opcode, options.nsid);
  sqe.cdw10 = Number(BigInt.asUintN(32, slba));
  sqe.cdw11 = Number(BigInt.asUintN(32, slba >> 32n));
  sqe.cdw12 = packBits(
    [LbaRangeCdw12Bits.nlb, blocks - 1],
    [LbaRangeCdw12Bits.deac, options.deallocate === true ? 1 : 0],
    [LbaRangeCdw12Bits.fua, options.forceUnitAccess === true ? 1 : 0],
  );
  return sqe;
}

export function makeDeallocate(
  ranges: readonly BlockRange[],
  options: TransferOptions = {},
): { sqe: SubmissionQueueEntry; payload: Buffer } {
  const sqe = makeIo(IoOpcode.datasetManagement, options.nsid);
  sqe.cdw10 = packBits([DatasetManagementCdw10Bits.nr, ranges.length - 1]);
  sqe.cdw11 = packBits([DatasetManagementCdw11Bits.ad, 1]);
  const list = ranges.map(({ slba, blocks }) => {
    const range = DsmRange.alloc();
    range.slba = slba;
    range.nlb = blocks;
    return range.buffer;
  });
  return { sqe, payload: Buffer.concat(list) };
}
