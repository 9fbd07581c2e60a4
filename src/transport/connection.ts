/**
 * A TCP connection as the admin plane knows it. The engine owns the socket; this is a note about
 * it.
 */

import type { ConnectionOpenedEvent, Endpoint } from '../engine/engine-types.js';
import type { Controller } from '../subsystem/controller.js';
import type { HostAccount } from '../subsystem/host-accounts.js';

/**
 * - `new`: no Connect was accepted yet; the host moves it on, the engine's time-out ends it
 * - `connecting`: a Connect is being decided; the admin plane moves it on
 * - `attached`: the queue of a controller
 * - `closed`: the engine said so; nothing follows
 */
export type ConnectionState = 'new' | 'connecting' | 'attached' | 'closed';

/** The queue that a connection became. */
export interface ConnectionQueue {
  readonly controller: Controller;
  readonly qid: number;
}

export class Connection {
  readonly connection: number;
  readonly listener: number;
  readonly reactor: number;
  readonly local: Endpoint;
  readonly peer: Endpoint;
  readonly openedAt = new Date();
  state: ConnectionState = 'new';
  queue: ConnectionQueue | null = null;
  /** Open from the Connect on, until the connection is closed. */
  account: HostAccount | null = null;

  constructor(event: ConnectionOpenedEvent) {
    this.connection = event.connection;
    this.listener = event.listener;
    this.reactor = event.reactor;
    this.local = event.local;
    this.peer = event.peer;
  }

  /** A refused Connect may be followed by another, unless the connection was closed meanwhile. */
  connectFailed(): void {
    if (this.state === 'connecting') this.state = 'new';
  }
}
