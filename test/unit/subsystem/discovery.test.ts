import t from 'tap';

import { packBits } from '../../../src/wire/bits.js';
import {
  AddressFamily,
  AdminOpcode,
  DiscoveryLogEntry,
  DiscoveryLogHeader,
  DiscoveryLspBits,
  EflagsBits,
  Feature,
  GenericStatus,
  LogPage,
  SetFeaturesCdw10Bits,
  SubsystemType,
  TransportType,
  discoveryNqn,
} from '../../../src/wire/layout.gen.js';
import { DiscoveryPages } from '../../../src/subsystem/discovery-pages.js';
import { RetryTimer } from '../../../src/subsystem/retry-timer.js';
import {
  Bed,
  FakeHost,
  configuration,
  dataOf,
  diskNqn,
  hostNqn,
  loopback,
  subsystem,
} from './fake-host.js';

const otherNqn = 'nqn.2026-11.com.example:disk1';
const changed = 0x70f002;

interface Log {
  readonly header: DiscoveryLogHeader;
  readonly entries: readonly DiscoveryLogEntry[];
}

async function read(host: FakeHost, lsp = 0): Promise<Log> {
  const page = dataOf(await host.logPage(LogPage.discovery, { bytes: 16384, lsp }));
  const header = new DiscoveryLogHeader(page);
  const entries = Array.from(
    { length: Number(header.numrec) },
    (_none, index) => new DiscoveryLogEntry(page.subarray(1024 * (index + 1))),
  );
  return { header, entries };
}

/** The entries of subsystems, without the one of the discovery service itself. */
async function offers(host: FakeHost, lsp = 0): Promise<DiscoveryLogEntry[]> {
  const { entries } = await read(host, lsp);
  return entries.filter((entry) => entry.subtype === SubsystemType.nvme);
}

t.test('an entry says where and how a subsystem is reached', async (t) => {
  const bed = await Bed.with();
  const host = await FakeHost.ready(bed, { subnqn: discoveryNqn });
  const { header, entries } = await read(host);
  t.equal(header.recfmt, 0);
  t.equal(header.numrec, 2n);
  const entry = entries[1] ?? DiscoveryLogEntry.alloc();
  t.equal(entry.trtype, TransportType.tcp);
  t.equal(entry.adrfam, AddressFamily.ipv4);
  t.equal(entry.subtype, SubsystemType.nvme);
  t.equal(entry.subnqn, diskNqn);
  t.equal(entry.traddr, '127.0.0.1');
  t.equal(entry.trsvcid, '4420');
  t.equal(entry.cntlid, 0xffff);
  t.equal(entry.asqsz, 128);
  t.equal(entry.treq, 4, 'a secure channel is not specified, SQ flow control can be off');
  t.equal(entry.portid, bed.target.listeners.find(({ actual }) => actual.port === 4420)?.portId);
  const { offset, size } = DiscoveryLogEntry.fields.trsvcid;
  const padded = entry.buffer.toString('latin1', offset, offset + size);
  t.equal(padded, '4420'.padEnd(32), 'padded with spaces');
});

t.test('the service itself is in the log, and allows to stay connected', async (t) => {
  const bed = await Bed.with();
  const host = await FakeHost.ready(bed, { subnqn: discoveryNqn });
  const { entries } = await read(host);
  const entry = entries[0] ?? DiscoveryLogEntry.alloc();
  t.equal(entry.subtype, SubsystemType.currentDiscovery);
  t.equal(entry.subnqn, discoveryNqn);
  t.equal(entry.trsvcid, '8009');
  t.equal(entry.eflags, packBits([EflagsBits.epcsd, 1]));
});

t.test('a host sees the subsystems that it may use', async (t) => {
  const closed = subsystem({ nqn: otherNqn, allowAnyHost: false, namespaces: [] });
  const bed = await Bed.with(configuration({ subsystems: [subsystem(), closed] }));
  const host = await FakeHost.ready(bed, { subnqn: discoveryNqn });
  t.same(
    (await offers(host)).map((entry) => entry.subnqn),
    [diskNqn],
  );
  await bed.target.hostAdd(otherNqn, hostNqn);
  t.same(
    (await offers(host)).map((entry) => entry.subnqn),
    [diskNqn, otherNqn],
  );
});

