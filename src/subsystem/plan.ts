/**
 * The way from one configuration to another, as changes in an order in which each can be made:
 *
 * 1. new bdevs are created, so that most failures come before anything that hosts would see;
 * 2. what shall go is withdrawn, outside in: listeners, hosts, namespaces, subsystems;
 * 3. bdevs whose parameters changed are deleted and created again;
 * 4. what is new is offered, inside out: subsystems, namespaces, hosts, listeners;
 * 5. bdevs that nobody uses any more are deleted.
 *
 * Pure: compares, decides nothing about how a change is made.
 */

import { isDeepStrictEqual } from 'node:util';

import type { BdevParameters, Endpoint } from '../engine/engine-types.js';
import { endpointKey } from '../transport/listener.js';
import type { Change, SubsystemParameters } from './change.js';
import type { SubsystemConfiguration, TargetConfiguration } from './configuration.js';

export interface Plan {
  readonly changes: readonly Change[];
  readonly warnings: readonly string[];
}

/** Changes by the phase they belong to, in the order of the header. */
interface Phases {
  readonly create: Change[];
  readonly withdraw: Change[];
  readonly recreate: Change[];
  readonly offer: Change[];
  readonly remove: Change[];
  readonly warnings: string[];
}

interface Place<T> {
  readonly item: T;
  readonly key: string;
}

/** Items by identity, each with the key under which the configuration has it. */
function places<T>(
  items: readonly T[],
  identity: (item: T) => string,
  key: string,
): Map<string, Place<T>> {
  return new Map(items.map((item, index) => [identity(item), { item, key: `${key}[${index}]` }]));
}

export function planChanges(current: TargetConfiguration, desired: TargetConfiguration): Plan {
  const phases: Phases = {
    create: [],
    withdraw: [],
    recreate: [],
    offer: [],
    remove: [],
    warnings: [],
  };
  const reopened = planBdevs(current, desired, phases);
  planSubsystems(current, desired, reopened, phases);
  planDiscoveryListeners(current, desired, phases);
  planEndpoints(current, desired, phases);
  const { create, withdraw, recreate, offer, remove, warnings } = phases;
  return { changes: [...create, ...withdraw, ...recreate, ...offer, ...remove], warnings };
}

/** Answers the names of the bdevs that will be closed and opened again. */
function planBdevs(
  current: TargetConfiguration,
  desired: TargetConfiguration,
  phases: Phases,
): ReadonlySet<string> {
  const before = places(current.bdevs, (bdev) => bdev.name, 'bdevs');
  const after = places(desired.bdevs, (bdev) => bdev.name, 'bdevs');
  const reopened = new Set<string>();
  const displaced = new Set<string>();
  const recreated: Change[] = [];
  for (const { item: bdev, key } of after.values()) {
    const old = before.get(bdev.name)?.item;
    if (old !== undefined && isDeepStrictEqual(old, bdev)) continue;
    const holders = current.bdevs.filter((other) => holdsFileOf(other, bdev, after));
    if (old === undefined && holders.length === 0) {
      phases.create.push({ kind: 'bdev_create', key, bdev });
      continue;
    }
    if (old !== undefined) {
      reopened.add(bdev.name);
      displaced.add(bdev.name);
      phases.warnings.push(changedBdevWarning(old));
    }
    for (const holder of holders) displaced.add(holder.name);
    recreated.push({ kind: 'bdev_create', key, bdev });
  }
  for (const { item: bdev, key } of before.values()) {
    const place = after.get(bdev.name)?.key ?? key;
    const change: Change = { kind: 'bdev_delete', key: place, bdev };
    if (displaced.has(bdev.name)) phases.recreate.push(change);
    else if (!after.has(bdev.name)) phases.remove.push(change);
    if (!after.has(bdev.name) && bdev.kind === 'malloc') {
      phases.warnings.push(`bdev ${bdev.name} is a RAM disk: its content is gone`);
    }
  }
  phases.recreate.push(...recreated);
  return reopened;
}

/**
 * A file cannot be open twice: a bdev that goes, or changes, must let go of it before the new one
 * opens it.
 */
function holdsFileOf(
  other: BdevParameters,
  bdev: BdevParameters,
  after: ReadonlyMap<string, Place<BdevParameters>>,
): boolean {
  if (other.path === undefined || other.path !== bdev.path || other.name === bdev.name)
    return false;
  return after.get(other.name)?.item.path !== other.path;
}

function changedBdevWarning(old: BdevParameters): string {
  return old.kind === 'malloc'
    ? `bdev ${old.name} is a RAM disk: it is created anew, its content is gone`
    : `bdev ${old.name} is closed and opened again: its namespace goes and comes back`;
}

function planSubsystems(
  current: TargetConfiguration,
  desired: TargetConfiguration,
  reopened: ReadonlySet<string>,
  phases: Phases,
): void {
  const before = places(current.subsystems, (subsystem) => subsystem.nqn, 'subsystems');
  const after = places(desired.subsystems, (subsystem) => subsystem.nqn, 'subsystems');
  for (const { item, key } of before.values()) {
    if (!after.has(item.nqn)) {
      phases.withdraw.push({ kind: 'subsystem_remove', key, subsystem: item });
    }
  }
  for (const { item: next, key } of after.values()) {
    const old = before.get(next.nqn)?.item;
    if (old === undefined) {
      phases.offer.push({ kind: 'subsystem_add', key, subsystem: next });
    } else if (old.serial !== next.serial || old.model !== next.model) {
      // A host takes a controller of another serial or model for another subsystem: it must connect
      // anew.
      phases.withdraw.push({ kind: 'subsystem_remove', key, subsystem: old });
      phases.offer.push({ kind: 'subsystem_add', key, subsystem: next });
      phases.warnings.push(`subsystem ${next.nqn} has a new identity: its hosts are disconnected`);
    } else {
      planHosts(old, next, key, phases);
      planParts(old, next, key, reopened, phases);
    }
  }
}

