import { chmodSync, chownSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { constants } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { MachineFiles, isRefusal, unlessUnseen } from '../../../src/device/machine-files.js';
import { TargetError } from '../../../src/errors.js';
import { FileFault } from '../../../src/small-file.js';

t.test('what is not there is nothing, and no error', async (t) => {
  const files = new MachineFiles(t.testdir({ file: 'text' }));
  t.equal(await files.text('/none'), undefined);
  t.equal(await files.text('/file/below'), undefined);
  t.strictSame(await files.names('/none'), []);
  t.equal(await files.link('/none'), undefined);
  t.equal(await files.link('/file'), undefined, 'no link');
  t.notOk(await files.isThere('/none'));
  t.notOk(await files.mayUse('/none'));
  t.equal(await files.deviceNumber('/none'), undefined);
  await t.resolves(files.remove('/none'));
});

t.test('texts have no white space at their ends, names are in order', async (t) => {
  const root = t.testdir({ b: ' nvme0  \n', a: '' });
  symlinkSync('../there/7', join(root, 'link'));
  const files = new MachineFiles(root);
  t.equal(await files.text('/b'), 'nvme0');
  t.strictSame(await files.names('/'), ['a', 'b', 'link']);
  t.equal(await files.link('/link'), '../there/7');
  t.ok(await files.isThere('/b'));
  t.ok(await files.mayUse('/b'));
});

t.test('what keeps a question from being answered is said with its file', async (t) => {
  const root = t.testdir({ large: 'x'.repeat(65537) });
  mkdirSync(join(root, 'folder'));
  const files = new MachineFiles(root);
  await t.rejects(files.text('/large'), {
    code: 'platform_unsupported',
    message: '/large cannot be read: it is larger than 64 KiB',
  });
  await t.rejects(files.text('/folder'), {
    message: '/folder cannot be read: it is a folder, not a regular file',
  });
});

t.test('device nodes have numbers, files have none', async (t) => {
  const files = new MachineFiles();
  t.equal(await files.deviceNumber('/dev/null'), 'c1:3');
  t.equal(await files.deviceNumber('/proc/self/status'), undefined);
  const node = await files.open('/dev/null', constants.O_RDONLY);
  await node.close();
  await t.rejects(files.open('/dev/none', constants.O_RDONLY), { code: 'ENOENT' });
});

t.test('what is written to a file of the kernel must be there', async (t) => {
  const root = t.testdir({ attribute: 'old text' });
  const files = new MachineFiles(root);
  await files.write('/attribute', 'new');
  t.equal(readFileSync(join(root, 'attribute'), 'utf8'), 'new text', 'nothing is cut off');
  await t.rejects(files.write('/none', 'new'), { code: 'ENOENT' });
  await t.rejects(files.write('/', 'new'), new FileFault('it is a folder, not a regular file'));
});

t.test('a file of our own is made with its folder, and replaced', async (t) => {
  const root = t.testdir({ run: { next: '' } });
  const files = new MachineFiles(root);
  await files.save('/run/own/one', 'first');
  await files.save('/run/own/one', '2');
  t.equal(await files.saved('/run/own/one'), '2');
  t.strictSame(await files.names('/run/own'), ['one']);
  await files.remove('/run/own/one');
  t.strictSame(await files.names('/run/own'), []);
});

t.test(
  'what others could have put in the place of our own is neither followed nor believed',
  async (t) => {
    const root = t.testdir({ victim: 'theirs', folder: { one: 'forged' }, run: { next: '' } });
    const files = new MachineFiles(root);
    symlinkSync('../folder', join(root, 'run/link'));
    const isLink = { message: /\/run\/link is a symbolic link$/ };
    await t.rejects(files.save('/run/link/one', 'x'), isLink);
    await t.rejects(files.saved('/run/link/one'), isLink);
    await files.save('/run/own/one', 'mine');
    symlinkSync('../../victim', join(root, 'run/own/one.new'));
    await files.save('/run/own/one', 'again');
    t.equal(readFileSync(join(root, 'victim'), 'utf8'), 'theirs');
    t.equal(await files.saved('/run/own/one'), 'again');
    symlinkSync('../../victim', join(root, 'run/own/two'));
    await t.rejects(files.saved('/run/own/two'), { code: 'ELOOP' });
    chmodSync(join(root, 'run/own/one'), 0o666);
    await t.rejects(files.saved('/run/own/one'), { message: /one can be written by other users$/ });
    chmodSync(join(root, 'run/own'), 0o777);
    const isOpen = { message: /\/run\/own can be written by other users$/ };
    await t.rejects(files.save('/run/own/one', 'x'), isOpen);
    await t.rejects(files.saved('/run/own/one'), isOpen);
  },
);

const noOthers = process.geteuid?.() === 0 ? false : 'only root makes files of others';

t.test('a folder of another user is not ours', { skip: noOthers }, async (t) => {
  const root = t.testdir({ run: { own: { one: 'forged' } } });
  const files = new MachineFiles(root);
  chownSync(join(root, 'run/own/one'), 65534, 65534);
  await t.rejects(files.saved('/run/own/one'), { message: /one is of another user$/ });
  chownSync(join(root, 'run/own'), 65534, 65534);
  await t.rejects(files.save('/run/own/one', 'x'), { message: /\/run\/own is of another user$/ });
});

t.test('what cannot be seen is told apart from what is wrong here', async (t) => {
  t.ok(isRefusal('EACCES'));
  t.ok(isRefusal('EPERM'));
  t.notOk(isRefusal('EIO'));
  t.notOk(isRefusal(undefined));
  const throwing = (thrown: Error) => () => Promise.reject(thrown);
  t.equal(await unlessUnseen(1, throwing(new TargetError('forbidden', 'no'))), 1);
  t.equal(await unlessUnseen(1, throwing(new TargetError('platform_unsupported', 'no'))), 1);
  t.equal(await unlessUnseen(1, async () => 2), 2);
  await t.rejects(unlessUnseen(1, throwing(new TypeError('wrong'))), TypeError);
});
