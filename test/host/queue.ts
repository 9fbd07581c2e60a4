/**
 * A submission and completion queue pair over one connection: commands as promises, as many at once
 * as the queue has entries. Checks what the target does as a strict host would; a violation ends
 * the connection.
 */

import { hasBit, packBits } from '../../src/wire/bits.js';
import {
  C2hData,
  CapsuleRespHeader,
  CommandFlagsBits,
  ConnectAttributesBits,
  ConnectCommand,
  ConnectData,
  DataPointerType,
  DisconnectCommand,
  FabricsCommandType,
  PduFlagsBits,
  PduType,
  R2t,
  SglDescriptor,
  SglIdentifierBits,
  SglSubtype,
  SglType,
  StatusFieldBits,
  SubmissionQueueEntry,
  adminInCapsuleDataMax,
  cntlidDynamic,
  fabricsOpcode,
} from '../../src/wire/layout.gen.js';
import type { CompletionQueueEntry } from '../../src/wire/layout.gen.js';
import { within } from './bounded.js';
import { PduLink } from './pdu-link.js';
import type { Address, LinkEnd, LinkOptions } from './pdu-link.js';
import { ProtocolViolation, makeCapsule, makeH2cData } from './pdu.js';
import type { IcReqOptions, Pdu } from './pdu.js';
import { CommandFailed, withoutMore } from './status.js';

/** How a command's data travel to the target. */
export type PayloadWay = 'in_capsule' | 'r2t' | 'auto';

export interface Submission {
  /** Its CID and SGL are filled in. */
  readonly sqe: SubmissionQueueEntry;
  readonly payload?: Buffer;
  readonly way?: PayloadWay;
  /** Room for data from the target. */
  readonly readBytes?: number;
  /** Instead of the SGL that fits. */
  readonly sgl?: SglDescriptor;
  /** Instead of a free command identifier. */
  readonly cid?: number;
}

export interface Answer {
  /** Without More, which is apart. */
  readonly status: number;
  /** The error log has more about it. */
  readonly more: boolean;
  readonly dw0: number;
  readonly dw1: number;
  /** As much as the target sent. */
  readonly payload: Buffer;
  /** The command ended with the last C2HData, without a response capsule. */
  readonly silent: boolean;
}

export interface R2tFields {
  readonly cid: number;
  readonly ttag: number;
  readonly offset: number;
  readonly length: number;
}

export interface QueueIdentity {
  readonly hostNqn: string;
  /** 16 bytes. */
  readonly hostId: Buffer;
  readonly subsystemNqn: string;
}

export interface QueueOptions extends LinkOptions, IcReqOptions {
  /** SQSIZE + 1. */
  readonly entries?: number;
  readonly flowControl?: 'on' | 'off';
  readonly keepAliveTimeoutMs?: number;
}

interface Pending {
  readonly submission: Submission;
  readonly answered: (answer: Answer) => void;
  readonly failed: (error: Error) => void;
  readonly received: Buffer | null;
  receivedBytes: number;
  sentBytes: number;
}

/** The connection ended with commands outstanding. */
export class QueueEnded extends Error {
  readonly end: LinkEnd;

  constructor(end: LinkEnd) {
    const { termination, error } = end;
    const why =
      termination === null
        ? (error?.message ?? 'closed')
        : `C2HTermReq FES ${termination.fes} FEI ${termination.fei}`;
    super(`the queue ended: ${why}`, { cause: error });
    this.end = end;
  }
}

export function transportSgl(length: number): SglDescriptor {
  const sgl = SglDescriptor.alloc();
  sgl.length = length;
  sgl.identifier = packBits(
    [SglIdentifierBits.type, SglType.transportDataBlock],
    [SglIdentifierBits.subtype, SglSubtype.transportSpecific],
  );
  return sgl;
}

export function inCapsuleSgl(length: number, offset = 0n): SglDescriptor {
  const sgl = SglDescriptor.alloc();
  sgl.address = offset;
  sgl.length = length;
  sgl.identifier = packBits(
    [SglIdentifierBits.type, SglType.dataBlock],
    [SglIdentifierBits.subtype, SglSubtype.offset],
  );
  return sgl;
}

export class Queue {
  readonly link: PduLink;
  entries = 32;
  /** In-capsule data that the target takes. */
  inCapsuleMax = adminInCapsuleDataMax;
  /** In place of sending what an R2T asks for. */
  onR2t: ((r2t: R2tFields) => void) | undefined;
  flowControl: 'on' | 'off' = 'on';
  responsesReceived = 0;
  silentCompletions = 0;
  #lastCid = 0;
  #tail = 0;
  #head = 0;
  #end: LinkEnd | null = null;
  readonly #pending = new Map<number, Pending>();
  /** Commands that wait for a free entry. */
  readonly #line: (() => void)[] = [];

