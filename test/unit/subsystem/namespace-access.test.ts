import t from 'tap';

import { MemoryState } from '../../../src/identity/state-directory.js';
import { permissions } from '../../../src/subsystem/change.js';
import type { TargetConfiguration } from '../../../src/subsystem/configuration.js';
import { comesAgainMs } from '../../../src/subsystem/host-paths.js';
import { endpointText } from '../../../src/transport/listener.js';
import { packBits } from '../../../src/wire/bits.js';
import {
  AdminOpcode,
  CcBits,
  Cns,
  Feature,
  HostBehaviorSupport,
  IdentifyController,
  LogPage,
  NamespaceList,
  Property,
} from '../../../src/wire/layout.gen.js';
import { until } from '../../host/bounded.js';
import {
  Bed,
  FakeHost,
  configuration,
  dataOf,
  enabledConfiguration,
  hostId,
  loopback,
  subsystem,
} from './fake-host.js';

const zeros = Buffer.alloc(4096);
const allowed = { allow: permissions };

/** NSID 1 on that bdev. */
function serving(bdev: 'ram0' | 'ram1'): TargetConfiguration {
  const namespaces = [{ nsid: 1, bdev, readOnly: false }];
  return configuration({ subsystems: [subsystem({ namespaces })] });
}

async function activeNsids(host: FakeHost): Promise<number[]> {
  const list = new NamespaceList(
    dataOf(await host.admin(AdminOpcode.identify, { cdw10: Cns.activeNamespaceList })),
  );
  return Array.from({ length: 8 }, (_none, index) => list.nsid(index)).filter((nsid) => nsid > 0);
}

async function identify(host: FakeHost, cns: number = Cns.namespace): Promise<Buffer> {
  return dataOf(await host.admin(AdminOpcode.identify, { cdw10: cns, nsid: 1 }));
}

function withheld(bed: Bed, host: FakeHost): readonly number[] {
  return bed.engine.withheld.get(host.controller)?.nsids ?? [];
}

function noticesOf(bed: Bed, host: FakeHost): number {
  return bed.engine.events.filter(({ controller }) => controller === host.controller).length;
}

t.test('a namespace that never was another disk is served at once', async (t) => {
  const bed = await Bed.with();
  const host = await FakeHost.ready(bed);
  t.same(withheld(bed, host), []);
  t.same(await activeNsids(host), [1]);
});

t.test(
  'a disk that takes another’s place is reached when the host has given up the old one',
  async (t) => {
    const bed = await Bed.with(serving('ram0'));
    const host = await FakeHost.ready(bed);
    await identify(host);
    bed.engine.calls.length = 0;
    await bed.target.apply(serving('ram1'), allowed);
    t.same(
      bed.engine.calls.filter((call) => /^(withhold|publish)/.test(call)),
      ['withhold 1', 'publish 1'],
      'withheld before it is there',
    );
    t.ok((await identify(host, Cns.independentNamespace)).equals(zeros));
    const descriptors = { cdw10: Cns.namespaceIdDescriptors, nsid: 1 };
    t.not((await host.admin(AdminOpcode.identify, descriptors)).status, 0);
    t.same(withheld(bed, host), [1]);
    const before = noticesOf(bed, host);
    await host.logPage(LogPage.changedNamespaceList);
    t.same(await activeNsids(host), [], 'first it is told that nothing is there');
    t.equal(noticesOf(bed, host), before + 1, 'and to look again');
    t.same(withheld(bed, host), [1]);
    t.same(await activeNsids(host), [1]);
    await identify(host, Cns.namespaceIdDescriptors);
    t.same(withheld(bed, host), [1], 'names alone are not enough');
    t.notOk((await identify(host)).equals(zeros));
    t.same(withheld(bed, host), [], 'it knows size and format of what is there now');
  },
);

t.test('zeros for the namespace tell a host as well that the old disk is gone', async (t) => {
  const bed = await Bed.with(serving('ram0'));
  const host = await FakeHost.ready(bed);
  await bed.target.apply(serving('ram1'), allowed);
  t.ok((await identify(host)).equals(zeros));
  t.same(withheld(bed, host), [1]);
  t.notOk((await identify(host)).equals(zeros));
  t.same(withheld(bed, host), []);
});

t.test('a host that read about nothing between two disks has given up the first', async (t) => {
  const bed = await Bed.with(serving('ram0'));
  const host = await FakeHost.ready(bed);
  await bed.target.namespaceRemove(subsystem().nqn, 1, allowed);
  t.same(await activeNsids(host), []);
  await bed.target.apply(serving('ram1'), allowed);
  t.same(withheld(bed, host), [1]);
  t.same(await activeNsids(host), [1]);
  await identify(host);
  t.same(withheld(bed, host), []);
});

