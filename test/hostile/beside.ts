/**
 * An honest host beside hostile ones, to be run by hand:
 *
 *     node dist/test/hostile/beside.js [KIND…] [--addresses 1,200] [--scripts N]
 *                                      [--seconds 60] [--json FILE]
 *
 * Starts two daemons of its own. For each kind (all, if none is named) and number of addresses it
 * measures an honest host for so many seconds while hostile peers are at its daemon; and before and
 * behind that, for a quarter of the time each, while the same peers are at the other daemon. So
 * what they, and what serves them, take of the machine's processors is in both, and the difference
 * is what one daemon lets them do to others. Once, in the first row, nobody is hostile.
 *
 * A row shows the 99th percentiles apart (the mean of the two) and beside; the longest; what
 * failed; how much memory the daemon took, and the kernel for all TCP sockets of the machine; and
 * which limits held somebody back, how often. The exit status is 1 if a percentile is more than
 * twice as high beside as apart, an honest operation or a supervisor's probe failed, the daemon
 * took more memory than its limits add up to, or nobody was hostile.
 */

import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import {
  Daemon,
  adminWithToken,
  configuration,
  subsystem,
  subsystemNqn,
} from '../integration/daemon.js';
import type { Scraped } from '../integration/metrics.js';
import { honestOperations, runHonestHost } from './honest-host.js';
import type { HonestFigures } from './honest-host.js';
import { HostileProcess } from './hostile-process.js';
import { hostileKinds } from './kinds.js';
import { MemoryWatch } from './memory-watch.js';
import { ProbeWatch } from './probe-watch.js';

const ratioMax = 2;
const mebibyte = 2 ** 20;
const diskMebibytes = 64;
const memoryMebibytes = 256;
const disks = [1, 2, 3, 4].map((nsid) => ({ nsid, bdev: `ram${nsid}` }));

/**
 * What the limits of a daemon with one reactor add up to, all reached at once; MiB. The first four
 * are what is configured or comes with it, the rest is docs/internals/limits.md times the number of
 * connections.
 */
const residentParts = {
  'RAM disks': disks.length * diskMebibytes,
  'engine.memory, and receive buffers of an eighth of it': memoryMebibytes * 1.125,
  'Node.js with its heap, code and young generation': 256,
  'requests, 32,768 with 8 KiB for what capsules carry': 288,
  'parked commands, 65,536 of 176 bytes': 11,
  'bytes that were read and have no place, 32 KiB of 4,608 connections': 144,
  'answers of 512 discovery controllers, and pages that answers share': 16 + 64,
  'events for the control plane, 8 of 4,608 connections, half a KiB each': 18,
  'pages of RAM disks written elsewhere while they are lent': 32,
} as const;
const residentBound = Object.values(residentParts).reduce((sum, part) => sum + part, 0) * mebibyte;

interface Run {
  readonly kind: string;
  readonly addresses: number;
  readonly beside: HonestFigures;
  readonly openMax: number;
  /** Bytes. */
  readonly residentMax: number;
  readonly socketsMax: number;
  /** Counts that grew, by resource and class. */
  readonly limits: Readonly<Record<string, number>>;
}

interface Row extends Run {
  readonly before: HonestFigures;
  readonly after: HonestFigures;
  readonly ratios: Readonly<Record<string, number>>;
}

function limitsOf(metrics: Scraped): Map<string, number> {
  const samples = metrics.samples('capsuled_peer_limit_total');
  return new Map(
    samples.map(({ labels, value }) => [`${labels['class']} ${labels['resource']}`, value]),
  );
}

class Measurement {
  readonly #daemon: Daemon;
  readonly #other: Daemon;
  readonly #seconds: number;
  readonly #scripts: number | undefined;

  constructor(daemon: Daemon, other: Daemon, seconds: number, scripts?: number) {
    this.#daemon = daemon;
    this.#other = other;
    this.#seconds = seconds;
    this.#scripts = scripts;
  }

  async row(kind: string, addresses: number): Promise<Row> {
    const before = await this.#runApart(kind, addresses);
    const run = await this.#runBeside(kind, addresses);
    const after = await this.#runApart(kind, addresses);
    const ratios = honestOperations.map((operation) => {
      const apart = (before.latencies[operation].p99 + after.latencies[operation].p99) / 2;
      return [operation, run.beside.latencies[operation].p99 / apart];
    });
    return { ...run, before, after, ratios: Object.fromEntries(ratios) as Record<string, number> };
  }

  runAlone(): Promise<HonestFigures> {
    return this.#runHonest(this.#seconds / 4);
  }

