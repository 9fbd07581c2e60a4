import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { until, within } from '../host/bounded.js';
import { patternOf } from '../host/pattern.js';
import { TcpHost } from '../host/tcp-host.js';
import { Daemon, configuration, loopback, makeFolder, subsystem, subsystemNqn } from './daemon.js';
import type { Teardown } from './daemon.js';
import { Perf, reportOf } from './perf-process.js';
import type { Outcome, Place, Report } from './perf-process.js';

const closedNqn = 'nqn.2026-11.com.example:closed';

const folder = makeFolder(t);
const daemon = await Daemon.start(
  t,
  configuration({
    bdevs: [
      { name: 'ram0', kind: 'malloc', size: '64MiB', block_size: 512 },
      { name: 'ram1', kind: 'malloc', size: '8MiB', block_size: 4096 },
      { name: 'ram2', kind: 'malloc', size: '1MiB', block_size: 512 },
      { name: 'ram3', kind: 'malloc', size: '1MiB', block_size: 512 },
      {
        name: 'file0',
        kind: 'uring',
        path: join(folder, 'disk0.img'),
        size: '16MiB',
        block_size: 512,
        create: true,
      },
    ],
    subsystems: [
      subsystem({
        listeners: [loopback, { ...loopback, address: '::1' }],
        namespaces: [
          { nsid: 1, bdev: 'ram0' },
          { nsid: 2, bdev: 'ram1' },
          { nsid: 3, bdev: 'ram2', read_only: true },
          { nsid: 4, bdev: 'file0' },
        ],
      }),
      subsystem({
        nqn: closedNqn,
        allow_any_host: false,
        hosts: ['nqn.2026-11.com.example:friend'],
        namespaces: [{ nsid: 1, bdev: 'ram3' }],
      }),
    ],
  }),
);
const target = daemon.target(subsystemNqn, '127.0.0.1');

async function run(t: Teardown, place: Partial<Place>, ...args: string[]): Promise<Outcome> {
  return new Perf(t, { at: target, ...place }, args).outcome();
}

async function report(
  t: Test,
  place: Partial<Place>,
  ...args: string[]
): Promise<Report & { readonly status: number | null }> {
  return reportOf(t, await run(t, place, '--json', ...args));
}

for (const rw of ['read', 'write', 'rw', 'randread', 'randwrite', 'randrw']) {
  t.test(`--rw ${rw} does what it says`, async (t) => {
    const found = await report(t, {}, '--rw', rw, '--qd', '8', '--count', '2000');
    t.match(found, { status: 0, failure: null, first_error: null, total: { errors: 0 } });
    t.equal(found.total.operations, 2000, 'exactly the count');
    t.equal(found.total.bytes, 2000 * 4096);
    t.equal(found.read.operations > 0, !rw.endsWith('write'));
    t.equal(found.write.operations > 0, rw.endsWith('write') || rw.endsWith('rw'));
    const { min = 0, p50 = 0, p99 = 0, max = 0 } = found.total.latency_us;
    t.ok(0 < min && min <= p50 && p50 <= p99 && p99 <= max, `${min} ${p50} ${p99} ${max}`);
  });
}

t.test('sizes come by their weights, on several queues of several workers', async (t) => {
  const sizes = ['--bs', '512:10,4KiB:80,256KiB:10'];
  const load = [...sizes, '--rw', 'rw', '--qpairs', '4', '--qd', '4', '--count', '3000'];
  const found = await report(t, {}, ...load, '--cores', '0,0');
  t.match(found, { status: 0, total: { operations: 3000, errors: 0 } });
  const mean = found.total.bytes / 3000;
  const expected = 0.1 * 512 + 0.8 * 4096 + 0.1 * 262_144;
  t.ok(mean > expected * 0.7 && mean < expected * 1.3, `${mean} is about ${expected}`);
});

t.test('a count or a rate that is less than the workers is kept all the same', async (t) => {
  const load = ['--qpairs', '2', '--cores', '0,0', '--time', '1s'];
  t.equal((await report(t, {}, ...load, '--count', '1')).total.operations, 1);
  const { total } = await report(t, {}, ...load, '--rate', '1');
  t.ok(total.operations <= 3, `${total.operations}`);
});