/**
 * Hosts are added before allow_any_host may end and removed after it may begin: who stays allowed
 * stays connected.
 */
function planHosts(
  old: SubsystemConfiguration,
  next: SubsystemConfiguration,
  key: string,
  phases: Phases,
): void {
  const nqn = next.nqn;
  const { gone, added } = difference(old.hosts, next.hosts, (host) => host, `${key}.hosts`);
  for (const { item, key: at } of added) {
    phases.withdraw.push({ kind: 'host_add', key: at, nqn, host: item });
  }
  const from = parametersOf(old);
  const to = parametersOf(next);
  if (!isDeepStrictEqual(from, to)) {
    phases.withdraw.push({ kind: 'subsystem_update', key, nqn, from, to });
  }
  for (const { item, key: at } of gone) {
    phases.withdraw.push({ kind: 'host_remove', key: at, nqn, host: item });
  }
}

function planParts(
  old: SubsystemConfiguration,
  next: SubsystemConfiguration,
  key: string,
  reopened: ReadonlySet<string>,
  phases: Phases,
): void {
  const nqn = next.nqn;
  const listeners = difference(old.listeners, next.listeners, endpointKey, `${key}.listeners`);
  const namespaces = difference(
    old.namespaces,
    next.namespaces,
    (namespace) => String(namespace.nsid),
    `${key}.namespaces`,
    (namespace) => reopened.has(namespace.bdev),
  );
  for (const { item, key: at } of listeners.gone) {
    phases.withdraw.push({ kind: 'listener_remove', key: at, nqn, endpoint: item });
  }
  for (const { item, key: at } of namespaces.gone) {
    phases.withdraw.push({ kind: 'namespace_remove', key: at, nqn, namespace: item });
  }
  for (const { item, key: at } of namespaces.added) {
    phases.offer.push({ kind: 'namespace_add', key: at, nqn, namespace: item });
  }
  for (const { item, key: at } of listeners.added) {
    phases.offer.push({ kind: 'listener_add', key: at, nqn, endpoint: item });
  }
}

function planDiscoveryListeners(
  current: TargetConfiguration,
  desired: TargetConfiguration,
  phases: Phases,
): void {
  const { gone, added } = difference(
    current.discoveryListeners,
    desired.discoveryListeners,
    endpointKey,
    'discovery.listeners',
  );
  for (const { item, key } of gone) {
    phases.withdraw.push({ kind: 'discovery_listener_remove', key, endpoint: item });
  }
  for (const { item, key } of added) {
    phases.offer.push({ kind: 'discovery_listener_add', key, endpoint: item });
  }
}

/**
 * Endpoints are opened and closed by who needs them over all, so that one that merely changes users
 * stays open.
 */
function planEndpoints(
  current: TargetConfiguration,
  desired: TargetConfiguration,
  phases: Phases,
): void {
  const before = endpointPlaces(current);
  const after = endpointPlaces(desired);
  for (const [id, { item, key }] of before) {
    if (!after.has(id)) phases.withdraw.push({ kind: 'endpoint_close', key, endpoint: item });
  }
  for (const [id, { item, key }] of after) {
    if (!before.has(id)) phases.offer.push({ kind: 'endpoint_open', key, endpoint: item });
  }
}

function endpointPlaces(configuration: TargetConfiguration): Map<string, Place<Endpoint>> {
  const all = new Map<string, Place<Endpoint>>();
  const note = (endpoints: readonly Endpoint[], key: string): void => {
    for (const [id, place] of places(endpoints, endpointKey, key)) {
      if (!all.has(id)) all.set(id, place);
    }
  };
  note(configuration.discoveryListeners, 'discovery.listeners');
  configuration.subsystems.forEach((subsystem, index) => {
    note(subsystem.listeners, `subsystems[${index}].listeners`);
  });
  return all;
}

/**
 * What one list has and the other has not; an item that changed, or that `renewed` names, is in
 * both answers.
 */
function difference<T>(
  before: readonly T[],
  after: readonly T[],
  identity: (item: T) => string,
  key: string,
  renewed: (item: T) => boolean = () => false,
): { gone: Place<T>[]; added: Place<T>[] } {
  const old = places(before, identity, key);
  const next = places(after, identity, key);
  const same = (id: string): boolean => {
    const a = old.get(id)?.item;
    const b = next.get(id)?.item;
    return a !== undefined && b !== undefined && isDeepStrictEqual(a, b) && !renewed(a);
  };
  const gone = [...old].filter(([id]) => !same(id));
  const added = [...next].filter(([id]) => !same(id));
  return {
    gone: gone.map(([id, place]) => ({ ...place, key: next.get(id)?.key ?? place.key })),
    added: added.map(([, place]) => place),
  };
}

function parametersOf(subsystem: SubsystemConfiguration): SubsystemParameters {
  const { nqn, serial, model, allowAnyHost, cntlidRange } = subsystem;
  return { nqn, ...(serial === undefined ? {} : { serial }), model, allowAnyHost, cntlidRange };
}
