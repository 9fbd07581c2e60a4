/** What the side-car shows in tests: a fake target and a fake engine. */

import { pino } from 'pino';
import type { AdminSources } from '../../../src/admin/sources.js';
import { parseConfiguration } from '../../../src/config/load.js';
import { HostTotals } from '../../../src/metrics/host-totals.js';
import { Metrics } from '../../../src/metrics/metrics.js';
import { FakeEngine } from '../metrics/fake-engine.js';
import { fakeTarget } from '../metrics/fake-target.js';

export function sources(changes: Partial<AdminSources> = {}): AdminSources & { reasons: string[] } {
  const engine = new FakeEngine();
  const target = fakeTarget();
  const version = '1.2.3';
  const reasons: string[] = [];
  const { configuration } = parseConfiguration('version: 1', 'c.yaml', [0, 1]);
  return {
    engine,
    target,
    metrics: new Metrics({
      engine,
      target,
      hostTotals: new HostTotals(engine),
      logSink: { linesLostTotal: 0 },
      version,
      reloaded: () => null,
      httpLimitCounts: () => new Map(),
    }),
    logger: pino({ level: 'silent' }),
    version,
    unreadyReasons: () => reasons,
    configuration: () => configuration!,
    devices: () => Promise.resolve([]),
    reload: () => Promise.resolve({ file: '/c.yaml', changes: [], warnings: [] }),
    reasons,
    ...changes,
  };
}
