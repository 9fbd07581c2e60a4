/** A file and a loop device grow below a daemon; a host sees it and uses what is new. */

import { execFileSync } from 'node:child_process';
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { Cns, IdentifyNamespace, LogPage } from '../../src/wire/layout.gen.js';
import { until, within } from '../host/bounded.js';
import { TcpHost } from '../host/tcp-host.js';
import { Daemon, configuration, makeFolder, subsystem, subsystemNqn } from './daemon.js';
import type { Teardown } from './daemon.js';
import { attachLoopDevice, noLoopDisks } from './loop-disk.js';

const mib = 2 ** 20;
const namespaceChanged = 0x040002;
const blockBytes = 512;

interface Served {
  readonly daemon: Daemon;
  readonly host: TcpHost;
}

async function serving(t: Teardown, bdevs: readonly object[], exported: string): Promise<Served> {
  const daemon = await Daemon.start(
    t,
    configuration({
      engine: { reactors: 2, memory: '64MiB' },
      bdevs,
      subsystems: [subsystem({ namespaces: [{ nsid: 1, bdev: exported }] })],
    }),
  );
  const host = await TcpHost.connect(daemon.target(), subsystemNqn, { ioQueues: 2 });
  return { daemon, host };
}

async function blocksSeen({ admin }: TcpHost): Promise<bigint> {
  return new IdentifyNamespace(await admin.identify({ cns: Cns.namespace, nsid: 1 })).nsze;
}

/** The host is told, sees `bytes`, and writes and reads the last block by each queue. */
async function grows(t: Test, { host }: Served, grow: () => void, bytes: number): Promise<void> {
  const before = await blocksSeen(host);
  const { answer } = host.admin.asynchronousEvent();
  grow();
  t.equal((await within(answer, 'the event', 10_000)).dw0, namespaceChanged);
  const page = await host.admin.logPage({ lid: LogPage.changedNamespaceList, bytes: 4096 });
  t.equal(page.readUInt32LE(0), 1);
  const blocks = await blocksSeen(host);
  t.equal(blocks, BigInt(bytes / blockBytes));
  for (const queue of host.queues) {
    queue.blockBytes = blockBytes;
    const data = Buffer.alloc(blockBytes, 0x5a);
    await queue.write(blocks - 1n, data);
    t.same(await queue.read(blocks - 1n, 1), data);
    t.same(await queue.read(before, 1), Buffer.alloc(blockBytes));
  }
}

t.test('a file that grows is larger for its hosts, through what stands on it', async (t) => {
  const path = join(makeFolder(t), 'disk');
  writeFileSync(path, '');
  truncateSync(path, 8 * mib);
  const bdevs = [
    { name: 'file0', kind: 'uring', path },
    { name: 'slow0', kind: 'delay', base: 'file0' },
    { name: 'part0', kind: 'split', base: 'slow0', offset: '1MiB' },
  ];
  const served = await serving(t, bdevs, 'part0');
  await grows(
    t,
    served,
    () => {
      truncateSync(path, 12 * mib);
    },
    11 * mib,
  );
  await grows(
    t,
    served,
    () => {
      truncateSync(path, 64 * mib);
    },
    63 * mib,
  );
  t.equal(readFileSync(path).at(-1), 0x5a);
  t.match(served.daemon.process.tail(), /grew from 8MiB to 12MiB/);
});

t.test('a file with a size in the configuration stays as it is', async (t) => {
  const path = join(makeFolder(t), 'disk');
  const bdev = { name: 'file0', kind: 'uring', path, size: '8MiB', create: true };
  const { daemon, host } = await serving(t, [bdev], 'file0');
  truncateSync(path, 12 * mib);
  await until('the line', () => Promise.resolve(/has grown to 12MiB/.test(daemon.process.tail())));
  t.equal(await blocksSeen(host), BigInt((8 * mib) / blockBytes));
});

t.test('a block device that grows is larger for its hosts', { skip: noLoopDisks }, async (t) => {
  const device = attachLoopDevice(t, 8 * mib);
  const served = await serving(t, [{ name: 'loop0', kind: 'uring', path: device }], 'loop0');
  await grows(
    t,
    served,
    () => {
      const listed = ['--list', '--noheadings', '--output', 'BACK-FILE', device];
      truncateSync(execFileSync('losetup', listed, { encoding: 'utf8' }).trim(), 12 * mib);
      execFileSync('losetup', ['--set-capacity', device]);
    },
    12 * mib,
  );
});
