/**
 * A TCP connection that carries PDUs, and nothing more: sends any bytes, in pieces of any size, and
 * shows what comes back. What a queue needs is in `queue.ts`; tests of protocol errors use the link
 * itself.
 */

import { connect as tcpConnect } from 'node:net';
import type { Socket } from 'node:net';
import { once } from 'node:events';
import { hasBit } from '../../src/wire/bits.js';
import {
  DigestEnableBits,
  IcResp,
  PduType,
  PduTypeName,
  TermReq,
} from '../../src/wire/layout.gen.js';
import { within } from './bounded.js';
import { PduSplitter, ProtocolViolation, makeIcReq, noDigests } from './pdu.js';
import type { Digests, IcReqOptions, Pdu } from './pdu.js';

export interface Address {
  readonly address: string;
  readonly port: number;
}

/** A C2HTermReq as tests compare it. */
export interface Termination {
  readonly fes: number;
  readonly fei: number;
  /** The header of the PDU at fault, as the target sent it back. */
  readonly cause: Buffer;
}

/** How a link ended. */
export interface LinkEnd {
  readonly termination: Termination | null;
  /** The stream's error, such as ECONNRESET; or a ProtocolViolation. */
  readonly error: Error | null;
}

/** Cuts what is written into the pieces that go out one by one. */
export type Cutter = (bytes: Buffer) => Iterable<Buffer>;

export const byteByByte: Cutter = function* (bytes) {
  for (let at = 0; at < bytes.length; at++) yield bytes.subarray(at, at + 1);
};

export interface LinkOptions {
  readonly cutter?: Cutter;
}

export class PduLink {
  digests: Digests = noDigests;
  /** MAXH2CDATA of the target. */
  maxH2cData = 0;
  cutter: Cutter | undefined;
  /** Takes PDUs as they come; without it they wait for {@link next}. */
  onPdu: ((pdu: Pdu) => void) | undefined;
  /** Settles when the stream is over, and never rejects. */
  readonly ended: Promise<LinkEnd>;
  bytesSent = 0;
  bytesReceived = 0;
  readonly #socket: Socket;
  readonly #splitter = new PduSplitter();
  readonly #waiting: Pdu[] = [];
  #wanted: ((pdu: Pdu | undefined) => void) | undefined;
  #termination: Termination | null = null;
  #error: Error | null = null;
  #sending: Promise<void> = Promise.resolve();
  #isOver = false;

  private constructor(socket: Socket, options: LinkOptions) {
    this.#socket = socket;
    this.cutter = options.cutter;
    socket.setNoDelay(true);
    socket.on('data', (chunk) => {
      this.bytesReceived += chunk.length;
      this.#onBytes(chunk);
    });
    socket.on('error', (error) => {
      this.#error ??= error;
    });
    socket.on('end', () => {
      socket.end();
    });
    this.ended = new Promise((resolve) => {
      socket.once('close', () => {
        this.#isOver = true;
        this.#wanted?.(undefined);
        resolve({ termination: this.#termination, error: this.#error });
      });
    });
  }

  /** A TCP connection without a byte sent. */
  static async open({ address, port }: Address, options: LinkOptions = {}): Promise<PduLink> {
    const socket = tcpConnect({ host: address, port, allowHalfOpen: true });
    const link = new PduLink(socket, options);
    await within(once(socket, 'connect'), `a connection to ${address} ${port}`);
    return link;
  }

  /** As {@link open}, with ICReq answered by ICResp. */
  static async initialize(
    target: Address,
    options: LinkOptions & IcReqOptions = {},
  ): Promise<PduLink> {
    const link = await PduLink.open(target, options);
    await link.initialize(options);
    return link;
  }

  async initialize(options: IcReqOptions = {}): Promise<IcResp> {
    this.send(makeIcReq(options));
    const pdu = await this.next();
    if (pdu.type !== PduType.icResp) {
      throw new ProtocolViolation(`expected ICResp, got ${PduTypeName[pdu.type] ?? pdu.type}`);
    }
    const response = new IcResp(pdu.header);
    this.digests = {
      header: hasBit(response.dgst, DigestEnableBits.hdgstEnable),
      payload: hasBit(response.dgst, DigestEnableBits.ddgstEnable),
    };
    this.#splitter.digests = this.digests;
    this.maxH2cData = response.maxh2cdata;
    return response;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  send(bytes: Buffer): void {
    this.bytesSent += bytes.length;
    const { cutter } = this;
    if (cutter === undefined) {
      this.#socket.write(bytes);
      return;
    }
    this.#sending = this.#sending.then(() => this.#sendPieces(cutter(bytes)));
  }

  /** Each piece is a segment of its own, as far as one can tell the kernel. */
  async #sendPieces(pieces: Iterable<Buffer>): Promise<void> {
    for (const piece of pieces) {
      if (this.#isOver) return;
      this.#socket.write(piece);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** The next PDU, in order. Rejects when the stream ends first. */
  async next(): Promise<Pdu> {
    const first = this.#waiting.shift();
    if (first !== undefined) return first;
    const pdu = await within(
      new Promise<Pdu | undefined>((resolve) => {
        this.#wanted = resolve;
        if (this.#isOver) resolve(undefined);
      }),
      'a PDU',
    );
    this.#wanted = undefined;
    if (pdu === undefined) throw this.#error ?? new Error('the target closed the connection');
    return pdu;
  }

  /** Our side is done; the target's may still come. */
  end(): void {
    this.#socket.end();
  }

  /** Gone at once, as when a host crashes. */
  destroy(): void {
    this.#socket.destroy();
  }

  /** As {@link destroy}, with a RST instead of a FIN. */
  reset(): void {
    this.#socket.resetAndDestroy();
  }

  /** Stops reading, so that the target's answers pile up. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  async closed(): Promise<LinkEnd> {
    return within(this.ended, 'the end of the connection');
  }

  async close(): Promise<void> {
    this.end();
    await this.closed();
  }

  #onBytes(chunk: Buffer): void {
    try {
      for (const pdu of this.#splitter.push(chunk)) this.#onPdu(pdu);
    } catch (error) {
      this.fail(error as Error);
    }
  }

  /** The target did something that it must not do: the connection is of no use any more. */
  fail(error: Error): void {
    this.#error ??= error;
    this.#socket.destroy();
  }

  #onPdu(pdu: Pdu): void {
    if (this.#termination !== null) throw new ProtocolViolation('a PDU behind a C2HTermReq');
    if (pdu.type === PduType.c2hTermReq) {
      const { fes, fei } = new TermReq(pdu.header);
      this.#termination = { fes, fei, cause: Buffer.from(pdu.payload) };
      // Nobody but the host closes the connection then.
      this.#socket.end();
      return;
    }
    const wanted = this.#wanted;
    if (this.onPdu !== undefined) this.onPdu(pdu);
    else if (wanted !== undefined) {
      this.#wanted = undefined;
      wanted(pdu);
    } else this.#waiting.push(pdu);
  }
}
