// `npm run sim`: builds the simulation with the address sanitizer, and runs it.
//
//   npm run sim                          one run of a new seed
//   npm run sim -- --minutes 10 --swarm  as many as that takes; see docs/internals/simulation.md
//   npm run sim -- --planted             whether it finds each of the faults of planted.mjs
//
// All else is for the simulation itself: `npm run sim -- --help`.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { make, run, runMain, setup } from './bootstrap.mjs';
import { plantedFaults } from './planted.mjs';
import { root } from './sources.mjs';

const buildType = 'Asan';
/** So long a planted fault may survive. */
const secondsMax = 120;

const jobs = os.availableParallelism();
const simOf = (folder) => path.join(folder, 'build', buildType, 'sim');

/** What swarms on all processors find first, in so many seconds: its text, or undefined. */
async function firstFinding(folder) {
  const swarms = Array.from({ length: jobs }, (_, index) =>
    spawn(
      simOf(folder),
      ['--seed', String(1 + 1000 * index), '--seconds', String(secondsMax), '--swarm'],
      // A group of its own: each run is a process.
      { stdio: ['ignore', 'pipe', 'ignore'], detached: true },
    ),
  );
  const ends = swarms.map(async (swarm) => {
    const [said, [status]] = await Promise.all([text(swarm.stdout), once(swarm, 'exit')]);
    const found = status !== 0 && /FOUND by (seed \d+), at [^:]*: (.*)/.exec(said);
    if (!found) throw new Error('nothing found');
    return `${found[1]}: ${found[2]}`;
  });
  try {
    return await Promise.any(ends);
  } catch {
    return undefined;
  } finally {
    for (const swarm of swarms) {
      if (swarm.exitCode === null && swarm.signalCode === null) process.kill(-swarm.pid, 'SIGKILL');
    }
    await Promise.allSettled(ends);
  }
}

/** Each fault in turn, in a copy of the tree. */
async function runPlanted(names) {
  const faults = plantedFaults.filter(({ name }) => names.length === 0 || names.includes(name));
  const copy = mkdtempSync(path.join(os.tmpdir(), 'capsuled-planted-'));
  const survivors = [];
  let survived = 0;
  try {
    // With the times of change, so that only what a fault touches is built again.
    run('cp', [
      '-a',
      'addon',
      'bench',
      'binding.gyp',
      'build',
      'package.json',
      'scripts',
      'test',
      copy,
    ]);
    symlinkSync(path.join(root, 'node_modules'), path.join(copy, 'node_modules'));
    for (const { name, file, find, replace } of faults) {
      const source = path.join(copy, file);
      const sound = readFileSync(source, 'utf8');
      writeFileSync(
        source,
        sound.replace(find, () => replace),
      );
      run('make', [
        '-s',
        `-j${String(jobs)}`,
        '-C',
        path.join(copy, 'build'),
        `BUILDTYPE=${buildType}`,
        'sim',
      ]);
      const start = performance.now();
      const found = await firstFinding(copy);
      const took = (performance.now() - start) / 1000;
      survived += took;
      const seconds = took.toFixed(1);
      if (found === undefined) survivors.push(name);
      console.log(
        found === undefined
          ? `SURVIVED ${seconds} s: ${name}`
          : `found after ${seconds} s: ${name} (${found})`,
      );
      writeFileSync(source, sound);
    }
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
  const found = faults.length - survivors.length;
  console.log(`${faults.length} planted, ${found} found, ${survived.toFixed(0)} s in all`);
  return survivors.length === 0 ? 0 : 1;
}

await runMain(async () => {
  const args = process.argv.slice(2);
  setup({ forTests: true });
  make(buildType, ['sim']);
  if (args[0] === '--planted') return await runPlanted(args.slice(1));
  return spawnSync(simOf(root), args, { stdio: 'inherit' }).status ?? 1;
});
