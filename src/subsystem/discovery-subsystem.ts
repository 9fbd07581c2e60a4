/**
 * The discovery service: one subsystem without namespaces, offered on every listener to every host.
 */

import type { Endpoint } from '../engine/engine-types.js';
import { discoveryNqn } from '../wire/layout.gen.js';
import { CntlidAllocator } from './cntlid-allocator.js';
import { cntlidRangeDefault } from './configuration.js';
import type { Controller } from './controller.js';

export class DiscoverySubsystem {
  readonly kind = 'discovery';
  readonly nqn = discoveryNqn;
  /** Discovery controllers have no I/O queues, hence no namespaces. */
  readonly table = 0;
  /** Of this machine; set before the first listener opens. */
  serial = '';
  /** Endpoints that are listened on for discovery alone. */
  readonly listeners = new Map<string, Endpoint>();
  /** By CNTLID. */
  readonly controllers = new Map<number, Controller>();
  /** GENCTR: grows with each change of what any host could see. */
  generation = 1n;
  readonly #cntlids = new CntlidAllocator(cntlidRangeDefault);

  allocateCntlid(): number | null {
    return this.#cntlids.allocate(this.controllers);
  }
}
