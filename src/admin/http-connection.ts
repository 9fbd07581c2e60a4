/**
 * One connection of the side-car, between its socket and Node's HTTP, which would read, and carry
 * out, all that a peer sends at once. Here the peer has one request at a time: what it sends behind
 * a request waits, unread, until the answer is with the kernel. And it has debts, each with a time
 * that none of its bytes renews:
 *
 *     a request   from accept, or from the end of the last answer, until all of it is there
 *     an answer   from when we write it until the kernel has taken it
 *
 * Owned by {@link HttpPeers}, which looks at {@link HttpConnection.dueMs}.
 */

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { hostOf } from '../transport/peer-address.js';
import { PieceCutter } from './http-piece.js';
import type { HttpTurns, TurnTaker } from './http-turns.js';

export interface HttpConnectionOwner {
  readonly turns: HttpTurns;
  /** Monotonic, ms. */
  readonly nowMs: () => number;
  /** The kernel did not take all of an answer at once. */
  readonly onUnread: () => void;
}

/** What the peer does now: it owes a request, it waits for us, or it owes us its reading. */
export type HttpPeerState = 'asking' | 'waiting' | 'taking';

export class HttpConnection extends Duplex implements TurnTaker {
  static readonly requestMs = 10_000;
  static readonly answerMs = 10_000;
  /** Each second more for so much of an answer. */
  static readonly answerBytesPerSecond = 64 * 1024;
  /** So what the kernel keeps of a peer's answers is bounded: it may take all of them. */
  static readonly requestsMax = 100;

  /** Of a request that was answered before all of it was there. */
  static readonly discardedBytesMax = 128 * 1024;

  readonly host: string;
  readonly #socket: Socket;
  readonly #owner: HttpConnectionOwner;
  readonly #cutter = new PieceCutter();
  /** Received, and not looked at. */
  #held: Buffer = Buffer.alloc(0);
  #isPieceWanted = false;
  /** Bytes, once nothing more of what it sends is looked at. */
  #discarded: number | undefined;
  #isEndPushed = false;
  #isReset = false;
  #isRefused = false;
  #request: IncomingMessage | undefined;
  #requestCount = 0;
  #unanswered = 0;
  #isTrusted = false;
  /** Since when it owes a request. */
  #askingSinceMs: number;
  #hasBegun = false;
  #taking: { readonly sinceMs: number; readonly bytes: number } | undefined;

