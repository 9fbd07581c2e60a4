import t from 'tap';

import type { BdevParameters } from '../../../src/engine/engine-types.js';
import { ContentBed } from './bed.js';

const path = '/srv/disk0.img';
const create: Partial<BdevParameters> = { create: true, size: 10n << 30n };
const other = { id: 'ef53:0022', type: 'ext4', source: '/dev/vdb', mountPoint: '/' };

t.test('creating and opening are told apart in the log', async (t) => {
  const bed = ContentBed.on(t);
  bed.engine.disk.folder('/srv');
  await bed.file(path, 'file0', create);
  await bed.file(path, 'file0', create);
  t.same(
    bed.lines.map(({ message }) => message),
    [
      `created ${path}, 10GiB, on /dev/vda (ext4), empty`,
      `opened ${path}, 10GiB, on /dev/vda (ext4)`,
    ],
  );
});

t.test('a disk is not created where its file system is not mounted', async (t) => {
  const bed = ContentBed.on(t);
  bed.engine.disk.folder('/srv');
  await bed.export(await bed.file(path, 'file0', create));
  bed.engine.disk.remove(path);
  bed.engine.disk.folder('/srv', { fileSystem: other });
  const again = bed.restarted();
  await t.rejects(again.file(path, 'file0', create), {
    code: 'bdev_failed',
    field: 'path',
    message:
      `${path} is not created: it was last on /dev/vda (ext4), mounted on /srv, but its folder ` +
      'is now on /dev/vdb (ext4), mounted on /; mount /srv, or, if',
  });
  t.equal(bed.engine.disk.get(path), null, 'nothing was made');
});

t.test('a disk that was lost is not replaced by an empty one, unless that is said', async (t) => {
  const bed = ContentBed.on(t);
  bed.engine.disk.folder('/srv');
  await bed.export(await bed.file(path, 'file0', create));
  bed.engine.disk.remove(path);
  const again = bed.restarted();
  await t.rejects(again.file(path, 'file0', create), { message: 'exported before and is missing' });
  bed.engine.disk.put(path, { size: 0n });
  await t.rejects(again.file(path, 'file0', create), { message: 'exported before and is missing' });
  const record = [...bed.state.files.keys()].find((name) => name.startsWith('paths/')) ?? '';
  bed.state.files.delete(record);
  await t.resolves(again.file(path, 'file0', create));
});

t.test('a damaged note about a path is an error that names it', async (t) => {
  const bed = ContentBed.on(t);
  bed.engine.disk.folder('/srv');
  await bed.export(await bed.file(path, 'file0', create));
  bed.engine.disk.remove(path);
  const record = [...bed.state.files.keys()].find((name) => name.startsWith('paths/')) ?? '';
  bed.state.files.set(record, '{}');
  await t.rejects(bed.restarted().file(path, 'file0', create), {
    code: 'state_unusable',
    message: record,
  });
});