t.test('there is an entry for each listener, of IPv6 too', async (t) => {
  const listeners = [
    { address: '127.0.0.1', port: 4420 },
    { address: '::1', port: 4420 },
  ];
  const bed = await Bed.with(configuration({ subsystems: [subsystem({ listeners })] }));
  const host = await FakeHost.ready(bed, { subnqn: discoveryNqn });
  t.same(
    (await offers(host)).map(({ traddr, adrfam }) => [traddr, adrfam]),
    [
      ['127.0.0.1', AddressFamily.ipv4],
      ['::1', AddressFamily.ipv6],
    ],
  );
});

t.test('port 0 is advertised as the port that was found', async (t) => {
  const listeners = [{ address: '127.0.0.1', port: 0 }];
  const bed = await Bed.with(configuration({ subsystems: [subsystem({ listeners })] }));
  const host = await FakeHost.ready(bed, { subnqn: discoveryNqn });
  const port = bed.target.subsystems[0]?.listeners[0]?.actual?.port;
  t.ok(port);
  t.equal((await offers(host))[0]?.trsvcid, String(port));
});

for (const [wildcard, local, advertised] of [
  ['0.0.0.0', '192.0.2.7', '192.0.2.7'],
  ['::', '2001:db8::7', '2001:db8::7'],
  ['::', '192.0.2.7', '192.0.2.7'],
  ['::', 'fe80::7%eth0', 'fe80::7'],
  ['fe80::7%eth0', 'fe80::7%eth0', 'fe80::7'],
  ['0.0.0.0', '2001:db8::7', null],
] as const) {
  t.test(`${wildcard} is advertised to a host at ${local} as ${String(advertised)}`, async (t) => {
    const listeners = [{ address: wildcard, port: 4420 }];
    const bed = await Bed.with(configuration({ subsystems: [subsystem({ listeners })] }));
    const connection = bed.open(4420, { address: local });
    const host = await FakeHost.ready(bed, { subnqn: discoveryNqn }, connection);
    const entries = await offers(host);
    t.same(
      entries.map((entry) => entry.traddr),
      advertised === null ? [] : [advertised],
    );
  });
}

t.test('PLEO leaves the entries of the address that the host came in on', async (t) => {
  const listeners = [
    { address: '127.0.0.1', port: 4420 },
    { address: '127.0.0.2', port: 4420 },
  ];
  const bed = await Bed.with(configuration({ subsystems: [subsystem({ listeners })] }));
  const host = await FakeHost.ready(bed, { subnqn: discoveryNqn });
  const pleo = packBits([DiscoveryLspBits.pleo, 1]);
  t.same(
    (await offers(host, pleo)).map((entry) => entry.traddr),
    ['127.0.0.1'],
  );
  t.equal((await offers(host)).length, 2);
});

t.test('the generation counter grows with each change, and only then', async (t) => {
  const bed = await Bed.with();
  const host = await FakeHost.ready(bed, { subnqn: discoveryNqn });
  let last = (await read(host)).header.genctr;
  t.equal((await read(host)).header.genctr, last);
  const changes = [
    () => bed.target.subsystemAdd(subsystem({ nqn: otherNqn, namespaces: [] })),
    () => bed.target.hostAdd(otherNqn, hostNqn),
    () => bed.target.listenerAdd(otherNqn, { address: '127.0.0.1', port: 4421 }),
    () => bed.target.listenerRemove(otherNqn, { address: '127.0.0.1', port: 4421 }),
    () => bed.target.hostRemove(otherNqn, hostNqn),
    () => bed.target.subsystemRemove(otherNqn),
  ];
  for (const change of changes) {
    await change();
    const { genctr } = (await read(host)).header;
    t.ok(genctr > last);
    last = genctr;
  }
  await bed.target.namespaceRemove(diskNqn, 1);
  t.equal((await read(host)).header.genctr, last, 'namespaces are not in the log');
});