t.test('a count is exact behind a warm-up and across reconnecting', async (t) => {
  const load = ['--count', '10000', '--rate', '20000', '--warm-up', '100ms', '--time', '30s'];
  const found = await report(t, {}, ...load, '--reconnect', '100ms');
  t.match(found, { status: 0, total: { operations: 10_000, errors: 0 } });
  t.ok(found.reconnects > 0, `${found.reconnects} reconnects`);
});

t.test('digests of either kind, with data in all ways that they go', async (t) => {
  for (const digests of [['--header-digest'], ['--data-digest']]) {
    for (const bs of ['4KiB', '512KiB']) {
      const load = ['--rw', 'randrw', '--bs', bs, '--qd', '4', '--count', '200'];
      const found = await report(t, {}, ...load, '--verify', '--region', '16MiB', ...digests);
      t.match(found, { status: 0, total: { operations: 200, errors: 0 } });
    }
  }
  const both = ['--header-digest', '--data-digest', '--verify', '--region', '1MiB'];
  const found = await report(t, {}, '--rw', 'randrw', '--count', '2000', ...both);
  t.match(found, { status: 0, verify: { mismatches: 0 } });
});

t.test('IPv6', async (t) => {
  const at = daemon.target(subsystemNqn, '::1');
  const found = await report(t, { at }, '--count', '100');
  t.match(found, { status: 0, total: { operations: 100 } });
});

for (const [bdev, nsid] of [
  ['malloc', 1],
  ['uring', 4],
] as const) {
  t.test(`--verify finds nothing wrong with ${bdev}, with connections that end`, async (t) => {
    const load = ['--rw', 'randrw', '--bs', '512:1,4KiB:2,64KiB:1', '--qpairs', '2', '--qd', '8'];
    const verify = ['--verify', '--region', '4MiB', '--reconnect', '300ms', '--time', '2s'];
    const found = await report(t, { nsid }, ...load, ...verify);
    t.match(found, {
      status: 0,
      failure: null,
      total: { errors: 0 },
      verify: { mismatches: 0, first: null },
    });
    t.ok(found.reconnects > 0, `${found.reconnects} reconnects`);
    t.ok((found.verify?.blocks_checked ?? 0) > 0);
  });
}

t.test('--verify finds what somebody else has written, and says where', async (t) => {
  const load = ['--rw', 'randrw', '--bs', '512', '--qd', '4', '--rate', '2000', '--time', '3s'];
  const place = ['--region', '64KiB', '--offset', '1MiB'];
  const verifying = new Perf(t, { at: target }, ['--json', ...load, ...place, '--verify']);
  const host = await TcpHost.connect(target, subsystemNqn);
  t.teardown(() => host.disconnect());
  const first = 2048n;
  const before = await host.io.read(first, 128);
  await until('the run to have written', async () => {
    return !(await host.io.read(first, 128)).equals(before);
  });
  await host.io.write(first, patternOf({ slba: first, generation: 1 }, 128));
  const found = reportOf(t, await verifying.outcome());
  t.equal(found.status, 1);
  t.equal(found.total.errors, 0, 'the I/O itself went well');
  t.ok((found.verify?.mismatches ?? 0) > 0);
  const lba = Number(/ at LBA (\d+), byte \d+: expected /.exec(found.verify?.first ?? '')?.[1]);
  t.ok(lba >= 2048 && lba < 2048 + 128, found.verify?.first ?? '');
});

t.test('two verifying runs in one place find each other', async (t) => {
  const load = ['--rw', 'randrw', '--bs', '4KiB', '--rate', '1000', '--time', '2s'];
  const runs = [0, 1].map(() => run(t, { nsid: 2 }, ...load, '--verify', '--region', '256KiB'));
  for (const { status, out, error } of await Promise.all(runs)) {
    t.equal(status, 1);
    t.match(out, /^verified: \d+ blocks right, \d+ reads wrong, /m);
    t.match(
      error,
      /^wrong data: [a-zA-Z ]+ at LBA \d+, byte \d+: expected generation .*, found .*\n$/,
    );
  }
});

