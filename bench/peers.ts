/** Who is measured: the bare limit, the daemon over each bdev, and any other target. */

import type { BenchCase } from './cases.js';
import { Daemon, bdevBytes } from './daemon.js';
import type { BdevKind, DaemonOptions } from './daemon.js';
import { capsuled, clientCore, engineProgram, serverCore } from './programs.js';

/** One repetition of one case. */
export interface Figures {
  readonly iops: number;
  readonly p50_us: number;
  readonly p99_us: number;
  readonly p999_us: number;
  /** What an I/O cost each side, in µs of a core; null: not known. */
  readonly target_us_per_io: number | null;
  readonly client_us_per_io: number | null;
}

export interface Peer {
  readonly name: string;
  run(load: BenchCase, seconds: number): Promise<Figures>;
}

/** bench/limit_server.cc and bench/limit_client.cc. */
export const limit: Peer = {
  name: 'limit',
  async run({ readPercent, bytes, queueDepth, qpairs }, seconds) {
    const server = engineProgram('limit_server', [serverCore, qpairs]);
    const port = await server.line((line) => /^\d+$/.test(line));
    const args = [clientCore, port, readPercent, bytes, queueDepth, qpairs, seconds];
    const client = JSON.parse(await engineProgram('limit_client', args).output()) as Figures;
    const cost = JSON.parse(await server.output()) as { requests: number; busy_ns: number };
    return {
      ...client,
      target_us_per_io: cost.busy_ns / 1000 / cost.requests,
      client_us_per_io: null,
    };
  },
};

/** What `capsuled perf --json` prints, as far as it is used here. */
export interface PerfReport {
  readonly total: {
    readonly iops: number;
    readonly bytes_per_second: number;
    readonly latency_us: Readonly<Record<'p50' | 'p99' | 'p99.9' | 'max', number>>;
  };
  readonly client_busy_us_per_io: number | null;
}

/** Runs `capsuled perf` on the client's core. */
export async function runPerf(
  target: string,
  args: readonly (string | number)[],
): Promise<PerfReport> {
  const output = await capsuled([
    'perf',
    target,
    '--json',
    '--cores',
    clientCore,
    ...args,
  ]).output();
  return JSON.parse(output) as PerfReport;
}

export function milliseconds(seconds: number): string {
  return `${String(Math.round(seconds * 1000))}ms`;
}

async function perf(target: string, load: BenchCase, seconds: number): Promise<Figures> {
  const rw =
    load.readPercent === 100 ? 'randread' : load.readPercent === 0 ? 'randwrite' : 'randrw';
  const args = ['--rw', rw, '--bs', load.bytes, '--qd', load.queueDepth, '--qpairs', load.qpairs];
  args.push('--time', milliseconds(seconds), '--warm-up', '200ms');
  if (rw === 'randrw') args.push('--read-percent', load.readPercent);
  if (load.digests) args.push('--header-digest', '--data-digest');
  const report = await runPerf(target, args);
  return {
    iops: report.total.iops,
    p50_us: report.total.latency_us.p50,
    p99_us: report.total.latency_us.p99,
    p999_us: report.total.latency_us['p99.9'],
    target_us_per_io: null,
    client_us_per_io: report.client_busy_us_per_io,
  };
}

/**
 * Any target that runs already: `ADDR:PORT/NQN`. A target that polls would take the server's core
 * from the others, so its process may be given: it runs only while it is measured.
 */
export function other(address: string, pid: number | undefined): Peer {
  const name = address.slice(address.lastIndexOf(':') + 1).slice(-10);
  return {
    name,
    async run(load, seconds) {
      if (pid === undefined) return perf(`tcp://${address}`, load, seconds);
      process.kill(pid, 'SIGCONT');
      try {
        return await perf(`tcp://${address}`, load, seconds);
      } finally {
        process.kill(pid, 'SIGSTOP');
      }
    },
  };
}

/** Writes all of a disk: what never was written costs a read nothing. */
export async function fill(target: string, bytes: number): Promise<void> {
  const size = 1024 * 1024;
  const args = ['--rw', 'write', '--bs', size, '--qd', 4, '--count', bytes / size];
  await runPerf(target, [...args, '--time', '60s', '--warm-up', '0ms']);
}

/** A daemon whose every block was written. */
export async function filledDaemon(options: DaemonOptions): Promise<Daemon> {
  const daemon = await Daemon.start(options);
  if (options.kind === 'null') return daemon;
  try {
    await fill(daemon.target, bdevBytes);
  } catch (error) {
    await daemon.stop();
    throw error;
  }
  return daemon;
}

/** The daemon over one bdev. */
export function own(name: BdevKind, daemon: Daemon): Peer {
  const totals = (): Promise<number[]> =>
    daemon.sum('capsuled_reactor_busy_seconds_total', 'capsuled_io_operations_total');
  return {
    name,
    async run(load, seconds) {
      const before = await totals();
      const figures = await perf(daemon.target, load, seconds);
      const [busySeconds = 0, operations = 0] = (await totals()).map(
        (after, index) => after - (before[index] ?? 0),
      );
      const cost = (busySeconds * 1e6) / operations;
      return { ...figures, target_us_per_io: operations > 0 ? cost : null };
    },
  };
}