  constructor(link: PduLink) {
    this.link = link;
    link.onPdu = (pdu) => {
      this.#onPdu(pdu);
    };
    void link.ended.then((end) => {
      this.#end = end;
      const waiting = [...this.#pending.values()];
      this.#pending.clear();
      for (const { failed } of waiting) failed(new QueueEnded(end));
      for (const wake of this.#line.splice(0)) wake();
    });
  }

  get outstanding(): number {
    return this.#pending.size;
  }

  /** The answer, whatever its status. Rejects with QueueEnded when the connection ends first. */
  async submit(submission: Submission): Promise<Answer> {
    while (this.#pending.size >= this.entries - 1 && this.#end === null) {
      await new Promise<void>((resolve) => this.#line.push(resolve));
    }
    return this.submitNow(submission).answer;
  }

  /** As {@link submit}, whether the queue has an entry free or not; for those that need the CID. */
  submitNow(submission: Submission): { cid: number; answer: Promise<Answer> } {
    const cid = submission.cid ?? this.#freeCid();
    const answer = new Promise<Answer>((answered, failed) => {
      if (this.#end !== null) {
        failed(new QueueEnded(this.#end));
        return;
      }
      const { readBytes = 0 } = submission;
      const received = readBytes > 0 ? Buffer.alloc(readBytes) : null;
      const parts = { submission, answered, failed, received };
      this.#pending.set(cid, { ...parts, receivedBytes: 0, sentBytes: 0 });
      this.#tail = (this.#tail + 1) % this.entries;
      this.link.send(this.#capsule(submission, cid));
    });
    return { cid, answer };
  }

  /** As {@link submit}, where nothing but success is expected. */
  async command(what: string, submission: Submission): Promise<Answer> {
    const answer = await within(this.submit(submission), `an answer to ${what}`);
    if (answer.status !== 0) throw new CommandFailed(what, answer.status, answer.dw0);
    return answer;
  }

  /** Connect; the controller's identifier. */
  async connect(
    identity: QueueIdentity,
    qid: number,
    cntlid = cntlidDynamic,
    options: QueueOptions = {},
  ): Promise<number> {
    const { sqe, payload } = makeConnect(identity, qid, cntlid, options);
    const answer = await within(this.submit({ sqe, payload }), 'an answer to Connect');
    if (answer.status !== 0) {
      throw new CommandFailed('Connect', answer.status, answer.dw0, 'fabrics');
    }
    this.entries = options.entries ?? 32;
    this.flowControl = options.flowControl ?? 'on';
    this.#head = 1 % this.entries;
    this.#tail = this.#head;
    return answer.dw0 % 0x10000;
  }

  async disconnect(): Promise<Answer> {
    const command = new DisconnectCommand(Buffer.alloc(DisconnectCommand.size));
    command.opcode = fabricsOpcode;
    command.fctype = FabricsCommandType.disconnect;
    return this.submit({ sqe: new SubmissionQueueEntry(command.buffer) });
  }

  async close(): Promise<void> {
    await this.link.close();
  }

  #freeCid(): number {
    do this.#lastCid = (this.#lastCid + 1) % 0x10000;
    while (this.#pending.has(this.#lastCid));
    return this.#lastCid;
  }

  #capsule(submission: Submission, cid: number): Buffer {
    const { sqe, payload, way = 'auto', readBytes = 0, sgl } = submission;
    const bytes = payload?.length ?? 0;
    const inCapsule =
      bytes > 0 && (way === 'in_capsule' || (way === 'auto' && bytes <= this.inCapsuleMax));
    sqe.cid = cid;
    sqe.flags = (sqe.flags % 0x40) + packBits([CommandFlagsBits.psdt, DataPointerType.sgl]);
    sqe.dptr = sgl ?? (inCapsule ? inCapsuleSgl(bytes) : transportSgl(bytes + readBytes));
    return makeCapsule(sqe, this.link.digests, inCapsule ? payload : undefined);
  }

  #onPdu(pdu: Pdu): void {
    switch (pdu.type) {
      case PduType.capsuleResp:
        this.#onResponse(new CapsuleRespHeader(pdu.header).cqe);
        return;
      case PduType.c2hData:
        this.#onPayload(new C2hData(pdu.header), pdu);
        return;
      case PduType.r2t:
        this.#onR2t(new R2t(pdu.header));
        return;
      default:
        throw new ProtocolViolation(`PDU type ${pdu.type} on a queue`);
    }
  }

  #find(cid: number): Pending {
    const pending = this.#pending.get(cid);
    if (pending === undefined) throw new ProtocolViolation(`no command has CID ${cid}`);
    return pending;
  }

  #onResponse(cqe: CompletionQueueEntry): void {
    const { cid, status, dw0, dw1, sqhd } = cqe;
    const pending = this.#find(cid);
    this.responsesReceived++;
    if (cqe.sqid !== 0) throw new ProtocolViolation(`SQID ${cqe.sqid}`);
    this.#checkHead(sqhd, pending);
    const more = hasBit(status, StatusFieldBits.more);
    this.#finish(cid, pending, { status: withoutMore(status), more, dw0, dw1, silent: false });
  }

  /** The head goes forward, up to what was submitted. */
  #checkHead(sqhd: number, { submission }: Pending): void {
    // The answer to Connect has what belongs to a queue that is not there yet.
    if (submission.sqe.opcode === fabricsOpcode) return;
    if (this.flowControl === 'off') {
      if (sqhd !== 0) throw new ProtocolViolation(`SQHD ${sqhd} without flow control`);
      return;
    }
    const distance = (to: number) => (to - this.#head + this.entries) % this.entries;
    if (sqhd >= this.entries || distance(sqhd) > distance(this.#tail)) {
      throw new ProtocolViolation(`SQHD ${sqhd} is not in ${this.#head} to ${this.#tail}`);
    }
    this.#head = sqhd;
  }

  #onPayload(fields: C2hData, { flags, payload }: Pdu): void {
    const pending = this.#find(fields.cccid);
    const { received } = pending;
    if (received === null) throw new ProtocolViolation('C2HData for a command that reads nothing');
    const { datao, datal } = fields;
    if (datal === 0 || datal !== payload.length) throw new ProtocolViolation(`DATAL ${datal}`);
    if (datao !== pending.receivedBytes) throw new ProtocolViolation(`DATAO ${datao}`);
    if (datao + datal > received.length) throw new ProtocolViolation(`${datao + datal} bytes`);
    payload.copy(received, datao);
    pending.receivedBytes += datal;
    const last = hasBit(flags, PduFlagsBits.lastPdu);
    if (!hasBit(flags, PduFlagsBits.success)) return;
    if (!last) throw new ProtocolViolation('SUCCESS without LAST_PDU');
    if (this.flowControl === 'on') throw new ProtocolViolation('SUCCESS with flow control');
    this.silentCompletions++;
    const answer = { status: 0, more: false, dw0: 0, dw1: 0, silent: true };
    this.#finish(fields.cccid, pending, answer);
  }

  #onR2t(fields: R2t): void {
    const { cccid, ttag, r2to, r2tl } = fields;
    const pending = this.#find(cccid);
    const { payload } = pending.submission;
    if (payload === undefined || r2tl === 0 || r2to !== pending.sentBytes) {
      throw new ProtocolViolation(`R2T for ${r2tl} bytes at ${r2to}`);
    }
    if (r2to + r2tl > payload.length) throw new ProtocolViolation(`R2T to ${r2to + r2tl}`);
    pending.sentBytes += r2tl;
    const r2t = { cid: cccid, ttag, offset: r2to, length: r2tl };
    if (this.onR2t === undefined) this.sendHostData(r2t, payload);
    else this.onR2t(r2t);
  }

  /** What an R2T asks for, in PDUs of at most `pduBytes`. */
  sendHostData(r2t: R2tFields, payload: Buffer, pduBytes = this.link.maxH2cData): void {
    const end = r2t.offset + r2t.length;
    for (let datao = r2t.offset; datao < end; datao += pduBytes) {
      const part = payload.subarray(datao, Math.min(end, datao + pduBytes));
      const last = datao + part.length === end;
      const fields = { cccid: r2t.cid, ttag: r2t.ttag, datao, last };
      this.link.send(makeH2cData(fields, this.link.digests, part));
    }
  }

  #finish(cid: number, pending: Pending, answer: Omit<Answer, 'payload'>): void {
    this.#pending.delete(cid);
    const payload = pending.received?.subarray(0, pending.receivedBytes) ?? Buffer.alloc(0);
    pending.answered({ ...answer, payload });
    this.#line.shift()?.();
  }
}

