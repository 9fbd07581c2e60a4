import t from 'tap';
import type { Test } from 'tap';
import {
  CapsuleCmdHeader,
  CapsuleRespHeader,
  Cns,
  FatalErrorStatus,
  GenericStatus,
  H2cData,
  IcReq,
  IoOpcode,
  PduCommonHeader,
  PduFlagsBits,
  PduType,
  adminInCapsuleDataMax,
} from '../../src/wire/layout.gen.js';
import { packBits } from '../../src/wire/bits.js';
import { makeAdmin, makeIdentify } from '../host/admin-queue.js';
import { until, within } from '../host/bounded.js';
import { IoQueue, makeRange } from '../host/io-queue.js';
import { patternOf } from '../host/pattern.js';
import { PduLink } from '../host/pdu-link.js';
import type { Termination } from '../host/pdu-link.js';
import { makeCapsule, makeH2cData, makeH2cTermReq, makeIcReq, noDigests } from '../host/pdu.js';
import type { Digests } from '../host/pdu.js';
import { transportSgl } from '../host/queue.js';
import type { R2tFields } from '../host/queue.js';
import { generic, withoutMore } from '../host/status.js';
import { TcpHost } from '../host/tcp-host.js';
import { Daemon, subsystemNqn } from './daemon.js';

const daemon = await Daemon.start(t);
const target = daemon.target();
const allDigests: Digests = { header: true, payload: true };

const {
  invalidPduHeaderField,
  pduSequenceError,
  headerDigestError,
  dataTransferOutOfRange,
  dataTransferLimitExceeded,
  unsupportedParameter,
} = FatalErrorStatus;
const common = PduCommonHeader.fields;
const h2c = H2cData.fields;
const queueEnded = { message: /^the queue ended/ };

/** Another host's I/O, which must never notice what the others do to themselves. */
class Bystander {
  readonly #host: TcpHost;
  readonly #end: Promise<void>;
  #rounds = 0;
  #isWanted = true;

  private constructor(host: TcpHost) {
    this.#host = host;
    this.#end = this.#run();
    // Judged when it is stopped.
    this.#end.catch(() => undefined);
  }

  static async start(): Promise<Bystander> {
    return new Bystander(await TcpHost.connect(target, subsystemNqn, { digests: allDigests }));
  }

