/**
 * What changes of subsystems, their hosts, listeners and namespaces, and what hosts notice of it.
 */

import { isDeepStrictEqual } from 'node:util';

import { endpointKey, endpointText } from '../transport/listener.js';
import type {
  NamespaceConfiguration,
  SubsystemConfiguration,
  TargetConfiguration,
} from './configuration.js';
import type { Controller } from './controller.js';
import type { Namespace } from './namespace.js';
import type { BdevPlan } from './plan-bdevs.js';
import { count, difference, places } from './plan-steps.js';
import type { Step, Steps } from './plan-steps.js';
import type { Subsystem } from './subsystem.js';
import type { TargetState } from './target-state.js';

export function planSubsystems(
  state: TargetState,
  desired: TargetConfiguration,
  bdevs: BdevPlan,
  steps: Steps,
): void {
  const before = places(state.desired.subsystems, (subsystem) => subsystem.nqn, 'subsystems');
  const after = places(desired.subsystems, (subsystem) => subsystem.nqn, 'subsystems');
  for (const [nqn, { key }] of before) {
    if (after.has(nqn)) continue;
    const text = `remove subsystem ${nqn}`;
    const subsystem = state.subsystems.get(nqn);
    const connected = subsystem === undefined ? 0 : living(subsystem).length;
    steps.add('withdraw', { kind: 'subsystem_remove', key, text, ...cutOff(connected) });
  }
  const retried = new Set(bdevs.retry.map(({ item }) => item.name));
  for (const [nqn, { item, key }] of after) {
    const old = state.subsystems.get(nqn);
    if (old === undefined) {
      steps.add('offer', { kind: 'subsystem_add', key, text: `add subsystem ${nqn}` });
      continue;
    }
    planParameters(old, item, state.serialOf(item), key, steps);
    planHosts(old, item, key, steps);
    planListeners(old, item, key, steps);
    const was = before.get(nqn)?.item.namespaces ?? [];
    const namespaces = new NamespacePlanner(state, old, { keep: bdevs.keep, retried }, steps);
    namespaces.plan(was, item.namespaces, `${key}.namespaces`);
  }
}

/** Those that are not ending already: a disk that hangs may keep the others for long. */
function living({ controllers }: Subsystem): Controller[] {
  return [...controllers.values()].filter((controller) => controller.living);
}

/** What taking something away does to the hosts that are connected to the subsystem. */
function cutOff(connected: number): Pick<Step, 'notice' | 'needs'> {
  if (connected === 0) return {};
  return {
    notice: `takes it away from ${count(connected, 'connected controller')}`,
    needs: ['disconnect'],
  };
}

function planParameters(
  old: Subsystem,
  next: SubsystemConfiguration,
  serial: string,
  key: string,
  steps: Steps,
): void {
  const { nqn } = next;
  const kind = 'subsystem_update';
  const { model, allowAnyHost, cntlidRange } = old.parameters;
  // A host takes a controller of another serial or model for another subsystem: it must connect
  // anew.
  if (old.serial !== serial || model !== next.model) {
    const connected = living(old).length;
    const text = `give subsystem ${nqn} another identity (serial, model)`;
    steps.add('access', {
      kind,
      key,
      text,
      ...(connected === 0
        ? {}
        : {
            notice: `disconnects ${count(connected, 'controller')}, which may connect again`,
            needs: ['disconnect'],
          }),
    });
  }
  if (allowAnyHost === next.allowAnyHost && isDeepStrictEqual(cntlidRange, next.cntlidRange))
    return;
  const listed = new Set([...old.hosts.keys(), ...next.hosts]);
  const shutOut = living(old).filter(({ hostNqn }) => !next.allowAnyHost && !listed.has(hostNqn));
  const notice = shutOut.length === 0 ? null : `shuts out ${count(shutOut.length, 'controller')}`;
  steps.add('access', { kind, key, text: `update subsystem ${nqn}`, notice });
}

function planHosts(old: Subsystem, next: SubsystemConfiguration, key: string, steps: Steps): void {
  const { nqn } = next;
  const before = [...old.hosts.keys()];
  const { gone, added } = difference(before, next.hosts, (host) => host, `${key}.hosts`);
  const connected = new Map<string, number>();
  for (const { hostNqn } of living(old)) connected.set(hostNqn, (connected.get(hostNqn) ?? 0) + 1);
  for (const { item, key: at } of added) {
    steps.add('access', { kind: 'host_add', key: at, text: `allow host ${item} on ${nqn}` });
  }
  for (const { item, key: at } of gone) {
    const shutOut = next.allowAnyHost ? 0 : (connected.get(item) ?? 0);
    steps.add('access', {
      kind: 'host_remove',
      key: at,
      text: `remove host ${item} from ${nqn}`,
      notice: shutOut === 0 ? null : `shuts out ${count(shutOut, 'controller')}`,
    });
  }
}

