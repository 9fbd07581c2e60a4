import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import t from 'tap';
import {
  GenericStatus,
  IoOpcode,
  MediaStatus,
  SglDescriptor,
  SglIdentifierBits,
  SglSubtype,
  SglType,
} from '../../src/wire/layout.gen.js';
import { packBits } from '../../src/wire/bits.js';
import { makeDeallocate, makeIo, makeRange } from '../host/io-queue.js';
import type { IoQueue } from '../host/io-queue.js';
import { patternOf } from '../host/pattern.js';
import { byteByByte } from '../host/pdu-link.js';
import type { Cutter } from '../host/pdu-link.js';
import { inCapsuleSgl, transportSgl } from '../host/queue.js';
import { generic, mediaError } from '../host/status.js';
import { TcpHost } from '../host/tcp-host.js';
import { Daemon, configuration, loopback, subsystem, subsystemNqn } from './daemon.js';

const otherNqn = 'nqn.2026-11.com.example:disk1';

const daemon = await Daemon.start(
  t,
  configuration({
    bdevs: [
      { name: 'ram0', kind: 'malloc', size: '64MiB', block_size: 512 },
      { name: 'ram1', kind: 'malloc', size: '32MiB', block_size: 4096 },
      { name: 'ram2', kind: 'malloc', size: '1MiB', block_size: 512 },
      { name: 'ram3', kind: 'malloc', size: '1MiB', block_size: 4096 },
      { name: 'void0', kind: 'null', size: '1TiB', block_size: 512 },
    ],
    subsystems: [
      subsystem({
        listeners: [loopback, { ...loopback, address: '::1' }],
        namespaces: [
          { nsid: 1, bdev: 'ram0' },
          { nsid: 2, bdev: 'ram1' },
          { nsid: 3, bdev: 'ram2', read_only: true },
          { nsid: 4, bdev: 'void0' },
        ],
      }),
      subsystem({ nqn: otherNqn, namespaces: [{ nsid: 1, bdev: 'ram3' }] }),
    ],
  }),
);
const target = daemon.target(subsystemNqn, '127.0.0.1');
const blocksOfRam0 = 131072n;

async function connected(
  test: { teardown: (callback: () => Promise<void>) => void },
  options: Parameters<typeof TcpHost.connect>[2] = {},
): Promise<TcpHost> {
  const host = await TcpHost.connect(target, subsystemNqn, options);
  test.teardown(() => host.disconnect());
  return host;
}

const digestChoices = [
  { header: false, payload: false },
  { header: true, payload: false },
  { header: false, payload: true },
  { header: true, payload: true },
];

for (const flowControl of ['on', 'off'] as const) {
  for (const digests of digestChoices) {
    const on = [digests.header ? 'header' : '', digests.payload ? 'data' : ''].filter(Boolean);
    const name = `${on.length > 0 ? on.join(' and ') : 'no'} digests, flow control ${flowControl}`;
    t.test(`what was written is read, in all sizes: ${name}`, async (t) => {
      const { io } = await connected(t, { digests, flowControl });
      let generation = 0;
      for (let blocks = 1; blocks <= 2048; blocks *= 2) {
        for (const way of ['in_capsule', 'r2t'] as const) {
          if (way === 'in_capsule' && blocks > 16) continue;
          const slba = BigInt(blocks) + 7n;
          const pattern = patternOf({ slba, generation: ++generation }, blocks);
          await io.write(slba, pattern, { way });
          const back = await io.read(slba, blocks);
          if (!back.equals(pattern)) t.fail(`${blocks} blocks ${way} differ`);
        }
      }
      t.equal(io.silentCompletions > 0, flowControl === 'off');
    });
  }
}

t.test('a null bdev reads as zeros in all sizes, whatever others read beside it', async (t) => {
  for (const digests of digestChoices) {
    for (const flowControl of ['on', 'off'] as const) {
      const { io } = await connected(t, { digests, flowControl, ioEntries: 65 });
      const pattern = patternOf({ slba: 40_000n, generation: 5 }, 64);
      await io.write(40_000n, pattern);
      await io.write(40_000n, pattern, { nsid: 4 });
      const sizes = Array.from({ length: 12 }, (_, power) => 2 ** power);
      const wrong = await Promise.all(
        sizes.map(async (blocks) => {
          const [zeros, back] = await Promise.all([
            io.read(40_000n, blocks, { nsid: 4 }),
            io.read(40_000n, 64),
          ]);
          if (!zeros.equals(Buffer.alloc(blocks * 512))) return `${blocks} blocks are not zero`;
          return back.equals(pattern) ? '' : `beside ${blocks} blocks`;
        }),
      );
      t.strictSame(wrong.filter(Boolean), [], JSON.stringify({ digests, flowControl }));
    }
  }
});

