/**
 * `npm run instructions`: how many instructions the target spends on one command, compared with the
 * budgets in bench/instruction-budgets.json. Unlike times, the numbers are the same on every run
 * and under any load, so a few per cent more or less is a finding.
 *
 *   npm run instructions -- [--update] [--table] [CASE …]
 *
 * --update records what is measured as the new budgets; --table also prints where the instructions
 * go. docs/internals/performance.md says how this works and what is not in the numbers.
 */
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { parseProfile } from './callgrind.js';
import type { Cost } from './callgrind.js';

const root = resolve(import.meta.dirname, '..', '..');
/** A source each, below addon/, which says what it takes. */
const programs = ['io_path_bench', 'pcie_qpair_bench'];
const budgetFile = 'bench/instruction-budgets.json';
/** A budget is missed by more than this part of it, in either direction. */
const tolerance = 0.05;
/** Batches of the shorter run; the longer one has twice as many. */
const batchesMin = 32;
const commandsMin = 256;

/** Per command: `instructions`, and what the program prints. */
export type Figures = Readonly<Record<string, number>>;
export type Budgets = Readonly<Record<string, Figures>>;

interface Case {
  readonly program: string;
  readonly name: string;
  readonly queueDepth: number;
}

interface Measurement {
  readonly figures: Figures;
  /** Per command; only what `figures.instructions` counts. */
  readonly costs: readonly Cost[];
}

/** The functions that stand in for others (addon/transport/testing/counted_calls.h). */
const standIns = /^(memcpy|memmove|memset|crc32_iscsi|operator (new|delete)\(.*)$/;

/**
 * Ours, but as many as there are bytes (addon/bdev/malloc/disk_memory.cc): counted apart, so that
 * 5 % of the others are not lost among them.
 */
const copies = /::(stream|prefetch)_lines\(/;

/**
 * True for the target's own code: not the simulated machine, not libraries. What those of the
 * machine call is not in the profile: the program says when it is to be written.
 */
export function isCounted({ object, function: name }: Cost): boolean {
  return (
    programs.includes(basename(object)) &&
    !/capsuled::(env::sim|transport::bench|nvme::(bench|testing))::/.test(name) &&
    !standIns.test(name)
  );
}

// ---- Measuring ----------------------------------------------------------------------------------

interface Totals {
  readonly counts: Figures;
  readonly costs: readonly Cost[];
}

function executable(program: string): string {
  return join(root, 'build', 'Release', program);
}

async function runOnce({ program, name }: Case, commands: number, folder: string): Promise<Totals> {
  const profile = join(folder, `${name}.${String(commands)}`);
  const { stdout } = await promisify(execFile)('valgrind', [
    ...['-q', '--tool=callgrind', `--callgrind-out-file=${profile}`, '--collect-atstart=no'],
    ...['--compress-strings=no', '--compress-pos=no'],
    ...[executable(program), name, String(commands)],
  ]);
  const costs = parseProfile(readFileSync(profile, 'utf8')).filter(isCounted);
  return { counts: JSON.parse(stdout) as Figures, costs };
}

/** What the second run did more than the first, per command of the difference. */
function difference(first: Totals, second: Totals, commands: number): Measurement {
  const placeOf = (cost: Cost) => `${cost.function}\n${cost.file}`;
  const before = new Map(first.costs.map((cost) => [placeOf(cost), cost.instructions]));
  const all = second.costs
    .map((cost) => {
      const more = cost.instructions - (before.get(placeOf(cost)) ?? 0);
      return { ...cost, instructions: more / commands };
    })
    .filter(({ instructions }) => instructions !== 0);
  const copying = all.filter((cost) => copies.test(cost.function));
  const costs = all.filter((cost) => !copies.test(cost.function));
  const figures: Record<string, number> = {
    instructions: rounded(sum(costs)),
    copy_instructions: rounded(sum(copying)),
  };
  for (const [name, count] of Object.entries(second.counts)) {
    figures[name] = rounded((count - (first.counts[name] ?? 0)) / commands);
  }
  return { figures, costs };
}

function sum(costs: readonly Cost[]): number {
  return costs.reduce((total, { instructions }) => total + instructions, 0);
}

function rounded(value: number): number {
  return Number(value.toFixed(4));
}

async function measure(one: Case, folder: string): Promise<Measurement> {
  const { queueDepth } = one;
  const batches = Math.max(batchesMin, Math.ceil(commandsMin / queueDepth));
  const commands = batches * queueDepth;
  const first = await runOnce(one, commands, folder);
  return difference(first, await runOnce(one, 2 * commands, folder), commands);
}

async function measureAll(cases: readonly Case[]): Promise<Map<string, Measurement>> {
  const folder = mkdtempSync(join(tmpdir(), 'capsuled-instructions-'));
  const measured = new Map<string, Measurement>();
  const waiting = [...cases];
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      measured.set(next.name, await measure(next, folder));
    }
  };
  try {
    await Promise.all(Array.from({ length: availableParallelism() }, worker));
  } finally {
    rmSync(folder, { recursive: true });
  }
  return measured;
}

