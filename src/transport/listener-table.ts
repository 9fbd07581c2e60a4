/** The open listeners, by configured endpoint and by the engine's number. */

import type { Endpoint, Engine } from '../engine/engine-types.js';
import { TargetError } from '../errors.js';
import { EndpointIndex } from './endpoint-index.js';
import { endpointKey, endpointText, Listener } from './listener.js';

export class ListenerTable implements Iterable<Listener> {
  readonly #engine: Engine;
  readonly #byKey = new Map<string, Listener>();
  /** The same by where they listen. */
  readonly #byActual = new EndpointIndex<Listener>();
  readonly #portIds = new Set<number>();
  /** Removed listeners stay here while connections that came through them live. */
  readonly #byNumber = new Map<number, Listener>();
  /** Connections by the number of their listener. */
  readonly #connectionCounts = new Map<number, number>();
  #portIdNext = 1;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** Takes the address. Nobody is accepted, and nobody knows of it, before {@link start}. */
  async bind(endpoint: Endpoint): Promise<Listener> {
    const clash = this.#byActual.find(endpoint);
    if (clash !== undefined) {
      throw new TargetError(
        'address_unavailable',
        `expected an address and port that no other listener covers, got ${endpointText(endpoint)}, ` +
          `which overlaps ${endpointText(clash.actual)}`,
      );
    }
    const { listener, address, port } = await this.#engine.listenerAdd(endpoint);
    return new Listener(listener, endpoint, { address, port }, this.#takePortId());
  }

  /** Begins to accept on what was bound; known from now on. */
  start(listener: Listener): void {
    if (this.#byKey.has(listener.key)) {
      const text = endpointText(listener.configured);
      throw new TargetError('already_exists', `${text} is listened on already`);
    }
    this.#byKey.set(listener.key, listener);
    this.#byActual.add(listener.actual, listener);
    this.#portIds.add(listener.portId);
    this.#byNumber.set(listener.listener, listener);
    this.#engine.listenerStart(listener.listener);
  }

  /** Gives back what was bound and not started. */
  discard(listener: Listener): Promise<void> {
    return this.#engine.listenerRemove(listener.listener);
  }

  /** Unknown at once; resolves when the address is free. */
  async close(endpoint: Endpoint): Promise<void> {
    const key = endpointKey(endpoint);
    const listener = this.#byKey.get(key);
    if (listener === undefined) {
      throw new TargetError('not_found', `${endpointText(endpoint)} is not listened on`);
    }
    this.#byKey.delete(key);
    this.#byActual.delete(listener.actual);
    this.#portIds.delete(listener.portId);
    await this.#engine.listenerRemove(listener.listener);
    this.#forget(listener);
  }

  has(key: string): boolean {
    return this.#byKey.has(key);
  }

  get(endpoint: Endpoint): Listener | undefined {
    return this.#byKey.get(endpointKey(endpoint));
  }

  /** Also finds listeners that were removed but still have connections. */
  byNumber(listener: number): Listener | undefined {
    return this.#byNumber.get(listener);
  }

  connectionCount(listener: number): number {
    return this.#connectionCounts.get(listener) ?? 0;
  }

  connectionOpened(listener: number): void {
    this.#connectionCounts.set(listener, this.connectionCount(listener) + 1);
  }

  connectionClosed(listener: number): void {
    const count = this.connectionCount(listener) - 1;
    if (count > 0) {
      this.#connectionCounts.set(listener, count);
      return;
    }
    this.#connectionCounts.delete(listener);
    const idle = this.#byNumber.get(listener);
    if (idle !== undefined) this.#forget(idle);
  }

  [Symbol.iterator](): Iterator<Listener> {
    return this.#byKey.values();
  }

  /** PORTID has 16 bits and 0 is taken by nobody; after a wrap the ones in use are passed over. */
  #takePortId(): number {
    while (this.#portIds.has(this.#portIdNext)) this.#portIdNext = (this.#portIdNext % 0xffff) + 1;
    const portId = this.#portIdNext;
    this.#portIdNext = (portId % 0xffff) + 1;
    return portId;
  }

  #forget(listener: Listener): void {
    if (this.connectionCount(listener.listener) > 0) return;
    if (this.#byKey.get(listener.key) === listener) return;
    this.#byNumber.delete(listener.listener);
  }
}
