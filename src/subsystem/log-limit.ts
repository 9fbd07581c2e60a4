/**
 * Bounds what others can make the daemon log: so many lines an interval; what was held back is
 * counted and said at the interval's end.
 */

import type { Clock } from './target-options.js';

export class LogLimit {
  static readonly linesMax = 10;
  static readonly intervalMs = 10_000;

  readonly #clock: Clock;
  readonly #onHeldBack: (count: number) => void;
  #lines = 0;
  #heldBack = 0;
  #running = false;

  /** `onHeldBack` gets the number of lines that an interval left out; never zero. */
  constructor(clock: Clock, onHeldBack: (count: number) => void) {
    this.#clock = clock;
    this.#onHeldBack = onHeldBack;
  }

  /** Whether one more line may be written now. */
  allows(): boolean {
    if (!this.#running) {
      this.#running = true;
      this.#clock.after(LogLimit.intervalMs, () => {
        this.#intervalEnded();
      });
    }
    if (this.#lines < LogLimit.linesMax) {
      this.#lines += 1;
      return true;
    }
    this.#heldBack += 1;
    return false;
  }

  #intervalEnded(): void {
    const heldBack = this.#heldBack;
    this.#running = false;
    this.#lines = 0;
    this.#heldBack = 0;
    if (heldBack > 0) this.#onHeldBack(heldBack);
  }
}
