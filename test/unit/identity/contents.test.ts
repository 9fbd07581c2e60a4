import { tmpdir } from 'node:os';

import t from 'tap';

import { MemoryState } from '../../../src/identity/state-directory.js';
import { nguidOf } from '../../../src/subsystem/identity.js';
import { ContentBed, machineFile, nqn, uuidA, uuidB } from './bed.js';

const path = '/srv/disk0.img';

async function serialOf({ contents }: ContentBed, name: string): Promise<string> {
  await contents.ready();
  return contents.serialOf(name);
}

t.test(
  'a part of a disk is a disk of its own, which follows from that and where it is',
  async (t) => {
    const bed = ContentBed.on(t);
    const base = await bed.file('/srv/disk0.img');
    const first = await bed.export(await bed.split(base, 'part0'));
    const second = await bed.export(await bed.split(base, 'part1', 4096n), { nsid: 2 });
    t.not(first.uuid, second.uuid);
    const again = bed.restarted();
    const same = await again.file('/srv/disk0.img', 'renamed');
    t.same(await again.export(await again.split(same, 'other')), first);
    t.same(await again.export(await again.split(same, 'part9', 4096n), { nsid: 2 }), second);
    // What was written for a part is held to.
    const third = await again.split(same, 'part2', 8192n);
    const uuid = '00000000-0000-4000-8000-000000000001';
    t.equal((await again.export(third, { nsid: 3, uuid })).uuid, uuid);
    const later = again.restarted();
    const found = await later.split(await later.file('/srv/disk0.img'), 'part2', 8192n);
    t.equal((await later.export(found, { nsid: 3 })).uuid, uuid);
    const copy = await later.file('/srv/copy.img', 'file1');
    t.not((await later.export(await later.split(copy, 'part3'), { nsid: 4 })).uuid, first.uuid);
  },
);

t.test('a part that is only opened leaves nothing behind', async (t) => {
  const bed = ContentBed.on(t);
  const base = await bed.file(path);
  await bed.split(base, 'part0');
  t.equal((await bed.engine.inspect(path))?.identity, '');
  const part = await bed.split(base, 'part1');
  await bed.export(part);
  t.not((await bed.engine.inspect(path))?.identity, '', 'what the part follows from');
});

t.test('a part of a RAM disk is another disk each time', async (t) => {
  const bed = ContentBed.on(t);
  const first = await bed.export(await bed.split(await bed.ram(), 'part0'));
  const again = bed.restarted();
  t.not((await again.export(await again.split(await again.ram(), 'part0'))).uuid, first.uuid);
});

t.test('a RAM disk is another disk each time it is made', async (t) => {
  const bed = ContentBed.on(t);
  const first = await bed.export(await bed.ram());
  const second = await bed.export(await bed.ram());
  t.not(first.uuid, second.uuid);
  t.not(first.nguid, second.nguid);
  t.equal(first.nguid, nguidOf(first.uuid));
});

t.test('a file is the same disk after a restart, under another name and path', async (t) => {
  const bed = ContentBed.on(t);
  bed.engine.disk.put(path);
  const first = await bed.export(await bed.file(path));
  const restarted = bed.restarted();
  t.same(await restarted.export(await restarted.file(path)), first);
  bed.engine.disk.move(path, '/srv/moved.img');
  const again = bed.restarted();
  t.same(await again.export(await again.file('/srv/moved.img', 'other')), first);
  t.same(bed.warnings, []);
});

t.test('nothing is recorded before a disk is exported', async (t) => {
  const bed = ContentBed.on(t);
  bed.engine.disk.put(path);
  await bed.file(path);
  t.equal(bed.engine.disk.get(path)?.identity, '');
  t.equal(bed.state.files.size, 0);
});

