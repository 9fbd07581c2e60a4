import t from 'tap';

import { ContentFiles } from '../../../src/identity/content-files.js';
import { FakeClock } from '../subsystem/fake-host.js';
import { FakeEngine } from '../subsystem/fake-engine.js';

const path = '/srv/disk0.img';
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

t.test('what answers in time is answered, and leaves no timer', async (t) => {
  const engine = new FakeEngine();
  const clock = new FakeClock();
  const files = new ContentFiles(engine, clock, 1000);
  const facts = engine.disk.put(path);
  t.equal(await files.inspect(path), facts);
  t.equal(await files.inspect('/srv/none.img'), null);
  await files.recordIdentity(path, facts, 'x');
  t.equal(engine.disk.get(path)?.identity, 'x');
  await t.rejects(files.recordIdentity(path, { ...facts, inode: 1n }, 'x'), { code: 'ESTALE' });
  t.equal(clock.pending, 0);
});

t.test('a path that hangs is left alone until its call has ended; others are not', async (t) => {
  const engine = new FakeEngine();
  const clock = new FakeClock();
  const files = new ContentFiles(engine, clock, 1000);
  const facts = engine.disk.put(path);
  let answer = (): void => undefined;
  const hung = new Promise<void>((resolve) => (answer = resolve));
  let calls = 0;
  engine.onCall = (call) => {
    if (!call.endsWith(path)) return Promise.resolve();
    calls += 1;
    return hung;
  };
  const first = t.rejects(files.inspect(path), {
    code: 'bdev_failed',
    field: 'path',
    message: `${path} cannot be looked at: it did not answer for 1 s`,
  });
  clock.advance(1000);
  await first;
  await t.rejects(files.recordIdentity(path, facts, 'x'), {
    message: `${path} cannot be given its identity: an earlier call has not ended`,
  });
  t.equal(await files.inspect('/srv/other.img'), null);
  t.equal(calls, 1);
  answer();
  await turn();
  t.equal(await files.inspect(path), facts);
  t.equal(clock.pending, 0);
});
