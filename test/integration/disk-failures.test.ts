import { readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { GenericStatus, IoOpcode, MediaStatus } from '../../src/wire/layout.gen.js';
import { until, within } from '../host/bounded.js';
import { makeDeallocate, makeIo } from '../host/io-queue.js';
import type { IoQueue } from '../host/io-queue.js';
import { generic, mediaError } from '../host/status.js';
import { TcpHost } from '../host/tcp-host.js';
import {
  Daemon,
  adminWithToken,
  configuration,
  makeFolder,
  subsystem,
  subsystemNqn,
  withToken,
} from './daemon.js';
import type { Configuration, Teardown } from './daemon.js';
import { LoopFileSystem, attachLoopDevice, noLoopDisks, setReadOnly } from './loop-disk.js';

const mib = 2 ** 20;

interface Disk {
  readonly path: string;
  readonly size?: string;
}

/** A daemon on one reactor with a namespace for each of the disks, in order, and a host of it. */
async function serving(t: Teardown, disks: readonly Disk[]) {
  const folder = makeFolder(t);
  const config: Configuration = configuration({
    engine: { reactors: 1, memory: '64MiB' },
    admin: adminWithToken,
    bdevs: disks.map(({ path, size }, index) => ({
      name: `file${index}`,
      kind: 'uring',
      path,
      block_size: 4096,
      ...(size === undefined ? {} : { size, create: true }),
    })),
    subsystems: [
      subsystem({
        namespaces: disks.map((_disk, index) => ({ nsid: index + 1, bdev: `file${index}` })),
      }),
    ],
  });
  const daemon = await Daemon.startIn(t, folder, config);
  const host = await TcpHost.connect(daemon.target(), subsystemNqn);
  host.io.blockBytes = 4096;
  return { daemon, host, io: host.io };
}

interface BdevItem {
  readonly name: string;
  readonly state: string;
  readonly states: readonly string[];
  readonly failure_count: number;
  readonly last_failure: { readonly op: string; readonly error: string } | null;
}

async function bdev(daemon: Daemon, name = 'file0'): Promise<BdevItem> {
  const response = await daemon.get('/v1/bdevs', withToken);
  const { items } = (await response.json()) as { items: BdevItem[] };
  const found = items.find((item) => item.name === name);
  if (found === undefined) throw new Error(`there is no bdev ${name}`);
  return found;
}

async function inState(daemon: Daemon, state: string, name = 'file0'): Promise<BdevItem> {
  return until(`${name} to be ${state}`, async () => {
    const item = await bdev(daemon, name);
    return item.state === state && item;
  });
}

async function acknowledge(daemon: Daemon, name = 'file0'): Promise<number> {
  const url = `${daemon.admin}/v1/bdevs/${name}/acknowledge`;
  return (await fetch(url, { method: 'POST', headers: withToken })).status;
}

async function status(io: IoQueue, sqe: ReturnType<typeof makeIo>): Promise<number> {
  return (await io.submit({ sqe })).status;
}

const flush = (nsid = 1) => makeIo(IoOpcode.flush, nsid);
const block = (byte: number, blocks = 1) => Buffer.alloc(4096 * blocks, byte);

t.test('a disk that hangs keeps no other disk waiting', { skip: noLoopDisks }, async (t) => {
  const disk = new LoopFileSystem(t, 64 * mib);
  const path = join(disk.folder, 'disk0.img');
  writeFileSync(path, Buffer.alloc(4 * mib, 1));
  const sound = { path: join(makeFolder(t), 'disk1.img'), size: '4MiB' };
  const { daemon, io } = await serving(t, [{ path }, sound]);
  t.teardown(() => {
    disk.thaw();
  });
  disk.freeze();
  const underWay = [
    ...Array.from({ length: 40 }, (_none, index) => io.write(BigInt(index), block(2))),
    ...Array.from({ length: 20 }, (_none, index) =>
      io.command('Dataset Management', makeDeallocate([{ slba: BigInt(100 + index), blocks: 1 }])),
    ),
  ];
  let ended = 0;
  for (const one of underWay) void one.then(() => (ended += 1));

  const other = { nsid: 2 };
  for (let round = 0; round < 4; round += 1) {
    await within(io.write(0n, block(3), other), 'a write of the other disk');
    await within(io.write(1n, block(4), { ...other, forceUnitAccess: true }), 'a durable write');
    await within(io.flush(2), 'a flush of the other disk');
    await within(io.writeZeroes({ slba: 2n, blocks: 8 }, other), 'zeros on the other disk');
    const { sqe, payload } = makeDeallocate([{ slba: 20n, blocks: 4 }]);
    sqe.nsid = 2;
    await within(io.command('Dataset Management', { sqe, payload }), 'a hole in the other disk');
    t.ok((await io.read(0n, 1, other)).equals(block(3)));
  }
  t.equal(ended, 0, 'the disk does hang');

  await daemon.process.line('the state', ({ state }) => state === 'hung');
  await inState(daemon, 'hung');
  t.equal((await bdev(daemon, 'file1')).state, 'ok');
  t.match(await (await daemon.get('/readyz', withToken)).json(), {
    reasons: [/^bdev file0: its disk hangs/],
  });
  const scrape = await (await daemon.get('/metrics', withToken)).text();
  t.match(scrape, 'capsuled_bdev_state{bdev="file0",state="hung"} 1');
  t.equal(await acknowledge(daemon), 409, 'a disk that hangs cannot be looked at');

  disk.thaw();
  await within(Promise.all(underWay), 'all that hung');
  t.ok((await io.read(39n, 1)).equals(block(2)));
  await inState(daemon, 'ok');
  await daemon.process.line('the end of it', ({ msg }) => msg.includes('no longer hangs'));
  t.equal((await daemon.get('/readyz')).status, 200);
});

t.test(
  'a write right behind a cut does not extend the file, and what was lost is not zeros',
  async (t) => {
    const path = join(makeFolder(t), 'disk0.img');
    const { daemon, io } = await serving(t, [{ path, size: '4MiB' }]);
    await io.write(900n, block(7));
    truncateSync(path, 2 * mib);
    // Neither the last block, nor after a look.
    t.equal((await io.tryWrite(1000n, block(8))).status, mediaError(MediaStatus.writeFault));
    const lost = await io.tryRead({ slba: 900n, blocks: 1 });
    t.equal(lost.status, mediaError(MediaStatus.unrecoveredReadError));
    t.equal(statSync(path).size, 2 * mib);
    await daemon.process.line('the loss', ({ msg }) => msg.includes('became shorter'));
  },
);

t.test('a file cut short is served no more, and never extended, until acknowledged', async (t) => {
  const path = join(makeFolder(t), 'disk0.img');
  const { daemon, io } = await serving(t, [{ path, size: '4MiB' }]);
  await io.write(900n, block(7));
  await io.flush();
  truncateSync(path, 2 * mib);
  await daemon.process.line('the loss', ({ msg }) => msg.includes('became shorter'));
  const readLost = mediaError(MediaStatus.unrecoveredReadError);
  const writeLost = mediaError(MediaStatus.writeFault);
  t.equal((await io.tryWrite(1000n, block(8))).status, writeLost);
  t.equal((await io.tryRead({ slba: 0n, blocks: 1 })).status, readLost);
  t.equal(await status(io, flush()), writeLost);
  t.equal(statSync(path).size, 2 * mib);
  t.equal((await daemon.get('/readyz')).status, 503);

  t.equal(await acknowledge(daemon), 422, 'it is still too short');
  truncateSync(path, 4 * mib);
  t.equal((await io.tryRead({ slba: 0n, blocks: 1 })).status, readLost, 'still latched');
  t.equal(await acknowledge(daemon), 200);
  await io.write(1000n, block(8));
  await io.flush();
  t.ok((await io.read(1000n, 1)).equals(block(8)));
  await inState(daemon, 'ok');
});

t.test('a failed flush is told to every flush after it', { skip: noLoopDisks }, async (t) => {
  const disk = new LoopFileSystem(t, 64 * mib);
  const { daemon, io } = await serving(t, [
    { path: join(disk.folder, 'disk0.img'), size: '4MiB' },
    { path: join(makeFolder(t), 'disk1.img'), size: '4MiB' },
  ]);
  await io.write(0n, block(1));
  disk.shutDown();
  t.not(await status(io, flush()), 0);
  const latched = mediaError(MediaStatus.writeFault);
  t.equal(await status(io, flush()), latched);
  t.equal((await io.tryWrite(0n, block(2), { forceUnitAccess: true })).status, latched);
  const { states } = await inState(daemon, 'lost_flush');
  t.same(states, ['lost_flush']);
  await daemon.process.line('the loss', ({ msg }) => msg.includes('capsuled acknowledge file0'));
  t.equal(await acknowledge(daemon), 422);
  t.equal(await status(io, flush()), latched);
  await io.flush(2);
});

t.test('a full file system is Capacity Exceeded, and seen', { skip: noLoopDisks }, async (t) => {
  const disk = new LoopFileSystem(t, 16 * mib);
  const filler = join(disk.folder, 'filler');
  writeFileSync(filler, Buffer.alloc(8 * mib));
  const path = join(disk.folder, 'disk0.img');
  const { daemon, io } = await serving(t, [{ path, size: '64MiB' }]);
  let refused = 0;
  for (let slba = 0n; refused === 0 && slba < 16384n; slba += 64n) {
    refused = (await io.tryWrite(slba, block(9, 64))).status;
  }
  t.equal(refused, generic(GenericStatus.capacityExceeded));
  t.match(await bdev(daemon), { state: 'ok', last_failure: { op: 'write', error: 'ENOSPC' } });
  await daemon.process.line('the error', ({ error }) => error === 'ENOSPC');
  rmSync(filler);
  await io.write(12_000n, block(10));
  await io.flush();
});

t.test('a device that is set read-only is write protected', { skip: noLoopDisks }, async (t) => {
  const device = attachLoopDevice(t, 4 * mib);
  const { daemon, io } = await serving(t, [{ path: device }]);
  await io.write(0n, block(1));
  setReadOnly(device, true);
  const refused = generic(GenericStatus.namespaceWriteProtected);
  t.equal((await io.tryWrite(0n, block(2))).status, refused);
  t.ok((await io.read(0n, 1)).equals(block(1)));
  await inState(daemon, 'write_protected');
  await daemon.process.line('it', ({ state }) => state === 'write_protected');
  setReadOnly(device, false);
  await io.write(0n, block(3));
  await inState(daemon, 'ok');
  await io.flush();
  t.ok(readFileSync(device).subarray(0, 4096).equals(block(3)));
});
