import t from 'tap';

import { packBits } from '../../../src/wire/bits.js';
import {
  AbortCdw10Bits,
  AdminOpcode,
  CommandSpecificStatus,
  GenericStatus,
  LogPage,
  Property,
  StatusCodeType,
} from '../../../src/wire/layout.gen.js';
import { packStatus } from '../../../src/wire/status.js';
import { LogLimit } from '../../../src/subsystem/log-limit.js';
import { Bed, FakeHost, diskNqn, refusedStatus } from './fake-host.js';

const generic = (code: number): number => refusedStatus(StatusCodeType.generic, code);
const settled = (): Promise<void> => new Promise(setImmediate);

t.test('connections are counted while they live', async (t) => {
  const bed = await Bed.with();
  const connection = bed.open(4420);
  const listener = (): number | undefined =>
    bed.target.listeners.find(({ actual }) => actual.port === 4420)?.connectionCount;
  t.equal(listener(), 1);
  t.match(bed.target.connections, [{ subsystem: null, qid: null }]);
  bed.engine.close(connection, 'icreq_timeout');
  bed.engine.close(connection, 'icreq_timeout');
  t.equal(listener(), 0);
  t.same(bed.target.connections, []);
  t.equal(bed.target.counters.connectionsClosedTotal.get('icreq_timeout'), 1);
});

t.test('a connection that fails is a warning with its peer and the reason', async (t) => {
  const bed = await Bed.with();
  bed.engine.close(bed.open(4420), 'icreq_timeout');
  t.match(bed.warnings, [
    {
      fields: { peer: { address: '127.0.0.1' }, reason: 'icreq_timeout' },
      message: 'connection failed',
    },
  ]);
  const host = await FakeHost.ready(bed);
  bed.engine.close((await host.connect({ qid: 1 })).connection, 'pdu_sequence_error');
  t.match(bed.warnings.at(-1)?.fields, { qid: 1, subsystem: diskNqn, hostNqn: String });
});

t.test('a host that leaves is no warning', async (t) => {
  const bed = await Bed.with();
  const host = await FakeHost.ready(bed);
  const { connection } = await host.connect({ qid: 1 });
  bed.engine.close(host.connection, 'host_closed');
  // What ends with its controller is not said again.
  bed.engine.close(connection, 'connection_lost');
  t.same(bed.warnings, []);
});

t.test('connections that fail by the thousand cost some lines and a count', async (t) => {
  const bed = await Bed.with();
  for (let i = 0; i < 1000; i++) bed.engine.close(bed.open(4420), 'invalid_pdu_header');
  t.equal(bed.warnings.length, LogLimit.linesOfPeerMax);
  bed.clock.advance(LogLimit.intervalMs);
  t.match(bed.warnings.at(-1), { fields: { count: 1000 - LogLimit.linesOfPeerMax } });
  bed.engine.close(bed.open(4420), 'icreq_timeout');
  t.match(bed.warnings.at(-1), { fields: { reason: 'icreq_timeout' } });
  bed.clock.advance(LogLimit.intervalMs);
  t.equal(
    bed.warnings.length,
    LogLimit.linesOfPeerMax + 2,
    'nothing was held back: nothing to say',
  );
});

t.test('when the admin queue closes, the controller ends with all its queues', async (t) => {
  const bed = await Bed.with();
  const host = await FakeHost.ready(bed);
  await host.connect({ qid: 1 });
  let drained = (): void => undefined;
  bed.engine.drained = new Promise((resolve) => (drained = resolve));
  bed.engine.close(host.connection, 'peer_closed');
  t.match(bed.target.controllers, [{ state: 'terminating' }]);
  t.match(bed.engine.terminations, [{ queues: 'all', reason: 'peer_closed' }]);
  drained();
  await settled();
  t.same(bed.target.controllers, []);
  t.same(bed.target.connections, []);
});

t.test('when an I/O queue closes, the controller lives on', async (t) => {
  const bed = await Bed.with();
  const host = await FakeHost.ready(bed);
  const { connection } = await host.connect({ qid: 1 });
  bed.engine.close(connection, 'peer_closed');
  await settled();
  t.match(bed.target.controllers, [{ state: 'ready', qids: [0] }]);
});

