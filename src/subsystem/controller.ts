/**
 * A controller: the association of one host with one subsystem, made by Connect on queue 0 and
 * ended with that queue's connection. State only; `controller-table.ts` creates and ends it,
 * `properties.ts` moves it at the host's wish.
 *
 *     failed ◄── disabled ──► ready ──► shut_down     disabled ──► shut_down
 *        │          ▲           │           │         every state but gone ──► terminating
 *        └──────► resetting ◄───┴───────────┘         terminating ──► gone
 */

import type { Connection } from '../transport/connection.js';
import { AsynchronousEvents, noticesSupported } from './aen.js';
import type { DiscoverySnapshot, DiscoveryView } from './discovery.js';
import type { DiscoverySubsystem } from './discovery-subsystem.js';
import { ErrorLog } from './error-log.js';
import { FeatureValues } from './features.js';
import { uuidText } from './identity.js';
import { hostName } from './nqn.js';
import type { Access } from './namespace-access.js';
import type { Subsystem } from './subsystem.js';
import type { ControllerView } from './views.js';

/**
 * - `disabled`: CC.EN is 0; the host moves it on
 * - `ready`: CSTS.RDY is 1; the host moves it on
 * - `resetting`: CC.EN was cleared, I/O queues end; the engine moves it on
 * - `shut_down`: CSTS.SHST says complete; the host moves it on
 * - `failed`: CSTS.CFS is 1, the host wrote what cannot be; the host moves it on
 * - `terminating`: all queues end; the engine moves it on
 * - `gone`: nothing follows
 */
export type ControllerState =
  'disabled' | 'ready' | 'resetting' | 'shut_down' | 'failed' | 'terminating' | 'gone';

const transitions: Record<ControllerState, readonly ControllerState[]> = {
  disabled: ['ready', 'failed', 'shut_down', 'terminating'],
  ready: ['resetting', 'shut_down', 'terminating'],
  resetting: ['disabled', 'terminating'],
  shut_down: ['resetting', 'terminating'],
  failed: ['resetting', 'terminating'],
  terminating: ['gone'],
  gone: [],
};

export const errorLogEntriesMax = 64;

/** Changed Namespace List: one more, and the list says only "more than that". */
export const changedNamespacesMax = 1024;

export interface ControllerParts {
  readonly handle: number;
  readonly cntlid: number;
  readonly subsystem: Subsystem | DiscoverySubsystem;
  /** Empty if the host gave none. */
  readonly hostNqn: string;
  /** 16 bytes. */
  readonly hostId: Buffer;
  /** Where its admin queue comes from. */
  readonly address: string;
  /** As `hostPath()` has it. */
  readonly path: string;
  readonly ioQueuesMax: number;
  readonly keepAliveTimeoutMs: number;
}

export class Controller {
  /** The engine's name of it. */
  readonly handle: number;
  readonly cntlid: number;
  readonly subsystem: Subsystem | DiscoverySubsystem;
  /** Empty if the host gave none. */
  readonly hostNqn: string;
  /** 16 bytes. */
  readonly hostId: Buffer;
  /** Where its admin queue comes from. */
  readonly address: string;
  /** As `hostPath()` has it. */
  readonly path: string;
  readonly connectedAt = new Date();
  /** By QID. */
  readonly queues = new Map<number, Connection>();
  readonly features = new FeatureValues();
  readonly events: AsynchronousEvents;
  readonly errorLog = new ErrorLog(errorLogEntriesMax);
  /** NSIDs whose attributes changed since the host last asked. */
  readonly changedNamespaces = new Set<number>();
  /** NSIDs that it may not reach yet; written by `namespace-access.ts` alone. */
  readonly access = new Map<number, Access>();
  /** By NSID: the content that its host may have in mind. As `access`. */
  readonly known = new Map<number, string>();
  /** The NSIDs that the engine was told to keep it from, ascending. As `access`. */
  withheld: readonly number[] = [];
  /** Advanced Command Retry Enable: the host waits as long as it is told before it tries again. */
  retriesLater = false;
  /** The discovery log as this controller began to read it. */
  discoverySnapshot: DiscoverySnapshot | null = null;
  discoveryView: DiscoveryView | null = null;
  /** The largest QID it may connect. */
  ioQueuesGranted: number;
  /** Whether the host asked for them; else each is charged as it comes. */
  ioQueuesAsked = false;
  /** 0: no keep-alive timer. */
  keepAliveTimeoutMs: number;
  abortsInFlight = 0;
  /** CC as the host last wrote it. */
  configuration = 0;
  /** Resolves when the termination that was begun is complete. */
  terminated: Promise<void> | null = null;
  #state: ControllerState = 'disabled';
  readonly #queueClosed = new Map<number, (() => void)[]>();

