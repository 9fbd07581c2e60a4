import t from 'tap';
import { getBits, packBits } from '../../src/wire/bits.js';
import {
  AsyncEventConfigurationBits,
  AsyncEventNotice,
  AsyncEventResultBits,
  AsyncEventType,
  Cns,
  CommandSpecificStatus,
  DiscoveryLogHeader,
  FabricsStatus,
  FabricsStatusName,
  Feature,
  GenericStatus,
  LogPage,
  NamespaceList,
  discoveryNqn,
} from '../../src/wire/layout.gen.js';
import { AdminQueue, makeAdmin } from '../host/admin-queue.js';
import { AdminOpcode, AbortCdw10Bits, IoOpcode } from '../../src/wire/layout.gen.js';
import { until, within } from '../host/bounded.js';
import { makeRange } from '../host/io-queue.js';
import { patternOf } from '../host/pattern.js';
import type { R2tFields } from '../host/queue.js';
import { commandSpecific, generic } from '../host/status.js';
import { TcpHost, makeIdentity } from '../host/tcp-host.js';
import {
  adminWithToken,
  Daemon,
  configuration,
  loopback,
  subsystem,
  subsystemNqn,
} from './daemon.js';
import type { Configuration } from './daemon.js';

const otherNqn = 'nqn.2026-11.com.example:disk1';
const addedNqn = 'nqn.2026-11.com.example:added';
const allowedHost = 'nqn.2014-08.org.nvmexpress:uuid:00000000-0000-4000-8000-000000000001';
const secondHost = 'nqn.2014-08.org.nvmexpress:uuid:00000000-0000-4000-8000-000000000002';

const bdevs = ['ram0', 'ram1', 'ram2'].map((name) => ({
  name,
  kind: 'malloc',
  size: '16MiB',
  block_size: 512,
}));

/** Both subsystems as they are at the start, but for what a test changes. */
function configured(first: Configuration = {}, second: Configuration = {}): Configuration {
  return configuration({
    admin: adminWithToken,
    bdevs,
    subsystems: [
      subsystem(first),
      subsystem({ nqn: otherNqn, namespaces: [{ nsid: 1, bdev: 'ram1' }], ...second }),
    ],
  });
}

const daemon = await Daemon.start(t, configured());
const target = daemon.target();

const namespaceChanged = packBits(
  [AsyncEventResultBits.aet, AsyncEventType.notice],
  [AsyncEventResultBits.aei, AsyncEventNotice.namespaceAttributeChanged],
  [AsyncEventResultBits.lid, LogPage.changedNamespaceList],
);

function within5s<T>(promise: Promise<T>, what: string): Promise<T> {
  return within(promise, what, 5000);
}

async function changedNamespaces(admin: AdminQueue): Promise<number[]> {
  const page = await admin.logPage({ lid: LogPage.changedNamespaceList, bytes: 4096 });
  const list = new NamespaceList(page);
  return Array.from({ length: 16 }, (_, index) => list.nsid(index)).filter((nsid) => nsid !== 0);
}

async function activeNamespaces(admin: AdminQueue): Promise<number[]> {
  const list = new NamespaceList(await admin.identify({ cns: Cns.activeNamespaceList }));
  return Array.from({ length: 16 }, (_, index) => list.nsid(index)).filter((nsid) => nsid !== 0);
}

t.test('a namespace added and removed by a reload is announced and served', async (t) => {
  const host = await TcpHost.connect(target, subsystemNqn);
  const other = await TcpHost.connect(target, otherNqn);
  const { admin, io } = host;
  const event = admin.asynchronousEvent();
  const pattern = patternOf({ slba: 0n, generation: 1 }, 16);
  const read = { slba: 0n, blocks: 16 };
  t.equal(
    (await io.tryRead(read, { nsid: 2 })).status,
    generic(GenericStatus.invalidNamespaceOrFormat),
  );

  const both = [
    { nsid: 1, bdev: 'ram0' },
    { nsid: 2, bdev: 'ram2' },
  ];
  t.match(await daemon.reload(configured({ namespaces: both })), { msg: 'reloaded' });
  t.equal((await within5s(event.answer, 'an event')).dw0, namespaceChanged);
  t.same(await changedNamespaces(admin), [2]);
  t.same(await changedNamespaces(admin), [], 'reading clears');
  t.same(await activeNamespaces(admin), [1, 2]);
  await io.write(0n, pattern, { nsid: 2 });
  t.ok((await io.read(0n, 16, { nsid: 2 })).equals(pattern));

  // No request is parked now: the event is kept for the next one.
  t.match(await daemon.apply(configured()), { msg: 'reloaded' });
  const later = admin.asynchronousEvent();
  t.equal((await within5s(later.answer, 'a kept event')).dw0, namespaceChanged);
  t.same(await changedNamespaces(admin), [2]);
  t.same(await activeNamespaces(admin), [1]);
  t.equal(
    (await io.tryRead(read, { nsid: 2 })).status,
    generic(GenericStatus.invalidNamespaceOrFormat),
  );
  await io.read(0n, 16);

  // Another subsystem's hosts have nothing to do with it.
  t.same(await changedNamespaces(other.admin), []);
  await other.io.read(0n, 1);
  await other.disconnect();
  await host.disconnect();
});

