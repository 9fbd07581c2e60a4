import t from 'tap';

import type { DriveHealth } from '../../../src/engine/engine-types.js';
import type { Target } from '../../../src/subsystem/target.js';
import { hasBit, packBits } from '../../../src/wire/bits.js';
import {
  AdminOpcode,
  CommandEffectsBits,
  CommandSpecificStatus,
  CommandsSupportedAndEffects,
  CriticalWarningBits,
  DiscoveryLspBits,
  ErrorLogEntry,
  Feature,
  FeatureEffectsBits,
  FeaturesSupportedAndEffects,
  FirmwareSlotLog,
  GenericStatus,
  GetLogPageCdw14Bits,
  IoOpcode,
  LidSupportedBits,
  LogPage,
  NamespaceList,
  SmartLog,
  StatusCodeType,
  SupportedLogPages,
  discoveryNqn,
  nsidBroadcast,
} from '../../../src/wire/layout.gen.js';
import { operationStride } from './fake-engine.js';
import {
  Bed,
  FakeHost,
  configuration,
  dataOf,
  diskNqn,
  refusedStatus,
  subsystem,
} from './fake-host.js';

const generic = (code: number): number => refusedStatus(StatusCodeType.generic, code);
const invalidField = generic(GenericStatus.invalidField);
const invalidLogPage = refusedStatus(
  StatusCodeType.commandSpecific,
  CommandSpecificStatus.invalidLogPage,
);

async function ready(nqn = diskNqn): Promise<{ bed: Bed; host: FakeHost }> {
  const bed = await Bed.with();
  return { bed, host: await FakeHost.ready(bed, { subnqn: nqn }) };
}

/** Reads and writes of a namespace, as the reactors count them. */
function count(bed: Bed, target: Target, reads: bigint, readBytes: bigint, writes: bigint): void {
  const stats = new BigUint64Array(3 * operationStride);
  stats.set([reads, readBytes, 0n, 60_000_000_000n], 0);
  stats.set([writes, writes * 4096n, 0n, 90_000_000_000n], operationStride);
  bed.engine.stats.set(`${target.subsystems[0]?.table ?? 0} 1`, stats);
}

const disconnect = { allow: ['disconnect'] as const };

t.test('the supported pages are those that can be read', async (t) => {
  for (const nqn of [diskNqn, discoveryNqn]) {
    const { host } = await ready(nqn);
    const page = dataOf(await host.logPage(LogPage.supportedLogPages, { bytes: 1024 }));
    const log = new SupportedLogPages(page);
    for (let lid = 0; lid < 256; lid += 1) {
      const readable = (await host.logPage(lid, { bytes: 4 })).status === 0;
      t.equal(hasBit(log.lid(lid), LidSupportedBits.lsupp), readable, `${nqn} ${lid}`);
    }
  }
});

t.test('discovery says that entries can be limited to the port', async (t) => {
  const { host } = await ready(discoveryNqn);
  const page = dataOf(await host.logPage(LogPage.supportedLogPages, { bytes: 1024 }));
  const lidsp = packBits([DiscoveryLspBits.pleo, 1]);
  t.equal(
    new SupportedLogPages(page).lid(LogPage.discovery),
    packBits([LidSupportedBits.lsupp, 1], [LidSupportedBits.lidsp, lidsp]),
  );
});

t.test('pages are read in parts; what lies behind the end is zeros', async (t) => {
  const { host } = await ready();
  const whole = dataOf(await host.logPage(LogPage.firmwareSlotInformation, { bytes: 512 }));
  const part = { bytes: 8, offset: 8 };
  const revision = dataOf(await host.logPage(LogPage.firmwareSlotInformation, part));
  t.ok(revision.equals(whole.subarray(8, 16)));
  const end = { bytes: 8, offset: 512 };
  t.ok(dataOf(await host.logPage(LogPage.firmwareSlotInformation, end)).equals(Buffer.alloc(8)));
  const beyond = { bytes: 8, offset: 516 };
  t.equal((await host.logPage(LogPage.firmwareSlotInformation, beyond)).status, invalidField);
});

t.test('offsets are dwords of bytes, and lengths within MDTS', async (t) => {
  const { host } = await ready();
  const lid = LogPage.firmwareSlotInformation;
  t.equal((await host.logPage(lid, { bytes: 8, offset: 2 })).status, invalidField);
  const byIndex = packBits([GetLogPageCdw14Bits.ot, 1]);
  t.equal((await host.logPage(lid, { bytes: 8, cdw14: byIndex })).status, invalidField);
  t.equal((await host.logPage(lid, { bytes: 1 << 20 })).status, 0);
  t.equal((await host.logPage(lid, { bytes: (1 << 20) + 4 })).status, invalidField);
});

t.test('a host without room for what it asks is told so', async (t) => {
  const { host } = await ready();
  const answer = await host.admin(AdminOpcode.getLogPage, { cdw10: 0x00ff0003 }, 1020);
  t.equal(answer.status, generic(GenericStatus.dataSglLengthInvalid));
});