function planListeners(
  old: Subsystem,
  next: SubsystemConfiguration,
  key: string,
  steps: Steps,
): void {
  const { nqn } = next;
  const before = [...old.listeners.values()];
  const { gone, added } = difference(before, next.listeners, endpointKey, `${key}.listeners`);
  for (const { item, key: at } of gone) {
    const text = `withdraw ${nqn} from ${endpointText(item)}`;
    steps.add('withdraw', { kind: 'listener_remove', key: at, text });
  }
  for (const { item, key: at } of added) {
    const text = `offer ${nqn} on ${endpointText(item)}`;
    steps.add('offer', { kind: 'listener_add', key: at, text });
  }
}

/** What the namespaces of all subsystems are planned with. */
interface PlannedBdevs extends Pick<BdevPlan, 'keep'> {
  /** Names of those that are not there, as before. */
  readonly retried: ReadonlySet<string>;
}

class NamespacePlanner {
  readonly #state: TargetState;
  readonly #subsystem: Subsystem;
  readonly #bdevs: PlannedBdevs;
  readonly #steps: Steps;
  readonly #connected: number;

  constructor(state: TargetState, subsystem: Subsystem, bdevs: PlannedBdevs, steps: Steps) {
    this.#state = state;
    this.#subsystem = subsystem;
    this.#bdevs = bdevs;
    this.#steps = steps;
    this.#connected = living(subsystem).length;
  }

  plan(
    before: readonly NamespaceConfiguration[],
    after: readonly NamespaceConfiguration[],
    key: string,
  ): void {
    const was = places(before, ({ nsid }) => String(nsid), key);
    const next = places(after, ({ nsid }) => String(nsid), key);
    for (const [id, { item, key: at }] of was) {
      if (!next.has(id)) this.#remove(item, at);
    }
    for (const [id, { item, key: at }] of next) {
      const active = this.#subsystem.namespaces.get(item.nsid);
      if (active !== undefined) this.#change(active, item, at);
      else if (!was.has(id) || !this.#bdevs.retried.has(item.bdev)) this.#add(item, at);
    }
  }

  #add(namespace: NamespaceConfiguration, key: string): void {
    const { nqn } = this.#subsystem;
    const text = `add ${namespaceText(namespace)} to ${nqn}`;
    const notice = told(this.#connected);
    this.#steps.add('offer', { kind: 'namespace_add', key, text, notice });
  }

  #remove(namespace: NamespaceConfiguration, key: string): void {
    const { nqn, namespaces } = this.#subsystem;
    const text = `remove ${namespaceText(namespace)} from ${nqn}`;
    const effect = namespaces.has(namespace.nsid) ? cutOff(this.#connected) : {};
    this.#steps.add('withdraw', { kind: 'namespace_remove', key, text, ...effect });
  }

  #change(active: Namespace, next: NamespaceConfiguration, key: string): void {
    const { nqn } = this.#subsystem;
    const kept = this.#bdevs.keep.get(next.bdev);
    const changed = kept === undefined ? null : this.#state.namespaceOf(next, kept);
    if (changed?.isSameDisk(active) === true) {
      if (changed.readOnly === active.readOnly) return;
      const text = `make ${namespaceText(next)} of ${nqn} ${changed.readOnly ? 'read-only' : 'writable'}`;
      const notice = told(this.#connected);
      this.#steps.add('offer', { kind: 'namespace_update', key, text, notice });
      return;
    }
    const text = `make namespace ${next.nsid} of ${nqn} another disk (${next.bdev})`;
    const effect = cutOff(this.#connected);
    this.#steps.add('offer', { kind: 'namespace_replace', key, text, ...effect });
  }
}

function namespaceText({ nsid, bdev }: NamespaceConfiguration): string {
  return `namespace ${nsid} (${bdev})`;
}

function told(controllers: number): string | null {
  if (controllers === 0) return null;
  return `${count(controllers, 'controller')} ${controllers === 1 ? 'is' : 'are'} told of it`;
}
