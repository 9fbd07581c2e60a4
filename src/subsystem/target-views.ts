/** Takes the pictures that `views.ts` describes. */

import type { Connection } from '../transport/connection.js';
import type { Listener } from '../transport/listener.js';
import { soundHealth, statesOf } from './bdev-condition.js';
import type { Subsystem } from './subsystem.js';
import type { TargetState } from './target-state.js';
import type { BdevView, ConnectionView, ListenerView, SubsystemView } from './views.js';

export function subsystemView(state: TargetState, subsystem: Subsystem): SubsystemView {
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
    missingNamespaces: missingNamespaces(state, subsystem),
    controllerCount: subsystem.controllers.size,
  };
}

function missingNamespaces(
  state: TargetState,
  { nqn, namespaces }: Subsystem,
): SubsystemView['missingNamespaces'] {
  const configured = state.desired.subsystems.find((subsystem) => subsystem.nqn === nqn);
  return (configured?.namespaces ?? [])
    .filter(({ nsid }) => !namespaces.has(nsid))
    .map(({ nsid, bdev }) => ({ nsid, bdev }));
}

export function listenerView(state: TargetState, listener: Listener): ListenerView {
  const { configured, actual, portId } = listener;
  const offered = [...state.subsystems.values()].filter((subsystem) =>
    subsystem.offeredOn(configured),
  );
  return {
    listener: listener.listener,
    configured,
    actual,
    portId,
    discovery: state.discovery.listeners.has(listener.key),
    subsystems: offered.map((subsystem) => subsystem.nqn),
    connectionCount: state.listeners.connectionCount(listener.listener),
  };
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
      identity: { uuid, source, detail },
      namespace: users.get(description.name) ?? null,
    };
  });
}