t.test('a namespace removed under load fails its commands and no others', async (t) => {
  const namespaces = [
    { nsid: 1, bdev: 'ram0' },
    { nsid: 2, bdev: 'ram2' },
  ];
  await daemon.reload(configured({ namespaces }));
  const host = await TcpHost.connect(target, subsystemNqn, { ioQueues: 2 });
  let isWanted = true;
  let failed = 0;
  const lanes = Array.from({ length: 16 }, async (_, lane) => {
    const queue = host.queues[lane % 2]!;
    const nsid = 1 + (Math.floor(lane / 2) % 2);
    const slba = BigInt(lane * 64);
    for (let generation = 1; isWanted; generation++) {
      const pattern = patternOf({ slba, generation }, 64);
      const written = await queue.tryWrite(slba, pattern, { nsid });
      const read = await queue.tryRead({ slba, blocks: 64 }, { nsid });
      const good = written.status === 0 && read.status === 0 && read.payload.equals(pattern);
      if (good) continue;
      if (nsid === 1) throw new Error(`namespace 1: ${written.status} ${read.status}`);
      for (const { status } of [written, read]) {
        if (status === 0) continue;
        if (status !== generic(GenericStatus.invalidNamespaceOrFormat)) {
          throw new Error(`expected Invalid Namespace, got ${status.toString(16)}`);
        }
        failed++;
      }
    }
  });
  const work = Promise.all(lanes);
  for (let round = 0; round < 3; round++) {
    await Promise.race([work, daemon.apply(configured())]);
    await Promise.race([work, daemon.reload(configured({ namespaces }))]);
  }
  await daemon.apply(configured());
  await host.io.read(0n, 1);
  isWanted = false;
  await within(work, 'the end of the load');
  t.ok(failed > 0, `${failed} commands failed`);
  await host.disconnect();
});

t.test('a host that wants no namespace events gets none', async (t) => {
  const admin = await AdminQueue.connect(target, makeIdentity(subsystemNqn));
  await admin.enable();
  await admin.setFeature(
    Feature.asynchronousEventConfiguration,
    packBits([AsyncEventConfigurationBits.nsan, 0]),
  );
  const { cid, answer } = admin.asynchronousEvent();
  await daemon.apply(configured({ namespaces: [{ nsid: 3, bdev: 'ram0' }] }));
  await daemon.apply(configured());
  t.ok(await admin.abort(0, cid), 'it is still parked');
  t.equal((await answer).status & 0x0fff, generic(GenericStatus.abortRequested) & 0x0fff);
  await admin.close();
});

t.test('a discovery controller is told of a new subsystem', async (t) => {
  const admin = await AdminQueue.connect(daemon.listener('127.0.0.2'), makeIdentity(discoveryNqn));
  await admin.enable();
  const page = async () =>
    new DiscoveryLogHeader(await admin.logPage({ lid: LogPage.discovery, bytes: 1024 }));
  const before = await page();
  const { answer } = admin.asynchronousEvent();
  const { bdevs: all, subsystems, ...rest } = configured();
  const added = subsystem({ nqn: addedNqn, namespaces: [] });
  const more = { ...rest, bdevs: all, subsystems: [...(subsystems as Configuration[]), added] };
  t.match(await daemon.reload(more), { msg: 'reloaded' });
  const { dw0 } = await within5s(answer, 'an event');
  t.equal(getBits(dw0, AsyncEventResultBits.aei), AsyncEventNotice.discoveryLogPageChange);
  t.equal(getBits(dw0, AsyncEventResultBits.lid), LogPage.discovery);
  const after = await page();
  t.equal(after.numrec, before.numrec + 1n);
  t.not(after.genctr, before.genctr);

  const host = await TcpHost.connect(target, addedNqn);
  const bystander = await TcpHost.connect(target, subsystemNqn);
  t.match(await daemon.apply(configured()), { msg: 'reloaded' });
  await host.ended();
  await bystander.io.read(0n, 1);
  await bystander.disconnect();
  await admin.close();
});

t.test('one Asynchronous Event Request too many is refused', async (t) => {
  const admin = await AdminQueue.connect(target, makeIdentity(subsystemNqn));
  await admin.enable();
  const { aerl } = await admin.identifyController();
  const parked = Array.from({ length: aerl + 1 }, () => admin.asynchronousEvent());
  const { answer } = admin.asynchronousEvent();
  const { asyncEventRequestLimitExceeded } = CommandSpecificStatus;
  const expected = commandSpecific(asyncEventRequestLimitExceeded) & 0x0fff;
  t.equal((await within5s(answer, 'an answer')).status & 0x0fff, expected);
  t.equal(admin.outstanding, aerl + 1);
  const [first] = parked;
  t.ok(await admin.abort(0, first!.cid));
  t.equal((await first!.answer).status & 0x0fff, generic(GenericStatus.abortRequested) & 0x0fff);
  t.notOk(await admin.abort(0, first!.cid), 'it is gone');
  for (const { answer: rest } of parked) rest.catch(() => undefined);
  await admin.close();
});

