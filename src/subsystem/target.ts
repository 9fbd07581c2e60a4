/**
 * The admin plane: decides what the engine's events ask, and changes what is exported. One per
 * process, made after the engine; give `handleEvents` to the engine as its sink.
 *
 * Changes are made one after the other: a second `apply` waits for the first. Commands of hosts are
 * answered meanwhile, from the state as it is at that moment.
 */

import type { Endpoint, Engine, EngineEvent } from '../engine/engine-types.js';
import { TargetError } from '../errors.js';
import { ChangeRunner } from './change-runner.js';
import { describe, inverse } from './change.js';
import type { Change } from './change.js';
import { checkConfiguration } from './configuration-check.js';
import { emptyConfiguration } from './configuration.js';
import type {
  NamespaceConfiguration,
  SubsystemConfiguration,
  TargetConfiguration,
} from './configuration.js';
import type { TargetCounters } from './counters.js';
import { EventDispatcher } from './event-dispatcher.js';
import { endpointKey, endpointText } from '../transport/listener.js';
import { planChanges } from './plan.js';
import type { Plan } from './plan.js';
import type { ApplyReport, TargetOptions } from './target-options.js';
import { TargetState } from './target-state.js';
import { bdevView, connectionView, listenerView, subsystemView } from './target-views.js';
import type {
  BdevView,
  ConnectionView,
  ControllerView,
  ListenerView,
  SubsystemView,
} from './views.js';

export class Target {
  readonly #state: TargetState;
  readonly #runner: ChangeRunner;
  readonly #dispatcher: EventDispatcher;
  /** The change that all later ones wait for. */
  #tail: Promise<unknown> = Promise.resolve();

  constructor(engine: Engine, options: TargetOptions) {
    this.#state = new TargetState(engine, options);
    this.#runner = new ChangeRunner(this.#state);
    this.#dispatcher = new EventDispatcher(this.#state, options.onCommandAnswered);
  }

  get engine(): Engine {
    return this.#state.engine;
  }

  get counters(): TargetCounters {
    return this.#state.counters;
  }

  /** The engine's sink. Bound: may be passed around. */
  readonly handleEvents = (events: readonly EngineEvent[]): void => {
    for (const event of events) this.#dispatcher.handle(event);
  };

