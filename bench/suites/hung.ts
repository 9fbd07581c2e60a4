/**
 * What sound disks make of others in the same daemon that hang: an `error` bdev that keeps all that
 * it is given, and a file on a file system that is frozen (where root and loop devices are), each
 * with a host that has 100 commands there. The p99 of the sound ones is measured before and beside;
 * then how long a reload takes, and the end of the daemon.
 */

import { join } from 'node:path';

import { until } from '../../test/host/bounded.js';
import { TcpHost } from '../../test/host/tcp-host.js';
import {
  type Configuration,
  Daemon,
  type LogLine,
  adminWithToken,
  configuration,
  subsystem,
  subsystemNqn,
  withToken,
} from '../../test/integration/daemon.js';
import { LoopFileSystem, noLoopDisks } from '../../test/integration/loop-disk.js';
import { fill, milliseconds, runPerf } from '../peers.js';
import { serverCore } from '../programs.js';
import { type Suite, median, printTable } from '../suite.js';

const sound = ['ram0', 'file0'] as const;
const accesses = ['randread', 'randwrite'] as const;
const depths = [1, 32] as const;
const commandsThatHang = 100;
const sizeBytes = 64 * 2 ** 20;
const size = String(sizeBytes);

const loads = sound.flatMap((bdev, index) =>
  accesses.flatMap((access) =>
    depths.map((depth) => ({
      name: `${bdev} ${access} 4 KiB, depth ${String(depth)}`,
      nsid: index + 1,
      args: ['--rw', access, '--qd', depth],
    })),
  ),
);

/** Ends what a repetition has begun, last things first. */
class Ends {
  readonly #ends: (() => Promise<void> | void)[] = [];

  teardown(end: () => Promise<void> | void): void {
    this.#ends.push(end);
  }

  async run(): Promise<void> {
    for (const end of this.#ends.toReversed()) await end();
  }
}

interface Disks {
  readonly directory: string;
  readonly frozen: LoopFileSystem | null;
}

/** `hung`: with the disks that hang, or, for the reload, without them. */
function configured({ directory, frozen }: Disks, hung: boolean): Configuration {
  const file = (name: string, folder: string) => ({
    name,
    kind: 'uring',
    path: join(folder, `${name}.img`),
    size,
    create: true,
  });
  const below = { name: 'low0', kind: 'malloc', size };
  const faults = [{ op: 'all', action: 'hang' }];
  const hanging = [
    { name: 'bad0', kind: 'error', base: below.name, faults },
    ...(frozen === null ? [] : [file('frozen0', frozen.folder)]),
  ];
  const named = [...sound, ...(hung ? hanging.map(({ name }) => name) : [])];
  const bdevs = [{ name: 'ram0', kind: 'malloc', size }, file('file0', directory), below];
  return configuration({
    engine: { reactors: [serverCore], memory: '128MiB' },
    admin: adminWithToken,
    bdevs: hung ? [...bdevs, ...hanging] : bdevs,
    subsystems: [
      subsystem({ namespaces: named.map((bdev, index) => ({ nsid: index + 1, bdev })) }),
    ],
    log: { level: 'info', format: 'json' },
  });
}

function targetOf(daemon: Daemon, nsid: number): string {
  const { address, port } = daemon.target();
  return `tcp://${address}:${String(port)}/${subsystemNqn}?nsid=${String(nsid)}`;
}

async function p99s(daemon: Daemon, seconds: number): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  for (const { name, nsid, args } of loads) {
    const target = targetOf(daemon, nsid);
    const { total } = await runPerf(target, [...args, '--time', milliseconds(seconds)]);
    found.set(name, total.latency_us.p99);
  }
  return found;
}

