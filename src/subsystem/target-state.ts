/**
 * Everything that the admin plane knows, in one place: what {@link Target} changes, what the
 * commands read. The engine is told by whoever changes the state, never by the state itself, with
 * one exception: controllers, whose end the engine may announce at any time.
 */

import type { BdevDescription, BdevParameters, Endpoint, Engine } from '../engine/engine-types.js';
import { TargetError } from '../errors.js';
import type { Connection } from '../transport/connection.js';
import { ListenerTable } from '../transport/listener-table.js';
import type { TargetConfiguration } from './configuration.js';
import { ControllerTable } from './controller-table.js';
import { TargetCounters } from './counters.js';
import { DiscoverySubsystem } from './discovery-subsystem.js';
import { LogLimit } from './log-limit.js';
import type { Logger } from './logger.js';
import { silentLogger } from './logger.js';
import type { Subsystem } from './subsystem.js';
import type { Clock, TargetLimits, TargetOptions } from './target-options.js';
import { limitsDefault, systemClock } from './target-options.js';

export interface OpenBdev {
  readonly parameters: BdevParameters;
  readonly description: BdevDescription;
}

export class TargetState {
  readonly engine: Engine;
  readonly logger: Logger;
  readonly version: string;
  readonly limits: TargetLimits;
  readonly clock: Clock;
  readonly counters = new TargetCounters();
  readonly bdevs = new Map<string, OpenBdev>();
  /** By NQN. */
  readonly subsystems = new Map<string, Subsystem>();
  readonly discovery = new DiscoverySubsystem();
  readonly listeners: ListenerTable;
  /** By the engine's number. */
  readonly connections = new Map<number, Connection>();
  readonly controllers: ControllerTable;
  readonly startedAtMs: number;
  /** Lines about refused Connects: anybody who reaches a listener can cause them. */
  readonly refusalLines: LogLimit;
  #tableNext = 1;

  constructor(engine: Engine, options: TargetOptions) {
    this.engine = engine;
    this.logger = options.logger ?? silentLogger;
    this.version = options.version;
    this.limits = { ...limitsDefault, ...options.limits };
    this.clock = options.clock ?? systemClock;
    this.listeners = new ListenerTable(engine);
    this.controllers = new ControllerTable(engine, this.logger, this.limits);
    this.startedAtMs = this.clock.nowMs();
    this.refusalLines = new LogLimit(this.clock, (count) => {
      this.logger.warn({ count }, 'more Connects refused, not logged one by one');
    });
  }

  subsystem(nqn: string): Subsystem {
    const subsystem = this.subsystems.get(nqn);
    if (subsystem === undefined) throw new TargetError('not_found', `there is no subsystem ${nqn}`);
    return subsystem;
  }

  bdev(name: string): OpenBdev {
    const bdev = this.bdevs.get(name);
    if (bdev === undefined) throw new TargetError('not_found', `there is no bdev ${name}`);
    return bdev;
  }

  /** A number for a new namespace table; never given out twice. */
  takeTable(): number {
    const table = this.#tableNext;
    this.#tableNext += 1;
    return table;
  }

  /** The endpoint, as configured, that a connection came in on; null if its listener is unknown. */
  endpointOf(connection: Connection): Endpoint | null {
    return this.listeners.byNumber(connection.listener)?.configured ?? null;
  }

  get configuration(): TargetConfiguration {
    return {
      discoveryListeners: [...this.discovery.listeners.values()],
      bdevs: [...this.bdevs.values()].map((bdev) => bdev.parameters),
      subsystems: [...this.subsystems.values()].map((subsystem) => subsystem.configuration),
    };
  }

  /** Something changed that the discovery log shows to some host. */
  discoveryChanged(): void {
    this.discovery.generation += 1n;
    for (const controller of this.discovery.controllers.values()) {
      this.controllers.notify(controller, 'discovery_log_changed');
    }
  }

  /** A namespace came, went or became another. */
  namespaceChanged(subsystem: Subsystem, nsid: number): void {
    for (const controller of subsystem.controllers.values()) {
      controller.namespaceChanged(nsid);
      this.controllers.notify(controller, 'namespace_attribute_changed');
    }
  }
}
