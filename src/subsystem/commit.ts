/**
 * Makes the target what a configuration says, once everything that it needs is open. Who may
 * connect comes first; then the engine is given all new namespace tables, which takes no longer
 * than a message; then the model follows, so that hosts see what is new when the engine serves it,
 * and what is old no longer when the engine may stop. What is taken away drains behind that, on the
 * list of drains.
 *
 * The engine may refuse a table; then everything is put back as it was before anybody was told.
 */

import { isDeepStrictEqual } from 'node:util';

import { engineChanges } from '../bdev/kinds.js';
import type { NamespacePublication } from '../engine/engine-types.js';
import { TargetError } from '../errors.js';
import { endpointKey, endpointText } from '../transport/listener.js';
import { closeBdev } from './bdev-closing.js';
import type { SubsystemParameters } from './change.js';
import type { SubsystemConfiguration, TargetConfiguration } from './configuration.js';
import { addedUsage, namespaceUsage } from './health.js';
import type { Usage } from './health.js';
import { Host } from './host.js';
import type { Namespace } from './namespace.js';
import type { OpenBdev } from './open-bdev.js';
import { endpointPlaces } from './plan-endpoints.js';
import type { Plan } from './plan.js';
import { places } from './plan-steps.js';
import { failure } from './preparation.js';
import type { Preparation } from './preparation.js';
import { Subsystem } from './subsystem.js';
import type { TargetState } from './target-state.js';

/** A subsystem on its way to what it shall be. */
interface Switch {
  readonly key: string;
  readonly next: SubsystemConfiguration;
  readonly subsystem: Subsystem;
  readonly isNew: boolean;
  /** By NSID. */
  readonly namespaces: ReadonlyMap<number, Namespace>;
  /** NSIDs of which a host sees something else, or nothing, or something for the first time. */
  readonly changed: readonly number[];
  readonly before: {
    readonly parameters: SubsystemParameters;
    readonly serial: string;
    readonly hosts: ReadonlyMap<string, Host>;
    readonly namespaces: ReadonlyMap<number, Namespace>;
    readonly retiredUsage: Usage;
  };
  publication: NamespacePublication | null;
}

export class Commit {
  readonly #state: TargetState;
  readonly #plan: Plan;
  readonly #preparation: Preparation;
  readonly #desired: TargetConfiguration;
  readonly #bdevs: ReadonlyMap<string, OpenBdev>;
  readonly #switches: readonly Switch[];
  readonly #removed: readonly Subsystem[];
  readonly #drains: Promise<void>[] = [];
  /** Those that were changed while they are open, as they were. */
  readonly #changed: OpenBdev[] = [];

