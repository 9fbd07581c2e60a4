/** A file is closed only when its successor is known, and never unasked if it is the last. */

import t from 'tap';
import type { Test } from 'tap';

import type { BdevParameters } from '../../../src/engine/engine-types.js';
import { TargetError } from '../../../src/errors.js';
import { permissions } from '../../../src/subsystem/change.js';
import type {
  NamespaceConfiguration,
  TargetConfiguration,
} from '../../../src/subsystem/configuration.js';
import { Bed, FakeHost, configuration, subsystem } from './fake-host.js';

const path = '/capsuled-test/disk0.img';
const uuid = '0b6f6f2e-9f0e-4c0c-8a51-6d0f9d5a7a11';
const allowed = { allow: permissions };

function withFile(
  fields: Partial<BdevParameters> = {},
  namespace: Partial<NamespaceConfiguration> = {},
): TargetConfiguration {
  return configuration({
    bdevs: [{ name: 'file0', kind: 'uring', path, block_size: 512, ...fields }],
    subsystems: [
      subsystem({ namespaces: [{ nsid: 1, bdev: 'file0', readOnly: false, ...namespace }] }),
    ],
  });
}

const without = configuration({ bdevs: [], subsystems: [subsystem({ namespaces: [] })] });

async function failure(work: Promise<unknown>): Promise<TargetError> {
  return TargetError.from(
    await work.then(
      () => new Error('it did not fail'),
      (error: unknown) => error,
    ),
  );
}

/** A file that is served; then `change` happens to its path. */
async function after(change: (bed: Bed) => void): Promise<Bed> {
  const bed = await Bed.with(withFile());
  change(bed);
  bed.engine.calls.splice(0);
  return bed;
}

const gone = (bed: Bed): void => {
  bed.engine.disk.remove(path);
};

/** It is served as it was, and nobody was told of anything. */
function isServedOn(bed: Bed, t: Test): void {
  t.match(bed.target.bdevs, [{ name: 'file0', engineName: 'file0', readOnly: false }]);
  t.same([...bed.engine.bdevNames], ['file0']);
  t.match(bed.target.subsystems, [{ namespaces: [{ nsid: 1 }] }]);
  t.notOk(bed.engine.calls.some((call) => call.startsWith('publish')));
  t.same(bed.engine.events, []);
  t.same(bed.target.unavailable.bdevs, []);
}

t.test('a file that is gone is not closed to be opened again, whatever is allowed', async (t) => {
  for (const fields of [{ read_only: true }, { create: true, size: 1n << 21n }]) {
    const bed = await after(gone);
    await FakeHost.ready(bed);
    const error = await failure(bed.target.apply(withFile(fields), allowed));
    t.match(error, { code: 'in_use', field: 'bdevs[0].path' });
    t.match(
      error.message,
      /^bdevs\[0\]: bdev file0 cannot be opened anew: \S+disk0\.img is gone: .* last copy of it/,
    );
    t.same(bed.engine.calls, []);
    isServedOn(bed, t);
    t.throws(() => bed.target.plan(withFile(fields)), { code: 'in_use' }, 'a plan says so as well');
  }
});

t.test('to close a file that is gone needs permission to lose data', async (t) => {
  for (const desired of [without, withFile({ path: '/capsuled-test/other.img' })]) {
    const bed = await after(gone);
    const error = await failure(bed.target.apply(desired, { allow: ['disconnect'] }));
    t.match(error, { code: 'permission_needed', missing: ['data-loss'] });
    t.match(error.message, /disk0\.img is gone: unless it was moved, the open file is the last/);
    isServedOn(bed, t);
    await bed.target.apply(desired, { allow: ['data-loss'] });
    t.notOk(bed.engine.bdevNames.has('file0'));
    t.equal(bed.target.contentChanges.size, 0, 'and is no reason to complain any more');
  }
});

t.test('a namespace may go while its file is gone: the bdev stays open', async (t) => {
  const bed = await after(gone);
  const { bdevs } = withFile();
  await bed.target.apply({ ...without, bdevs });
  t.match(bed.target.bdevs, [{ name: 'file0', engineName: 'file0' }]);
});

t.test(
  'another file that took the place is opened beside the old one, which then goes',
  async (t) => {
    const bed = await after((bed) => bed.engine.disk.put(path));
    await bed.target.apply(withFile());
    t.same(bed.engine.calls, ['bdevCreate file0#2', 'publish 1', 'bdevDelete file0']);
    t.equal(bed.target.contentChanges.size, 0);
  },
);

t.test('another file that may not be what is written leaves the old one open', async (t) => {
  const bed = await Bed.with(withFile());
  const other = await Bed.with(withFile());
  const copied = other.engine.disk.get(path)!;
  bed.engine.disk.put(path, { ...copied, inode: 77n, bornNs: 77n, identity: 'x' });
  t.match((await failure(bed.target.apply(withFile(), allowed))).message, /nothing has changed$/);
  bed.engine.calls.splice(0);
  isServedOn(bed, t);
  t.match(bed.target.contentChanges.get('file0'), { kind: 'replaced' }, 'and it is still said');
});

t.test('a host that comes while another file is opened is not cut off by it', async (t) => {
  const bed = await after((bed) => bed.engine.disk.put(path));
  bed.engine.onCall = async (call) => {
    if (call === 'bdevCreate file0#2') await FakeHost.ready(bed);
  };
  const error = await failure(bed.target.apply(withFile(), { allow: ['data-loss'] }));
  t.match(error, { code: 'permission_needed', missing: ['disconnect'] });
  bed.engine.calls.splice(0);
  isServedOn(bed, t);
});

const refusals: readonly {
  name: string;
  desired: TargetConfiguration;
  prepare?: (bed: Bed) => void;
  message: RegExp;
  field: string;
}[] = [
  {
    name: 'cannot be opened so',
    desired: withFile({ read_only: true }),
    prepare: (bed) => bed.engine.failing.add('bdevTry file0#2'),
    message: /could not open bdev file0: bdevTry file0#2 failed; nothing has changed$/,
    field: 'bdevs[0]',
  },
  {
    name: 'is recorded under another identity',
    desired: withFile({ read_only: true }, { uuid }),
    message: /expected the recorded identity for namespace 1 .*; nothing has changed$/,
    field: 'subsystems[0].namespaces[0].uuid',
  },
  {
    name: 'has a damaged record',
    desired: withFile({ read_only: true }),
    prepare: (bed) => {
      const { disk } = bed.engine;
      disk.record(path, disk.get(path)!, 'x');
    },
    message: /in the attribute user\.capsuled\.identity of \S+disk0\.img.*; nothing has changed$/,
    field: 'bdevs[0]',
  },
];
for (const { name, desired, prepare, message, field } of refusals) {
  t.test(`a file that ${name} is not taken from its hosts first`, async (t) => {
    const bed = await after((bed) => prepare?.(bed));
    await FakeHost.ready(bed);
    const error = await failure(bed.target.apply(desired, allowed));
    t.match(error, { code: 'apply_failed', field });
    t.match(error.message, message);
    t.notOk(bed.engine.calls.includes('bdevDelete file0'));
    isServedOn(bed, t);
    t.same(bed.target.configuration, withFile());
  });
}
