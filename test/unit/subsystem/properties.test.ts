import t from 'tap';

import { getBits64, packBits } from '../../../src/wire/bits.js';
import {
  AdminOpcode,
  CapBits,
  CapCssBits,
  CcBits,
  CrtoBits,
  CstsBits,
  FabricsStatus,
  GenericStatus,
  Property,
  ShutdownNotification,
  ShutdownStatus,
  StatusCodeType,
  discoveryNqn,
  version20,
} from '../../../src/wire/layout.gen.js';
import { Bed, FakeHost, enabledConfiguration, refusedStatus } from './fake-host.js';

const invalidField = refusedStatus(StatusCodeType.generic, GenericStatus.invalidField);
const sequenceError = refusedStatus(StatusCodeType.generic, GenericStatus.commandSequenceError);
const ready = packBits([CstsBits.rdy, 1]);

async function connected(): Promise<{ bed: Bed; host: FakeHost }> {
  const bed = await Bed.with();
  const host = new FakeHost(bed);
  await host.connect();
  return { bed, host };
}

t.test('CAP says what the engine can', async (t) => {
  const { host } = await connected();
  const { dw0 = 0, dw1 = 0 } = await host.getProperty(Property.cap, 8);
  const cap = (BigInt(dw1) << 32n) | BigInt(dw0);
  t.equal(getBits64(cap, CapBits.mqes), 127);
  t.equal(getBits64(cap, CapBits.cqr), 1);
  t.equal(getBits64(cap, CapBits.css), packBits([CapCssBits.nvm, 1], [CapCssBits.oneOrMore, 1]));
  t.equal(getBits64(cap, CapBits.nssrs), 0);
  t.equal(getBits64(cap, CapBits.mpsmin), 0);
});

t.test('version, configuration, status and time-outs can be read', async (t) => {
  const { host } = await connected();
  t.match(await host.getProperty(Property.vs), { status: 0, dw0: version20, dw1: 0 });
  t.match(await host.getProperty(Property.cc), { status: 0, dw0: 0 });
  t.match(await host.getProperty(Property.csts), { status: 0, dw0: 0 });
  t.match(await host.getProperty(Property.crto), { dw0: packBits([CrtoBits.crwmt, 15]) });
});

t.test('a wrong size or a property that is not there is an invalid field', async (t) => {
  const { host } = await connected();
  t.equal((await host.getProperty(Property.cap, 4)).status, invalidField);
  t.equal((await host.getProperty(Property.vs, 8)).status, invalidField);
  t.equal((await host.getProperty(Property.nssr)).status, invalidField);
  t.equal((await host.getProperty(0x1000)).status, invalidField);
  t.equal((await host.setProperty(Property.csts, 0)).status, invalidField);
  t.equal((await host.setProperty(Property.nssr, 0x4e564d65)).status, invalidField);
  t.equal((await host.setProperty(Property.cc, 0, 8)).status, invalidField);
});

t.test('a controller is enabled, and answers admin commands only then', async (t) => {
  const { host } = await connected();
  const identify = { cdw10: 1 };
  t.equal((await host.admin(AdminOpcode.identify, identify)).status, sequenceError);
  t.equal((await host.setProperty(Property.cc, enabledConfiguration)).status, 0);
  t.match(await host.getProperty(Property.csts), { dw0: ready });
  t.match(await host.getProperty(Property.cc), { dw0: enabledConfiguration });
  t.equal((await host.admin(AdminOpcode.identify, identify)).status, 0);
});

t.test('CC may be written in steps, as Linux does', async (t) => {
  const { host } = await connected();
  await host.setProperty(Property.cc, enabledConfiguration - 1);
  t.match(await host.getProperty(Property.csts), { dw0: 0 });
  await host.setProperty(Property.cc, enabledConfiguration);
  t.match(await host.getProperty(Property.csts), { dw0: ready });
});

const impossible = {
  'a command set that is not there': packBits([CcBits.en, 1], [CcBits.css, 1]),
  'memory pages of 8 KiB': packBits([CcBits.mps, 1]) + enabledConfiguration,
  'another arbitration': packBits([CcBits.ams, 1]) + enabledConfiguration,
  'entry sizes of 0': packBits([CcBits.en, 1]),
};

