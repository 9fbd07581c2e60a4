import t from 'tap';
import { GenericStatus, IoOpcode } from '../../src/wire/layout.gen.js';
import { makeRange } from '../host/io-queue.js';
import { PduLink } from '../host/pdu-link.js';
import { makeCapsule, makeIcReq, noDigests } from '../host/pdu.js';
import { generic } from '../host/status.js';
import { TcpHost } from '../host/tcp-host.js';
import { Daemon, configuration, subsystemNqn } from './daemon.js';

const daemon = await Daemon.start(
  t,
  configuration({
    engine: { reactors: 2, memory: '64MiB', connect_timeout: '600ms', pdu_timeout: '600ms' },
  }),
);
const target = daemon.target();
const queueEnded = { message: /^the queue ended/ };

t.test('a connection that says nothing ends by the ICReq time-out', async (t) => {
  const link = await PduLink.open(target);
  t.same(await link.closed(), { termination: null, error: null });
  t.equal(await daemon.pduErrors('icreq_timeout'), 1);
});

t.test('half an ICReq ends by the ICReq time-out', async (t) => {
  const link = await PduLink.open(target);
  link.send(makeIcReq().subarray(0, 64));
  await link.closed();
  t.equal(await daemon.pduErrors('icreq_timeout'), 2);
});

t.test('a host that does not connect ends by the Connect time-out', async (t) => {
  const link = await PduLink.initialize(target);
  await link.closed();
  t.equal(await daemon.pduErrors('connect_timeout'), 1);
});

t.test('half a capsule ends by the PDU time-out', async (t) => {
  const host = await TcpHost.connect(target, subsystemNqn);
  const capsule = makeCapsule(makeRange(IoOpcode.read, { slba: 0n, blocks: 1 }), noDigests);
  host.io.link.send(capsule.subarray(0, 40));
  await host.io.link.closed();
  t.equal(await daemon.pduErrors('pdu_timeout'), 1);
  await host.admin.keepAlive();
  await host.disconnect();
});

t.test('data that an R2T asked for and that never come end by the PDU time-out', async (t) => {
  const host = await TcpHost.connect(target, subsystemNqn);
  host.io.onR2t = () => undefined;
  const write = host.io.tryWrite(0n, Buffer.alloc(65536), { way: 'r2t' });
  await t.rejects(write, queueEnded);
  t.equal(await daemon.pduErrors('pdu_timeout'), 2);
  await host.disconnect();
});

t.test('half of an H2CData payload ends by the PDU time-out', async (t) => {
  const host = await TcpHost.connect(target, subsystemNqn);
  const { io } = host;
  const payload = Buffer.alloc(65536, 9);
  io.onR2t = (r2t) => {
    io.link.cutter = (bytes) => [bytes.subarray(0, 30_000)];
    io.sendHostData(r2t, payload);
  };
  await t.rejects(io.tryWrite(0n, payload, { way: 'r2t' }), queueEnded);
  t.equal(await daemon.pduErrors('pdu_timeout'), 3);
  await host.disconnect();
});

t.test('a queue at rest is not timed', async (t) => {
  const host = await TcpHost.connect(target, subsystemNqn);
  // Three other connections' time-outs are waited for: that long nothing is said here.
  for (let count = 0; count < 3; count++) await (await PduLink.open(target)).closed();
  t.equal(
    (await host.io.tryRead({ slba: 0n, blocks: 1 }, { nsid: 5 })).status,
    generic(GenericStatus.invalidNamespaceOrFormat),
  );
  await host.admin.keepAlive();
  await host.disconnect();
  await daemon.idle();
});
