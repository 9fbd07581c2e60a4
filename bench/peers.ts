/** Who is measured: the bare limit, the daemon over each bdev, and any other target. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type { BenchCase } from './cases.js';
import { type Program, capsuled, clientCore, engineProgram, serverCore } from './programs.js';

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

interface PerfReport {
  readonly total: { iops: number; latency_us: Record<'p50' | 'p99' | 'p99.9', number> };
  readonly client_busy_us_per_io: number | null;
}

async function perf(target: string, load: BenchCase, seconds: number): Promise<Figures> {
  const rw =
    load.readPercent === 100 ? 'randread' : load.readPercent === 0 ? 'randwrite' : 'randrw';
  const args = ['perf', target, '--json', '--rw', rw, '--bs', load.bytes, '--qd', load.queueDepth];
  args.push('--qpairs', load.qpairs, '--time', `${String(seconds * 1000)}ms`, '--warm-up', '200ms');
  args.push('--cores', clientCore);
  if (rw === 'randrw') args.push('--read-percent', load.readPercent);
  if (load.digests) args.push('--header-digest', '--data-digest');
  const report = JSON.parse(await capsuled(args).output()) as PerfReport;
  return {
    iops: report.total.iops,
    p50_us: report.total.latency_us.p50,
    p99_us: report.total.latency_us.p99,
    p999_us: report.total.latency_us['p99.9'],
    target_us_per_io: null,
    client_us_per_io: report.client_busy_us_per_io,
  };
}

/** Any target that runs already: `ADDR:PORT/NQN`. */
export function other(address: string): Peer {
  return {
    name: 'other',
    run: (load, seconds) => perf(`tcp://${address}`, load, seconds),
  };
}

const bdevs = {
  null: () => '{ name: bench, kind: "null", size: 1GiB, block_size: 4096 }',
  malloc: () => '{ name: bench, kind: malloc, size: 1GiB, block_size: 4096 }',
  uring: (file: string) =>
    `{ name: bench, kind: uring, path: ${JSON.stringify(file)}, size: 1GiB, create: true, block_size: 4096 }`,
} as const;

export type BdevKind = keyof typeof bdevs;

function configuration(bdev: string, nqn: string, poll: string): string {
  return `version: 1
engine: { reactors: [${String(serverCore)}], memory: 128MiB, poll: ${poll} }
admin: { listen: "127.0.0.1:0" }
discovery: { listeners: [] }
bdevs: [${bdev}]
subsystems:
  - nqn: ${nqn}
    allow_any_host: true
    listeners: [{ transport: tcp, address: 127.0.0.1, port: 0 }]
    namespaces: [{ nsid: 1, bdev: bench }]
`;
}

/** The daemon over one bdev, from start to stop. */
export class Daemon implements Peer {
  readonly name: string;
  readonly #program: Program;
  readonly #target: string;
  readonly #admin: string;

  private constructor(name: string, program: Program, target: string, admin: string) {
    this.name = name;
    this.#program = program;
    this.#target = target;
    this.#admin = admin;
  }

  static async start(kind: BdevKind, directory: string, poll = 'adaptive'): Promise<Daemon> {
    const nqn = `nqn.2026-11.io.capsuled:bench-${kind}`;
    const file = join(directory, `${kind}-${poll}.yaml`);
    writeFileSync(file, configuration(bdevs[kind](join(directory, 'disk.img')), nqn, poll));
    const program = capsuled(['serve', '--config', file]);
    const line = await program.line((text) => text.includes('"msg":"ready"'));
    const ready = JSON.parse(line) as { listeners: { port: number }[]; admin: string };
    const port = String(ready.listeners[0]?.port ?? 0);
    return new Daemon(kind, program, `tcp://127.0.0.1:${port}/${nqn}`, ready.admin);
  }

  async run(load: BenchCase, seconds: number): Promise<Figures> {
    const before = await this.#totals();
    const figures = await perf(this.#target, load, seconds);
    const after = await this.#totals();
    const operations = after.operations - before.operations;
    const cost = ((after.busySeconds - before.busySeconds) * 1e6) / operations;
    return { ...figures, target_us_per_io: operations > 0 ? cost : null };
  }

  stop(): Promise<void> {
    return this.#program.stop();
  }

  async #totals(): Promise<{ busySeconds: number; operations: number }> {
    const text = await (await fetch(`${this.#admin}/metrics`)).text();
    const sum = (name: string): number =>
      text
        .split('\n')
        .filter((line) => line.startsWith(`${name}{`))
        .reduce((total, line) => total + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
    return {
      busySeconds: sum('capsuled_reactor_busy_seconds_total'),
      operations: sum('capsuled_io_operations_total'),
    };
  }
}
