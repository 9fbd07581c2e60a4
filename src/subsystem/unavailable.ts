/**
 * What is configured and cannot be had now: a bdev whose disk is missing, an endpoint whose address
 * has not come up. The rest serves; it is tried again.
 */

import type { BdevParameters, Endpoint } from '../engine/engine-types.js';
import type { TargetError } from '../errors.js';
import { endpointKey } from '../transport/listener.js';

interface Reason {
  readonly since: Date;
  /** Why, in words for people. */
  readonly reason: string;
}

export interface UnavailableBdev extends Reason {
  readonly parameters: BdevParameters;
}

export interface UnavailableEndpoint extends Reason {
  readonly endpoint: Endpoint;
}

export class UnavailableItems {
  /** By configured name. */
  readonly bdevs = new Map<string, UnavailableBdev>();
  /** By {@link endpointKey}. */
  readonly endpoints = new Map<string, UnavailableEndpoint>();

  get size(): number {
    return this.bdevs.size + this.endpoints.size;
  }

  /** Answers whether that is news. */
  bdevFailed(parameters: BdevParameters, { message }: TargetError): boolean {
    const before = this.bdevs.get(parameters.name);
    const since = before?.since ?? new Date();
    this.bdevs.set(parameters.name, { parameters, since, reason: message });
    return before?.reason !== message;
  }

  /** Answers whether that is news. */
  endpointFailed(endpoint: Endpoint, { message }: TargetError): boolean {
    const key = endpointKey(endpoint);
    const before = this.endpoints.get(key);
    const since = before?.since ?? new Date();
    this.endpoints.set(key, { endpoint, since, reason: message });
    return before?.reason !== message;
  }
}