t.test(
  'an unknown page, or one of the other kind of controller, is an invalid log page',
  async (t) => {
    const { host } = await ready();
    t.equal((await host.logPage(0xdf)).status, invalidLogPage);
    t.equal((await host.logPage(LogPage.discovery)).status, invalidLogPage);
    const discovery = (await ready(discoveryNqn)).host;
    t.equal((await discovery.logPage(LogPage.smartHealthInformation)).status, invalidLogPage);
  },
);

t.test('failed commands are in the error log, the newest first', async (t) => {
  const { host } = await ready();
  await host.admin(0x7e, { nsid: 5 });
  await host.logPage(0xdf);
  const page = dataOf(await host.logPage(LogPage.errorInformation, { bytes: 64 * 64 }));
  const entries = [0, 1, 2].map((index) => new ErrorLogEntry(page.subarray(index * 64)));
  t.same(
    entries.map((entry) => entry.errorCount),
    [2n, 1n, 0n],
  );
  t.equal(entries[0]?.status, invalidLogPage * 2);
  t.equal(entries[0]?.opc, AdminOpcode.getLogPage);
  t.equal(entries[0]?.pel, 0xffff);
  t.equal(entries[1]?.status, generic(GenericStatus.invalidOpcode) * 2);
  t.equal(entries[1]?.pel, 0, 'the opcode is at fault');
  t.equal(entries[1]?.nsid, 5);
  t.equal(entries[1]?.sqid, 0);
});

t.test('the error log keeps the last 64 and counts all', async (t) => {
  const { host } = await ready();
  for (let error = 0; error < 70; error += 1) await host.admin(0x7e);
  const page = dataOf(await host.logPage(LogPage.errorInformation, { bytes: 64 * 64 }));
  t.equal(new ErrorLogEntry(page).errorCount, 70n);
  t.equal(new ErrorLogEntry(page.subarray(63 * 64)).errorCount, 7n);
  const smart = dataOf(await host.logPage(LogPage.smartHealthInformation, { bytes: 512 }));
  t.equal(new SmartLog(smart).errorLogEntries, 70n);
});

t.test('SMART counts what hosts read and wrote, and the hours since the start', async (t) => {
  const { bed, host } = await ready();
  count(bed, bed.target, 3n, 512_001n, 80n);
  bed.clock.advance(2 * 3_600_000);
  for (const nsid of [0, 1, nsidBroadcast]) {
    const page = await host.logPage(LogPage.smartHealthInformation, { bytes: 512, nsid });
    const log = new SmartLog(dataOf(page));
    t.equal(log.hostReadCommands, 3n);
    t.equal(log.dataUnitsRead, 2n, 'rounded up');
    t.equal(log.hostWriteCommands, 80n);
    t.equal(log.dataUnitsWritten, 1n);
    t.equal(log.controllerBusyTime, 2n, 'minutes');
    t.equal(log.powerOnHours, 2n);
    t.equal(log.criticalWarning, 0);
    t.equal(log.availableSpare, 100);
  }
});

t.test('SMART has the worst that the drives of the namespaces say', async (t) => {
  const { bed, host } = await ready();
  const health: DriveHealth = {
    criticalWarning: packBits([CriticalWarningBits.ttc, 1], [CriticalWarningBits.amro, 1]),
    temperatureKelvin: 350,
    availableSpare: 80,
    availableSpareThreshold: 10,
    percentageUsed: 7,
    dataUnitsRead: 1,
    dataUnitsWritten: 2,
    powerCycles: 3,
    powerOnHours: 4,
    unsafeShutdowns: 5,
    mediaErrors: 6,
  };
  for (const name of bed.engine.bdevNames) {
    bed.engine.drives.set(name, { resets: 0, bounceCopies: 0, health });
  }
  const page = await host.logPage(LogPage.smartHealthInformation, { bytes: 512 });
  const log = new SmartLog(dataOf(page));
  t.equal(log.compositeTemperature, 350);
  t.equal(log.availableSpare, 80);
  t.equal(log.availableSpareThreshold, 10);
  t.equal(log.percentageUsed, 7);
  t.equal(log.mediaErrors, 6n);
  t.equal(log.criticalWarning, packBits([CriticalWarningBits.ttc, 1]), 'writes tell the rest');
});

t.test('SMART of a namespace that is not there is refused', async (t) => {
  const { host } = await ready();
  t.equal(
    (await host.logPage(LogPage.smartHealthInformation, { bytes: 512, nsid: 9 })).status,
    generic(GenericStatus.invalidNamespaceOrFormat),
  );
});

