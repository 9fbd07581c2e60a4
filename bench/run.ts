/**
 * `npm run bench`: this target over its bdevs, and the bare limit of loopback TCP, in one run,
 * interleaved, each figure as a ratio to the limit's. Machines are noisy; only ratios within one
 * run mean anything.
 *
 *   npm run bench -- [--repetitions N] [--seconds S] [--cases REGEX] [--peers null,malloc,uring]
 *                    [--against ADDR:PORT/NQN] [--directory DIR] [--json FILE]
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, release, tmpdir, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';

import { type BenchCase, benchCases } from './cases.js';
import { type BdevKind, Daemon, type Figures, type Peer, limit, other } from './peers.js';
import { root } from './programs.js';
import { type Row, header, rowText, summarise } from './report.js';

interface BenchOptions {
  readonly repetitions: number;
  readonly seconds: number;
  readonly cases: readonly BenchCase[];
  readonly bdevs: readonly BdevKind[];
  readonly against: string | undefined;
  readonly directory: string;
  readonly json: string;
}

function parseOptions(): BenchOptions {
  const { values } = parseArgs({
    options: {
      repetitions: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '2' },
      cases: { type: 'string', default: '' },
      peers: { type: 'string', default: 'null,malloc,uring' },
      against: { type: 'string' },
      directory: { type: 'string', default: tmpdir() },
      json: { type: 'string' },
    },
  });
  const cases = benchCases.filter(({ name }) => new RegExp(values.cases).test(name));
  if (cases.length === 0) throw new Error(`no case matches ${values.cases}`);
  const stamp = new Date().toISOString().slice(0, 19).replaceAll(':', '');
  return {
    repetitions: Number(values.repetitions),
    seconds: Number(values.seconds),
    cases,
    bdevs: values.peers.split(',').filter((name) => name !== '') as BdevKind[],
    against: values.against,
    directory: values.directory,
    json: values.json ?? join(root, 'bench', 'results', `${stamp}.json`),
  };
}

/** Every repetition of a case goes through all peers before the next one begins. */
async function measure(load: BenchCase, peers: readonly Peer[], options: BenchOptions) {
  const figures = new Map<string, Figures[]>(peers.map(({ name }) => [name, []]));
  for (let repetition = 0; repetition < options.repetitions; repetition += 1) {
    for (const peer of peers) {
      figures.get(peer.name)?.push(await peer.run(load, options.seconds));
    }
  }
  const bare = figures.get(limit.name) ?? [];
  return peers.map(({ name }) => summarise(load, name, figures.get(name) ?? [], bare));
}

async function main(): Promise<void> {
  const options = parseOptions();
  if (cpus().length < 2) throw new Error('the benchmark needs two cores: server and client');
  const make = ['-s', '-C', join(root, 'build'), 'limit_server', 'limit_client'];
  execFileSync('make', make, { stdio: 'inherit' });
  const directory = mkdtempSync(join(options.directory, 'capsuled-bench-'));
  const daemons: Daemon[] = [];
  const rows: Row[] = [];
  try {
    for (const kind of options.bdevs) daemons.push(await Daemon.start(kind, directory));
    const against = options.against === undefined ? [] : [other(options.against)];
    console.log(header);
    for (const load of options.cases) {
      const measured = await measure(load, [limit, ...daemons, ...against], options);
      for (const row of measured) console.log(rowText(row));
      rows.push(...measured);
    }
  } finally {
    for (const daemon of daemons) await daemon.stop();
    rmSync(directory, { recursive: true });
  }
  const machine = {
    cpu: cpus()[0]?.model,
    cores: cpus().length,
    memory_gib: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
  };
  const { repetitions, seconds } = options;
  mkdirSync(dirname(options.json), { recursive: true });
  writeFileSync(
    options.json,
    `${JSON.stringify({ machine, repetitions, seconds, rows }, null, 2)}\n`,
  );
  console.log(`\nrecorded in ${options.json}`);
}

await main();
