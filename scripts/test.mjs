// `npm test`: sets up, then runs every kind of test there is, and ends with one line
//
//   N passed, N failed, N skipped
//
// Parts can be run alone, in the order given here: `npm test -- native ts`. Nothing is skipped
// silently: a skip is printed, and with CI=true it is a failure, as is a part without tests.

import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { make, runMain, setup, SetupError } from './bootstrap.mjs';
import { check } from './check.mjs';
import { listFiles, nativeSources, programName, root } from './sources.mjs';

const isCi = process.env.CI === 'true';
const fuzzSeconds = Number(process.env.FUZZ_SECONDS ?? 20);
const simSeconds = Number(process.env.SIM_SECONDS ?? 90);

/** Runs a program; each line of its standard output goes to `onLine`. Resolves to its status. */
function runLines(command, args, onLine, env = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: root,
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, ...env },
    });
    let rest = '';
    child.stdout.setEncoding('utf8');
    child.stdout.on('data', (text) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) onLine(line);
    });
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (rest !== '') onLine(rest);
      resolve(signal ?? code);
    });
  });
}

/** At least one failure when the program did not end well, whatever it counted. */
function settle(counts, status) {
  if (status !== 0 && counts.failed === 0) {
    console.log(`ended with ${status}`);
    counts.failed = 1;
  }
  return counts;
}

function runCheck() {
  const { count, failed } = check();
  return { passed: count - failed.length, failed: failed.length, skipped: 0 };
}

const sanitizerOptions = {
  ASAN_OPTIONS: 'detect_stack_use_after_return=1:strict_string_checks=1',
  UBSAN_OPTIONS: 'print_stacktrace=1',
  ASAN_SYMBOLIZER_PATH: '/usr/lib/llvm-19/bin/llvm-symbolizer',
  TSAN_OPTIONS: 'halt_on_error=1:second_deadlock_stack=1',
};

/** The C++ unit tests as one configuration builds them. */
async function runNative(buildType) {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  if (nativeSources().nativeTests.every((file) => !file.endsWith('_test.cc'))) return counts;
  // No test runs the programs of the benchmarks, so that they are built is looked at here.
  const programs = buildType === 'Release' ? ['limit_server', 'limit_client'] : [];
  make(buildType, ['native_tests', ...programs]);
  const program = path.join(root, 'build', buildType, 'native_tests');
  const listed = spawnSync('setarch', ['-R', program, '--count', '--no-colors=true'], {
    encoding: 'utf8',
  });
  const count = Number(/unskipped test cases.*: (\d+)/.exec(listed.stdout)?.[1] ?? 0);
  if (count === 0) return settle(counts, 'no test cases');
  const shards = Math.min(2, availableParallelism());
  const ended = await Promise.all(
    Array.from({ length: shards }, (_, index) => {
      const first = Math.floor((count * index) / shards) + 1;
      const last = Math.floor((count * (index + 1)) / shards);
      return runShard(program, [`--first=${first}`, `--last=${last}`], last - first + 1);
    }),
  );
  for (const { passed, failed } of ended) {
    counts.passed += passed;
    counts.failed += failed;
  }
  counts.skipped = ended[0].skipped;
  return counts;
}

/** `count` of the test cases, in the order of their files. */
async function runShard(program, range, count) {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  const onLine = (line) => {
    console.log(line);
    // It takes those of the other range for passed.
    const found = /test cases:.*\|\s*(\d+) failed\s*\|\s*(\d+) skipped/;
    const match = found.exec(line);
    if (match === null) return;
    [counts.failed, counts.skipped] = match.slice(1).map(Number);
    counts.passed = count - counts.failed;
  };
  // Some kernels place memory where a thread sanitizer of this age does not expect it.
  const args = ['-R', program, '--no-colors=true', '--order-by=file', ...range];
  const status = await runLines('setarch', args, onLine, sanitizerOptions);
  return settle(counts, status);
}

/** Where the committed inputs of a fuzz target are: corpus/<target>/ beside its source. */
function corpusOf(source, name) {
  const folder = path.join(root, path.dirname(source), 'corpus', name);
  return existsSync(folder) && readdirSync(folder).length > 0 ? folder : undefined;
}

/** Each fuzz target over its committed corpus, then for some seconds on its own. */
async function runFuzz() {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  const sources = nativeSources().fuzz;
  if (sources.length === 0) return counts;
  make('Fuzz', sources.map(programName), ['CXX=clang++-19', 'CC=clang-19']);
  for (const source of sources) {
    const name = programName(source);
    const found = path.join(root, '.cache/fuzz', name);
    mkdirSync(found, { recursive: true });
    const corpus = corpusOf(source, name);
    if (corpus === undefined) console.log(`${name}: no committed corpus`);
    // New inputs go into the first folder; the committed corpus is only read.
    const args = [`-max_total_time=${fuzzSeconds}`, '-timeout=10', '-rss_limit_mb=2048'];
    args.push(`-artifact_prefix=${found}/`, '-print_final_stats=1', '-verbosity=0', found);
    if (corpus !== undefined) args.push(corpus);
    const program = path.join(root, 'build/Fuzz', name);
    const { status, stderr } = spawnSync(program, args, {
      cwd: root,
      encoding: 'utf8',
      maxBuffer: 2 ** 28,
      env: { ...process.env, ...sanitizerOptions },
    });
    const executed = /number_of_executed_units: (\d+)/.exec(stderr)?.[1] ?? '?';
    const passed = status === 0 && corpus !== undefined;
    if (status !== 0) console.log(stderr);
    console.log(`${passed ? 'ok' : 'not ok'} - ${name}: ${executed} executions`);
    counts[passed ? 'passed' : 'failed']++;
  }
  return counts;
}

