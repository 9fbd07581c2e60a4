/**
 * The part of a change where the old must go before the new can come: a file that is open cannot be
 * opened again, a port that is taken cannot be taken twice. It comes after everything that can be
 * prepared and before anything that cannot be undone, as short as it can be; and when it fails, it
 * brings back what it took.
 *
 * What cannot be brought back at once is unavailable, and tried again.
 */

import { basesFirst, levels } from '../bdev/stack.js';
import { TargetError } from '../errors.js';
import type { Listener } from '../transport/listener.js';
import { endpointText } from '../transport/listener.js';
import { openBdev, tryBdev } from './bdev-opening.js';
import { bdevClosed, closeBdev, listClosing } from './bdev-closing.js';
import type { ExportCheck } from './export-check.js';
import { inTime } from './deadline.js';
import { addedUsage, namespaceUsage } from './health.js';
import type { Namespace } from './namespace.js';
import type { OpenBdev } from './open-bdev.js';
import type { Plan } from './plan.js';
import { failure } from './preparation.js';
import type { Preparation } from './preparation.js';
import type { Subsystem } from './subsystem.js';
import type { TargetState } from './target-state.js';

export class Exchange {
  readonly #state: TargetState;
  readonly #plan: Plan;
  /** What was taken from each subsystem. */
  readonly #withdrawn = new Map<Subsystem, Namespace[]>();
  readonly #closedBdevs: OpenBdev[] = [];
  readonly #closedListeners: Listener[] = [];

  constructor(state: TargetState, plan: Plan) {
    this.#state = state;
    this.#plan = plan;
  }

  /** Whether something was taken away. */
  get hasBegun(): boolean {
    return this.#withdrawn.size + this.#closedBdevs.length + this.#closedListeners.length > 0;
  }

  /**
   * Looks, before anything is taken away, whether what shall come can be opened, and may be
   * exported: it is opened beside what it displaces, without claiming it, and closed again.
   */
  async rehearse(exports: ExportCheck, preparation: Preparation): Promise<void> {
    const tried = new Map<string, OpenBdev>();
    try {
      const { exchange, keep } = this.#plan.bdevs;
      const baseOf = (name: string): OpenBdev | undefined =>
        tried.get(name) ?? preparation.bdevs.get(name) ?? keep.get(name);
      for (const { item, key } of basesFirst(exchange, (place) => place.item)) {
        const bdev = await tryBdev(this.#state, item, baseOf).catch((thrown: unknown) => {
          throw failure(key, `open bdev ${item.name}`, thrown);
        });
        tried.set(item.name, bdev);
      }
      if (tried.size > 0) await exports.look(tried);
    } finally {
      // What stands on another first.
      for (const bdev of [...tried.values()].reverse()) await closeBdev(this.#state, bdev);
    }
  }

