import t from 'tap';

import { permissions } from '../../../src/subsystem/change.js';
import type { TargetConfiguration } from '../../../src/subsystem/configuration.js';
import { Bed, configuration, subsystem } from './fake-host.js';

const uuid = '0b6f6f2e-9f0e-4c0c-8a51-6d0f9d5a7a11';
const allowed = { allow: permissions };

function files(...paths: string[]): TargetConfiguration {
  const bdevs = paths.map((path, index) => ({
    name: `file${index}`,
    kind: 'uring',
    path,
    block_size: 512,
  }));
  const namespaces = paths.map((_path, index) => ({
    nsid: index + 1,
    bdev: `file${index}`,
    readOnly: false,
  }));
  return configuration({ bdevs, subsystems: [subsystem({ namespaces })] });
}

function uuids(bed: Bed): (string | undefined)[] {
  return bed.target.subsystems[0]?.namespaces.map((namespace) => namespace.uuid) ?? [];
}

t.test('two disks that carry one identity are not exported together', async (t) => {
  const bed = new Bed();
  await bed.target.apply(files('/a.img'));
  // The same attribute, inode and file system: a snapshot that is mounted beside the original.
  bed.engine.disk.put('/b.img', { ...bed.engine.disk.get('/a.img'), device: 0x802n });
  const before = uuids(bed);
  await t.rejects(bed.target.apply(files('/a.img', '/b.img'), allowed), {
    code: 'apply_failed',
    field: 'subsystems[0].namespaces[1]',
    message: `the uuid ${before[0]} of bdev file0`,
  });
  t.same(uuids(bed), before, 'the first is served on');
  t.same([...bed.engine.bdevNames], ['file0']);
});

t.test('a conflict changes nothing, and names the key', async (t) => {
  const bed = new Bed();
  await bed.target.apply(files('/a.img'));
  await bed.target.apply(configuration({ bdevs: [], subsystems: [] }), allowed);
  const written = files('/a.img');
  const desired = configuration({
    bdevs: written.bdevs,
    subsystems: [subsystem({ namespaces: [{ nsid: 1, bdev: 'file0', readOnly: false, uuid }] })],
  });
  await t.rejects(bed.target.apply(desired, allowed), {
    field: 'subsystems[0].namespaces[0].uuid',
    message: 'setfattr -x user.capsuled.identity /a.img',
  });
  t.same([...bed.engine.bdevNames], [], 'what was opened is closed');
});

t.test('a disk whose record is damaged is not opened', async (t) => {
  const bed = new Bed();
  bed.engine.disk.put('/a.img', { identity: 'x' });
  await t.rejects(bed.target.apply(files('/a.img')), {
    field: 'bdevs[0]',
    message: 'in the attribute user.capsuled.identity of /a.img',
  });
  t.same([...bed.engine.bdevNames], []);
});

t.test('a path that names another file is a step of the plan, with what it was', async (t) => {
  const bed = new Bed();
  await bed.target.apply(files('/a.img'));
  const [before] = uuids(bed);
  bed.engine.disk.put('/a.img');
  await bed.target.look();
  const [change] = bed.target.plan(files('/a.img')).changes;
  t.match(change, {
    kind: 'bdev_recreate',
    text: /\/a\.img is another file than the one being served \(inode 12 → 13\)$/,
  });
  t.match(bed.target.contentChanges.get('file0'), { kind: 'replaced' });
  await bed.target.apply(files('/a.img'), allowed);
  t.not(uuids(bed)[0], before);
  t.equal(bed.target.contentChanges.size, 0);
});

t.test('a file that is gone is served as long as it is wanted', async (t) => {
  const bed = new Bed();
  await bed.target.apply(files('/a.img'));
  bed.engine.disk.remove('/a.img');
  t.same((await bed.target.apply(files('/a.img'))).changes, []);
  t.match(bed.target.contentChanges.get('file0'), { kind: 'gone' });
  t.match(bed.warnings, [{ message: /\/a\.img is gone/ }]);
});
