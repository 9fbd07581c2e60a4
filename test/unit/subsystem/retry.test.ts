/** What is unavailable is tried again, as long as it is; nothing else is touched for its sake. */

import { contentPath } from '../../../src/bdev/kinds.js';
import t from 'tap';

import { TargetError } from '../../../src/errors.js';
import { MemoryState } from '../../../src/identity/state-directory.js';
import type {
  NamespaceConfiguration,
  TargetConfiguration,
} from '../../../src/subsystem/configuration.js';
import { RetryTimer } from '../../../src/subsystem/retry-timer.js';
import { FakeEngine } from './fake-engine.js';
import { Bed, FakeHost, configuration, subsystem } from './fake-host.js';

const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 6; turn++) await new Promise((resolve) => setImmediate(resolve));
};

/** Disks `/a.img`, `/b.img`, … as NSID 1, 2, … */
function disks(...names: readonly string[]): TargetConfiguration {
  const bdevs = names.map((name) => ({
    name,
    kind: 'uring',
    path: `/${name}.img`,
    block_size: 512,
  }));
  const namespaces = names.map((bdev, index) => ({ nsid: index + 1, bdev, readOnly: false }));
  return configuration({ bdevs, subsystems: [subsystem({ namespaces })] });
}

/** A target that lacks the disks of `missing`. */
async function lacking(
  missing: readonly string[],
  desired: TargetConfiguration,
  engine = new FakeEngine(),
): Promise<Bed> {
  const bed = new Bed({}, engine);
  for (const one of desired.bdevs) {
    const path = contentPath(one) ?? '';
    if (engine.disk.get(path) === null) engine.disk.put(path);
  }
  for (const name of missing) bed.engine.failing.add(`bdevCreate ${name}`);
  await bed.target.apply(desired, { missing: 'wait' });
  bed.engine.calls.length = 0;
  return bed;
}

/** The UUID that disk `name` is recorded with is not the one that `desired` has for it. */
function mistaken(desired: TargetConfiguration, name: string): TargetConfiguration {
  return mapNamespaces(desired, (namespace) =>
    namespace.bdev === name
      ? { ...namespace, uuid: '0b6f6f2e-9f0e-4c0c-8a51-6d0f9d5a7a11' }
      : namespace,
  );
}

function mapNamespaces(
  desired: TargetConfiguration,
  change: (namespace: NamespaceConfiguration) => NamespaceConfiguration,
): TargetConfiguration {
  return {
    ...desired,
    subsystems: desired.subsystems.map((each) => ({
      ...each,
      namespaces: each.namespaces.map(change),
    })),
  };
}

/** Disk a has an identity already. */
async function recorded(): Promise<FakeEngine> {
  const { engine, target } = await lacking([], disks('a'));
  await target.stop();
  const identity = engine.disk.get('/a.img')?.identity ?? '';
  if (identity === '') throw new Error('nothing is recorded');
  return engine;
}

function reasons({ target }: Bed): string[] {
  return target.unavailable.bdevs.map(({ reason }) => reason);
}

async function later(bed: Bed): Promise<void> {
  bed.clock.advance(RetryTimer.lastMs);
  await turns();
}

function unavailable({ target }: Bed): string[] {
  return target.unavailable.bdevs.map(({ parameters }) => parameters.name);
}

function served({ target }: Bed): string[] {
  return (target.subsystems[0]?.namespaces ?? []).map(({ bdev }) => bdev).sort();
}

t.test('a disk comes back though a step for another one waits for permission', async (t) => {
  const bed = await lacking(['b'], disks('a', 'b'));
  await FakeHost.ready(bed);
  bed.engine.disk.put('/a.img');
  await later(bed);
  t.same(unavailable(bed), ['b']);
  bed.engine.failing.clear();
  await later(bed);
  t.same(unavailable(bed), []);
  t.same(served(bed), ['a', 'b']);
});