t.test('64 commands in flight keep their data apart', async (t) => {
  const host = await connected(t, { ioEntries: 65, digests: { header: true, payload: true } });
  for (let round = 1; round <= 4; round++) {
    await Promise.all(
      Array.from({ length: 64 }, async (_, lane) => {
        const slba = BigInt(lane * 256);
        const blocks = [1, 8, 16, 17, 64, 256][(lane + round) % 6]!;
        await host.io.write(slba, patternOf({ slba, generation: round * 100 + lane }, blocks));
        const back = await host.io.read(slba, blocks);
        if (!back.equals(patternOf({ slba, generation: round * 100 + lane }, blocks))) {
          t.fail(`lane ${lane} of round ${round} differs`);
        }
      }),
    );
  }
});

t.test('an IPv6 listener serves as an IPv4 one does', async (t) => {
  const host = await TcpHost.connect(daemon.target(subsystemNqn, '::1'), subsystemNqn);
  const pattern = patternOf({ slba: 5n, generation: 66 }, 64);
  await host.io.write(5n, pattern);
  t.ok((await host.io.read(5n, 64)).equals(pattern));
  await host.disconnect();
});

t.test('two hosts see each other’s writes', async (t) => {
  const first = await connected(t);
  const second = await connected(t, { digests: { header: true, payload: true } });
  const pattern = patternOf({ slba: 900n, generation: 1 }, 32);
  await first.io.write(900n, pattern);
  t.ok((await second.io.read(900n, 32)).equals(pattern));
});

t.test('namespaces are apart, and have their own block size', async (t) => {
  const { io } = await connected(t);
  await io.write(0n, patternOf({ slba: 0n, generation: 1 }, 64));
  io.blockBytes = 4096;
  const pattern = patternOf({ slba: 0n, generation: 2 }, 8, 4096);
  await io.write(0n, pattern, { nsid: 2 });
  t.ok((await io.read(0n, 8, { nsid: 2 })).equals(pattern));
  io.blockBytes = 512;
  t.ok((await io.read(0n, 64)).equals(patternOf({ slba: 0n, generation: 1 }, 64)));
  const other = await TcpHost.connect(daemon.target(otherNqn), otherNqn);
  other.io.blockBytes = 4096;
  t.ok((await other.io.read(0n, 8)).equals(Buffer.alloc(32768)), 'subsystems are apart, too');
  await other.disconnect();
});

t.test('Write Zeroes and deallocate leave zeros', async (t) => {
  const { io } = await connected(t);
  const zeros = Buffer.alloc(64 * 512);
  const full = patternOf({ slba: 4096n, generation: 3 }, 64);
  const way = async (clear: () => Promise<void>) => {
    await io.write(4096n, full);
    await clear();
    return (await io.read(4096n, 64)).equals(zeros);
  };
  t.ok(await way(() => io.writeZeroes({ slba: 4096n, blocks: 64 })));
  t.ok(await way(() => io.writeZeroes({ slba: 4096n, blocks: 64 }, { deallocate: true })));
  t.ok(await way(() => io.writeZeroes({ slba: 4096n, blocks: 64 }, { forceUnitAccess: true })));
  t.ok(
    await way(() =>
      io.deallocate([
        { slba: 4096n, blocks: 16 },
        { slba: 0n, blocks: 0 },
        { slba: 4112n, blocks: 48 },
      ]),
    ),
  );
  const many = Array.from({ length: 256 }, (_, index) => ({
    slba: 8192n + BigInt(index) * 8n,
    blocks: 8,
  }));
  await io.write(8192n, patternOf({ slba: 8192n, generation: 4 }, 2048));
  await io.deallocate(many);
  t.ok((await io.read(8192n, 2048)).equals(Buffer.alloc(2048 * 512)));
});

t.test('Write Zeroes reaches farther than a transfer does', async (t) => {
  const { io } = await connected(t);
  await io.writeZeroes({ slba: 65536n, blocks: 65536 });
  t.ok((await io.read(131064n, 8)).equals(Buffer.alloc(4096)));
});

t.test('Compare tells equal from different', async (t) => {
  const { io } = await connected(t);
  for (const blocks of [1, 16, 256]) {
    const pattern = patternOf({ slba: 300n, generation: blocks }, blocks);
    await io.write(300n, pattern);
    t.equal(await io.compare(300n, pattern), 0);
    for (const at of [0, pattern.length - 1]) {
      const different = Buffer.from(pattern);
      different[at]! ^= 1;
      const status = await io.compare(300n, different);
      t.equal(status & 0x0fff, mediaError(MediaStatus.compareFailure) & 0x0fff);
    }
    t.ok((await io.read(300n, blocks)).equals(pattern));
  }
});

