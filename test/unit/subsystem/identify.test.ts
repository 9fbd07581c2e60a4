import t from 'tap';

import { getBits, hasBit, packBits } from '../../../src/wire/bits.js';
import {
  AdminOpcode,
  AsyncEventConfigurationBits,
  CmicBits,
  Cns,
  ControllerType,
  CtrattBits,
  DlfeatBits,
  GenericStatus,
  IdentifyCdw10Bits,
  IdentifyCdw11Bits,
  IdentifyController,
  IdentifyIndependentNamespace,
  IdentifyIoCommandSet,
  IdentifyNamespace,
  NamespaceIdDescriptor,
  NamespaceIdType,
  NamespaceList,
  NmicBits,
  NsattrBits,
  OfcsBits,
  OncsBits,
  SglsBits,
  StatusCodeType,
  VwcBits,
  discoveryNqn,
  nsidBroadcast,
  version20,
} from '../../../src/wire/layout.gen.js';
import {
  Bed,
  FakeHost,
  configuration,
  dataOf,
  diskNqn,
  refusedStatus,
  subsystem,
} from './fake-host.js';

const invalidField = refusedStatus(StatusCodeType.generic, GenericStatus.invalidField);
const invalidNamespace = refusedStatus(
  StatusCodeType.generic,
  GenericStatus.invalidNamespaceOrFormat,
);

const uuid = '01234567-89ab-cdef-0123-456789abcdef';
const nguid = '0123456789abcdeffedcba9876543210';
const eui64 = '0123456789abcdef';

const twoNamespaces = configuration({
  subsystems: [
    subsystem({
      namespaces: [
        { nsid: 7, bdev: 'ram1', readOnly: true, uuid, nguid, eui64 },
        { nsid: 1, bdev: 'ram0', readOnly: false },
      ],
    }),
  ],
});

async function ready(nqn = diskNqn): Promise<FakeHost> {
  return FakeHost.ready(await Bed.with(twoNamespaces), { subnqn: nqn });
}

interface Asked {
  readonly nsid?: number;
  readonly csi?: number;
  readonly cntid?: number;
  readonly room?: number;
}

function identify(
  host: FakeHost,
  cns: number,
  { nsid = 0, csi = 0, cntid = 0, room = 4096 }: Asked = {},
): ReturnType<FakeHost['admin']> {
  const fields = {
    nsid,
    cdw10: packBits([IdentifyCdw10Bits.cns, cns], [IdentifyCdw10Bits.cntid, cntid]),
    cdw11: packBits([IdentifyCdw11Bits.csi, csi]),
  };
  return host.admin(AdminOpcode.identify, fields, room);
}

function nsidsOf(page: Buffer): number[] {
  const list = new NamespaceList(page);
  return Array.from({ length: 1024 }, (_none, index) => list.nsid(index)).filter((n) => n !== 0);
}

t.test('an I/O controller describes itself', async (t) => {
  const host = await ready();
  const id = new IdentifyController(dataOf(await identify(host, Cns.controller)));
  t.equal(id.sn, 'CAPSULED0001');
  t.equal(id.mn, 'capsuled');
  t.equal(id.fr, '0.1.0');
  t.equal(id.buffer.toString('latin1', 4, 24), 'CAPSULED0001        ', 'padded with spaces');
  t.equal(id.mdts, 8, '1 MiB is 2^8 pages of 4 KiB');
  t.equal(id.cntlid, host.cntlid);
  t.equal(id.ver, version20);
  t.equal(id.oaes, packBits([AsyncEventConfigurationBits.nsan, 1]));
  t.ok(hasBit(id.ctratt, CtrattBits.hids));
  t.equal(id.cntrltype, ControllerType.io);
  t.equal(id.cmic, packBits([CmicBits.mports, 1], [CmicBits.mctrs, 1]));
  t.equal(id.kas, 1);
  t.equal(id.sqes, 0x66);
  t.equal(id.cqes, 0x44);
  t.equal(id.maxcmd, 128);
  t.equal(id.nn, 1024);
  t.equal(id.mnan, 1024);
  const expected = [OncsBits.nvmcmps, OncsBits.nvmdsmsv, OncsBits.nvmwzsv, OncsBits.ssfs];
  t.equal(id.oncs, packBits(...expected.map((range) => [range, 1] as const)));
  t.equal(id.vwc, packBits([VwcBits.present, 1], [VwcBits.flushBehavior, 3]));
  t.equal(id.sgls, packBits([SglsBits.supported, 1], [SglsBits.offset, 1], [SglsBits.tsdb, 1]));
  t.equal(id.subnqn, diskNqn);
  t.equal(id.ioccsz, (64 + 8192) / 16);
  t.equal(id.iorcsz, 1);
  t.equal(id.icdoff, 0);
  t.equal(id.fcatt, 0);
  t.equal(id.msdbd, 1);
  t.ok(hasBit(id.ofcs, OfcsBits.disconnect));
  t.equal(id.anacap, 0);
  t.equal(id.sanicap, 0);
});

