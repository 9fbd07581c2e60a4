/**
 * Runs behaviours of a real Linux host against the daemon: for each one a daemon of its own, a
 * guest, its script. Ends only what it started.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { readBehaviours, type Behaviour, type OuterSide, type RunnerKind } from './behaviour.js';
import { Daemon } from './daemon.js';
import { Guest } from './guest.js';
import { InGuest } from './in-guest.js';
import { Nvmet } from './nvmet.js';
import { Outer } from './outer.js';
import type { Target } from './target.js';

const usage = `usage: node dist/nvme-cli-tests/run.js [OPTION]... [NAME]...
  --list             the behaviours, and what each shows
  --runner uml|qemu  User-Mode Linux or QEMU (default: uml where it is built, else qemu)
  --target capsuled|nvmet   nvmet: Linux's own target, to prove the behaviour files
  --jobs N           so many at a time (default: 2, on one processor 1)
  --keep             keeps each behaviour's folder: configuration, logs, files
  --verbose          the guest's output while it runs
`;

/** The same script takes about that much longer under TCG. */
const qemuSlowdown = 4;

const project = fileURLToPath(new URL('../../', import.meta.url));
const source = join(project, 'nvme-cli-tests');
const testbed = join(source, 'testbed');
const mainScript = join(project, 'dist', 'src', 'main.js');

type TargetKind = 'capsuled' | 'nvmet';

interface Options {
  readonly names: readonly string[];
  readonly list: boolean;
  readonly runner: RunnerKind | undefined;
  readonly target: TargetKind;
  readonly jobs: number;
  readonly keep: boolean;
  readonly verbose: boolean;
}

function readOptions(): Options {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      list: { type: 'boolean', default: false },
      runner: { type: 'string' },
      target: { type: 'string', default: 'capsuled' },
      jobs: { type: 'string', default: String(Math.min(2, availableParallelism())) },
      keep: { type: 'boolean', default: false },
      verbose: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(usage);
    process.exit(0);
  }
  const { runner, target } = values;
  if (runner !== undefined && runner !== 'uml' && runner !== 'qemu') {
    throw new Error(`expected uml or qemu for \`--runner\`, got ${runner}`);
  }
  if (target !== 'capsuled' && target !== 'nvmet') {
    throw new Error(`expected capsuled or nvmet for \`--target\`, got ${target}`);
  }
  const { list, keep, verbose } = values;
  const jobs = Number(values.jobs);
  if (!Number.isInteger(jobs) || jobs < 1) {
    throw new Error(`expected a number of 1 or more for \`--jobs\`, got ${values.jobs}`);
  }
  return { names: positionals, list, runner, target, jobs, keep, verbose };
}

/** Whether User-Mode Linux can run: a kernel of this configuration in the cache, and root. */
function umlIsUsable(): boolean {
  if (process.getuid?.() !== 0) return false;
  const cache =
    process.env['CAPSULED_TESTBED_CACHE'] ?? join(homedir(), '.cache', 'capsuled-testbed');
  const stamp = join(cache, 'uml', 'stamp');
  if (!existsSync(stamp) || !existsSync(join(cache, 'uml', 'linux'))) return false;
  const wanted = createHash('sha256').update(readFileSync(join(testbed, 'uml', 'config')));
  return readFileSync(stamp, 'utf8').trim() === wanted.digest('hex');
}

function select(behaviours: readonly Behaviour[], names: readonly string[]): readonly Behaviour[] {
  for (const name of names) {
    if (behaviours.some((behaviour) => behaviour.name === name)) continue;
    throw new Error(`no behaviour ${name} (--list shows them)`);
  }
  if (names.length === 0) return behaviours;
  return behaviours.filter(({ name }) => names.includes(name));
}

async function readOuterSide(behaviour: Behaviour): Promise<OuterSide | undefined> {
  if (behaviour.outerSideUrl === undefined) return undefined;
  const module = (await import(behaviour.outerSideUrl.href)) as { default: OuterSide };
  return module.default;
}

async function startTarget(
  kind: TargetKind,
  behaviour: Behaviour,
  runner: RunnerKind,
  folder: string,
  running: Running,
): Promise<Target> {
  if (behaviour.inGuest) return new InGuest(folder, behaviour.configText);
  const target =
    kind === 'nvmet'
      ? new Nvmet(testbed, runner, folder)
      : new Daemon(mainScript, folder, behaviour.configText);
  running.target = target;
  await target.start();
  return target;
}

interface Running {
  target?: Target | undefined;
  guest?: Guest | undefined;
}

/** What to end when we are ended. */
const allRunning = new Set<Running>();