t.test('a log that is read in parts is of one generation', async (t) => {
  const bed = await Bed.with();
  const host = await FakeHost.ready(bed, { subnqn: discoveryNqn });
  const part = async (offset: number): Promise<Buffer> =>
    dataOf(await host.logPage(LogPage.discovery, { bytes: 1024, offset, rae: 1 }));
  const header = new DiscoveryLogHeader(await part(0));
  await bed.target.subsystemRemove(diskNqn);
  t.equal(new DiscoveryLogEntry(await part(2048)).subnqn, diskNqn, 'still of the old generation');
  const again = new DiscoveryLogHeader(await part(0));
  t.ok(again.genctr > header.genctr);
  t.equal(again.numrec, 1n);
});

t.test('hosts that stay connected are told once, until they read', async (t) => {
  const bed = await Bed.with();
  const host = await FakeHost.ready(bed, { subnqn: discoveryNqn });
  await bed.target.subsystemAdd(subsystem({ nqn: otherNqn, namespaces: [] }));
  await bed.target.subsystemRemove(otherNqn);
  t.same(bed.engine.events, [{ controller: host.controller, dw0: changed }]);
  await host.logPage(LogPage.discovery, { bytes: 1024, rae: 1 });
  await bed.target.hostAdd(diskNqn, hostNqn);
  t.equal(bed.engine.events.length, 1, 'the event was retained');
  await host.logPage(LogPage.discovery, { bytes: 1024 });
  await bed.target.hostRemove(diskNqn, hostNqn);
  t.equal(bed.engine.events.length, 2);
});

t.test('hosts that do not want to be told are not', async (t) => {
  const bed = await Bed.with();
  const host = await FakeHost.ready(bed, { subnqn: discoveryNqn });
  const fid = Feature.asynchronousEventConfiguration;
  await host.admin(AdminOpcode.setFeatures, { cdw10: packBits([SetFeaturesCdw10Bits.fid, fid]) });
  await bed.target.subsystemRemove(diskNqn);
  t.same(bed.engine.events, []);
});

t.test('hosts that may see the same read the same page, made once for each change', async (t) => {
  const bed = await Bed.with();
  const hosts: FakeHost[] = [];
  for (const peer of ['10.0.0.1', '10.0.0.2', '10.0.0.3']) {
    const fields = { subnqn: discoveryNqn, hostnqn: `nqn.2026-11.com.example:${peer}` };
    hosts.push(await FakeHost.ready(bed, fields, bed.open(8009, {}, peer)));
  }
  for (let reading = 0; reading < 100; reading += 1) {
    for (const host of hosts) await host.logPage(LogPage.discovery, { bytes: 16 });
  }
  t.equal(bed.engine.pagesCreated, 1);
  await bed.target.subsystemAdd(subsystem({ nqn: otherNqn, namespaces: [] }));
  for (const host of hosts) t.equal((await offers(host)).length, 2);
  t.equal(bed.engine.pagesCreated, 2);
});

t.test('a host that may see something else reads another page', async (t) => {
  const other = subsystem({ nqn: otherNqn, namespaces: [], allowAnyHost: false, hosts: [hostNqn] });
  const bed = await Bed.with(configuration({ subsystems: [subsystem(), other] }));
  const named = await FakeHost.ready(bed, { subnqn: discoveryNqn });
  const foreign = await FakeHost.ready(bed, { subnqn: discoveryNqn, hostnqn: '' });
  t.equal((await offers(named)).length, 2);
  t.equal((await offers(foreign)).length, 1);
  t.equal((await offers(named)).length, 2);
  t.equal(bed.engine.pagesCreated, 2);
});

t.test('pages that nobody reads are dropped, and a reader that paused begins anew', async (t) => {
  const bed = await Bed.with();
  const host = await FakeHost.ready(bed, { subnqn: discoveryNqn, kato: 600_000 });
  await read(host);
  t.equal(bed.engine.pages.size, 1);
  bed.clock.advance(DiscoveryPages.idleMs);
  t.equal(bed.engine.pages.size, 0);
  t.equal(bed.clock.pending, 0, 'nothing is left to look at');
  const rest = await host.logPage(LogPage.discovery, { bytes: 1024, offset: 1024 });
  t.equal(rest.status, 0);
  t.equal(bed.engine.pages.size, 1);
});

