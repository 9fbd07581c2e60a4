/**
 * What a host that reads 1 MiB at depth 64 does to four that read 4 KiB, one at a time. All are
 * clients on one core, so some of the price is theirs: the same clients without the greedy one's
 * load on the target are beside it, with a greedy one that reads from another daemon.
 */

import { Daemon } from '../daemon.js';
import { filledDaemon, milliseconds, runPerf } from '../peers.js';
import { type Suite, median, printTable } from '../suite.js';

const cases = ['alone', 'greedy host elsewhere', 'greedy host here'] as const;

interface Figures {
  readonly iops: number;
  readonly p50_us: number;
  readonly p99_us: number;
  readonly greedy_gib_per_second: number;
}

async function measure(victim: Daemon, greedy: Daemon | null, seconds: number): Promise<Figures> {
  const time = (wanted: number): string[] => ['--time', milliseconds(wanted)];
  const modest = ['--rw', 'randread', '--qd', 1, '--qpairs', 4, '--poll', 'interrupt'];
  const large = ['--rw', 'randread', '--bs', 1024 * 1024, '--qd', 64, '--poll', 'interrupt'];
  const other = greedy === null ? null : runPerf(greedy.target, [...large, ...time(seconds + 1)]);
  const { total } = await runPerf(victim.target, [...modest, ...time(seconds)]);
  return {
    iops: total.iops,
    p50_us: total.latency_us.p50,
    p99_us: total.latency_us.p99,
    greedy_gib_per_second: ((await other)?.total.bytes_per_second ?? 0) / 2 ** 30,
  };
}

export const fairness: Suite = {
  name: 'fairness',
  help: 'small reads beside a host that reads 1 MiB at depth 64 (malloc)',
  defaults: { repetitions: 5, seconds: 2 },
  async run({ directory, repetitions, seconds }) {
    const here = await filledDaemon({ kind: 'malloc', directory });
    const figures = new Map<string, Figures[]>(cases.map((name) => [name, []]));
    try {
      const elsewhere = await Daemon.start({ kind: 'null', directory });
      try {
        for (let repetition = 0; repetition < repetitions; repetition++) {
          figures.get(cases[0])?.push(await measure(here, null, seconds));
          figures.get(cases[1])?.push(await measure(here, elsewhere, seconds));
          figures.get(cases[2])?.push(await measure(here, here, seconds));
        }
      } finally {
        await elsewhere.stop();
      }
    } finally {
      await here.stop();
    }
    const rows = [...figures].map(([name, all]) => {
      const of = (key: keyof Figures): number => median(all.map((one) => one[key]));
      return {
        case: name,
        iops: of('iops'),
        p50_us: of('p50_us'),
        p99_us: of('p99_us'),
        greedy_gib_per_second: of('greedy_gib_per_second'),
      };
    });
    printTable([
      ['4 KiB readers', 'IOPS', 'p50 µs', 'p99 µs', 'greedy GiB/s'],
      ...rows.map((row) => [
        row.case,
        row.iops.toFixed(0),
        row.p50_us.toFixed(0),
        row.p99_us.toFixed(0),
        row.greedy_gib_per_second.toFixed(2),
      ]),
    ]);
    return rows;
  },
};
