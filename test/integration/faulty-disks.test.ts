/** `delay` and `error`, as their manuals have them, and what a host and an operator see of them. */

import t from 'tap';
import { statusName } from '../../src/wire/status.js';
import { until, within } from '../host/bounded.js';
import { makeIo } from '../host/io-queue.js';
import { IoOpcode } from '../../src/wire/layout.gen.js';
import { TcpHost } from '../host/tcp-host.js';
import {
  Daemon,
  adminWithToken,
  configuration,
  makeFolder,
  subsystem,
  subsystemNqn,
  withToken,
} from './daemon.js';
import type { Configuration, Teardown } from './daemon.js';
import { manualExamples } from './manual-example.js';
import type { ExampleBdev } from './manual-example.js';

/** NSID 1 is the topmost of the example, NSID 2 a disk beside it. */
function withExample(bdevs: readonly ExampleBdev[]): Configuration {
  return configuration({
    engine: { reactors: 1, memory: '64MiB' },
    admin: adminWithToken,
    bdevs: [...bdevs, { name: 'beside', kind: 'malloc', size: '16MiB' }],
    subsystems: [
      subsystem({
        namespaces: [
          { nsid: 1, bdev: bdevs.at(-1)?.name ?? '' },
          { nsid: 2, bdev: 'beside' },
        ],
      }),
    ],
  });
}

function example(kind: string, index: number): readonly ExampleBdev[] {
  const bdevs = manualExamples(kind)[index];
  if (bdevs === undefined) throw new Error(`the manual of ${kind} has no example ${index}`);
  return bdevs;
}

async function serving(t: Teardown, bdevs: readonly ExampleBdev[]) {
  const daemon = await Daemon.startIn(t, makeFolder(t), withExample(bdevs));
  const host = await TcpHost.connect(daemon.target(), subsystemNqn);
  return { daemon, host, io: host.io };
}

const block = (value: number, count = 1): Buffer => Buffer.alloc(count * 512, value);

t.test(
  'the example of delay: a disk that is slow, and as it was again without its times',
  async (t) => {
    const bdevs = example('delay', 0);
    const { daemon, host, io } = await serving(t, bdevs);
    const timed = async (work: () => Promise<unknown>): Promise<number> => {
      const begin = performance.now();
      await work();
      return performance.now() - begin;
    };
    t.ok((await timed(() => io.write(0n, block(7)))) >= 1.5, 'a write takes its time');
    t.ok((await timed(() => io.read(0n, 1))) >= 1, 'so does a read');
    t.same(await io.read(0n, 1), block(7));
    const { name, kind } = bdevs[1]!;
    const slow = { name, kind, base: bdevs[0]!.name, read: '200ms' };
    t.match(await daemon.reload(withExample([bdevs[0]!, slow])), { msg: 'reloaded' });
    t.ok((await timed(() => io.read(0n, 1))) >= 200, 'what is changed counts at once');
    t.match(await daemon.reload(withExample([bdevs[0]!, { ...slow, read: { jitter: '1ms' } }])), {
      msg: /stays in force|not applied/,
    });
    t.ok((await timed(() => io.read(0n, 1))) >= 200, 'a wrong time changes nothing');
    host.kill();
    t.equal((await daemon.stop()).status, 0);
  },
);

t.test('the first example of error: an unreadable sector', async (t) => {
  const { daemon, host, io } = await serving(t, example('error', 0));
  await io.write(99n, block(7, 3));
  t.equal(
    statusName((await io.tryRead({ slba: 99n, blocks: 2 })).status),
    'Unrecovered Read Error',
  );
  t.same(await io.read(99n, 1), block(7));
  t.same(await io.read(101n, 1), block(7));
  let failed = 0;
  for (let round = 0; round < 2_000 && failed === 0; round += 1) {
    const { status } = await io.submit({ sqe: makeIo(IoOpcode.flush) });
    if (status === 0) continue;
    t.equal(statusName(status), 'Write Fault');
    failed += 1;
  }
  t.equal(failed, 1, 'a flush fails now and then');
  host.kill();
  t.equal((await daemon.stop()).status, 0);
});

t.test(
  'the second example of error: a disk that hangs is named, harms no other, and goes on',
  async (t) => {
    const bdevs = example('error', 1);
    const { daemon, host, io } = await serving(t, bdevs);
    const write = io.tryWrite(5n, block(7));
    await io.write(5n, block(9), { nsid: 2 });
    const unready = await until('/readyz to name it', async () => {
      const response = await daemon.get('/readyz', withToken);
      return response.status === 503 && (await response.text());
    });
    t.match(unready, /bad0/);
    await daemon.process.line(
      'a line about it',
      ({ msg, bdev }) => bdev === 'bad0' && /hangs/.test(msg),
    );
    t.same(await io.read(5n, 1, { nsid: 2 }), block(9));
    const sound = bdevs.map((bdev) => ({ ...bdev, ...(bdev.kind === 'error' && { faults: [] }) }));
    t.match(await daemon.reload(withExample(sound)), { msg: 'reloaded' });
    t.equal((await within(write, 'the write to go on')).status, 0);
    t.same(await io.read(5n, 1), block(7));
    await until('/readyz to be well', async () => (await daemon.get('/readyz')).status === 200);
    host.kill();
    t.equal((await daemon.stop()).status, 0);
  },
);

t.test('the third example of error: wrong bytes once, and torn writes', async (t) => {
  const { daemon, host, io } = await serving(t, example('error', 2));
  await io.write(0n, block(7, 4));
  const first = await io.read(0n, 2);
  t.equal(first.filter((byte) => byte !== 7).length, 1, 'one byte is wrong');
  t.same(
    await io.read(0n, 4),
    Buffer.concat([block(7, 2), block(0, 2)]),
    'the first half is there',
  );
  await io.write(0n, block(8, 4));
  await io.write(0n, block(9, 4));
  await io.write(0n, block(1, 4));
  t.same(await io.read(0n, 4), block(1, 4), 'the fourth write is whole');
  host.kill();
  t.equal((await daemon.stop()).status, 0);
});

t.test('a disk that hangs can be removed, and does not hold up the end', async (t) => {
  const bdevs = example('error', 1);
  const { daemon, host, io } = await serving(t, bdevs);
  const read = io.tryRead({ slba: 0n, blocks: 1 });
  const only = withExample(bdevs);
  const less: Configuration = {
    ...only,
    bdevs: [{ name: 'beside', kind: 'malloc', size: '16MiB' }],
    subsystems: [subsystem({ namespaces: [{ nsid: 2, bdev: 'beside' }] })],
  };
  t.match(await daemon.apply(less), { msg: 'reloaded' });
  t.equal(statusName((await within(read, 'the read to end')).status), 'Command Abort Requested');
  await io.write(5n, block(9), { nsid: 2 });
  t.match(await daemon.apply(only), { msg: 'reloaded' });
  const hangs = io.tryRead({ slba: 0n, blocks: 1 }).catch(() => undefined);
  await io.read(5n, 1, { nsid: 2 });
  t.equal((await daemon.stop()).status, 0);
  await within(hangs, 'the connection to end');
  host.kill();
});
