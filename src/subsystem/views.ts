/**
 * Read-only pictures of a target for the admin API, the metrics and the command line. Plain
 * objects, taken when asked for; they do not follow later changes.
 */

import type {
  BdevDescription,
  BdevDrive,
  BdevPath,
  BdevHealth,
  BdevParameters,
  Endpoint,
} from '../engine/engine-types.js';
import type { ContentIdentity } from '../identity/content-identity.js';
import type { BdevState } from './bdev-condition.js';

export interface NamespaceView {
  readonly nsid: number;
  readonly bdev: string;
  readonly readOnly: boolean;
  readonly uuid: string;
  readonly nguid: string;
  /** Null if the namespace has none. */
  readonly eui64: string | null;
  readonly blockSize: number;
  readonly blockCount: bigint;
}

export interface SubsystemListenerView {
  /** As configured; port 0 means any free port. */
  readonly configured: Endpoint;
  /** Where it really listens; null while it is not open. */
  readonly actual: Endpoint | null;
}

export interface SubsystemView {
  readonly nqn: string;
  readonly serial: string;
  readonly model: string;
  readonly allowAnyHost: boolean;
  readonly hosts: readonly string[];
  readonly cntlidRange: readonly [number, number];
  /** The engine's namespace table, for {@link Engine.namespaceStats}. */
  readonly table: number;
  readonly listeners: readonly SubsystemListenerView[];
  /** Those that are served. */
  readonly namespaces: readonly NamespaceView[];
  /** Configured, and not served: their bdev is unavailable. */
  readonly missingNamespaces: readonly { readonly nsid: number; readonly bdev: string }[];
  readonly controllerCount: number;
}

/** One address that the engine listens on. */
export interface ListenerView {
  readonly listener: number;
  readonly configured: Endpoint;
  readonly actual: Endpoint;
  /** PORTID in the discovery log. */
  readonly portId: number;
  /** True if `discovery.listeners` names it; discovery is answered on all the same. */
  readonly discovery: boolean;
  /** NQNs of the subsystems that are offered here. */
  readonly subsystems: readonly string[];
  readonly connectionCount: number;
}

export interface ControllerView {
  /** The engine's handle, for {@link Engine.controllerStats}. */
  readonly controller: number;
  readonly cntlid: number;
  readonly kind: 'io' | 'discovery';
  readonly subsystem: string;
  readonly hostNqn: string;
  /** As a UUID. */
  readonly hostId: string;
  readonly state: string;
  readonly keepAliveTimeoutMs: number;
  /** QIDs that are connected, 0 included, ascending. */
  readonly qids: readonly number[];
  readonly connectedAt: Date;
}

export interface ConnectionView {
  readonly connection: number;
  readonly listener: number;
  readonly reactor: number;
  readonly local: Endpoint;
  readonly peer: Endpoint;
  readonly openedAt: Date;
  /** Null before Connect. */
  readonly subsystem: string | null;
  readonly hostNqn: string | null;
  readonly cntlid: number | null;
  readonly qid: number | null;
}

export interface BdevView extends BdevDescription {
  /** As configured. */
  readonly name: string;
  /** For {@link Engine.bdevStats}. */
  readonly engineName: string;
  readonly parameters: BdevParameters;
  /** All that hold, worst first; never empty. */
  readonly states: readonly BdevState[];
  readonly health: BdevHealth;
  /** Of one that drives its device by itself. */
  readonly drive: BdevDrive | null;
  /** The ways to it, if there may be several. */
  readonly paths: readonly BdevPath[];
  readonly identity: Pick<ContentIdentity, 'uuid' | 'source' | 'detail'>;
  /** The namespace that uses it, or null. */
  readonly namespace: { readonly subsystem: string; readonly nsid: number } | null;
}
