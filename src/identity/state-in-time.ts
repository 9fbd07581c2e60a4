/**
 * A state directory whose file system may not answer: no call is waited for beyond a deadline. Node
 * has few threads for files, so one call is under way at a time, and when it hangs, later ones fail
 * at once until it has ended. What was to be written may then be there all the same.
 */

import { TargetError } from '../errors.js';
import { inTime } from '../subsystem/deadline.js';
import type { Clock } from '../subsystem/target-options.js';
import type { StateDirectory } from './state-directory.js';

export class StateInTime implements StateDirectory {
  readonly #state: StateDirectory;
  readonly #clock: Clock;
  readonly #deadlineMs: number;
  #tail: Promise<unknown> = Promise.resolve();
  #isHung = false;

  constructor(state: StateDirectory, clock: Clock, deadlineMs: number) {
    this.#state = state;
    this.#clock = clock;
    this.#deadlineMs = deadlineMs;
  }

  read(name: string): Promise<string | null> {
    return this.#call(name, 'read', () => this.#state.read(name));
  }

  write(name: string, text: string): Promise<void> {
    return this.#call(name, 'written', () => this.#state.write(name, text));
  }

  remove(name: string): Promise<void> {
    return this.#call(name, 'removed', () => this.#state.remove(name));
  }

  pathOf(name: string): string {
    return this.#state.pathOf(name);
  }

  #call<T>(name: string, what: string, begin: () => Promise<T>): Promise<T> {
    const failed = (why: string): TargetError =>
      new TargetError('state_unusable', `${this.pathOf(name)} cannot be ${what}: ${why}`, {
        field: 'state_directory',
      });
    if (this.#isHung) return Promise.reject(failed('an earlier call has not ended'));
    let isLate = false;
    const late = failed(`its file system did not answer for ${this.#deadlineMs / 1000} s`);
    const work = this.#tail.then(() => (isLate ? Promise.reject(late) : begin()));
    this.#tail = work.catch(() => undefined);
    return inTime(this.#clock, this.#deadlineMs, work, () => {
      isLate = true;
      this.#isHung = true;
      // Nothing is added behind it before it has ended.
      void this.#tail.then(() => {
        this.#isHung = false;
      });
      return late;
    });
  }
}