t.test('Flush and Force Unit Access succeed', async (t) => {
  const { io } = await connected(t);
  const pattern = patternOf({ slba: 40n, generation: 8 }, 8);
  await io.write(40n, pattern, { forceUnitAccess: true });
  await io.flush();
  await io.flush(2);
  await io.flush(0xffffffff);
  t.ok((await io.read(40n, 8)).equals(pattern));
});

t.test('a read_only namespace is read and not written', async (t) => {
  const { io } = await connected(t);
  const nsid = 3;
  const refused = generic(GenericStatus.namespaceWriteProtected);
  t.ok((await io.read(0n, 8, { nsid })).equals(Buffer.alloc(4096)));
  t.equal((await io.tryWrite(0n, Buffer.alloc(4096, 1), { nsid })).status, refused);
  t.equal((await io.tryWrite(0n, Buffer.alloc(65536, 1), { nsid })).status, refused);
  const zeroes = makeRange(IoOpcode.writeZeroes, { slba: 0n, blocks: 8 }, { nsid });
  t.equal((await io.submit({ sqe: zeroes })).status, refused);
  t.equal((await io.submit(makeDeallocate([{ slba: 0n, blocks: 8 }], { nsid }))).status, refused);
  await io.flush(nsid);
  t.ok((await io.read(0n, 8, { nsid })).equals(Buffer.alloc(4096)));
});

t.test('blocks behind the end are out of range', async (t) => {
  const { io } = await connected(t);
  const outOfRange = generic(GenericStatus.lbaOutOfRange);
  const ranges = [
    { slba: blocksOfRam0, blocks: 1 },
    { slba: blocksOfRam0 - 1n, blocks: 2 },
    { slba: 0xffff_ffff_ffff_ffffn, blocks: 8 },
    { slba: 0x1_0000_0000n, blocks: 1 },
  ];
  for (const range of ranges) {
    t.equal((await io.tryRead(range)).status, outOfRange);
    const payload = Buffer.alloc(range.blocks * 512);
    for (const way of ['in_capsule', 'r2t'] as const) {
      t.equal((await io.tryWrite(range.slba, payload, { way })).status, outOfRange);
    }
    const zeroes = makeRange(IoOpcode.writeZeroes, range);
    t.equal((await io.submit({ sqe: zeroes })).status, outOfRange);
    t.equal((await io.submit(makeDeallocate([range]))).status, outOfRange);
  }
  t.equal((await io.read(blocksOfRam0 - 1n, 1)).length, 512);
});

t.test('a command that cannot be carried out is refused, and the queue goes on', async (t) => {
  const { io } = await connected(t);
  const { read, write } = IoOpcode;
  const range = { slba: 0n, blocks: 8 };
  const statusOf = async (submission: Parameters<IoQueue['submit']>[0]) =>
    (await io.submit(submission)).status;
  const payload = Buffer.alloc(4096);

  const { invalidOpcode, invalidField, invalidNamespaceOrFormat } = GenericStatus;
  t.equal(await statusOf({ sqe: makeIo(0xc1) }), generic(invalidOpcode));
  t.equal(
    await statusOf({ sqe: makeRange(read, range, { nsid: 9 }), readBytes: 4096 }),
    generic(invalidNamespaceOrFormat),
  );
  t.equal(
    await statusOf({ sqe: makeRange(read, range, { nsid: 0 }), readBytes: 4096 }),
    generic(invalidNamespaceOrFormat),
  );
  const fused = makeRange(read, range);
  fused.flags = 1;
  t.equal(await statusOf({ sqe: fused, readBytes: 4096 }), generic(invalidField));
  const large = makeRange(read, { slba: 0n, blocks: 65536 });
  t.equal(await statusOf({ sqe: large, readBytes: 65536 * 512 }), generic(invalidField));

  const { dataSglLengthInvalid, sglDescriptorTypeInvalid, sglOffsetInvalid } = GenericStatus;
  const sqe = () => makeRange(read, range);
  t.equal(await statusOf({ sqe: sqe(), sgl: transportSgl(512) }), generic(dataSglLengthInvalid));
  t.equal(await statusOf({ sqe: sqe(), sgl: transportSgl(8192) }), generic(dataSglLengthInvalid));
  t.equal(
    await statusOf({ sqe: sqe(), sgl: inCapsuleSgl(4096) }),
    generic(sglDescriptorTypeInvalid),
  );
  for (const type of [SglType.dataBlock, SglType.segment, SglType.keyedDataBlock]) {
    const sgl = SglDescriptor.alloc();
    sgl.length = 4096;
    sgl.identifier = packBits(
      [SglIdentifierBits.type, type],
      [SglIdentifierBits.subtype, SglSubtype.address],
    );
    t.equal(await statusOf({ sqe: sqe(), sgl }), generic(sglDescriptorTypeInvalid));
  }
  const sending = (sgl: SglDescriptor) =>
    statusOf({ sqe: makeRange(write, range), payload, way: 'in_capsule', sgl });
  t.equal(await sending(inCapsuleSgl(4096, 64n)), generic(sglOffsetInvalid));
  t.equal(await sending(inCapsuleSgl(8192)), generic(dataSglLengthInvalid));
  t.equal(await sending(inCapsuleSgl(512)), generic(dataSglLengthInvalid));
  t.equal(await sending(transportSgl(512)), generic(dataSglLengthInvalid));

  const pattern = patternOf({ slba: 0n, generation: 12 }, 8);
  await io.write(0n, pattern);
  t.ok((await io.read(0n, 8)).equals(pattern));
});

