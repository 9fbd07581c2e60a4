import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { open, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { FileFault, LateFault, SmallFiles } from '../../src/small-file.js';

/** A file system that answers nothing until it is released. */
function hanging(deadlineMs: number) {
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  let calls = 0;
  const files = new SmallFiles(
    {
      open,
      realpath,
      stat: async (path) => {
        calls += 1;
        await released;
        return stat(path);
      },
    },
    deadlineMs,
  );
  return { files, release, calls: () => calls };
}

t.test('a regular file is read, up to the size that is expected of it', async (t) => {
  const files = new SmallFiles();
  const file = join(t.testdir({ file: 'x'.repeat(4096), empty: '' }), 'file');
  t.equal((await files.read(file, 4096)).toString(), 'x'.repeat(4096));
  await t.rejects(files.read(file, 3072), new FileFault('it is larger than 3 KiB'));
  t.equal((await files.read(join(file, '../empty'), 0)).length, 0);
  writeFileSync(file, Buffer.alloc((1 << 20) + 1));
  await t.rejects(files.read(file, 1 << 20), new FileFault('it is larger than 1 MiB'));
  t.match((await files.read('/proc/self/status', 65536)).toString(), /^Name:/, 'it has no size');
  await t.rejects(files.read(join(file, '../absent'), 1), { code: 'ENOENT' });
  t.notOk(files.isHeld);
});

t.test('what is no regular file is refused, and holds up nobody', async (t) => {
  const files = new SmallFiles();
  const folder = t.testdir();
  const fifo = join(folder, 'fifo');
  execFileSync('mkfifo', [fifo]);
  for (const [path, kind] of [
    [folder, 'folder'],
    [fifo, 'FIFO'],
    ['/dev/zero', 'device'],
    ['/dev/tty', 'device'],
  ] as const) {
    await t.rejects(files.read(path, 100), new FileFault(`it is a ${kind}, not a regular file`));
  }
  t.notOk(files.isHeld);
});

t.test('a file that becomes a FIFO while it is looked at is one', async (t) => {
  const folder = t.testdir({ file: '' });
  const fifo = join(folder, 'fifo');
  execFileSync('mkfifo', [fifo]);
  const files = new SmallFiles({ open, realpath, stat: () => stat(join(folder, 'file')) });
  await t.rejects(files.read(fifo, 1), new FileFault('it is a FIFO, not a regular file'));
});

t.test(
  'a file system that does not answer is an error, and has one call of each path',
  async (t) => {
    const { files, release, calls } = hanging(1);
    const file = join(t.testdir({ file: 'x' }), 'file');
    for (let count = 0; count < 10; count += 1) {
      await t.rejects(
        files.read(file, 1),
        new FileFault('the file system has not answered for 0.001 s'),
      );
    }
    t.equal(calls(), 1);
    t.ok(files.isHeld);
    release();
    while (files.isHeld) await new Promise((resolve) => setImmediate(resolve));
    t.equal(calls(), 1, 'nobody waits for what was asked too late');
  },
);

t.test('who asks while another waits reads what is there then', async (t) => {
  const { files, release, calls } = hanging(60_000);
  const file = join(t.testdir({ file: 'x' }), 'file');
  const reads = [files.read(file, 1), files.read(file, 1)];
  t.equal(calls(), 0);
  release();
  t.strictSame(
    (await Promise.all(reads)).map((bytes) => bytes.toString()),
    ['x', 'x'],
  );
  t.equal(calls(), 2);
  await Promise.resolve();
  t.notOk(files.isHeld);
});

t.test('what is told to a file of the kernel has a deadline of its own', async (t) => {
  const files = new SmallFiles();
  const folder = t.testdir({ file: 'old text' });
  const file = join(folder, 'file');
  await files.write(file, 'new', 5000);
  t.equal((await files.read(file, 100)).toString(), 'new text', 'no more than is written');
  await t.rejects(files.write(join(folder, 'absent'), 'new', 5000), { code: 'ENOENT' });
  await t.rejects(files.write(folder, 'x', 5000), /it is a folder, not a regular file/);
  const hung = hanging(60_000);
  const late = await hung.files.write(file, 'late', 1).catch((thrown: unknown) => thrown);
  t.ok(late instanceof LateFault);
  t.match(late, { message: 'the file system has not answered for 0.001 s' });
  hung.release();
});
