import t from 'tap';
import type { Test } from 'tap';
import { getBits64, hasBit, packBits } from '../../src/wire/bits.js';
import {
  CapBits,
  Cns,
  ConnectCommand,
  ConnectData,
  ConnectInvalidBits,
  CstsBits,
  DiscoveryLogEntry,
  DiscoveryLogHeader,
  FabricsCommandType,
  FabricsStatus,
  Feature,
  FeatureSelect,
  GenericStatus,
  IdentifyNamespace,
  CommandSpecificStatus,
  LogPage,
  NamespaceIdDescriptor,
  NamespaceList,
  Property,
  SmartLog,
  SubsystemType,
  cntlidDynamic,
  discoveryNqn,
  version20,
} from '../../src/wire/layout.gen.js';
import {
  AdminQueue,
  makeAdmin,
  makeGetFeatures,
  makeGetLogPage,
  makeIdentify,
  makePropertyGet,
  makePropertySet,
  makeSetFeatures,
} from '../host/admin-queue.js';
import { IoQueue } from '../host/io-queue.js';
import { PduLink } from '../host/pdu-link.js';
import { makeConnect, openQueue } from '../host/queue.js';
import { commandSpecific, generic } from '../host/status.js';
import { TcpHost, makeIdentity } from '../host/tcp-host.js';
import { Daemon, configuration, discoveryLoopback, subsystem, subsystemNqn } from './daemon.js';

const closedNqn = 'nqn.2026-11.com.example:closed';
const elsewhereNqn = 'nqn.2026-11.com.example:elsewhere';
const allowedHost = 'nqn.2014-08.org.nvmexpress:uuid:00000000-0000-4000-8000-000000000001';

const config = configuration({
  subsystems: [
    subsystem(),
    subsystem({ nqn: closedNqn, allow_any_host: false, hosts: [allowedHost], namespaces: [] }),
    subsystem({ nqn: elsewhereNqn, listeners: [discoveryLoopback], namespaces: [] }),
  ],
});

const daemon = await Daemon.start(t, config);
const target = daemon.target();
const identity = makeIdentity(subsystemNqn);

/** An enabled controller that the test leaves behind closed. */
async function enabled(test: Test, nqn = subsystemNqn): Promise<AdminQueue> {
  const admin = await AdminQueue.connect(target, makeIdentity(nqn));
  test.teardown(() => admin.close());
  await admin.enable();
  return admin;
}

for (const header of [false, true]) {
  for (const payload of [false, true]) {
    const name = `header digests ${header ? 'on' : 'off'}, data digests ${payload ? 'on' : 'off'}`;
    t.test(`ICResp agrees to ${name}`, async (t) => {
      const link = await PduLink.open(target);
      const response = await link.initialize({ digests: { header, payload } });
      t.same(link.digests, { header, payload });
      t.equal(response.common.plen, 128);
      t.equal(response.pfv, 0);
      t.equal(response.cpda, 0);
      t.ok(response.maxh2cdata >= 4096 && response.maxh2cdata % 4 === 0);
      await link.close();
    });

    t.test(`a controller is identified with ${name}`, async (t) => {
      const admin = await AdminQueue.connect(target, identity, { digests: { header, payload } });
      await admin.enable();
      t.equal((await admin.identifyController()).subnqn, subsystemNqn);
      await admin.close();
    });
  }
}

t.test('a host that asks for alignment gets its data aligned', async (t) => {
  const admin = await AdminQueue.connect(target, identity, {
    hpda: 31,
    digests: { header: true, payload: true },
  });
  await admin.enable();
  t.equal((await admin.identifyController()).cntlid, admin.cntlid);
  await admin.close();
});

t.test('the controller goes through its life', async (t) => {
  const admin = await AdminQueue.connect(target, identity);
  t.notOk(hasBit(await admin.status(), CstsBits.rdy));
  const capabilities = await admin.propertyGet(Property.cap, 8);
  t.equal(getBits64(capabilities, CapBits.cqr), 1);
  t.equal(Number(await admin.propertyGet(Property.vs)), version20);
  await admin.enable();
  await admin.disable();
  await admin.enable();
  await admin.close();
});