t.test('what a change has recorded is taken back with it', async (t) => {
  for (const refusal of ['', 'ENOTSUP']) {
    const bed = ContentBed.on(t);
    bed.engine.disk.put(path);
    bed.engine.disk.refusal = refusal;
    const bdev = await bed.file(path);
    for (const uuid of [uuidA, uuidB]) {
      bed.contents.beginChange();
      t.equal((await bed.export(bdev, { uuid })).uuid, uuid, 'nothing holds it to an earlier one');
      t.same(await bed.contents.takeBackChange(), []);
      t.equal(bed.engine.disk.get(path)?.identity, '');
      t.same([...bed.state.files], []);
      t.equal(bed.contents.historyOf(nqn, 1), 'same');
    }
    bed.contents.beginChange();
    const { uuid } = await bed.export(bdev);
    bed.contents.keepChange();
    t.same(await bed.contents.takeBackChange(), []);
    const again = bed.restarted();
    t.equal((await again.export(await again.file(path))).uuid, uuid);
  }
});

t.test('what was recorded before a change is there after it was taken back', async (t) => {
  const bed = ContentBed.on(t);
  bed.engine.disk.put(path);
  bed.engine.disk.put('/srv/disk1.img');
  await bed.export(await bed.file(path));
  const other = await bed.file('/srv/disk1.img', 'file1');
  const before = [...bed.state.files];
  bed.contents.beginChange();
  await bed.export(other);
  t.equal(bed.contents.historyOf(nqn, 1), 'another');
  t.same(await bed.contents.takeBackChange(), []);
  t.same([...bed.state.files], before);
  t.equal(bed.contents.historyOf(nqn, 1), 'same');
});

t.test('what cannot be taken back is said', async (t) => {
  const bed = ContentBed.on(t);
  bed.engine.disk.put(path);
  const bdev = await bed.file(path);
  bed.contents.beginChange();
  await bed.export(bdev);
  bed.engine.disk.refusal = 'EIO';
  t.match(await bed.contents.takeBackChange(), [
    /^the identity recorded with \/srv\/disk0\.img stays: /,
  ]);
  t.same([...bed.state.files], [], 'the rest is as it was');
});

t.test('a copy of a file is a disk of its own, and both are named', async (t) => {
  const bed = ContentBed.on(t);
  bed.engine.disk.put(path);
  const original = await bed.export(await bed.file(path));
  bed.engine.disk.copy(path, '/srv/copy.img');
  const copy = await bed.export(await bed.file('/srv/copy.img', 'file1'), { nsid: 2 });
  t.not(copy.uuid, original.uuid);
  t.equal(bed.warnings.length, 1);
  t.match(bed.warnings[0], original.uuid);
  t.match(bed.warnings[0], copy.uuid);
  const again = bed.restarted();
  t.same(await again.export(await again.file('/srv/copy.img', 'file1'), { nsid: 2 }), copy);
  t.same(again.warnings, [], 'said once');
});

t.test('what an operator says of a copy holds, before or after it was taken for one', async (t) => {
  for (const when of ['at once', 'later'] as const) {
    const bed = ContentBed.on(t);
    bed.engine.disk.put(path);
    const original = await bed.export(await bed.file(path));
    bed.engine.disk.copy(path, '/srv/copy.img');
    bed.engine.disk.remove(path);
    if (when === 'later') await bed.export(await bed.file('/srv/copy.img'));
    const again = bed.restarted();
    const { uuid } = await again.export(await again.file('/srv/copy.img'), { uuid: original.uuid });
    t.equal(uuid, original.uuid, when);
    t.same(again.warnings, [], when);
  }
});

t.test('a file that came with a copied machine is a disk of its own there', async (t) => {
  const bed = ContentBed.on(t);
  bed.engine.disk.put(path);
  const here = await bed.export(await bed.file(path));
  const machine = machineFile(t, '22222222222222222222222222222222');
  const there = new ContentBed(machine, { engine: bed.engine, state: bed.state });
  t.not((await there.export(await there.file(path))).uuid, here.uuid);
  t.match(there.warnings, [/recorded on another machine/]);
});

