/**
 * The admin queue of a controller: properties, Identify, log pages, features, events, Keep Alive,
 * Abort.
 */

import { hasBit, packBits } from '../../src/wire/bits.js';
import {
  AbortCdw10Bits,
  AbortResultBits,
  AdminOpcode,
  CcBits,
  CommandSetSelected,
  CstsBits,
  FabricsCommandType,
  Feature,
  FeatureSelect,
  GetFeaturesCdw10Bits,
  GetLogPageCdw10Bits,
  GetLogPageCdw11Bits,
  IdentifyCdw10Bits,
  IdentifyCdw11Bits,
  IdentifyController,
  NumberOfQueuesFeatureBits,
  Property,
  PropertyAttributesBits,
  PropertyGetCommand,
  PropertySetCommand,
  PropertySize,
  SetFeaturesCdw10Bits,
  SubmissionQueueEntry,
  Cns,
  cntlidDynamic,
  fabricsOpcode,
} from '../../src/wire/layout.gen.js';
import { until } from './bounded.js';
import type { Address } from './pdu-link.js';
import { PduLink } from './pdu-link.js';
import { Queue } from './queue.js';
import type { Answer, QueueIdentity, QueueOptions } from './queue.js';

const identifyBytes = 4096;

export interface IdentifySelection {
  readonly cns: number;
  readonly nsid?: number;
  readonly csi?: number;
  readonly cntid?: number;
}

export interface LogSelection {
  readonly lid: number;
  readonly bytes: number;
  readonly offset?: bigint;
  readonly nsid?: number;
  readonly lsp?: number;
  readonly retain?: boolean;
}

/** CC of an enabled controller, as every host writes it. */
export function enabledConfiguration(): number {
  return packBits(
    [CcBits.en, 1],
    [CcBits.css, CommandSetSelected.nvm],
    [CcBits.iosqes, 6],
    [CcBits.iocqes, 4],
  );
}

export class AdminQueue extends Queue {
  readonly target: Address;
  readonly identity: QueueIdentity;
  readonly options: QueueOptions;
  cntlid = cntlidDynamic;

  private constructor(
    link: PduLink,
    target: Address,
    identity: QueueIdentity,
    options: QueueOptions,
  ) {
    super(link);
    this.target = target;
    this.identity = identity;
    this.options = options;
  }

  /** Connected, not enabled. */
  static async connect(
    target: Address,
    identity: QueueIdentity,
    options: QueueOptions = {},
  ): Promise<AdminQueue> {
    const link = await PduLink.initialize(target, options);
    const queue = new AdminQueue(link, target, identity, options);
    try {
      queue.cntlid = await queue.connect(identity, 0, cntlidDynamic, options);
      return queue;
    } catch (error) {
      link.destroy();
      throw error;
    }
  }

  async propertyGet(offset: number, size: 4 | 8 = 4): Promise<bigint> {
    const answer = await this.command('Property Get', { sqe: makePropertyGet(offset, size) });
    return BigInt(answer.dw0) | (BigInt(answer.dw1) << 32n);
  }

  async propertySet(offset: number, value: bigint): Promise<void> {
    await this.command('Property Set', { sqe: makePropertySet(offset, value) });
  }

  async status(): Promise<number> {
    return Number(await this.propertyGet(Property.csts));
  }

  async enable(): Promise<void> {
    await this.propertySet(Property.cc, BigInt(enabledConfiguration()));
    await until('CSTS.RDY', async () => hasBit(await this.status(), CstsBits.rdy));
  }

  async disable(): Promise<void> {
    await this.propertySet(Property.cc, 0n);
    await until('CSTS.RDY clear', async () => !hasBit(await this.status(), CstsBits.rdy));
  }

  async identify(selection: IdentifySelection): Promise<Buffer> {
    const submission = { sqe: makeIdentify(selection), readBytes: identifyBytes };
    return (await this.command('Identify', submission)).payload;
  }

  async identifyController(): Promise<IdentifyController> {
    return new IdentifyController(await this.identify({ cns: Cns.controller }));
  }

  async logPage(selection: LogSelection): Promise<Buffer> {
    const submission = { sqe: makeGetLogPage(selection), readBytes: selection.bytes };
    return (await this.command('Get Log Page', submission)).payload;
  }

  async getFeature(fid: number, select: number = FeatureSelect.current): Promise<number> {
    return (await this.command('Get Features', { sqe: makeGetFeatures(fid, select) })).dw0;
  }

  async setFeature(fid: number, value: number): Promise<number> {
    return (await this.command('Set Features', { sqe: makeSetFeatures(fid, value) })).dw0;
  }

