/**
 * `npm run bench`: measures this target. Machines are noisy; only ratios within one run mean
 * anything. See bench/README.md.
 *
 *   npm run bench -- [SUITE] [options]
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, release, tmpdir, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';

import { bdevKinds } from './daemon.js';
import { root } from './programs.js';
import type { Suite, SuiteOptions } from './suite.js';
import { connections } from './suites/connections.js';
import { crypto } from './suites/crypto.js';
import { fairness } from './suites/fairness.js';
import { file } from './suites/file.js';
import { hung } from './suites/hung.js';
import { polling } from './suites/polling.js';
import { ratios } from './suites/ratios.js';
import { soak } from './suites/soak.js';

const suites: readonly Suite[] = [ratios, polling, file, fairness, hung, crypto, connections, soak];

interface BenchOptions extends Omit<SuiteOptions, 'directory'> {
  readonly suite: Suite;
  readonly directory: string;
  readonly json: string;
}

class UsageError extends Error {}

function usage(): string {
  const list = suites
    .map(({ name, help, defaults: { repetitions, seconds } }) => {
      const often = repetitions === 1 ? '' : `${String(repetitions)} times `;
      return `  ${name.padEnd(12)} ${help}; ${often}${String(seconds)} s`;
    })
    .join('\n');
  return `usage: npm run bench -- [SUITE] [options]\n\n${list}

  --repetitions N   of each measurement, interleaved
  --seconds S       of each measurement
  --directory DIR   where files for uring bdevs are made (${tmpdir()})
  --json FILE       where the figures are recorded (bench/results/)
ratios:
  --cases REGEX     which loads
  --peers LIST      of ${bdevKinds.join(',')}
  --against ADDR:PORT/NQN   another target that runs; more than once if there are more
  --against-pid PID         its process, stopped while others are measured`;
}

function numberOf(option: string, text: string | undefined, absent: number): number {
  if (text === undefined) return absent;
  const value = Number(text);
  if (!(value > 0))
    throw new UsageError(`expected a number above 0 for --${option}, got "${text}"`);
  return value;
}

/** Undefined: help was asked for. */
function parseOptions(): BenchOptions | undefined {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      repetitions: { type: 'string' },
      seconds: { type: 'string' },
      cases: { type: 'string', default: '' },
      peers: { type: 'string', default: 'null,malloc,uring' },
      against: { type: 'string', multiple: true, default: [] },
      'against-pid': { type: 'string' },
      directory: { type: 'string', default: tmpdir() },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const [wanted = ratios.name, ...rest] = positionals;
  const suite = suites.find(({ name }) => name === wanted);
  if (suite === undefined || rest.length > 0) {
    throw new UsageError(`expected one suite, got "${positionals.join(' ')}"`);
  }
  const stamp = new Date().toISOString().slice(0, 19).replaceAll(':', '');
  const pid = values['against-pid'];
  return {
    suite,
    repetitions: Math.ceil(numberOf('repetitions', values.repetitions, suite.defaults.repetitions)),
    seconds: numberOf('seconds', values.seconds, suite.defaults.seconds),
    cases: values.cases,
    peers: values.peers,
    against: values.against,
    againstPid: pid === undefined ? undefined : numberOf('against-pid', pid, 0),
    directory: values.directory,
    json: values.json ?? join(root, 'bench', 'results', `${suite.name}-${stamp}.json`),
  };
}

async function run(options: BenchOptions): Promise<void> {
  if (cpus().length < 2) throw new Error('the benchmark needs two cores: server and client');
  const directory = mkdtempSync(join(options.directory, 'capsuled-bench-'));
  let figures: unknown;
  try {
    figures = await options.suite.run({ ...options, directory });
  } finally {
    rmSync(directory, { recursive: true });
  }
  const machine = {
    cpu: cpus()[0]?.model,
    cores: cpus().length,
    memory_gib: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
  };
  const { suite, repetitions, seconds } = options;
  mkdirSync(dirname(options.json), { recursive: true });
  const record = { suite: suite.name, machine, repetitions, seconds, figures };
  writeFileSync(options.json, `${JSON.stringify(record, null, 2)}\n`);
  console.log(`\nrecorded in ${options.json}`);
}

try {
  const options = parseOptions();
  if (options === undefined) console.log(usage());
  else await run(options);
} catch (error) {
  const text = error instanceof Error ? error.message : String(error);
  const { code = '' } = error as { code?: string };
  const isUsage = error instanceof UsageError || code.startsWith('ERR_PARSE_ARGS');
  console.error(isUsage ? `bench: ${text}\n\n${usage()}` : `bench: ${text}`);
  process.exitCode = isUsage ? 2 : 1;
}