t.test('a file that cannot carry its identity has it in the state directory', async (t) => {
  for (const code of ['ENOTSUP', 'EROFS', 'EACCES', 'ENOSPC']) {
    const bed = ContentBed.on(t);
    bed.engine.disk.put(path);
    bed.engine.disk.refusal = code;
    const first = await bed.export(await bed.file(path));
    t.equal(bed.engine.disk.get(path)?.identity, '', code);
    const again = bed.restarted();
    t.same(await again.export(await again.file(path)), first, code);
    bed.engine.disk.put(path);
    const other = bed.restarted();
    t.not((await other.export(await other.file(path))).uuid, first.uuid, `${code}: another inode`);
  }
});

t.test('a file that is only read is not written to', async (t) => {
  const bed = ContentBed.on(t);
  bed.engine.disk.put(path);
  const first = await bed.export(await bed.file(path, 'file0', { read_only: true }));
  t.equal(bed.engine.disk.get(path)?.identity, '');
  const writable = bed.restarted();
  t.same(
    await writable.export(await writable.file(path)),
    first,
    'and is known when it is written',
  );
});

t.test('what cannot be recorded anywhere is not exported', async (t) => {
  const bed = ContentBed.on(t);
  bed.engine.disk.put(path);
  bed.engine.disk.refusal = 'EIO';
  await t.rejects(bed.export(await bed.file(path)), {
    code: 'state_unusable',
    message: 'EIO',
  });
});

t.test('a damaged record is an error that names it, never a new identity', async (t) => {
  const bed = ContentBed.on(t);
  for (const identity of ['x', '{}', '{"version":1,"uuid":"1"}', '[]', 'null']) {
    bed.engine.disk.put(path, { identity });
    await t.rejects(bed.file(path), {
      code: 'state_unusable',
      message: `in the attribute user.capsuled.identity of ${path}`,
    });
  }
  bed.engine.disk.put(path, { identity: '{"version":2}' });
  await t.rejects(bed.file(path), { message: 'by a later version of capsuled' });
  bed.engine.disk.put(path);
  bed.engine.disk.refusal = 'ENOTSUP';
  await bed.export(await bed.file(path));
  const name = [...bed.state.files.keys()].find((each) => each.startsWith('contents/')) ?? '';
  bed.state.files.set(name, '');
  await t.rejects(bed.restarted().file(path), { code: 'state_unusable', message: name });
});

t.test('a record that cannot be read now is an error, never a new identity', async (t) => {
  for (const code of ['EIO', 'ENOMEM', 'ERANGE', 'ESTALE', 'EMFILE']) {
    const bed = ContentBed.on(t);
    bed.engine.disk.put(path);
    const first = await bed.export(await bed.file(path));
    const served = bed.engine.disk.get(path) ?? {};
    bed.engine.disk.put(path, { ...served, identity: '', identityError: code });
    const again = bed.restarted();
    await t.rejects(again.file(path), {
      code: 'state_unusable',
      message: new RegExp(`the attribute user.capsuled.identity of ${path}.*${code}`),
    });
    const recorded = [...bed.state.files.keys()].filter((name) => name.startsWith('contents/'));
    t.same(recorded, []);
    bed.engine.disk.put(path, served);
    t.same(await again.export(await again.file(path)), first, code);
  }
});

t.test('a file that can have no record is known by the state directory', async (t) => {
  for (const identityError of ['ENOTSUP', 'EOPNOTSUPP', 'EACCES', 'EPERM', 'ENOSYS']) {
    const bed = ContentBed.on(t);
    bed.engine.disk.put(path, { identityError });
    const first = await bed.export(await bed.file(path));
    const again = bed.restarted();
    t.same(await again.export(await again.file(path)), first, identityError);
    t.equal(bed.engine.disk.get(path)?.identity, '');
  }
});

