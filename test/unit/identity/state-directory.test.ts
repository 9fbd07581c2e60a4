import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import t from 'tap';

import { FileState } from '../../../src/identity/state-directory.js';

interface Teardown {
  teardown(callback: () => void): void;
}

function folder(t: Teardown): string {
  const path = mkdtempSync(join(tmpdir(), 'capsuled-state-'));
  t.teardown(() => {
    rmSync(path, { recursive: true, force: true });
  });
  return path;
}

const lockNothing = (): Promise<void> => Promise.resolve();

t.test('the directory is made on first need, for its owner alone', async (t) => {
  const path = join(folder(t), 'deep', 'state');
  const locked: string[] = [];
  const state = new FileState(path, async (file) => {
    locked.push(file);
  });
  t.equal(await state.read('machine-id'), null);
  t.throws(() => statSync(path), { code: 'ENOENT' }, 'reading makes nothing');
  t.same(locked, []);
  await state.write('contents/a.json', 'one');
  t.equal(statSync(path).mode & 0o777, 0o700);
  t.equal(statSync(join(path, 'contents/a.json')).mode & 0o777, 0o600);
  t.same(locked, [join(path, 'lock')]);
  await state.write('contents/a.json', 'two');
  t.equal(await state.read('contents/a.json'), 'two');
  t.equal(locked.length, 1);
});

t.test('where no folder can be made, that is said', async (t) => {
  for (const [path, code] of [
    ['/proc/x', 'ENOENT'],
    ['/proc/self/x/y', 'ENOENT'],
    ['/dev/null', 'EEXIST'],
    ['/dev/null/x', 'ENOTDIR'],
  ] as const) {
    await t.rejects(new FileState(path, lockNothing).write('a.json', ''), {
      code: 'state_unusable',
      message: new RegExp(`^cannot make the state directory ${path}: ${code}`),
    });
  }
});

t.test('a file is whole, or as it was', async (t) => {
  const path = join(folder(t), 'state');
  const state = new FileState(path, lockNothing);
  await state.write('a.json', 'one');
  // What a crash in the middle of writing leaves is nobody's.
  writeFileSync(join(path, 'a.json.new'), 'tw');
  t.equal(await state.read('a.json'), 'one');
  await state.write('a.json', 'two');
  t.equal(readFileSync(join(path, 'a.json'), 'utf8'), 'two');
  t.notOk(readdirSync(path).includes('a.json.new'));
  mkdirSync(join(path, 'b.json'));
  await t.rejects(state.write('b.json', 'x'), { code: 'state_unusable' });
  t.notOk(readdirSync(path).includes('b.json.new'));
});

t.test('a file that is removed is not there, and need not have been', async (t) => {
  const state = new FileState(folder(t), lockNothing);
  await state.write('contents/a.json', 'one');
  await state.remove('contents/a.json');
  t.equal(await state.read('contents/a.json'), null);
  await state.remove('contents/a.json');
  await state.remove('nothing/b.json');
});

t.test('what cannot be read is an error that names it, not something missing', async (t) => {
  const path = join(folder(t), 'state');
  const state = new FileState(path, lockNothing);
  await state.write('a.json', 'one');
  mkdirSync(join(path, 'b.json'));
  await t.rejects(state.read('b.json'), {
    code: 'state_unusable',
    message: join(path, 'b.json'),
    field: 'state_directory',
  });
});

t.test('a directory that cannot be made says what to do', async (t) => {
  const parent = folder(t);
  writeFileSync(join(parent, 'file'), '');
  const below = new FileState(join(parent, 'file', 'state'), lockNothing);
  await t.rejects(below.write('a', 'x'), { code: 'state_unusable', message: /cannot make/ });
  if (process.getuid?.() === 0) return;
  chmodSync(parent, 0o500);
  await t.rejects(new FileState(join(parent, 'state'), lockNothing).write('a', 'x'), {
    code: 'state_unusable',
    message: /name a directory that .* may write with `state_directory`/,
  });
});

t.test('a second daemon is refused, and may come when the first has gone', async (t) => {
  const path = join(folder(t), 'state');
  let isTaken = true;
  const state = new FileState(path, () =>
    isTaken
      ? Promise.reject(Object.assign(new Error('locked'), { code: 'EAGAIN' }))
      : lockNothing(),
  );
  await t.rejects(state.write('a', 'x'), { code: 'in_use', message: /in use by another capsuled/ });
  await t.rejects(state.read('a'), { code: 'in_use' });
  isTaken = false;
  await state.write('a', 'x');
  t.equal(await state.read('a'), 'x');
});
