/**
 * The admin plane: decides what the engine's events ask, and changes what is exported. One per
 * process, made after the engine; give `handleEvents` to the engine as its sink.
 *
 * Changes are made one after the other: a second `apply` waits until the first is committed, but
 * not until what it took away has drained. Commands of hosts are answered meanwhile, from the state
 * as it is at that moment.
 *
 * A change looks before it leaps: it is planned, its steps are held against the permissions that
 * were given, everything new is opened beside what runs (`preparation.ts`), what must go before
 * something can come is exchanged (`exchange.ts`), and only then is it committed (`commit.ts`).
 */

import type { Endpoint, Engine, EngineEvent } from '../engine/engine-types.js';
import { TargetError } from '../errors.js';
import { isOther } from '../identity/content-change.js';
import type { ContentChange } from '../identity/content-change.js';
import { endpointKey, endpointText } from '../transport/listener.js';
import { stateText, statesOf } from './bdev-condition.js';
import { BdevWatch } from './bdev-watch.js';
import { checkPermissions, isWarning, permissions } from './change.js';
import type { Change, Permission } from './change.js';
import { checkConfiguration } from './configuration-check.js';
import { emptyConfiguration } from './configuration.js';
import type {
  NamespaceConfiguration,
  SubsystemConfiguration,
  TargetConfiguration,
} from './configuration.js';
import type { TargetCounters } from './counters.js';
import type { Drain } from './drain-list.js';
import { EventDispatcher } from './event-dispatcher.js';
import { make } from './making.js';
import type { Made } from './making.js';
import type { PeerLimitCount } from './peer-limits.js';
import { planChanges } from './plan.js';
import type { Plan } from './plan.js';
import { planRemoval } from './plan-removal.js';
import { planRetry } from './plan-retry.js';
import type { Missing } from './preparation.js';
import { RetryTimer } from './retry-timer.js';
import type { ApplyReport, TargetOptions } from './target-options.js';
import { TargetState } from './target-state.js';
import { bdevViews, connectionView, listenerViews, subsystemViews } from './target-views.js';
import type { UnavailableBdev, UnavailableEndpoint } from './unavailable.js';
import type {
  BdevView,
  ConnectionView,
  ControllerView,
  ListenerView,
  SubsystemView,
} from './views.js';

export interface ApplyOptions {
  /** What steps of the change may do; none unless given. */
  readonly allow?: readonly Permission[];
  /**
   * `wait`: a disk or an address that cannot be had now is tried again later, as long as anything
   * can be served. `refuse`: it is a reason to change nothing.
   */
  readonly missing?: Missing;
}

export class Target {
  readonly #state: TargetState;
  readonly #dispatcher: EventDispatcher;
  readonly #retry: RetryTimer;
  readonly #watch: BdevWatch;
  #isClosingRemoved = false;
  /** The change that all later ones wait for. */
  #tail: Promise<unknown> = Promise.resolve();

