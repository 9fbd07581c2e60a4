/**
 * The verifying soak: every block that is read must be what was written, under mixed sizes and
 * depths, with and without digests, with connections that end in the middle. It fails at the first
 * wrong byte.
 */

import { Daemon } from '../daemon.js';
import { milliseconds, runPerf } from '../peers.js';
import { type Suite, printTable } from '../suite.js';

const sizes = '4KiB:8,8KiB:2,16KiB:2,64KiB:2,128KiB:1,1MiB:1';
const turnSeconds = 60;

interface Turn {
  readonly kind: 'malloc' | 'uring';
  readonly depth: number;
  readonly qpairs: number;
  readonly digests: boolean;
}

const turns: readonly Turn[] = [
  { kind: 'malloc', depth: 1, qpairs: 4, digests: false },
  { kind: 'uring', depth: 32, qpairs: 2, digests: true },
  { kind: 'malloc', depth: 128, qpairs: 1, digests: true },
  { kind: 'uring', depth: 8, qpairs: 8, digests: false },
  { kind: 'malloc', depth: 16, qpairs: 16, digests: false },
  { kind: 'uring', depth: 1, qpairs: 1, digests: true },
];

export const soak: Suite = {
  name: 'soak',
  help: 'half an hour of verified I/O, with reconnects; fails at the first wrong byte',
  defaults: { repetitions: 1, seconds: 1800 },
  async run({ directory, seconds }) {
    const daemons = {
      malloc: await Daemon.start({ kind: 'malloc', directory, reactors: '2' }),
      uring: await Daemon.start({ kind: 'uring', directory, reactors: '2' }),
    };
    const rows: (Turn & { seconds: number; iops: number; gib_per_second: number })[] = [];
    try {
      for (let left = seconds, index = 0; left > 0; left -= turnSeconds, index++) {
        const turn = turns[index % turns.length];
        if (turn === undefined) break;
        const length = Math.min(left, turnSeconds);
        const args = ['--rw', 'randrw', '--verify', '--region', '256MiB', '--bs', sizes];
        args.push('--time', milliseconds(length), '--reconnect', '3s');
        const load = ['--qd', turn.depth, '--qpairs', turn.qpairs];
        if (turn.digests) load.push('--header-digest', '--data-digest');
        // An error, and so the end, if anything was wrong.
        const { total } = await runPerf(daemons[turn.kind].target, [...args, ...load]);
        const gib = total.bytes_per_second / 2 ** 30;
        rows.push({ ...turn, seconds: length, iops: total.iops, gib_per_second: gib });
        console.log(`${String(index + 1)}: right for ${String(length)} s on ${turn.kind}`);
      }
    } finally {
      await daemons.malloc.stop();
      await daemons.uring.stop();
    }
    printTable([
      ['bdev', 'depth', 'queues', 'digests', 's', 'IOPS', 'GiB/s'],
      ...rows.map((row) => [
        row.kind,
        String(row.depth),
        String(row.qpairs),
        row.digests ? 'yes' : 'no',
        String(row.seconds),
        row.iops.toFixed(0),
        row.gib_per_second.toFixed(2),
      ]),
    ]);
    return rows;
  },
};
