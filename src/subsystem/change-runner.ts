/**
 * Makes one change: in the model and in the engine, so that both agree when it resolves, and as if
 * nothing had been tried when it rejects. What hosts can see is changed after the engine can serve
 * it, and before the engine stops serving it.
 */

import type { BdevParameters, Endpoint } from '../engine/engine-types.js';
import { endpointKey } from '../transport/listener.js';
import type { Change, SubsystemParameters } from './change.js';
import type { NamespaceConfiguration, SubsystemConfiguration } from './configuration.js';
import { addedUsage, namespaceUsage } from './health.js';
import { Host } from './host.js';
import { Namespace } from './namespace.js';
import { Subsystem } from './subsystem.js';
import type { TargetState } from './target-state.js';

export class ChangeRunner {
  readonly #state: TargetState;

  constructor(state: TargetState) {
    this.#state = state;
  }

  async run(change: Change): Promise<void> {
    switch (change.kind) {
      case 'bdev_create':
        return this.#bdevCreate(change.bdev);
      case 'bdev_delete':
        return this.#bdevDelete(change.bdev);
      case 'subsystem_add':
        return this.#subsystemAdd(change.subsystem);
      case 'subsystem_remove':
        return this.#subsystemRemove(change.subsystem.nqn);
      case 'subsystem_update':
        return this.#subsystemUpdate(change.nqn, change.to);
      case 'host_add':
        return this.#hostAdd(change.nqn, change.host);
      case 'host_remove':
        return this.#hostRemove(change.nqn, change.host);
      case 'namespace_add':
        return this.#namespaceAdd(change.nqn, change.namespace);
      case 'namespace_remove':
        return this.#namespaceRemove(change.nqn, change.namespace.nsid);
      case 'listener_add':
      case 'listener_remove':
        return this.#offer(this.#state.subsystem(change.nqn), change.kind, change.endpoint);
      case 'discovery_listener_add':
      case 'discovery_listener_remove':
        return this.#offer(this.#state.discovery, change.kind, change.endpoint);
      case 'endpoint_open':
        return this.#endpointOpen(change.endpoint);
      case 'endpoint_close':
        return this.#endpointClose(change.endpoint);
    }
  }

