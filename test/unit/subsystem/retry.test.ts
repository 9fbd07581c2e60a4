/** What is unavailable is tried again, as long as it is; nothing else is touched for its sake. */

import t from 'tap';

import { TargetError } from '../../../src/errors.js';
import type { TargetConfiguration } from '../../../src/subsystem/configuration.js';
import { RetryTimer } from '../../../src/subsystem/retry-timer.js';
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
    blockSize: 512,
  }));
  const namespaces = names.map((bdev, index) => ({ nsid: index + 1, bdev, readOnly: false }));
  return configuration({ bdevs, subsystems: [subsystem({ namespaces })] });
}

/** A target that lacks the disks of `missing`. */
async function lacking(missing: readonly string[], desired: TargetConfiguration): Promise<Bed> {
  const bed = new Bed();
  for (const { path } of desired.bdevs) if (path !== undefined) bed.engine.disk.put(path);
  for (const name of missing) bed.engine.failing.add(`bdevCreate ${name}`);
  await bed.target.apply(desired, { missing: 'wait' });
  bed.engine.calls.length = 0;
  return bed;
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