t.test('every Identify structure is there', async (t) => {
  const admin = await enabled(t);
  const controller = await admin.identifyController();
  t.equal(controller.cntlid, admin.cntlid);
  t.equal(controller.ver, version20);
  t.not(controller.vwc, 0, 'Linux flushes only where a cache is');
  t.equal(controller.icdoff, 0);
  t.ok(controller.ioccsz * 16 >= 64 + 8192);

  const namespace = new IdentifyNamespace(await admin.identify({ cns: Cns.namespace, nsid: 1 }));
  t.equal(namespace.nsze, 131072n);
  const inactive = await admin.identify({ cns: Cns.namespace, nsid: 2 });
  t.ok(inactive.every((byte) => byte === 0));

  for (const cns of [Cns.activeNamespaceList, Cns.ioCommandSetActiveNamespaceList]) {
    const list = new NamespaceList(await admin.identify({ cns, nsid: 0 }));
    t.same([list.nsid(0), list.nsid(1)], [1, 0]);
    t.equal(new NamespaceList(await admin.identify({ cns, nsid: 1 })).nsid(0), 0);
  }

  const descriptors = await admin.identify({ cns: Cns.namespaceIdDescriptors, nsid: 1 });
  const types: number[] = [];
  for (let at = 0; new NamespaceIdDescriptor(descriptors.subarray(at)).nidl !== 0;) {
    const { nidt, nidl } = new NamespaceIdDescriptor(descriptors.subarray(at));
    types.push(nidt);
    at += NamespaceIdDescriptor.size + nidl;
  }
  t.ok(types.includes(2) && types.includes(3), 'NGUID and UUID');

  for (const cns of [
    Cns.ioCommandSetNamespace,
    Cns.ioCommandSetController,
    Cns.independentNamespace,
  ]) {
    t.equal((await admin.identify({ cns, nsid: 1 })).length, 4096);
  }
  const combinations = await admin.identify({ cns: Cns.ioCommandSet, cntid: 0xffff });
  t.equal(combinations[0], 1);
});

t.test('Identify refuses what is not there', async (t) => {
  const admin = await enabled(t);
  const status = async (selection: Parameters<typeof makeIdentify>[0]) =>
    (await admin.submit({ sqe: makeIdentify(selection), readBytes: 4096 })).status;
  const { invalidField, invalidNamespaceOrFormat } = GenericStatus;
  t.equal(await status({ cns: 0xff }), generic(invalidField));
  t.equal(
    await status({ cns: Cns.namespace, nsid: 0xffffffff }),
    generic(invalidNamespaceOrFormat),
  );
  t.equal(
    await status({ cns: Cns.namespaceIdDescriptors, nsid: 77 }),
    generic(invalidNamespaceOrFormat),
  );
});

t.test('log pages are read whole and in parts', async (t) => {
  const admin = await enabled(t);
  const supported = await admin.logPage({ lid: LogPage.supportedLogPages, bytes: 1024 });
  const lids = Array.from({ length: 256 }, (_, lid) => lid).filter(
    (lid) => supported.readUInt32LE(lid * 4) !== 0,
  );
  t.ok(lids.length >= 6);
  for (const lid of lids) {
    const bytes = 512;
    t.equal((await admin.logPage({ lid, bytes })).length, bytes, `log page ${lid}`);
    const part = await admin.logPage({ lid, bytes: 64, offset: 64n });
    t.equal(part.length, 64);
  }
  const smart = new SmartLog(
    await admin.logPage({ lid: LogPage.smartHealthInformation, bytes: SmartLog.size }),
  );
  t.equal(smart.criticalWarning, 0);
  t.equal(smart.availableSpare, 100);

  const unknown = await admin.submit({
    sqe: makeGetLogPage({ lid: 0xc0, bytes: 512 }),
    readBytes: 512,
  });
  const { invalidLogPage } = CommandSpecificStatus;
  t.equal(unknown.status, commandSpecific(invalidLogPage));
});

t.test('features are read and set', async (t) => {
  const admin = await enabled(t);
  t.equal(await admin.setQueueCount(3), 3);
  t.equal(await admin.getFeature(Feature.numberOfQueues), 0x00020002);
  await admin.setFeature(Feature.keepAliveTimer, 12_000);
  t.equal(await admin.getFeature(Feature.keepAliveTimer), 12_000);
  t.equal(await admin.getFeature(Feature.keepAliveTimer, FeatureSelect.default), 0);
  t.equal(await admin.getFeature(Feature.volatileWriteCache), 1);
  const refused = await admin.submit({ sqe: makeSetFeatures(Feature.volatileWriteCache, 0) });
  t.equal(refused.status, commandSpecific(CommandSpecificStatus.featureNotChangeable));
  const unknown = await admin.submit({ sqe: makeGetFeatures(0x7e, FeatureSelect.current) });
  t.equal(unknown.status, generic(GenericStatus.invalidField));
});

