/** What the side-car shows, and the one thing that it changes: see `reload.ts`. */

import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { DaemonConfiguration } from '../config/normalize.js';
import type { DeviceView } from '../device/device-list.js';
import type { Engine } from '../engine/engine-types.js';
import type { DaemonLogger } from '../log.js';
import type { Metrics } from '../metrics/metrics.js';
import type { Permission } from '../subsystem/change.js';
import type { ApplyReport } from '../subsystem/target-options.js';
import type { Target } from '../subsystem/target.js';

export interface AdminSources {
  readonly engine: Engine;
  readonly target: Pick<
    Target,
    | 'acknowledgeBdev'
    | 'bdevs'
    | 'configuration'
    | 'connections'
    | 'controllers'
    | 'drains'
    | 'subsystems'
    | 'unavailable'
  >;
  readonly metrics: Metrics;
  readonly logger: DaemonLogger;
  readonly version: string;
  /** Empty when everything that is configured works. */
  readonly unreadyReasons: () => readonly string[];
  readonly configuration: () => DaemonConfiguration;
  /** Of this machine, as they are now. */
  readonly devices: () => Promise<readonly DeviceView[]>;
  /** Reads the configuration file again and makes its changes, or says which they would be. */
  readonly reload: (request: {
    readonly allow: readonly Permission[];
    readonly dryRun: boolean;
    /** The file that is meant; a daemon that reads another one does nothing. */
    readonly file?: string;
  }) => Promise<ApplyReport & { readonly file: string }>;
}

/** A plugin for one resource. */
export type ResourcePlugin = FastifyPluginAsyncTypebox<{ readonly sources: AdminSources }>;