  async #run(): Promise<void> {
    for (; this.#isWanted; this.#rounds++) {
      const pattern = patternOf({ slba: 1000n, generation: this.#rounds }, 24);
      await this.#host.io.write(1000n, pattern);
      const back = await this.#host.io.read(1000n, 24);
      if (!back.equals(pattern)) throw new Error('a bystander read other data than it wrote');
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Rejects if anything went wrong so far; a whole round more must go well. */
  async stop(): Promise<void> {
    const before = this.#rounds;
    const more = until('another round of the bystander', () => this.#rounds > before + 1);
    await Promise.race([more, this.#end]);
    this.#isWanted = false;
    await within(this.#end, 'the end of the bystander');
    await this.#host.disconnect();
  }
}

const bystander = await Bystander.start();

interface Expected {
  readonly fes: number;
  readonly fei: number;
  /** The offending header, or as much of it as was looked at. */
  readonly cause: Buffer;
}

/** How many were expected, by FES. */
const terminations = new Map<number, number>();

async function expectTermination(
  test: Test,
  link: PduLink,
  { fes, fei, cause }: Expected,
): Promise<void> {
  const { termination, error } = await link.closed();
  test.equal(error, null);
  const seen: Termination | null = termination;
  test.equal(seen?.fes, fes, 'FES');
  test.equal(seen?.fei, fei, 'FEI');
  test.ok(seen?.cause.equals(cause), 'the header at fault comes back');
  terminations.set(fes, (terminations.get(fes) ?? 0) + 1);
}

/** A PDU with fields of its common header changed. */
function changed(pdu: Buffer, fields: Partial<Record<keyof typeof common, number>>): Buffer {
  const copy = Buffer.from(pdu);
  Object.assign(new PduCommonHeader(copy), fields);
  return copy;
}

/** What a host may send as its next PDU: where the connection is then. */
const places = {
  first: () => PduLink.open(target),
  afterIcResp: () => PduLink.initialize(target),
  withDigests: () => PduLink.initialize(target, { digests: allDigests }),
};

type BadPdu = readonly [
  name: string,
  pdu: Buffer,
  /** At fault; null where it is the PDU as such. */
  field: { readonly offset: number } | null,
  /** By default, the eight bytes come back by which a wrong shape is known. */
  seen?: { readonly fes?: number; readonly causeBytes?: number },
];

const icReq = makeIcReq();
const capsule = makeCapsule(makeAdmin(0), noDigests);
const withPayload = makeCapsule(makeAdmin(0), noDigests, Buffer.alloc(64));
const tooLarge = makeCapsule(makeAdmin(0), noDigests, Buffer.alloc(adminInCapsuleDataMax + 4));
const hostData = makeH2cData(
  { cccid: 1, ttag: 0, datao: 0, last: true },
  noDigests,
  Buffer.alloc(16),
);
const longTermReq = makeH2cTermReq(invalidPduHeaderField, 3, Buffer.alloc(132));
const headerDigest = { flags: packBits([PduFlagsBits.hdgstf, 1]) };
const dataDigest = { flags: packBits([PduFlagsBits.ddgstf, 1]) };
const { icResp, c2hTermReq, capsuleResp, c2hData, r2t } = PduType;

const badPdus: Readonly<Record<keyof typeof places, readonly BadPdu[]>> = {
  first: [
    [
      'a capsule before ICReq',
      capsule,
      null,
      { fes: pduSequenceError, causeBytes: capsule.length },
    ],
    ['H2CData before ICReq', hostData, null, { fes: pduSequenceError, causeBytes: H2cData.size }],
    [
      'a PDU format version that is not 0',
      makeIcReq({ pfv: 1 }),
      IcReq.fields.pfv,
      { fes: unsupportedParameter, causeBytes: IcReq.size },
    ],
    [
      'an alignment beyond 128 bytes',
      makeIcReq({ hpda: 32 }),
      IcReq.fields.hpda,
      { causeBytes: IcReq.size },
    ],
    ...[icResp, c2hTermReq, capsuleResp, c2hData, r2t].map((type): BadPdu => [
      `a target’s PDU, type ${type}`,
      changed(icReq, { type }),
      common.type,
    ]),
    ...[0x08, 0x0b, 0xff].map((type): BadPdu => [
      `a PDU of no known type, ${type}`,
      changed(icReq, { type }),
      common.type,
    ]),
    ...[0, 8, 127, 129].map((hlen): BadPdu => [
      `an ICReq whose HLEN is ${hlen}`,
      changed(icReq, { hlen }),
      common.hlen,
    ]),
    ...[0, 127, 129, 0xffffffff].map((plen): BadPdu => [
      `an ICReq whose PLEN is ${plen}`,
      changed(icReq, { plen }),
      common.plen,
    ]),
  ],
  afterIcResp: [
    ['a second ICReq', icReq, null, { fes: pduSequenceError, causeBytes: IcReq.size }],
    ['a capsule whose HLEN is 64', changed(capsule, { hlen: 64 }), common.hlen],
    ['a capsule whose PLEN is less than its HLEN', changed(capsule, { plen: 71 }), common.plen],
    ['a capsule whose data begin in its header', changed(withPayload, { pdo: 68 }), common.pdo],
    ['a capsule whose data are not aligned', changed(withPayload, { pdo: 74 }), common.pdo],
    ['a capsule whose data begin behind its end', changed(withPayload, { pdo: 136 }), common.plen],
    ['a header digest that was not agreed', changed(capsule, headerDigest), common.flags],
    ['a data digest that was not agreed', changed(withPayload, dataDigest), common.flags],
    ['H2CData that nobody asked for', hostData, h2c.ttag, { causeBytes: H2cData.size }],
    [
      'more in-capsule data than the admin queue takes',
      tooLarge,
      common.plen,
      { fes: dataTransferLimitExceeded, causeBytes: CapsuleCmdHeader.size },
    ],
    ['an H2CTermReq that is too long', longTermReq, common.plen],
  ],
  withDigests: [['a digest that was agreed and is missing', capsule, common.flags]],
};

for (const [place, open] of Object.entries(places)) {
  for (const [name, pdu, field, seen] of badPdus[place as keyof typeof places]) {
    const { fes = invalidPduHeaderField, causeBytes = PduCommonHeader.size } = seen ?? {};
    t.test(`${name} ends the connection`, async (t) => {
      const link = await open();
      link.send(pdu);
      const cause = pdu.subarray(0, causeBytes);
      await expectTermination(t, link, { fes, fei: field?.offset ?? 0, cause });
    });
  }
}

t.test('a wrong header digest ends the connection', async (t) => {
  const link = await PduLink.initialize(target, { digests: allDigests });
  const pdu = makeCapsule(makeAdmin(0), allDigests);
  pdu[CapsuleCmdHeader.size]! ^= 1;
  link.send(pdu);
  await expectTermination(t, link, {
    fes: headerDigestError,
    fei: pdu.readUInt32LE(CapsuleCmdHeader.size),
    cause: pdu.subarray(0, CapsuleCmdHeader.size),
  });
});

t.test('what follows a fatal error is not looked at', async (t) => {
  const link = await PduLink.initialize(target);
  link.send(Buffer.concat([icReq, Buffer.alloc(100_000, 0xff), icReq]));
  const { termination } = await link.closed();
  t.equal(termination?.fes, pduSequenceError);
});

t.test('a wrong data digest costs the command, not the connection', async (t) => {
  const host = await TcpHost.connect(target, subsystemNqn, { digests: allDigests });
  const { io } = host;
  const before = patternOf({ slba: 2000n, generation: 1 }, 32);
  await io.write(2000n, before);
  const transientError = generic(GenericStatus.transientTransportError, 'retry');

  const spoiled = patternOf({ slba: 2000n, generation: 2 }, 32);
  io.onR2t = (r2t) => {
    const fields = { cccid: r2t.cid, ttag: r2t.ttag, datao: 0, last: true };
    const pdu = makeH2cData(fields, allDigests, spoiled);
    pdu[pdu.length - 1]! ^= 0x80;
    io.link.send(pdu);
  };
  t.equal((await io.tryWrite(2000n, spoiled, { way: 'r2t' })).status, transientError);
  io.onR2t = undefined;

  // The same with in-capsule data, by a cutter that spoils the last byte.
  io.link.cutter = function* (bytes) {
    const copy = Buffer.from(bytes);
    copy[copy.length - 1]! ^= 1;
    yield copy;
  };
  const answer = io.tryWrite(2000n, spoiled.subarray(0, 4096), { way: 'in_capsule' });
  t.equal((await answer).status, transientError);
  io.link.cutter = undefined;

  t.ok((await io.read(2000n, 32)).equals(before), 'nothing was written');
  await host.disconnect();
});

function part(
  r2t: R2tFields,
  payload: Buffer,
  overrides: Partial<Parameters<typeof makeH2cData>[0]> = {},
): Buffer {
  const fields = { cccid: r2t.cid, ttag: r2t.ttag, datao: 0, last: true, ...overrides };
  return makeH2cData(fields, noDigests, payload);
}

type BadHostData = readonly [
  name: string,
  field: { readonly offset: number },
  make: (r2t: R2tFields, payload: Buffer) => readonly Buffer[],
  fes?: number,
];

const badHostData: readonly BadHostData[] = [
  [
    'another TTAG',
    h2c.ttag,
    (r2t, payload) => [part(r2t, payload, { ttag: (r2t.ttag + 1) % 0x10000 })],
  ],
  ['a TTAG out of bounds', h2c.ttag, (r2t, payload) => [part(r2t, payload, { ttag: 0xffff })]],
  ['another CCCID', h2c.cccid, (r2t, payload) => [part(r2t, payload, { cccid: r2t.cid + 1 })]],
  [
    'a DATAO that leaves a gap',
    h2c.datao,
    (r2t, payload) => [part(r2t, payload.subarray(4), { datao: 4 })],
    dataTransferOutOfRange,
  ],
  [
    'a DATAO that goes back',
    h2c.datao,
    (r2t, payload) => {
      const first = part(r2t, payload.subarray(0, 512), { last: false });
      return [first, first];
    },
    dataTransferOutOfRange,
  ],
  [
    'a DATAL that is not the payload’s',
    h2c.datal,
    (r2t, payload) => [part(r2t, payload, { datal: payload.length - 4 })],
  ],
  ['no data at all', h2c.datal, (r2t) => [part(r2t, Buffer.alloc(0), { last: false })]],
  [
    'more data than the R2T asked for',
    h2c.datal,
    (r2t, payload) => [part(r2t, Buffer.concat([payload, Buffer.alloc(512)]))],
    dataTransferOutOfRange,
  ],
  ['LAST_PDU too early', common.flags, (r2t, payload) => [part(r2t, payload.subarray(0, 512))]],
  [
    'the end without LAST_PDU',
    common.flags,
    (r2t, payload) => [part(r2t, payload, { last: false })],
  ],
];

for (const [name, { offset: fei }, make, fes = invalidPduHeaderField] of badHostData) {
  t.test(`H2CData with ${name} ends the connection`, async (t) => {
    const host = await TcpHost.connect(target, subsystemNqn);
    const { io } = host;
    const payload = patternOf({ slba: 3000n, generation: 1 }, 32);
    const before = await io.read(3000n, 32);
    let cause = Buffer.alloc(0);
    io.onR2t = (r2t) => {
      const pdus = make(r2t, payload);
      cause = Buffer.from(pdus.at(-1)!.subarray(0, H2cData.size));
      for (const pdu of pdus) io.link.send(pdu);
    };
    await t.rejects(io.tryWrite(3000n, payload, { way: 'r2t' }), queueEnded);
    await expectTermination(t, io.link, { fes, fei, cause });
    await host.disconnect();
    const other = await TcpHost.connect(target, subsystemNqn);
    t.ok((await other.io.read(3000n, 32)).equals(before), 'nothing was written');
    await other.disconnect();
  });
}

t.test('H2CData beyond MAXH2CDATA ends the connection', async (t) => {
  const host = await TcpHost.connect(target, subsystemNqn);
  const { io } = host;
  const limit = io.link.maxH2cData;
  if (limit >= 2 ** 20) {
    // A whole transfer fits: what is larger is more than the R2T asked for, too.
    t.equal(limit, 2 ** 20);
    await host.disconnect();
    return;
  }
  const payload = Buffer.alloc(limit + 512);
  io.onR2t = (r2t) => {
    io.link.send(part(r2t, payload));
  };
  await t.rejects(io.tryWrite(3000n, payload, { way: 'r2t' }), queueEnded);
  const { termination } = await io.link.closed();
  t.match(termination, { fes: dataTransferLimitExceeded, fei: h2c.datal.offset });
  await host.disconnect();
});

t.test('H2CData behind the last one ends the connection', async (t) => {
  const host = await TcpHost.connect(target, subsystemNqn);
  const { io } = host;
  const payload = Buffer.alloc(16384, 7);
  let again: Buffer = Buffer.alloc(0);
  io.onR2t = (r2t) => {
    io.sendHostData(r2t, payload);
    again = part(r2t, payload);
  };
  await io.write(3000n, payload, { way: 'r2t' });
  io.link.send(again);
  await expectTermination(t, io.link, {
    fes: invalidPduHeaderField,
    fei: h2c.ttag.offset,
    cause: again.subarray(0, H2cData.size),
  });
  await host.disconnect();
});

t.test('in-capsule data beyond IOCCSZ end the connection', async (t) => {
  const host = await TcpHost.connect(target, subsystemNqn);
  const { ioccsz } = await host.admin.identifyController();
  const payload = Buffer.alloc(ioccsz * 16 - 64 + 512);
  const { io } = host;
  const sqe = makeRange(IoOpcode.write, { slba: 0n, blocks: payload.length / 512 });
  await t.rejects(io.submit({ sqe, payload, way: 'in_capsule' }), queueEnded);
  const { termination } = await io.link.closed();
  t.match(termination, { fes: dataTransferLimitExceeded, fei: common.plen.offset });
  await host.disconnect();
});

t.test('a fatal error ends what is under way on that queue alone', async (t) => {
  const host = await TcpHost.connect(target, subsystemNqn, { ioQueues: 2 });
  const [first, second] = host.queues as [IoQueue, IoQueue];
  let asked = (): void => undefined;
  const transferring = new Promise<void>((resolve) => (asked = resolve));
  // None of them gets its data, so none can end otherwise.
  first.onR2t = () => {
    asked();
  };
  const writes = Array.from({ length: 8 }, (_, index) =>
    first.write(BigInt(4000 + index * 64), Buffer.alloc(32768), { way: 'r2t' }),
  );
  const ends = writes.map((write) => t.rejects(write, queueEnded));
  await within(transferring, 'an R2T');
  first.link.send(icReq);
  await Promise.all(ends);
  t.equal((await first.link.closed()).termination?.fes, pduSequenceError);
  await second.read(0n, 8);
  const again = await IoQueue.connect(host.admin, 1);
  await again.read(0n, 8);
  await again.close();
  await host.disconnect();
});

t.test('H2CTermReq is taken as an end, and not answered', async (t) => {
  const host = await TcpHost.connect(target, subsystemNqn);
  host.io.link.send(makeH2cTermReq(invalidPduHeaderField, 3, capsule));
  const { termination, error } = await host.io.link.closed();
  t.equal(termination, null);
  t.equal(error, null);
  await host.admin.keepAlive();
  await host.disconnect();
});

t.test('more commands than the queue has entries end the connection', async (t) => {
  const host = await TcpHost.connect(target, subsystemNqn, { ioEntries: 4 });
  const { io } = host;
  io.onR2t = () => undefined;
  const answers = Array.from({ length: 12 }, () => {
    const sqe = makeRange(IoOpcode.write, { slba: 0n, blocks: 32 });
    const payload = Buffer.alloc(16384);
    return io.submitNow({ sqe, payload, way: 'r2t', sgl: transportSgl(16384) }).answer;
  });
  for (const answer of answers) await t.rejects(answer, queueEnded);
  await io.link.closed();
  t.equal(await daemon.pduErrors('queue_overrun'), 1);
  await host.disconnect();
});

t.test('a command other than Connect on a new connection is out of sequence', async (t) => {
  const link = await PduLink.initialize(target);
  const identify = makeIdentify({ cns: Cns.controller });
  identify.dptr = transportSgl(4096);
  link.send(makeCapsule(identify, noDigests));
  const response = await link.next();
  t.equal(response.type, PduType.capsuleResp);
  const { status } = new CapsuleRespHeader(response.header).cqe;
  t.equal(withoutMore(status), generic(GenericStatus.commandSequenceError));
  await link.close();
});

t.test('the others were undisturbed, errors were counted, nothing is left', async (t) => {
  await bystander.stop();
  await daemon.idle();
  const metrics = await daemon.metrics();
  const errors = (reason: string) => metrics.sum('capsuled_pdu_errors_total', { reason });
  t.equal(errors('invalid_pdu_header'), terminations.get(invalidPduHeaderField));
  t.equal(errors('header_digest'), 1);
  t.equal(errors('data_digest'), 2);
  t.equal(errors('unsupported_parameter'), 1);
  t.equal(errors('h2c_term_req'), 1);
  t.equal(errors('icreq_timeout'), 0);
  t.equal(errors('pdu_timeout'), 0);
});