t.test('a file whose file system cannot be told is not taken for a copy', async (t) => {
  const bed = ContentBed.on(t);
  const facts = bed.engine.disk.put(path);
  await bed.export(await bed.file(path));
  const served = bed.engine.disk.get(path) ?? facts;
  bed.engine.disk.put(path, { ...served, fileSystem: { ...served.fileSystem, id: '' } });
  await t.rejects(bed.restarted().file(path), {
    code: 'state_unusable',
    message: `file system of ${path}`,
  });
});

t.test('a drive that the daemon drives by itself is known as it is to the kernel', async (t) => {
  const bed = ContentBed.on(t);
  const names = { wwid: 'eui.0025385a01b2c3d4', serial: 'S1', model: 'A drive' };
  bed.engine.disk.put('/dev/nvme0n1', { kind: 'block_device', inode: 0n, names });
  const kernels = await bed.export(await bed.file('/dev/nvme0n1'));
  const again = bed.restarted();
  again.engine.bdevFields = { content: bed.engine.disk.get('/dev/nvme0n1') };
  const drive = { name: 'ssd0', kind: 'nvme', address: '0000:01:00.0', nsid: 1 };
  t.same(await again.export(await again.open(drive)), kernels);
  t.match(again.lines.at(0)?.message, /^opened ssd0 \(nvme\), 1MiB, A drive S1$/);
});

t.test('a device that cannot say now which one it is gets no new identity', async (t) => {
  const bed = ContentBed.on(t);
  const device = { kind: 'block_device', inode: 0n, names: { sysfs_path: '/sys/vda' } } as const;
  bed.engine.disk.put('/dev/vda', { ...device, namesError: 'EMFILE' });
  await t.rejects(bed.file('/dev/vda'), { code: 'state_unusable', message: /\/dev\/vda .*EMFILE/ });
  bed.engine.disk.put('/dev/vda', device);
  await bed.export(await bed.file('/dev/vda'));
});

t.test('a machine’s identifier that cannot be read now is no reason for a new one', async (t) => {
  const state = new MemoryState();
  // A folder cannot be read as a file, whoever asks.
  const bed = new ContentBed(tmpdir(), { state });
  await t.rejects(bed.contents.ready(), {
    code: 'state_unusable',
    message: /cannot be read \(EISDIR\)/,
  });
  t.equal(state.files.size, 0);
});

t.test('what an operator wrote is recorded first, and then held to', async (t) => {
  const bed = ContentBed.on(t);
  bed.engine.disk.put(path);
  const nguid = '0123456789abcdef0123456789abcdef';
  const first = await bed.export(await bed.file(path), { uuid: uuidA, nguid });
  t.same(first, { uuid: uuidA, nguid });
  const without = bed.restarted();
  t.same(await without.export(await without.file(path)), first, 'also when it is left out');
  const wrong = bed.restarted();
  const bdev = await wrong.file(path);
  const conflict = { code: 'identity_conflict' };
  await t.rejects(wrong.export(bdev, { uuid: uuidB }), { ...conflict, field: 'uuid' });
  await t.rejects(wrong.export(bdev, { nguid: nguid.replace('0', 'f') }), {
    ...conflict,
    field: 'nguid',
  });
  const message = await wrong
    .export(bdev, { uuid: uuidB })
    .catch((error: unknown) => String(error));
  for (const part of [uuidA, uuidB, path, nqn, `setfattr -x user.capsuled.identity ${path}`]) {
    t.match(message, part);
  }
  t.same(await wrong.export(bdev, { uuid: uuidA.toUpperCase() }), first, 'however it is written');
});

t.test('a RAM disk that is given an identity is said to be a trap', async (t) => {
  const bed = ContentBed.on(t);
  t.equal((await bed.export(await bed.ram(), { uuid: uuidA })).uuid, uuidA);
  t.match(bed.warnings, [/ram0 is empty after each start/]);
});