// ---- Comparing ----------------------------------------------------------------------------------

/** How `figures` miss their budget, one sentence each. */
export function findings(figures: Figures, budget: Figures | undefined): string[] {
  if (budget === undefined) return ['has no budget'];
  const names = new Set([...Object.keys(budget), ...Object.keys(figures)]);
  return [...names].flatMap((name) => {
    const expected = budget[name];
    const got = figures[name];
    if (expected === undefined) return [`${name} has no budget`];
    if (got === undefined) return [`${name} is not measured any more`];
    const off = got - expected;
    if (Math.abs(off) <= tolerance * expected) return [];
    const change = expected === 0 ? '' : ` (${off > 0 ? '+' : ''}${percent(off / expected)})`;
    return [`expected ${expected} ${name} for each command, got ${got}${change}`];
  });
}

function percent(part: number): string {
  return `${(part * 100).toFixed(1)} %`;
}

function readBudgets(): Budgets {
  return JSON.parse(readFileSync(join(root, budgetFile), 'utf8')) as Budgets;
}

function compare(measured: ReadonlyMap<string, Measurement>, known: ReadonlySet<string>): number {
  const budgets = readBudgets();
  let failed = 0;
  for (const [name, { figures }] of measured) {
    const missed = findings(figures, budgets[name]);
    const instructions = (figures['instructions'] ?? 0).toFixed(1);
    const budget = budgets[name]?.['instructions'] ?? 'none';
    const result = missed.length === 0 ? 'ok' : 'not ok';
    console.log(`${result} - ${name}: ${instructions} instructions (budget ${budget})`);
    for (const sentence of missed) console.log(`    ${sentence}`);
    if (missed.length > 0) failed += 1;
  }
  const gone = Object.keys(budgets).filter((name) => !known.has(name));
  for (const name of gone) console.log(`not ok - ${name}: a budget without a case`);
  failed += gone.length;
  if (failed > 0) {
    console.log(`If this is meant, better or worse, record it with its commit:`);
    console.log(`    npm run instructions -- --update`);
  }
  console.log(`${measured.size + gone.length - failed} passed, ${failed} failed, 0 skipped`);
  return failed === 0 ? 0 : 1;
}