t.test('what a path has become is nothing that a retry carries out, nor looks at', async (t) => {
  const bed = await lacking(['b'], disks('a', 'b'));
  const before = bed.target.subsystems[0]?.namespaces[0]?.uuid;
  bed.engine.disk.put('/a.img');
  await bed.target.look();
  t.match(bed.target.contentChanges.get('a'), { kind: 'replaced' });
  const looked: string[] = [];
  bed.engine.onCall = async (call) => {
    looked.push(call);
  };
  await later(bed);
  bed.engine.failing.clear();
  await later(bed);
  t.same(bed.engine.calls, ['bdevCreate b', 'bdevCreate b', 'publish 1,2']);
  t.same(looked, ['bdevCreate b', 'recordIdentity /b.img']);
  t.equal(bed.target.subsystems[0]?.namespaces[0]?.uuid, before);
  t.match(bed.target.contentChanges.get('a'), { kind: 'replaced' }, 'it is still said');
});

t.test('a disk that was cut short keeps its latch while another is tried again', async (t) => {
  const bed = await lacking(['b'], disks('a', 'b'));
  bed.engine.disk.put('/a.img', { ...bed.engine.disk.get('/a.img'), size: 512n });
  bed.engine.failing.clear();
  await later(bed);
  t.same(served(bed), ['a', 'b']);
  t.notOk(bed.engine.calls.includes('bdevDelete a'));
});

t.test('whatever a try ends in, another follows', async (t) => {
  const bed = await lacking(['b'], disks('a', 'b'));
  const publish = bed.engine.namespaceTablePublish.bind(bed.engine);
  bed.engine.failing.clear();
  bed.engine.namespaceTablePublish = () => {
    throw new TargetError('bdev_failed', 'no');
  };
  await later(bed);
  t.same(unavailable(bed), ['b']);
  bed.engine.namespaceTablePublish = publish;
  await later(bed);
  t.same(unavailable(bed), []);
  t.equal(bed.clock.pending, 0, 'and then none');
});

t.test('a change that is refused does not end the tries', async (t) => {
  const bed = await lacking(['b'], disks('a', 'b'));
  await FakeHost.ready(bed);
  await t.rejects(bed.target.apply(configuration({ subsystems: [] })), {
    code: 'permission_needed',
  });
  await later(bed);
  bed.engine.failing.clear();
  await later(bed);
  t.same(unavailable(bed), []);
});

t.test('a disk that hangs when it is tried again keeps no other away', async (t) => {
  const bed = await lacking(['b', 'c'], disks('a', 'b', 'c'));
  bed.engine.failing.clear();
  bed.engine.onCall = (call) =>
    call === 'bdevCreate b' ? new Promise<void>(() => undefined) : Promise.resolve();
  await later(bed);
  // The other one is open; both are waited for until the deadline of one opening.
  t.ok(bed.engine.bdevNames.has('c'));
  await later(bed);
  t.same(served(bed), ['a', 'c']);
  t.same(unavailable(bed), ['b']);
});

t.test('nothing is tried any more after the target was stopped', async (t) => {
  const bed = await lacking(['b'], disks('a', 'b'));
  await bed.target.stop();
  t.equal(bed.clock.pending, 0);
});

const conflict = /^subsystems\[0\]\.namespaces\[0\]\.uuid: expected the recorded identity/;

t.test('a disk whose identity is another one keeps no other away, and says why', async (t) => {
  const desired = mistaken(disks('a', 'b', 'c'), 'a');
  const bed = await lacking(['a', 'b'], desired, await recorded());
  t.match(reasons(bed), [/could not open bdev a/, /could not open bdev b/]);
  bed.engine.failing.clear();
  await later(bed);
  t.same(served(bed), ['b', 'c']);
  t.match(reasons(bed), [conflict]);
  t.notOk(bed.engine.bdevNames.has('a'), 'it is closed, so that it can be mended');
  t.ok(bed.warnings.some(({ message }) => /recorded identity.*are unavailable$/.test(message)));
  await bed.target.apply(disks('a', 'b', 'c'));
  t.same(served(bed), ['a', 'b', 'c'], 'with the right UUID it comes');
});

