/**
 * A connection of a hostile peer: from an address of its own, and without any of the manners that
 * test/host has. What comes back is cut into PDUs, or not read at all.
 */

import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { packBits } from '../../src/wire/bits.js';
import {
  AdminOpcode,
  CapsuleRespHeader,
  CommandFlagsBits,
  DataPointerType,
  FabricsCommandType,
  GetLogPageCdw10Bits,
  GetLogPageCdw11Bits,
  LogPage,
  PduType,
  PropertyGetCommand,
  PropertySetCommand,
  SubmissionQueueEntry,
  fabricsOpcode,
} from '../../src/wire/layout.gen.js';
import type { CompletionQueueEntry } from '../../src/wire/layout.gen.js';
import type { Address } from '../host/pdu-link.js';
import { PduSplitter, makeCapsule, makeIcReq, noDigests } from '../host/pdu.js';
import type { Pdu } from '../host/pdu.js';
import { inCapsuleSgl, makeConnect, transportSgl } from '../host/queue.js';

/** CAP is 8 bytes at offset 0; CC is 4 bytes at 14h. */
const eightBytes = 1;
const ccOffset = 0x14;

export class HostileLink {
  /** Settles when the connection is over, however it ended. */
  readonly over: Promise<void>;
  onPdu: (pdu: Pdu) => void = () => undefined;
  readonly #target: Address;
  readonly #localAddress: string;
  readonly #socket: Socket;
  readonly #beside: HostileLink[] = [];
  #received = 0;
  #wanted: ((pdu: Pdu | null) => void) | undefined;

  constructor(target: Address, localAddress: string) {
    this.#target = target;
    this.#localAddress = localAddress;
    const { address: host, port } = target;
    this.#socket = connect({ host, port, localAddress, allowHalfOpen: true });
    this.#socket.setNoDelay(true);
    this.#socket.on('error', () => undefined);
    this.#socket.on('end', () => {
      this.destroy();
    });
    const splitter = new PduSplitter();
    this.#socket.on('data', (chunk) => {
      for (const pdu of splitter.push(chunk)) {
        this.#received += 1;
        const wanted = this.#wanted;
        this.#wanted = undefined;
        if (wanted === undefined) this.onPdu(pdu);
        else wanted(pdu);
      }
    });
    this.over = new Promise((resolve) => {
      this.#socket.once('close', () => {
        this.#wanted?.(null);
        resolve();
      });
    });
  }

  /** Another connection from the same address to the same target: each ends with the other. */
  beside(): HostileLink {
    const other = new HostileLink(this.#target, this.#localAddress);
    this.#beside.push(other);
    void this.over.then(() => {
      other.destroy();
    });
    void other.over.then(() => {
      this.destroy();
    });
    return other;
  }

  /** This one, and those beside it. */
  get connections(): number {
    return this.#beside.length + 1;
  }

  /** PDUs that came back, on those beside it too. */
  get received(): number {
    return this.#beside.reduce((sum, other) => sum + other.received, this.#received);
  }

  send(bytes: Buffer): void {
    this.#socket.write(bytes);
  }

  /** The next PDU, or null if the connection ended first. */
  next(): Promise<Pdu | null> {
    return new Promise((resolve) => {
      if (this.#socket.destroyed) resolve(null);
      else this.#wanted = resolve;
    });
  }

  get isOver(): boolean {
    return this.#socket.destroyed;
  }

  stopReading(): void {
    this.#socket.pause();
  }

  /** For what answers in no PDUs: what comes is read, and that is all. */
  forgetReceived(): void {
    this.#socket.removeAllListeners('data');
    this.#socket.resume();
  }

  /**
   * With a reset. Who closes in order keeps the port for a minute, and when an address has no more
   * of them the kernel's search for one takes the processor from everybody.
   */
  destroy(): void {
    this.#socket.resetAndDestroy();
  }

  async initialize(): Promise<boolean> {
    this.send(makeIcReq());
    return (await this.next())?.type === PduType.icResp;
  }

  /** Makes a controller; false if that was refused or the connection ended. */
  async connect(subsystemNqn: string, hostNqn: string): Promise<boolean> {
    const { sqe, payload } = connectParts(subsystemNqn, hostNqn);
    sqe.dptr = inCapsuleSgl(payload.length);
    return (await this.command(sqe, payload)) !== null;
  }

  /** Null: it failed, or the connection ended first. */
  async command(sqe: SubmissionQueueEntry, payload?: Buffer): Promise<CompletionQueueEntry | null> {
    this.send(capsuleOf(sqe, payload));
    const answer = await this.next();
    if (answer?.type !== PduType.capsuleResp) return null;
    const { cqe } = new CapsuleRespHeader(answer.header);
    return cqe.status === 0 ? cqe : null;
  }
}

export function connectParts(
  subsystemNqn: string,
  hostNqn: string,
): { sqe: SubmissionQueueEntry; payload: Buffer } {
  const identity = { hostNqn, hostId: randomBytes(16), subsystemNqn };
  return makeConnect(identity, 0, 0xffff, { entries: 1024 });
}

/** A capsule as every host sends it: its data pointer is an SGL. */
export function capsuleOf(sqe: SubmissionQueueEntry, payload?: Buffer): Buffer {
  sqe.flags = packBits([CommandFlagsBits.psdt, DataPointerType.sgl]);
  return makeCapsule(sqe, noDigests, payload);
}

export function propertyGet(): Buffer {
  const command = PropertyGetCommand.alloc();
  command.opcode = fabricsOpcode;
  command.fctype = FabricsCommandType.propertyGet;
  command.attrib = eightBytes;
  return capsuleOf(new SubmissionQueueEntry(command.buffer));
}

export function propertySetCc(value: number): Buffer {
  const command = PropertySetCommand.alloc();
  command.opcode = fabricsOpcode;
  command.fctype = FabricsCommandType.propertySet;
  command.ofst = ccOffset;
  command.value = BigInt(value);
  return capsuleOf(new SubmissionQueueEntry(command.buffer));
}

export function discoveryLog(bytes: number): Buffer {
  const dwords = bytes / 4 - 1;
  const sqe = SubmissionQueueEntry.alloc();
  sqe.opcode = AdminOpcode.getLogPage;
  sqe.cdw10 = packBits(
    [GetLogPageCdw10Bits.lid, LogPage.discovery],
    [GetLogPageCdw10Bits.numdl, dwords % 0x10000],
  );
  sqe.cdw11 = packBits([GetLogPageCdw11Bits.numdu, Math.floor(dwords / 0x10000)]);
  sqe.dptr = transportSgl(bytes);
  return capsuleOf(sqe);
}
