/** PDUs of a host: how they are made, and how what comes back is cut into PDUs and judged. */

import { hasBit, packBits } from '../../src/wire/bits.js';
import {
  C2hData,
  CapsuleCmdHeader,
  CapsuleRespHeader,
  DigestEnableBits,
  H2cData,
  IcReq,
  IcResp,
  PduCommonHeader,
  PduFlagsBits,
  PduType,
  PduTypeName,
  R2t,
  TermReq,
  digestSize,
  termReqDataMax,
} from '../../src/wire/layout.gen.js';
import type { SubmissionQueueEntry } from '../../src/wire/layout.gen.js';
import { crc32c } from './crc32c.js';

export interface Digests {
  readonly header: boolean;
  readonly payload: boolean;
}

export const noDigests: Digests = { header: false, payload: false };

/** The target broke the protocol. */
export class ProtocolViolation extends Error {}

export interface IcReqOptions {
  readonly digests?: Digests;
  readonly pfv?: number;
  readonly hpda?: number;
  readonly maxr2t?: number;
}

export function makeIcReq(options: IcReqOptions = {}): Buffer {
  const pdu = IcReq.alloc();
  fillCommon(pdu.common, PduType.icReq, IcReq.size, IcReq.size);
  pdu.pfv = options.pfv ?? 0;
  pdu.hpda = options.hpda ?? 0;
  const { header, payload } = options.digests ?? noDigests;
  pdu.dgst = packBits(
    [DigestEnableBits.hdgstEnable, header ? 1 : 0],
    [DigestEnableBits.ddgstEnable, payload ? 1 : 0],
  );
  pdu.maxr2t = options.maxr2t ?? 0;
  return pdu.buffer;
}

/** A command capsule; `inCapsule` lies right behind the header. */
export function makeCapsule(
  sqe: SubmissionQueueEntry,
  digests: Digests,
  inCapsule: Buffer = Buffer.alloc(0),
): Buffer {
  const pdu = CapsuleCmdHeader.alloc();
  pdu.sqe = sqe;
  return finish(pdu.buffer, PduType.capsuleCmd, digests, inCapsule);
}

export interface H2cDataFields {
  readonly cccid: number;
  readonly ttag: number;
  readonly datao: number;
  /** The payload's length, if not told otherwise. */
  readonly datal?: number;
  readonly last: boolean;
}

export function makeH2cData(fields: H2cDataFields, digests: Digests, payload: Buffer): Buffer {
  const pdu = H2cData.alloc();
  pdu.cccid = fields.cccid;
  pdu.ttag = fields.ttag;
  pdu.datao = fields.datao;
  pdu.datal = fields.datal ?? payload.length;
  return finish(pdu.buffer, PduType.h2cData, digests, payload, fields.last ? 'last' : 'more');
}

export function makeH2cTermReq(fes: number, fei: number, cause: Buffer): Buffer {
  const pdu = TermReq.alloc();
  pdu.fes = fes;
  pdu.fei = fei;
  const plen = TermReq.size + cause.length;
  fillCommon(pdu.common, PduType.h2cTermReq, TermReq.size, plen);
  return Buffer.concat([pdu.buffer, cause]);
}

function fillCommon(common: PduCommonHeader, type: number, hlen: number, plen: number): void {
  common.type = type;
  common.hlen = hlen;
  common.plen = plen;
}

/** Fills in the common header and adds digests and payload. */
function finish(
  header: Buffer,
  type: number,
  digests: Digests,
  payload: Buffer,
  position: 'last' | 'more' = 'more',
): Buffer {
  const headerBytes = header.length + (digests.header ? digestSize : 0);
  const hasPayload = payload.length > 0;
  const hasPayloadDigest = digests.payload && hasPayload;
  const common = new PduCommonHeader(header);
  const plen = headerBytes + payload.length + (hasPayloadDigest ? digestSize : 0);
  fillCommon(common, type, header.length, plen);
  common.flags = packBits(
    [PduFlagsBits.hdgstf, digests.header ? 1 : 0],
    [PduFlagsBits.ddgstf, hasPayloadDigest ? 1 : 0],
    [PduFlagsBits.lastPdu, position === 'last' ? 1 : 0],
  );
  common.pdo = hasPayload ? headerBytes : 0;
  const parts = [header];
  if (digests.header) parts.push(digestOf(header));
  parts.push(payload);
  if (hasPayloadDigest) parts.push(digestOf(payload));
  return Buffer.concat(parts);
}

