import t from 'tap';

import type { BdevParameters } from '../../../src/engine/engine-types.js';
import { TargetError } from '../../../src/errors.js';
import { PermissionError, permissions } from '../../../src/subsystem/change.js';
import type { Permission } from '../../../src/subsystem/change.js';
import type { TargetConfiguration } from '../../../src/subsystem/configuration.js';
import { RetryTimer } from '../../../src/subsystem/retry-timer.js';
import { limitsDefault } from '../../../src/subsystem/target-options.js';
import { AdminOpcode, Cns, NamespaceList } from '../../../src/wire/layout.gen.js';
import { contentFacts } from '../bdev/fake-files.js';
import { Bed, FakeHost, configuration, dataOf, diskNqn, hostNqn, subsystem } from './fake-host.js';

const otherNqn = 'nqn.2026-11.com.example:disk1';
const namespaceChanged = 0x040002;

async function failure(work: Promise<unknown>): Promise<TargetError> {
  const thrown: unknown = await work.then(
    () => new Error('it did not fail'),
    (error: unknown) => error,
  );
  if (thrown instanceof TargetError) return thrown;
  throw thrown;
}

function calls(bed: Bed): string[] {
  return bed.engine.calls.splice(0);
}

/** A promise, and what resolves it. */
function gate(): { readonly promise: Promise<void>; readonly open: () => void } {
  let open = (): void => undefined;
  const promise = new Promise<void>((resolve) => (open = resolve));
  return {
    promise,
    open: () => {
      open();
    },
  };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function activeNsids(host: FakeHost): Promise<number[]> {
  const page = await host.admin(AdminOpcode.identify, { cdw10: Cns.activeNamespaceList });
  const list = new NamespaceList(dataOf(page));
  return Array.from({ length: 8 }, (_none, index) => list.nsid(index)).filter((nsid) => nsid > 0);
}

const ram0 = { nsid: 1, bdev: 'ram0', readOnly: false };
const ram1 = { nsid: 2, bdev: 'ram1', readOnly: false };
const file = (fields: Partial<BdevParameters> = {}): BdevParameters => ({
  name: 'file0',
  kind: 'uring',
  path: '/capsuled-test/disk0.img',
  block_size: 512,
  create: false,
  read_only: false,
  ...fields,
});
const withFile = (
  fields: Partial<BdevParameters> = {},
  changes: Partial<TargetConfiguration> = {},
): TargetConfiguration =>
  configuration({
    bdevs: [file(fields)],
    subsystems: [subsystem({ namespaces: [{ nsid: 1, bdev: 'file0', readOnly: false }] })],
    ...changes,
  });

const meanings: readonly { name: string; desired: TargetConfiguration }[] = [
  {
    name: 'the size that was found, written down',
    desired: withFile({ size: 1n << 20n }),
  },
  {
    name: 'a file that need not be created any more',
    desired: withFile({ create: true, size: 1n << 20n }),
  },
  {
    name: 'an address in another spelling',
    desired: withFile({}, { discoveryListeners: [{ address: '0:0:0:0:0:0:0:1', port: 8009 }] }),
  },
];
for (const { name, desired } of meanings) {
  t.test(`${name} changes nothing that is open`, async (t) => {
    const bed = await Bed.with(
      withFile({}, { discoveryListeners: [{ address: '::1', port: 8009 }] }),
    );
    await FakeHost.ready(bed);
    calls(bed);
    const discoveryListeners = desired.discoveryListeners.map(({ address, port }) => ({
      address: address === '127.0.0.1' ? '::1' : address,
      port,
    }));
    await bed.target.apply({ ...desired, discoveryListeners });
    t.same(calls(bed), []);
  });
}

t.test('an identifier that is written as it was derived is no other', async (t) => {
  const bed = await Bed.with();
  const host = await FakeHost.ready(bed);
  const [view] = bed.target.subsystems[0]?.namespaces ?? [];
  const { uuid, nguid } = view ?? {};
  calls(bed);
  const namespaces = [{ ...ram0, uuid: uuid!.toUpperCase(), nguid: nguid! }];
  const report = await bed.target.apply(configuration({ subsystems: [subsystem({ namespaces })] }));
  t.same(report.changes, []);
  t.same(calls(bed), []);
  t.same(await activeNsids(host), [1]);
  t.same(bed.target.configuration.subsystems[0]?.namespaces, namespaces, 'as it is written now');
});

t.test('a namespace becomes read-only without being away, and hosts are told', async (t) => {
  const bed = await Bed.with();
  const host = await FakeHost.ready(bed);
  calls(bed);
  const applied = gate();
  bed.engine.published = applied.promise;
  const readOnly = [{ ...ram0, readOnly: true }];
  const done = bed.target.apply(
    configuration({ subsystems: [subsystem({ namespaces: readOnly })] }),
  );
  await turn();
  t.same(calls(bed), ['publish 1'], 'one step in the engine');
  t.same(await activeNsids(host), [1], 'it is there while the engine swaps it');
  applied.open();
  const { changes } = await done;
  t.match(changes, [{ kind: 'namespace_update', notice: '1 controller is told of it', needs: [] }]);
  t.same(bed.engine.events, [{ controller: host.controller, dw0: namespaceChanged }]);
  t.equal(bed.target.subsystems[0]?.namespaces[0]?.readOnly, true);
});

const cuts: readonly { name: string; desired: TargetConfiguration; needs: Permission[] }[] = [
  {
    name: 'a subsystem goes',
    desired: configuration({ subsystems: [] }),
    needs: ['disconnect'],
  },
  {
    name: 'a namespace goes',
    desired: configuration({ subsystems: [subsystem({ namespaces: [] })] }),
    needs: ['disconnect'],
  },
  {
    name: 'a namespace gets another bdev',
    desired: configuration({
      subsystems: [subsystem({ namespaces: [{ ...ram0, bdev: 'ram1' }] })],
    }),
    needs: ['disconnect'],
  },
  {
    name: 'a namespace gets another identifier',
    desired: configuration({
      subsystems: [
        subsystem({ namespaces: [{ ...ram0, uuid: '11111111-2222-4333-8444-555555555555' }] }),
      ],
    }),
    needs: ['disconnect'],
  },
  {
    name: 'a subsystem gets another serial number',
    desired: configuration({ subsystems: [subsystem({ serial: 'OTHER' })] }),
    needs: ['disconnect'],
  },
  {
    name: 'the file is cut at a line end',
    desired: { discoveryListeners: [], bdevs: configuration().bdevs, subsystems: [] },
    needs: ['disconnect'],
  },
  {
    name: 'a RAM disk gets another size',
    desired: configuration({
      bdevs: [
        { name: 'ram0', kind: 'malloc', size: 2n << 20n, block_size: 512 },
        ...configuration().bdevs.slice(1),
      ],
    }),
    needs: ['data-loss', 'disconnect'],
  },
  {
    name: 'everything goes',
    desired: { discoveryListeners: [], bdevs: [], subsystems: [] },
    needs: ['data-loss', 'disconnect'],
  },
];
for (const { name, desired, needs } of cuts) {
  t.test(`when ${name} under a host, it needs permission`, async (t) => {
    const bed = await Bed.with();
    const host = await FakeHost.ready(bed);
    calls(bed);
    for (const left of needs) {
      const allow = needs.filter((need) => need !== left);
      const error = await failure(bed.target.apply(desired, { allow }));
      t.ok(error instanceof PermissionError);
      t.match(error, { code: 'permission_needed', missing: [left] });
      t.match(error.message, /^nothing has changed/);
    }
    t.same(calls(bed), [], 'nothing was touched');
    t.same(bed.target.configuration, configuration());
    t.same(await activeNsids(host), [1]);
    await bed.target.apply(desired, { allow: needs });
    t.same(bed.target.configuration, desired);
  });
}

t.test('nobody is asked about what nobody uses', async (t) => {
  const bdevs = [file()];
  const bed = await Bed.with(withFile());
  await bed.target.apply(configuration({ bdevs: [], subsystems: [] }));
  t.same(bed.target.bdevs, []);
  await bed.target.apply(withFile({}, { bdevs }));
});

t.test('a RAM disk that was never written may go, one that was may not', async (t) => {
  const bed = await Bed.with();
  Object.assign(bed.engine.facts.statNames, {
    bdevOperations: ['read', 'write', 'flush'],
    bdevOperationWords: ['operations', 'bytes', 'errors', 'latency_ns'],
  });
  t.teardown(() => {
    Object.assign(bed.engine.facts.statNames, { bdevOperations: [], bdevOperationWords: [] });
  });
  const words = BigUint64Array.from([5n, 1n, 0n, 1n, 0n, 0n, 0n, 0n, 3n, 0n, 0n, 0n]);
  bed.engine.bdevWords.set('ram1', words);
  const less = configuration({ bdevs: configuration().bdevs.slice(0, 1) });
  t.match(bed.target.plan(less).changes, [{ kind: 'bdev_delete', notice: null, needs: [] }]);
  words[6] = 1n;
  t.match(bed.target.plan(less).changes, [{ needs: ['data-loss'] }], 'a write that failed');
  words[6] = 0n;
  words[4] = 1n;
  t.equal((await failure(bed.target.apply(less))).code, 'permission_needed');
});

t.test('a RAM disk that is disposable may be emptied', async (t) => {
  const bdevs = configuration().bdevs.map((bdev) => ({ ...bdev, disposable: true }));
  const bed = await Bed.with();
  await bed.target.apply(configuration({ bdevs }));
  t.same(
    calls(bed).filter((call) => call.startsWith('bdevDelete')),
    [],
  );
  await bed.target.apply(configuration({ bdevs: bdevs.slice(0, 1) }));
  t.same(calls(bed), ['bdevDelete ram1']);
});

t.test('limits of a bdev come, change and go beside its hosts, who notice nothing', async (t) => {
  const bed = await Bed.with();
  const [ram0Bdev, ...others] = configuration().bdevs;
  const limited = (qos?: BdevParameters['qos']): TargetConfiguration =>
    configuration({ bdevs: [{ ...ram0Bdev!, ...(qos === undefined ? {} : { qos }) }, ...others] });
  calls(bed);
  for (const qos of [{ iops: 100, burst: 1 }, { bandwidth: 1n << 20n, burst: 1 }, undefined]) {
    const changes = [{ kind: 'bdev_update', notice: null, needs: [] }];
    t.match(bed.target.plan(limited(qos)).changes, changes);
    await bed.target.apply(limited(qos));
    t.same(calls(bed), ['bdevChange ram0']);
    t.same(bed.engine.changes.get('ram0')?.['qos'], qos);
    t.same(bed.target.plan(limited(qos)).changes, []);
  }
});

t.test('a host that comes while a change is prepared is not cut off by it', async (t) => {
  const bed = await Bed.with();
  const slow = gate();
  bed.engine.onCall = (call) => (call === 'bdevCreate ram2' ? slow.promise : Promise.resolve());
  const bdevs = [...configuration().bdevs, { name: 'ram2', kind: 'malloc', size: 1n << 20n }];
  const work = failure(bed.target.apply(configuration({ bdevs, subsystems: [] })));
  await turn();
  const host = await FakeHost.ready(bed);
  slow.open();
  t.match(await work, { code: 'permission_needed', missing: ['disconnect'] });
  t.same(await activeNsids(host), [1]);
  t.same([...bed.engine.bdevNames], ['ram0', 'ram1'], 'what was prepared is gone');
});

t.test('a host is shut out without permission, though a disk hangs', async (t) => {
  const listed = subsystem({ allowAnyHost: false, hosts: [hostNqn], namespaces: [ram0, ram1] });
  const bed = await Bed.with(configuration({ subsystems: [listed] }));
  await FakeHost.ready(bed);
  bed.engine.hung = gate().promise;
  const work = bed.target.apply(
    configuration({
      bdevs: configuration().bdevs.slice(0, 1),
      subsystems: [{ ...listed, hosts: [], namespaces: [ram0] }],
    }),
    { allow: permissions },
  );
  await turn();
  await turn();
  t.same(bed.target.controllers, [], 'at once');
  t.match(bed.engine.terminations, [{ reason: 'host_removed' }]);
  bed.clock.advance(limitsDefault.drainDeadlineMs);
  t.ok((await work).warnings.some((warning) => /shuts out 1 controller$/.test(warning)));
  t.match(bed.target.drains, [{ what: 'bdev ram1', state: 'overdue' }]);
});

t.test('a reload that removes a hung disk ends, and later ones work', async (t) => {
  const bed = await Bed.with(
    configuration({ subsystems: [subsystem({ namespaces: [ram0, ram1] })] }),
  );
  const hung = gate();
  bed.engine.hung = hung.promise;
  const [first] = configuration().bdevs;
  const work = bed.target.apply(configuration({ bdevs: [first!] }), { allow: permissions });
  await turn();
  await turn();
  t.match(bed.target.drains, [{ what: 'bdev ram1', bdev: { name: 'ram1' }, state: 'draining' }]);
  bed.clock.advance(limitsDefault.drainDeadlineMs);
  await work;
  t.match(bed.target.drains, [{ what: 'bdev ram1', state: 'overdue' }]);
  t.match(bed.warnings.at(-1)?.message, /^bdev ram1 does not drain/);
  t.notOk(calls(bed).includes('bdevDelete ram1'));

  bed.engine.hung = null;
  await bed.target.apply(configuration());
  t.same(
    bed.target.bdevs.map(({ name, engineName }) => [name, engineName]),
    [
      ['ram0', 'ram0'],
      ['ram1', 'ram1#2'],
    ],
    'the name can be used again',
  );
  hung.open();
  await turn();
  await turn();
  t.same(bed.target.drains, []);
  t.ok(calls(bed).includes('bdevDelete ram1'));
  t.equal(bed.target.bdevs.length, 2);
});

t.test('a file that a hung bdev holds is refused with the reason', async (t) => {
  const bed = await Bed.with(withFile());
  const hung = gate();
  bed.engine.hung = hung.promise;
  const work = bed.target.apply(
    configuration({ bdevs: [], subsystems: [subsystem({ namespaces: [] })] }),
  );
  await turn();
  await turn();
  bed.clock.advance(limitsDefault.drainDeadlineMs);
  await work;
  const error = await failure(bed.target.apply(withFile()));
  t.match(error, { code: 'in_use', field: 'bdevs[0].path' });
  t.match(error.message, /is still held by bdev file0, which drains since/);
  hung.open();
  await turn();
  await turn();
  bed.engine.hung = null;
  await bed.target.apply(withFile());
  t.match(bed.target.bdevs, [{ name: 'file0' }]);
});

t.test('a second change need not wait for what the first one drains', async (t) => {
  const bed = await Bed.with(
    configuration({ subsystems: [subsystem({ namespaces: [ram0, ram1] })] }),
  );
  bed.engine.hung = gate().promise;
  void bed.target.namespaceRemove(diskNqn, 2, { allow: permissions });
  await turn();
  bed.engine.hung = null;
  await bed.target.hostAdd(diskNqn, hostNqn);
  t.same(bed.target.subsystems[0]?.hosts, [hostNqn]);
});

t.test('what must be closed to be opened again is exchanged at the end', async (t) => {
  const bed = await Bed.with(withFile());
  const host = await FakeHost.ready(bed);
  calls(bed);
  const bdevs = [file({ read_only: true }), { name: 'ram2', kind: 'malloc', size: 1n << 20n }];
  await bed.target.apply(withFile({}, { bdevs }), { allow: ['disconnect'] });
  t.same(calls(bed), [
    'bdevCreate ram2',
    'bdevTry file0#2',
    'bdevDelete file0#2',
    'publish ',
    'bdevDelete file0',
    'bdevCreate file0',
    'publish 1',
  ]);
  t.same(await activeNsids(host), [1]);
  t.equal(bed.target.subsystems[0]?.namespaces[0]?.readOnly, true);
});

t.test('what could not be opened again is back as it was', async (t) => {
  const bed = await Bed.with(withFile());
  const host = await FakeHost.ready(bed);
  let tries = 0;
  bed.engine.onCall = async (call) => {
    if (call !== 'bdevCreate file0') return;
    tries += 1;
    if (tries === 1) throw new TargetError('bdev_failed', 'no');
  };
  const desired = withFile({ read_only: true });
  const error = await failure(bed.target.apply(desired, { allow: permissions }));
  t.match(error, { code: 'apply_failed', field: 'bdevs[0]' });
  t.match(error.message, /could not open bdev file0: no; the old configuration is back$/);
  t.same(await activeNsids(host), [1]);
  t.same(bed.target.configuration, withFile());
  t.equal(bed.engine.events.length, 1, 'the host was told');
});

t.test('what does not come back is unavailable, and comes when it can', async (t) => {
  const bed = await Bed.with(withFile());
  const host = await FakeHost.ready(bed);
  bed.engine.failing.add('bdevCreate file0');
  const desired = withFile({ read_only: true });
  const error = await failure(bed.target.apply(desired, { allow: permissions }));
  t.match(error, { code: 'rollback_failed', field: 'bdevs[0]' });
  t.match(error.message, /tried again until they are back: bdev file0$/);
  t.match(bed.target.unavailable.bdevs, [{ parameters: { name: 'file0' } }]);
  t.same(await activeNsids(host), []);
  bed.engine.failing.clear();
  bed.clock.advance(RetryTimer.firstMs);
  await turn();
  await turn();
  t.same(bed.target.unavailable.bdevs, []);
  t.same(await activeNsids(host), [1]);
  t.same(bed.target.configuration, withFile());
});

t.test(
  'a bdev that does not drain to be opened again stays, and the change is refused',
  async (t) => {
    const bed = await Bed.with(withFile());
    const host = await FakeHost.ready(bed);
    bed.engine.hung = gate().promise;
    const desired = withFile({ read_only: true });
    const work = failure(bed.target.apply(desired, { allow: permissions }));
    await turn();
    await turn();
    bed.clock.advance(limitsDefault.drainDeadlineMs);
    const error = await work;
    t.match(error, { code: 'apply_failed' });
    t.match(
      error.message,
      /I\/O under way on file0 did not end in time; the old configuration is back/,
    );
    t.same(await activeNsids(host), [1]);
    t.notOk(calls(bed).includes('bdevDelete file0'));
  },
);

t.test('a port that goes from all addresses to one is exchanged', async (t) => {
  const all = subsystem({ listeners: [{ address: '0.0.0.0', port: 4420 }] });
  const bed = await Bed.with(configuration({ subsystems: [all] }));
  calls(bed);
  await bed.target.apply(configuration());
  t.same(calls(bed), ['listenerRemove 4420', 'listenerAdd 127.0.0.1 4420', 'listenerStart 4420']);
  bed.engine.failing.add('listenerAdd 0.0.0.0 4420');
  const error = await failure(bed.target.apply(configuration({ subsystems: [all] })));
  t.match(error, { code: 'apply_failed', field: 'subsystems[0].listeners[0]' });
  t.match(bed.target.listeners[1], { actual: { address: '127.0.0.1', port: 4420 } });
});

t.test('at the start one missing disk or address does not keep the rest', async (t) => {
  const bed = new Bed();
  const missing = configuration({
    bdevs: [...configuration().bdevs, file()],
    subsystems: [
      subsystem({ namespaces: [ram0, { nsid: 7, bdev: 'file0', readOnly: false }] }),
      subsystem({
        nqn: otherNqn,
        namespaces: [ram1],
        listeners: [{ address: '192.0.2.1', port: 4420 }],
      }),
    ],
  });
  bed.engine.failing.add('bdevCreate file0').add('listenerAdd 192.0.2.1 4420');
  const { changes } = await bed.target.apply(missing, { missing: 'wait' });
  const texts = changes.map(({ text }) => text);
  t.match(texts, ['create bdev ram0 (malloc)', 'create bdev ram1 (malloc)']);
  t.notOk(
    texts.some((text) => /file0|192\.0\.2\.1/.test(text)),
    'what is missing was not made',
  );
  const host = await FakeHost.ready(bed);
  t.same(await activeNsids(host), [1]);
  t.same(bed.target.configuration, missing);
  t.match(bed.target.unavailable, {
    bdevs: [{ parameters: { name: 'file0' }, reason: /bdevs\[2\]: could not open bdev file0/ }],
    endpoints: [{ endpoint: { address: '192.0.2.1' }, reason: /could not listen on 192/ }],
  });
  t.equal(bed.warnings.filter(({ message }) => message.includes('unavailable')).length, 1);

  bed.clock.advance(RetryTimer.firstMs);
  await turn();
  await turn();
  t.equal(bed.warnings.length, 2, 'the same reason is said once');
  bed.engine.failing.delete('bdevCreate file0');
  bed.clock.advance(2 * RetryTimer.firstMs);
  await turn();
  await turn();
  t.same(await activeNsids(host), [1, 7]);
  t.same(bed.engine.events, [{ controller: host.controller, dw0: namespaceChanged }]);
  t.match(bed.target.unavailable, { bdevs: [], endpoints: [{}] });
  bed.engine.failing.clear();
  bed.clock.advance(2 * RetryTimer.firstMs);
  await turn();
  await turn();
  t.match(bed.target.unavailable, { bdevs: [], endpoints: [] });
  const calls = bed.engine.calls.length;
  bed.clock.advance(RetryTimer.lastMs);
  await turn();
  t.same(bed.engine.calls.slice(calls), [], 'nothing is tried any more');
});

t.test('when nothing at all can be served, the start fails with the first reason', async (t) => {
  const bed = new Bed();
  bed.engine.failing.add('listenerAdd 127.0.0.1 4420');
  const error = await failure(bed.target.apply(configuration(), { missing: 'wait' }));
  t.match(error, { code: 'apply_failed', field: 'subsystems[0].listeners[0]' });
  t.equal(bed.engine.openListeners.size, 0);
  t.equal(bed.engine.bdevNames.size, 0);
});

t.test(
  'a change that names a missing disk is refused, one that leaves it missing is not',
  async (t) => {
    const both = [ram0, { nsid: 7, bdev: 'file0', readOnly: false }];
    const withBoth = configuration({
      bdevs: [...configuration().bdevs, file()],
      subsystems: [subsystem({ namespaces: both })],
    });
    const bed = await Bed.with();
    bed.engine.failing.add('bdevCreate file0');
    t.match(await failure(bed.target.apply(withBoth)), { code: 'apply_failed', field: 'bdevs[2]' });
    t.same(bed.target.configuration, configuration());

    const other = new Bed();
    other.engine.failing.add('bdevCreate file0');
    await other.target.apply(withBoth, { missing: 'wait' });
    const more = { ...withBoth, discoveryListeners: [] };
    await other.target.apply(more);
    t.same(other.target.configuration, more);
    t.match(other.target.unavailable, { bdevs: [{ parameters: { name: 'file0' } }] });
  },
);

t.test(
  'a disk that never answers when it is opened is given up, and not tried in parallel',
  async (t) => {
    const bed = await Bed.with();
    const slow = gate();
    bed.engine.onCall = (call) =>
      call.startsWith('bdevCreate') ? slow.promise : Promise.resolve();
    const desired = configuration({ bdevs: [...configuration().bdevs, file()] });
    const first = failure(bed.target.apply(desired));
    await turn();
    bed.clock.advance(limitsDefault.openDeadlineMs);
    t.match((await first).message, /its disk did not answer for 10 s; nothing has changed/);
    t.match(
      (await failure(bed.target.apply(desired))).message,
      /an earlier try to open file0 hangs/,
    );
    slow.open();
    await turn();
    await turn();
    t.ok(calls(bed).includes('bdevDelete file0'), 'what came too late is closed');
    await bed.target.apply(desired);
    t.equal(bed.target.bdevs.length, 3);
  },
);

t.test('a file that was made for a bdev that fails then is named', async (t) => {
  const bed = await Bed.with();
  const path = '/new.img';
  const desired = configuration({
    bdevs: [...configuration().bdevs, file({ path, create: true, size: 1n << 20n })],
  });
  bed.engine.bdevFields = { content: contentFacts({ identityError: 'EIO' }) };
  const { message } = await failure(bed.target.apply(desired));
  t.match(message, /EIO.*; nothing has changed; the new file \/new.img stays$/);
  t.not(bed.engine.disk.get(path), null);
  t.notMatch((await failure(bed.target.apply(desired))).message, /stays/, 'it was there');

  const late = await Bed.with();
  const slow = gate();
  late.engine.onCall = (call) => (call === 'bdevCreate file0' ? slow.promise : Promise.resolve());
  const failed = failure(late.target.apply(desired));
  await turn();
  late.clock.advance(limitsDefault.openDeadlineMs);
  await failed;
  slow.open();
  await turn();
  await turn();
  t.match(late.warnings.at(-1)?.message, /the new file \/new.img came too late/);
});

t.test('a disk that hangs when it is brought back holds up nothing else', async (t) => {
  const bed = await Bed.with(withFile());
  const slow = gate();
  let tries = 0;
  bed.engine.onCall = async (call) => {
    if (call !== 'bdevCreate file0') return;
    tries += 1;
    if (tries === 1) throw new TargetError('bdev_failed', 'no');
    await slow.promise;
  };
  const work = failure(bed.target.apply(withFile({ read_only: true }), { allow: permissions }));
  for (let round = 0; round < 4; round++) await turn();
  bed.clock.advance(limitsDefault.openDeadlineMs);
  t.match(await work, { code: 'rollback_failed' });
  await bed.target.hostAdd(diskNqn, hostNqn);
  slow.open();
  for (let round = 0; round < 4; round++) await turn();
  bed.clock.advance(RetryTimer.lastMs);
  for (let round = 0; round < 4; round++) await turn();
  t.same(bed.target.unavailable.bdevs, []);
  t.match(bed.target.bdevs, [{ name: 'file0', engineName: 'file0' }]);
  t.match(bed.target.subsystems, [{ namespaces: [{ nsid: 1 }] }]);
});

t.test('a host that was shut out and whose end a disk holds up is no longer in use', async (t) => {
  const listed = subsystem({ allowAnyHost: false, hosts: [hostNqn], namespaces: [] });
  const bed = await Bed.with(configuration({ bdevs: [], subsystems: [listed] }));
  await FakeHost.ready(bed);
  const hung = gate();
  bed.engine.drained = hung.promise;
  const shutOut = bed.target.hostRemove(diskNqn, hostNqn);
  await turn();
  bed.clock.advance(limitsDefault.drainDeadlineMs);
  await shutOut;
  t.match(bed.target.controllers, [{ state: 'terminating' }]);
  const gone = bed.target.apply(configuration({ bdevs: [], subsystems: [] }));
  await turn();
  bed.clock.advance(limitsDefault.drainDeadlineMs);
  await gone;
  t.same(bed.target.subsystems, []);
  t.match(bed.target.drains, [{ state: 'overdue' }, { what: `subsystem ${diskNqn}` }]);
  hung.open();
  await turn();
  await turn();
  t.same(bed.target.drains, []);
  t.same(bed.target.controllers, []);
});
