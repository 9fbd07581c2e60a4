import t from 'tap';

import { permissions } from '../../../src/subsystem/change.js';
import type { TargetConfiguration } from '../../../src/subsystem/configuration.js';
import type { ConnectRejectReason } from '../../../src/subsystem/counters.js';
import { LogLimit } from '../../../src/subsystem/log-limit.js';
import { packBits } from '../../../src/wire/bits.js';
import {
  AdminOpcode,
  ConnectAttributesBits,
  ConnectData,
  FabricsStatus,
  GenericStatus,
  Property,
  StatusCodeType,
  discoveryNqn,
} from '../../../src/wire/layout.gen.js';
import { packStatus } from '../../../src/wire/status.js';
import type { Retry } from '../../../src/wire/status.js';
import {
  Bed,
  FakeHost,
  configuration,
  diskNqn,
  enabledConfiguration,
  hostNqn,
  subsystem,
} from './fake-host.js';
import type { ConnectFields } from './fake-host.js';

const connectStatus = (code: number, retry: Retry = 'doNotRetry'): number =>
  packStatus(StatusCodeType.commandSpecific, code, retry) >>> 1;
const genericStatus = (code: number, retry: Retry = 'doNotRetry'): number =>
  packStatus(StatusCodeType.generic, code, retry) >>> 1;
const invalid = connectStatus(FabricsStatus.connectInvalidParameters);
const inData = 1 << 16;

t.test('a Connect on queue 0 makes a controller and answers its CNTLID', async (t) => {
  const bed = await Bed.with();
  const host = new FakeHost(bed);
  const cattr = packBits([ConnectAttributesBits.disableSqFlowControl, 1]);
  const answer = await host.connect({ kato: 4901, cattr });
  t.match(answer, { status: 0, dw0: 1 });
  t.match(answer.attach, { qid: 0, entries: 32, flowControlDisabled: true });
  t.equal(answer.attach?.table, bed.target.subsystems[0]?.table);
  t.same(bed.engine.keepAlives, [{ controller: answer.attach?.controller, timeoutMs: 5000 }]);
  t.match(bed.target.controllers, [
    { cntlid: 1, kind: 'io', subsystem: diskNqn, hostNqn, state: 'disabled', qids: [0] },
  ]);
  t.match(bed.target.connections, [{ subsystem: diskNqn, hostNqn, cntlid: 1, qid: 0 }]);
});

t.test('without KATO no keep-alive timer is started', async (t) => {
  const bed = await Bed.with();
  await new FakeHost(bed).connect();
  t.same(bed.engine.keepAlives, []);
});

const unterminated = (field: 'subnqn' | 'hostnqn') => (data: ConnectData) => {
  const { offset, size } = ConnectData.fields[field];
  return data.buffer.fill('n', offset, offset + size);
};

