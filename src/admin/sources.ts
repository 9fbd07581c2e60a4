/** What the side-car shows. It changes nothing of it. */

import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { DaemonConfiguration } from '../config/normalize.js';
import type { Engine } from '../engine/engine-types.js';
import type { DaemonLogger } from '../log.js';
import type { Metrics } from '../metrics/metrics.js';
import type { Target } from '../subsystem/target.js';

export interface AdminSources {
  readonly engine: Engine;
  readonly target: Pick<
    Target,
    'bdevs' | 'configuration' | 'connections' | 'controllers' | 'subsystems'
  >;
  readonly metrics: Metrics;
  readonly logger: DaemonLogger;
  readonly version: string;
  /** Empty when everything that is configured works. */
  readonly unreadyReasons: () => readonly string[];
  readonly configuration: () => DaemonConfiguration;
}

/** A plugin for one resource. */
export type ResourcePlugin = FastifyPluginAsyncTypebox<{ readonly sources: AdminSources }>;