  constructor(engine: Engine, options: TargetOptions) {
    this.#state = new TargetState(engine, options);
    this.#dispatcher = new EventDispatcher(this.#state, options.onCommandAnswered);
    this.#retry = new RetryTimer(this.#state.clock, () => {
      void this.#tryAgain();
    });
    this.#watch = new BdevWatch(this.#state, () => {
      void this.#closeRemoved();
    });
  }

  get engine(): Engine {
    return this.#state.engine;
  }

  get counters(): TargetCounters {
    return this.#state.counters;
  }

  /** What peers were refused because something was at its limit. */
  get peerLimits(): Iterable<PeerLimitCount> {
    return this.#state.peerLimits.counts;
  }

  /** Why hosts that did nothing wrong are kept out; empty when none is. */
  get turnedAway(): readonly string[] {
    return this.#state.peerLimits.reasons;
  }

  /** The engine's sink. Bound: may be passed around. */
  readonly handleEvents = (events: readonly EngineEvent[]): void => {
    for (const event of events) this.#dispatcher.handle(event);
  };

  /**
   * What {@link apply} would do now, without doing it. Throws `configuration_invalid`, or `in_use`
   * if something that still drains stands in the way.
   */
  plan(desired: TargetConfiguration): ApplyReport {
    return this.#report(this.#plan(desired).changes);
  }

  /**
   * Makes the target what `desired` says, all or nothing. Rejects before anything was touched with
   * `configuration_invalid`, with `permission_needed` (a `PermissionError`) if a step needs
   * what `allow` does not give, or with `in_use`; with `apply_failed` when the old configuration is
   * in force; or with `rollback_failed` when a part of it is unavailable and tried again. `field`
   * is the key at fault and `cause` what went wrong there.
   *
   * Resolves when what was taken away has drained, or is overdue.
   */
  apply(desired: TargetConfiguration, options: ApplyOptions = {}): Promise<ApplyReport> {
    return this.update(() => desired, options);
  }

  /** As {@link apply}, from the configuration in force when its turn comes. */
  async update(
    edit: (current: TargetConfiguration) => TargetConfiguration,
    options: ApplyOptions = {},
  ): Promise<ApplyReport> {
    const { changes, drains } = await this.#inTurn(async () => {
      await this.#lookNow();
      return this.#applyNow(edit(this.configuration), options);
    });
    await Promise.all(drains);
    return this.#report(changes);
  }

  /**
   * Runs `work` when all changes that were asked for earlier are made. Whatever it ends in, what is
   * missing then is tried again.
   */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#tail.then(work).finally(() => {
      this.#scheduleRetry();
    });
    this.#tail = done.catch(() => undefined);
    return done;
  }

  subsystemAdd(subsystem: SubsystemConfiguration): Promise<ApplyReport> {
    return this.update((current) => ({
      ...current,
      subsystems: [...current.subsystems, subsystem],
    }));
  }

  /** Terminates its controllers. */
  subsystemRemove(nqn: string, options: ApplyOptions = {}): Promise<ApplyReport> {
    return this.update((current) => {
      this.#state.subsystem(nqn);
      return { ...current, subsystems: current.subsystems.filter((other) => other.nqn !== nqn) };
    }, options);
  }

  namespaceAdd(nqn: string, namespace: NamespaceConfiguration): Promise<ApplyReport> {
    return this.#edit(nqn, (subsystem) => ({
      namespaces: [...subsystem.namespaces, namespace],
    }));
  }

  namespaceRemove(nqn: string, nsid: number, options: ApplyOptions = {}): Promise<ApplyReport> {
    return this.#edit(
      nqn,
      ({ namespaces }) => ({
        namespaces: without(namespaces, (other) => other.nsid === nsid, `namespace ${nsid}`),
      }),
      options,
    );
  }

  hostAdd(nqn: string, host: string): Promise<ApplyReport> {
    return this.#edit(nqn, ({ hosts }) => ({ hosts: [...hosts, host] }));
  }

  /** Terminates the host's controllers, unless any host is allowed. */
  hostRemove(nqn: string, host: string): Promise<ApplyReport> {
    return this.#edit(nqn, ({ hosts }) => ({
      hosts: without(hosts, (other) => other === host, `host ${host}`),
    }));
  }

  listenerAdd(nqn: string, endpoint: Endpoint): Promise<ApplyReport> {
    return this.#edit(nqn, ({ listeners }) => ({ listeners: [...listeners, endpoint] }));
  }

  /** Connections that came in through it live on. */
  listenerRemove(nqn: string, endpoint: Endpoint): Promise<ApplyReport> {
    return this.#edit(nqn, ({ listeners }) => ({
      listeners: without(
        listeners,
        (other) => endpointKey(other) === endpointKey(endpoint),
        `listener ${endpointText(endpoint)}`,
      ),
    }));
  }

  /** The configuration in force: what shall be, with {@link unavailable} missing of it. */
  get configuration(): TargetConfiguration {
    return this.#state.desired;
  }

  /** What is configured and cannot be had now. It is tried again. */
  get unavailable(): {
    readonly bdevs: readonly UnavailableBdev[];
    readonly endpoints: readonly UnavailableEndpoint[];
  } {
    const { bdevs, endpoints } = this.#state.unavailable;
    return { bdevs: [...bdevs.values()], endpoints: [...endpoints.values()] };
  }

  /** What was taken away and is not over yet. */
  get drains(): readonly Drain[] {
    return this.#state.drains.all;
  }

  get subsystems(): readonly SubsystemView[] {
    return subsystemViews(this.#state);
  }

  get listeners(): readonly ListenerView[] {
    return listenerViews(this.#state);
  }

  get controllers(): readonly ControllerView[] {
    return [...this.#state.controllers].map((controller) => controller.view);
  }

  get connections(): readonly ConnectionView[] {
    return [...this.#state.connections.values()].map(connectionView);
  }

  get bdevs(): readonly BdevView[] {
    return bdevViews(this.#state);
  }

  /** Says in the log, and to hosts, what becomes of bdevs; until {@link stop}. */
  watchBdevs(): void {
    this.#watch.start();
  }

  /** What is wrong with bdevs, each as a sentence. */
  get bdevReasons(): readonly string[] {
    return this.bdevs.flatMap(({ name, states }) => {
      const texts = states.map(stateText).filter((text) => text !== null);
      return texts.length === 0 ? [] : [`bdev ${name}: ${texts.join('; ')}`];
    });
  }

  /**
   * An operator knows what a bdev has lost. It is looked at again and serves again if it is well;
   * else this rejects with what is still wrong. Changes do not wait for it.
   */
  async acknowledgeBdev(name: string): Promise<void> {
    const bdev = this.#state.bdevs.get(name);
    if (bdev === undefined) throw new TargetError('not_found', `there is no open bdev ${name}`);
    const engineName = bdev.description.name;
    const health = this.engine.bdevHealth(engineName);
    if (health !== null && statesOf(health).includes('hung')) {
      throw new TargetError('in_use', `${name} cannot be looked at while its disk hangs`);
    }
    const acknowledged = this.engine.bdevAcknowledge(engineName);
    this.#state.tables.use(engineName, acknowledged);
    await acknowledged;
    this.#watch.look();
  }

  /**
   * Withdraws everything and waits for it, however long it takes. The engine itself is the caller's
   * to stop.
   */
  async stop(): Promise<void> {
    this.#watch.stop();
    // Nothing is opened, so nothing need be looked at.
    const stopped = this.#inTurn(() => this.#applyNow(emptyConfiguration, { allow: permissions }));
    // In the same turn: no retry may come behind it.
    this.#retry.stop();
    await stopped;
    const { controllers, discovery, drains } = this.#state;
    await drains.over();
    await controllers.terminateAll(discovery.controllers.values(), 'target_stopped');
  }

  #edit(
    nqn: string,
    edit: (subsystem: SubsystemConfiguration) => Partial<SubsystemConfiguration>,
    options: ApplyOptions = {},
  ): Promise<ApplyReport> {
    return this.update((current) => {
      this.#state.subsystem(nqn);
      const subsystems = current.subsystems.map((subsystem) =>
        subsystem.nqn === nqn ? { ...subsystem, ...edit(subsystem) } : subsystem,
      );
      return { ...current, subsystems };
    }, options);
  }

  #plan(desired: TargetConfiguration): Plan {
    checkConfiguration(desired, this.#state.limits);
    return planChanges(this.#state, desired);
  }

  /** Looks what the paths of open bdevs are now; a plan takes what was seen last. */
  look(): Promise<void> {
    return this.#inTurn(() => this.#lookNow());
  }

  async #lookNow(): Promise<void> {
    const { bdevs, contents, logger } = this.#state;
    await contents.look(bdevs.values());
    for (const [bdev, { text }] of contents.changes) logger.warn({ bdev }, text);
  }

  /** By bdev: what its path has become, when it was last looked, that is not what is served. */
  get contentChanges(): ReadonlyMap<string, ContentChange> {
    const { bdevs, contents } = this.#state;
    return new Map([...contents.changes].filter(([name]) => bdevs.has(name)));
  }

  async #applyNow(
    desired: TargetConfiguration,
    { allow = [], missing = 'refuse' }: ApplyOptions,
  ): Promise<Made> {
    const { contents, discovery } = this.#state;
    if (desired.subsystems.length + desired.discoveryListeners.length > 0) {
      await contents.ready();
      discovery.serial = contents.serialOf(discovery.nqn);
    }
    const first = this.#plan(desired);
    checkPermissions(first.changes, allow);
    const recheck = (): Plan => {
      const plan = planChanges(this.#state, desired);
      checkPermissions(plan.changes, allow);
      return plan;
    };
    const made = await make(this.#state, { desired, plan: first, missing, recheck });
    this.#log(made.changes);
    return made;
  }

  #report(changes: readonly Change[]): ApplyReport {
    // Of what is another file by now, a step of the plan tells.
    const unseen = [...this.contentChanges].filter(([, change]) => !isOther(change));
    return {
      changes,
      warnings: [
        ...changes.filter(isWarning).map(({ text, notice }) => `${text}: ${notice ?? ''}`),
        ...unseen.map(([name, { text }]) => `bdev ${name}: ${text}`),
        ...this.#state.drains.overdue.map(({ what }) => `${what} does not drain`),
      ],
    };
  }

  #log(changes: readonly Change[]): void {
    const { logger } = this.#state;
    for (const change of changes) {
      const { kind, key, text, notice } = change;
      const line = notice === null ? text : `${text}: ${notice}`;
      logger[isWarning(change) ? 'warn' : 'info']({ change: kind, key }, line);
    }
  }

  /** How much of what is in force is not there. */
  get #missingCount(): number {
    const { desired, subsystems, unavailable } = this.#state;
    const counts = desired.subsystems.map(
      ({ nqn, namespaces }) => namespaces.length - (subsystems.get(nqn)?.namespaces.size ?? 0),
    );
    return counts.reduce((sum, count) => sum + count, unavailable.size);
  }

  #scheduleRetry(): void {
    if (this.#missingCount > 0) this.#retry.start();
    else this.#retry.reset();
  }

  async #tryAgain(): Promise<void> {
    const before = this.#missingCount;
    try {
      await this.#inTurn(() => this.#retryNow());
    } catch (error) {
      this.#state.logger.warn({ reason: TargetError.from(error).message }, 'not available yet');
    }
    if (this.#missingCount >= before) return;
    this.#retry.reset();
    this.#scheduleRetry();
  }

  /** Once at a time: what is found meanwhile is found again. */
  async #closeRemoved(): Promise<void> {
    if (this.#isClosingRemoved) return;
    this.#isClosingRemoved = true;
    try {
      await this.#inTurn(async () => {
        const { desired } = this.#state;
        const plan = planRemoval(this.#state);
        if (plan.bdevs.close.length === 0) return;
        await make(this.#state, { desired, plan, missing: 'wait', recheck: () => plan });
      });
    } catch (error) {
      this.#state.logger.error({ err: error }, 'could not close a bdev whose device is gone');
    }
    this.#isClosingRemoved = false;
  }

  async #retryNow(): Promise<void> {
    const { desired } = this.#state;
    const plan = planRetry(this.#state);
    await make(this.#state, { desired, plan, missing: 'wait', recheck: () => plan });
  }
}

function without<T>(items: readonly T[], which: (item: T) => boolean, name: string): T[] {
  const rest = items.filter((item) => !which(item));
  if (rest.length === items.length) throw new TargetError('not_found', `there is no ${name}`);
  return rest;
}
