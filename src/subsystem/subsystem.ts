/**
 * An NVM subsystem: what a host connects to. State only; {@link Target} changes it and tells the
 * engine.
 */

import type { Endpoint, NamespaceEntry } from '../engine/engine-types.js';
import { endpointKey } from '../transport/listener.js';
import type { SubsystemParameters } from './change.js';
import { CntlidAllocator } from './cntlid-allocator.js';
import type { Controller } from './controller.js';
import { noUsage } from './health.js';
import type { Usage } from './health.js';
import type { Host } from './host.js';
import { HostPaths } from './host-paths.js';
import type { Namespace } from './namespace.js';

export class Subsystem {
  readonly kind = 'io';
  /**
   * The engine's namespace table. One for all controllers, until namespaces are masked per host.
   */
  readonly table: number;
  readonly hosts = new Map<string, Host>();
  readonly listeners = new Map<string, Endpoint>();
  readonly namespaces = new Map<number, Namespace>();
  /** By CNTLID. */
  readonly controllers = new Map<number, Controller>();
  /** False while it is being removed: nobody may connect any more. */
  accepting = true;
  /** What namespaces that are gone have done. */
  retiredUsage: Usage = noUsage;
  /** NSIDs whose content is about to become another one. */
  readonly arriving = new Set<number>();
  /** What hosts may have in mind when they come again; written by `namespace-access.ts` alone. */
  readonly hostPaths = new HostPaths();
  readonly #serialDefault: string;
  #parameters: SubsystemParameters;
  #cntlids: CntlidAllocator;

  /** `serialDefault`: of this machine. */
  constructor(parameters: SubsystemParameters, table: number, serialDefault: string) {
    this.#serialDefault = serialDefault;
    this.#parameters = parameters;
    this.#cntlids = new CntlidAllocator(parameters.cntlidRange);
    this.table = table;
  }

  get nqn(): string {
    return this.#parameters.nqn;
  }

  get serial(): string {
    return this.#parameters.serial ?? this.#serialDefault;
  }

  get parameters(): SubsystemParameters {
    return this.#parameters;
  }

  /** Identifiers that are in use stay so, inside the new range or not. */
  set parameters(parameters: SubsystemParameters) {
    const [first, last] = parameters.cntlidRange;
    if (first !== this.#cntlids.first || last !== this.#cntlids.last) {
      this.#cntlids = new CntlidAllocator(parameters.cntlidRange);
    }
    this.#parameters = parameters;
  }

  get namespacesByNsid(): Namespace[] {
    return [...this.namespaces.values()].sort((a, b) => a.nsid - b.nsid);
  }

  get entries(): NamespaceEntry[] {
    return this.namespacesByNsid.map((namespace) => namespace.entry);
  }

  allows(hostNqn: string): boolean {
    return this.#parameters.allowAnyHost || this.hosts.has(hostNqn);
  }

  offeredOn(endpoint: Endpoint): boolean {
    return this.listeners.has(endpointKey(endpoint));
  }

  allocateCntlid(): number | null {
    return this.#cntlids.allocate(this.controllers);
  }
}
