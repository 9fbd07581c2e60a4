/**
 * What a plan needs open, opened beside what runs: bdevs under names that the engine does not use
 * yet, sockets that accept nobody. Until it is committed nothing of it shows, and all of it can be
 * given back as if it had never been.
 */

import { basesOf } from '../bdev/kinds.js';
import { basesFirst, levels } from '../bdev/stack.js';
import type { BdevParameters, Endpoint } from '../engine/engine-types.js';
import { TargetError } from '../errors.js';
import type { Listener } from '../transport/listener.js';
import { endpointKey, endpointText } from '../transport/listener.js';
import { closeBdev } from './bdev-closing.js';
import { openBdev } from './bdev-opening.js';
import type { NamespaceConfiguration } from './configuration.js';
import type { OpenBdev } from './open-bdev.js';
import type { Place } from './plan-steps.js';
import type { Plan } from './plan.js';
import type { TargetState } from './target-state.js';

/** Whether a disk or an address that cannot be had is a reason to refuse, or is waited for. */
export type Missing = 'refuse' | 'wait';

/** What could not be opened, and why. */
export interface Failed<T> extends Place<T> {
  readonly error: TargetError;
}

export class Preparation {
  readonly #state: TargetState;
  /** By configured name. */
  readonly bdevs = new Map<string, OpenBdev>();
  readonly #places = new Map<string, Place<BdevParameters>>();
  /** By {@link endpointKey}; bound, not started. */
  readonly listeners = new Map<string, Listener>();
  readonly missingBdevs: Failed<BdevParameters>[] = [];
  readonly missingEndpoints: Failed<Endpoint>[] = [];
  /** Namespaces of open bdevs that are waited for, by their configuration, with their key. */
  readonly unserved = new Map<NamespaceConfiguration, string>();
  /** Files that it created. */
  readonly #created: string[] = [];

  constructor(state: TargetState) {
    this.#state = state;
  }

  /**
   * Opens all that needs no other to be closed first. Rejects with the first failure in the order
   * of the configuration, unless that is waited for; what was waited for before may fail again in
   * any case.
   */
  async open({ bdevs, endpoints }: Plan, missing: Missing): Promise<void> {
    const { keep, lost = [] } = bdevs;
    for (const { item, key } of lost) {
      const error = new TargetError('bdev_failed', `${key}: the device of ${item.name} is gone`, {
        field: key,
      });
      this.missingBdevs.push({ item, key, error });
    }
    for (const place of endpoints.retry) await this.#bind(place, 'wait');
    await this.#openBdevs(bdevs.retry, 'wait', keep);
    for (const place of endpoints.open) await this.#bind(place, missing);
    // A file that is created is there for good: last, when nothing else can fail any more.
    const late = new Set<string>();
    for (const { item } of basesFirst(bdevs.open, (place) => place.item)) {
      if (item['create'] === true || basesOf(item).some((base) => late.has(base))) {
        late.add(item.name);
      }
    }
    const isLate = ({ item }: Place<BdevParameters>): boolean => late.has(item.name);
    await this.#openBdevs(
      bdevs.open.filter((place) => !isLate(place)),
      missing,
      keep,
    );
    await this.#openBdevs(bdevs.open.filter(isLate), missing, keep);
  }

  /** By configured name: what is open once the plan is carried out, as far as it is open now. */
  openOf({ bdevs }: Plan): Map<string, OpenBdev> {
    return new Map([...bdevs.keep, ...this.bdevs]);
  }

  /** Of what is waited for: its steps were not made, and an error says why. */
  get missingKeys(): ReadonlySet<string> {
    const missing = [...this.missingBdevs, ...this.missingEndpoints].map(({ key }) => key);
    return new Set([...missing, ...this.unserved.values()]);
  }

  /** Opens what had to wait for something to be closed. */
  async openExchanged({ bdevs, endpoints }: Plan): Promise<void> {
    for (const place of endpoints.exchange) await this.#bind(place, 'refuse');
    await this.#openBdevs(bdevs.exchange, 'refuse', bdevs.keep);
  }

  /** Gives everything back. Answers what stays all the same, in words for people. */
  async discard(): Promise<string[]> {
    const { drains, listeners } = this.#state;
    const given: Promise<void>[] = [];
    for (const listener of this.listeners.values()) {
      const what = `listener ${endpointText(listener.actual)}`;
      given.push(drains.add({ what, bdev: null }, listeners.discard(listener)));
    }
    for (const bdev of this.bdevs.values()) given.push(closeBdev(this.#state, bdev));
    await Promise.all(given);
    this.listeners.clear();
    this.bdevs.clear();
    return this.#created.map((path) => `the new file ${path} stays`);
  }

  /** It was opened, but may not be exported: it is waited for. */
  async giveUp(name: string, error: TargetError): Promise<void> {
    const bdev = this.bdevs.get(name);
    const place = this.#places.get(name);
    if (bdev === undefined || place === undefined) throw new Error(`bdev ${name} was not opened`);
    this.bdevs.delete(name);
    this.missingBdevs.push({ ...place, error });
    await closeBdev(this.#state, bdev);
  }

  /**
   * All at once that stand on nothing, so that disks that hang take no longer than one; then what
   * stands on those, and so on. Ends when the last one ends.
   */
  async #openBdevs(
    places: readonly Place<BdevParameters>[],
    missing: Missing,
    keep: ReadonlyMap<string, OpenBdev>,
  ): Promise<void> {
    const baseOf = (name: string): OpenBdev | undefined => this.bdevs.get(name) ?? keep.get(name);
    for (const level of levels(places, ({ item }) => item)) {
      const opened = level.map((place) => this.#openBdev(place, missing, baseOf));
      const failed = (await Promise.allSettled(opened)).find(({ status }) => status === 'rejected');
      if (failed?.status === 'rejected') throw failed.reason;
    }
  }

  async #openBdev(
    { item, key }: Place<BdevParameters>,
    missing: Missing,
    baseOf: (name: string) => OpenBdev | undefined,
  ): Promise<void> {
    const { name } = item;
    const onMade = (path: string): void => void this.#created.push(path);
    this.#places.set(name, { item, key });
    try {
      this.bdevs.set(name, await openBdev(this.#state, item, { baseOf, onMade }));
    } catch (thrown) {
      const error = failure(key, `open bdev ${name}`, thrown);
      if (missing === 'refuse') throw error;
      this.missingBdevs.push({ item, key, error });
    }
  }

  async #bind({ item, key }: Place<Endpoint>, missing: Missing): Promise<void> {
    try {
      this.listeners.set(endpointKey(item), await this.#state.listeners.bind(item));
    } catch (thrown) {
      const error = failure(key, `listen on ${endpointText(item)}`, thrown);
      if (missing === 'refuse') throw error;
      this.missingEndpoints.push({ item, key, error });
    }
  }
}

/** With the key at fault in front; a defect of ours keeps its code. */
export function failure(key: string, what: string, thrown: unknown): TargetError {
  const cause = TargetError.from(thrown);
  const code = cause.code === 'internal' ? 'internal' : 'apply_failed';
  return new TargetError(code, `${key}: could not ${what}: ${cause.message}`, {
    field: key,
    cause,
  });
}
