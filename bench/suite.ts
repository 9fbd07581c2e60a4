/** A suite: some measurements that belong together, printed as they come, and recorded. */

export interface SuiteOptions {
  readonly repetitions: number;
  readonly seconds: number;
  /** Of the suite `ratios`: a regular expression, bdev kinds, other targets. */
  readonly cases: string;
  readonly peers: string;
  readonly against: readonly string[];
  /** The process of the other targets: stopped while others are measured. */
  readonly againstPid: number | undefined;
  /** Empty; removed at the end. */
  readonly directory: string;
}

export interface Suite {
  readonly name: string;
  readonly help: string;
  /** Unless the command says otherwise. */
  readonly defaults: Pick<SuiteOptions, 'repetitions' | 'seconds'>;
  /** Prints its figures; what it returns is recorded as JSON. */
  run(options: SuiteOptions): Promise<unknown>;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2;
}

/** Columns as wide as their widest cell; the first is flush left, the others right. */
export function printTable(rows: readonly (readonly string[])[]): void {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, index) => (widths[index] = Math.max(widths[index] ?? 0, cell.length)));
  }
  for (const row of rows) {
    const cells = row.map((cell, index) =>
      index === 0 ? cell.padEnd(widths[index] ?? 0) : cell.padStart(widths[index] ?? 0),
    );
    console.log(cells.join('  ').trimEnd());
  }
}
