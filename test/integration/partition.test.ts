/** Partition tables that sfdisk (Debian package `fdisk`) has written, read by the daemon. */

import { spawnSync } from 'node:child_process';
import { openSync, readFileSync, truncateSync, writeFileSync, writeSync, closeSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { patternOf } from '../host/pattern.js';
import { generic } from '../host/status.js';
import { TcpHost } from '../host/tcp-host.js';
import { GenericStatus } from '../../src/wire/layout.gen.js';
import { Daemon, configuration, makeFolder, subsystem, subsystemNqn } from './daemon.js';
import type { Configuration, Teardown } from './daemon.js';

const diskBytes = 64 * 2 ** 20;

const gptScript = `label: gpt
start=2048, size=2048, type=U, name="EFI system"
start=8192, size=65536, name="d\u00e9j\u00e0 vu"
start=4096, size=1, name="between"
`;

/** Partitions 5 and 6 lie in 2. */
const mbrScript = `label: dos
start=2048, size=2048, type=83
start=8192, size=65536, type=5
start=10240, size=2048, type=83
start=20480, size=4096, type=82
`;

/** A partition as sfdisk lists it; in sectors of 512 bytes. */
interface Listed {
  readonly node: string;
  readonly start: number;
  readonly size: number;
  readonly uuid?: string;
  readonly name?: string;
}

interface Disk {
  readonly folder: string;
  readonly path: string;
  readonly partitions: readonly (Listed & { readonly number: number })[];
}

function sfdisk(args: readonly string[], input = ''): string {
  const { status, stdout, stderr, error } = spawnSync('sfdisk', args, { encoding: 'utf8', input });
  if (status === 0) return stdout;
  throw new Error(`sfdisk ${args.join(' ')}: ${error?.message ?? stderr}`);
}

function partitioned(t: Teardown, script: string): Disk {
  const folder = makeFolder(t);
  const path = join(folder, 'disk.img');
  writeFileSync(path, '');
  truncateSync(path, diskBytes);
  sfdisk(['--quiet', path], script);
  const { partitiontable } = JSON.parse(sfdisk(['--json', path])) as {
    partitiontable: { partitions: Listed[] };
  };
  const partitions = partitiontable.partitions.map((listed) => ({
    ...listed,
    number: Number(listed.node.slice(path.length)),
  }));
  return { folder, path, partitions };
}

/** Each of these partitions is a namespace, from 1 on. */
function exporting({ path }: Disk, partitions: readonly (number | string)[]): Configuration {
  const parts = partitions.map((partition, index) => ({
    name: `part${index + 1}`,
    kind: 'partition',
    base: 'disk0',
    partition,
  }));
  return configuration({
    bdevs: [{ name: 'disk0', kind: 'uring', path }, ...parts],
    subsystems: [
      subsystem({
        namespaces: parts.map(({ name }, index) => ({ nsid: index + 1, bdev: name })),
      }),
    ],
  });
}

/**
 * What is written to the first and the last block of each partition is there in the file, and
 * nothing else has changed.
 */
async function writesWhereSfdiskSays(
  t: Test,
  disk: Disk,
  keys: readonly (number | string)[],
  partitions: readonly Listed[],
): Promise<void> {
  const expected = readFileSync(disk.path);
  const daemon = await Daemon.startIn(t, disk.folder, exporting(disk, keys));
  const host = await TcpHost.connect(daemon.target(), subsystemNqn);
  for (const [index, { start, size }] of partitions.entries()) {
    const options = { nsid: index + 1 };
    for (const slba of new Set([0, size - 1])) {
      const block = patternOf({ slba: BigInt(start + slba), generation: index + 1 }, 1);
      await host.io.write(BigInt(slba), block, options);
      block.copy(expected, (start + slba) * 512);
    }
    const behind = await host.io.tryRead({ slba: BigInt(size), blocks: 1 }, options);
    t.equal(behind.status, generic(GenericStatus.lbaOutOfRange), `${keys[index]}: no more blocks`);
  }
  await host.disconnect();
  await daemon.stop();
  t.ok(readFileSync(disk.path).equals(expected), `written to ${keys.join(', ')}`);
}

t.test('partitions of a GPT are where sfdisk says, by number, name and UUID', async (t) => {
  const disk = partitioned(t, gptScript);
  const { partitions } = disk;
  t.equal(partitions.length, 3);
  for (const key of ['number', 'name', 'uuid'] as const) {
    const keys = partitions.map((partition) => partition[key] ?? '');
    await writesWhereSfdiskSays(t, disk, keys, partitions);
  }
});

t.test('partitions of an MBR are where sfdisk says, logical ones too', async (t) => {
  const disk = partitioned(t, mbrScript);
  t.strictSame(
    disk.partitions.map(({ number }) => number),
    [1, 2, 5, 6],
  );
  const usable = disk.partitions.filter(({ number }) => number !== 2);
  await writesWhereSfdiskSays(
    t,
    disk,
    usable.map(({ number }) => number),
    usable,
  );
});

t.test('where the primary GPT is damaged, its backup is used, with a warning', async (t) => {
  const disk = partitioned(t, gptScript);
  const file = openSync(disk.path, 'r+');
  writeSync(file, Buffer.alloc(512), 0, 512, 512);
  closeSync(file);
  const daemon = await Daemon.startIn(t, disk.folder, exporting(disk, [2]));
  const { msg } = await daemon.process.line(
    'the warning',
    ({ level, msg }) => level === 'warn' && msg.startsWith('part1'),
  );
  t.match(msg, /^part1: the primary GPT, in block 1, is damaged .*: its backup was used/);
  const host = await TcpHost.connect(daemon.target(), subsystemNqn);
  await host.io.write(0n, Buffer.alloc(512, 0x5a));
  await host.disconnect();
  await daemon.stop();
  t.equal(readFileSync(disk.path)[8192 * 512], 0x5a);
});

t.test(
  'a partition that is not there is unavailable, and the reason names those there are',
  async (t) => {
    const disk = partitioned(t, gptScript);
    const daemon = await Daemon.startIn(t, disk.folder, exporting(disk, [2, 7, 'none']));
    const { lines } = daemon.process;
    for (const key of ['7', 'none']) {
      const message =
        'expected one of the partitions 1 (EFI system), 2 (d\\u{e9}j\\u{e0} vu), 3 (between) of disk0 ' +
        `for \`partition\`, got "${key}"`;
      t.ok(
        lines.some(({ msg }) => msg.includes(message)),
        message,
      );
    }
    const list = (await (await daemon.get('/v1/bdevs')).json()) as {
      items: { name: string; state: string }[];
    };
    t.match(
      list.items.map(({ name, state }) => [name, state]),
      [
        ['disk0', 'ok'],
        ['part1', 'ok'],
        ['part2', 'unavailable'],
        ['part3', 'unavailable'],
      ],
    );
  },
);

t.test('a partition and a split of the same blocks are the same disk', async (t) => {
  const disk = partitioned(t, gptScript);
  const shown = async (part: Configuration): Promise<unknown> => {
    const daemon = await Daemon.startIn(
      t,
      disk.folder,
      configuration({
        bdevs: [
          { name: 'disk0', kind: 'uring', path: disk.path },
          { name: 'part1', base: 'disk0', ...part },
        ],
        subsystems: [subsystem({ namespaces: [{ nsid: 1, bdev: 'part1' }] })],
      }),
    );
    const path = `/v1/subsystems/${encodeURIComponent(subsystemNqn)}/namespaces`;
    const { items } = (await (await daemon.get(path)).json()) as { items: { uuid: string }[] };
    await daemon.stop();
    return items[0]?.uuid;
  };
  const partition = await shown({ kind: 'partition', partition: 2 });
  const split = await shown({ kind: 'split', offset: 8192 * 512, size: 65536 * 512 });
  t.type(partition, 'string');
  t.equal(split, partition);
});
