/**
 * `npm run bench`: 4 KiB random reads from this target and from the bare limit of loopback TCP, in
 * one run, interleaved, each figure as a ratio to the limit's. Machines are noisy; only ratios
 * within one run mean anything.
 *
 *   npm run bench -- [--repetitions N] [--seconds S] [--json FILE]
 *
 * The limit is bench/limit_server.cc: the byte shape of NVMe/TCP reads with nothing behind it. The
 * client of both is bench/read_client.cc. The server has core 0, the client core 1.
 */
import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, release, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';

const root = resolve(import.meta.dirname, '..', '..');
const programs = join(root, 'build', 'Release');
const serverCore = 0;
const clientCore = 1;
const queueDepths = [1, 32, 128];
const blockSize = 4096;
const blocks = (1 << 30) / blockSize;

interface Figures {
  readonly iops: number;
  readonly p50_us: number;
  readonly p99_us: number;
}

interface Peer {
  readonly name: string;
  /** Measures once at a depth. */
  run(queueDepth: number, seconds: number): Promise<Figures>;
}

/** The first line that satisfies `accept`, from a program's standard output. */
function firstLine(program: ChildProcess, accept: (line: string) => boolean): Promise<string> {
  const { stdout } = program;
  if (stdout === null) throw new Error('the program has no output to read');
  return new Promise((found, missing) => {
    createInterface({ input: stdout }).on('line', (line) => {
      if (accept(line)) found(line);
    });
    program.once('exit', (status) => {
      missing(new Error(`${program.spawnfile} ended with status ${String(status)}`));
    });
  });
}

async function measure(...args: readonly (string | number)[]): Promise<Figures> {
  const client = spawn(join(programs, 'read_client'), args.map(String), {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return JSON.parse(await firstLine(client, () => true)) as Figures;
}

const limit: Peer = {
  name: 'limit',
  async run(queueDepth, seconds) {
    const server = spawn(join(programs, 'limit_server'), [String(serverCore)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const port = await firstLine(server, (line) => /^\d+$/.test(line));
    return measure(clientCore, port, queueDepth, seconds);
  },
};

const bdevs = {
  null: '{ name: bench, kind: "null", size: 1GiB, block_size: 4096 }',
  malloc: '{ name: bench, kind: malloc, size: 1GiB, block_size: 4096 }',
} as const;

function configuration(bdev: string, nqn: string): string {
  return `version: 1
engine: { reactors: [${String(serverCore)}], memory: 64MiB }
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

interface Daemon {
  readonly peer: Peer;
  stop(): Promise<void>;
}

async function startDaemon(name: keyof typeof bdevs, directory: string): Promise<Daemon> {
  const nqn = `nqn.2026-11.io.capsuled:bench-${name}`;
  const file = join(directory, `${name}.yaml`);
  writeFileSync(file, configuration(bdevs[name], nqn));
  const daemon = spawn(
    process.execPath,
    [join(root, 'dist', 'src', 'main.js'), 'serve', '--config', file],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const ready = JSON.parse(await firstLine(daemon, (line) => line.includes('"msg":"ready"'))) as {
    listeners: { port: number }[];
  };
  const port = ready.listeners[0]?.port ?? 0;
  return {
    peer: {
      name,
      run: (queueDepth, seconds) =>
        measure(clientCore, port, queueDepth, seconds, nqn, blocks, blockSize),
    },
    stop: () =>
      new Promise((stopped) => {
        daemon.removeAllListeners('exit');
        daemon.once('exit', () => {
          stopped();
        });
        daemon.kill('SIGTERM');
      }),
  };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN;
}

interface Row {
  readonly peer: string;
  readonly queueDepth: number;
  readonly iops: number;
  readonly iopsRatio: number;
  /** Smallest and largest ratio of one repetition to the limit of the same repetition. */
  readonly iopsRatioSpread: readonly [number, number];
  readonly p50Us: number;
  readonly p50Ratio: number;
}

function summarise(peer: string, queueDepth: number, own: Figures[], bare: Figures[]): Row {
  const ratios = own.map((figures, index) => figures.iops / (bare[index]?.iops ?? Number.NaN));
  const delays = own.map((figures, index) => figures.p50_us / (bare[index]?.p50_us ?? Number.NaN));
  return {
    peer,
    queueDepth,
    iops: Math.round(median(own.map((figures) => figures.iops))),
    iopsRatio: median(ratios),
    iopsRatioSpread: [Math.min(...ratios), Math.max(...ratios)],
    p50Us: median(own.map((figures) => figures.p50_us)),
    p50Ratio: median(delays),
  };
}

function print(rows: readonly Row[]): void {
  console.log('4 KiB random read, one queue, one reactor; ratios to the bare loopback limit');
  console.log('target    depth       IOPS   ratio  (spread)        p50 µs   ratio');
  for (const row of rows) {
    const [low, high] = row.iopsRatioSpread;
    console.log(
      row.peer.padEnd(8) +
        String(row.queueDepth).padStart(7) +
        String(row.iops).padStart(11) +
        row.iopsRatio.toFixed(2).padStart(8) +
        `  (${low.toFixed(2)}…${high.toFixed(2)})`.padEnd(16) +
        row.p50Us.toFixed(1).padStart(8) +
        row.p50Ratio.toFixed(2).padStart(8),
    );
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      repetitions: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '2' },
      json: { type: 'string' },
    },
  });
  const repetitions = Number(values.repetitions);
  const seconds = Number(values.seconds);
  if (cpus().length < 2) throw new Error('the benchmark needs two cores: server and client');
  execFileSync('make', ['-s', '-C', join(root, 'build'), 'limit_server', 'read_client'], {
    stdio: 'inherit',
  });
  const directory = mkdtempSync(join(tmpdir(), 'capsuled-bench-'));
  const results = new Map<string, Figures[]>();
  const daemons: Daemon[] = [];
  try {
    for (const name of ['null', 'malloc'] as const)
      daemons.push(await startDaemon(name, directory));
    for (let repetition = 0; repetition < repetitions; repetition += 1) {
      for (const queueDepth of queueDepths) {
        for (const peer of [limit, ...daemons.map((daemon) => daemon.peer)]) {
          const key = `${peer.name} ${String(queueDepth)}`;
          const figures = await peer.run(queueDepth, seconds);
          results.set(key, [...(results.get(key) ?? []), figures]);
        }
      }
    }
  } finally {
    for (const daemon of daemons) await daemon.stop();
    rmSync(directory, { recursive: true });
  }
  const of = (peer: string, queueDepth: number): Figures[] =>
    results.get(`${peer} ${String(queueDepth)}`) ?? [];
  const rows = ['limit', 'null', 'malloc'].flatMap((peer) =>
    queueDepths.map((depth) => summarise(peer, depth, of(peer, depth), of('limit', depth))),
  );
  print(rows);
  if (values.json !== undefined) {
    const machine = { cpu: cpus()[0]?.model, cores: cpus().length, kernel: release() };
    const report = { machine, repetitions, seconds, rows };
    writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
  }
}

await main();