t.test('an admin command before CC.EN is out of sequence', async (t) => {
  const admin = await AdminQueue.connect(target, identity);
  const answer = await admin.submit({
    sqe: makeIdentify({ cns: Cns.controller }),
    readBytes: 4096,
  });
  t.equal(answer.status, generic(GenericStatus.commandSequenceError));
  await admin.close();
});

t.test('an unknown admin opcode is an invalid one', async (t) => {
  const admin = await enabled(t);
  const answer = await admin.submit({ sqe: makeAdmin(0xc0) });
  t.equal(answer.status, generic(GenericStatus.invalidOpcode));
});

t.test('properties that are not there, or of another size, are invalid fields', async (t) => {
  const admin = await enabled(t);
  const invalid = generic(GenericStatus.invalidField);
  for (const sqe of [
    makePropertyGet(0x1000, 4),
    makePropertyGet(Property.cap, 4),
    makePropertyGet(Property.csts, 8),
    makePropertySet(Property.cc, 0n, 8),
    makePropertySet(Property.csts, 0n),
    makePropertySet(Property.cap, 0n, 8),
  ]) {
    t.equal((await admin.submit({ sqe })).status, invalid);
  }
});

t.test('a controller configured beyond its means fails to get ready', async (t) => {
  const admin = await AdminQueue.connect(target, identity);
  await admin.propertySet(Property.cc, 0x00460001n | (2n << 7n));
  const status = await admin.status();
  t.ok(hasBit(status, CstsBits.cfs));
  t.notOk(hasBit(status, CstsBits.rdy));
  await admin.close();
});

t.test('discovery tells what there is', async (t) => {
  const found = new Map<string, DiscoveryLogEntry[]>();
  for (const address of [target, daemon.listener('127.0.0.2')]) {
    const admin = await AdminQueue.connect(address, makeIdentity(discoveryNqn));
    await admin.enable();
    t.equal((await admin.identifyController()).subnqn, discoveryNqn);
    const header = new DiscoveryLogHeader(
      await admin.logPage({ lid: LogPage.discovery, bytes: DiscoveryLogHeader.size }),
    );
    const count = Number(header.numrec);
    const entries: DiscoveryLogEntry[] = [];
    for (let index = 0; index < count; index++) {
      const offset = BigInt(DiscoveryLogHeader.size + index * DiscoveryLogEntry.size);
      const bytes = DiscoveryLogEntry.size;
      entries.push(
        new DiscoveryLogEntry(await admin.logPage({ lid: LogPage.discovery, bytes, offset })),
      );
    }
    const again = new DiscoveryLogHeader(
      await admin.logPage({ lid: LogPage.discovery, bytes: DiscoveryLogHeader.size }),
    );
    t.equal(again.genctr, header.genctr);
    found.set(address.address, entries);
    await admin.close();
  }
  for (const [address, entries] of found) {
    const [self, ...others] = entries;
    t.equal(self!.subtype, SubsystemType.currentDiscovery);
    t.equal(self!.traddr, address);
    const seen = others.map(({ subnqn, traddr, trsvcid }) => ({ subnqn, traddr, trsvcid }));
    t.match(seen, [
      { subnqn: subsystemNqn, traddr: '127.0.0.1', trsvcid: String(target.port) },
      { subnqn: elsewhereNqn, traddr: '127.0.0.2' },
    ]);
    t.equal(others.length, 2, 'a host sees no subsystem that it may not use');
  }
});

t.test('a wildcard listener advertises the address that the host came in on', async (t) => {
  for (const [wildcard, addresses] of [
    ['0.0.0.0', ['127.0.0.1', '127.0.0.5']],
    ['::', ['::1']],
  ] as const) {
    const listeners = [{ transport: 'tcp', address: wildcard, port: 0 }];
    const other = await Daemon.start(
      t,
      configuration({ discovery: { listeners }, subsystems: [subsystem({ listeners })] }),
    );
    const { port } = other.target();
    for (const address of addresses) {
      const admin = await AdminQueue.connect({ address, port }, makeIdentity(discoveryNqn));
      await admin.enable();
      const bytes = DiscoveryLogHeader.size + 2 * DiscoveryLogEntry.size;
      const page = await admin.logPage({ lid: LogPage.discovery, bytes });
      const entries = [0, 1].map(
        (index) =>
          new DiscoveryLogEntry(
            page.subarray(DiscoveryLogHeader.size + index * DiscoveryLogEntry.size),
          ),
      );
      for (const { traddr, trsvcid } of entries) t.same([traddr, trsvcid], [address, String(port)]);
      t.equal(entries[1]!.subnqn, subsystemNqn);
      await admin.close();
    }
    await other.stop();
  }
});

