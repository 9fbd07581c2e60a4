/**
 * A metric whose samples are taken from elsewhere when it is scraped. It has the shape that
 * prom-client's Registry asks of a metric, so that both kinds live in one registry.
 */

import type { Metric } from 'prom-client';

export type Labels = Readonly<Record<string, string | number>>;

export interface Sample {
  readonly labels: Labels;
  readonly value: number;
  /** For histograms: the name with `_bucket`, `_sum` or `_count`. */
  readonly metricName?: string;
}

export interface FamilyOptions {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly collect: () => Iterable<Sample>;
}

export class Family {
  readonly name: string;
  readonly help: string;
  readonly type: FamilyOptions['type'];
  readonly #collect: FamilyOptions['collect'];

  constructor({ name, help, type, collect }: FamilyOptions) {
    this.name = name;
    this.help = help;
    this.type = type;
    this.#collect = collect;
  }

  get(): Promise<object> {
    const { name, help, type } = this;
    return Promise.resolve({ name, help, type, values: [...this.#collect()], aggregator: 'sum' });
  }

  /** As the registry's types want it; at run time it only asks for a name and `get()`. */
  get metric(): Metric {
    return this as unknown as Metric;
  }
}

export function counter(name: string, help: string, collect: FamilyOptions['collect']): Family {
  return new Family({ name, help, type: 'counter', collect });
}

export function gauge(name: string, help: string, collect: FamilyOptions['collect']): Family {
  return new Family({ name, help, type: 'gauge', collect });
}

/** The samples of one histogram: counts per bucket in, cumulative counts out. */
export function histogramSamples(
  name: string,
  labels: Labels,
  bounds: readonly Bound[],
  counts: readonly number[],
  sumSeconds: number,
): Sample[] {
  const samples: Sample[] = [];
  let cumulative = 0;
  let next = 0;
  for (const { index, seconds } of bounds) {
    for (; next <= index; next++) cumulative += counts[next] ?? 0;
    samples.push({
      metricName: `${name}_bucket`,
      labels: { ...labels, le: seconds },
      value: cumulative,
    });
  }
  for (; next < counts.length; next++) cumulative += counts[next] ?? 0;
  samples.push({
    metricName: `${name}_bucket`,
    labels: { ...labels, le: '+Inf' },
    value: cumulative,
  });
  samples.push({ metricName: `${name}_sum`, labels, value: sumSeconds });
  samples.push({ metricName: `${name}_count`, labels, value: cumulative });
  return samples;
}

/** A bucket that is exported: its index among the engine's, and its upper bound. */
export interface Bound {
  readonly index: number;
  readonly seconds: number;
}

/**
 * The engine has several buckets for each power of two; one of them is exported, each at least
 * twice the one before. The counts at these bounds are exact, and a scrape stays small.
 */
export function exportedBounds(boundsNs: readonly number[]): Bound[] {
  const bounds: Bound[] = [];
  let last = 0;
  boundsNs.forEach((bound, index) => {
    if (bound < last * 2) return;
    bounds.push({ index, seconds: bound / 1e9 });
    last = bound;
  });
  return bounds;
}
