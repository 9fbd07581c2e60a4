// `npm run setup`: from a fresh clone to a built tree, and from a built tree to "nothing to do"
// within a few milliseconds.
//
//   node scripts/bootstrap.mjs                what is needed to run the daemon
//   node scripts/bootstrap.mjs --for-tests    what the tests and checks need, too
//
// The work is a list of stages. Each has a signature of its inputs (names, sizes and times of
// change of files, never a spawned tool); the signatures of the last success are kept in
// build/setup.json, and a stage whose signature is the same is not run. Plain JavaScript without
// dependencies, since it runs before there are any.

import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { listFiles, nativeSources, root, writeGenerated } from './sources.mjs';

const nodeMajorMin = 20;
const stampFile = path.join(root, 'build/setup.json');

const packagesToRun = ['g++', 'make', 'python3', 'liburing-dev', 'libisal-dev'];
const packagesToTest = [
  'doctest-dev',
  // libcrypto, for the programs that run without Node.
  'libssl3',
  // Sanitizers, fuzzers, format and lint of C++.
  'clang-19',
  'clang-format-19',
  'clang-tidy-19',
  'libclang-rt-19-dev',
  'llvm-19',
  // The Linux host of nvme-cli-tests. The kernel and the guest's programs are unpacked by its own
  // scripts.
  'qemu-system-x86',
  'xz-utils',
  'zstd',
  // promtool, an independent reader of /metrics.
  'prometheus',
  // callgrind, which counts instructions.
  'valgrind',
  // File systems and loop devices that misbehave.
  'e2fsprogs',
  'mount',
  // sfdisk, which writes partition tables.
  'fdisk',
];

/** A failed set-up, with a message for the person who runs it. */
export class SetupError extends Error {}

/** Name, size and time of change of one file, relative to the root or absolute. */
function stat(file) {
  const status = statSync(path.resolve(root, file), { throwIfNoEntry: false });
  return status === undefined
    ? `${file} -`
    : `${file} ${String(status.size)} ${String(status.mtimeMs)}`;
}

/** Runs a program with its output shown; throws SetupError when it fails. */
export function run(command, args, options = {}) {
  const { status, signal, error } = spawnSync(command, args, {
    cwd: root,
    stdio: 'inherit',
    ...options,
  });
  if (error !== undefined) throw new SetupError(`${command}: ${error.message}`);
  if (status !== 0)
    throw new SetupError(`${command} ${args.join(' ')}: ${signal ?? `status ${String(status)}`}`);
}

/** Builds native targets of one configuration. A lock lets several commands build in one tree. */
export function make(buildType, targets, settings = []) {
  const jobs = `-j${String(os.availableParallelism())}`;
  const args = [
    'build/.lock',
    'make',
    '-s',
    jobs,
    '-C',
    'build',
    `BUILDTYPE=${buildType}`,
    ...settings,
    ...targets,
  ];
  run('flock', args);
}

function missingPackages(packages) {
  const { error, stdout } = spawnSync(
    'dpkg-query',
    ['-W', '-f', '${Package} ${db:Status-Status}\n', ...packages],
    {
      encoding: 'utf8',
    },
  );
  if (error !== undefined) {
    console.error(`setup: this is not a Debian system; make sure to have: ${packages.join(' ')}`);
    return [];
  }
  const installed = new Set(stdout.split('\n').filter((line) => line.endsWith(' installed')));
  return packages.filter((name) => !installed.has(`${name} installed`));
}

function installPackages(packages) {
  const missing = missingPackages(packages);
  if (missing.length === 0) return;
  const install = `apt-get install -y --no-install-recommends ${missing.join(' ')}`;
  if (process.getuid() !== 0) {
    throw new SetupError(
      `Debian packages are missing; install them and run this again:\n\n    sudo ${install}\n`,
    );
  }
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  if (spawnSync('sh', ['-c', install], { stdio: 'inherit', env }).status === 0) return;
  run('sh', ['-c', `apt-get update && ${install}`], { env });
}

function configure() {
  writeGenerated();
  // The headers beside this node, if it has them, are the right ones and need no download.
  const prefix = path.resolve(path.dirname(realpathSync(process.execPath)), '..');
  const hasHeaders = existsSync(path.join(prefix, 'include/node/common.gypi'));
  const nodedir = hasHeaders ? [`--nodedir=${prefix}`] : [];
  run('flock', [
    'build/.lock',
    process.execPath,
    'node_modules/node-gyp/bin/node-gyp.js',
    'configure',
    '--loglevel=warn',
    ...nodedir,
  ]);
}