t.test('SMART does not forget what a removed namespace did', async (t) => {
  const { bed, host } = await ready();
  count(bed, bed.target, 3n, 512_000n, 80n);
  const writes = async (): Promise<bigint> => {
    const page = await host.logPage(LogPage.smartHealthInformation, { bytes: 512 });
    return new SmartLog(dataOf(page)).hostWriteCommands;
  };
  bed.engine.failing.add('publish ');
  await t.rejects(bed.target.namespaceRemove(diskNqn, 1, disconnect));
  t.equal(await writes(), 80n, 'it is still there');
  bed.engine.failing.clear();

  let published = (): void => undefined;
  bed.engine.published = new Promise((resolve) => (published = resolve));
  const removed = bed.target.namespaceRemove(diskNqn, 1, disconnect);
  await new Promise(setImmediate);
  t.equal(await writes(), 80n, 'it is going');
  published();
  await removed;
  bed.engine.stats.clear();
  t.equal(await writes(), 80n, 'it is gone');
});

t.test('SMART counts once what a namespace did before it got another identifier', async (t) => {
  const { bed, host } = await ready();
  count(bed, bed.target, 3n, 512_000n, 80n);
  const writes = async (): Promise<bigint> => {
    const page = await host.logPage(LogPage.smartHealthInformation, { bytes: 512 });
    return new SmartLog(dataOf(page)).hostWriteCommands;
  };
  t.equal(await writes(), 80n);
  const uuid = '11111111-2222-4333-8444-555555555555';
  const namespaces = [{ nsid: 1, bdev: 'ram0', readOnly: false, uuid }];
  let published = (): void => undefined;
  bed.engine.published = new Promise((resolve) => (published = resolve));
  const done = bed.target.apply(
    configuration({ subsystems: [subsystem({ namespaces })] }),
    disconnect,
  );
  await new Promise(setImmediate);
  t.equal(await writes(), 80n, 'on the way');
  published();
  await done;
  t.equal(await writes(), 80n);
});

t.test('the firmware slot holds the running version', async (t) => {
  const { host } = await ready();
  const page = dataOf(await host.logPage(LogPage.firmwareSlotInformation, { bytes: 512 }));
  const log = new FirmwareSlotLog(page);
  t.equal(log.afi, 1);
  t.equal(log.frs(0), '0.1.0');
});

function changedNsids(page: Buffer): number[] {
  const list = new NamespaceList(page);
  return [0, 1, 2].map((index) => list.nsid(index)).filter((nsid) => nsid !== 0);
}

t.test('changed namespaces are listed until they are read', async (t) => {
  const { bed, host } = await ready();
  const lid = LogPage.changedNamespaceList;
  await bed.target.namespaceAdd(diskNqn, { nsid: 3, bdev: 'ram1', readOnly: false });
  await bed.target.namespaceRemove(diskNqn, 1, disconnect);
  t.same(changedNsids(dataOf(await host.logPage(lid, { rae: 1 }))), [1, 3]);
  t.same(changedNsids(dataOf(await host.logPage(lid))), [1, 3]);
  t.same(changedNsids(dataOf(await host.logPage(lid))), []);
});

t.test(
  'more changed namespaces than the list has room for are one entry that says so',
  async (t) => {
    const bed = await Bed.with(undefined, { limits: { namespacesMax: 1025 } });
    const host = await FakeHost.ready(bed);
    for (let nsid = 2; nsid <= 1025; nsid += 1) {
      await bed.target.namespaceRemove(diskNqn, nsid - 1, disconnect);
      await bed.target.namespaceAdd(diskNqn, { nsid, bdev: 'ram0', readOnly: false });
    }
    const list = new NamespaceList(dataOf(await host.logPage(LogPage.changedNamespaceList)));
    t.equal(list.nsid(0), nsidBroadcast);
    t.equal(list.nsid(1), 0);
  },
);

t.test('the effects log names the commands and what they change', async (t) => {
  const { host } = await ready();
  const page = dataOf(await host.logPage(LogPage.commandsSupportedAndEffects, { bytes: 4096 }));
  const log = new CommandsSupportedAndEffects(page);
  const supported = (effects: number): boolean => hasBit(effects, CommandEffectsBits.csupp);
  const changes = (effects: number): boolean => hasBit(effects, CommandEffectsBits.lbcc);
  for (const opcode of [AdminOpcode.identify, AdminOpcode.keepAlive, AdminOpcode.abort]) {
    t.ok(supported(log.acs(opcode)));
  }
  t.notOk(supported(log.acs(AdminOpcode.formatNvm)));
  for (const opcode of [IoOpcode.read, IoOpcode.compare, IoOpcode.flush]) {
    t.ok(supported(log.iocs(opcode)));
    t.notOk(changes(log.iocs(opcode)));
  }
  for (const opcode of [IoOpcode.write, IoOpcode.writeZeroes, IoOpcode.datasetManagement]) {
    t.ok(changes(log.iocs(opcode)));
  }
});

t.test('the feature effects log names the features', async (t) => {
  const { host } = await ready();
  const lid = LogPage.featureIdentifiersSupportedAndEffects;
  const log = new FeaturesSupportedAndEffects(dataOf(await host.logPage(lid, { bytes: 1024 })));
  t.ok(hasBit(log.fid(Feature.numberOfQueues), FeatureEffectsBits.fsupp));
  t.notOk(hasBit(log.fid(Feature.hostMemoryBuffer), FeatureEffectsBits.fsupp));
});
