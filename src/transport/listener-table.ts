/** The open listeners, by configured endpoint and by the engine's number. */

import type { Endpoint, Engine } from '../engine/engine-types.js';
import { TargetError } from '../errors.js';
import { endpointKey, endpointText, Listener } from './listener.js';

export class ListenerTable implements Iterable<Listener> {
  readonly #engine: Engine;
  readonly #byKey = new Map<string, Listener>();
  /** Removed listeners stay here while connections that came through them live. */
  readonly #byNumber = new Map<number, Listener>();
  #portIdNext = 1;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  async open(endpoint: Endpoint): Promise<Listener> {
    const key = endpointKey(endpoint);
    if (this.#byKey.has(key)) {
      throw new TargetError('already_exists', `${endpointText(endpoint)} is listened on already`);
    }
    const { listener, address, port } = await this.#engine.listenerAdd(endpoint);
    const opened = new Listener(listener, endpoint, { address, port }, this.#takePortId());
    this.#byKey.set(key, opened);
    this.#byNumber.set(listener, opened);
    return opened;
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

  connectionOpened(number: number): void {
    const listener = this.#byNumber.get(number);
    if (listener !== undefined) listener.connectionCount += 1;
  }

  connectionClosed(number: number): void {
    const listener = this.#byNumber.get(number);
    if (listener === undefined) return;
    listener.connectionCount -= 1;
    this.#forget(listener);
  }

  [Symbol.iterator](): Iterator<Listener> {
    return this.#byKey.values();
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
    if (listener.connectionCount > 0 || this.#byKey.get(listener.key) === listener) return;
    this.#byNumber.delete(listener.listener);
  }
}
