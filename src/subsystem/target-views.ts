/** Takes the pictures that `views.ts` describes. */

import type { Connection } from '../transport/connection.js';
import { soundHealth, statesOf } from './bdev-condition.js';
import type { NamespaceConfiguration } from './configuration.js';
import type { Subsystem } from './subsystem.js';
import type { TargetState } from './target-state.js';
import type { BdevView, ConnectionView, ListenerView, SubsystemView } from './views.js';

export function subsystemViews(state: TargetState): SubsystemView[] {
  const configured = new Map(state.desired.subsystems.map((each) => [each.nqn, each.namespaces]));
  return [...state.subsystems.values()].map((subsystem) =>
    subsystemView(state, subsystem, configured.get(subsystem.nqn) ?? []),
  );
}

/** `configured`: the namespaces that it shall have. */
function subsystemView(
  state: TargetState,
  subsystem: Subsystem,
  configured: readonly NamespaceConfiguration[],
): SubsystemView {
  const { nqn, serial, table, parameters } = subsystem;
  return {
    nqn,
    serial,
    model: parameters.model,
    allowAnyHost: parameters.allowAnyHost,
    hosts: [...subsystem.hosts.keys()],
    cntlidRange: parameters.cntlidRange,
    table,
    listeners: [...subsystem.listeners.values()].map((configured) => ({
      configured,
      actual: state.listeners.get(configured)?.actual ?? null,
    })),
    namespaces: subsystem.namespacesByNsid.map((namespace) => namespace.view),
    missingNamespaces: configured
      .filter(({ nsid }) => !subsystem.namespaces.has(nsid))
      .map(({ nsid, bdev }) => ({ nsid, bdev })),
    controllerCount: subsystem.controllers.size,
  };
}

export function listenerViews(state: TargetState): ListenerView[] {
  const offered = new Map<string, string[]>();
  for (const { nqn, listeners } of state.subsystems.values()) {
    for (const key of listeners.keys()) {
      const nqns = offered.get(key);
      if (nqns === undefined) offered.set(key, [nqn]);
      else nqns.push(nqn);
    }
  }
  return [...state.listeners].map(({ listener, configured, actual, portId, key }) => ({
    listener,
    configured,
    actual,
    portId,
    discovery: state.discovery.listeners.has(key),
    subsystems: offered.get(key) ?? [],
    connectionCount: state.listeners.connectionCount(listener),
  }));
}

export function connectionView(connection: Connection): ConnectionView {
  const { listener, reactor, local, peer, openedAt, queue } = connection;
  return {
    connection: connection.connection,
    listener,
    reactor,
    local,
    peer,
    openedAt,
    subsystem: queue?.controller.subsystem.nqn ?? null,
    hostNqn: queue?.controller.hostName ?? null,
    cntlid: queue?.controller.cntlid ?? null,
    qid: queue?.qid ?? null,
  };
}

/** Of all open bdevs, each with the namespace that uses it. */
export function bdevViews(state: TargetState): BdevView[] {
  const users = new Map<string, BdevView['namespace']>();
  for (const subsystem of state.subsystems.values()) {
    for (const namespace of subsystem.namespaces.values()) {
      users.set(namespace.bdev.name, { subsystem: subsystem.nqn, nsid: namespace.nsid });
    }
  }
  return [...state.bdevs.values()].map(({ description, parameters }) => {
    const health = state.engine.bdevHealth(description.name) ?? soundHealth;
    const { uuid, source, detail } = state.contents.identityOf(description);
    return {
      ...description,
      name: parameters.name,
      engineName: description.name,
      parameters,
      states: statesOf(health),
      health,
      drive: state.engine.bdevDrive(description.name),
      paths: state.engine.bdevPaths(description.name),
      identity: { uuid, source, detail },
      namespace: users.get(description.name) ?? null,
    };
  });
}