t.test('Disconnect ends an I/O queue, and the queue can be connected again', async (t) => {
  const host = await TcpHost.connect(target, subsystemNqn);
  const answer = await host.io.disconnect();
  t.equal(answer.status, 0);
  t.equal((await host.io.link.closed()).termination, null);
  const again = await IoQueue.connect(host.admin, 1);
  await again.read(0n, 1);
  const refused = await host.admin.disconnect();
  t.equal(refused.status, commandSpecific(FabricsStatus.invalidQueueType));
  await again.close();
  await host.admin.close();
});

t.test('controllers are told apart, and end with their admin queue', async (t) => {
  const first = await TcpHost.connect(target, subsystemNqn, { ioQueues: 2 });
  const second = await TcpHost.connect(target, subsystemNqn, { ioQueues: 2 });
  t.not(first.admin.cntlid, second.admin.cntlid);
  first.admin.link.destroy();
  await first.ended();
  await second.io.read(0n, 8);
  await second.disconnect();
});

interface Refusal {
  readonly name: string;
  readonly status: number;
  readonly dw0?: number;
  readonly qid?: number;
  readonly cntlid?: number;
  readonly payloadBytes?: number;
  /** What is otherwise than in a good Connect. */
  readonly command?: Partial<Pick<ConnectCommand, 'recfmt' | 'sqsize'>>;
  readonly payload?: Partial<Pick<ConnectData, 'subnqn' | 'hostnqn'>>;
  readonly spoil?: (payload: ConnectData) => void;
}

const { connectInvalidParameters, connectIncompatibleFormat, connectInvalidHost } = FabricsStatus;
const invalidParameter = commandSpecific(connectInvalidParameters);

function inCommand(field: { readonly offset: number }): number {
  return packBits([ConnectInvalidBits.ipo, field.offset]);
}

function inData(field: { readonly offset: number }): number {
  return packBits([ConnectInvalidBits.ipo, field.offset], [ConnectInvalidBits.inData, 1]);
}

const refusals: Refusal[] = [
  {
    name: 'an unknown record format',
    status: commandSpecific(connectIncompatibleFormat),
    command: { recfmt: 1 },
  },
  {
    name: 'an unknown subsystem',
    status: invalidParameter,
    dw0: inData(ConnectData.fields.subnqn),
    payload: { subnqn: 'nqn.2026-11.com.example:nobody' },
  },
  {
    name: 'a subsystem of another listener',
    status: invalidParameter,
    dw0: inData(ConnectData.fields.subnqn),
    payload: { subnqn: elsewhereNqn },
  },
  {
    name: 'a subsystem NQN without end',
    status: invalidParameter,
    dw0: inData(ConnectData.fields.subnqn),
    spoil: (payload) => {
      payload.buffer.fill('n', ConnectData.fields.subnqn.offset, 512);
    },
  },
  {
    name: 'a host that is not allowed',
    status: commandSpecific(connectInvalidHost),
    dw0: inData(ConnectData.fields.hostnqn),
    payload: { subnqn: closedNqn },
  },
  {
    name: 'a host NQN that is none',
    status: invalidParameter,
    dw0: inData(ConnectData.fields.hostnqn),
    payload: { hostnqn: 'host' },
  },
  {
    name: 'a static controller',
    status: invalidParameter,
    dw0: inData(ConnectData.fields.cntlid),
    cntlid: 7,
  },
  {
    name: 'an admin queue that is too small',
    status: invalidParameter,
    dw0: inCommand(ConnectCommand.fields.sqsize),
    command: { sqsize: 30 },
  },
  {
    name: 'a queue that is too large',
    status: invalidParameter,
    dw0: inCommand(ConnectCommand.fields.sqsize),
    command: { sqsize: 0xffff },
  },
  {
    name: 'an SQSIZE of 0',
    status: invalidParameter,
    dw0: inCommand(ConnectCommand.fields.sqsize),
    command: { sqsize: 0 },
  },
  {
    name: 'an I/O queue of a controller that is not there',
    status: invalidParameter,
    dw0: inData(ConnectData.fields.cntlid),
    qid: 1,
    cntlid: 65000,
  },
  {
    name: 'an I/O queue of discovery',
    status: invalidParameter,
    dw0: inCommand(ConnectCommand.fields.qid),
    qid: 1,
    cntlid: 1,
    payload: { subnqn: discoveryNqn },
  },
  {
    name: 'data that are too short',
    status: generic(GenericStatus.dataSglLengthInvalid),
    payloadBytes: 512,
  },
];

