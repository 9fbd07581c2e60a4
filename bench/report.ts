/** Medians, ratios to the limit, and their spread. */

import type { BenchCase } from './cases.js';
import type { Figures } from './peers.js';
import { median } from './suite.js';

export interface Row {
  readonly case: string;
  readonly peer: string;
  readonly iops: number;
  readonly gib_per_second: number;
  readonly p50_us: number;
  readonly p99_us: number;
  readonly p999_us: number;
  readonly target_us_per_io: number | null;
  readonly client_us_per_io: number | null;
  /** To the limit's figure of the same repetition; median. */
  readonly iops_ratio: number;
  /** The smallest and the largest of them. */
  readonly iops_ratio_spread: readonly [number, number];
  readonly p50_ratio: number;
  readonly target_cost_ratio: number | null;
}

function medianOrNull(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : median(known);
}

/** `bare[i]` is the limit's repetition beside `own[i]`. */
export function summarise(
  load: BenchCase,
  peer: string,
  own: readonly Figures[],
  bare: readonly Figures[],
): Row {
  const ratios = own.map((figures, index) => figures.iops / (bare[index]?.iops ?? Number.NaN));
  const cost = (figures: Figures | undefined): number | null => figures?.target_us_per_io ?? null;
  const costs = own.map((figures, index) => {
    const [ours, limit] = [cost(figures), cost(bare[index])];
    return ours === null || limit === null ? null : ours / limit;
  });
  const iops = median(own.map((figures) => figures.iops));
  return {
    case: load.name,
    peer,
    iops: Math.round(iops),
    gib_per_second: (iops * load.bytes) / 2 ** 30,
    p50_us: median(own.map((figures) => figures.p50_us)),
    p99_us: median(own.map((figures) => figures.p99_us)),
    p999_us: median(own.map((figures) => figures.p999_us)),
    target_us_per_io: medianOrNull(own.map((figures) => figures.target_us_per_io)),
    client_us_per_io: medianOrNull(own.map((figures) => figures.client_us_per_io)),
    iops_ratio: median(ratios),
    iops_ratio_spread: [Math.min(...ratios), Math.max(...ratios)],
    p50_ratio: median(
      own.map((figures, index) => figures.p50_us / (bare[index]?.p50_us ?? Number.NaN)),
    ),
    target_cost_ratio: medianOrNull(costs),
  };
}

export const header =
  'case                     peer             IOPS  GiB/s  ratio (spread)        p50 µs ratio   p99 µs p99.9 µs  target µs ratio  client µs';

export function rowText(row: Row): string {
  const [low, high] = row.iops_ratio_spread;
  const optional = (value: number | null, width: number): string =>
    (value === null ? '-' : value.toFixed(2)).padStart(width);
  return (
    row.case.padEnd(25) +
    row.peer.padEnd(10) +
    String(row.iops).padStart(11) +
    row.gib_per_second.toFixed(2).padStart(7) +
    row.iops_ratio.toFixed(2).padStart(7) +
    ` (${low.toFixed(2)}…${high.toFixed(2)})`.padEnd(14) +
    row.p50_us.toFixed(1).padStart(9) +
    row.p50_ratio.toFixed(2).padStart(6) +
    row.p99_us.toFixed(1).padStart(9) +
    row.p999_us.toFixed(1).padStart(9) +
    optional(row.target_us_per_io, 11) +
    optional(row.target_cost_ratio, 6) +
    optional(row.client_us_per_io, 11)
  );
}