  /** Asks for I/O queues; how many there may be. */
  async setQueueCount(count: number): Promise<number> {
    const value = packBits(
      [NumberOfQueuesFeatureBits.nsq, count - 1],
      [NumberOfQueuesFeatureBits.ncq, count - 1],
    );
    const granted = await this.setFeature(Feature.numberOfQueues, value);
    return (granted % 0x10000) + 1;
  }

  async keepAlive(): Promise<void> {
    await this.command('Keep Alive', { sqe: makeAdmin(AdminOpcode.keepAlive) });
  }

  /** Parked until an event: what dword 0 says then. */
  asynchronousEvent(): { cid: number; answer: Promise<Answer> } {
    return this.submitNow({ sqe: makeAdmin(AdminOpcode.asynchronousEventRequest) });
  }

  /** Whether the command was aborted. */
  async abort(sqid: number, cid: number): Promise<boolean> {
    const sqe = makeAdmin(AdminOpcode.abort);
    sqe.cdw10 = packBits([AbortCdw10Bits.sqid, sqid], [AbortCdw10Bits.cid, cid]);
    const { dw0 } = await this.command('Abort', { sqe });
    return !hasBit(dw0, AbortResultBits.notAborted);
  }
}

export function makeAdmin(opcode: number, nsid = 0): SubmissionQueueEntry {
  const sqe = SubmissionQueueEntry.alloc();
  sqe.opcode = opcode;
  sqe.nsid = nsid;
  return sqe;
}

function sizeAttribute(size: 4 | 8): number {
  const code = size === 8 ? PropertySize._8Bytes : PropertySize._4Bytes;
  return packBits([PropertyAttributesBits.size, code]);
}

export function makePropertyGet(offset: number, size: 4 | 8): SubmissionQueueEntry {
  const command = new PropertyGetCommand(Buffer.alloc(PropertyGetCommand.size));
  command.opcode = fabricsOpcode;
  command.fctype = FabricsCommandType.propertyGet;
  command.attrib = sizeAttribute(size);
  command.ofst = offset;
  return new SubmissionQueueEntry(command.buffer);
}

export function makePropertySet(
  offset: number,
  value: bigint,
  size: 4 | 8 = 4,
): SubmissionQueueEntry {
  const command = new PropertySetCommand(Buffer.alloc(PropertySetCommand.size));
  command.opcode = fabricsOpcode;
  command.fctype = FabricsCommandType.propertySet;
  command.attrib = sizeAttribute(size);
  command.ofst = offset;
  command.value = value;
  return new SubmissionQueueEntry(command.buffer);
}

export function makeIdentify(selection: IdentifySelection): SubmissionQueueEntry {
  const { cns, nsid = 0, csi = 0, cntid = 0 } = selection;
  const sqe = makeAdmin(AdminOpcode.identify, nsid);
  sqe.cdw10 = packBits([IdentifyCdw10Bits.cns, cns], [IdentifyCdw10Bits.cntid, cntid]);
  sqe.cdw11 = packBits([IdentifyCdw11Bits.csi, csi]);
  return sqe;
}

export function makeGetLogPage(selection: LogSelection): SubmissionQueueEntry {
  const { lid, bytes, offset = 0n, nsid = 0, lsp = 0, retain = false } = selection;
  const sqe = makeAdmin(AdminOpcode.getLogPage, nsid);
  const dwords = bytes / 4 - 1;
  sqe.cdw10 = packBits(
    [GetLogPageCdw10Bits.lid, lid],
    [GetLogPageCdw10Bits.lsp, lsp],
    [GetLogPageCdw10Bits.rae, retain ? 1 : 0],
    [GetLogPageCdw10Bits.numdl, dwords % 0x10000],
  );
  sqe.cdw11 = packBits([GetLogPageCdw11Bits.numdu, Math.floor(dwords / 0x10000)]);
  sqe.cdw12 = Number(BigInt.asUintN(32, offset));
  sqe.cdw13 = Number(offset >> 32n);
  return sqe;
}

export function makeGetFeatures(fid: number, select: number): SubmissionQueueEntry {
  const sqe = makeAdmin(AdminOpcode.getFeatures);
  sqe.cdw10 = packBits([GetFeaturesCdw10Bits.fid, fid], [GetFeaturesCdw10Bits.sel, select]);
  return sqe;
}

export function makeSetFeatures(fid: number, value: number): SubmissionQueueEntry {
  const sqe = makeAdmin(AdminOpcode.setFeatures);
  sqe.cdw10 = packBits([SetFeaturesCdw10Bits.fid, fid]);
  sqe.cdw11 = value;
  return sqe;
}
