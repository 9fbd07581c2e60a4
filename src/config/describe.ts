/**
 * The configuration in force, in the words of config.yaml: written to a file, it leads to the same
 * daemon.
 */

import { describeBdev, describeParameters } from '../bdev/kinds.js';
import type { Endpoint } from '../engine/engine-types.js';
import type { SubsystemConfiguration, TargetConfiguration } from '../subsystem/configuration.js';
import type { BdevView } from '../subsystem/views.js';
import { formatDuration } from './duration.js';
import type { DaemonConfiguration } from './normalize.js';
import { formatSize } from './size.js';

const NS_PER_MS = 1_000_000;

/** Names of files with secrets stay; secrets themselves are never in a configuration. */
export function describeConfiguration(
  { engine, admin, log, stateDirectory }: DaemonConfiguration,
  target: TargetConfiguration,
  bdevs: readonly BdevView[],
): Record<string, unknown> {
  const openBdevs = new Map(bdevs.map((bdev) => [bdev.name, bdev]));
  return {
    version: 1,
    state_directory: stateDirectory,
    engine: {
      reactors: engine.cores,
      poll: engine.poll,
      idle_after: formatDuration(engine.idleAfterNs),
      memory: formatSize(BigInt(engine.memoryBytes)),
      hugepages: engine.hugepages,
      connections_max: engine.connectionsMax,
      connect_timeout: formatDuration(engine.connectTimeoutMs * NS_PER_MS),
      pdu_timeout: formatDuration(engine.pduTimeoutMs * NS_PER_MS),
    },
    admin: {
      listen: hostPortText(admin.listen),
      token_file: admin.tokenFile,
      allowed_hosts: admin.allowedHosts,
    },
    discovery: { listeners: target.discoveryListeners.map(describeListener) },
    bdevs: target.bdevs.map((parameters) => {
      const open = openBdevs.get(parameters.name);
      return open === undefined
        ? describeParameters(parameters)
        : describeBdev(open, open.parameters);
    }),
    subsystems: target.subsystems.map(describeSubsystem),
    log: { level: log.level, format: log.format },
  };
}

function describeSubsystem(subsystem: SubsystemConfiguration): Record<string, unknown> {
  return {
    nqn: subsystem.nqn,
    ...(subsystem.serial === undefined ? {} : { serial: subsystem.serial }),
    model: subsystem.model,
    allow_any_host: subsystem.allowAnyHost,
    hosts: subsystem.hosts,
    cntlid_range: subsystem.cntlidRange,
    listeners: subsystem.listeners.map(describeListener),
    namespaces: subsystem.namespaces.map(({ readOnly, ...namespace }) => ({
      ...namespace,
      read_only: readOnly,
    })),
  };
}

function describeListener({ address, port }: Endpoint): Record<string, unknown> {
  return { transport: 'tcp', address, port };
}

export function hostPortText({ address, port }: Endpoint): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