for (const [name, configuration] of Object.entries(impossible)) {
  t.test(`enabling with ${name} is a fatal status, from which a reset leads out`, async (t) => {
    const { host } = await connected();
    await host.setProperty(Property.cc, configuration);
    t.match(await host.getProperty(Property.csts), { dw0: packBits([CstsBits.cfs, 1]) });
    await host.setProperty(Property.cc, 0);
    await new Promise(setImmediate);
    t.match(await host.getProperty(Property.csts), { dw0: 0 });
    await host.setProperty(Property.cc, enabledConfiguration);
    t.match(await host.getProperty(Property.csts), { dw0: ready });
  });
}

t.test('all I/O command sets may be selected, which is the same here', async (t) => {
  const { host } = await connected();
  await host.setProperty(Property.cc, packBits([CcBits.css, 6]) + enabledConfiguration);
  t.match(await host.getProperty(Property.csts), { dw0: ready });
});

t.test('a discovery controller needs no entry sizes', async (t) => {
  const bed = await Bed.with();
  const host = new FakeHost(bed, discoveryNqn);
  await host.connect();
  await host.setProperty(Property.cc, packBits([CcBits.en, 1]));
  t.match(await host.getProperty(Property.csts), { dw0: ready });
});

t.test('clearing CC.EN ends the I/O queues before CSTS.RDY is 0', async (t) => {
  const { bed, host } = await connected();
  await host.setProperty(Property.cc, enabledConfiguration);
  await host.connect({ qid: 1 });
  let drained = (): void => undefined;
  bed.engine.drained = new Promise((resolve) => (drained = resolve));
  await host.setProperty(Property.cc, enabledConfiguration - 1);
  t.equal(bed.target.controllers[0]?.state, 'resetting');
  t.equal((await host.admin(AdminOpcode.identify, { cdw10: 1 })).status, sequenceError);
  drained();
  await new Promise(setImmediate);
  t.match(bed.engine.terminations, [{ queues: 'io', reason: 'controller_reset' }]);
  t.match(bed.target.controllers, [{ state: 'disabled', qids: [0] }]);
});

t.test('a controller that is enabled again while it resets becomes ready afterwards', async (t) => {
  const { bed, host } = await connected();
  await host.setProperty(Property.cc, enabledConfiguration);
  let drained = (): void => undefined;
  bed.engine.drained = new Promise((resolve) => (drained = resolve));
  await host.setProperty(Property.cc, 0);
  await host.setProperty(Property.cc, enabledConfiguration);
  t.match(await host.getProperty(Property.csts), { dw0: 0 });
  drained();
  await new Promise(setImmediate);
  t.match(await host.getProperty(Property.csts), { dw0: ready });
});

t.test('a controller whose connection ends while it resets is gone', async (t) => {
  const { bed, host } = await connected();
  await host.setProperty(Property.cc, enabledConfiguration);
  let drained = (): void => undefined;
  bed.engine.drained = new Promise((resolve) => (drained = resolve));
  await host.setProperty(Property.cc, 0);
  bed.engine.close(host.connection, 'peer_closed');
  drained();
  await new Promise(setImmediate);
  t.same(bed.target.controllers, []);
});

for (const kind of ['normal', 'abrupt'] as const) {
  t.test(`${kind} shutdown is complete at once, and a reset leads back`, async (t) => {
    const { host } = await connected();
    await host.setProperty(Property.cc, enabledConfiguration);
    const shutdown = packBits([CcBits.shn, ShutdownNotification[kind]]);
    await host.setProperty(Property.cc, enabledConfiguration + shutdown);
    const complete = packBits([CstsBits.rdy, 1], [CstsBits.shst, ShutdownStatus.complete]);
    t.match(await host.getProperty(Property.csts), { dw0: complete });
    t.equal((await host.admin(AdminOpcode.identify, { cdw10: 1 })).status, sequenceError);
    await host.setProperty(Property.cc, 0);
    await new Promise(setImmediate);
    t.match(await host.getProperty(Property.csts), { dw0: 0 });
  });
}

t.test('Disconnect ends I/O queues, not the admin queue', async (t) => {
  const { host } = await connected();
  await host.setProperty(Property.cc, enabledConfiguration);
  const { connection } = await host.connect({ qid: 1 });
  const wrongFormat = await host.disconnect(connection, 1, 1);
  t.equal(
    wrongFormat.status,
    refusedStatus(StatusCodeType.commandSpecific, FabricsStatus.connectIncompatibleFormat),
  );
  t.not(wrongFormat.close, true);
  t.match(await host.disconnect(connection, 1), { status: 0, close: true });
  t.equal(
    (await host.disconnect(host.connection, 0)).status,
    refusedStatus(StatusCodeType.commandSpecific, FabricsStatus.invalidQueueType),
  );
});
