import t from 'tap';

import { packBits } from '../../../src/wire/bits.js';
import {
  AdminOpcode,
  AsyncEventConfigurationBits,
  CommandSpecificStatus,
  Feature,
  FeatureSelect,
  GenericStatus,
  GetFeaturesCdw10Bits,
  NumberOfQueuesFeatureBits,
  Property,
  SetFeaturesCdw10Bits,
  StatusCodeType,
  TemperatureThresholdFeatureBits,
  discoveryNqn,
  nsidBroadcast,
} from '../../../src/wire/layout.gen.js';
import type { FakeAnswer } from './fake-engine.js';
import {
  Bed,
  FakeHost,
  dataOf,
  diskNqn,
  enabledConfiguration,
  hostId,
  refusedStatus,
} from './fake-host.js';

const generic = (code: number): number => refusedStatus(StatusCodeType.generic, code);
const specific = (code: number): number => refusedStatus(StatusCodeType.commandSpecific, code);
const invalidField = generic(GenericStatus.invalidField);

async function ready(nqn = diskNqn): Promise<{ bed: Bed; host: FakeHost }> {
  const bed = await Bed.with();
  return { bed, host: await FakeHost.ready(bed, { subnqn: nqn, kato: 5000 }) };
}

function get(host: FakeHost, fid: number, sel = 0, cdw11 = 0, nsid = 0): Promise<FakeAnswer> {
  const cdw10 = packBits([GetFeaturesCdw10Bits.fid, fid], [GetFeaturesCdw10Bits.sel, sel]);
  return host.admin(AdminOpcode.getFeatures, { nsid, cdw10, cdw11 });
}

function set(host: FakeHost, fid: number, cdw11: number, nsid = 0, sv = 0): Promise<FakeAnswer> {
  const cdw10 = packBits([SetFeaturesCdw10Bits.fid, fid], [SetFeaturesCdw10Bits.sv, sv]);
  return host.admin(AdminOpcode.setFeatures, { nsid, cdw10, cdw11 });
}

function queues(nsq: number, ncq: number): number {
  return packBits([NumberOfQueuesFeatureBits.nsq, nsq], [NumberOfQueuesFeatureBits.ncq, ncq]);
}

t.test('queues are granted up to the limit, never none', async (t) => {
  for (const [nsq, ncq, granted] of [
    [0, 0, 1],
    [3, 7, 4],
    [7, 3, 4],
    [63, 63, 64],
    [64, 64, 64],
    [0xfffe, 0xfffe, 64],
  ] as const) {
    const { host } = await ready();
    const answer = await set(host, Feature.numberOfQueues, queues(nsq, ncq));
    t.match(answer, { status: 0, dw0: queues(granted - 1, granted - 1) });
    t.match(await get(host, Feature.numberOfQueues), { dw0: queues(granted - 1, granted - 1) });
    t.equal((await host.connect({ qid: granted })).status, 0);
    t.not((await host.connect({ qid: granted + 1 })).status, 0);
  }
});

t.test('65536 queues cannot be asked for', async (t) => {
  const { host } = await ready();
  t.equal((await set(host, Feature.numberOfQueues, queues(0xffff, 0))).status, invalidField);
  t.equal((await set(host, Feature.numberOfQueues, queues(0, 0xffff))).status, invalidField);
});

t.test(
  'queues are granted before the first one is connected, and again after a reset',
  async (t) => {
    const { host } = await ready();
    await host.connect({ qid: 1 });
    const late = await set(host, Feature.numberOfQueues, queues(3, 3));
    t.equal(late.status, generic(GenericStatus.commandSequenceError));
    await host.setProperty(Property.cc, 0);
    await new Promise(setImmediate);
    await host.setProperty(Property.cc, enabledConfiguration);
    t.equal((await set(host, Feature.numberOfQueues, queues(3, 3))).status, 0);
  },
);

t.test('the keep-alive time is rounded up and given to the engine', async (t) => {
  const { bed, host } = await ready();
  t.match(await get(host, Feature.keepAliveTimer), { dw0: 5000 });
  t.equal((await set(host, Feature.keepAliveTimer, 1001)).status, 0);
  t.match(await get(host, Feature.keepAliveTimer), { dw0: 1100 });
  t.match(bed.engine.keepAlives.at(-1), { controller: host.controller, timeoutMs: 1100 });
  await set(host, Feature.keepAliveTimer, 0);
  t.match(bed.engine.keepAlives.at(-1), { timeoutMs: 0 });
});

t.test('the host identifier has 128 bits and is Connect’s', async (t) => {
  const { host } = await ready();
  t.ok(
    dataOf(await get(host, Feature.hostIdentifier, 0, 1))
      .subarray(0, 16)
      .equals(hostId),
  );
  t.equal(
    (await get(host, Feature.hostIdentifier, 0, 0)).status,
    generic(GenericStatus.hostIdentifierInconsistentFormat),
  );
  t.equal(
    (await set(host, Feature.hostIdentifier, 1)).status,
    generic(GenericStatus.commandSequenceError),
  );
});

