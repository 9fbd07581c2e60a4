/**
 * `capsuled perf` on what is on this machine: bdevs in its own process, and a drive that is not.
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { within } from '../host/bounded.js';
import { Daemon, configuration, subsystem, subsystemNqn } from './daemon.js';
import type { Teardown } from './daemon.js';

const mainScript = fileURLToPath(new URL('../../src/main.js', import.meta.url));

interface Report {
  readonly target: Readonly<Record<string, unknown>>;
  readonly read: { readonly operations: number };
  readonly write: { readonly operations: number };
  readonly total: { readonly operations: number; readonly errors: number };
  readonly verify: {
    readonly blocks_checked: number;
    readonly blocks_unchecked: number;
    readonly mismatches: number;
    readonly first: string | null;
  } | null;
  readonly failure: string | null;
  readonly first_error: string | null;
}

interface Outcome {
  readonly status: number | null;
  readonly out: string;
  readonly error: string;
}

async function run(t: Teardown, ...args: string[]): Promise<Outcome> {
  const child = spawn(
    process.execPath,
    [mainScript, 'perf', ...args, '--poll', 'interrupt', '--warm-up', '0'],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, NO_COLOR: '1', NODE_NO_WARNINGS: '1' },
    },
  );
  let out = '';
  let error = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (error += text));
  const closed = once(child, 'close') as Promise<[number | null]>;
  t.teardown(async () => {
    if (child.exitCode === null) child.kill('SIGKILL');
    await closed;
  });
  const [status] = await within(closed, 'the end of the run', 60_000);
  return { status, out, error };
}

async function report(t: Teardown, ...args: string[]): Promise<Report & { status: number | null }> {
  const { status, out, error } = await run(t, ...args, '--json');
  if (error !== '') throw new Error(error);
  return { status, ...(JSON.parse(out) as Report) };
}

const verifying = ['--rw', 'randrw', '--bs', '512:1,4KiB:2,64KiB:1', '--count', '3000', '--verify'];

t.test('a namespace of a target is driven as the bdev that it would be', async (t) => {
  const daemon = await Daemon.start(
    t,
    configuration({
      bdevs: [{ name: 'ram0', kind: 'malloc', size: '4MiB' }],
      subsystems: [subsystem({ namespaces: [{ nsid: 1, bdev: 'ram0' }] })],
    }),
  );
  const { address, port } = daemon.target();
  const target = `bdev:nvmf?subnqn=${subsystemNqn}&paths=[{address: ${address}, port: ${String(port)}}]`;
  t.match(await report(t, target, ...verifying, '--qpairs', '2', '--allow', 'data-loss'), {
    status: 0,
    target: { type: 'bdev', size: 4 << 20 },
    total: { operations: 3000, errors: 0 },
    verify: { mismatches: 0, first: null },
    failure: null,
  });
});

t.test('a RAM disk is written, read and found right, by several workers', async (t) => {
  const load = [...verifying, '--qpairs', '4', '--qd', '8', '--cores', '0,0'];
  const found = await report(t, 'bdev:malloc?size=64MiB', ...load);
  t.match(found, {
    status: 0,
    target: { type: 'bdev', block_size: 512, size: 64 << 20 },
    total: { operations: 3000, errors: 0 },
    verify: { mismatches: 0, first: null },
    failure: null,
  });
  t.ok(found.read.operations > 0 && found.write.operations > 0);
  const { blocks_checked: checked = 0, blocks_unchecked: unchecked = 0 } = found.verify ?? {};
  t.ok(checked > 0);
  t.ok(checked + unchecked >= (64 << 20) / 512, 'all of it is read back');
});

t.test('the text names the bdev', async (t) => {
  const { status, out, error } = await run(t, 'bdev:null?size=1GiB', '--count', '1000');
  t.equal(status, 0);
  t.equal(error, '');
  t.match(out, /^bdev null: 1GiB in blocks of 512\nread /);
});

t.test('a file is made, and what is written to it is there', async (t) => {
  const folder = t.testdir();
  const path = join(folder, 'disk & co.img');
  const target = `bdev:uring?path=${path.replace('&', '%26')}&size=8MiB&create=true`;
  const without = await run(t, target, ...verifying);
  t.equal(without.status, 2);
  t.match(without.error, /^capsuled: error: --allow: expected data-loss, /);
  t.notOk(existsSync(path), 'nothing was made');
  const found = await report(t, target, ...verifying, '--allow', 'data-loss');
  t.match(found, { status: 0, total: { errors: 0 }, verify: { mismatches: 0 } });
  t.equal(statSync(path).size, 8 << 20);
});

t.test('a stack of bdevs is one target', async (t) => {
  const folder = t.testdir();
  const key = join(folder, 'disk.key');
  writeFileSync(key, randomBytes(64), { mode: 0o600 });
  const stack = `bdev:crypto?key_file=${key}&base=split?offset=1MiB&base=malloc?size=9MiB`;
  const found = await report(t, stack, ...verifying);
  t.match(found, {
    status: 0,
    target: {
      bdevs: [{ kind: 'crypto' }, { kind: 'split', offset: '1MiB' }, { kind: 'malloc' }],
      size: 8 << 20,
    },
    total: { errors: 0 },
    verify: { mismatches: 0 },
  });
});

t.test('what a layer spoils is found', async (t) => {
  const fault = '{op: write, action: corrupt, probability: 0.1}';
  const target = `bdev:error?faults=[${fault}]&base=malloc?size=4MiB`;
  const found = await report(t, target, ...verifying);
  t.equal(found.status, 1);
  t.equal(found.total.errors, 0, 'the I/O itself went well');
  t.ok((found.verify?.mismatches ?? 0) > 0);
  t.match(found.verify?.first, / at LBA \d+, byte \d+: expected generation /);
});

t.test(
  'what fails is counted, and the first status is the one that a host would see',
  async (t) => {
    const fault = '{op: write, status: capacity_exceeded, count: 3}';
    const target = `bdev:error?faults=[${fault}]&base=malloc?size=4MiB`;
    const { status, out, error } = await run(t, target, '--rw', 'write', '--count', '100');
    t.equal(status, 1);
    t.match(out, /^write .*, 3 errors$/m);
    t.equal(error, 'first error: Capacity Exceeded\n');
  },
);

t.test('what hangs by intent, or waits for a limit, ends with the run', async (t) => {
  const hang = '[{op: read, action: hang, count: 1}]';
  const found = await report(
    t,
    `bdev:error?faults=${hang}&base=malloc?size=4MiB`,
    ...['--time', '300ms'],
  );
  t.match(found, { status: 1, total: { errors: 1 }, first_error: 'Command Abort Requested' });
  const slow = await report(
    t,
    'bdev:null?size=1GiB&qos={iops: 1, burst: 10ms}',
    ...['--time', '300ms', '--qd', '128'],
  );
  t.match(slow, { status: 0, total: { errors: 0 } });
});

t.test('a partition is found in the table that its base has', async (t) => {
  const disk = Buffer.alloc(4 << 20);
  // An MBR with one partition of 2 MiB, which begins at 1 MiB.
  disk.writeUInt8(0x83, 446 + 4);
  disk.writeUInt32LE(2048, 446 + 8);
  disk.writeUInt32LE(4096, 446 + 12);
  disk.writeUInt16LE(0xaa55, 510);
  const path = join(t.testdir(), 'disk.img');
  writeFileSync(path, disk);
  const target = `bdev:partition?partition=1&base=uring?path=${path}&block_size=512`;
  const found = await report(t, target, ...verifying, '--allow', 'data-loss');
  t.match(found, {
    status: 0,
    target: { size: 2 << 20 },
    total: { errors: 0 },
    verify: { mismatches: 0 },
  });
  const after = readFileSync(path);
  t.ok(
    after.subarray(0, 1 << 20).equals(disk.subarray(0, 1 << 20)),
    'before it nothing is written',
  );
  t.ok(after.subarray(3 << 20).equals(disk.subarray(3 << 20)), 'nor behind it');
});

t.test('what cannot begin is one clear line, with status 1', async (t) => {
  const folder = t.testdir({ small: 'x'.repeat(1000) });
  const mistakes: readonly (readonly [readonly string[], RegExp])[] = [
    [['pcie://ffff:1f:1f.7'], / no PCI device/],
    [['bdev:nvme?address=ffff:1f:1f.7'], / no PCI device/],
    [
      ['bdev:partition?partition=1&base=malloc?size=4MiB'],
      /expected a GPT or an MBR, got neither in block 0/,
    ],
    [[`bdev:uring?path=${folder}/none`], /none does not exist; set `create: true`/],
    [[`bdev:uring?path=${folder}/small`], /small: expected a multiple of the block size/],
    [['bdev:malloc?size=1MiB', '--bs', '2MiB'], /2097152 bytes is more than the target takes at /],
    [['bdev:malloc?size=1MiB', '--region', '2MiB'], /ends before the region: it has 1048576 bytes/],
  ];
  for (const [args, message] of mistakes) {
    const { status, out, error } = await run(t, ...args, '--time', '1s');
    t.equal(status, 1, `${args.join(' ')}: ${error}`);
    t.equal(out, '');
    t.match(error, /^capsuled: error: [^\n]+\n$/);
    t.match(error, message);
  }
});