t.test('the same disk that comes back is served at once', async (t) => {
  const bed = await Bed.with(serving('ram0'));
  const host = await FakeHost.ready(bed);
  await bed.target.namespaceRemove(subsystem().nqn, 1, allowed);
  await bed.target.apply(serving('ram0'), allowed);
  t.same(withheld(bed, host), []);
  t.same(await activeNsids(host), [1]);
});

t.test('a host that comes after the change must identify first, another time not', async (t) => {
  const bed = await Bed.with(serving('ram0'));
  await bed.target.apply(serving('ram1'), allowed);
  const host = await FakeHost.ready(bed);
  t.same(withheld(bed, host), [1]);
  t.same(await activeNsids(host), [1], 'it is shown at once: it may believe nothing');
  await identify(host);
  t.same(withheld(bed, host), []);
  bed.engine.close(host.connection, 'peer_closed');
  const again = await FakeHost.ready(bed);
  t.same(withheld(bed, again), [], 'the same host knows it');
  const other = await FakeHost.ready(bed, { hostid: Buffer.alloc(hostId.length, 9) });
  t.same(withheld(bed, other), [1], 'another one does not');
  await bed.target.apply(serving('ram0'), allowed);
  t.same(withheld(bed, again), [1], 'nor does anybody know the next disk');
});

/** A host that comes from that address to that listener. */
async function from(bed: Bed, peer: string, local = loopback): Promise<FakeHost> {
  return FakeHost.ready(bed, {}, bed.open(local.port, local, peer));
}

function lost(bed: Bed, ...hosts: FakeHost[]): void {
  for (const { connection } of hosts) bed.engine.close(connection, 'peer_closed');
}

/** Hosts on one path, as `nvme connect --duplicate-connect` makes them, that know ram0. */
async function duplicates(bed: Bed): Promise<[FakeHost, FakeHost]> {
  const [first, second] = [await FakeHost.ready(bed), await FakeHost.ready(bed)];
  await identify(first);
  await identify(second);
  return [first, second];
}

/** Told that ram0 is gone, it finds ram1. */
async function learns(host: FakeHost): Promise<void> {
  await activeNsids(host);
  await identify(host);
}

t.test('what one path has identified opens no other path of its host', async (t) => {
  const other = { address: '127.0.0.2', port: 4420 };
  const atPort = { address: '127.0.0.1', port: 4421 };
  const listeners = [loopback, other, atPort];
  const serves = (bdev: string): TargetConfiguration =>
    configuration({
      subsystems: [subsystem({ listeners, namespaces: [{ nsid: 1, bdev, readOnly: false }] })],
    });
  const paths: [string, typeof loopback][] = [
    ['127.0.0.9', loopback],
    ['127.0.0.8', other],
    ['127.0.0.8', atPort],
  ];
  for (const [peer, local] of paths) {
    const bed = await Bed.with(serves('ram0'));
    const first = await from(bed, '127.0.0.8');
    const second = await from(bed, peer, local);
    await identify(first);
    await identify(second);
    lost(bed, second);
    await bed.target.apply(serves('ram1'), allowed);
    await learns(first);
    lost(bed, first);
    t.same(withheld(bed, await from(bed, '127.0.0.8')), [], 'it has looked');
    t.same(withheld(bed, await from(bed, peer, local)), [1], `${peer} to ${endpointText(local)}`);
  }
});

t.test('of several controllers on one path, none opens it for another', async (t) => {
  const bed = await Bed.with(serving('ram0'));
  const [first, second] = await duplicates(bed);
  lost(bed, first);
  await bed.target.apply(serving('ram1'), allowed);
  await learns(second);
  const again = await FakeHost.ready(bed);
  t.same(withheld(bed, again), [1], 'it did not live through the change');
  await learns(again);
  lost(bed, second, again);
  t.same(withheld(bed, await FakeHost.ready(bed)), [], 'both know it');
  t.same(withheld(bed, await FakeHost.ready(bed)), []);
});

t.test('who of several on one path comes again is not guessed', async (t) => {
  for (const order of ['known first', 'known last']) {
    const bed = await Bed.with(serving('ram0'));
    const [first, second] = await duplicates(bed);
    await bed.target.apply(serving('ram1'), allowed);
    await learns(second);
    if (order === 'known first') lost(bed, second, first);
    else lost(bed, first, second);
    const either = await FakeHost.ready(bed);
    t.same(withheld(bed, either), [1], order);
    await learns(either);
    t.same(withheld(bed, await FakeHost.ready(bed)), [1], `${order}, the other one`);
  }
});