  constructor(parts: ControllerParts) {
    this.handle = parts.handle;
    this.cntlid = parts.cntlid;
    this.subsystem = parts.subsystem;
    this.hostNqn = parts.hostNqn;
    this.hostId = parts.hostId;
    this.address = parts.address;
    this.path = parts.path;
    this.events = new AsynchronousEvents(noticesSupported(parts.subsystem.kind));
    this.keepAliveTimeoutMs = parts.keepAliveTimeoutMs;
    this.ioQueuesGranted = parts.ioQueuesMax;
  }

  get state(): ControllerState {
    return this.#state;
  }

  /** The only writer of the state. A transition that is not in the table is a defect of ours. */
  setState(next: ControllerState): void {
    if (!transitions[this.#state].includes(next)) {
      throw new Error(`controller ${this.handle} cannot go from ${this.#state} to ${next}`);
    }
    this.#state = next;
  }

  /** The host's name for people and metrics. */
  get hostName(): string {
    return hostName(this.hostNqn);
  }

  /** Whether it still has a life of its own: commands are answered, queues may join. */
  get living(): boolean {
    return this.#state !== 'terminating' && this.#state !== 'gone';
  }

  /**
   * A controller reset: what the host set and what it has not read is forgotten; the association
   * stays.
   */
  reset(ioQueuesMax: number): void {
    this.features.clear();
    this.events.reset(noticesSupported(this.subsystem.kind));
    this.changedNamespaces.clear();
    this.discoverySnapshot = null;
    this.retriesLater = false;
    this.ioQueuesGranted = ioQueuesMax;
    this.ioQueuesAsked = false;
  }

  /**
   * Notes it for the Changed Namespace List. Beyond the list's size it only matters that it is
   * full.
   */
  namespaceChanged(nsid: number): void {
    if (this.changedNamespaces.size <= changedNamespacesMax) this.changedNamespaces.add(nsid);
  }

  queueOpened(qid: number, connection: Connection): void {
    this.queues.set(qid, connection);
  }

  queueClosed(qid: number): void {
    this.queues.delete(qid);
    const waiting = this.#queueClosed.get(qid) ?? [];
    this.#queueClosed.delete(qid);
    for (const resume of waiting) resume();
  }

  /** Calls back once when that queue is closed; the answer cancels. */
  onQueueClosed(qid: number, callback: () => void): () => void {
    const waiting = this.#queueClosed.get(qid) ?? [];
    waiting.push(callback);
    this.#queueClosed.set(qid, waiting);
    return () => {
      const index = waiting.indexOf(callback);
      if (index >= 0) waiting.splice(index, 1);
      if (waiting.length === 0 && this.#queueClosed.get(qid) === waiting) {
        this.#queueClosed.delete(qid);
      }
    };
  }

  get view(): ControllerView {
    return {
      controller: this.handle,
      cntlid: this.cntlid,
      kind: this.subsystem.kind,
      subsystem: this.subsystem.nqn,
      hostNqn: this.hostName,
      hostId: uuidText(this.hostId),
      state: this.#state,
      keepAliveTimeoutMs: this.keepAliveTimeoutMs,
      qids: [...this.queues.keys()].sort((a, b) => a - b),
      connectedAt: this.connectedAt,
    };
  }
}