const refusals: readonly {
  readonly name: string;
  readonly fields: ConnectFields;
  readonly status: number;
  readonly dw0?: number;
  readonly reason: ConnectRejectReason;
}[] = [
  {
    name: 'an unknown record format',
    fields: { recfmt: 1 },
    status: connectStatus(FabricsStatus.connectIncompatibleFormat),
    reason: 'format_invalid',
  },
  {
    name: 'no data',
    fields: { spoil: () => null },
    status: genericStatus(GenericStatus.dataSglLengthInvalid),
    reason: 'length_invalid',
  },
  {
    name: 'data that is too short',
    fields: { spoil: (data) => data.buffer.subarray(0, 1023) },
    status: genericStatus(GenericStatus.dataSglLengthInvalid),
    reason: 'length_invalid',
  },
  {
    name: 'a subsystem NQN without NUL',
    fields: { spoil: unterminated('subnqn') },
    status: invalid,
    dw0: inData + 256,
    reason: 'subsystem_unknown',
  },
  {
    name: 'a host NQN without NUL',
    fields: { spoil: unterminated('hostnqn') },
    status: invalid,
    dw0: inData + 512,
    reason: 'host_invalid',
  },
  {
    name: 'a host NQN that is none',
    fields: { hostnqn: 'iqn.2004-10.com.example' },
    status: invalid,
    dw0: inData + 512,
    reason: 'host_invalid',
  },
  {
    name: 'a host NQN of invisible characters',
    fields: { hostnqn: 'nqn.2026-11.com.example:\u202ehost' },
    status: invalid,
    dw0: inData + 512,
    reason: 'host_invalid',
  },
  {
    name: 'a host NQN that is no UTF-8',
    fields: {
      spoil: (data) => {
        data.buffer[512 + 10] = 0xff;
        return data.buffer;
      },
    },
    status: invalid,
    dw0: inData + 512,
    reason: 'host_invalid',
  },
  {
    name: 'an unknown subsystem',
    fields: { subnqn: 'nqn.2026-11.com.example:missing' },
    status: invalid,
    dw0: inData + 256,
    reason: 'subsystem_unknown',
  },
  {
    name: 'a chosen CNTLID',
    fields: { cntlid: 1 },
    status: invalid,
    dw0: inData + 16,
    reason: 'cntlid_invalid',
  },
  {
    name: 'SQSIZE 0',
    fields: { sqsize: 0 },
    status: invalid,
    dw0: 44,
    reason: 'queue_size_invalid',
  },
  {
    name: 'an admin queue of 31 entries',
    fields: { sqsize: 30 },
    status: invalid,
    dw0: 44,
    reason: 'queue_size_invalid',
  },
  {
    name: 'more entries than MQES',
    fields: { sqsize: 128 },
    status: invalid,
    dw0: 44,
    reason: 'queue_size_invalid',
  },
];

for (const { name, fields, status, dw0, reason } of refusals) {
  t.test(`an admin Connect with ${name} is refused`, async (t) => {
    const bed = await Bed.with();
    const answer = await new FakeHost(bed).connect(fields);
    t.equal(answer.status, status);
    t.equal(answer.dw0, dw0);
    t.equal(answer.attach, undefined);
    t.equal(bed.target.counters.connectRejectedTotal.get(reason), 1);
    t.match(bed.warnings.at(-1), { fields: { reason } });
    t.same(bed.target.controllers, []);
  });
}

t.test('a connection may try again after a refused Connect', async (t) => {
  const bed = await Bed.with();
  const host = new FakeHost(bed);
  const { connection } = await host.connect({ sqsize: 0 });
  t.equal((await host.connect({}, connection)).status, 0);
});

t.test('the largest and the smallest admin queue are accepted', async (t) => {
  const bed = await Bed.with();
  for (const sqsize of [31, 127]) {
    t.equal((await new FakeHost(bed).connect({ sqsize })).status, 0);
  }
});

t.test('a host that is not on the list is refused, and let in when it is', async (t) => {
  const bed = await Bed.with(configuration({ subsystems: [subsystem({ allowAnyHost: false })] }));
  const refused = await new FakeHost(bed).connect();
  t.equal(refused.status, connectStatus(FabricsStatus.connectInvalidHost));
  t.equal(refused.dw0, inData + 512);
  t.equal(bed.target.counters.connectRejectedTotal.get('host_not_allowed'), 1);
  await bed.target.hostAdd(diskNqn, hostNqn);
  t.equal((await new FakeHost(bed).connect()).status, 0);
});

t.test('a subsystem is offered on its own listeners only', async (t) => {
  const bed = await Bed.with();
  const host = new FakeHost(bed);
  const answer = await host.connect({}, bed.open(8009));
  t.match(answer, { status: invalid, dw0: inData + 256 });
  t.equal(bed.target.counters.connectRejectedTotal.get('subsystem_not_offered'), 1);
});