function update(measured: ReadonlyMap<string, Measurement>, cases: readonly Case[]): void {
  let before: Budgets = {};
  try {
    before = readBudgets();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const after = cases.flatMap(({ name }) => {
    const figures = measured.get(name)?.figures ?? before[name];
    return figures === undefined ? [] : [[name, figures] as const];
  });
  writeFileSync(join(root, budgetFile), `${JSON.stringify(Object.fromEntries(after), null, 2)}\n`);
  console.log(`wrote ${budgetFile}`);
}

// ---- The table ----------------------------------------------------------------------------------

/** `addon/bdev/bdev_io.h` → `bdev/bdev_io`; undefined for a file that is not the engine's. */
function sourceOf(file: string): string | undefined {
  return /.*\/addon\/(.*)\.\w+$/.exec(`/${file}`)?.[1];
}

/** Layers that live inside of others: lists, integers, wire structures. */
function isInline(source: string): boolean {
  return /^(base|wire)\//.test(source);
}

/** Sums `costs` by `keyOf`, largest first. */
function sumsBy(costs: readonly Cost[], keyOf: (cost: Cost) => string): [string, number][] {
  const sums = new Map<string, number>();
  for (const cost of costs) {
    const key = keyOf(cost);
    sums.set(key, (sums.get(key) ?? 0) + cost.instructions);
  }
  return [...sums].sort(([, one], [, other]) => other - one);
}

/**
 * The source that each cost belongs to. What comes from base, wire or the C++ library is charged to
 * the source of the function that has it in line, which is where most of that function comes from.
 */
export function sources(costs: readonly Cost[]): (cost: Cost) => string {
  const homes = new Map<string, string>();
  for (const wanted of [
    (source: string) => !isInline(source),
    (source: string) => isInline(source),
  ]) {
    const candidates = costs.filter(({ function: name, file }) => {
      const source = sourceOf(file);
      return source !== undefined && wanted(source) && !homes.has(name);
    });
    const bySize = [...candidates].sort((one, other) => other.instructions - one.instructions);
    for (const { function: name, file } of bySize) {
      if (!homes.has(name)) homes.set(name, sourceOf(file) ?? '');
    }
  }
  return ({ function: name, file }) => {
    const own = sourceOf(file);
    if (own !== undefined && !isInline(own)) return own;
    return homes.get(name) ?? 'C++ library';
  };
}

/** Without namespaces of ours and arguments. */
export function shortName(name: string): string {
  return name
    .replaceAll('(anonymous namespace)::', '')
    .replace(/\(.*$/, '')
    .replace(/capsuled::(transport::|nvme::)?/g, '');
}

const functionsShown = 15;
/** Sources below this part of every case are one line. */
const partShown = 0.01;

function printTable(measured: ReadonlyMap<string, Measurement>): void {
  const columns = [...measured].map(([name, { costs }]) => ({
    name,
    total: sum(costs),
    bySource: new Map(sumsBy(costs, sources(costs))),
    byFunction: sumsBy(costs, ({ function: name_ }) => shortName(name_)),
  }));
  const row = (name: string, values: readonly string[]) => {
    console.log(name.padEnd(32) + values.map((value) => value.padStart(8)).join(''));
  };
  console.log('\nInstructions for each command');
  columns.forEach(({ name }, index) => {
    console.log(`  [${index + 1}] ${name}`);
  });
  row(
    'source',
    [...columns.keys()].map((index) => `[${index + 1}]`),
  );
  const all = new Set(columns.flatMap(({ bySource }) => [...bySource.keys()]));
  const shown = [...all]
    .filter((source) =>
      columns.some(({ total, bySource }) => (bySource.get(source) ?? 0) >= partShown * total),
    )
    .sort();
  for (const source of shown) {
    row(
      source,
      columns.map(({ bySource }) => (bySource.get(source) ?? 0).toFixed(1)),
    );
  }
  const rest = columns.map(({ total, bySource }) =>
    shown.reduce((left, source) => left - (bySource.get(source) ?? 0), total),
  );
  row(
    '(others)',
    rest.map((value) => Math.abs(value).toFixed(1)),
  );
  row(
    'total',
    columns.map(({ total }) => total.toFixed(1)),
  );
  for (const { name, byFunction } of columns) {
    console.log(`\n${name}, functions with what is in line in them`);
    for (const [function_, instructions] of byFunction.slice(0, functionsShown)) {
      console.log(`${instructions.toFixed(1).padStart(8)}  ${function_}`);
    }
  }
}

// ---- The command --------------------------------------------------------------------------------

function listCases(program: string): Case[] {
  const output = execFileSync(executable(program), ['--list'], { encoding: 'utf8' });
  return output
    .trim()
    .split('\n')
    .map((line) => {
      const [name = '', queueDepth] = line.split(' ');
      return { program, name, queueDepth: Number(queueDepth) };
    });
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: { update: { type: 'boolean' }, table: { type: 'boolean' } },
    allowPositionals: true,
  });
  const make = ['make', '-s', '-C', 'build', ...programs];
  execFileSync('flock', ['build/.lock', ...make], { cwd: root, stdio: 'inherit' });
  const cases = programs.flatMap(listCases);
  const known = new Set(cases.map(({ name }) => name));
  const unknown = positionals.find((name) => !known.has(name));
  if (unknown !== undefined) {
    console.error(`expected one of ${[...known].join(', ')}; got ${unknown}`);
    return 2;
  }
  const chosen = cases.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
  const found = await measureAll(chosen);
  const measured = new Map(
    chosen.flatMap(({ name }) => {
      const measurement = found.get(name);
      return measurement === undefined ? [] : [[name, measurement] as const];
    }),
  );
  if (values.table === true) printTable(measured);
  if (values.update === true) update(measured, cases);
  return compare(measured, known);
}

const script = process.argv[1];
if (script !== undefined && realpathSync(script) === fileURLToPath(import.meta.url)) {
  process.exitCode = await main();
}
