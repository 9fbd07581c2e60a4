/**
 * Everything that the admin plane knows, in one place: what {@link Target} changes, what the
 * commands read. The engine is told by whoever changes the state, never by the state itself, with
 * one exception: controllers, whose end the engine may announce at any time.
 */

import type { BdevHealth, DriveHealth, Engine } from '../engine/engine-types.js';
import { TargetError } from '../errors.js';
import { ContentFiles } from '../identity/content-files.js';
import { Contents } from '../identity/contents.js';
import { MemoryState } from '../identity/state-directory.js';
import { StateInTime } from '../identity/state-in-time.js';
import type { Connection } from '../transport/connection.js';
import { reaches } from '../transport/listener.js';
import { ListenerTable } from '../transport/listener-table.js';
import { joinedHealth, soundHealth } from './bdev-condition.js';
import { emptyConfiguration } from './configuration.js';
import type {
  NamespaceConfiguration,
  SubsystemConfiguration,
  TargetConfiguration,
} from './configuration.js';
import { ConnectionShares } from './connection-shares.js';
import { ControllerTable } from './controller-table.js';
import { TargetCounters } from './counters.js';
import { DiscoveryPages } from './discovery-pages.js';
import { DiscoverySubsystem } from './discovery-subsystem.js';
import { DrainList } from './drain-list.js';
import { HostAccounts } from './host-accounts.js';
import type { Logger } from './logger.js';
import { silentLogger } from './logger.js';
import { Namespace } from './namespace.js';
import type { OpenBdev } from './open-bdev.js';
import { NamespaceAccess } from './namespace-access.js';
import { NamespaceTables } from './namespace-tables.js';
import { PeerLimits } from './peer-limits.js';
import { PeerLines } from './peer-lines.js';
import type { Subsystem } from './subsystem.js';
import type { Clock, TargetLimits, TargetOptions } from './target-options.js';
import { limitsDefault, systemClock } from './target-options.js';
import { UnavailableItems } from './unavailable.js';

export class TargetState {
  readonly engine: Engine;
  readonly logger: Logger;
  readonly version: string;
  readonly limits: TargetLimits;
  readonly clock: Clock;
  readonly counters = new TargetCounters();
  /**
   * What shall be: the configuration that was last committed. What is missing of it is in
   * `unavailable`; what is left of an earlier one is in `drains`.
   */
  desired: TargetConfiguration = emptyConfiguration;
  readonly unavailable = new UnavailableItems();
  readonly drains: DrainList;
  readonly tables: NamespaceTables;
  /** Those that are open, by configured name. */
  readonly bdevs = new Map<string, OpenBdev>();
  /** By NQN. */
  readonly subsystems = new Map<string, Subsystem>();
  readonly discovery = new DiscoverySubsystem();
  readonly discoveryPages: DiscoveryPages;
  readonly listeners: ListenerTable;
  /** By the engine's number. */
  readonly connections = new Map<number, Connection>();
  readonly controllers: ControllerTable;
  readonly contents: Contents;
  readonly access: NamespaceAccess;
  readonly hostAccounts = new HostAccounts();
  readonly startedAtMs: number;
  /** Lines that anybody who reaches a listener can cause. */
  readonly peerLines: PeerLines;
  readonly peerLimits: PeerLimits;
  readonly shares: ConnectionShares;
  /** Configured names of bdevs that are being opened. */
  readonly opening = new Set<string>();
  readonly #engineNames = new Set<string>();
  #tableNext = 1;

  constructor(engine: Engine, options: TargetOptions) {
    this.engine = engine;
    this.logger = options.logger ?? silentLogger;
    this.version = options.version;
    this.limits = { ...limitsDefault, ...options.limits };
    this.clock = options.clock ?? systemClock;
    this.discoveryPages = new DiscoveryPages(engine, this.clock);
    this.listeners = new ListenerTable(engine);
    this.peerLines = new PeerLines(this.logger, this.clock);
    this.peerLimits = new PeerLimits(this.clock);
    this.shares = new ConnectionShares(engine);
    const { logger, limits, peerLines, shares } = this;
    this.controllers = new ControllerTable({
      ...{ engine, logger, limits, peerLines, shares },
      onEnding: options.onControllerEnding,
      beforeEnd: (controller) => {
        this.access.controllerEnds(controller);
      },
    });
    this.drains = new DrainList(this.clock, this.logger, this.limits.drainDeadlineMs);
    this.tables = new NamespaceTables(engine, this.clock);
    const { stateDirectory = new MemoryState(), machineFile } = options;
    const { openDeadlineMs } = this.limits;
    const files = new ContentFiles(engine, this.clock, openDeadlineMs);
    const state = new StateInTime(stateDirectory, this.clock, openDeadlineMs);
    this.contents = new Contents(files, this.logger, state, machineFile);
    this.access = new NamespaceAccess(engine, this.contents, this.controllers, this.clock);
    this.startedAtMs = this.clock.nowMs();
  }

  subsystem(nqn: string): Subsystem {
    const subsystem = this.subsystems.get(nqn);
    if (subsystem === undefined) throw new TargetError('not_found', `there is no subsystem ${nqn}`);
    return subsystem;
  }

  /**
   * The engine's name for a bdev that is to be opened: the configured one, unless another one of
   * that name is still open.
   */
  takeEngineName(name: string): string {
    let engineName = name;
    for (let number = 2; this.#engineNames.has(engineName); number += 1) {
      engineName = `${name}#${number}`;
    }
    this.#engineNames.add(engineName);
    return engineName;
  }

  /** It is closed, or was never opened. */
  freeEngineName(engineName: string): void {
    this.#engineNames.delete(engineName);
    this.contents.closed(engineName);
  }

  /** What hosts of it see: of the bdev of this engine's name, and of all that it stands on. */
  healthOf(bdev: string): BdevHealth {
    const stack = this.tables.stackOf(bdev);
    return joinedHealth(stack.map((name) => this.engine.bdevHealth(name) ?? soundHealth));
  }

  /** Health of the drives that the bdev of this engine's name stands on, as far as it is known. */
  drivesOf(bdev: string): DriveHealth[] {
    return this.tables.stackOf(bdev).flatMap((name) => {
      const health = this.engine.bdevDrive(name)?.health ?? null;
      return health === null ? [] : [health];
    });
  }

  /** The namespace that a configuration makes of an open bdev. */
  namespaceOf(configuration: NamespaceConfiguration, bdev: OpenBdev): Namespace {
    const { description } = bdev;
    const identifiers = this.contents.identifiersOf(configuration, description);
    const { content } = this.contents.identityOf(description);
    return new Namespace(configuration, description, identifiers, content);
  }

  /** The serial number as configured, else of this machine. */
  serialOf({ nqn, serial }: Pick<SubsystemConfiguration, 'nqn' | 'serial'>): string {
    return serial ?? this.contents.serialOf(nqn);
  }

  /** A number for a new namespace table; never given out twice. */
  takeTable(): number {
    const table = this.#tableNext;
    this.#tableNext += 1;
    return table;
  }

  /**
   * Whether a connection has reached a subsystem: its listener serves it. If that one was closed
   * since, the listener that takes over the address that the host has reached.
   */
  isOfferedOn(subsystem: Subsystem, { listener: number, local }: Connection): boolean {
    const listener = this.listeners.byNumber(number);
    if (listener !== undefined && subsystem.offeredOn(listener.configured)) return true;
    if (listener !== undefined && this.listeners.get(listener.configured) === listener)
      return false;
    return [...subsystem.listeners.values()].some((endpoint) =>
      reaches(this.listeners.get(endpoint)?.actual ?? endpoint, local),
    );
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