t.test('a path that is new says nothing of what its host believes there', async (t) => {
  const bed = await Bed.with(serving('ram0'));
  await bed.target.apply(serving('ram1'), allowed);
  const first = await from(bed, '127.0.0.8');
  await learns(first);
  bed.clock.advance(comesAgainMs);
  t.same(withheld(bed, await from(bed, '127.0.0.9')), [1], 'the other one lives');
  lost(bed, first);
  t.same(withheld(bed, await from(bed, '127.0.0.10')), [1], 'the other one is away');
});

t.test('who does not come while its path works is not waited for', async (t) => {
  const bed = await Bed.with(serving('ram0'));
  const [first, second] = await duplicates(bed);
  lost(bed, first);
  await bed.target.apply(serving('ram1'), allowed);
  await learns(second);
  bed.clock.advance(comesAgainMs - 1);
  lost(bed, second);
  const early = await FakeHost.ready(bed);
  t.same(withheld(bed, early), [1]);
  await learns(early);
  bed.clock.advance(comesAgainMs);
  lost(bed, early);
  t.same(withheld(bed, await FakeHost.ready(bed)), []);
});

t.test('a host whose earlier end is not seen yet goes on, once its path is known', async (t) => {
  const bed = await Bed.with(serving('ram0'));
  await bed.target.apply(serving('ram1'), allowed);
  const host = await FakeHost.ready(bed);
  await learns(host);
  t.same(withheld(bed, await FakeHost.ready(bed)), [1], 'another one may have been away');
  const later = await Bed.with(serving('ram0'));
  await later.target.apply(serving('ram1'), allowed);
  await learns(await FakeHost.ready(later));
  later.clock.advance(comesAgainMs);
  t.same(withheld(later, await FakeHost.ready(later)), []);
});

t.test('a host that has done with its controller is not waited for', async (t) => {
  const bed = await Bed.with(serving('ram0'));
  const [first, second] = await duplicates(bed);
  const shutDown = packBits([CcBits.shn, 1]);
  await first.setProperty(Property.cc, enabledConfiguration | shutDown);
  lost(bed, first);
  await bed.target.apply(serving('ram1'), allowed);
  await learns(second);
  lost(bed, second);
  t.same(withheld(bed, await FakeHost.ready(bed)), []);
});

t.test('a reset on the same connection changes nothing of what a host knows', async (t) => {
  const bed = await Bed.with(serving('ram0'));
  const host = await FakeHost.ready(bed);
  await identify(host);
  const reset = async (): Promise<void> => {
    await host.setProperty(Property.cc, 0);
    await host.setProperty(Property.cc, enabledConfiguration);
  };
  await bed.target.apply(serving('ram1'), allowed);
  await reset();
  t.same(withheld(bed, host), [1]);
  await learns(host);
  await reset();
  t.same(withheld(bed, host), []);
  lost(bed, host);
  t.same(withheld(bed, await FakeHost.ready(bed)), []);
});

t.test('a disk that was missing when its host came again is not taken for the next', async (t) => {
  const bed = await Bed.with(serving('ram0'));
  const host = await FakeHost.ready(bed);
  await identify(host);
  lost(bed, host);
  await bed.target.namespaceRemove(subsystem().nqn, 1, allowed);
  const again = await FakeHost.ready(bed);
  await bed.target.apply(serving('ram1'), allowed);
  t.same(withheld(bed, again), [1]);
  t.ok((await identify(again)).equals(zeros), 'the old one is gone first');
  await identify(again);
  t.same(withheld(bed, again), []);
});

/** Advanced Command Retry Enable, as Linux sets it before it looks for namespaces. */
async function waits(host: FakeHost): Promise<void> {
  const data = HostBehaviorSupport.alloc();
  data.acre = 1;
  const fid = { cdw10: Feature.hostBehaviorSupport };
  await host.admin(AdminOpcode.setFeatures, fid, 0, host.connection, data.buffer);
}

t.test('a host that looks again is shown first that the old disk is gone', async (t) => {
  const bed = await Bed.with(serving('ram0'));
  await bed.target.apply(serving('ram1'), allowed);
  const host = await FakeHost.ready(bed);
  await waits(host);
  t.ok((await identify(host, Cns.independentNamespace)).equals(zeros));
  t.same(withheld(bed, host), [1]);
  t.same(await activeNsids(host), []);
  t.equal(noticesOf(bed, host), 1);
  t.same(await activeNsids(host), [1]);
  await identify(host);
  t.same(withheld(bed, host), []);
});

t.test('a disk that was there before a restart is never hidden from who may have it', async (t) => {
  const stateDirectory = new MemoryState();
  const file = (path: string): TargetConfiguration =>
    configuration({
      bdevs: [{ name: 'ram0', kind: 'uring', path, block_size: 512 }],
    });
  const first = await Bed.with(file('/one.img'), { stateDirectory });
  await first.target.apply(file('/two.img'), allowed);
  const second = new Bed({ stateDirectory });
  const served = first.engine.disk.get('/two.img');
  second.engine.disk.put('/two.img', served ?? {});
  await second.target.apply(file('/two.img'));
  const host = await FakeHost.ready(second);
  await waits(host);
  t.same(await activeNsids(host), [1], 'Linux would drop a disk that is in use');
  t.same(withheld(second, host), [1], 'but another host may have been away since');
  await identify(host);
  t.same(withheld(second, host), []);
});

