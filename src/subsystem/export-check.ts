/**
 * What is exported for the first time is checked against what is recorded of it, and recorded.
 *
 * What was missing before may be missing again: where a check fails for it, what was recorded for
 * its sake is taken back, its bdev is closed, and the change goes on without it.
 */

import { isDeepStrictEqual } from 'node:util';

import { TargetError } from '../errors.js';
import type { NamespaceConfiguration, TargetConfiguration } from './configuration.js';
import type { OpenBdev } from './open-bdev.js';
import type { Plan } from './plan.js';
import type { Missing, Preparation } from './preparation.js';
import type { TargetState } from './target-state.js';

/** A namespace as it is to be, of a bdev that is open. */
interface Export {
  readonly nqn: string;
  readonly configuration: NamespaceConfiguration;
  readonly key: string;
  readonly bdev: OpenBdev;
  /** It is so already. */
  readonly isServed: boolean;
}

type How = 'look' | 'record';

export class ExportCheck {
  readonly #state: TargetState;
  readonly #desired: TargetConfiguration;
  readonly #plan: Plan;
  readonly #preparation: Preparation;
  readonly #waitedFor: ReadonlySet<NamespaceConfiguration>;
  /** By identifier: the name of the bdev that has it. */
  readonly #users = new Map<string, string>();

  constructor(
    state: TargetState,
    desired: TargetConfiguration,
    plan: Plan,
    preparation: Preparation,
    missing: Missing,
  ) {
    this.#state = state;
    this.#desired = desired;
    this.#plan = plan;
    this.#preparation = preparation;
    this.#waitedFor = waitedFor(state, desired, plan, missing);
  }

  /**
   * Of all that is open now. Throws `identity_conflict` or `state_unusable`, with the key, unless
   * that is waited for.
   */
  async run(): Promise<void> {
    this.#users.clear();
    const exports = this.#exports(this.#preparation.openOf(this.#plan));
    // Of two disks with one identity, the one that serves stays.
    for (const one of exports) if (one.isServed) await this.#checkOrWait(one);
    for (const one of exports) if (!one.isServed) await this.#checkOrWait(one);
  }

  /**
   * Whether bdevs that are opened on trial may be exported, in place of those of their names.
   * Records nothing. Throws as {@link run}.
   */
  async look(tried: ReadonlyMap<string, OpenBdev>): Promise<void> {
    this.#users.clear();
    const bdevs = new Map([...this.#preparation.openOf(this.#plan), ...tried]);
    for (const one of this.#exports(bdevs)) await this.#check(one, 'look');
  }

  #exports(bdevs: ReadonlyMap<string, OpenBdev>): Export[] {
    return this.#desired.subsystems.flatMap(({ nqn, namespaces }, index) =>
      namespaces.flatMap((configuration, position) => {
        const bdev = bdevs.get(configuration.bdev);
        if (bdev === undefined || this.#preparation.unserved.has(configuration)) return [];
        const served = this.#state.subsystems.get(nqn)?.namespaces.get(configuration.nsid);
        const isServed =
          served?.bdev.name === bdev.description.name &&
          isDeepStrictEqual(served.configuration, configuration);
        const key = `subsystems[${index}].namespaces[${position}]`;
        return [{ nqn, configuration, key, bdev, isServed }];
      }),
    );
  }

  async #checkOrWait(one: Export): Promise<void> {
    const { contents, logger } = this.#state;
    const { configuration, key } = one;
    const before = contents.recordCount;
    try {
      await this.#check(one, 'record');
    } catch (thrown) {
      const cause = TargetError.from(thrown);
      // What is recorded with a bdev is taken back before the bdev is closed.
      const stays = await contents.takeBackRecords(before);
      const message = [cause.message, ...stays].join('; ');
      const error = new TargetError(cause.code, message, { field: cause.field ?? key, cause });
      if (!this.#waitedFor.has(configuration)) throw error;
      if (this.#preparation.bdevs.has(configuration.bdev)) {
        await this.#preparation.giveUp(configuration.bdev, error);
        return;
      }
      this.#preparation.unserved.set(configuration, key);
      const { bdev } = configuration;
      logger.error({ bdev }, `${message}; namespace ${configuration.nsid} is unavailable`);
    }
  }

  async #check({ nqn, configuration, key, bdev, isServed }: Export, how: How): Promise<void> {
    const { contents } = this.#state;
    if (!isServed) {
      try {
        if (how === 'look') await contents.checkExport(configuration, bdev);
        else await contents.beforeExport(nqn, configuration, bdev);
      } catch (thrown) {
        const cause = TargetError.from(thrown);
        const field = cause.code === 'identity_conflict' ? `${key}.${cause.field ?? ''}` : key;
        throw new TargetError(cause.code, `${field}: ${cause.message}`, { field, cause });
      }
    }
    this.#checkDistinct(configuration, bdev, key);
  }

  /** Hosts would take two disks of one identity for one. */
  #checkDistinct(
    configuration: NamespaceConfiguration,
    { description }: OpenBdev,
    key: string,
  ): void {
    const { uuid, nguid } = this.#state.contents.identifiersOf(configuration, description);
    const identifiers = [`uuid ${uuid}`, `nguid ${nguid}`];
    for (const identifier of identifiers) {
      const other = this.#users.get(identifier);
      if (other === undefined) continue;
      throw new TargetError(
        'identity_conflict',
        `${key}: expected an identity of its own for bdev ${configuration.bdev}, got the ` +
          `${identifier} of bdev ${other}; if one is a copy of the other, remove its record ` +
          '(see docs/operating/identity.md)',
        { field: key },
      );
    }
    for (const identifier of identifiers) this.#users.set(identifier, configuration.bdev);
  }
}

/** What may be missing once more; before anything of the change is made. */
function waitedFor(
  { desired: current, subsystems }: TargetState,
  desired: TargetConfiguration,
  { bdevs }: Plan,
  missing: Missing,
): Set<NamespaceConfiguration> {
  const retried = new Set(bdevs.retry.map(({ item }) => item.name));
  const known = new Map(current.subsystems.map((subsystem) => [subsystem.nqn, subsystem]));
  const isAbsent = (nqn: string, configuration: NamespaceConfiguration): boolean => {
    // An operator who changes the disk itself must hear of it.
    if (!bdevs.keep.has(configuration.bdev)) return false;
    if (subsystems.get(nqn)?.namespaces.has(configuration.nsid) === true) return false;
    const before = known.get(nqn)?.namespaces ?? [];
    return before.some((other) => isDeepStrictEqual(other, configuration));
  };
  const waited = desired.subsystems.flatMap(({ nqn, namespaces }) =>
    namespaces.filter((one) => missing === 'wait' || retried.has(one.bdev) || isAbsent(nqn, one)),
  );
  return new Set(waited);
}
