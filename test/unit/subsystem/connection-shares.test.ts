import t from 'tap';

import { shareLimits } from '../../../src/subsystem/connection-shares.js';
import { discoveryIdleMs } from '../../../src/subsystem/features.js';
import { PeerLimits } from '../../../src/subsystem/peer-limits.js';
import { packBits } from '../../../src/wire/bits.js';
import {
  AdminOpcode,
  Feature,
  NumberOfQueuesFeatureBits,
  Property,
  SetFeaturesCdw10Bits,
  discoveryNqn,
} from '../../../src/wire/layout.gen.js';
import {
  Bed,
  FakeHost,
  configuration,
  enabledConfiguration,
  hostNqn,
  subsystem,
} from './fake-host.js';

const retryLater = { do_not_retry: 0x4000 };

function bedOf(connectionsMax: number): Promise<Bed> {
  const large = subsystem({ cntlidRange: [1, 60000] });
  return Bed.with(configuration({ subsystems: [large] }), {}, { connectionsMax });
}

/** A discovery controller from there; its host, or null if it was refused. */
async function discover(bed: Bed, peer: string): Promise<FakeHost | null> {
  const host = new FakeHost(bed, discoveryNqn);
  const { status } = await host.connect({}, bed.open(8009, {}, peer));
  if (status !== 0) t.equal(status & retryLater.do_not_retry, 0);
  return status === 0 ? host : null;
}

/** Queues that a host is granted of `asked`. */
async function askQueues(host: FakeHost, asked: number): Promise<number> {
  const answer = await host.admin(AdminOpcode.setFeatures, {
    cdw10: packBits([SetFeaturesCdw10Bits.fid, Feature.numberOfQueues]),
    cdw11: packBits(
      [NumberOfQueuesFeatureBits.nsq, asked - 1],
      [NumberOfQueuesFeatureBits.ncq, asked - 1],
    ),
  });
  t.equal(answer.status, 0);
  return ((answer.dw0 ?? 0) & 0xffff) + 1;
}

t.test('the shares leave room for each class, address and host', async (t) => {
  for (const connectionsMax of [16, 17, 64, 256, 1000, 4096, 65536]) {
    const limits = shareLimits(connectionsMax);
    t.ok(limits.ioMax + 2 <= connectionsMax, 'not all for I/O');
    t.ok(limits.discoveryMax <= connectionsMax / 4, 'little for discovery');
    t.ok(limits.discoveryOfAddressMax <= limits.discoveryMax);
    t.ok(limits.ioOfHostMax <= limits.ioMax);
    const { guarantee, members, shared, sharedMax } = limits.ioOfAddress;
    t.equal(guarantee * members + shared, limits.ioMax);
    t.ok(guarantee >= 2 && members >= 1 && sharedMax >= 1);
  }
});

t.test('one address has its part of the discovery controllers', async (t) => {
  const bed = await bedOf(256);
  const { discoveryOfAddressMax } = shareLimits(256);
  for (let index = 0; index < 100; index += 1) await discover(bed, '10.0.0.1');
  t.equal(bed.target.controllers.length, discoveryOfAddressMax);
  t.ok(await discover(bed, '10.0.0.2'));
  t.same(bed.target.turnedAway, [], 'who is at its own limit keeps nobody out');
});

t.test('many addresses that hold all keep no honest host out', async (t) => {
  const bed = await bedOf(256);
  const { discoveryMax } = shareLimits(256);
  for (let index = 0; index < 200; index += 1) await discover(bed, `10.0.1.${index % 10}`);
  t.equal(bed.target.controllers.length, discoveryMax);
  for (let index = 0; index < 3; index += 1) t.ok(await discover(bed, '10.0.2.1'));
  t.match(bed.engine.terminations, [
    { reason: 'displaced' },
    { reason: 'displaced' },
    { reason: 'displaced' },
  ]);
  await bed.target.update((current) => current);
  t.equal(bed.target.controllers.length, discoveryMax);
});

t.test('when each address has as few as can be, a host is told to try again', async (t) => {
  const bed = await bedOf(64);
  const { discoveryMax } = shareLimits(64);
  for (let index = 0; index < discoveryMax; index += 1) await discover(bed, `10.0.1.${index}`);
  for (let index = 0; index < discoveryMax; index += 1) {
    // Each displaces one that has more than it: nobody has.
    await discover(bed, `10.0.1.${index}`);
  }
  t.equal(bed.target.controllers.length, discoveryMax);
  t.equal(bed.target.turnedAway.length, 1);
  bed.clock.advance(PeerLimits.saidForMs);
  t.same(bed.target.turnedAway, []);
});

t.test('a discovery controller without a keep-alive time is watched all the same', async (t) => {
  const bed = await bedOf(256);
  const host = await discover(bed, '10.0.0.1');
  t.match(bed.engine.keepAlives, [{ controller: host?.controller, timeoutMs: discoveryIdleMs }]);
  t.match(bed.target.controllers, [{ keepAliveTimeoutMs: 0 }]);
});