t.test('a change is made though a disk that is waited for comes as another one', async (t) => {
  const desired = mistaken(disks('a', 'b'), 'a');
  const bed = await lacking(['a'], desired, await recorded());
  bed.engine.failing.clear();
  await bed.target.apply({ ...desired, discoveryListeners: [] });
  t.same(bed.target.configuration.discoveryListeners, []);
  t.match(reasons(bed), [conflict]);
});

t.test('at the start a disk whose record cannot be written does not keep the rest', async (t) => {
  const engine = new FakeEngine();
  engine.onCall = (call) =>
    call === 'recordIdentity /a.img'
      ? Promise.reject(Object.assign(new Error('no: i/o error (EIO)'), { code: 'EIO' }))
      : Promise.resolve();
  const bed = await lacking([], disks('a', 'b'), engine);
  t.same(served(bed), ['b']);
  t.match(reasons(bed), [/^subsystems\[0\]\.namespaces\[0\]: no: i\/o error \(EIO\)/]);
  engine.onCall = () => Promise.resolve();
  await later(bed);
  t.same(served(bed), ['a', 'b']);
});

t.test('when the only disk is another one, the start fails with that reason', async (t) => {
  const engine = await recorded();
  await t.rejects(lacking([], mistaken(disks('a'), 'a'), engine), {
    code: 'apply_failed',
    message: conflict,
  });
  t.same([...engine.bdevNames], []);
});

t.test('a disk that comes as a copy of one that serves does not take its place', async (t) => {
  // The copy is the first in the configuration.
  const bed = await lacking(['a'], disks('a', 'b'));
  bed.engine.disk.put('/a.img', { ...bed.engine.disk.get('/b.img'), device: 0x802n });
  bed.engine.failing.clear();
  await later(bed);
  t.same(served(bed), ['b']);
  t.match(reasons(bed), [/namespaces\[0\]: expected an identity of its own for bdev a/]);
});

t.test('what was recorded for a disk that is given up is taken back', async (t) => {
  class OneExport extends MemoryState {
    override write(name: string, text: string): Promise<void> {
      const isSecond = name.startsWith('exports/') && text.includes('"nsid":2');
      return isSecond ? Promise.reject(new Error('no space')) : super.write(name, text);
    }
  }
  const state = new OneExport();
  const bed = new Bed({ stateDirectory: state });
  for (const path of ['/a.img', '/b.img']) bed.engine.disk.put(path);
  await bed.target.apply(disks('a', 'b'), { missing: 'wait' });
  t.same(served(bed), ['a']);
  t.match(reasons(bed), [/^subsystems\[0\]\.namespaces\[1\]: no space/]);
  t.not(bed.engine.disk.get('/a.img')?.identity, '');
  t.equal(bed.engine.disk.get('/b.img')?.identity, '');
  t.same(
    [...state.files.values()].filter((text) => text.includes('/b.img')),
    [],
  );
});

t.test('a namespace that could not be brought back comes with the next try', async (t) => {
  const bed = await lacking(['b'], disks('a', 'b'));
  const { bdevs } = bed.target.configuration;
  const other = bdevs.map((bdev) => (bdev.name === 'a' ? { ...bdev, block_size: 4096 } : bdev));
  // The change is refused, and what it withdrew cannot be brought back.
  bed.engine.failing.add('publish 1');
  const changed = { ...bed.target.configuration, bdevs: other };
  await t.rejects(bed.target.apply(changed), { code: 'rollback_failed' });
  t.same(served(bed), []);
  bed.engine.failing.clear();
  await later(bed);
  t.same(served(bed), ['a', 'b']);
});