  /** Rejects when the old does not go, or the new does not come; then {@link undo}. */
  async run(preparation: Preparation): Promise<void> {
    const { bdevs, endpoints } = this.#plan;
    // Of what an earlier change took away: before anything is taken from hosts in vain.
    await this.#drained(bdevs.displaced);
    await this.#withdraw(bdevs.displaced);
    const order = basesFirst(bdevs.displaced, ({ parameters }) => parameters);
    for (const bdev of order.reverse()) await this.#closeBdev(bdev);
    for (const listener of endpoints.displaced) {
      this.#closedListeners.push(listener);
      await this.#state.listeners.close(listener.configured);
    }
    await preparation.openExchanged(this.#plan);
  }

  /** Brings back what was taken. Answers what could not be had at once. Never rejects. */
  async undo(): Promise<string[]> {
    const lost: string[] = [];
    for (const listener of this.#closedListeners) {
      if (!(await this.#listenAgain(listener))) lost.push(endpointText(listener.configured));
    }
    for (const level of levels(this.#closedBdevs, ({ parameters }) => parameters)) {
      const opened = await Promise.all(level.map((bdev) => this.#openAgain(bdev)));
      for (const [index, { parameters }] of level.entries()) {
        if (opened[index] === false) lost.push(`bdev ${parameters.name}`);
      }
    }
    for (const [subsystem, namespaces] of this.#withdrawn) {
      if (await this.#publishAgain(subsystem, namespaces)) continue;
      lost.push(`namespaces of ${subsystem.nqn}`);
    }
    // Lost or back, hosts may have read the log in between.
    if (this.#closedListeners.length > 0) this.#state.discoveryChanged();
    return lost;
  }

  /** Takes the bdevs' namespaces from their hosts, and waits for what is under way on them. */
  async #withdraw(bdevs: readonly OpenBdev[]): Promise<void> {
    const { engine, subsystems } = this.#state;
    const names = new Set(bdevs.map(({ description }) => description.name));
    for (const subsystem of subsystems.values()) {
      const gone = subsystem.namespacesByNsid.filter(({ bdev }) => names.has(bdev.name));
      if (gone.length === 0) continue;
      this.#withdrawn.set(subsystem, gone);
      for (const { nsid } of gone) {
        const usage = namespaceUsage(engine, subsystem.table, nsid);
        subsystem.namespaces.delete(nsid);
        subsystem.retiredUsage = addedUsage(subsystem.retiredUsage, usage);
      }
      await this.#state.tables.publish(subsystem.table, subsystem.entries).applied;
      for (const { nsid } of gone) this.#state.namespaceChanged(subsystem, nsid);
    }
    await this.#drained(bdevs);
  }

  /** Throws `in_use` at the deadline. */
  async #drained(bdevs: readonly OpenBdev[]): Promise<void> {
    const { tables } = this.#state;
    const drained = Promise.all(bdevs.map(({ description }) => tables.drained(description.name)));
    if (await this.#inTime(drained)) return;
    const list = bdevs
      .filter(({ description }) => tables.overdueSince(description.name, 0) !== null)
      .map(({ parameters }) => parameters.name);
    throw new TargetError('in_use', `I/O under way on ${list.join(', ')} did not end in time`);
  }

  async #closeBdev(bdev: OpenBdev): Promise<void> {
    const closed = bdevClosed(this.#state, bdev);
    const isClosed = await this.#inTime(closed);
    this.#closedBdevs.push(bdev);
    if (isClosed) return;
    void listClosing(this.#state, bdev, closed);
    throw new TargetError('in_use', `bdev ${bdev.parameters.name} could not be closed in time`);
  }

  /** False: the deadline was earlier. */
  async #inTime(work: Promise<unknown>): Promise<boolean> {
    const { clock, limits } = this.#state;
    const late = new Error('late');
    try {
      await inTime(clock, limits.drainDeadlineMs, work, () => late);
      return true;
    } catch (error) {
      if (error === late) return false;
      throw error;
    }
  }

  async #listenAgain({ configured }: Listener): Promise<boolean> {
    const { listeners, unavailable } = this.#state;
    try {
      listeners.start(await listeners.bind(configured));
      return true;
    } catch (thrown) {
      unavailable.endpointFailed(configured, TargetError.from(thrown));
      return false;
    }
  }

  async #openAgain({ parameters }: OpenBdev): Promise<boolean> {
    const { bdevs, contents, unavailable } = this.#state;
    try {
      contents.forgetChange(parameters.name);
      // It was there: an empty one in its place would be another disk.
      bdevs.set(
        parameters.name,
        await openBdev(this.#state, parameters, {
          changed: parameters['create'] === true ? { create: false } : {},
          baseOf: (name) => bdevs.get(name),
        }),
      );
      return true;
    } catch (thrown) {
      bdevs.delete(parameters.name);
      unavailable.bdevFailed(parameters, TargetError.from(thrown));
      return false;
    }
  }

  async #publishAgain(subsystem: Subsystem, withdrawn: readonly Namespace[]): Promise<boolean> {
    const { access, bdevs, contents, logger, tables } = this.#state;
    const back: Namespace[] = [];
    try {
      for (const { configuration } of withdrawn) {
        const bdev = bdevs.get(configuration.bdev);
        if (bdev === undefined) continue;
        // The path may name another file by now.
        await contents.beforeExport(subsystem.nqn, configuration, bdev);
        back.push(this.#state.namespaceOf(configuration, bdev));
      }
      access.beforeServing(subsystem, back);
      const entries = [...subsystem.entries, ...back.map(({ entry }) => entry)];
      await tables.publish(subsystem.table, entries).applied;
    } catch (error) {
      access.afterServing(subsystem);
      logger.error({ err: error, subsystem: subsystem.nqn }, 'could not bring namespaces back');
      return false;
    }
    for (const namespace of back) subsystem.namespaces.set(namespace.nsid, namespace);
    access.afterServing(subsystem);
    for (const { nsid } of back) this.#state.namespaceChanged(subsystem, nsid);
    return true;
  }
}
