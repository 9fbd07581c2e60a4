/**
 * What was taken away and is not over yet: commands that are still under way on a bdev that goes,
 * controllers that end. It normally takes no time; on a disk that hangs it takes for ever. So
 * nobody waits for it without bound: after a deadline it is overdue, which shows, and whatever
 * waited goes on. It leaves the list when it is over, however late.
 *
 *     draining ──► overdue        draining, overdue ──► gone (over), failed
 */

import type { BdevParameters } from '../engine/engine-types.js';
import type { Logger } from './logger.js';
import type { Clock } from './target-options.js';

/**
 * - `draining`: the engine, or a disk below it, moves it on; the deadline makes it overdue
 * - `overdue`: the same, and it shows
 * - `failed`: the engine refused the last step; nothing follows
 */
export type DrainState = 'draining' | 'overdue' | 'failed';

export interface DrainSubject {
  /** One line for people: `bdev file0`. */
  readonly what: string;
  /** The bdev that goes, as it was configured; null if it is something else. */
  readonly bdev: BdevParameters | null;
}

export interface Drain extends DrainSubject {
  readonly since: Date;
  readonly state: DrainState;
}

interface Entry extends Drain {
  state: DrainState;
  /** Resolves when it is over, or failed. */
  ended: Promise<void>;
}

export class DrainList {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #deadlineMs: number;
  readonly #entries = new Set<Entry>();

  constructor(clock: Clock, logger: Logger, deadlineMs: number) {
    this.#clock = clock;
    this.#logger = logger;
    this.#deadlineMs = deadlineMs;
  }

  get all(): readonly Drain[] {
    return [...this.#entries].map(({ what, bdev, since, state }) => ({
      what,
      bdev,
      since,
      state,
    }));
  }

  /** What is there for longer than it may be. */
  get overdue(): readonly Drain[] {
    return this.all.filter(({ state }) => state !== 'draining');
  }

  /** Resolves when it is over or failed, or else at the deadline. */
  add(subject: DrainSubject, work: Promise<unknown>): Promise<void> {
    const entry: Entry = {
      ...subject,
      since: new Date(),
      state: 'draining',
      ended: Promise.resolve(),
    };
    this.#entries.add(entry);
    return new Promise((resolve) => {
      const cancel = this.#clock.after(this.#deadlineMs, () => {
        entry.state = 'overdue';
        const fields = { bdev: entry.bdev?.name, seconds: this.#deadlineMs / 1000 };
        this.#logger.warn(fields, `${entry.what} does not drain: it goes when its last I/O ends`);
        resolve();
      });
      entry.ended = this.#join(entry, work).then(() => {
        cancel();
        resolve();
      });
    });
  }

  /** Resolves when nothing is left that may still end. */
  async over(): Promise<void> {
    while ([...this.#entries].some(({ state }) => state !== 'failed')) {
      await Promise.all([...this.#entries].map((entry) => entry.ended));
    }
  }

  async #join(entry: Entry, work: Promise<unknown>): Promise<void> {
    try {
      await work;
    } catch (error) {
      entry.state = 'failed';
      this.#logger.error(
        { err: error, bdev: entry.bdev?.name },
        `${entry.what} could not be closed`,
      );
      return;
    }
    this.#entries.delete(entry);
    if (entry.state === 'overdue') this.#logger.info({}, `${entry.what} has drained at last`);
  }
}
