/** From the file's content to what the engine, the target, the side-car and the log take. */

import { resolveBdev } from '../bdev/kinds.js';
import type { BdevParameters, EngineOptions } from '../engine/engine-types.js';
import type { SubsystemConfiguration, TargetConfiguration } from '../subsystem/configuration.js';
import { autoCores, highestCores } from './cores.js';
import type { HostPort } from './formats.js';
import type { Configuration } from './schema.js';

export interface AdminOptions {
  readonly listen: HostPort;
  /** Absolute; null when requests need no token. */
  readonly tokenFile: string | null;
  /** Names that a Host header may have beside localhost and addresses. */
  readonly allowedHosts: readonly string[];
}

export interface LogOptions {
  readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal';
  readonly format: 'auto' | 'pretty' | 'json';
}

/** A whole configuration, ready for use. */
export interface DaemonConfiguration {
  readonly engine: EngineOptions;
  readonly admin: AdminOptions;
  readonly log: LogOptions;
  readonly target: TargetConfiguration;
  /** Absolute. */
  readonly stateDirectory: string;
}

const STATE_DIRECTORY_NAME = 'capsuled-state';

const NS_PER_MS = 1_000_000;

export function normalize(
  configuration: Configuration,
  allowedCores: readonly number[],
  resolvePath: (path: string) => string,
): DaemonConfiguration {
  const { engine, admin, log, discovery, bdevs, subsystems } = configuration;
  return {
    engine: {
      cores: reactorCores(engine.reactors, allowedCores),
      poll: engine.poll,
      idleAfterNs: engine.idle_after,
      memoryBytes: Number(engine.memory),
      hugepages: engine.hugepages,
      connectionsMax: engine.connections_max,
      connectTimeoutMs: Math.ceil(engine.connect_timeout / NS_PER_MS),
      pduTimeoutMs: Math.ceil(engine.pdu_timeout / NS_PER_MS),
    },
    admin: {
      listen: admin.listen,
      tokenFile: admin.token_file === null ? null : resolvePath(admin.token_file),
      allowedHosts: admin.allowed_hosts,
    },
    log,
    stateDirectory: stateDirectory(configuration.state_directory, resolvePath),
    target: {
      discoveryListeners: discovery.listeners.map(({ address, port }) => ({ address, port })),
      bdevs: limited(bdevs, subsystems).map((bdev) => resolveBdev(bdev, resolvePath)),
      subsystems: subsystems.map(normalizeSubsystem),
    },
  };
}

/** systemd may name several, separated by colons: the first is ours. */
function stateDirectory(configured: string | null, resolvePath: (path: string) => string): string {
  const [given = ''] = (process.env['STATE_DIRECTORY'] ?? '').split(':');
  return resolvePath(configured ?? (given === '' ? STATE_DIRECTORY_NAME : given));
}

/** The core of each reactor. */
export function reactorCores(
  reactors: Configuration['engine']['reactors'],
  allowedCores: readonly number[],
): number[] {
  if (reactors === 'auto') return autoCores(allowedCores);
  return typeof reactors === 'number' ? highestCores(allowedCores, reactors) : [...reactors];
}

/** Nothing else uses the bdev of a namespace, so limits of the one are limits of the other. */
function limited(
  bdevs: readonly BdevParameters[],
  subsystems: Configuration['subsystems'],
): BdevParameters[] {
  const limits = new Map(
    subsystems.flatMap(({ namespaces }) =>
      namespaces.flatMap(({ bdev, qos }) => (qos === undefined ? [] : [[bdev, qos] as const])),
    ),
  );
  return bdevs.map((bdev) => {
    const qos = limits.get(bdev.name);
    return qos === undefined ? bdev : { ...bdev, qos };
  });
}

function normalizeSubsystem(
  subsystem: Configuration['subsystems'][number],
): SubsystemConfiguration {
  const [first = 1, last = 65519] = subsystem.cntlid_range;
  return {
    nqn: subsystem.nqn,
    ...(subsystem.serial === undefined ? {} : { serial: subsystem.serial }),
    model: subsystem.model,
    allowAnyHost: subsystem.allow_any_host,
    hosts: subsystem.hosts.map((host) => host.nqn),
    cntlidRange: [first, last],
    listeners: subsystem.listeners.map(({ address, port }) => ({ address, port })),
    namespaces: subsystem.namespaces.map((namespace) => ({
      nsid: namespace.nsid,
      bdev: namespace.bdev,
      readOnly: namespace.read_only,
      ...(namespace.uuid === undefined ? {} : { uuid: namespace.uuid }),
      ...(namespace.nguid === undefined ? {} : { nguid: namespace.nguid }),
      ...(namespace.eui64 === undefined ? {} : { eui64: namespace.eui64 }),
    })),
  };
}