t.test('a discovery controller describes itself, and nothing else', async (t) => {
  const host = await ready(discoveryNqn);
  const id = new IdentifyController(dataOf(await identify(host, Cns.controller)));
  t.equal(id.cntrltype, ControllerType.discovery);
  t.equal(id.subnqn, discoveryNqn);
  t.equal(id.nn, 0);
  t.equal(id.sqes, 0);
  t.ok(hasBit(id.oaes, AsyncEventConfigurationBits.dlpcn));
  t.ok(hasBit(id.sgls, SglsBits.supported), 'Linux refuses a controller without');
  t.equal((await identify(host, Cns.namespace, { nsid: 1 })).status, invalidField);
  t.equal((await identify(host, Cns.activeNamespaceList)).status, invalidField);
});

t.test('what deallocated blocks read as is only said where it is known', async (t) => {
  const bed = new Bed({});
  bed.engine.bdevFields = { unmapZeroes: false };
  await bed.target.apply(twoNamespaces);
  const host = await FakeHost.ready(bed);
  const id = new IdentifyNamespace(dataOf(await identify(host, Cns.namespace, { nsid: 7 })));
  t.equal(id.dlfeat, 0);
});

t.test('a namespace describes its blocks and its identities', async (t) => {
  const host = await ready();
  const id = new IdentifyNamespace(dataOf(await identify(host, Cns.namespace, { nsid: 7 })));
  t.equal(id.nsze, 256n);
  t.equal(id.ncap, 256n);
  t.equal(id.nuse, 256n);
  t.equal(id.nlbaf, 0);
  t.equal(id.flbas, 0);
  t.equal(id.lbaf(0).lbads, 12);
  t.equal(id.nmic, packBits([NmicBits.shrns, 1]));
  t.equal(id.nsattr, packBits([NsattrBits.cwp, 1]));
  t.equal(getBits(id.dlfeat, DlfeatBits.drb), 1);
  t.equal(id.npwg, 7);
  t.equal(id.noiob, 0);
  t.equal(id.nguid.toString('hex'), nguid);
  t.equal(id.eui64.toString('hex'), eui64);
});

t.test('a writable namespace is not write protected', async (t) => {
  const host = await ready();
  const id = new IdentifyNamespace(dataOf(await identify(host, Cns.namespace, { nsid: 1 })));
  t.equal(id.nsattr, 0);
  t.equal(id.lbaf(0).lbads, 9);
  t.notOk(id.nguid.equals(Buffer.alloc(16)), 'an NGUID is derived');
  t.ok(id.eui64.equals(Buffer.alloc(8)), 'an EUI-64 is not');
});

for (const cns of [Cns.namespace, Cns.ioCommandSetNamespace, Cns.independentNamespace]) {
  t.test(`CNS ${cns.toString(16)}h: inactive is zeros, invalid is refused`, async (t) => {
    const host = await ready();
    const inactive = dataOf(await identify(host, cns, { nsid: 1024 }));
    t.ok(inactive.equals(Buffer.alloc(4096)));
    for (const nsid of [0, 1025, nsidBroadcast]) {
      t.equal((await identify(host, cns, { nsid })).status, invalidNamespace);
    }
  });
}

