import t from 'tap';

import { TargetError } from '../../../src/errors.js';
import { permissions } from '../../../src/subsystem/change.js';
import { emptyConfiguration } from '../../../src/subsystem/configuration.js';
import type { TargetConfiguration } from '../../../src/subsystem/configuration.js';
import type { ControllerEnding } from '../../../src/subsystem/target-options.js';
import { Cns, AdminOpcode, NamespaceList, discoveryNqn } from '../../../src/wire/layout.gen.js';
import { Bed, FakeHost, configuration, dataOf, diskNqn, hostNqn, subsystem } from './fake-host.js';

const otherNqn = 'nqn.2026-11.com.example:disk1';
const namespaceChanged = 0x040002;
const allowed = { allow: permissions };

/** Applies what must fail; answers the error. */
async function failure(work: Promise<unknown>): Promise<TargetError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof TargetError) return error;
    throw error;
  }
  throw new Error('it did not fail');
}

/** The engine's calls since the last time. */
function calls(bed: Bed): string[] {
  return bed.engine.calls.splice(0);
}

async function activeNsids(host: FakeHost): Promise<number[]> {
  const page = await host.admin(AdminOpcode.identify, { cdw10: Cns.activeNamespaceList });
  const list = new NamespaceList(dataOf(page));
  return Array.from({ length: 8 }, (_none, index) => list.nsid(index)).filter((nsid) => nsid > 0);
}

t.test('a first configuration is built from the inside out', async (t) => {
  const bed = await Bed.with();
  t.same(calls(bed), [
    'listenerAdd 127.0.0.1 8009',
    'listenerAdd 127.0.0.1 4420',
    'bdevCreate ram0',
    'bdevCreate ram1',
    'publish 1',
    'listenerStart 8009',
    'listenerStart 4420',
  ]);
  t.same(bed.target.configuration, configuration());
});

t.test('the views show what there is', async (t) => {
  const bed = await Bed.with();
  t.match(bed.target.subsystems, [
    {
      nqn: diskNqn,
      serial: 'CAPSULED0001',
      listeners: [{ actual: { address: '127.0.0.1', port: 4420 } }],
      namespaces: [{ nsid: 1, bdev: 'ram0', blockSize: 512, blockCount: 2048n, eui64: null }],
      controllerCount: 0,
    },
  ]);
  t.match(bed.target.listeners, [
    { actual: { port: 8009 }, discovery: true, subsystems: [] },
    { actual: { port: 4420 }, discovery: false, subsystems: [diskNqn] },
  ]);
  t.match(bed.target.bdevs, [
    { name: 'ram0', namespace: { subsystem: diskNqn, nsid: 1 } },
    { name: 'ram1', namespace: null },
  ]);
});

t.test('applying the same again changes nothing', async (t) => {
  const bed = await Bed.with();
  calls(bed);
  t.same(await bed.target.apply(configuration()), { changes: [], warnings: [] });
  t.same(calls(bed), []);
});

t.test('a plan says what would be done, and does nothing', async (t) => {
  const bed = await Bed.with();
  calls(bed);
  const { changes } = bed.target.plan(emptyConfiguration);
  t.same(
    changes.map((change) => change.kind),
    [
      'subsystem_remove',
      'discovery_listener_remove',
      'endpoint_close',
      'endpoint_close',
      'bdev_delete',
      'bdev_delete',
    ],
  );
  t.same(calls(bed), []);
  t.equal(bed.target.subsystems.length, 1);
});

t.test('a serial number is derived, and the same every time', async (t) => {
  const { nqn, model, allowAnyHost, hosts, cntlidRange, listeners, namespaces } = subsystem();
  const unnamed = { nqn, model, allowAnyHost, hosts, cntlidRange, listeners, namespaces };
  const first = await Bed.with(configuration({ subsystems: [unnamed] }));
  const second = await Bed.with(configuration({ subsystems: [unnamed] }));
  const serial = first.target.subsystems[0]?.serial ?? '';
  t.match(serial, /^[0-9A-F]{20}$/);
  t.equal(second.target.subsystems[0]?.serial, serial);
});