t.test('what cannot begin is one clear line, with status 1', async (t) => {
  const unused = createServer();
  unused.listen(0, '127.0.0.1');
  await once(unused, 'listening');
  const { port } = unused.address() as AddressInfo;
  await new Promise((resolve) => unused.close(resolve));
  const big = ['--bs', '64MiB', '--qd', '1'];
  const closed = daemon.target(closedNqn);
  const mistakes: readonly (readonly [Partial<Place>, readonly string[], RegExp])[] = [
    [{ nqn: 'nqn.2026-11.com.example:none' }, [], /Connect: Connect Invalid Parameters/],
    [{ at: closed, nqn: closedNqn }, [], /Connect: Connect Invalid Host/],
    [{ nsid: 77 }, [], /Identify Namespace: Invalid Namespace or Format|no namespace 77/],
    [{ at: { address: '127.0.0.1', port } }, [], /the admin queue ended: connection_refused/],
    [{}, big, /an I\/O of 67108864 bytes is more than the target takes at once: \d+/],
    [{ nsid: 2 }, ['--bs', '4608'], /4608 bytes is not a multiple of .* block of 4096/],
    [{ nsid: 2 }, ['--offset', '512'], /the offset is not a block of the namespace, .* of 4096/],
    [{}, ['--offset', '64MiB'], /the offset is not a block of the namespace, .* 67108864 bytes/],
    [{}, ['--region', '65MiB'], /the namespace ends before the region: it has 67108864 bytes/],
  ];
  for (const [place, args, message] of mistakes) {
    const { status, out, error } = await run(t, place, ...args, '--time', '1s');
    t.equal(status, 1, `${args.join(' ')}: ${error}`);
    t.equal(out, '');
    t.match(error, /^capsuled: error: [^\n]+\n$/);
    t.match(error, message);
  }
  const friend = ['--hostnqn', 'nqn.2026-11.com.example:friend'];
  const { status } = await run(t, { at: closed, nqn: closedNqn }, ...friend, '--count', '1');
  t.equal(status, 0, 'who is allowed may');
});

t.test('I/O that the controller refuses is counted, and the first status named', async (t) => {
  const load = ['--rw', 'randwrite', '--count', '10'];
  const { status, out, error } = await run(t, { nsid: 3 }, ...load);
  t.equal(status, 1);
  t.match(out, /^write .*, 10 errors$/m);
  t.equal(error, 'first error: Namespace is Write Protected\n');
});

t.test('--rate is kept', async (t) => {
  const found = await report(t, {}, '--rate', '500', '--time', '2s');
  t.equal(found.status, 0);
  const { operations } = found.total;
  t.ok(operations > 400 && operations < 1100, `${operations} of at most 1000 and a burst`);
});

t.test('SIGINT ends a run early, with its report', async (t) => {
  const perf = new Perf(t, { at: target }, ['--json', '--rate', '1000', '--time', '10m']);
  const before = await commands();
  await until('the run to do I/O', async () => (await commands()) > before + 100);
  perf.interrupt();
  const found = reportOf(t, await perf.outcome());
  t.match(found, { status: 0, failure: null, total: { errors: 0 } });
  t.ok(found.total.operations > 0);
  t.ok(found.seconds < 60);
});

t.test('SIGINT ends a run that does not come up', async (t) => {
  const silent = createServer();
  silent.listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const { port } = silent.address() as AddressInfo;
  t.teardown(() => {
    silent.close();
  });
  const perf = new Perf(t, { at: { address: '127.0.0.1', port } }, ['--json']);
  const [socket] = (await within(once(silent, 'connection'), 'a connection')) as [Socket];
  socket.on('error', () => undefined).resume();
  perf.interrupt();
  const found = reportOf(t, await perf.outcome());
  t.match(found, { status: 1, failure: 'stopped before the target was ready' });
  socket.destroy();
});

t.test('the death of the target ends a run, with a reason', async (t) => {
  const mortal = await Daemon.start(t);
  const load = ['--json', '--rw', 'randrw', '--qpairs', '2', '--time', '10m'];
  const perf = new Perf(t, { at: mortal.target() }, load);
  await until('the run to do I/O', async () => (await commands(mortal)) > 1000);
  await mortal.kill();
  const found = reportOf(t, await perf.outcome());
  t.equal(found.status, 1);
  t.match(found.failure, /^(the admin queue|an I\/O queue) ended: (closed_by|connection_lost)/);
  t.ok(found.total.operations > 0, 'what was measured is there');
});

/** How many commands a daemon has answered. */
async function commands(of = daemon): Promise<number> {
  return (await of.metrics()).sum('capsuled_io_operations_total');
}