t.test('a Write whose data are on their way is not aborted, and is carried out', async (t) => {
  const host = await TcpHost.connect(target, subsystemNqn);
  const { admin, io } = host;
  await io.write(100n, patternOf({ slba: 100n, generation: 1 }, 32));
  const payload = patternOf({ slba: 100n, generation: 2 }, 32);
  const asked = new Promise<R2tFields>((resolve) => {
    io.onR2t = resolve;
  });
  const sqe = makeRange(IoOpcode.write, { slba: 100n, blocks: 32 });
  const { cid, answer } = io.submitNow({ sqe, payload, way: 'r2t' });
  const r2t = await within5s(asked, 'an R2T');
  t.notOk(await admin.abort(1, cid));
  io.sendHostData(r2t, payload);
  t.equal((await within5s(answer, 'an answer')).status, 0);
  t.ok((await io.read(100n, 32)).equals(payload));
  await host.disconnect();
});

t.test('Abort says so when there is nothing to abort', async (t) => {
  const host = await TcpHost.connect(target, subsystemNqn);
  t.notOk(await host.admin.abort(1, 0x7777));
  const sqe = makeAdmin(AdminOpcode.abort);
  sqe.cdw10 = packBits([AbortCdw10Bits.sqid, 9], [AbortCdw10Bits.cid, 1]);
  t.equal((await host.admin.submit({ sqe })).status, generic(GenericStatus.invalidField));
  await host.disconnect();
});

t.test('a host that falls silent is let go, one that keeps alive is not', async (t) => {
  // Far above what this test's own loop may stand still on a machine with much to do.
  const keepAliveTimeoutMs = 2500;
  const silent = await TcpHost.connect(target, subsystemNqn, { keepAliveTimeoutMs });
  const lively = await TcpHost.connect(target, subsystemNqn, { keepAliveTimeoutMs });
  const untimed = await TcpHost.connect(target, subsystemNqn);
  const over = silent.ended().then(() => true);
  const isOver = async () => {
    await lively.admin.keepAlive();
    const beat = new Promise<false>((resolve) => setTimeout(resolve, 50, false));
    return Promise.race([over, beat]);
  };
  await until('the end of the silent host', isOver);
  t.equal((await daemon.metrics()).sum('capsuled_keep_alive_expired_total'), 1);
  await lively.io.read(0n, 1);
  await untimed.io.read(0n, 1);
  await lively.disconnect();
  await untimed.disconnect();
});

t.test('a subsystem serves the hosts on its list', async (t) => {
  const connect = (hostNqn: string) => TcpHost.connect(target, otherNqn, { hostNqn });
  const refused = { message: new RegExp(FabricsStatusName[FabricsStatus.connectInvalidHost]!) };
  const closed = (hosts: string[]) => configured({}, { allow_any_host: false, hosts });
  const before = await connect(secondHost);
  await daemon.reload(closed([allowedHost]));
  await before.ended();
  await t.rejects(connect(secondHost), refused);

  const allowed = await connect(allowedHost);
  await daemon.reload(closed([allowedHost, secondHost]));
  const second = await connect(secondHost);
  await daemon.reload(closed([allowedHost]));
  await second.ended();
  await allowed.io.read(0n, 1);
  await daemon.apply(configured());
  await allowed.io.read(0n, 1);
  await allowed.disconnect();
});

t.test('a listener that goes leaves its connections alone', async (t) => {
  const listener = { ...loopback, address: '127.0.0.3' };
  const from = daemon.process.lines.length;
  t.match(await daemon.reload(configured({ listeners: [loopback, listener] })), {
    msg: 'reloaded',
  });
  const { port } = (await daemon.process.line(
    'the new listener',
    (line) => line.msg === 'listening' && line['address'] === '127.0.0.3',
    from,
  )) as unknown as { port: number };
  const address = { address: '127.0.0.3', port };
  const host = await TcpHost.connect(address, subsystemNqn);
  t.match(await daemon.apply(configured()), { msg: 'reloaded' });
  await t.rejects(TcpHost.connect(address, subsystemNqn), { code: 'ECONNREFUSED' });
  await host.io.read(0n, 1);
  await host.admin.keepAlive();
  await host.disconnect();
});

t.test('an invalid configuration changes nothing', async (t) => {
  const host = await TcpHost.connect(target, subsystemNqn);
  const line = await daemon.reload(configured({ namespaces: [{ nsid: 1, bdev: 'nobody' }] }));
  t.match(line, { level: 'error', msg: /stays in force/ });
  await host.io.read(0n, 1);
  t.equal((await daemon.get('/readyz')).status, 200);
  await host.disconnect();
});

t.test('nothing is left behind', async () => {
  await daemon.idle();
});