/** Runs the guest's script to its end; throws what is wrong. */
async function runGuest(
  behaviour: Behaviour,
  runner: RunnerKind,
  outer: Outer,
  folder: string,
  running: Running,
  verbose: boolean,
): Promise<void> {
  const outerPort = await outer.listen();
  const { target } = outer;
  const inside = target instanceof InGuest ? target : undefined;
  const guest = new Guest({
    testbed,
    runner,
    script: behaviour.scriptPath,
    consolePath: join(folder, 'console'),
    smp: behaviour.smp,
    timeoutSeconds: behaviour.timeoutSeconds * (runner === 'qemu' ? qemuSlowdown : 1),
    env: {
      ...target.guestEnv,
      OUTER_PORT: String(outerPort),
      ...(inside === undefined ? {} : { NODE: process.execPath, MAIN: mainScript }),
    },
    files: [join(source, 'guest.sh'), ...(inside === undefined ? [] : [inside.configFile])],
    hostRoot: inside !== undefined,
    ...(behaviour.hasDrives ? { drivesMonitor: join(folder, 'monitor') } : {}),
    ...(verbose ? { onOutput: (text: string) => process.stdout.write(text) } : {}),
  });
  running.guest = guest;
  outer.guest = guest;
  if (target instanceof Daemon) target.onDeath = () => void guest.kill();
  const { status } = await guest.ended;
  running.guest = undefined;
  if (target instanceof Daemon) target.assertAlive();
  if (outer.side?.guestIsKilled === true) {
    if (!outer.notes.has('killed')) throw new Error(`the guest ended with ${String(status)}`);
  } else if (status === 124) {
    throw new Error('the guest ran out of time');
  } else if (status !== 0) {
    throw new Error(`the guest ended with ${String(status)}`);
  }
  await outer.side?.afterwards?.(outer);
  await outer.target.checkClean();
}

function report(
  error: unknown,
  outer: Outer | undefined,
  folder: string,
  target: Target | undefined,
): void {
  const indent = (text: string): string => text.replaceAll(/^/gm, '      ');
  const block = (title: string, text: string): void => {
    if (text.trim() !== '') console.log(`    ${title}:\n${indent(text.trimEnd())}`);
  };
  console.log(`    ${error instanceof Error ? error.message : String(error)}`);
  const guest = outer?.guest;
  if (guest !== undefined) {
    block('the guest', guest.output);
    if (existsSync(join(folder, 'console'))) block('its console', guest.consoleTail(20));
  }
  const log = outer?.target.log ?? target?.log ?? '';
  block('the target', log.trimEnd().split('\n').slice(-60).join('\n'));
}

/** Runs one behaviour and prints its line; true if it passed. */
async function run(behaviour: Behaviour, runner: RunnerKind, options: Options): Promise<boolean> {
  const begin = performance.now();
  const folder = mkdtempSync(join(tmpdir(), `capsuled-${behaviour.name}-`));
  const line = (verdict: string): void => {
    const seconds = ((performance.now() - begin) / 1000).toFixed(1).padStart(6);
    console.log(`${verdict.padEnd(4)} ${seconds} s  ${behaviour.name}`);
  };
  let outer: Outer | undefined;
  let failure: unknown;
  const running: Running = {};
  allRunning.add(running);
  try {
    const side = await readOuterSide(behaviour);
    outer = new Outer(await startTarget(options.target, behaviour, runner, folder, running), side);
    await runGuest(behaviour, runner, outer, folder, running, options.verbose);
  } catch (error) {
    failure = error ?? new Error('unknown');
  }
  outer?.close();
  try {
    await running.target?.stop();
  } catch (error) {
    failure ??= error;
  }
  line(failure === undefined ? 'ok' : 'FAIL');
  if (failure !== undefined) report(failure, outer, folder, running.target);
  allRunning.delete(running);
  if (options.keep) console.log(`    kept: ${folder}`);
  else rmSync(folder, { recursive: true, force: true });
  return failure === undefined;
}

async function main(): Promise<number> {
  const options = readOptions();
  const compiled = new URL('behaviours/', import.meta.url);
  const behaviours = select(readBehaviours(join(source, 'behaviours'), compiled), options.names);
  if (options.list) {
    for (const { name, summary } of behaviours) console.log(`${name.padEnd(24)} ${summary}`);
    return 0;
  }
  const preferred = options.runner ?? (umlIsUsable() ? 'uml' : 'qemu');
  const counts = { passed: 0, failed: 0, skipped: 0 };
  const one = async (behaviour: Behaviour): Promise<void> => {
    const misfit =
      options.target === 'nvmet' && (behaviour.needsCapsuled || behaviour.inGuest)
        ? 'needs capsuled'
        : options.runner !== undefined &&
            behaviour.runner !== undefined &&
            behaviour.runner !== options.runner
          ? `needs ${behaviour.runner}`
          : undefined;
    if (misfit !== undefined) {
      console.log(`skip           ${behaviour.name}: ${misfit}`);
      counts.skipped++;
    } else if (await run(behaviour, behaviour.runner ?? preferred, options)) counts.passed++;
    else counts.failed++;
  };
  const left = [...behaviours];
  const work = async (): Promise<void> => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) await one(next);
  };
  await Promise.all(Array.from({ length: options.jobs }, work));
  const { passed, failed, skipped } = counts;
  console.log(`${String(passed)} passed, ${String(failed)} failed, ${String(skipped)} skipped`);
  return failed === 0 ? 0 : 1;
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => {
    const ends = [...allRunning].map(({ guest, target }) =>
      Promise.allSettled([guest?.kill(), target?.stop()]),
    );
    void Promise.all(ends).then(() => process.exit(1));
  });
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(`run: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 2;
}