t.test('who has reached an address is let in by the listener that takes it over', async (t) => {
  const at = (address: string, port = 4420): TargetConfiguration =>
    configuration({ subsystems: [subsystem({ listeners: [{ address, port }] })] });
  const cases: [string, string, string, boolean][] = [
    ['127.0.0.1', '0.0.0.0', '127.0.0.1', true],
    ['127.0.0.1', '::', '127.0.0.1', true],
    ['::', '::1', '::1', true],
    ['0.0.0.0', '127.0.0.2', '127.0.0.2', true],
    ['0.0.0.0', '127.0.0.2', '127.0.0.1', false],
    ['::1', '0.0.0.0', '::1', false],
  ];
  for (const [before, after, address, isIn] of cases) {
    const bed = await Bed.with(at(before));
    const connection = bed.open(4420, { address });
    await bed.target.apply(at(after), { allow: permissions });
    const { status } = await new FakeHost(bed).connect({}, connection);
    t.equal(status, isIn ? 0 : invalid, `${before} to ${after}, at ${address}`);
  }
  const bed = await Bed.with(at('127.0.0.1', 0));
  const [, { port } = { port: 0 }] = [...bed.engine.openListeners].at(-1) ?? [];
  const connection = bed.open(port);
  await bed.target.apply(at('0.0.0.0', port), { allow: permissions });
  t.equal((await new FakeHost(bed).connect({}, connection)).status, 0, 'a port that was chosen');
});

t.test('no listener lets in who has reached another one', async (t) => {
  const wide = { address: '0.0.0.0', port: 4420 };
  const disk1 = 'nqn.2026-11.com.example:disk1';
  const shared = subsystem({ nqn: disk1, listeners: [wide], namespaces: [] });
  const bed = await Bed.with(configuration());
  const old = bed.open(4420, { address: '127.0.0.1' });
  const moved = subsystem({ listeners: [{ address: '127.0.0.1', port: 4421 }] });
  await bed.target.apply(configuration({ subsystems: [moved, shared] }), { allow: permissions });
  t.equal((await new FakeHost(bed, disk1).connect({}, old)).status, 0);
  const late = bed.open(4420, { address: '127.0.0.1' });
  t.equal((await new FakeHost(bed).connect({}, late)).status, invalid);
});

t.test('while it is not sure that a subsystem goes, a host may try again', async (t) => {
  const disk1 = 'nqn.2026-11.com.example:disk1';
  const goes = subsystem({ nqn: disk1, namespaces: [] });
  const bed = await Bed.with(configuration({ subsystems: [subsystem(), goes] }));
  let refusePublication = (_reason: Error): void => undefined;
  bed.engine.published = new Promise((_resolve, reject) => (refusePublication = reject));
  const after = configuration({ subsystems: [subsystem({ namespaces: [] })] });
  bed.engine.calls.length = 0;
  const applied = bed.target.apply(after, { allow: permissions });
  while (!bed.engine.calls.includes('publish ')) await new Promise(setImmediate);
  const { status } = await new FakeHost(bed, disk1).connect();
  t.equal(status, connectStatus(FabricsStatus.connectInvalidParameters, 'retry'));
  bed.engine.published = null;
  refusePublication(new Error('refused'));
  await t.rejects(applied);
  t.equal((await new FakeHost(bed, disk1).connect()).status, 0);
});

t.test('discovery is offered on every listener, to every host', async (t) => {
  const bed = await Bed.with(configuration({ subsystems: [subsystem({ allowAnyHost: false })] }));
  for (const port of [4420, 8009]) {
    const host = new FakeHost(bed, discoveryNqn);
    const answer = await host.connect({}, bed.open(port));
    t.equal(answer.status, 0);
    t.equal(answer.attach?.table, 0);
  }
});

t.test('when no controller is free the host is told to try again', async (t) => {
  const bed = await Bed.with(configuration({ subsystems: [subsystem({ cntlidRange: [5, 5] })] }));
  const first = new FakeHost(bed);
  t.equal((await first.connect()).dw0, 5);
  const busy = await new FakeHost(bed).connect();
  t.equal(busy.status, connectStatus(FabricsStatus.connectControllerBusy, 'retry'));
  bed.engine.close(first.connection, 'peer_closed');
  await new Promise(setImmediate);
  t.equal((await new FakeHost(bed).connect()).dw0, 5, 'the only identifier is used again');
});

t.test('the limit over all subsystems holds as well', async (t) => {
  const bed = await Bed.with(configuration(), { limits: { controllersMax: 1 } });
  t.equal((await new FakeHost(bed).connect()).status, 0);
  const busy = await new FakeHost(bed, discoveryNqn).connect();
  t.equal(busy.status, connectStatus(FabricsStatus.connectControllerBusy, 'retry'));
});

