/**
 * The engine's calls on files and devices by their paths. A disk that hangs may hold such a call
 * for ever, and a thread with it: the call is not waited for beyond a deadline, and its path is
 * left alone until the call has ended.
 */

import type { ContentFacts, Engine } from '../engine/engine-types.js';
import { TargetError } from '../errors.js';
import { inTime } from '../subsystem/deadline.js';
import type { Clock } from '../subsystem/target-options.js';

type FileCalls = Pick<Engine, 'inspect' | 'recordIdentity'>;

export class ContentFiles implements FileCalls {
  readonly #engine: FileCalls;
  readonly #clock: Clock;
  readonly #deadlineMs: number;
  /** Paths whose last call came to its deadline and has not ended. */
  readonly #hung = new Set<string>();

  constructor(engine: FileCalls, clock: Clock, deadlineMs: number) {
    this.#engine = engine;
    this.#clock = clock;
    this.#deadlineMs = deadlineMs;
  }

  inspect(path: string): Promise<ContentFacts | null> {
    return this.#call(path, 'looked at', () => this.#engine.inspect(path));
  }

  recordIdentity(
    path: string,
    file: Pick<ContentFacts, 'device' | 'inode'>,
    identity: string,
  ): Promise<void> {
    return this.#call(path, 'given its identity', () =>
      this.#engine.recordIdentity(path, file, identity),
    );
  }

  #call<T>(path: string, what: string, begin: () => Promise<T>): Promise<T> {
    const failed = (why: string): TargetError =>
      new TargetError('bdev_failed', `${path} cannot be ${what}: ${why}`, { field: 'path' });
    if (this.#hung.has(path)) return Promise.reject(failed('an earlier call has not ended'));
    const work = begin();
    return inTime(this.#clock, this.#deadlineMs, work, () => {
      this.#hung.add(path);
      const over = (): void => void this.#hung.delete(path);
      work.then(over, over);
      return failed(`it did not answer for ${this.#deadlineMs / 1000} s`);
    });
  }
}
