/**
 * When what is unavailable is tried again: soon, then less and less often. One timer for all of it.
 */

import type { Clock } from './target-options.js';

export class RetryTimer {
  static readonly firstMs = 1000;
  static readonly lastMs = 60_000;

  readonly #clock: Clock;
  readonly #onTime: () => void;
  #delayMs = RetryTimer.firstMs;
  #cancel: (() => void) | null = null;
  #isOver = false;

  constructor(clock: Clock, onTime: () => void) {
    this.#clock = clock;
    this.#onTime = onTime;
  }

  /** Runs `onTime` once, later; the next delay is twice as long. */
  start(): void {
    if (this.#cancel !== null || this.#isOver) return;
    this.#cancel = this.#clock.after(this.#delayMs, () => {
      this.#cancel = null;
      this.#delayMs = Math.min(this.#delayMs * 2, RetryTimer.lastMs);
      this.#onTime();
    });
  }

  /** Something came: what is left may come soon as well. */
  reset(): void {
    this.#cancel?.();
    this.#cancel = null;
    this.#delayMs = RetryTimer.firstMs;
  }

  /** For good. */
  stop(): void {
    this.reset();
    this.#isOver = true;
  }
}