t.test('asynchronous events can be chosen among those that exist', async (t) => {
  const { host } = await ready();
  const namespaces = packBits([AsyncEventConfigurationBits.nsan, 1]);
  t.match(await get(host, Feature.asynchronousEventConfiguration), { dw0: namespaces });
  for (const value of [0, namespaces, 0xff]) {
    t.equal((await set(host, Feature.asynchronousEventConfiguration, value)).status, 0);
    t.match(await get(host, Feature.asynchronousEventConfiguration), { dw0: value });
  }
  for (const range of [AsyncEventConfigurationBits.fan, AsyncEventConfigurationBits.dlpcn]) {
    const answer = await set(host, Feature.asynchronousEventConfiguration, packBits([range, 1]));
    t.equal(answer.status, invalidField);
  }
});

t.test('the volatile write cache is on and stays on', async (t) => {
  const { host } = await ready();
  t.match(await get(host, Feature.volatileWriteCache), { status: 0, dw0: 1 });
  t.equal((await set(host, Feature.volatileWriteCache, 1)).status, 0);
  t.equal(
    (await set(host, Feature.volatileWriteCache, 0)).status,
    specific(CommandSpecificStatus.featureNotChangeable),
  );
});

t.test('values are kept per threshold and per namespace', async (t) => {
  const { host } = await ready();
  const under = packBits([TemperatureThresholdFeatureBits.thsel, 1]);
  t.match(await get(host, Feature.temperatureThreshold), { dw0: 343 });
  t.match(await get(host, Feature.temperatureThreshold, 0, under), { dw0: 0 });
  await set(host, Feature.temperatureThreshold, under + 300);
  t.match(await get(host, Feature.temperatureThreshold), { dw0: 343 });
  t.match(await get(host, Feature.temperatureThreshold, 0, under), { dw0: under + 300 });
  const sensor = packBits([TemperatureThresholdFeatureBits.tmpsel, 3]);
  t.equal((await get(host, Feature.temperatureThreshold, 0, sensor)).status, invalidField);

  t.equal((await set(host, Feature.errorRecovery, 20, 1)).status, 0);
  t.match(await get(host, Feature.errorRecovery, 0, 0, 1), { dw0: 20 });
  t.equal(
    (await set(host, Feature.errorRecovery, 20, 2)).status,
    generic(GenericStatus.invalidNamespaceOrFormat),
  );
  await set(host, Feature.errorRecovery, 30, nsidBroadcast);
  t.match(await get(host, Feature.errorRecovery, 0, 0, 1), { dw0: 30 });
  t.equal((await set(host, Feature.errorRecovery, 0x10000, 1)).status, invalidField, 'DULBE');
});

t.test('SEL chooses between current, default, saved and capabilities', async (t) => {
  const { host } = await ready();
  await set(host, Feature.arbitration, 3);
  t.match(await get(host, Feature.arbitration, FeatureSelect.current), { dw0: 3 });
  t.match(await get(host, Feature.arbitration, FeatureSelect.default), { dw0: 0 });
  t.match(await get(host, Feature.arbitration, FeatureSelect.saved), { dw0: 0 });
  const capabilities = FeatureSelect.supportedCapabilities;
  t.match(await get(host, Feature.arbitration, capabilities), { dw0: 4 });
  t.match(await get(host, Feature.errorRecovery, capabilities), { dw0: 6 });
  t.match(await get(host, Feature.hostIdentifier, capabilities), { dw0: 0 });
  t.equal((await get(host, Feature.arbitration, 4)).status, invalidField);
});

t.test('nothing can be saved', async (t) => {
  const { host } = await ready();
  t.equal(
    (await set(host, Feature.arbitration, 1, 0, 1)).status,
    specific(CommandSpecificStatus.featureIdentifierNotSaveable),
  );
});

t.test('a feature of the controller is not set for one namespace', async (t) => {
  const { host } = await ready();
  t.equal(
    (await set(host, Feature.arbitration, 1, 1)).status,
    specific(CommandSpecificStatus.featureNotNamespaceSpecific),
  );
  t.equal((await set(host, Feature.arbitration, 1, nsidBroadcast)).status, 0);
});

t.test('other values that cannot be are refused', async (t) => {
  const { host } = await ready();
  t.equal((await set(host, Feature.powerManagement, 1)).status, invalidField);
  t.equal((await set(host, Feature.powerManagement, 0)).status, 0);
  t.equal(
    (await set(host, Feature.ioCommandSetProfile, 1)).status,
    specific(CommandSpecificStatus.ioCommandSetCombinationRejected),
  );
  t.equal((await get(host, 0x7f)).status, invalidField);
  t.equal((await set(host, 0x7f, 0)).status, invalidField);
});

t.test('a discovery controller has the features of its kind only', async (t) => {
  const { host } = await ready(discoveryNqn);
  const discovery = packBits([AsyncEventConfigurationBits.dlpcn, 1]);
  t.match(await get(host, Feature.asynchronousEventConfiguration), { dw0: discovery });
  t.match(await get(host, Feature.keepAliveTimer), { dw0: 5000 });
  t.equal((await get(host, Feature.numberOfQueues)).status, invalidField);
});

t.test('a reset brings the defaults back', async (t) => {
  const { host } = await ready();
  await set(host, Feature.arbitration, 3);
  await set(host, Feature.asynchronousEventConfiguration, 0);
  await host.setProperty(Property.cc, 0);
  await new Promise(setImmediate);
  await host.setProperty(Property.cc, enabledConfiguration);
  t.match(await get(host, Feature.arbitration), { dw0: 0 });
  t.match(await get(host, Feature.asynchronousEventConfiguration), { dw0: 0x100 });
  t.match(await get(host, Feature.keepAliveTimer), { dw0: 5000 }, 'the association goes on');
});