  /** What {@link apply} would do now, without doing it. Throws `configuration_invalid`. */
  plan(desired: TargetConfiguration): ApplyReport {
    return reportOf(this.#plan(desired));
  }

  /**
   * Makes the target what `desired` says, all or nothing. Rejects with `configuration_invalid`
   * before anything was touched, with `apply_failed` when the old configuration is back, or with
   * `rollback_failed`; `field` is the key at fault and `cause` what went wrong there.
   */
  apply(desired: TargetConfiguration): Promise<ApplyReport> {
    return this.update(() => desired);
  }

  /** As {@link apply}, from the configuration in force when its turn comes. */
  update(edit: (current: TargetConfiguration) => TargetConfiguration): Promise<ApplyReport> {
    const result = this.#tail.then(() => this.#applyNow(edit(this.configuration)));
    this.#tail = result.catch(() => undefined);
    return result;
  }

  subsystemAdd(subsystem: SubsystemConfiguration): Promise<ApplyReport> {
    return this.update((current) => ({
      ...current,
      subsystems: [...current.subsystems, subsystem],
    }));
  }

  /** Terminates its controllers. */
  subsystemRemove(nqn: string): Promise<ApplyReport> {
    return this.update((current) => {
      this.#state.subsystem(nqn);
      return { ...current, subsystems: current.subsystems.filter((other) => other.nqn !== nqn) };
    });
  }

  namespaceAdd(nqn: string, namespace: NamespaceConfiguration): Promise<ApplyReport> {
    return this.#edit(nqn, (subsystem) => ({
      namespaces: [...subsystem.namespaces, namespace],
    }));
  }

  namespaceRemove(nqn: string, nsid: number): Promise<ApplyReport> {
    return this.#edit(nqn, ({ namespaces }) => ({
      namespaces: without(namespaces, (other) => other.nsid === nsid, `namespace ${nsid}`),
    }));
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

  /** The configuration in force. */
  get configuration(): TargetConfiguration {
    return this.#state.configuration;
  }

  get subsystems(): readonly SubsystemView[] {
    return [...this.#state.subsystems.values()].map((subsystem) =>
      subsystemView(this.#state, subsystem),
    );
  }

  get listeners(): readonly ListenerView[] {
    return [...this.#state.listeners].map((listener) => listenerView(this.#state, listener));
  }

  get controllers(): readonly ControllerView[] {
    return [...this.#state.controllers].map((controller) => controller.view);
  }

  get connections(): readonly ConnectionView[] {
    return [...this.#state.connections.values()].map(connectionView);
  }

  get bdevs(): readonly BdevView[] {
    return [...this.#state.bdevs.values()].map((bdev) => bdevView(this.#state, bdev));
  }

  /**
   * Withdraws everything: listeners first, then controllers, namespaces and bdevs, each drained.
   * The engine itself is the caller's to stop.
   */
  async stop(): Promise<void> {
    await this.apply(emptyConfiguration);
    const { controllers, discovery } = this.#state;
    await controllers.terminateAll(discovery.controllers.values(), 'target_stopped');
  }

  #edit(
    nqn: string,
    edit: (subsystem: SubsystemConfiguration) => Partial<SubsystemConfiguration>,
  ): Promise<ApplyReport> {
    return this.update((current) => {
      this.#state.subsystem(nqn);
      const subsystems = current.subsystems.map((subsystem) =>
        subsystem.nqn === nqn ? { ...subsystem, ...edit(subsystem) } : subsystem,
      );
      return { ...current, subsystems };
    });
  }

  #plan(desired: TargetConfiguration): Plan {
    checkConfiguration(desired, this.#state.limits);
    return planChanges(this.configuration, desired);
  }

  async #applyNow(desired: TargetConfiguration): Promise<ApplyReport> {
    const plan = this.#plan(desired);
    const done: Change[] = [];
    for (const change of plan.changes) {
      try {
        await this.#runner.run(change);
      } catch (error) {
        throw await this.#rollBack(done, change, TargetError.from(error));
      }
      done.push(change);
      this.#state.logger.info({ change: change.kind, key: change.key }, describe(change));
    }
    for (const warning of plan.warnings) this.#state.logger.warn({}, warning);
    return reportOf(plan);
  }

  /** Undoes what was done, last first; answers the error to throw. */
  async #rollBack(
    done: readonly Change[],
    failed: Change,
    cause: TargetError,
  ): Promise<TargetError> {
    const { logger } = this.#state;
    // A stack tells of a defect of ours; what the machine or the configuration refused needs none.
    const why = cause.code === 'internal' ? { err: cause } : { reason: cause.message };
    logger.error({ ...why, change: failed.kind, key: failed.key }, `could not ${describe(failed)}`);
    const lost: string[] = [];
    for (const change of done.toReversed()) {
      const undo = inverse(change);
      try {
        await this.#runner.run(undo);
      } catch (error) {
        logger.error(
          { err: error, change: undo.kind, key: undo.key },
          `could not ${describe(undo)}`,
        );
        lost.push(describe(undo));
      }
    }
    const what = `${failed.key}: could not ${describe(failed)}: ${cause.message}`;
    const options = { field: failed.key, cause };
    if (lost.length > 0) {
      return new TargetError('rollback_failed', `${what}; could not ${lost.join(', ')}`, options);
    }
    const emptied = done.flatMap((change) =>
      change.kind === 'bdev_delete' && change.bdev.kind === 'malloc' ? [change.bdev.name] : [],
    );
    const back =
      emptied.length === 0
        ? 'nothing has changed'
        : `the old configuration is back, but empty are the RAM disks ${emptied.join(', ')}`;
    return new TargetError('apply_failed', `${what}; ${back}`, options);
  }
}

function reportOf(plan: Plan): ApplyReport {
  const changes = plan.changes.map((change) => ({
    kind: change.kind,
    key: change.key,
    text: describe(change),
  }));
  return { changes, warnings: plan.warnings };
}

function without<T>(items: readonly T[], which: (item: T) => boolean, name: string): T[] {
  const rest = items.filter((item) => !which(item));
  if (rest.length === items.length) throw new TargetError('not_found', `there is no ${name}`);
  return rest;
}
