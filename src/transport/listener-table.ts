/** The open listeners, by configured endpoint and by the engine's number. */

import type { Endpoint, Engine } from '../engine/engine-types.js';
import { TargetError } from '../errors.js';
import { endpointKey, endpointText, Listener, overlap } from './listener.js';

export class ListenerTable implements Iterable<Listener> {
  readonly #engine: Engine;
  readonly #byKey = new Map<string, Listener>();
  /** Removed listeners stay here while connections that came through them live. */
  readonly #byNumber = new Map<number, Listener>();
  /** Connections by the number of their listener: they may come before the engine's answer does. */
  readonly #connectionCounts = new Map<number, number>();
  readonly #opening = new Set<Promise<unknown>>();
  #portIdNext = 1;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  async open(endpoint: Endpoint): Promise<Listener> {
    if (this.#byKey.has(endpointKey(endpoint))) {
      throw new TargetError('already_exists', `${endpointText(endpoint)} is listened on already`);
    }
    const clash = [...this.#byKey.values()].find(({ actual }) => overlap(actual, endpoint));
    if (clash !== undefined) {
      throw new TargetError(
        'address_unavailable',
        `expected an address and port that no other listener covers, got ${endpointText(endpoint)}, ` +
          `which overlaps ${endpointText(clash.actual)}`,
      );
    }
    const opening = this.#add(endpoint);
    this.#opening.add(opening);
    try {
      return await opening;
    } finally {
      this.#opening.delete(opening);
    }
  }

  async close(endpoint: Endpoint): Promise<void> {
    const key = endpointKey(endpoint);
    const listener = this.#byKey.get(key);
    if (listener === undefined) {
      throw new TargetError('not_found', `${endpointText(endpoint)} is not listened on`);
    }
    await this.#engine.listenerRemove(listener.listener);
    this.#byKey.delete(key);
    this.#forget(listener);
  }

  get(endpoint: Endpoint): Listener | undefined {
    return this.#byKey.get(endpointKey(endpoint));
  }

  /** Also finds listeners that were removed but still have connections. */
  byNumber(listener: number): Listener | undefined {
    return this.#byNumber.get(listener);
  }

  /**
   * Resolves when the listeners that are being opened now are known, or failed. A host may be
   * quicker than the engine's answer.
   */
  async opened(): Promise<void> {
    await Promise.allSettled(this.#opening);
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

  async #add(endpoint: Endpoint): Promise<Listener> {
    const { listener, address, port } = await this.#engine.listenerAdd(endpoint);
    const opened = new Listener(listener, endpoint, { address, port }, this.#takePortId());
    this.#byKey.set(opened.key, opened);
    this.#byNumber.set(listener, opened);
    return opened;
  }

  /** PORTID has 16 bits and 0 is taken by nobody; after a wrap the ones in use are passed over. */
  #takePortId(): number {
    const used = new Set([...this.#byKey.values()].map((listener) => listener.portId));
    while (used.has(this.#portIdNext)) this.#portIdNext = (this.#portIdNext % 0xffff) + 1;
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