  constructor(socket: Socket, owner: HttpConnectionOwner) {
    super();
    this.host = hostOf(socket.remoteAddress ?? '');
    this.#socket = socket;
    this.#owner = owner;
    this.#askingSinceMs = owner.nowMs();
    socket.on('readable', this.#offer);
    socket.on('end', this.#offer);
    socket.on('error', (error) => this.destroy(error));
    socket.on('close', () => this.destroy());
  }

  get state(): HttpPeerState {
    if (this.#taking !== undefined) return 'taking';
    return this.#isAnswerDue ? 'waiting' : 'asking';
  }

  get sinceMs(): number {
    return this.#taking?.sinceMs ?? this.#askingSinceMs;
  }

  /** When its oldest debt is late. */
  get dueMs(): number {
    if (this.#taking !== undefined) {
      const { sinceMs, bytes } = this.#taking;
      const { answerMs, answerBytesPerSecond } = HttpConnection;
      return sinceMs + answerMs + (bytes / answerBytesPerSecond) * 1000;
    }
    return this.#isAnswerDue ? Infinity : this.#askingSinceMs + HttpConnection.requestMs;
  }

  /** Of answers that the kernel has not taken. */
  get unreadBytes(): number {
    return this.writableLength;
  }

  /** Whether a part of a request came, and not all of it. */
  get hasBegun(): boolean {
    return this.#hasBegun && this.state === 'asking';
  }

  /** Whether its peer has shown the token, and waits for what it asked with it. */
  get isTrusted(): boolean {
    return this.#isTrusted && this.#isAnswerDue;
  }

  /** The request that it has now has the token. */
  trust(): void {
    this.#isTrusted = true;
  }

  /** The header of a request is there; its answer will be `response`. */
  begin(request: IncomingMessage, response: ServerResponse): void {
    this.#request = request;
    this.#requestCount += 1;
    this.#unanswered += 1;
    this.#isTrusted = false;
    if (this.#requestCount >= HttpConnection.requestsMax) response.shouldKeepAlive = false;
    response.once('close', () => {
      this.#unanswered -= 1;
      this.#hasBegun = false;
      if (this.#isAnswerDue || !request.complete) return;
      this.#askingSinceMs = this.#owner.nowMs();
      this.#offer();
    });
  }

  takeTurn(): boolean {
    if (!this.#isPieceWanted || this.#isAnswerDue || this.#isRefused || this.destroyed)
      return false;
    const piece = this.#cutter.next(this.#held);
    this.#held = this.#held.subarray(piece.length);
    this.#isPieceWanted = false;
    this.#hasBegun ||= this.#request?.complete ?? true;
    this.push(piece);
    // What Node's HTTP wants next it says in a moment.
    return false;
  }

  /** Ends it, and lets nobody have what was written and is not with the kernel. */
  reset(): void {
    this.#isReset = true;
    this.destroy();
  }

  /** With an answer to what is no request; nothing more is looked at. */
  refuse(answer: string): void {
    this.#isRefused = true;
    this.#hasBegun = false;
    this.end(answer);
    this.destroySoon();
  }

  /**
   * As a socket's: Node's HTTP calls it behind the last answer. Closing a socket whose peer still
   * sends would lose the answer on its way; so the rest of the request is awaited, and forgotten.
   */
  destroySoon(): void {
    const finished = (): void => {
      if (this.#isRefused || this.#request?.complete === false) this.#discard();
      else this.destroy();
    };
    if (this.writable) this.end();
    if (this.writableFinished) finished();
    else this.once('finish', finished);
  }

  override _read(): void {
    this.#isPieceWanted = true;
    this.#offer();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error) => void): void {
    this.#taking = { sinceMs: this.#owner.nowMs(), bytes: chunk.length };
    const isTaken = this.#socket.write(chunk, (error) => {
      this.#taking = undefined;
      done(error ?? undefined);
    });
    if (!isTaken) this.#owner.onUnread();
  }

  override _writev(
    chunks: readonly { readonly chunk: Buffer }[],
    done: (error?: Error) => void,
  ): void {
    this._write(Buffer.concat(chunks.map(({ chunk }) => chunk)), 'binary', done);
  }

  override _final(done: () => void): void {
    this.#socket.end(done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#owner.turns.forget(this);
    this.#held = Buffer.alloc(0);
    // By itself that would wait for what is written to be read.
    if (this.#isReset && this.#socket.writableLength > 0) this.#socket.resetAndDestroy();
    this.#socket.destroy();
    done(error);
  }

  /** All of a request is there, and not all of its answer is with the kernel. */
  get #isAnswerDue(): boolean {
    return this.#unanswered > 0 && this.#request?.complete === true;
  }

  #discard(): void {
    if (this.#discarded === undefined) {
      this.#discarded = this.#held.length;
      this.#held = Buffer.alloc(0);
      this.#owner.turns.forget(this);
    }
    this.#discarded += (this.#socket.read() as Buffer | null)?.length ?? 0;
    const { readableEnded } = this.#socket;
    if (readableEnded || this.#discarded > HttpConnection.discardedBytesMax) this.destroy();
  }

  /** If there is a piece that is wanted, waits for its turn. */
  readonly #offer = (): void => {
    if (this.#discarded !== undefined) {
      this.#discard();
      return;
    }
    if (!this.#isPieceWanted || this.#isAnswerDue || this.#isRefused || this.destroyed) return;
    if (this.#held.length === 0) this.#held = (this.#socket.read() as Buffer | null) ?? this.#held;
    if (this.#held.length > 0) this.#owner.turns.want(this);
    else if (this.#socket.readableEnded && !this.#isEndPushed) {
      this.#isEndPushed = true;
      this.push(null);
    }
  };
}
