// `npm run check`: format, lint, types, drift of generated files, house rules. `npm run format`
// (--fix) repairs what can be repaired by a tool.
//
//   node scripts/check.mjs [--fix] [format] [lint] [types] [drift] [tidy] [clang-tidy]

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { make, runMain, setup, SetupError } from './bootstrap.mjs';
import { listFiles, nativeSources, root } from './sources.mjs';

const layoutFile = 'src/wire/layout.gen.ts';
const typeScriptFolders = ['src', 'test', 'scripts', 'bench', 'nvme-cli-tests'];

/** Runs a program with its output shown; true if it ended well. */
function passes(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (error !== undefined) console.error(`${command}: ${error.message}`);
  return status === 0;
}

function node(script, ...args) {
  return passes(process.execPath, [script, ...args]);
}

function cppFiles() {
  return ['addon', 'test', 'bench'].flatMap((folder) => listFiles(folder, ['.cc', '.h']));
}

function format(fix) {
  const ours = typeScriptFolders.flatMap((folder) => listFiles(folder, ['.ts', '.mjs', '.gypi']));
  if (fix) node('scripts/rewrap.mjs', ...ours, 'binding.gyp');
  const cpp = cppFiles();
  const cppIsClean =
    cpp.length === 0 ||
    passes('clang-format-19', [...(fix ? ['-i'] : ['--dry-run', '-Werror']), ...cpp]);
  const mode = fix ? '--write' : '--check';
  return (
    node('node_modules/prettier/bin/prettier.cjs', '.', mode, '--log-level=warn') && cppIsClean
  );
}

function lint(fix) {
  return node(
    'node_modules/eslint/bin/eslint.js',
    '--max-warnings=0',
    ...(fix ? ['--fix'] : []),
    '.',
  );
}

function types() {
  return node('node_modules/typescript/bin/tsc', '-p', '.', '--noEmit');
}

/** Generated files are what their sources say. */
function drift(fix) {
  const reference = ['dist/scripts/generate-reference.js', ...(fix ? [] : ['--check'])];
  const referenceIsTrue = node(...reference);
  return layoutIsTrue(fix) && referenceIsTrue;
}

function layoutIsTrue(fix) {
  make('Release', ['wire_layout']);
  const { status, stdout } = spawnSync(path.join(root, 'build/Release/wire_layout'), {
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  });
  if (status !== 0) {
    console.error('wire_layout failed');
    return false;
  }
  const file = path.join(root, layoutFile);
  if (existsSync(file) && readFileSync(file, 'utf8') === stdout) return true;
  if (fix) writeFileSync(file, stdout);
  else console.error(`${layoutFile} differs from addon/wire: run npm run format, and commit it`);
  return fix;
}

function tidy() {
  return node('dist/scripts/tidy.js');
}

/**
 * clang-tidy over every source that changed since it last passed; a changed header is a change of
 * all, since it may be included anywhere.
 */
function clangTidy() {
  const stampFile = path.join(root, 'build/clang-tidy.json');
  const shared = createHash('sha256');
  for (const file of ['.clang-tidy', ...cppFiles().filter((name) => name.endsWith('.h'))]) {
    shared.update(readFileSync(path.join(root, file)));
  }
  const headers = shared.digest('hex');
  const digest = (file) =>
    createHash('sha256')
      .update(headers)
      .update(readFileSync(path.join(root, file)))
      .digest('hex');
  const passed = existsSync(stampFile) ? JSON.parse(readFileSync(stampFile, 'utf8')) : {};
  const { engine, binding, wireLayout } = nativeSources();
  const files = [...engine, ...binding, ...wireLayout];
  const changed = files.filter((file) => passed[file] !== digest(file));
  if (changed.length === 0) return true;
  console.log(`clang-tidy: ${changed.length} of ${files.length} sources`);
  const prefix = path.resolve(path.dirname(realpathSync(process.execPath)), '..');
  const flags = ['-std=gnu++20', '-fno-exceptions', '-fno-rtti', '-Iaddon', '-Ibuild'];
  const includes = ['node_modules/node-addon-api', `${prefix}/include/node`];
  const arguments_ = [
    ...['--quiet', '{}', '--', ...flags, '-DNAPI_VERSION=9', '-DNAPI_DISABLE_CPP_EXCEPTIONS'],
    ...includes.flatMap((folder) => ['-isystem', folder]),
  ];
  const { status } = spawnSync(
    'xargs',
    [
      '-d',
      '\n',
      '-P',
      String(os.availableParallelism()),
      '-I',
      '{}',
      'clang-tidy-19',
      ...arguments_,
    ],
    { cwd: root, input: changed.join('\n'), stdio: ['pipe', 'inherit', 'ignore'] },
  );
  if (status !== 0) return false;
  mkdirSync(path.dirname(stampFile), { recursive: true });
  writeFileSync(stampFile, JSON.stringify(Object.fromEntries(files.map((f) => [f, digest(f)]))));
  return true;
}

const parts = { format, lint, types, drift, tidy, 'clang-tidy': clangTidy };

/** Runs the parts named, or all; the names of those that failed, and how many there were. */
export function check({ names = [], fix = false } = {}) {
  const chosen = names.length === 0 ? Object.keys(parts) : names;
  const failed = [];
  for (const name of chosen) {
    const start = performance.now();
    let passed = false;
    try {
      passed = parts[name](fix);
    } catch (error) {
      if (!(error instanceof SetupError)) throw error;
      console.error(error.message);
    }
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    console.log(`${passed ? 'ok' : 'not ok'} - ${name} (${seconds} s)`);
    if (!passed) failed.push(name);
  }
  return { count: chosen.length, failed };
}

if (realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  await runMain(() => {
    const args = process.argv.slice(2);
    const names = args.filter((arg) => arg !== '--fix');
    const unknown = names.find((name) => !Object.hasOwn(parts, name));
    if (unknown !== undefined) {
      console.error(`expected one of ${Object.keys(parts).join(', ')}; got ${unknown}`);
      return 2;
    }
    const fix = args.includes('--fix');
    setup({ forTests: true, keepGoing: true });
    const fixable = ['drift', 'lint', 'format'];
    const { failed } = check({ names: fix && names.length === 0 ? fixable : names, fix });
    return failed.length === 0 ? 0 : 1;
  });
}