/** A Connect command, which tests may spoil before it is sent. */
export function makeConnect(
  { hostNqn, hostId, subsystemNqn }: QueueIdentity,
  qid: number,
  cntlid: number,
  options: QueueOptions = {},
): { sqe: SubmissionQueueEntry; command: ConnectCommand; payload: Buffer } {
  const command = new ConnectCommand(Buffer.alloc(ConnectCommand.size));
  command.opcode = fabricsOpcode;
  command.fctype = FabricsCommandType.connect;
  command.qid = qid;
  command.sqsize = (options.entries ?? 32) - 1;
  command.kato = qid === 0 ? (options.keepAliveTimeoutMs ?? 0) : 0;
  command.cattr = packBits([
    ConnectAttributesBits.disableSqFlowControl,
    options.flowControl === 'off' ? 1 : 0,
  ]);
  const payload = ConnectData.alloc();
  payload.hostid = hostId;
  payload.cntlid = cntlid;
  payload.subnqn = subsystemNqn;
  payload.hostnqn = hostNqn;
  return { sqe: new SubmissionQueueEntry(command.buffer), command, payload: payload.buffer };
}

/** A connection after ICResp, with a queue's machinery around it. */
export async function openQueue(target: Address, options: QueueOptions = {}): Promise<Queue> {
  return new Queue(await PduLink.initialize(target, options));
}