t.test('two subsystems share a listener, which closes with the last of them', async (t) => {
  const other = subsystem({ nqn: otherNqn, namespaces: [] });
  const bed = await Bed.with(configuration({ subsystems: [subsystem(), other] }));
  t.equal(calls(bed).filter((call) => /^listenerAdd.*4420/.test(call)).length, 1);
  await bed.target.subsystemRemove(diskNqn, allowed);
  t.notOk(calls(bed).some((call) => call.startsWith('listenerRemove')));
  await bed.target.subsystemRemove(otherNqn);
  t.ok(calls(bed).includes('listenerRemove 4420'));
});

t.test('a listener that changes hands stays open', async (t) => {
  const bed = await Bed.with();
  calls(bed);
  const moved = subsystem({ nqn: otherNqn });
  await bed.target.apply(configuration({ subsystems: [moved] }));
  t.same(calls(bed), ['publish 1', 'tableDelete']);
  t.match(bed.target.listeners[1], { subsystems: [otherNqn] });
});

t.test('adding a namespace is seen by hosts when the engine serves it, and told', async (t) => {
  const bed = await Bed.with();
  const host = await FakeHost.ready(bed);
  await bed.target.namespaceAdd(diskNqn, { nsid: 2, bdev: 'ram1', readOnly: true });
  t.same(await activeNsids(host), [1, 2]);
  t.same(bed.engine.events, [{ controller: host.controller, dw0: namespaceChanged }]);
  const table = bed.target.subsystems[0]?.table ?? 0;
  t.same(bed.engine.tables.get(table), [
    { nsid: 1, bdev: 'ram0', readOnly: false },
    { nsid: 2, bdev: 'ram1', readOnly: true },
  ]);
});

t.test('a removed namespace is drained before hosts are told and its bdev is closed', async (t) => {
  const bed = await Bed.with();
  const host = await FakeHost.ready(bed);
  calls(bed);
  const desired = configuration({
    bdevs: configuration().bdevs.slice(1),
    subsystems: [subsystem({ namespaces: [] })],
  });
  const report = await bed.target.apply(desired, allowed);
  t.same(calls(bed), ['publish ', 'bdevDelete ram0']);
  t.same(await activeNsids(host), []);
  t.equal(bed.engine.events.length, 1);
  t.match(report.warnings, [/^remove namespace 1/, /^delete bdev ram0: it is a RAM disk/]);
  t.equal(bed.target.controllers[0]?.state, 'ready', 'the host stays connected');
});

t.test('other subsystems are not touched', async (t) => {
  const other = subsystem({
    nqn: otherNqn,
    namespaces: [{ nsid: 1, bdev: 'ram1', readOnly: false }],
  });
  const bed = await Bed.with(configuration({ subsystems: [subsystem(), other] }));
  const host = await FakeHost.ready(bed);
  await bed.target.subsystemRemove(otherNqn);
  t.equal(bed.target.controllers[0]?.state, 'ready');
  t.same(bed.engine.events, []);
  t.same(await activeNsids(host), [1]);
});

t.test('a removed subsystem takes its controllers with it', async (t) => {
  const bed = await Bed.with();
  await FakeHost.ready(bed);
  const discovery = await FakeHost.ready(bed, { subnqn: discoveryNqn });
  calls(bed);
  await bed.target.subsystemRemove(diskNqn, allowed);
  t.same(calls(bed), ['terminate all subsystem_removed', 'listenerRemove 4420', 'tableDelete']);
  t.match(bed.target.controllers, [{ controller: discovery.controller }]);
});

t.test('nobody connects to a subsystem that is being removed', async (t) => {
  const bed = await Bed.with();
  await FakeHost.ready(bed);
  let drained = (): void => undefined;
  bed.engine.drained = new Promise((resolve) => (drained = resolve));
  const removed = bed.target.subsystemRemove(diskNqn, allowed);
  await new Promise(setImmediate);
  t.not((await new FakeHost(bed).connect()).status, 0);
  drained();
  await removed;
  t.same(bed.target.controllers, []);
});