t.test('a CNTLID is not given out again at once', async (t) => {
  const bed = await Bed.with();
  const first = new FakeHost(bed);
  await first.connect();
  bed.engine.close(first.connection, 'peer_closed');
  await new Promise(setImmediate);
  t.same(bed.target.controllers, []);
  t.equal((await new FakeHost(bed).connect()).dw0, 2);
});

t.test('a second Connect on a queue is refused', async (t) => {
  const bed = await Bed.with();
  const host = new FakeHost(bed);
  const { connection } = await host.connect();
  const again = await host.connect({}, connection);
  t.equal(again.status, genericStatus(GenericStatus.commandSequenceError));
  t.equal(bed.target.connections[0]?.cntlid, 1, 'the queue stays what it was');
});

t.test('before Connect nothing else is answered', async (t) => {
  const bed = await Bed.with();
  const host = new FakeHost(bed);
  const answer = await host.admin(AdminOpcode.identify, {}, 4096, bed.open());
  t.equal(answer.status, genericStatus(GenericStatus.commandSequenceError));
});

t.test('an I/O queue joins the controller', async (t) => {
  const bed = await Bed.with();
  const host = await FakeHost.ready(bed);
  const answer = await host.connect({ qid: 1, sqsize: 127 });
  t.match(answer, { status: 0, dw0: host.cntlid });
  t.match(answer.attach, { controller: host.controller, qid: 1, entries: 128 });
  t.same(bed.target.controllers[0]?.qids, [0, 1]);
});

const ioRefusals: readonly {
  readonly name: string;
  readonly fields: ConnectFields;
  readonly dw0: number;
  readonly reason: ConnectRejectReason;
}[] = [
  { name: 'SQSIZE 0', fields: { sqsize: 0 }, dw0: 44, reason: 'queue_size_invalid' },
  { name: 'SQSIZE over MQES', fields: { sqsize: 128 }, dw0: 44, reason: 'queue_size_invalid' },
  { name: 'a QID over the grant', fields: { qid: 65 }, dw0: 42, reason: 'qid_invalid' },
  {
    name: 'an unknown CNTLID',
    fields: { cntlid: 99 },
    dw0: inData + 16,
    reason: 'cntlid_invalid',
  },
  {
    name: 'the CNTLID for any controller',
    fields: { cntlid: 0xffff },
    dw0: inData + 16,
    reason: 'cntlid_invalid',
  },
  {
    name: 'another host NQN',
    fields: { hostnqn: 'nqn.2026-11.com.example:other' },
    dw0: inData + 512,
    reason: 'host_invalid',
  },
  {
    name: 'another host identifier',
    fields: { hostid: Buffer.alloc(16, 9) },
    dw0: inData,
    reason: 'host_invalid',
  },
  {
    name: 'another subsystem',
    fields: { subnqn: 'nqn.2026-11.com.example:missing' },
    dw0: inData + 256,
    reason: 'subsystem_unknown',
  },
  {
    name: 'the discovery subsystem',
    fields: { subnqn: discoveryNqn },
    dw0: 42,
    reason: 'qid_invalid',
  },
];

for (const { name, fields, dw0, reason } of ioRefusals) {
  t.test(`an I/O Connect with ${name} is refused`, async (t) => {
    const bed = await Bed.with();
    const host = await FakeHost.ready(bed);
    const answer = await host.connect({ qid: 1, ...fields });
    t.match(answer, { status: invalid, dw0 });
    t.equal(bed.target.counters.connectRejectedTotal.get(reason), 1);
    t.same(bed.target.controllers[0]?.qids, [0]);
  });
}

t.test('an I/O queue waits for the controller to be enabled', async (t) => {
  const bed = await Bed.with();
  const host = new FakeHost(bed);
  await host.connect();
  const answer = await host.connect({ qid: 1 });
  t.equal(answer.status, genericStatus(GenericStatus.commandSequenceError));
  t.equal(bed.target.counters.connectRejectedTotal.get('controller_not_enabled'), 1);
});