t.test('there are few pages at once, of few bytes', async (t) => {
  const bed = await Bed.with(
    configuration({ discoveryListeners: [{ address: '0.0.0.0', port: 8009 }] }),
  );
  const hosts: FakeHost[] = [];
  for (let index = 1; index <= 100; index += 1) {
    const address = `127.0.0.${index}`;
    const connection = bed.open(8009, { address }, address);
    hosts.push(await FakeHost.ready(bed, { subnqn: discoveryNqn }, connection));
  }
  for (const host of hosts) await read(host);
  t.equal(bed.engine.pages.size, DiscoveryPages.pagesMax);
});

t.test('when the engine has no room for a page the host is told to try again', async (t) => {
  const bed = await Bed.with();
  const host = await FakeHost.ready(bed, { subnqn: discoveryNqn });
  bed.engine.pagesFull = true;
  const { status } = await host.logPage(LogPage.discovery);
  t.equal(status & 0x7ff, GenericStatus.commandInterrupted);
  t.equal(status & 0x4000, 0, 'without Do Not Retry');
  bed.engine.pagesFull = false;
  t.equal((await host.logPage(LogPage.discovery)).status, 0);
});

const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 4; turn++) await new Promise((resolve) => setImmediate(resolve));
};

async function generation(host: FakeHost): Promise<bigint> {
  return (await read(host)).header.genctr;
}

t.test('an address that comes up late is announced, and is in the log', async (t) => {
  const late = { address: '192.0.2.1', port: 4420 };
  const bed = new Bed();
  bed.engine.failing.add('listenerAdd 192.0.2.1 4420');
  const desired = configuration({ subsystems: [subsystem({ listeners: [loopback, late] })] });
  await bed.target.apply(desired, { missing: 'wait' });
  const host = await FakeHost.ready(bed, { subnqn: discoveryNqn, kato: 600_000 });
  const before = await generation(host);
  t.equal((await offers(host)).length, 1);
  bed.engine.failing.clear();
  bed.clock.advance(RetryTimer.firstMs);
  await turns();
  t.same(bed.target.unavailable.endpoints, []);
  t.same(bed.engine.events, [{ controller: host.controller, dw0: changed }]);
  t.equal((await offers(host)).length, 2);
  t.ok((await generation(host)) > before);
  bed.clock.advance(RetryTimer.lastMs);
  await turns();
  t.equal(bed.engine.events.length, 1, 'once');
});

for (const { name, isLost, offered } of [
  { name: 'comes back', isLost: false, offered: 1 },
  { name: 'is lost', isLost: true, offered: 0 },
]) {
  t.test(`when an address ${name} after a change that failed, the log says so`, async (t) => {
    const all = { address: '0.0.0.0', port: 4420 };
    const bed = await Bed.with();
    const host = await FakeHost.ready(bed, { subnqn: discoveryNqn, kato: 600_000 });
    const before = await generation(host);
    // The page of before is not kept.
    bed.clock.advance(DiscoveryPages.idleMs);
    bed.engine.failing.add('listenerAdd 0.0.0.0 4420');
    if (isLost) bed.engine.failing.add('listenerAdd 127.0.0.1 4420');
    const seen: number[] = [];
    const listenerAdd = bed.engine.listenerAdd.bind(bed.engine);
    bed.engine.listenerAdd = async (endpoint) => {
      // A host that reads while nothing listens there.
      if (endpoint.address === '0.0.0.0') seen.push((await offers(host)).length);
      return listenerAdd(endpoint);
    };
    const desired = configuration({ subsystems: [subsystem({ listeners: [all] })] });
    await t.rejects(bed.target.apply(desired), {
      code: isLost ? 'rollback_failed' : 'apply_failed',
    });
    t.same(seen, [0]);
    t.equal((await offers(host)).length, offered);
    t.ok((await generation(host)) > before);
    t.same(bed.engine.events, [{ controller: host.controller, dw0: changed }]);
  });
}