t.test('a disk is remembered under its NSID, and another one there is known as such', async (t) => {
  const bed = ContentBed.on(t);
  bed.engine.disk.put(path);
  await bed.export(await bed.file(path));
  t.equal(bed.contents.historyOf(nqn, 1), 'same');
  const again = bed.restarted();
  await again.export(await again.file(path));
  t.equal(again.contents.historyOf(nqn, 1), 'same');
  await again.export(await again.ram());
  t.equal(again.contents.historyOf(nqn, 1), 'another');
  t.equal(again.contents.historyOf(nqn, 2), 'same');
  await again.export(await again.file(path));
  await again.export(await again.file(path));
  t.equal(again.contents.historyOf(nqn, 1), 'another', 'as long as the process lives');
  const later = again.restarted();
  await later.export(await later.file(path));
  t.equal(later.contents.historyOf(nqn, 1), 'once_another', 'a host may have been away');
});

t.test('a RAM disk after a restart is another one, whatever identity it is given', async (t) => {
  const bed = ContentBed.on(t);
  await bed.export(await bed.ram(), { uuid: uuidA });
  t.equal(bed.contents.historyOf(nqn, 1), 'same');
  const again = bed.restarted();
  await again.export(await again.ram(), { uuid: uuidA });
  t.equal(again.contents.historyOf(nqn, 1), 'another');
});

t.test('a damaged note of what was exported is an error that names it', async (t) => {
  const bed = ContentBed.on(t);
  await bed.export(await bed.ram());
  const name = [...bed.state.files.keys()].find((each) => each.startsWith('exports/')) ?? '';
  bed.state.files.set(name, 'x');
  const again = bed.restarted();
  await t.rejects(again.export(await again.ram()), { code: 'state_unusable', message: name });
});

t.test('serial numbers are of the machine and the NQN', async (t) => {
  const bed = ContentBed.on(t);
  const other = ContentBed.on(t, '22222222222222222222222222222222');
  const serial = await serialOf(bed, nqn);
  t.match(serial, /^[0-9A-F]{20}$/);
  t.equal(await serialOf(bed.restarted(), nqn), serial);
  t.not(await serialOf(bed, `${nqn}x`), serial);
  t.not(await serialOf(other, nqn), serial);
  t.notMatch(serial, '1111111');
});

t.test('a machine without an identifier is given one, which lasts', async (t) => {
  const bed = new ContentBed('/nonexistent/machine-id');
  const serial = await serialOf(bed, nqn);
  t.equal(await serialOf(bed.restarted(), nqn), serial);
  t.not(await serialOf(new ContentBed('/nonexistent/machine-id'), nqn), serial);
  bed.state.files.set('machine-id', 'x');
  await t.rejects(serialOf(bed.restarted(), nqn), { code: 'state_unusable' });
  const zero = new ContentBed(machineFile(t, '0'.repeat(32)));
  await serialOf(zero, nqn);
  t.ok(zero.state.files.has('machine-id'));
});

t.test('parts of one file that are opened at once keep who they are', async (t) => {
  const whole = '/srv/whole.img';
  /** Two loop devices over it, as they are now. */
  const openParts = async (bed: ContentBed): Promise<string[]> => {
    const facts = bed.engine.disk.get(whole) ?? bed.engine.disk.put(whole);
    const parts = [0n, 1n << 20n].map((offset, index) => {
      const backing = { path: whole, offset, limit: 1n << 20n, facts };
      bed.engine.disk.put(`/dev/loop${index}`, { kind: 'block_device', backing });
      return bed.file(`/dev/loop${index}`, `part${index}`);
    });
    const uuids: string[] = [];
    for (const [index, part] of (await Promise.all(parts)).entries()) {
      uuids.push((await bed.export(part, { nsid: index + 1 })).uuid);
    }
    return uuids;
  };
  const bed = ContentBed.on(t);
  bed.contents.beginChange();
  const before = await openParts(bed);
  bed.contents.keepChange();
  t.equal(new Set(before).size, 2);
  const after = bed.restarted();
  after.contents.beginChange();
  t.same(await openParts(after), before);
});
