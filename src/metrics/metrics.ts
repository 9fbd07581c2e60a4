/** What /metrics answers: our own families, the process, and the admin commands' times. */

import { Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import type { Metric, OpenMetricsContentType } from 'prom-client';
import { type MetricSources, families } from './families.js';
import { ScrapeCache } from './scrape-cache.js';

export interface Scrape {
  readonly contentType: string;
  readonly body: string;
}

interface MetricValue {
  readonly name: string;
  readonly type: string;
}

/** Gauges of prom-client whose names end as only counters' names may. */
const MISNAMED = [
  'nodejs_active_resources_total',
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
];

/**
 * prom-client samples the event loop's delay with a timer of 10 ms, which costs an idle daemon more
 * than all its reactors. `nodejs_eventloop_lag_seconds` is measured when it is asked for and stays.
 */
const SAMPLED = ['min', 'max', 'mean', 'stddev', 'p50', 'p90', 'p99'].map(
  (statistic) => `nodejs_eventloop_lag_${statistic}_seconds`,
);
const NEVER_MS = 2 ** 31 - 1;

export class Metrics {
  readonly #cache = new ScrapeCache();
  readonly #registry = new Registry();
  readonly #openMetrics = new Registry<OpenMetricsContentType>();
  readonly #adminSeconds: Histogram<'opcode'>;

  constructor(sources: MetricSources) {
    for (const family of families(sources, this.#cache)) {
      this.#registry.registerMetric(family.metric);
    }
    collectDefaultMetrics({ register: this.#registry, eventLoopMonitoringPrecision: NEVER_MS });
    for (const name of [...MISNAMED, ...SAMPLED]) this.#registry.removeSingleMetric(name);
    this.#adminSeconds = new Histogram({
      name: 'capsuled_admin_command_seconds',
      help: 'Time from receiving an admin or Fabrics command to answering it.',
      labelNames: ['opcode'],
      buckets: [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1],
      registers: [this.#registry],
    });
    this.#openMetrics.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
    const metrics = this.#registry.getMetricsAsArray() as unknown as Collectable[];
    const names = new Set(metrics.map((metric) => metric.name));
    for (const metric of metrics) this.#openMetrics.registerMetric(openMetric(metric, names));
  }

  /** `opcode` is a name from the spec; hosts cannot invent new ones. */
  observeCommand(opcode: string, seconds: number): void {
    this.#adminSeconds.observe({ opcode }, seconds);
  }

  /** In the format that the Accept header asks for: OpenMetrics, else Prometheus text. */
  async scrape(accept = ''): Promise<Scrape> {
    this.#cache.begin();
    const registry = wantsOpenMetrics(accept) ? this.#openMetrics : this.#registry;
    return { contentType: registry.contentType, body: await registry.metrics() };
  }
}

export function wantsOpenMetrics(accept: string): boolean {
  const qualities = accept.split(',').map((range) => {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
    const quality = parameters.find((parameter) => parameter.startsWith('q='));
    return { type, quality: quality === undefined ? 1 : Number(quality.slice(2)) };
  });
  const qualityOf = (type: string) =>
    Math.max(0, ...qualities.filter((range) => range.type === type).map(({ quality }) => quality));
  const wanted = qualityOf('application/openmetrics-text');
  return wanted > 0 && wanted >= qualityOf('text/plain');
}

interface Collectable {
  readonly name: string;
  get: () => Promise<MetricValue>;
}

/**
 * The same metric for the OpenMetrics registry. That registry renames counters in place (their
 * family has no `_total`), which would spoil them for the other format; so it gets a stand-in that
 * is renamed already.
 *
 * Where the family's name is that of another metric (`capsuled_connections`, now and in total), the
 * counter keeps its name and is of type unknown, which has no suffix.
 */
function openMetric(metric: Collectable, names: ReadonlySet<string>): Metric {
  const family = metric.name.replace(/_total$/, '');
  const standIn = {
    name: metric.name,
    async get() {
      const values = await metric.get();
      if (values.type !== 'counter') return values;
      return names.has(family) ? { ...values, type: 'unknown' } : { ...values, name: family };
    },
  };
  return standIn as unknown as Metric;
}