t.test('the active namespaces are listed from behind an NSID', async (t) => {
  const host = await ready();
  for (const cns of [Cns.activeNamespaceList, Cns.ioCommandSetActiveNamespaceList]) {
    t.same(nsidsOf(dataOf(await identify(host, cns))), [1, 7]);
    t.same(nsidsOf(dataOf(await identify(host, cns, { nsid: 1 }))), [7]);
    t.same(nsidsOf(dataOf(await identify(host, cns, { nsid: 7 }))), []);
    t.same(nsidsOf(dataOf(await identify(host, cns, { nsid: 0xfffffffd }))), []);
    for (const nsid of [0xfffffffe, nsidBroadcast]) {
      t.equal((await identify(host, cns, { nsid })).status, invalidNamespace);
    }
  }
});

function descriptorsOf(page: Buffer): Record<number, string> {
  const descriptors: Record<number, string> = {};
  for (let at = 0; page.readUInt8(at + NamespaceIdDescriptor.fields.nidl.offset) !== 0;) {
    const { nidt, nidl } = new NamespaceIdDescriptor(page.subarray(at));
    const begin = at + NamespaceIdDescriptor.size;
    descriptors[nidt] = page.toString('hex', begin, begin + nidl);
    at = begin + nidl;
  }
  return descriptors;
}

t.test('the identification descriptors name the disk', async (t) => {
  const host = await ready();
  const cns = Cns.namespaceIdDescriptors;
  t.same(descriptorsOf(dataOf(await identify(host, cns, { nsid: 7 }))), {
    [NamespaceIdType.eui64]: eui64,
    [NamespaceIdType.nguid]: nguid,
    [NamespaceIdType.uuid]: uuid.replaceAll('-', ''),
    [NamespaceIdType.csi]: '00',
  });
  const own = descriptorsOf(dataOf(await identify(host, cns, { nsid: 1 })));
  t.notOk(NamespaceIdType.eui64 in own);
  t.same(descriptorsOf(dataOf(await identify(host, cns, { nsid: 1 }))), own, 'stable');
  const again = descriptorsOf(dataOf(await identify(await ready(), cns, { nsid: 1 })));
  for (const type of [NamespaceIdType.nguid, NamespaceIdType.uuid]) {
    t.not(again[type], own[type], 'a RAM disk that is made again is another one');
  }
  for (const nsid of [0, 2, nsidBroadcast]) {
    t.equal((await identify(host, cns, { nsid })).status, invalidNamespace);
  }
});

t.test('the NVM command set is the only one', async (t) => {
  const host = await ready();
  const zeros = Buffer.alloc(4096);
  t.ok(dataOf(await identify(host, Cns.ioCommandSetController)).equals(zeros));
  for (const cns of [
    Cns.ioCommandSetNamespace,
    Cns.ioCommandSetController,
    Cns.ioCommandSetActiveNamespaceList,
  ]) {
    t.equal((await identify(host, cns, { nsid: 1, csi: 2 })).status, invalidField);
  }
  for (const cntid of [0xffff, host.cntlid]) {
    const page = dataOf(await identify(host, Cns.ioCommandSet, { cntid }));
    const combinations = new IdentifyIoCommandSet(page);
    t.equal(combinations.vector(0), 1n);
    t.equal(combinations.vector(1), 0n);
  }
  t.equal((await identify(host, Cns.ioCommandSet, { cntid: 77 })).status, invalidField);
});

t.test('a namespace is ready, and may be shared, whatever its command set', async (t) => {
  const host = await ready();
  const page = dataOf(await identify(host, Cns.independentNamespace, { nsid: 7 }));
  const id = new IdentifyIndependentNamespace(page);
  t.equal(id.nstat, 1);
  t.equal(id.nsattr, 1);
  t.equal(id.nmic, 1);
});

t.test('an unknown CNS is an invalid field', async (t) => {
  const host = await ready();
  t.equal((await identify(host, 0x30)).status, invalidField);
});

t.test('a host without room for the structure is told so', async (t) => {
  const host = await ready();
  const answer = await identify(host, Cns.controller, { room: 4092 });
  t.equal(answer.status, refusedStatus(StatusCodeType.generic, GenericStatus.dataSglLengthInvalid));
});
