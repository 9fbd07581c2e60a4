/** A `uring` bdev over NVMe/TCP beside fio's io_uring engine on the same file, interleaved. */

import { execFileSync } from 'node:child_process';

import { Daemon } from '../daemon.js';
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

function fio(file: string, access: Access, depth: number, seconds: number): number {
  const args = [
    '--name=file',
    `--filename=${file}`,
    `--rw=${access}`,
    '--ioengine=io_uring',
    '--direct=1',
    '--bs=4k',
    `--iodepth=${String(depth)}`,
    `--runtime=${String(seconds)}`,
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

export const file: Suite = {
  name: 'file',
  help: "a uring bdev beside fio's io_uring on the same file (needs fio)",
  defaults: { repetitions: 9, seconds: 1 },
  async run({ directory, repetitions, seconds }) {
    try {
      execFileSync('fio', ['--version']);
    } catch {
      throw new Error('fio is not here; on Debian: apt-get install fio');
    }
    const daemon = await filledDaemon({ kind: 'uring', directory });
    const rows = [];
    try {
      for (const access of ['randread', 'randwrite'] as const) {
        for (const depth of [1, 32]) {
          const pairs: { fio: number; own: number }[] = [];
          for (let repetition = 0; repetition < repetitions; repetition++) {
            const bare = fio(Daemon.file(directory), access, depth, seconds);
            const args = ['--rw', access, '--qd', depth, '--time', milliseconds(seconds)];
            const { total } = await runPerf(daemon.target, [...args, '--warm-up', '200ms']);
            pairs.push({ fio: bare, own: total.iops });
          }
          const ratios = pairs.map((pair) => pair.own / pair.fio);
          rows.push({
            load: `${access} 4 KiB, depth ${String(depth)}`,
            fio_iops: median(pairs.map((pair) => pair.fio)),
            iops: median(pairs.map((pair) => pair.own)),
            ratio: median(ratios),
            ratio_spread: [Math.min(...ratios), Math.max(...ratios)] as const,
          });
        }
      }
    } finally {
      await daemon.stop();
    }
    printTable([
      ['load', 'fio IOPS', 'IOPS', 'ratio', 'spread'],
      ...rows.map((row) => [
        row.load,
        row.fio_iops.toFixed(0),
        row.iops.toFixed(0),
        row.ratio.toFixed(2),
        row.ratio_spread.map((ratio) => ratio.toFixed(2)).join('…'),
      ]),
    ]);
    return rows;
  },
};