t.test('a host that may have dropped what it found is told to look again', async (t) => {
  const bed = await Bed.with(serving('ram0'));
  await bed.target.apply(serving('ram1'), allowed);
  const host = await FakeHost.ready(bed);
  await identify(host);
  t.equal(noticesOf(bed, host), 0);
  bed.clock.advance(2000);
  t.equal(noticesOf(bed, host), 1);
});

t.test('a RAM disk after a restart is another disk for every host', async (t) => {
  const stateDirectory = new MemoryState();
  const first = await Bed.with(configuration(), { stateDirectory });
  t.same(withheld(first, await FakeHost.ready(first)), []);
  const second = await Bed.with(configuration(), { stateDirectory });
  const host = await FakeHost.ready(second);
  t.same(withheld(second, host), [1]);
  await identify(host);
  t.same(withheld(second, host), []);
});

t.test('a controller that comes while a disk is exchanged is kept from it', async (t) => {
  const bed = await Bed.with(serving('ram0'));
  let publish = (): void => undefined;
  const applied = bed.target.namespaceRemove(subsystem().nqn, 1, allowed);
  await applied;
  bed.engine.published = new Promise((resolve) => (publish = resolve));
  const changed = bed.target.apply(serving('ram1'), allowed);
  await until('the other disk in a table', () =>
    [...bed.engine.tables.values()].some((entries) => entries[0]?.bdev === 'ram1'),
  );
  const host = await FakeHost.ready(bed);
  t.same(withheld(bed, host), [1]);
  await identify(host);
  t.same(withheld(bed, host), [1], 'what it read was not the new disk');
  publish();
  await changed;
  t.same(withheld(bed, host), [1]);
  t.same(await activeNsids(host), []);
  await identify(host);
  t.same(withheld(bed, host), []);
});

t.test('a publication that fails leaves a host with what it had', async (t) => {
  const bed = await Bed.with(serving('ram0'));
  const host = await FakeHost.ready(bed);
  bed.engine.failing.add('publish 1');
  await t.rejects(bed.target.apply(serving('ram1'), allowed));
  bed.engine.failing.clear();
  await bed.target.apply(serving('ram0'), allowed);
  t.same(withheld(bed, host), []);
  t.same(await activeNsids(host), [1]);
});

t.test('a host that can wait is told how long (CRDT1, CRDT2, Host Behavior Support)', async (t) => {
  const bed = await Bed.with(serving('ram0'));
  const host = await FakeHost.ready(bed);
  const page = dataOf(await host.admin(AdminOpcode.identify, { cdw10: Cns.controller }));
  t.equal(new IdentifyController(page).crdt1, 5);
  t.equal(new IdentifyController(page).crdt2, 100);
  const early = await host.connect({ qid: 1, cntlid: host.cntlid });
  t.match(bed.engine.attached.get(early.connection), { qid: 1, retryDelay: 0 });
  const fid = { cdw10: Feature.hostBehaviorSupport };
  const data = HostBehaviorSupport.alloc();
  const send = (bytes: Buffer | null) =>
    host.admin(AdminOpcode.setFeatures, fid, 0, host.connection, bytes);
  t.not((await send(null)).status, 0);
  t.not((await send(Buffer.alloc(511))).status, 0);
  data.acre = 2;
  t.not((await send(data.buffer)).status, 0);
  data.acre = 1;
  t.equal((await send(data.buffer)).status, 0);
  const read = dataOf(await host.admin(AdminOpcode.getFeatures, fid, 512));
  t.equal(new HostBehaviorSupport(read).acre, 1);
  const select = { cdw10: Feature.hostBehaviorSupport | (1 << 8) };
  const byDefault = dataOf(await host.admin(AdminOpcode.getFeatures, select, 512));
  t.equal(new HostBehaviorSupport(byDefault).acre, 0);
  await bed.target.apply(serving('ram1'), allowed);
  t.match(bed.engine.withheld.get(host.controller), { nsids: [1], retryDelay: 1 });
  const queue = await host.connect({ qid: 2, cntlid: host.cntlid });
  t.match(bed.engine.attached.get(queue.connection), { qid: 2, retryDelay: 2 });
  data.acre = 0;
  await send(data.buffer);
  t.match(bed.engine.withheld.get(host.controller), { nsids: [1], retryDelay: 0 });
});