  async #runApart(kind: string, addresses: number): Promise<HonestFigures> {
    const hostile = this.#startHostile(this.#other, kind, addresses);
    const figures = await this.#runHonest(this.#seconds / 4).finally(() => hostile.stop());
    await this.#other.idle();
    return figures;
  }

  async #runBeside(kind: string, addresses: number): Promise<Run> {
    const daemon = this.#daemon;
    const limitsBefore = limitsOf(await daemon.metrics());
    const hostile = this.#startHostile(daemon, kind, addresses);
    const memory = new MemoryWatch(daemon);
    const probes = new ProbeWatch(daemon);
    const beside = await this.#runHonest(this.#seconds).finally(() => hostile.stop());
    const { residentMax, socketsMax } = memory.stop();
    const limits = [...limitsOf(await daemon.metrics())]
      .map(([name, value]): [string, number] => [name, value - (limitsBefore.get(name) ?? 0)])
      .filter(([, grown]) => grown > 0);
    const failures = [...beside.failures, ...(await probes.stop())];
    await daemon.idle().catch((error: unknown) => {
      failures.push(`what the hostile peers held is still held: ${(error as Error).message}`);
    });
    const { failure, openMax, begun } = hostile;
    if (failure !== undefined) failures.push(failure);
    // One that goes by itself may have nothing open whenever somebody looks.
    const attacked = hostileKinds[kind]!.goes === true ? begun : openMax;
    if (attacked === 0) failures.push('nobody was hostile');
    return {
      kind,
      addresses,
      beside: { ...beside, failures },
      openMax,
      residentMax,
      socketsMax,
      limits: Object.fromEntries(limits),
    };
  }

  #startHostile(at: Daemon, kind: string, addresses: number): HostileProcess {
    const target = hostileKinds[kind]!.at === 'side-car' ? at.sideCar() : at.target();
    return new HostileProcess(target, {
      kind,
      addresses,
      scripts: this.#scripts,
      seconds: this.#seconds * 2 + 120,
      nqn: subsystemNqn,
      namespaces: disks.length,
    });
  }

  #runHonest(seconds: number): Promise<HonestFigures> {
    const served = { target: this.#daemon.target(), nqn: subsystemNqn };
    return runHonestHost(served, Math.max(1, Math.round(seconds)));
  }
}

const columns = [14, 5, 6, ...honestOperations.map(() => 30), 8, 7, 7] as const;

function line(words: readonly string[]): string {
  return words.map((word, index) => word.padEnd(columns[index] ?? 0)).join(' ');
}

function describe(row: Row): string {
  const latencies = honestOperations.map((operation) => {
    const { p99, max } = row.beside.latencies[operation];
    const ratio = row.ratios[operation]!;
    return `${(p99 / ratio).toFixed(2)} → ${p99.toFixed(2)} (${ratio.toFixed(2)}), ${max.toFixed(1)}`;
  });
  const limits = Object.entries(row.limits).map(([name, grown]) => `${name} ${grown}`);
  const { kind, addresses, openMax, beside } = row;
  const memory = [row.residentMax, row.socketsMax].map(
    (bytes) => `${Math.round(bytes / mebibyte)}`,
  );
  const numbers = [`${beside.failures.length}`, ...memory, limits.join(', ')];
  return line([kind, `${addresses}`, `${openMax}`, ...latencies, ...numbers]);
}

/** What makes the whole a failure. */
function faults({ kind, addresses, ratios, ...row }: Row): string[] {
  const failures = [...row.before.failures, ...row.beside.failures, ...row.after.failures];
  const slow = honestOperations.filter((operation) => !(ratios[operation]! <= ratioMax));
  const where = `${kind} from ${addresses}`;
  const mebibytes = (bytes: number): string => (bytes / mebibyte).toFixed(0);
  return [
    ...(row.residentMax <= residentBound
      ? []
      : [`${where}: ${mebibytes(row.residentMax)} MiB, more than ${mebibytes(residentBound)}`]),
    ...new Set(failures.map((failure) => `${where}: ${failure}`)),
    ...slow.map((name) => `${where}: ${name} is ${ratios[name]!.toFixed(2)} × as slow as apart`),
  ];
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    addresses: { type: 'string', default: '1,200' },
    scripts: { type: 'string' },
    seconds: { type: 'string', default: '60' },
    json: { type: 'string' },
  },
});
const kinds = positionals.length > 0 ? positionals : Object.keys(hostileKinds);
for (const kind of kinds) {
  if (hostileKinds[kind] !== undefined) continue;
  const names = Object.keys(hostileKinds).join(', ');
  process.stderr.write(`expected KIND of ${names}, got ${kind}\n`);
  process.exit(2);
}
const teardowns: (() => Promise<void> | void)[] = [];

function startDaemon(): Promise<Daemon> {
  return Daemon.start(
    { teardown: (callback) => teardowns.unshift(callback) },
    configuration({
      engine: { reactors: 1, memory: `${memoryMebibytes}MiB` },
      admin: adminWithToken,
      bdevs: disks.map(({ bdev }) => ({
        name: bdev,
        kind: 'malloc',
        size: `${diskMebibytes}MiB`,
        block_size: 512,
      })),
      subsystems: [subsystem({ namespaces: disks })],
      log: { level: 'info', format: 'json' },
    }),
  );
}

const daemon = await startDaemon();
const other = await startDaemon();
const found: Row[] = [];
try {
  const scripts = values.scripts === undefined ? undefined : Number(values.scripts);
  const measurement = new Measurement(daemon, other, Number(values.seconds), scripts);
  const operations = honestOperations.map((name) => `${name}: p99 (ratio), max ms`);
  const head = [
    'kind',
    'from',
    'open',
    ...operations,
    'failures',
    'RSS MiB',
    'TCP MiB',
    'limits met',
  ];
  process.stdout.write(`${line(head)}\n`);
  const alone = await measurement.runAlone();
  const quiet = honestOperations.map((operation) => {
    const { p99, max } = alone.latencies[operation];
    return `${p99.toFixed(2)}, ${max.toFixed(1)}`;
  });
  process.stdout.write(`${line(['nobody', '', '', ...quiet, `${alone.failures.length}`])}\n`);
  for (const kind of kinds) {
    for (const addresses of values.addresses.split(',').map(Number)) {
      const row = await measurement.row(kind, addresses);
      found.push(row);
      if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(found, null, 2));
      process.stdout.write(`${describe(row)}\n`);
      for (const fault of faults(row)) process.stdout.write(`  ${fault}\n`);
    }
  }
} finally {
  if (!daemon.process.isRunning) process.stderr.write(`${daemon.process.tail()}\n`);
  for (const teardown of teardowns) await teardown();
}
process.exitCode = found.some((row) => faults(row).length > 0) ? 1 : 0;