t.test('a removed host’s controllers are terminated, others are not', async (t) => {
  const guest = 'nqn.2026-11.com.example:guest';
  const listed = subsystem({ allowAnyHost: false, hosts: [hostNqn, guest] });
  const bed = await Bed.with(configuration({ subsystems: [listed] }));
  await FakeHost.ready(bed, { hostnqn: hostNqn });
  await FakeHost.ready(bed, { hostnqn: guest });
  await bed.target.hostRemove(diskNqn, guest);
  t.match(bed.target.controllers, [{ hostNqn }]);
  t.match(bed.engine.terminations, [{ reason: 'host_removed' }]);
});

t.test('who counts controllers is told before and after the engine ends one', async (t) => {
  const told: string[] = [];
  const onControllerEnding: ControllerEnding = ({ hostNqn: name, state }) => {
    told.push(`ending ${name} ${state}`, ...bed.engine.terminations.map(({ queues }) => queues));
    return () => told.push(`ended, ${bed.target.controllers[0]?.state}`);
  };
  const listed = subsystem({ allowAnyHost: false, hosts: [hostNqn] });
  const bed = await Bed.with(configuration({ subsystems: [listed] }), { onControllerEnding });
  await FakeHost.ready(bed, { hostnqn: hostNqn });
  await bed.target.hostRemove(diskNqn, hostNqn);
  t.same(told, [`ending ${hostNqn} terminating`, 'ended, terminating']);
  t.same(bed.target.controllers, []);
});

t.test('a host stays connected while the list replaces "any host" around it', async (t) => {
  const bed = await Bed.with();
  await FakeHost.ready(bed);
  const listed = subsystem({ allowAnyHost: false, hosts: [hostNqn] });
  await bed.target.apply(configuration({ subsystems: [listed] }));
  t.equal(bed.target.controllers[0]?.state, 'ready');
  await bed.target.apply(configuration());
  t.equal(bed.target.controllers[0]?.state, 'ready');
  t.same(bed.engine.terminations, []);
  await bed.target.apply(configuration({ subsystems: [subsystem({ allowAnyHost: false })] }));
  t.same(bed.target.controllers, []);
});

t.test('a new range of CNTLIDs holds for new controllers', async (t) => {
  const bed = await Bed.with();
  await FakeHost.ready(bed);
  await bed.target.apply(configuration({ subsystems: [subsystem({ cntlidRange: [50, 60] })] }));
  t.equal((await new FakeHost(bed).connect()).dw0, 50);
  t.same(
    bed.target.controllers.map((controller) => controller.cntlid),
    [1, 50],
  );
});

t.test('another serial number disconnects the hosts, and the report says so', async (t) => {
  const bed = await Bed.with();
  await FakeHost.ready(bed);
  const renamed = configuration({ subsystems: [subsystem({ serial: 'OTHER' })] });
  const { warnings } = await bed.target.apply(renamed, allowed);
  t.match(warnings, [/another identity \(serial, model\): disconnects 1 controller/]);
  t.same(bed.target.controllers, []);
  t.equal(bed.target.subsystems[0]?.serial, 'OTHER');
});

t.test(
  'a bdev that changed is opened beside the old one, and takes its place in one step',
  async (t) => {
    const bed = await Bed.with();
    const host = await FakeHost.ready(bed);
    calls(bed);
    const bdevs = [{ name: 'ram0', kind: 'malloc', size: 2n << 20n, block_size: 512 }];
    const ram1 = configuration().bdevs.slice(1);
    const desired = configuration({ bdevs: [...bdevs, ...ram1] });
    const report = await bed.target.apply(desired, allowed);
    t.same(calls(bed), ['bdevCreate ram0#2', 'withhold 1', 'publish 1', 'bdevDelete ram0']);
    t.match(report.warnings, [/ram0 .*its content is gone/, /^make namespace 1 .* another disk/]);
    t.equal(bed.target.subsystems[0]?.namespaces[0]?.blockCount, 4096n);
    t.same(await activeNsids(host), [], 'the host gives up the disk that it knew');
    t.same(await activeNsids(host), [1]);
  },
);