export function digestOf(bytes: Buffer): Buffer {
  const digest = Buffer.alloc(digestSize);
  digest.writeUInt32LE(crc32c(bytes));
  return digest;
}

/** A PDU of the target, whole and checked. */
export interface Pdu {
  readonly type: number;
  readonly flags: number;
  /** HLEN bytes. */
  readonly header: Buffer;
  readonly payload: Buffer;
}

const headerLengths: Readonly<Record<number, number>> = {
  [PduType.icResp]: IcResp.size,
  [PduType.c2hTermReq]: TermReq.size,
  [PduType.capsuleResp]: CapsuleRespHeader.size,
  [PduType.c2hData]: C2hData.size,
  [PduType.r2t]: R2t.size,
};

/** More than any PDU that a target may send to these tests. */
const plenMax = 2 ** 24;

/** Cuts a stream into PDUs. Whatever a target must not send is a ProtocolViolation. */
export class PduSplitter {
  digests: Digests = noDigests;
  #chunks: Buffer[] = [];
  #bytes = 0;

  *push(chunk: Buffer): Iterable<Pdu> {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    for (;;) {
      const plen = this.#plen();
      if (plen === undefined || this.#bytes < plen) return;
      yield this.#cut(plen);
    }
  }

  #plen(): number | undefined {
    if (this.#bytes < PduCommonHeader.size) return undefined;
    if (this.#chunks[0]!.length < PduCommonHeader.size)
      this.#chunks = [Buffer.concat(this.#chunks)];
    const common = new PduCommonHeader(this.#chunks[0]!);
    if (common.plen < PduCommonHeader.size || common.plen > plenMax) {
      throw new ProtocolViolation(`PLEN ${common.plen}`);
    }
    return common.plen;
  }

  #cut(plen: number): Pdu {
    const all = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
    const rest = all.subarray(plen);
    this.#chunks = rest.length > 0 ? [rest] : [];
    this.#bytes = rest.length;
    return checkPdu(all.subarray(0, plen), this.digests);
  }
}

function expectEqual(what: string, got: number, expected: number): void {
  if (got !== expected) throw new ProtocolViolation(`expected ${what} ${expected}, got ${got}`);
}

function checkPdu(bytes: Buffer, agreed: Digests): Pdu {
  const common = new PduCommonHeader(bytes);
  const { type, flags, hlen, pdo, plen } = common;
  const name = PduTypeName[type] ?? `type ${type}`;
  const expectedHlen = headerLengths[type];
  if (expectedHlen === undefined) throw new ProtocolViolation(`a target does not send ${name}`);
  expectEqual(`${name} HLEN`, hlen, expectedHlen);
  const digestible = type !== PduType.icResp && type !== PduType.c2hTermReq;
  const headerDigest = digestible && agreed.header;
  const payloadDigest = agreed.payload && type === PduType.c2hData;
  expectEqual(`${name} HDGSTF`, Number(hasBit(flags, PduFlagsBits.hdgstf)), Number(headerDigest));
  expectEqual(`${name} DDGSTF`, Number(hasBit(flags, PduFlagsBits.ddgstf)), Number(payloadDigest));
  const header = bytes.subarray(0, hlen);
  let payloadBegin = hlen;
  if (headerDigest) {
    const digest = bytes.readUInt32LE(hlen);
    expectEqual(`${name} header digest`, digest, crc32c(header));
    payloadBegin += digestSize;
  }
  if (type === PduType.c2hData) {
    if (pdo < payloadBegin || pdo % 4 !== 0) throw new ProtocolViolation(`${name} PDO ${pdo}`);
    payloadBegin = pdo;
  } else {
    expectEqual(`${name} PDO`, pdo, 0);
  }
  const payloadEnd = plen - (payloadDigest ? digestSize : 0);
  const payload = bytes.subarray(payloadBegin, payloadEnd);
  if (payloadDigest) {
    expectEqual(`${name} data digest`, bytes.readUInt32LE(payloadEnd), crc32c(payload));
  }
  if (type === PduType.c2hTermReq) {
    if (payload.length > termReqDataMax) throw new ProtocolViolation(`${name} PLEN ${plen}`);
  } else if (type !== PduType.c2hData) {
    expectEqual(`${name} PLEN`, plen, payloadBegin);
  }
  return { type, flags, header, payload };
}