  constructor(
    state: TargetState,
    plan: Plan,
    preparation: Preparation,
    desired: TargetConfiguration,
  ) {
    this.#state = state;
    this.#plan = plan;
    this.#preparation = preparation;
    this.#desired = desired;
    this.#bdevs = this.#nextBdevs();
    this.#switches = desired.subsystems.map((next, index) =>
      this.#switch(next, `subsystems[${index}]`),
    );
    const stays = new Set(desired.subsystems.map(({ nqn }) => nqn));
    this.#removed = [...state.subsystems.values()].filter(({ nqn }) => !stays.has(nqn));
  }

  /** What could not be put back when it was refused. */
  readonly lost: string[] = [];

  /** Whether something that hosts may see was changed. */
  get hasBegun(): boolean {
    return (
      this.#changed.length > 0 ||
      this.#switches.some(({ isNew, publication }) => !isNew && publication !== null)
    );
  }

  /**
   * Answers what drains now; each resolves by its deadline. Rejects, with everything as before, if
   * the engine refused.
   */
  async run(): Promise<Promise<void>[]> {
    for (const subsystem of this.#removed) subsystem.accepting = false;
    for (const each of this.#switches) this.#restrict(each);
    try {
      this.#changeBdevs();
      // All in this turn: who connects from now on finds what is new.
      for (const each of this.#switches) this.#publish(each);
      for (const { publication } of this.#switches) await publication?.applied;
    } catch (thrown) {
      await this.#restore();
      throw thrown;
    }
    this.#state.desired = this.#desired;
    const closing = new Set(this.#plan.bdevs.close.map(({ description }) => description.name));
    for (const each of this.#switches) this.#show(each, closing);
    this.#removeSubsystems();
    this.#shutOut();
    this.#switchListeners();
    this.#switchBdevs();
    this.#noteMissing();
    // What comes up late is no step of a plan.
    const isListening = this.#preparation.listeners.size > 0;
    if (isListening || this.#plan.changes.some(({ kind }) => !/^(bdev|namespace)_/.test(kind)))
      this.#state.discoveryChanged();
    return this.#drains;
  }

  /** What can be changed while it is open. The engine may refuse one. */
  #changeBdevs(): void {
    const after = places(this.#desired.bdevs, ({ name }) => name, 'bdevs');
    for (const [name, { description, parameters }] of this.#plan.bdevs.keep) {
      const old = this.#state.bdevs.get(name)?.parameters;
      const changes = engineChanges(parameters);
      if (old === undefined || isDeepStrictEqual(changes, engineChanges(old))) continue;
      try {
        this.#state.engine.bdevChange(description.name, changes);
      } catch (thrown) {
        throw failure(after.get(name)?.key ?? 'bdevs', `change bdev ${name}`, thrown);
      }
      this.#changed.push({ description, parameters: old });
    }
  }

  #changeBdevsBack(): void {
    for (const { description, parameters } of this.#changed) {
      try {
        this.#state.engine.bdevChange(description.name, engineChanges(parameters));
      } catch (error) {
        const { name } = parameters;
        this.#state.logger.error({ err: error, bdev: name }, 'could not change a bdev back');
        this.lost.push(`parameters of bdev ${name}`);
      }
    }
  }

  #nextBdevs(): Map<string, OpenBdev> {
    const next = new Map<string, OpenBdev>();
    for (const { name } of this.#desired.bdevs) {
      const bdev = this.#preparation.bdevs.get(name) ?? this.#plan.bdevs.keep.get(name);
      if (bdev !== undefined) next.set(name, bdev);
    }
    return next;
  }

  #switch(next: SubsystemConfiguration, key: string): Switch {
    const old = this.#state.subsystems.get(next.nqn);
    const subsystem = old ?? this.#made(next);
    const namespaces = new Map<number, Namespace>();
    for (const configuration of next.namespaces) {
      const bdev = this.#bdevs.get(configuration.bdev);
      if (bdev === undefined || this.#preparation.unserved.has(configuration)) continue;
      const namespace = this.#state.namespaceOf(configuration, bdev);
      namespaces.set(namespace.nsid, namespace);
    }
    const nsids = new Set([...subsystem.namespaces.keys(), ...namespaces.keys()]);
    const changed = [...nsids].filter((nsid) => {
      const before = subsystem.namespaces.get(nsid);
      const after = namespaces.get(nsid);
      if (before === undefined || after === undefined) return true;
      return !after.isSameDisk(before) || after.readOnly !== before.readOnly;
    });
    return {
      key,
      next,
      subsystem,
      isNew: old === undefined,
      namespaces,
      changed,
      before: {
        parameters: subsystem.parameters,
        serial: subsystem.serial,
        hosts: new Map(subsystem.hosts),
        namespaces: new Map(subsystem.namespaces),
        retiredUsage: subsystem.retiredUsage,
      },
      publication: null,
    };
  }

  /** From now on nobody gets in who may not, and nobody is shown what goes. */
  #restrict({ next, subsystem, namespaces, changed }: Switch): void {
    subsystem.parameters = parametersOf(next);
    setHosts(subsystem, next.hosts);
    for (const nsid of changed) {
      const old = subsystem.namespaces.get(nsid);
      // On the same bdev the engine goes on serving, and counting.
      if (old === undefined || namespaces.get(nsid)?.bdev.name === old.bdev.name) continue;
      // In one step: a SMART log that is read meanwhile counts the namespace once.
      subsystem.namespaces.delete(nsid);
      const usage = namespaceUsage(this.#state.engine, subsystem.table, nsid);
      subsystem.retiredUsage = addedUsage(subsystem.retiredUsage, usage);
    }
  }

  #publish(each: Switch): void {
    const { subsystem, namespaces, changed, isNew } = each;
    if (changed.length === 0 && !isNew) return;
    const entries = [...namespaces.values()]
      .sort((a, b) => a.nsid - b.nsid)
      .map(({ entry }) => entry);
    const { access, tables } = this.#state;
    const news = new Set(changed);
    const arriving = [...namespaces.values()].filter(({ nsid }) => news.has(nsid));
    access.beforeServing(subsystem, arriving);
    try {
      each.publication = tables.publish(subsystem.table, entries);
    } catch (thrown) {
      throw refusal(each, thrown);
    }
  }

  /** The engine refused a table: all is as it was. */
  async #restore(): Promise<void> {
    const { logger, tables } = this.#state;
    this.#changeBdevsBack();
    for (const subsystem of this.#removed) subsystem.accepting = true;
    for (const { subsystem, isNew, before, publication } of this.#switches) {
      let namespaces = before.namespaces;
      try {
        if (isNew) {
          const what = `subsystem ${subsystem.nqn}`;
          if (publication !== null) {
            this.#drain({ what, bdev: null }, tables.delete(subsystem.table));
          }
          continue;
        }
        const entries = [...before.namespaces.values()].map(({ entry }) => entry);
        if (publication === null) subsystem.retiredUsage = before.retiredUsage;
        else await tables.publish(subsystem.table, entries).applied;
      } catch (error) {
        logger.error({ err: error, subsystem: subsystem.nqn }, 'could not bring namespaces back');
        this.lost.push(`namespaces of ${subsystem.nqn}`);
        namespaces = new Map();
      }
      subsystem.parameters = before.parameters;
      setHosts(subsystem, [...before.hosts.keys()]);
      subsystem.namespaces.clear();
      for (const [nsid, namespace] of namespaces) subsystem.namespaces.set(nsid, namespace);
      this.#state.access.afterServing(subsystem);
      // A host that was let in meanwhile.
      const strangers = [...subsystem.controllers.values()].filter(
        ({ hostNqn }) => !subsystem.allows(hostNqn),
      );
      void this.#state.controllers.terminateAll(strangers, 'host_removed');
    }
  }

  #made(next: SubsystemConfiguration): Subsystem {
    const serial = this.#state.contents.serialOf(next.nqn);
    return new Subsystem(parametersOf(next), this.#state.takeTable(), serial);
  }

  /** The engine serves it: the model follows, and hosts are told. */
  #show(each: Switch, closing: ReadonlySet<string>): void {
    const { next, subsystem, isNew, namespaces, changed, before, publication } = each;
    subsystem.namespaces.clear();
    for (const [nsid, namespace] of namespaces) subsystem.namespaces.set(nsid, namespace);
    subsystem.listeners.clear();
    for (const endpoint of next.listeners) subsystem.listeners.set(endpointKey(endpoint), endpoint);
    if (isNew) this.#state.subsystems.set(subsystem.nqn, subsystem);
    this.#state.access.afterServing(subsystem);
    for (const nsid of changed) {
      if (!isNew) this.#state.namespaceChanged(subsystem, nsid);
      const old = before.namespaces.get(nsid);
      if (old === undefined || publication === null) continue;
      if (namespaces.get(nsid)?.bdev.name === old.bdev.name) continue;
      const { bdev } = old.configuration;
      if (closing.has(old.bdev.name)) continue;
      const what = `namespace ${nsid} of ${subsystem.nqn} (${bdev})`;
      this.#drain({ what, bdev: null }, publication.drained);
    }
  }

  #removeSubsystems(): void {
    const { controllers, subsystems, tables } = this.#state;
    for (const subsystem of this.#removed) {
      subsystems.delete(subsystem.nqn);
      const ended = controllers.terminateAll(
        [...subsystem.controllers.values()],
        'subsystem_removed',
      );
      const deleted = tables.delete(subsystem.table, ended);
      this.#drain({ what: `subsystem ${subsystem.nqn}`, bdev: null }, deleted);
    }
  }

  /** Controllers of hosts that may no longer be there, or that must see the subsystem anew. */
  #shutOut(): void {
    const { controllers } = this.#state;
    for (const { subsystem, before } of this.#switches) {
      const renamed =
        before.serial !== subsystem.serial ||
        before.parameters.model !== subsystem.parameters.model;
      const chosen = [...subsystem.controllers.values()].filter(
        ({ hostNqn }) => renamed || !subsystem.allows(hostNqn),
      );
      if (chosen.length === 0) continue;
      const reason = renamed ? 'subsystem_changed' : 'host_removed';
      const what = `${chosen.length} controllers of ${subsystem.nqn}`;
      this.#drain({ what, bdev: null }, controllers.terminateAll(chosen, reason));
    }
  }

  #switchListeners(): void {
    const { discovery, listeners, logger } = this.#state;
    discovery.listeners.clear();
    for (const endpoint of this.#desired.discoveryListeners) {
      discovery.listeners.set(endpointKey(endpoint), endpoint);
    }
    for (const listener of this.#preparation.listeners.values()) {
      listeners.start(listener);
      logger.info({ ...listener.actual, listener: listener.listener }, 'listening');
    }
    for (const { actual, configured } of this.#plan.endpoints.close) {
      const what = `listener ${endpointText(actual)}`;
      this.#drain({ what, bdev: null }, listeners.close(configured));
      logger.info({ ...actual }, 'no longer listening');
    }
  }

  #switchBdevs(): void {
    const { bdevs, contents } = this.#state;
    const { close, displaced } = this.#plan.bdevs;
    const before = [...close, ...displaced].map(({ parameters }) => parameters.name);
    for (const name of [...before, ...this.#preparation.bdevs.keys()]) contents.forgetChange(name);
    bdevs.clear();
    for (const [name, bdev] of this.#bdevs) bdevs.set(name, bdev);
    for (const bdev of close) this.#drains.push(closeBdev(this.#state, bdev));
  }

  /** What is configured and could not be had, and what can be had again. */
  #noteMissing(): void {
    const { logger, unavailable } = this.#state;
    for (const { item, error } of this.#preparation.missingBdevs) {
      if (!unavailable.bdevFailed(item, error)) continue;
      logger.error({ bdev: item.name }, `${error.message}; its namespaces are unavailable`);
    }
    for (const { item, error } of this.#preparation.missingEndpoints) {
      if (!unavailable.endpointFailed(item, error)) continue;
      logger.error({ ...item }, `${error.message}; it is tried again`);
    }
    const wantedBdevs = new Set(this.#desired.bdevs.map(({ name }) => name));
    for (const name of unavailable.bdevs.keys()) {
      const isWanted = wantedBdevs.has(name);
      if (isWanted && !this.#bdevs.has(name)) continue;
      unavailable.bdevs.delete(name);
      if (isWanted) logger.info({ bdev: name }, `bdev ${name} is available`);
    }
    const wanted = endpointPlaces(this.#desired);
    for (const key of unavailable.endpoints.keys()) {
      if (wanted.has(key) && !this.#state.listeners.has(key)) continue;
      unavailable.endpoints.delete(key);
    }
  }

  #drain(subject: Parameters<TargetState['drains']['add']>[0], work: Promise<unknown>): void {
    this.#drains.push(this.#state.drains.add(subject, work));
  }
}

function parametersOf(subsystem: SubsystemConfiguration): SubsystemParameters {
  const { nqn, serial, model, allowAnyHost, cntlidRange } = subsystem;
  return { nqn, ...(serial === undefined ? {} : { serial }), model, allowAnyHost, cntlidRange };
}

/** Those that stay are the same objects. */
function setHosts(subsystem: Subsystem, nqns: readonly string[]): void {
  const before = new Map(subsystem.hosts);
  subsystem.hosts.clear();
  for (const nqn of nqns) subsystem.hosts.set(nqn, before.get(nqn) ?? new Host(nqn));
}

function refusal({ key, next, isNew }: Switch, thrown: unknown): TargetError {
  const cause = TargetError.from(thrown);
  const what = isNew ? `add subsystem ${next.nqn}` : `change the namespaces of ${next.nqn}`;
  const code = cause.code === 'internal' ? 'internal' : 'apply_failed';
  return new TargetError(code, `${key}: could not ${what}: ${cause.message}`, {
    field: key,
    cause,
  });
}
