/** What a kind of hostile peer is, and what kinds share. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { HostileLink } from './hostile-link.js';

/** How large a host is. */
export interface HostSize {
  /** I/O queues. */
  readonly queues: number;
  /** Commands in each of them. */
  readonly depth: number;
  /** They take turns among as many, from 1 on: commands of one bdev hold but a part of it all. */
  readonly namespaces: number;
}

export const wholeHost: HostSize = { queues: 8, depth: 1023, namespaces: 1 };

export interface HostileKind {
  readonly help: string;
  /**
   * How many scripts at once, from all addresses together, hold all that they can of a target with
   * the default `engine.connections_max`. With more they would be but a flood of connections.
   */
  readonly scripts: number;
  /** Its connections end by themselves, at once. */
  readonly goes?: boolean;
  /** Where it connects; else it is where a subsystem listens. */
  readonly at?: 'side-car';
  /** NQN of an I/O subsystem is needed. */
  readonly needsSubsystem?: boolean;
  /** Settles when the connection is over; those that the script has made beside it go with it. */
  run(link: HostileLink, subsystemNqn: string, size?: HostSize): Promise<void>;
}

let names = 0;

/** A host NQN that nobody else has. */
export function newName(): string {
  return `nqn.2026-11.com.example:hostile-${process.pid}-${names++}`;
}

/** Sends one byte a second, until the connection ends. */
export async function drip(link: HostileLink, bytes: Buffer): Promise<void> {
  for (const byte of bytes) {
    if (link.isOver) return;
    link.send(Buffer.of(byte));
    await Promise.race([sleep(1000), link.over]);
  }
  await link.over;
}