t.test('a file that is renamed as a bdev is let go before it is opened again', async (t) => {
  const file = (name: string): TargetConfiguration =>
    configuration({
      bdevs: [{ name, kind: 'uring', path: '/disk0.img', block_size: 512 }],
      subsystems: [subsystem({ namespaces: [{ nsid: 1, bdev: name, readOnly: false }] })],
    });
  const bed = await Bed.with(file('old'));
  calls(bed);
  await bed.target.apply(file('new'), allowed);
  t.same(calls(bed), [
    'bdevTry new',
    'bdevDelete new',
    'publish ',
    'bdevDelete old',
    'bdevCreate new',
    'publish 1',
  ]);
});

const invalid: readonly { name: string; desired: TargetConfiguration; field: string }[] = [
  {
    name: 'two subsystems of one name',
    desired: configuration({ subsystems: [subsystem(), subsystem({ namespaces: [] })] }),
    field: 'subsystems[1].nqn',
  },
  {
    name: 'a name that is no NQN',
    desired: configuration({ subsystems: [subsystem({ nqn: 'disk0' })] }),
    field: 'subsystems[0].nqn',
  },
  {
    name: 'the name of the discovery service',
    desired: configuration({ subsystems: [subsystem({ nqn: discoveryNqn })] }),
    field: 'subsystems[0].nqn',
  },
  {
    name: 'an unknown bdev',
    desired: configuration({
      subsystems: [subsystem({ namespaces: [{ nsid: 1, bdev: 'ram9', readOnly: false }] })],
    }),
    field: 'subsystems[0].namespaces[0].bdev',
  },
  {
    name: 'a bdev that is used twice',
    desired: configuration({ subsystems: [subsystem(), subsystem({ nqn: otherNqn })] }),
    field: 'subsystems[1].namespaces[0].bdev',
  },
  {
    name: 'NSID 0',
    desired: configuration({
      subsystems: [subsystem({ namespaces: [{ nsid: 0, bdev: 'ram0', readOnly: false }] })],
    }),
    field: 'subsystems[0].namespaces[0].nsid',
  },
  {
    name: 'two namespaces of one NSID',
    desired: configuration({
      subsystems: [
        subsystem({
          namespaces: [
            { nsid: 1, bdev: 'ram0', readOnly: false },
            { nsid: 1, bdev: 'ram1', readOnly: false },
          ],
        }),
      ],
    }),
    field: 'subsystems[0].namespaces[1].nsid',
  },
  {
    name: 'a UUID that is none',
    desired: configuration({
      subsystems: [
        subsystem({ namespaces: [{ nsid: 1, bdev: 'ram0', readOnly: false, uuid: 'x' }] }),
      ],
    }),
    field: 'subsystems[0].namespaces[0].uuid',
  },
  {
    name: 'a serial number that is too long',
    desired: configuration({ subsystems: [subsystem({ serial: 'x'.repeat(21) })] }),
    field: 'subsystems[0].serial',
  },
  {
    name: 'a host that is no NQN',
    desired: configuration({ subsystems: [subsystem({ hosts: ['host'] })] }),
    field: 'subsystems[0].hosts[0]',
  },
  {
    name: 'a range of CNTLIDs that is none',
    desired: configuration({ subsystems: [subsystem({ cntlidRange: [9, 8] })] }),
    field: 'subsystems[0].cntlid_range',
  },
  {
    name: 'CNTLIDs that are reserved',
    desired: configuration({ subsystems: [subsystem({ cntlidRange: [1, 0xfff0] })] }),
    field: 'subsystems[0].cntlid_range',
  },
];

for (const { name, desired, field } of invalid) {
  t.test(`a configuration with ${name} is refused before anything is touched`, async (t) => {
    const bed = await Bed.with();
    calls(bed);
    t.match(await failure(bed.target.apply(desired)), { code: 'configuration_invalid', field });
    t.same(calls(bed), []);
  });
}

