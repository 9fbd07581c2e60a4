/**
 * The engine's namespace tables, and who uses a bdev. The engine closes no bdev that somebody uses:
 * a table that has the bdev, commands that are under way on what a table had, a look at the bdev,
 * or another bdev that stands on it. Who uses a bdev belongs to the bdev, not to the change that
 * took something away: a later change that closes it has that to wait for as well.
 */

import type { Engine, NamespaceEntry, NamespacePublication } from '../engine/engine-types.js';
import type { Clock } from './target-options.js';

/** Something that must end before the bdev can be closed. */
interface Use {
  readonly ended: Promise<void>;
  readonly since: Date;
  readonly sinceMs: number;
}

export class NamespaceTables {
  readonly #engine: Engine;
  readonly #clock: Clock;
  /** By table: what the engine was told last. */
  readonly #entries = new Map<number, readonly NamespaceEntry[]>();
  /** By the engine's name of the bdev. */
  readonly #uses = new Map<string, Set<Use>>();
  /** By the engine's name of the bdev: how many entries of tables have it. */
  readonly #listings = new Map<string, number>();
  /** By the same: the bdevs that stand on it. */
  readonly #standing = new Map<string, Set<string>>();
  /** By the same: those that it stands on. */
  readonly #bases = new Map<string, readonly string[]>();
  /** By the same: who waits until no table has it and no bdev stands on it. */
  readonly #waiting = new Map<string, (() => void)[]>();

  constructor(engine: Engine, clock: Clock) {
    this.#engine = engine;
    this.#clock = clock;
  }

  /** Throws, with the table as it was, if the engine refuses it. */
  publish(table: number, entries: readonly NamespaceEntry[]): NamespacePublication {
    const publication = this.#engine.namespaceTablePublish(table, entries);
    const after = new Map(entries.map((entry) => [entry.nsid, entry]));
    const before = this.#entriesOf(table);
    const gone = before.filter((entry) => !isSameEntry(entry, after.get(entry.nsid)));
    this.#list(entries);
    this.#entries.set(table, entries);
    this.#leave(before, gone, publication.drained);
    return publication;
  }

  /** The engine forgets it, once `ended`. Resolves when no I/O is left on what was ever in it. */
  delete(table: number, ended: Promise<void> = Promise.resolve()): Promise<void> {
    const gone = this.#entriesOf(table);
    const deleted = ended.then(() => this.#engine.namespaceTableDelete(table));
    this.#entries.delete(table);
    this.#leave(gone, gone, deleted);
    return deleted;
  }

  /** Until `work` has ended, the engine has the bdev open for it. */
  use(bdev: string, work: Promise<unknown>): void {
    const since = { since: new Date(), sinceMs: this.#clock.nowMs() };
    const uses = this.#uses.get(bdev) ?? new Set<Use>();
    const end = (): void => {
      uses.delete(use);
      if (uses.size === 0) this.#uses.delete(bdev);
    };
    const use: Use = { ended: work.then(end, end), ...since };
    this.#uses.set(bdev, uses.add(use));
  }

  /** A bdev was opened on others. */
  stands(bdev: string, bases: readonly string[]): void {
    if (bases.length > 0) this.#bases.set(bdev, bases);
    for (const base of bases) {
      this.#standing.set(base, (this.#standing.get(base) ?? new Set()).add(bdev));
    }
  }

  /** The bdev, and all that it stands on. */
  stackOf(bdev: string): string[] {
    const bases = this.#bases.get(bdev) ?? [];
    return [...new Set([bdev, ...bases.flatMap((base) => this.stackOf(base))])];
  }

  /** It is closed. */
  stoodOn(bdev: string): void {
    this.#bases.delete(bdev);
    for (const [base, standing] of this.#standing) {
      if (!standing.delete(bdev) || standing.size > 0) continue;
      this.#standing.delete(base);
      this.#tellFree(base);
    }
  }

  /** Since when something is to end that has not ended within `afterMs`; null: nothing is. */
  overdueSince(bdev: string, afterMs: number): Date | null {
    const latestMs = this.#clock.nowMs() - afterMs;
    const overdue = [...(this.#uses.get(bdev) ?? [])].find(({ sinceMs }) => sinceMs <= latestMs);
    return overdue?.since ?? null;
  }

  /** Resolves when all has ended that is under way on what tables had; they may have it now. */
  async drained(bdev: string): Promise<void> {
    for (let uses = this.#uses.get(bdev); uses !== undefined; uses = this.#uses.get(bdev)) {
      await Promise.all([...uses].map(({ ended }) => ended));
    }
  }

  /** Resolves when nobody uses it any more: it can be closed. */
  async unused(bdev: string): Promise<void> {
    await this.drained(bdev);
    while (this.#listings.has(bdev) || this.#standing.has(bdev)) {
      await new Promise<void>((resolve) => {
        this.#waiting.set(bdev, [...(this.#waiting.get(bdev) ?? []), resolve]);
      });
      await this.drained(bdev);
    }
  }

  #entriesOf(table: number): readonly NamespaceEntry[] {
    return this.#entries.get(table) ?? [];
  }

  #list(entries: readonly NamespaceEntry[]): void {
    for (const { bdev } of entries) this.#listings.set(bdev, (this.#listings.get(bdev) ?? 0) + 1);
  }

  /** `before` is listed no more; of that, `gone` is used until it has drained. */
  #leave(
    before: readonly NamespaceEntry[],
    gone: readonly NamespaceEntry[],
    drained: Promise<void>,
  ): void {
    // Whoever else waits for it hears of a failure; nobody need wait.
    drained.catch(() => undefined);
    for (const { bdev } of gone) this.use(bdev, drained);
    for (const { bdev } of before) {
      const left = (this.#listings.get(bdev) ?? 0) - 1;
      if (left > 0) {
        this.#listings.set(bdev, left);
        continue;
      }
      this.#listings.delete(bdev);
      this.#tellFree(bdev);
    }
  }

  #tellFree(bdev: string): void {
    const waiting = this.#waiting.get(bdev) ?? [];
    this.#waiting.delete(bdev);
    for (const resolve of waiting) resolve();
  }
}

function isSameEntry(left: NamespaceEntry, right: NamespaceEntry | undefined): boolean {
  return right !== undefined && left.bdev === right.bdev && left.readOnly === right.readOnly;
}
