/** What is measured: one load each, for every peer. */

export interface BenchCase {
  readonly name: string;
  /** 0 to 100. */
  readonly readPercent: number;
  readonly bytes: number;
  /** Of each queue. */
  readonly queueDepth: number;
  readonly qpairs: number;
  readonly digests: boolean;
}

const kib = 1024;

function sized(bytes: number): string {
  return bytes % (kib * kib) === 0 ? `${String(bytes / kib / kib)}m` : `${String(bytes / kib)}k`;
}

function benchCase(readPercent: number, bytes: number, queueDepth: number, qpairs = 1): BenchCase {
  const access = readPercent === 100 ? 'read' : readPercent === 0 ? 'write' : 'mixed';
  const name = `${access}-${sized(bytes)}-qd${String(queueDepth)}-q${String(qpairs)}`;
  return { name, readPercent, bytes, queueDepth, qpairs, digests: false };
}

function withDigests(plain: BenchCase): BenchCase {
  return { ...plain, name: `${plain.name}-digests`, digests: true };
}

/** Random places; the order is that of the report. */
export const benchCases: readonly BenchCase[] = [
  ...[100, 0].flatMap((readPercent) =>
    [1, 4, 16].flatMap((qpairs) =>
      [1, 8, 32, 128].map((depth) => benchCase(readPercent, 4 * kib, depth, qpairs)),
    ),
  ),
  ...[100, 0].flatMap((readPercent) => [
    benchCase(readPercent, 128 * kib, 8),
    benchCase(readPercent, kib * kib, 4),
  ]),
  benchCase(70, 4 * kib, 32),
  withDigests(benchCase(100, 4 * kib, 32)),
  withDigests(benchCase(0, 4 * kib, 32)),
  withDigests(benchCase(100, 128 * kib, 8)),
];