t.test('a host is granted what it can connect, and that is kept for it', async (t) => {
  const bed = await bedOf(64);
  const { ioOfHostMax } = shareLimits(64);
  const host = await FakeHost.ready(bed);
  const granted = await askQueues(host, 64);
  t.equal(granted, ioOfHostMax - 1);
  t.equal(bed.engine.reserves.get('127.0.0.1'), granted);
  for (let qid = 1; qid <= granted; qid += 1) t.equal((await host.connect({ qid })).status, 0);
  t.equal(bed.engine.reserves.get('127.0.0.1'), undefined);
  t.not((await host.connect({ qid: granted + 1 })).status, 0);
  // It has no room for another controller, and others have.
  t.not((await new FakeHost(bed).connect()).status, 0);
  t.equal((await new FakeHost(bed).connect({ hostnqn: `${hostNqn}2` })).status, 0);
});

t.test('what a host was granted is free when its controller is gone', async (t) => {
  const bed = await bedOf(64);
  for (let round = 0; round < 50; round += 1) {
    const host = await FakeHost.ready(bed);
    t.ok((await askQueues(host, 64)) > 1);
    await host.connect({ qid: 1 });
    bed.engine.close(host.connection, 'host_closed');
    await bed.target.update((current) => current);
  }
  t.equal(bed.target.controllers.length, 0);
  t.same([...bed.engine.reserves], []);
});

t.test('hosts that ask for no number of queues are charged as they connect them', async (t) => {
  const bed = await bedOf(64);
  const { ioOfHostMax } = shareLimits(64);
  const host = await FakeHost.ready(bed);
  let connected = 0;
  for (let qid = 1; qid <= ioOfHostMax + 5; qid += 1) {
    if ((await host.connect({ qid })).status === 0) connected += 1;
  }
  t.equal(connected, ioOfHostMax - 1);
  t.equal(bed.target.counters.connectRejectedTotal.get('queue_limit'), 6);
});

t.test('no address and no class of hosts takes all connections', async (t) => {
  const bed = await bedOf(64);
  const { ioOfAddress } = shareLimits(64);
  const connect = async (peer: string, name: number): Promise<number> => {
    const fields = { hostnqn: `${hostNqn}${name}` };
    return (await new FakeHost(bed).connect(fields, bed.open(4420, {}, peer))).status;
  };
  for (let index = 0; index < 100; index += 1) await connect('10.0.0.1', index);
  // A controller is charged 2.
  const ofOne = Math.floor((ioOfAddress.guarantee + ioOfAddress.sharedMax) / 2);
  t.equal(bed.target.controllers.length, ofOne);
  t.same(bed.target.turnedAway, []);
  for (let index = 0; index < 100; index += 1) await connect('10.0.0.2', index);
  t.ok(bed.target.controllers.length > ofOne);
  t.ok(bed.target.controllers.length < 2 * ofOne);
  // Discovery has a share of its own.
  t.ok(await discover(bed, '10.0.0.3'));
});

t.test('a host with disks comes in for controllers that have none, of who has most', async (t) => {
  const bed = await bedOf(64);
  const connect = (peer: string, name: number): Promise<{ status: number }> =>
    new FakeHost(bed).connect({ hostnqn: `${hostNqn}${name}` }, bed.open(4420, {}, peer));
  for (let index = 0; index < 400; index += 1) await connect(`10.0.1.${index % 20}`, index);
  await bed.target.update((current) => current);
  const before = bed.engine.terminations.length;
  t.equal((await connect('10.0.2.1', 1)).status, 0);
  t.match(bed.engine.terminations.slice(before), [{ reason: 'displaced' }]);
});

t.test('nobody loses an I/O queue to another host', async (t) => {
  const bed = await bedOf(64);
  const { ioMax } = shareLimits(64);
  for (let host = 0; host < ioMax; host += 1) {
    const hostnqn = `${hostNqn}${host}`;
    const holder = new FakeHost(bed);
    const { status } = await holder.connect({ hostnqn }, bed.open(4420, {}, `10.0.1.${host}`));
    if (status !== 0) continue;
    await holder.setProperty(Property.cc, enabledConfiguration);
    t.equal(await askQueues(holder, 1), 1);
    t.equal((await holder.connect({ hostnqn, qid: 1 })).status, 0);
  }
  const { status } = await new FakeHost(bed).connect({}, bed.open(4420, {}, '10.0.2.1'));
  t.not(status, 0);
  t.equal(status & retryLater.do_not_retry, 0);
  t.same(bed.engine.terminations, []);
  t.match(bed.target.turnedAway, [/of I\/O hosts/]);
  t.match([...bed.target.peerLimits].at(-1), { resource: 'controllers', class: 'io' });
});

t.test('however many addresses take all that they may, another host comes in', async (t) => {
  const bed = await bedOf(4096);
  /** Queues that it got; 0: it was refused. */
  const come = async (address: string, name: string, asked: number): Promise<number> => {
    const host = new FakeHost(bed);
    const { status } = await host.connect({ hostnqn: name }, bed.open(4420, {}, address));
    if (status !== 0) return 0;
    await host.setProperty(Property.cc, enabledConfiguration);
    return askQueues(host, asked);
  };
  let came = 0;
  for (let index = 0; index < 600; index += 1) {
    const queues = await come(`10.0.1.${index % 200}`, `${hostNqn}-${index}`, 64);
    if (queues > 0) came += 1;
  }
  t.ok(came > 200);
  t.ok((await come('10.0.2.1', hostNqn, 8)) >= 4);
  t.ok((await come('10.0.2.2', hostNqn, 8)) >= 4);
});
