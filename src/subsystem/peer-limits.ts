/**
 * What peers were refused because something was at its limit: counted for
 * `capsuled_peer_limit_total`, and said by /readyz for a while where it keeps hosts out that did
 * nothing wrong.
 */

import type { Clock } from './target-options.js';

/** What was at its limit. */
export type LimitedResource = 'connections' | 'controllers' | 'queues';

/** Whose share of it. */
export type PeerClass = 'before_connect' | 'discovery' | 'io';

export interface PeerLimitCount {
  readonly resource: LimitedResource;
  readonly class: PeerClass;
  value: number;
}

const classText: Readonly<Record<PeerClass, string>> = {
  before_connect: 'before Connect',
  discovery: 'of discovery',
  io: 'of I/O hosts',
};

export class PeerLimits {
  /** How long /readyz says so, after the last one. */
  static readonly saidForMs = 60_000;

  readonly #clock: Clock;
  readonly #counts = new Map<string, PeerLimitCount>();
  readonly #lastMs = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A limit of one address or one host was reached: its own fault. */
  counted(resource: LimitedResource, peerClass: PeerClass): void {
    this.#count(resource, peerClass).value += 1;
  }

  /** A limit of all was reached: anybody could have come. */
  turnedAway(resource: LimitedResource, peerClass: PeerClass): void {
    this.counted(resource, peerClass);
    this.said(resource, peerClass);
  }

  /** As {@link turnedAway}, of what the engine has counted. */
  said(resource: LimitedResource, peerClass: PeerClass): void {
    this.#count(resource, peerClass);
    this.#lastMs.set(`${resource} ${peerClass}`, this.#clock.nowMs());
  }

  get counts(): Iterable<PeerLimitCount> {
    return this.#counts.values();
  }

  get reasons(): string[] {
    const sinceMs = this.#clock.nowMs() - PeerLimits.saidForMs;
    return [...this.#counts.entries()].flatMap(([key, { resource, class: peerClass }]) =>
      (this.#lastMs.get(key) ?? -Infinity) > sinceMs
        ? [`hosts are turned away: ${resource} ${classText[peerClass]} are at their limit`]
        : [],
    );
  }

  #count(resource: LimitedResource, peerClass: PeerClass): PeerLimitCount {
    const key = `${resource} ${peerClass}`;
    const count = this.#counts.get(key) ?? { resource, class: peerClass, value: 0 };
    this.#counts.set(key, count);
    return count;
  }
}