  async #bdevCreate(parameters: BdevParameters): Promise<void> {
    const description = await this.#state.engine.bdevCreate(parameters);
    this.#state.bdevs.set(parameters.name, { parameters, description });
  }

  async #bdevDelete(parameters: BdevParameters): Promise<void> {
    await this.#state.engine.bdevDelete(parameters.name);
    this.#state.bdevs.delete(parameters.name);
  }

  async #subsystemAdd(configuration: SubsystemConfiguration): Promise<void> {
    const { hosts, listeners, namespaces, ...parameters } = configuration;
    const subsystem = new Subsystem(parameters, this.#state.takeTable());
    for (const host of hosts) subsystem.hosts.set(host, new Host(host));
    for (const endpoint of listeners) subsystem.listeners.set(endpointKey(endpoint), endpoint);
    for (const namespace of namespaces) {
      subsystem.namespaces.set(namespace.nsid, this.#namespace(subsystem, namespace));
    }
    await this.#state.engine.namespaceTablePublish(subsystem.table, subsystem.entries);
    this.#state.subsystems.set(subsystem.nqn, subsystem);
    this.#state.discoveryChanged();
  }

  async #subsystemRemove(nqn: string): Promise<void> {
    const subsystem = this.#state.subsystem(nqn);
    subsystem.accepting = false;
    this.#state.discoveryChanged();
    try {
      await this.#terminate(subsystem, () => true, 'subsystem_removed');
      await this.#state.engine.namespaceTableDelete(subsystem.table);
    } catch (error) {
      subsystem.accepting = true;
      this.#state.discoveryChanged();
      throw error;
    }
    this.#state.subsystems.delete(nqn);
  }

  async #subsystemUpdate(nqn: string, parameters: SubsystemParameters): Promise<void> {
    const subsystem = this.#state.subsystem(nqn);
    subsystem.parameters = parameters;
    this.#state.discoveryChanged();
    await this.#terminateDisallowed(subsystem);
  }

  async #hostAdd(nqn: string, host: string): Promise<void> {
    this.#state.subsystem(nqn).hosts.set(host, new Host(host));
    this.#state.discoveryChanged();
  }

  async #hostRemove(nqn: string, host: string): Promise<void> {
    const subsystem = this.#state.subsystem(nqn);
    subsystem.hosts.delete(host);
    this.#state.discoveryChanged();
    await this.#terminateDisallowed(subsystem);
  }

  async #namespaceAdd(nqn: string, configuration: NamespaceConfiguration): Promise<void> {
    const subsystem = this.#state.subsystem(nqn);
    const namespace = this.#namespace(subsystem, configuration);
    const entries = [...subsystem.entries, namespace.entry];
    await this.#state.engine.namespaceTablePublish(subsystem.table, entries);
    subsystem.namespaces.set(namespace.nsid, namespace);
    this.#state.namespaceChanged(subsystem, namespace.nsid);
  }

  async #namespaceRemove(nqn: string, nsid: number): Promise<void> {
    const subsystem = this.#state.subsystem(nqn);
    const namespace = subsystem.namespaces.get(nsid);
    if (namespace === undefined) return;
    const { engine } = this.#state;
    const { retiredUsage } = subsystem;
    // In one step: a SMART log that is read meanwhile counts the namespace once.
    subsystem.namespaces.delete(nsid);
    const usage = namespaceUsage(engine, subsystem.table, nsid);
    subsystem.retiredUsage = addedUsage(retiredUsage, usage);
    try {
      await engine.namespaceTablePublish(subsystem.table, subsystem.entries);
    } catch (error) {
      subsystem.namespaces.set(nsid, namespace);
      subsystem.retiredUsage = retiredUsage;
      throw error;
    }
    this.#state.namespaceChanged(subsystem, nsid);
  }

  /**
   * Where a subsystem is offered is the model's business alone; the engine knows only endpoints.
   */
  async #offer(
    subsystem: { readonly listeners: Map<string, Endpoint> },
    kind: `${'' | 'discovery_'}listener_${'add' | 'remove'}`,
    endpoint: Endpoint,
  ): Promise<void> {
    const key = endpointKey(endpoint);
    if (kind.endsWith('add')) subsystem.listeners.set(key, endpoint);
    else subsystem.listeners.delete(key);
    this.#state.discoveryChanged();
  }

  async #endpointOpen(endpoint: Endpoint): Promise<void> {
    const listener = await this.#state.listeners.open(endpoint);
    this.#state.logger.info({ ...listener.actual, listener: listener.listener }, 'listening');
    this.#state.discoveryChanged();
  }

  async #endpointClose(endpoint: Endpoint): Promise<void> {
    const actual = this.#state.listeners.get(endpoint)?.actual ?? endpoint;
    await this.#state.listeners.close(endpoint);
    this.#state.logger.info({ ...actual }, 'no longer listening');
    this.#state.discoveryChanged();
  }

  #namespace(subsystem: Subsystem, configuration: NamespaceConfiguration): Namespace {
    const { description } = this.#state.bdev(configuration.bdev);
    return new Namespace(subsystem.nqn, configuration, description);
  }

  #terminateDisallowed(subsystem: Subsystem): Promise<void> {
    const disallowed = (hostNqn: string): boolean => !subsystem.allows(hostNqn);
    return this.#terminate(subsystem, disallowed, 'host_removed');
  }

  #terminate(
    subsystem: Subsystem,
    which: (hostNqn: string) => boolean,
    reason: string,
  ): Promise<void> {
    const controllers = [...subsystem.controllers.values()];
    const chosen = controllers.filter((controller) => which(controller.hostNqn));
    return this.#state.controllers.terminateAll(chosen, reason);
  }
}