/** Two reactors share no cache line that one of them writes. */
async function runSharing() {
  make('Sharing', ['sharing_bench'], ['CXX=clang++-19', 'CC=clang-19']);
  const status = await runLines(path.join(root, 'build/Sharing/sharing_bench'), [], console.log);
  return { passed: status === 0 ? 1 : 0, failed: status === 0 ? 0 : 1, skipped: 0 };
}

/** Runs with new seeds; a finding prints how to run it again. */
async function runSim() {
  make('Asan', ['sim']);
  const args = ['--seconds', String(simSeconds), '--swarm'];
  const program = path.join(root, 'build/Asan/sim');
  const status = await runLines(program, args, console.log, sanitizerOptions);
  return { passed: status === 0 ? 1 : 0, failed: status === 0 ? 0 : 1, skipped: 0 };
}

/** Of one file's TAP, the tests that failed or did not run. */
function withoutPassed(lines) {
  const blocks = lines.join('\n').split(/\n(?= {4}# Subtest: )/);
  const notable = /^\s*not ok |# (SKIP|TODO)/m;
  return blocks.length === 1 ? lines : blocks.filter((block) => notable.test(block));
}

/** The TypeScript tests, by tap. A file that passes is one line. */
async function runTypeScript() {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  const files = listFiles('dist/test', ['.test.js']);
  if (files.length === 0) return counts;
  let pending = [];
  const onLine = (line) => {
    const total = /^# \{ total: \d+, (.*) \}/.exec(line);
    const result = /^(not )?ok \d+ - /.exec(line);
    if (total !== null) {
      const count = Object.fromEntries(total[1].split(', ').map((item) => item.split(': ')));
      counts.passed = Number(count.pass ?? 0);
      counts.failed = Number(count.fail ?? 0);
      counts.skipped = Number(count.skip ?? 0) + Number(count.todo ?? 0);
    } else if (result !== null) {
      const shown = withoutPassed(pending);
      const isQuiet = result[1] === undefined && !shown.some((text) => /# (SKIP|TODO)/.test(text));
      if (!isQuiet) for (const text of shown) console.log(text);
      console.log(line);
      pending = [];
    } else {
      pending.push(line);
    }
  };
  const tap = path.join(root, 'node_modules/tap/dist/esm/run.mjs');
  const status = await runLines(process.execPath, [tap, '--reporter=tap', ...files], onLine);
  if (status !== 0) for (const line of pending) console.log(line);
  return settle(counts, status);
}

/** A compiled program whose last line says how many passed. */
async function runScript(script) {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  if (!existsSync(path.join(root, script))) return counts;
  const onLine = (line) => {
    console.log(line);
    const match = /^(\d+) passed, (\d+) failed, (\d+) skipped$/.exec(line);
    if (match !== null) [counts.passed, counts.failed, counts.skipped] = match.slice(1).map(Number);
  };
  return settle(counts, await runLines(process.execPath, [script], onLine));
}

const parts = {
  check: { title: 'Format, lint, types, drift, tidy', run: runCheck },
  native: { title: 'Native unit tests', run: () => runNative('Release') },
  asan: { title: 'Native unit tests, AddressSanitizer and UBSan', run: () => runNative('Asan') },
  tsan: { title: 'Native unit tests, ThreadSanitizer', run: () => runNative('Tsan') },
  instructions: {
    title: 'Instructions for each command, against their budgets',
    run: () => runScript('dist/bench/instructions.js'),
  },
  sharing: { title: 'Cache lines that reactors share', run: runSharing },
  fuzz: { title: 'Fuzz targets', run: runFuzz },
  sim: { title: 'The simulation', run: runSim },
  ts: { title: 'TypeScript tests', run: runTypeScript },
  host: { title: 'A real Linux host', run: () => runScript('dist/nvme-cli-tests/run.js') },
};

async function runPart(name) {
  const { title, run } = parts[name];
  console.log(`\n=== ${title} (${name})`);
  const start = performance.now();
  let counts;
  try {
    counts = await run();
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    console.log(error.message);
    counts = { passed: 0, failed: 1, skipped: 0 };
  }
  const { passed, failed, skipped } = counts;
  const isEmpty = passed + failed + skipped === 0;
  if (isEmpty) console.log(`!!! ${name} has nothing to run`);
  if (skipped > 0) console.log(`!!! ${skipped} skipped`);
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(`--- ${name}: ${passed} passed, ${failed} failed, ${skipped} skipped (${seconds} s)`);
  return isEmpty ? { ...counts, failed: isCi ? 1 : 0 } : counts;
}

await runMain(async () => {
  const names = process.argv.slice(2);
  const unknown = names.find((name) => !Object.hasOwn(parts, name));
  if (unknown !== undefined) {
    console.error(`expected one of ${Object.keys(parts).join(', ')}; got ${unknown}`);
    return 2;
  }
  // One side that does not compile fails, but leaves the tests of the other to run.
  const uncompiled = setup({ forTests: true, keepGoing: true });
  const sum = { passed: 0, failed: uncompiled.length, skipped: 0 };
  for (const name of Object.keys(parts)) {
    if (names.length > 0 && !names.includes(name)) continue;
    const counts = await runPart(name);
    for (const key of Object.keys(sum)) sum[key] += counts[key];
  }
  if (uncompiled.length > 0) console.log(`!!! did not compile: ${uncompiled.join(', ')}`);
  console.log(`\n${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`);
  return sum.failed > 0 || (isCi && sum.skipped > 0) ? 1 : 0;
});