for (const refusal of refusals) {
  t.test(`Connect refuses ${refusal.name}`, async (t) => {
    const queue = await openQueue(target);
    const { qid = 0, cntlid = cntlidDynamic, dw0 = 0, payloadBytes } = refusal;
    const { sqe, command, payload } = makeConnect(identity, qid, cntlid);
    const connectData = Object.assign(new ConnectData(payload), refusal.payload);
    Object.assign(command, refusal.command);
    refusal.spoil?.(connectData);
    const answer = await queue.submit({ sqe, payload: payload.subarray(0, payloadBytes) });
    t.equal(answer.status.toString(16), refusal.status.toString(16));
    t.equal(answer.dw0.toString(16), dw0.toString(16));
    await queue.close();
  });
}

t.test('a refused Connect can be made right on the same connection', async (t) => {
  const queue = await openQueue(target);
  const { sqe, payload } = makeConnect(identity, 0, 7);
  t.equal((await queue.submit({ sqe, payload })).status, invalidParameter);
  t.ok((await queue.connect(identity, 0)) > 0);
  await queue.close();
});

t.test('Connect checks an I/O queue against its controller', async (t) => {
  const admin = await AdminQueue.connect(target, identity);
  const attempt = async (qid: number, spoil?: (payload: ConnectData) => void, entries = 32) => {
    const queue = await openQueue(target);
    const { sqe, payload } = makeConnect(identity, qid, admin.cntlid, { entries });
    spoil?.(new ConnectData(payload));
    const { status, dw0 } = await queue.submit({ sqe, payload });
    queue.link.destroy();
    return { status, dw0 };
  };
  const { hostnqn, hostid } = ConnectData.fields;
  t.same(await attempt(1), { status: generic(GenericStatus.commandSequenceError), dw0: 0 });
  await admin.enable();
  await admin.setQueueCount(2);
  t.same(await attempt(3), {
    status: invalidParameter,
    dw0: inCommand(ConnectCommand.fields.qid),
  });
  t.same(await attempt(1, undefined, 1), {
    status: invalidParameter,
    dw0: inCommand(ConnectCommand.fields.sqsize),
  });
  t.same(
    await attempt(1, (payload) => {
      payload.hostnqn = allowedHost;
    }),
    { status: invalidParameter, dw0: inData(hostnqn) },
  );
  t.same(
    await attempt(1, (payload) => {
      payload.hostid = Buffer.alloc(16, 1);
    }),
    { status: invalidParameter, dw0: inData(hostid) },
  );
  const io = await IoQueue.connect(admin, 1);
  t.same(await attempt(1), {
    status: generic(GenericStatus.commandSequenceError, 'retry'),
    dw0: 0,
  });
  await io.read(0n, 1);
  await io.close();
  await admin.close();
});

t.test('a second Connect on one connection is out of sequence', async (t) => {
  const admin = await enabled(t);
  const { sqe, payload } = makeConnect(identity, 0, cntlidDynamic);
  const answer = await admin.submit({ sqe, payload });
  t.equal(answer.status, generic(GenericStatus.commandSequenceError));
  t.equal((await admin.identifyController()).cntlid, admin.cntlid);
});

t.test('an unknown Fabrics command is an invalid opcode', async (t) => {
  const admin = await enabled(t);
  const { sqe, command } = makeConnect(identity, 0, cntlidDynamic);
  command.fctype = 0x3c;
  t.equal((await admin.submit({ sqe })).status, generic(GenericStatus.invalidOpcode));
  command.fctype = FabricsCommandType.authenticationSend;
  t.equal((await admin.submit({ sqe })).status, generic(GenericStatus.invalidOpcode));
});

t.test('refusals are counted by their reason, and nothing is left behind', async (t) => {
  const metrics = await daemon.metrics();
  const rejected = (reason: string) => metrics.sum('capsuled_connect_rejected_total', { reason });
  t.ok(rejected('subsystem_unknown') >= 2);
  t.equal(rejected('host_not_allowed'), 1);
  t.equal(rejected('format_invalid'), 1);
  t.equal(rejected('internal'), 0);
  await daemon.idle();
});