t.test('when no Keep Alive comes, the controller ends and is logged', async (t) => {
  const bed = await Bed.with();
  const host = await FakeHost.ready(bed, { kato: 5000 });
  const expired = { type: 'keep_alive_expired', controller: host.controller } as const;
  bed.target.handleEvents([expired, expired]);
  await settled();
  t.same(bed.target.controllers, []);
  t.match(bed.engine.terminations, [{ queues: 'all', reason: 'keep_alive' }]);
  t.match(bed.warnings.at(-1), { fields: { subsystem: diskNqn, keepAliveTimeoutMs: 5000 } });
  bed.target.handleEvents([expired]);
  t.equal(bed.warnings.length, 1, 'a late event finds nobody');
});

t.test('commands that are the engine’s, or nobody’s, are invalid opcodes', async (t) => {
  const bed = await Bed.with();
  const host = await FakeHost.ready(bed);
  for (const opcode of [
    AdminOpcode.keepAlive,
    AdminOpcode.asynchronousEventRequest,
    AdminOpcode.formatNvm,
    AdminOpcode.createIoSubmissionQueue,
    0x7e,
  ]) {
    t.equal((await host.admin(opcode)).status, generic(GenericStatus.invalidOpcode));
  }
});

t.test('Abort says whether the engine found the command', async (t) => {
  const bed = await Bed.with();
  const host = await FakeHost.ready(bed);
  const cdw10 = packBits([AbortCdw10Bits.sqid, 0], [AbortCdw10Bits.cid, 7]);
  t.match(await host.admin(AdminOpcode.abort, { cdw10 }), { status: 0, dw0: 0 });
  bed.engine.abortResult = Promise.resolve(false);
  t.match(await host.admin(AdminOpcode.abort, { cdw10 }), { status: 0, dw0: 1 });
  const elsewhere = packBits([AbortCdw10Bits.sqid, 3]);
  const answer = await host.admin(AdminOpcode.abort, { cdw10: elsewhere });
  t.equal(answer.status, generic(GenericStatus.invalidField));
});

t.test('four Aborts may be outstanding, not five', async (t) => {
  const bed = await Bed.with();
  const host = await FakeHost.ready(bed);
  let found = (_aborted: boolean): void => undefined;
  bed.engine.abortResult = new Promise((resolve) => (found = resolve));
  const four = [1, 2, 3, 4].map(() => host.admin(AdminOpcode.abort));
  t.equal(
    (await host.admin(AdminOpcode.abort)).status,
    refusedStatus(StatusCodeType.commandSpecific, CommandSpecificStatus.abortCommandLimitExceeded),
  );
  found(true);
  for (const answer of await Promise.all(four)) t.equal(answer.status, 0);
  t.equal((await host.admin(AdminOpcode.abort)).status, 0);
});

t.test('a defect answers Internal Error and is logged', async (t) => {
  const bed = await Bed.with();
  const host = await FakeHost.ready(bed);
  bed.engine.abortResult = Promise.reject(new Error('out of order'));
  const internal = packStatus(StatusCodeType.generic, GenericStatus.internalError) >>> 1;
  t.equal((await host.admin(AdminOpcode.abort)).status, internal);
  t.match(bed.warnings.at(-1), { fields: { err: { message: 'out of order' } } });
});

t.test('a command of a connection that is gone is answered all the same', async (t) => {
  const bed = await Bed.with();
  const host = await FakeHost.ready(bed);
  bed.engine.close(host.connection, 'peer_closed');
  t.not((await host.admin(AdminOpcode.identify, { cdw10: 1 })).status, 0);
});

t.test('each answered command is timed under its name', async (t) => {
  const timed: string[] = [];
  const bed = await Bed.with(undefined, { onCommandAnswered: (word) => timed.push(word) });
  const host = await FakeHost.ready(bed);
  await host.getProperty(Property.vs);
  await host.logPage(LogPage.supportedLogPages);
  await host.admin(0x7e);
  await settled();
  t.same(timed, ['connect', 'property_set', 'property_get', 'get_log_page', 'unknown']);
});