t.test('a host that is refused again and again does not fill the log', async (t) => {
  const bed = await Bed.with();
  const host = new FakeHost(bed);
  for (let attempt = 0; attempt < 1000; attempt += 1) await host.connect({ cntlid: 7 });
  t.equal(bed.warnings.length, LogLimit.linesOfPeerMax);
  t.equal(bed.target.counters.connectRejectedTotal.get('cntlid_invalid'), 1000);
  bed.clock.advance(LogLimit.intervalMs);
  t.match(bed.warnings.at(-1), {
    fields: { kind: 'connect_refused', count: 1000 - LogLimit.linesOfPeerMax, peers: 1 },
  });
});

t.test('a noisy peer hides no other one', async (t) => {
  const bed = await Bed.with();
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const noisy = bed.open(4420, {}, '10.0.0.1');
    await new FakeHost(bed).connect({ cntlid: 7 }, noisy);
  }
  const before = bed.warnings.length;
  await new FakeHost(bed).connect({ cntlid: 7 }, bed.open(4420, {}, '10.0.0.2'));
  t.match(bed.warnings.slice(before), [{ fields: { peer: { address: '10.0.0.2' } } }]);
});

t.test('from however many addresses, the lines of one kind are bounded', async (t) => {
  const bed = await Bed.with();
  for (let attempt = 0; attempt < 1000; attempt += 1) {
    const peer = `10.0.${Math.floor(attempt / 250)}.${attempt % 250}`;
    await new FakeHost(bed).connect({ cntlid: 7 }, bed.open(4420, {}, peer));
  }
  t.equal(bed.warnings.length, LogLimit.linesMax);
});

t.test('a host whose controllers come and go by the thousand does not fill the log', async (t) => {
  const bed = await Bed.with();
  for (let attempt = 0; attempt < 1000; attempt += 1) {
    const { connection } = await new FakeHost(bed).connect();
    bed.engine.close(connection, 'host_closed');
    await bed.target.update((current) => current);
  }
  const made = bed.notes.filter(({ message }) => message === 'controller made');
  const gone = bed.notes.filter(({ message }) => message === 'controller gone');
  t.equal(made.length, LogLimit.linesOfPeerMax);
  t.equal(gone.length, LogLimit.linesOfPeerMax);
});

t.test('a refused name can do no harm where it is printed', async (t) => {
  const bed = await Bed.with();
  const hostnqn = 'nqn.2026-11.com.example:\u009b31m\u202e\u200bx';
  await new FakeHost(bed).connect({ hostnqn, subnqn: hostnqn });
  const text = JSON.stringify(bed.warnings);
  t.notMatch(text, /[\u0080-\u009f\u200b\u202e]/u);
  t.match(text, 'u{9b}31m');
});

t.test('a host without a name is let in where any host is', async (t) => {
  const bed = await Bed.with();
  const host = new FakeHost(bed);
  t.equal((await host.connect({ hostnqn: '' })).status, 0);
  await host.setProperty(Property.cc, enabledConfiguration);
  t.equal((await host.connect({ hostnqn: '', qid: 1 })).status, 0);
  t.match(bed.target.controllers, [{ hostNqn: 'unnamed' }]);
  t.match(bed.target.connections, [{ hostNqn: 'unnamed' }, { hostNqn: 'unnamed' }]);
  t.match(bed.notes.at(-1), { fields: { hostNqn: 'unnamed' } });
  const discovery = new FakeHost(bed, discoveryNqn);
  t.equal((await discovery.connect({ hostnqn: '' }, bed.open(8009))).status, 0);
});

t.test('a host without a name is let in nowhere that a list rules', async (t) => {
  const rules = subsystem({ allowAnyHost: false, hosts: [hostNqn] });
  const bed = await Bed.with(configuration({ subsystems: [rules] }));
  const { status, dw0 } = await new FakeHost(bed).connect({ hostnqn: '' });
  t.equal(status, connectStatus(FabricsStatus.connectInvalidHost));
  t.equal(dw0, inData + 512);
  t.match(bed.warnings.at(-1), { message: /unnamed is not allowed/ });
  const empty = await Bed.with(
    configuration({ subsystems: [subsystem({ allowAnyHost: false, hosts: [] })] }),
  );
  t.not((await new FakeHost(empty).connect({ hostnqn: '' })).status, 0);
  // Its name is another's neither.
  const named = await FakeHost.ready(bed);
  t.not((await named.connect({ hostnqn: '', qid: 1 })).status, 0);
});

