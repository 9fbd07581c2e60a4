/**
 * A `uring` bdev over NVMe/TCP beside fio's io_uring engine on the same file, interleaved: fio runs
 * before and after, with no daemon beside it.
 */

import { execFileSync } from 'node:child_process';

import { Daemon, type PollMode } from '../daemon.js';
import { filledDaemon, milliseconds, runPerf } from '../peers.js';
import { serverCore } from '../programs.js';
import { type Suite, median, printTable } from '../suite.js';

interface FioReport {
  readonly jobs: readonly {
    readonly read: { readonly iops: number };
    readonly write: { readonly iops: number };
  }[];
}

type Access = 'randread' | 'randwrite';

const modes = ['adaptive', 'busy'] as const satisfies readonly PollMode[];

function fio(file: string, access: Access, depth: number, seconds: number): number {
  const args = [
    '--name=file',
    `--filename=${file}`,
    `--rw=${access}`,
    '--ioengine=io_uring',
    '--direct=1',
    '--bs=4k',
    `--iodepth=${String(depth)}`,
    `--runtime=${milliseconds(seconds)}`,
    '--time_based',
    '--ramp_time=0.2',
    `--cpus_allowed=${String(serverCore)}`,
    '--output-format=json',
  ];
  const report = JSON.parse(execFileSync('fio', args, { encoding: 'utf8' })) as FioReport;
  const job = report.jobs[0];
  if (job === undefined) throw new Error('fio reports no job');
  return access === 'randread' ? job.read.iops : job.write.iops;
}

async function own(
  directory: string,
  poll: PollMode,
  args: readonly (string | number)[],
): Promise<number> {
  const daemon = await Daemon.start({ kind: 'uring', directory, poll });
  try {
    const { total } = await runPerf(daemon.target, [...args, '--warm-up', '200ms']);
    return total.iops;
  } finally {
    await daemon.stop();
  }
}

export const file: Suite = {
  name: 'file',
  help: "a uring bdev beside fio's io_uring on the same file (needs fio)",
  defaults: { repetitions: 9, seconds: 0.6 },
  async run({ directory, repetitions, seconds }) {
    try {
      execFileSync('fio', ['--version']);
    } catch {
      throw new Error('fio is not here; on Debian: apt-get install fio');
    }
    await (await filledDaemon({ kind: 'uring', directory })).stop();
    const rows = [];
    for (const access of ['randread', 'randwrite'] as const) {
      for (const depth of [1, 32]) {
        const args = ['--rw', access, '--qd', depth, '--time', milliseconds(seconds)];
        const bare: number[] = [];
        const found = { adaptive: [] as number[], busy: [] as number[] };
        const ratios = { adaptive: [] as number[], busy: [] as number[] };
        for (let repetition = 0; repetition < repetitions; repetition++) {
          const before = fio(Daemon.file(directory), access, depth, seconds);
          const iops = {
            adaptive: await own(directory, 'adaptive', args),
            busy: await own(directory, 'busy', args),
          };
          const after = fio(Daemon.file(directory), access, depth, seconds);
          const limit = (before + after) / 2;
          bare.push(limit);
          for (const mode of modes) {
            found[mode].push(iops[mode]);
            ratios[mode].push(iops[mode] / limit);
          }
        }
        for (const mode of modes) {
          rows.push({
            load: `${access} 4 KiB, depth ${String(depth)}`,
            poll: mode,
            fio_iops: median(bare),
            iops: median(found[mode]),
            ratio: median(ratios[mode]),
            ratio_spread: [Math.min(...ratios[mode]), Math.max(...ratios[mode])] as const,
          });
        }
      }
    }
    printTable([
      ['load', 'poll', 'fio IOPS', 'IOPS', 'ratio', 'spread'],
      ...rows.map((row) => [
        row.load,
        row.poll,
        row.fio_iops.toFixed(0),
        row.iops.toFixed(0),
        row.ratio.toFixed(2),
        row.ratio_spread.map((ratio) => ratio.toFixed(2)).join('…'),
      ]),
    ]);
    return rows;
  },
};