/** Removes compiled files whose source is gone, so that no deleted test runs on. */
function pruneDist() {
  for (const file of listFiles('dist', ['.js'])) {
    const source = file.replace(/^dist\//, '').replace(/\.js$/, '.ts');
    if (existsSync(path.join(root, source))) continue;
    rmSync(path.join(root, file), { force: true });
    rmSync(path.join(root, `${file}.map`), { force: true });
  }
}

const typeScriptFolders = ['src', 'test', 'scripts', 'bench', 'nvme-cli-tests'];

function stages(forTests) {
  const packages = forTests ? [...packagesToRun, ...packagesToTest] : packagesToRun;
  return [
    {
      name: forTests ? 'packages for tests' : 'packages',
      signature: () => [process.version, ...packages, stat('/var/lib/dpkg/status')],
      work: () => installPackages(packages),
    },
    {
      name: 'npm ci',
      signature: () => [
        stat('package-lock.json'),
        existsSync(path.join(root, 'node_modules/.package-lock.json')),
      ],
      isDone: () => modified('node_modules/.package-lock.json') >= modified('package-lock.json'),
      work: () => run('npm', ['ci', '--loglevel=error']),
    },
    {
      name: 'configure',
      signature: () => [
        process.version,
        stat('binding.gyp'),
        ...listFiles('scripts', ['.gypi', 'sources.mjs']).map(stat),
        existsSync(path.join(root, 'build/Makefile')),
        nativeSources(),
      ],
      work: configure,
    },
    {
      name: 'make',
      compiles: true,
      signature: () => [
        stat('build/Release/capsuled.node'),
        ...listFiles('addon', ['.cc', '.h', '.inc']).map(stat),
        ...[stat('binding.gyp'), stat('build/Makefile')],
      ],
      work: () => make('Release', ['capsuled']),
    },
    {
      name: 'tsc',
      compiles: true,
      signature: () => [
        ...[stat('tsconfig.json'), stat('package-lock.json'), stat('dist/.tsbuildinfo')],
        ...typeScriptFolders.flatMap((folder) => listFiles(folder, ['.ts'])).map(stat),
      ],
      work: () => {
        pruneDist();
        run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', '.']);
      },
    },
  ];
}

function modified(file) {
  return statSync(path.join(root, file), { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

function readStamps() {
  try {
    return JSON.parse(readFileSync(stampFile, 'utf8'));
  } catch {
    return {};
  }
}

function writeStamp(name, signature) {
  mkdirSync(path.dirname(stampFile), { recursive: true });
  const temporary = `${stampFile}.${String(process.pid)}`;
  writeFileSync(temporary, JSON.stringify({ ...readStamps(), [name]: signature }));
  renameSync(temporary, stampFile);
}

/**
 * Brings the tree up to date. Throws SetupError with what to do about it. `keepGoing`: code that
 * does not compile is reported and no error, for those who are about to look at it more closely.
 * Returns the stages that so failed.
 */
export function setup({ forTests = false, keepGoing = false } = {}) {
  const major = Number(process.versions.node.split('.')[0]);
  if (major < nodeMajorMin) {
    throw new SetupError(`expected Node ${String(nodeMajorMin)} or later, got ${process.version}`);
  }
  if (process.platform !== 'linux') throw new SetupError(`expected Linux, got ${process.platform}`);
  const stamps = readStamps();
  const failed = [];
  for (const stage of stages(forTests)) {
    const stamp = stamps[stage.name];
    if (stamp !== undefined && stamp === JSON.stringify(stage.signature())) continue;
    if (stage.isDone?.() !== true) {
      console.error(`setup: ${stage.name}`);
      try {
        stage.work();
      } catch (error) {
        if (!(keepGoing && stage.compiles === true && error instanceof SetupError)) throw error;
        console.error(`setup: ${error.message}`);
        failed.push(stage.name);
        continue;
      }
    }
    writeStamp(stage.name, JSON.stringify(stage.signature()));
  }
  return failed;
}

/** Calls `main`; a SetupError becomes one line on stderr and status 1. */
export async function runMain(main) {
  try {
    process.exitCode = (await main()) ?? 0;
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    console.error(`setup: ${error.message}`);
    process.exitCode = 1;
  }
}

if (
  process.argv[1] !== undefined &&
  realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)
) {
  await runMain(() => {
    setup({ forTests: process.argv.includes('--for-tests') });
  });
}