/** Everything that a script of commands answers, in an order that does not depend on time. */
async function runScript(host: TcpHost): Promise<unknown[]> {
  const { io } = host;
  const base = 20_000n;
  const answers: unknown[] = [];
  const sizes = [1, 16, 17, 40];
  await Promise.all(
    sizes.map((blocks, index) => {
      const slba = base + BigInt(index * 64);
      return io.write(slba, patternOf({ slba, generation: 5 }, blocks));
    }),
  );
  const reads = sizes.map((blocks, index) => io.read(base + BigInt(index * 64), blocks));
  for (const back of await Promise.all(reads)) answers.push(back.toString('base64'));
  answers.push(await io.compare(base, Buffer.alloc(512)));
  answers.push((await io.tryRead({ slba: blocksOfRam0, blocks: 1 })).status);
  await io.writeZeroes({ slba: base, blocks: 256 });
  answers.push((await host.admin.logPage({ lid: 2, bytes: 512, nsid: 1 })).length);
  return answers;
}

/** Cuts what is sent into pieces of these lengths, over and over. */
function cutterOf(lengths: readonly number[]): Cutter {
  let next = 0;
  return function* (bytes) {
    let at = 0;
    while (at < bytes.length) {
      const length = lengths[next++ % lengths.length]!;
      yield bytes.subarray(at, at + length);
      at += length;
    }
  };
}

t.test('any split of the bytes gives the same answers', async (t) => {
  const plain = await connected(t);
  const expected = await runScript(plain);
  const length = fc.oneof(
    fc.integer({ min: 1, max: 200 }),
    fc.constantFrom(8, 72, 24, 128, 4096, 8192, 8264),
    fc.integer({ min: 1, max: 20_000 }),
  );
  const splits = fc.array(length, { minLength: 1, maxLength: 12 }).filter(
    // Pieces of a few bytes only would take all day.
    (lengths) => lengths.reduce((sum, each) => sum + each, 0) / lengths.length > 40,
  );
  const property = fc.asyncProperty(
    splits,
    fc.constantFrom(...digestChoices),
    async (lengths, digests) => {
      const cutter = cutterOf(lengths);
      const host = await TcpHost.connect(target, subsystemNqn, { cutter, digests });
      const answers = await runScript(host);
      await host.disconnect();
      return isDeepStrictEqual(answers, expected);
    },
  );
  await fc.assert(property, { numRuns: 40 });
});

t.test('bytes may come one by one', async (t) => {
  const host = await TcpHost.connect(target, subsystemNqn, {
    cutter: byteByByte,
    digests: { header: true, payload: true },
  });
  const pattern = patternOf({ slba: 70n, generation: 1 }, 17);
  for (const way of ['in_capsule', 'r2t'] as const) {
    const payload = way === 'r2t' ? pattern : pattern.subarray(0, 1024);
    await host.io.write(70n, payload, { way });
    t.ok((await host.io.read(70n, payload.length / 512)).equals(payload));
  }
  await host.disconnect();
});

t.test('a host that reads slowly gets everything', async (t) => {
  const host = await connected(t, { ioEntries: 33 });
  const pattern = patternOf({ slba: 0n, generation: 9 }, 2048);
  await host.io.write(0n, pattern);
  host.io.link.pause();
  // As many as its queue holds, and more than a reactor has I/O memory for.
  const reads = Array.from({ length: 32 }, () => host.io.read(0n, 2048));
  const other = await connected(t);
  t.equal((await other.io.read(0n, 1)).length, 512, 'nobody else waits');
  t.ok((await other.io.read(0n, 2048)).equals(pattern), 'not for large buffers either');
  host.io.link.resume();
  for (const back of await Promise.all(reads)) t.ok(back.equals(pattern));
});

t.test('nothing is left behind', async () => {
  // Every test's hosts have disconnected by now.
  await daemon.idle();
});
