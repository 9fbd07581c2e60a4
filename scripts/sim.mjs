// `npm run sim`: builds the simulation with the address sanitizer, and runs it.
//
//   npm run sim                          one run of a new seed
//   npm run sim -- --minutes 10 --swarm  as many as that takes; see docs/internals/simulation.md
//   npm run sim -- --planted             whether it finds each of the faults of planted.mjs
//
// All else is for the simulation itself: `npm run sim -- --help`.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { make, run, runMain, setup } from './bootstrap.mjs';
import { plantedFaults } from './planted.mjs';
import { root } from './sources.mjs';

const buildType = 'Asan';
/** So long a planted fault may survive. */
const secondsMax = 120;

function sim(folder, args, options = {}) {
  const program = path.join(folder, 'build', buildType, 'sim');
  return spawnSync(program, args, { stdio: 'inherit', ...options });
}

/** Each fault in turn, in a copy of the tree. */
function runPlanted(names) {
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
      const jobs = `-j${String(os.availableParallelism())}`;
      run('make', ['-s', jobs, '-C', path.join(copy, 'build'), `BUILDTYPE=${buildType}`, 'sim']);
      const start = performance.now();
      const args = ['--seed', '1', '--seconds', String(secondsMax), '--swarm'];
      const { status, stdout } = sim(copy, args, {
        stdio: ['ignore', 'pipe', 'ignore'],
        encoding: 'utf8',
      });
      const took = (performance.now() - start) / 1000;
      survived += took;
      const seconds = took.toFixed(1);
      const found = status !== 0 && /FOUND by seed (\d+), at [^:]*: (.*)/.exec(stdout);
      if (!found) survivors.push(name);
      console.log(
        found
          ? `found after ${seconds} s: ${name} (seed ${found[1]}: ${found[2]})`
          : `SURVIVED ${seconds} s: ${name}`,
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
  if (args[0] === '--planted') return runPlanted(args.slice(1));
  const { status } = sim(root, args);
  return status ?? 1;
});
