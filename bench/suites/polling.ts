/**
 * The three poll modes: what they cost when 64 queues are idle and at loads in between, and what
 * they cost in latency. Adaptive should be as quick as busy and as cheap as interrupt.
 */

import { setTimeout as sleep } from 'node:timers/promises';

import { ConnectedHosts } from '../connected-hosts.js';
import { Daemon } from '../daemon.js';
import type { PollMode } from '../daemon.js';
import { milliseconds, runPerf } from '../peers.js';
import { type Suite, type SuiteOptions, median, printTable } from '../suite.js';

const modes: readonly PollMode[] = ['adaptive', 'busy', 'interrupt'];

interface Load {
  readonly name: string;
  readonly args: readonly (string | number)[];
}

/** The client spins in all of them, so that it is the target that is compared. */
const loads: readonly Load[] = [
  { name: '1,000 IOPS', args: ['--qd', 32, '--rate', 1000] },
  { name: '10,000 IOPS', args: ['--qd', 32, '--rate', 10_000] },
  { name: '50,000 IOPS', args: ['--qd', 32, '--rate', 50_000] },
  { name: 'depth 1', args: ['--qd', 1] },
  { name: 'depth 32', args: ['--qd', 32] },
];

interface Figures {
  readonly iops: number;
  readonly p50_us: number;
  readonly p99_us: number;
  /** Of all threads of the daemon, in cores. */
  readonly cpu: number;
}

async function measure(daemon: Daemon, load: Load, seconds: number): Promise<Figures> {
  const args = ['--rw', 'randread', '--time', milliseconds(seconds), '--warm-up', '500ms'];
  const began = performance.now();
  const before = daemon.cpuSeconds();
  const { total } = await runPerf(daemon.target, [...args, ...load.args]);
  // Connecting is in it: some ms of some seconds.
  const cpu = (daemon.cpuSeconds() - before) / ((performance.now() - began) / 1000);
  return { iops: total.iops, p50_us: total.latency_us.p50, p99_us: total.latency_us.p99, cpu };
}

/** Until the JavaScript engine has compiled and collected in the background what it wants to. */
const settleMs = 25_000;

/** Cores of a daemon with 64 connected I/O queues on which nothing happens. */
async function idle({ directory, repetitions, seconds }: SuiteOptions) {
  const rows: { mode: PollMode; cpu: number }[] = [];
  for (const mode of modes) {
    const daemon = await Daemon.start({ kind: 'null', directory, poll: mode });
    try {
      const hosts = await ConnectedHosts.connect(daemon, { processes: 1, hosts: 16, ioQueues: 4 });
      await sleep(settleMs);
      const all: number[] = [];
      for (let repetition = 0; repetition < repetitions; repetition++) {
        const before = daemon.cpuSeconds();
        await sleep(seconds * 1000);
        all.push((daemon.cpuSeconds() - before) / seconds);
      }
      rows.push({ mode, cpu: median(all) });
      await hosts.end();
    } finally {
      await daemon.stop();
    }
  }
  return rows;
}

function summarise(all: readonly Figures[]): Figures {
  const of = (key: keyof Figures): number => median(all.map((figures) => figures[key]));
  return { iops: of('iops'), p50_us: of('p50_us'), p99_us: of('p99_us'), cpu: of('cpu') };
}

export const polling: Suite = {
  name: 'polling',
  help: 'poll modes: cost when idle and at loads in between, latency (null)',
  defaults: { repetitions: 5, seconds: 2 },
  async run(options: SuiteOptions) {
    const { directory, repetitions, seconds } = options;
    const idled = await idle(options);
    const rows: (Figures & { load: string; mode: PollMode })[] = [];
    for (const load of loads) {
      const figures = new Map<PollMode, Figures[]>(modes.map((mode) => [mode, []]));
      for (let repetition = 0; repetition < repetitions; repetition++) {
        for (const mode of modes) {
          // One at a time: a daemon that polls would take the core from the others.
          const daemon = await Daemon.start({ kind: 'null', directory, poll: mode });
          try {
            figures.get(mode)?.push(await measure(daemon, load, seconds));
          } finally {
            await daemon.stop();
          }
        }
      }
      for (const [mode, all] of figures) rows.push({ load: load.name, mode, ...summarise(all) });
    }
    printTable([
      ['load', 'poll', 'IOPS', 'p50 µs', 'p99 µs', 'cores', 'p50 to busy'],
      ...idled.map(({ mode, cpu }) => ['idle, 64 queues', mode, '', '', '', cpu.toFixed(4), '']),
      ...rows.map((row) => {
        const busy = rows.find(({ load, mode }) => load === row.load && mode === 'busy');
        return [
          row.load,
          row.mode,
          row.iops.toFixed(0),
          row.p50_us.toFixed(1),
          row.p99_us.toFixed(1),
          row.cpu.toFixed(4),
          (row.p50_us / (busy?.p50_us ?? Number.NaN)).toFixed(2),
        ];
      }),
    ]);
    return { idle: idled, loads: rows };
  },
};
