/**
 * What a change records before it is sure to be made. A record must last before the first host sees
 * what it tells of, and the change may still fail then: so each record that it makes is noted with
 * what was there before, and a change that is rolled back has all of it taken back.
 *
 * One change at a time; between changes nothing is noted.
 */

import { TargetError } from '../errors.js';
import type { StateDirectory } from './state-directory.js';

interface Note {
  /** What stays if it cannot be taken back, for people. */
  readonly what: string;
  readonly takeBack: () => Promise<void> | void;
}

export class RecordJournal implements StateDirectory {
  readonly #state: StateDirectory;
  #notes: Note[] | null = null;
  #changeCount = 0;

  constructor(state: StateDirectory) {
    this.#state = state;
  }

  begin(): void {
    this.#notes = [];
    this.#changeCount += 1;
  }

  /** How many changes have begun. */
  get changeCount(): number {
    return this.#changeCount;
  }

  /** The change was made: what it recorded holds. */
  keep(): void {
    this.#notes = null;
  }

  /** Before it is done: what failed half-way is taken back, too. */
  note(what: string, takeBack: Note['takeBack']): void {
    this.#notes?.push({ what, takeBack });
  }

  /** How much is noted; what is noted from now on can be taken back alone. */
  get length(): number {
    return this.#notes?.length ?? 0;
  }

  /** All of it, and the change is over. As {@link takeBackSince}. */
  async takeBack(): Promise<string[]> {
    const stays = await this.takeBackSince(0);
    this.#notes = null;
    return stays;
  }

  /**
   * What was noted since {@link length} was `length`, the last first. Answers what stays all the
   * same, in words for people. Never rejects.
   */
  async takeBackSince(length: number): Promise<string[]> {
    const notes = this.#notes?.splice(length) ?? [];
    const stays: string[] = [];
    for (const { what, takeBack } of notes.reverse()) {
      try {
        await takeBack();
      } catch (thrown) {
        stays.push(`${what} stays: ${TargetError.from(thrown).message}`);
      }
    }
    return stays;
  }

  read(name: string): Promise<string | null> {
    return this.#state.read(name);
  }

  async write(name: string, text: string): Promise<void> {
    const before = this.#notes === null ? null : await this.read(name);
    this.note(`the record ${this.pathOf(name)}`, () =>
      before === null ? this.remove(name) : this.#state.write(name, before),
    );
    await this.#state.write(name, text);
  }

  remove(name: string): Promise<void> {
    return this.#state.remove(name);
  }

  pathOf(name: string): string {
    return this.#state.pathOf(name);
  }
}
