/** What src/device says of who holds a drive, held against the kernel: by block devices of ours. */

import { spawn, spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import t from 'tap';
import { CLAIM, Claims } from '../../src/device/claims.js';
import { holdersOf } from '../../src/device/holders.js';
import { MachineFiles } from '../../src/device/machine-files.js';
import { readUsage } from '../../src/device/usage.js';
import { LoopFileSystem, attachLoopDevice, noLoopDisks } from './loop-disk.js';

const files = new MachineFiles();

/** As if the block device were the namespace of a drive. */
async function holders(device: string) {
  const namespace = { name: basename(device), isHidden: false, nsid: 1, blockSize: 512, size: 0 };
  const found = await holdersOf(
    files,
    { namespaces: [namespace], nodes: [] },
    await readUsage(files),
  );
  return found.map(({ text }) => text);
}

function deviceAt(folder: string): string {
  const line = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .find((one) => one.split(' ')[4] === folder);
  return / - \S+ (\S+)/.exec(line ?? '')?.[1] ?? '';
}

t.test(
  'a mounted disk is held, and nobody else gets it alone',
  { skip: noLoopDisks },
  async (t) => {
    const { folder } = new LoopFileSystem(t, 8 << 20);
    const device = deviceAt(folder);
    t.strictSame(await holders(device), [`${basename(device)} is mounted at ${folder}`]);
    await t.rejects(files.open(device, CLAIM), { code: 'EBUSY' });
  },
);

t.test(
  'a disk that is claimed can be neither mounted nor swapped on',
  { skip: noLoopDisks },
  async (t) => {
    const device = attachLoopDevice(t, 8 << 20);
    t.equal(spawnSync('mkswap', [device]).status, 0);
    t.strictSame(await holders(device), []);
    const claim = await files.open(device, CLAIM);
    t.not(spawnSync('swapon', [device]).status, 0);
    await claim.close();
    t.equal(spawnSync('swapon', [device]).status, 0);
    t.teardown(() => {
      spawnSync('swapoff', [device]);
    });
    t.strictSame(await holders(device), [`${basename(device)} is swapped on`]);
    await t.rejects(files.open(device, CLAIM), { code: 'EBUSY' });
  },
);

t.test('a process that has a disk open is found', { skip: noLoopDisks }, async (t) => {
  const device = attachLoopDevice(t, 1 << 20);
  const fd = openSync(device, 'r');
  const child = spawn('sleep', ['1000'], { stdio: [fd, 'ignore', 'ignore'] });
  t.teardown(() => {
    child.kill();
  });
  await new Promise((resolve) => child.once('spawn', resolve));
  closeSync(fd);
  t.strictSame(await holders(device), [
    `${basename(device)} is open in process ${String(child.pid)} (sleep)`,
  ]);
  // It does not have it alone, so the kernel would let it go.
  await (await files.open(device, CLAIM)).close();
});

t.test(
  'a process that has a disk open by a node of its own is found',
  { skip: noLoopDisks },
  async (t) => {
    const device = attachLoopDevice(t, 1 << 20);
    const node = join(t.testdir(), 'blk');
    const [major = '', minor = ''] = readFileSync(
      `/sys/class/block/${basename(device)}/dev`,
      'utf8',
    )
      .trim()
      .split(':');
    t.equal(spawnSync('mknod', [node, 'b', major, minor]).status, 0);
    const fd = openSync(node, 'r');
    const child = spawn('sleep', ['1000'], { stdio: [fd, 'ignore', 'ignore'] });
    t.teardown(() => {
      child.kill();
    });
    await new Promise((resolve) => child.once('spawn', resolve));
    closeSync(fd);
    t.strictSame(await holders(device), [
      `${basename(device)} is open in process ${String(child.pid)} (sleep)`,
    ]);
  },
);

t.test('a claim is of the disk that sysfs means, or none', { skip: noLoopDisks }, async (t) => {
  const device = attachLoopDevice(t, 1 << 20);
  const other = attachLoopDevice(t, 1 << 20);
  const drive = (block: string): Parameters<Claims['take']>[0] => ({
    ...{ address: '0000:01:00.0', classCode: 0x010802, driver: 'nvme', vendor: '', device: '' },
    ...{ driverOverride: null, group: null, numaNode: null, virtualFunctions: [] },
    ...{ controller: null, names: null, nodes: [] },
    namespaces: [
      { name: basename(block), isHidden: false, nsid: 1, blockSize: 512, size: 1 << 20 },
    ],
  });
  const claims = new Claims(files);
  await claims.take(drive(device));
  await t.rejects(new Claims(files).take(drive(device)), { code: 'in_use' });
  await claims.releaseAll();
  /** As in a container, whose nodes were made for another machine. */
  class OtherNodes extends MachineFiles {
    override open(path: string, flags: number) {
      return super.open(path === device ? other : path, flags);
    }
  }
  await t.rejects(new Claims(new OtherNodes()).take(drive(device)), {
    message: new RegExp(`${device} is not the block device `),
  });
  await (await files.open(other, CLAIM)).close();
});

t.test('a disk behind another one is found', { skip: noLoopDisks }, async (t) => {
  const lower = attachLoopDevice(t, 4 << 20);
  const upper = spawnSync('losetup', ['--find', '--show', lower], { encoding: 'utf8' });
  t.equal(upper.status, 0, upper.stderr);
  const name = basename(upper.stdout.trim());
  t.teardown(() => {
    spawnSync('losetup', ['--detach', upper.stdout.trim()]);
  });
  t.strictSame(await holders(lower), [`${basename(lower)} is behind ${name}`]);
});
