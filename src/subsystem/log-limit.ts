/**
 * Bounds what others can make the daemon log, by kind of line and by peer: so many lines an
 * interval of each kind, and fewer of one peer, so that a noisy one does not hide the others. What
 * was held back is counted and said at the interval's end.
 */

import type { Clock } from './target-options.js';

/** What an interval left out; `count` is never zero. */
export interface HeldBack {
  readonly count: number;
  /** How many peers had lines left out; at most {@link LogLimit.peersMax} are told apart. */
  readonly peers: number;
  /** The one with the most. */
  readonly peer: string;
}

export class LogLimit {
  /** Lines of one kind and one peer. */
  static readonly linesOfPeerMax = 5;
  /** Lines of one kind. */
  static readonly linesMax = 50;
  static readonly intervalMs = 10_000;
  static readonly peersMax = 256;

  readonly #clock: Clock;
  readonly #onHeldBack: (heldBack: HeldBack) => void;
  #lines = 0;
  #heldBack = 0;
  #running = false;
  /** By peer: lines that were wanted in this interval. */
  readonly #wanted = new Map<string, number>();

  constructor(clock: Clock, onHeldBack: (heldBack: HeldBack) => void) {
    this.#clock = clock;
    this.#onHeldBack = onHeldBack;
  }

  /** Whether one more line about this peer may be written now. */
  allows(peer: string): boolean {
    if (!this.#running) {
      this.#running = true;
      this.#clock.after(LogLimit.intervalMs, () => {
        this.#intervalEnded();
      });
    }
    // Those that are not told apart share one allowance.
    const known = this.#wanted.has(peer) || this.#wanted.size < LogLimit.peersMax;
    const key = known ? peer : '';
    const wanted = (this.#wanted.get(key) ?? 0) + 1;
    this.#wanted.set(key, wanted);
    if (wanted <= LogLimit.linesOfPeerMax && this.#lines < LogLimit.linesMax) {
      this.#lines += 1;
      return true;
    }
    this.#heldBack += 1;
    return false;
  }

  #intervalEnded(): void {
    const count = this.#heldBack;
    const [peer = '', most = 0] =
      [...this.#wanted].sort(([, left], [, right]) => right - left).at(0) ?? [];
    const peers = [...this.#wanted.values()].filter(
      (wanted) => wanted > LogLimit.linesOfPeerMax,
    ).length;
    this.#running = false;
    this.#lines = 0;
    this.#heldBack = 0;
    this.#wanted.clear();
    if (count === 0) return;
    // All within their own allowance, but too many of them.
    this.#onHeldBack({ count, peers, peer: most > LogLimit.linesOfPeerMax ? peer : '' });
  }
}