t.test('an I/O queue comes in where the subsystem is offered, for who is allowed', async (t) => {
  const other = { address: '127.0.0.1', port: 4421 };
  const elsewhere = subsystem({
    nqn: 'nqn.2026-11.com.example:disk1',
    listeners: [other],
    namespaces: [],
  });
  const bed = await Bed.with(
    configuration({
      subsystems: [subsystem({ allowAnyHost: false, hosts: [hostNqn] }), elsewhere],
    }),
  );
  const host = await FakeHost.ready(bed);
  const { status } = await host.connect({ qid: 1 }, bed.open(4421));
  t.equal(status, connectStatus(FabricsStatus.connectInvalidParameters));
  t.equal(bed.target.counters.connectRejectedTotal.get('subsystem_not_offered'), 1);
  // While its controllers end, a host that was shut out adds no queue.
  let drained = (): void => undefined;
  bed.engine.drained = new Promise((resolve) => (drained = resolve));
  const removed = bed.target.hostRemove(diskNqn, hostNqn);
  await new Promise(setImmediate);
  t.not((await host.connect({ qid: 1 })).status, 0);
  drained();
  await removed;
});

t.test('a duplicate QID is taken over when the old connection has drained in time', async (t) => {
  const bed = await Bed.with();
  const host = await FakeHost.ready(bed);
  const timers = bed.clock.pending;
  const old = await host.connect({ qid: 1 });
  const answered = host.connect({ qid: 1 });
  bed.clock.advance(999);
  bed.engine.close(old.connection, 'host_closed');
  t.match(await answered, { status: 0 });
  t.same(bed.target.controllers[0]?.qids, [0, 1]);
  t.equal(bed.clock.pending, timers, 'no timer is left');
});

t.test('a duplicate QID is refused when the old connection stays', async (t) => {
  const bed = await Bed.with();
  const host = await FakeHost.ready(bed);
  await host.connect({ qid: 1 });
  const answered = host.connect({ qid: 1 });
  bed.clock.advance(1000);
  t.equal((await answered).status, genericStatus(GenericStatus.commandSequenceError, 'retry'));
  t.equal(bed.target.counters.connectRejectedTotal.get('qid_duplicate'), 1);
});

t.test('a Connect that waits ends with its controller', async (t) => {
  const bed = await Bed.with();
  const host = await FakeHost.ready(bed);
  await host.connect({ qid: 1 });
  const answered = host.connect({ qid: 1 });
  bed.engine.close(host.connection, 'peer_closed');
  t.equal((await answered).status, genericStatus(GenericStatus.commandSequenceError));
  await new Promise(setImmediate);
  t.same(bed.target.controllers, []);
});

t.test('a Connect that waits ends with its connection', async (t) => {
  const bed = await Bed.with();
  const host = await FakeHost.ready(bed);
  const old = await host.connect({ qid: 1 });
  const connection = bed.open(4420);
  const answered = host.connect({ qid: 1 }, connection);
  bed.engine.close(connection, 'peer_closed');
  bed.engine.close(old.connection, 'peer_closed');
  t.equal((await answered).status, genericStatus(GenericStatus.abortedSqDeletion));
  t.same(bed.target.controllers[0]?.qids, [0], 'nobody was attached');
});

t.test('a queue that was disconnected can be connected again', async (t) => {
  const bed = await Bed.with();
  const host = await FakeHost.ready(bed);
  const { connection } = await host.connect({ qid: 1 });
  t.match(await host.disconnect(connection, 1), { status: 0, close: true });
  bed.engine.close(connection, 'disconnected');
  t.equal((await host.connect({ qid: 1 })).status, 0);
});

t.test('registers of a controller that never was enabled can be read', async (t) => {
  const bed = await Bed.with();
  const host = new FakeHost(bed);
  await host.connect();
  t.match(await host.getProperty(Property.csts), { status: 0, dw0: 0 });
});

t.test('a connection of a listener that was removed is offered nothing', async (t) => {
  const bed = await Bed.with();
  const connection = bed.open(4420);
  await bed.target.listenerRemove(diskNqn, { address: '127.0.0.1', port: 4420 });
  t.equal((await new FakeHost(bed).connect({}, connection)).status, invalid);
});