const larger = configuration({
  bdevs: [...configuration().bdevs, { name: 'ram2', kind: 'malloc', size: 1n << 20n }],
  subsystems: [
    subsystem({
      namespaces: [
        { nsid: 1, bdev: 'ram0', readOnly: false },
        { nsid: 2, bdev: 'ram1', readOnly: false },
      ],
      hosts: [hostNqn],
    }),
    subsystem({
      nqn: otherNqn,
      namespaces: [{ nsid: 5, bdev: 'ram2', readOnly: false }],
      listeners: [{ address: '127.0.0.1', port: 4421 }],
    }),
  ],
});

for (const [failing, field] of [
  ['bdevCreate ram2', 'bdevs[2]'],
  ['publish 1,2', 'subsystems[0]'],
  ['publish 5', 'subsystems[1]'],
  ['listenerAdd 127.0.0.1 4421', 'subsystems[1].listeners[0]'],
] as const) {
  t.test(`when ${failing} fails, everything is as before`, async (t) => {
    const bed = await Bed.with();
    const host = await FakeHost.ready(bed);
    bed.engine.failing.add(failing);
    const error = await failure(bed.target.apply(larger));
    t.match(error, { code: 'apply_failed', field, cause: { code: 'bdev_failed' } });
    t.match(error.message, `${failing} failed`);
    t.same(bed.target.configuration, configuration());
    t.same([...bed.engine.bdevNames], ['ram0', 'ram1']);
    t.equal(bed.engine.tables.size, 1);
    t.same(
      [...bed.engine.openListeners.values()].map(({ port }) => port),
      [8009, 4420],
    );
    t.same(await activeNsids(host), [1]);
    bed.engine.failing.clear();
    await bed.target.apply(larger);
    t.same(bed.target.configuration, larger, 'and it can be applied later');
  });
}

t.test('changes are made one after the other', async (t) => {
  const bed = await Bed.with();
  const add = (nsid: number, bdev: string): Promise<unknown> =>
    bed.target.namespaceAdd(diskNqn, { nsid, bdev, readOnly: false });
  const results = await Promise.allSettled([
    bed.target.namespaceRemove(diskNqn, 1),
    add(1, 'ram1'),
    add(1, 'ram0'),
    add(2, 'ram0'),
  ]);
  t.same(
    results.map((result) => result.status),
    ['fulfilled', 'fulfilled', 'rejected', 'fulfilled'],
  );
  t.match(bed.target.subsystems[0]?.namespaces, [
    { nsid: 1, bdev: 'ram1' },
    { nsid: 2, bdev: 'ram0' },
  ]);
});

t.test('what is not there cannot be removed', async (t) => {
  const bed = await Bed.with();
  const missing = [
    bed.target.subsystemRemove(otherNqn),
    bed.target.namespaceRemove(diskNqn, 9),
    bed.target.hostRemove(diskNqn, hostNqn),
    bed.target.listenerRemove(diskNqn, { address: '127.0.0.1', port: 1 }),
  ];
  for (const work of missing) t.equal((await failure(work)).code, 'not_found');
});

t.test('stopping ends a discovery controller that was made meanwhile', async (t) => {
  const bed = await Bed.with();
  await FakeHost.ready(bed);
  const late = bed.open(8009);
  let drained = (): void => undefined;
  bed.engine.drained = new Promise((resolve) => (drained = resolve));
  const stopped = bed.target.stop();
  await new Promise(setImmediate);
  await FakeHost.ready(bed, { subnqn: discoveryNqn }, late);
  drained();
  await stopped;
  t.same(bed.target.controllers, []);
});

t.test('stopping withdraws everything, discovery too', async (t) => {
  const bed = await Bed.with();
  await FakeHost.ready(bed);
  await FakeHost.ready(bed, { subnqn: discoveryNqn });
  await bed.target.stop();
  t.same(bed.target.configuration, emptyConfiguration);
  t.same(bed.target.controllers, []);
  t.same(bed.target.connections, []);
  t.equal(bed.engine.tables.size, 0);
  t.equal(bed.engine.openListeners.size, 0);
  t.equal(bed.engine.bdevNames.size, 0);
});
