/**
 * A share of a thread's time: so much at once, and from then on a part of the time that passes.
 * Nobody is stopped in the middle: who takes more waits for longer before the next time.
 */
export class TimeAllowance {
  readonly #share: number;
  readonly #burstMs: number;
  #leftMs: number;
  #atMs: number;

  /** `share`: from 0 to 1. */
  constructor(share: number, burstMs: number, nowMs: number) {
    this.#share = share;
    this.#burstMs = burstMs;
    this.#leftMs = burstMs;
    this.#atMs = nowMs;
  }

  take(ms: number): void {
    this.#leftMs -= ms;
  }

  /** Negative: too much was taken. */
  leftMs(nowMs: number): number {
    const earnedMs = (nowMs - this.#atMs) * this.#share;
    this.#atMs = nowMs;
    this.#leftMs = Math.min(this.#leftMs + earnedMs, this.#burstMs);
    return this.#leftMs;
  }

  /** Until `ms` are left. */
  waitMs(nowMs: number, ms: number): number {
    return Math.max(0, (ms - this.leftMs(nowMs)) / this.#share);
  }
}