/** A host with commands on each of the disks that hang; the names that `/readyz` then says. */
async function hang(daemon: Daemon, { frozen }: Disks, ends: Ends): Promise<string[]> {
  frozen?.freeze();
  const names = frozen === null ? ['bad0'] : ['bad0', 'frozen0'];
  for (const index of names.keys()) {
    const host = await TcpHost.connect(daemon.target(), subsystemNqn);
    ends.teardown(() => {
      host.kill();
    });
    const nsid = sound.length + index + 1;
    for (let slba = 0n; slba < commandsThatHang; slba++) {
      const none = (): undefined => undefined;
      void host.io.write(slba, Buffer.alloc(host.io.blockBytes), { nsid }).then(none, none);
    }
  }
  return until('the disks to be known to hang', async () => {
    const answer = await daemon.get('/readyz', withToken);
    const { reasons = [] } = (await answer.json()) as { reasons?: string[] };
    return names.every((name) => reasons.some((reason) => reason.includes(name))) && reasons;
  });
}

async function secondsOf(what: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await what();
  return (performance.now() - began) / 1000;
}

interface Repetition {
  readonly before: Map<string, number>;
  readonly beside: Map<string, number>;
  readonly reasons: readonly string[];
  readonly reload: number;
  readonly end: number;
}

async function repeat(directory: string, seconds: number): Promise<Repetition> {
  const ends = new Ends();
  try {
    const frozen = noLoopDisks === false ? new LoopFileSystem(ends, 128 * 2 ** 20) : null;
    const disks = { directory, frozen };
    const daemon = await Daemon.start(ends, configured(disks, true));
    ends.teardown(() => {
      frozen?.thaw();
    });
    for (const index of sound.keys()) await fill(targetOf(daemon, index + 1), sizeBytes);
    const before = await p99s(daemon, seconds);
    const reasons = await hang(daemon, disks, ends);
    const beside = await p99s(daemon, seconds);
    const reload = await secondsOf(() => daemon.apply(configured(disks, false)));
    const isLast = ({ msg }: LogLine) => msg === 'stopped' || msg === 'gave up draining';
    const end = await secondsOf(async () => {
      daemon.process.signal('SIGTERM');
      await daemon.process.line('its last line', isLast);
    });
    return { before, beside, reasons, reload, end };
  } finally {
    await ends.run();
  }
}

export const hung: Suite = {
  name: 'hung',
  help: 'sound disks beside others that hang (all of it needs root)',
  defaults: { repetitions: 5, seconds: 1 },
  async run({ directory, repetitions, seconds }) {
    if (noLoopDisks !== false) console.log(`no frozen file system: ${noLoopDisks}`);
    const all: Repetition[] = [];
    for (let repetition = 0; repetition < repetitions; repetition++) {
      all.push(await repeat(directory, seconds));
    }
    const rows = loads.map(({ name }) => {
      const ratios = all.map((one) => (one.beside.get(name) ?? 0) / (one.before.get(name) ?? 0));
      return {
        load: name,
        p99_us_before: median(all.map(({ before }) => before.get(name) ?? 0)),
        p99_us_beside: median(all.map(({ beside }) => beside.get(name) ?? 0)),
        ratio: median(ratios),
        ratio_spread: [Math.min(...ratios), Math.max(...ratios)] as const,
      };
    });
    printTable([
      ['load', 'p99 µs', 'beside hung', 'ratio', 'spread'],
      ...rows.map((row) => [
        row.load,
        row.p99_us_before.toFixed(0),
        row.p99_us_beside.toFixed(0),
        row.ratio.toFixed(2),
        row.ratio_spread.map((ratio) => ratio.toFixed(2)).join('…'),
      ]),
    ]);
    for (const reason of all[0]?.reasons ?? []) console.log(`/readyz: ${reason}`);
    const reload = all.map((one) => one.reload);
    const end = all.map((one) => one.end);
    console.log(`reload that removes them: ${reload.map((s) => s.toFixed(2)).join(', ')} s`);
    console.log(`end after SIGTERM: ${end.map((s) => s.toFixed(2)).join(', ')} s`);
    return { rows, reasons: all[0]?.reasons ?? [], reload_seconds: reload, end_seconds: end };
  },
};
