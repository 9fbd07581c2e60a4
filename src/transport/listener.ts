/**
 * An address that the engine listens on. Subsystems and the discovery service refer to it by its
 * configured endpoint.
 */

import { isIPv6 } from 'node:net';
import type { Endpoint } from '../engine/engine-types.js';
import { canonicalAddress, isWildcard } from './address.js';

/** A change compares each endpoint many times. */
const keys = new WeakMap<Endpoint, string>();

/** Two endpoints are the same if their keys are. */
export function endpointKey(endpoint: Endpoint): string {
  const known = keys.get(endpoint);
  if (known !== undefined) return known;
  const key = `${canonicalAddress(endpoint.address)}|${endpoint.port}`;
  keys.set(endpoint, key);
  return key;
}

/** `127.0.0.1:4420` or `[::1]:4420`. */
export function endpointText(endpoint: Endpoint): string {
  const address = endpoint.address.includes(':') ? `[${endpoint.address}]` : endpoint.address;
  return `${address}:${endpoint.port}`;
}

/** Whether a listener on `endpoint` is reached at `local`, a connection's address and port. */
export function reaches(endpoint: Endpoint, local: Endpoint): boolean {
  return endpoint.port === local.port && covers(endpoint.address, local.address);
}

/** `::` takes IPv4 too, `0.0.0.0` takes all of IPv4, any other address takes itself. */
function covers(address: string, other: string): boolean {
  if (isWildcard(address)) return isIPv6(address) || !isIPv6(other);
  return canonicalAddress(address) === canonicalAddress(other);
}

export class Listener {
  /** The engine's number of it. */
  readonly listener: number;
  readonly configured: Endpoint;
  /** With the real port where port 0 was configured. */
  readonly actual: Endpoint;
  /** PORTID in the discovery log: the same for the life of the listener. */
  readonly portId: number;

  constructor(listener: number, configured: Endpoint, actual: Endpoint, portId: number) {
    this.listener = listener;
    this.configured = configured;
    this.actual = actual;
    this.portId = portId;
  }

  get key(): string {
    return endpointKey(this.configured);
  }
}
