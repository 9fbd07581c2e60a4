/** A disk that cannot be looked at, because it fails or because it hangs, stops nothing. */

import t from 'tap';

import { TargetError } from '../../../src/errors.js';
import { permissions } from '../../../src/subsystem/change.js';
import type { TargetConfiguration } from '../../../src/subsystem/configuration.js';
import { limitsDefault } from '../../../src/subsystem/target-options.js';
import { Bed, FakeHost, configuration, diskNqn, hostNqn, subsystem } from './fake-host.js';

const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 4; turn++) await new Promise((resolve) => setImmediate(resolve));
};
const never = new Promise<void>(() => undefined);
const failing = (): Promise<void> =>
  Promise.reject(
    new TargetError('bdev_failed', '/a.img cannot be looked at: cannot stat the file: EIO'),
  );

/** Disks `a` and `b`, those of them that are named, for one host. */
function disks(
  names: readonly string[] = ['a', 'b'],
  changes: Partial<TargetConfiguration['subsystems'][0]> = {},
): TargetConfiguration {
  const bdevs = names.map((name) => ({
    name,
    kind: 'uring',
    path: `/${name}.img`,
    block_size: 512,
  }));
  const namespaces = names.map((bdev) => ({
    nsid: bdev.charCodeAt(0) - 96,
    bdev,
    readOnly: false,
  }));
  const listed = { allowAnyHost: false, hosts: [hostNqn], namespaces };
  return configuration({ bdevs, subsystems: [subsystem({ ...listed, ...changes })] });
}

/** From now on a look at disk a ends so. */
function spoil(bed: Bed, call: string, outcome: () => Promise<void>): void {
  bed.engine.onCall = (made) => (made === call ? outcome() : Promise.resolve());
}

/** What becomes of `work` within the deadline of one look. */
async function inTime<T>(bed: Bed, work: Promise<T>): Promise<PromiseSettledResult<T>> {
  const settled: PromiseSettledResult<T>[] = [];
  void Promise.allSettled([work]).then(([result]) => settled.push(result));
  await turns();
  bed.clock.advance(limitsDefault.openDeadlineMs);
  await turns();
  const [result] = settled;
  if (result === undefined) throw new Error('it does not end');
  return result;
}

const ways: readonly { how: string; outcome: () => Promise<void>; text: RegExp }[] = [
  { how: 'fails', outcome: failing, text: /^\/a\.img cannot be looked at: cannot stat.*EIO$/ },
  {
    how: 'hangs',
    outcome: () => never,
    text: /^\/a\.img cannot be looked at: it did not answer for 10 s$/,
  },
];

for (const { how, outcome, text } of ways) {
  t.test(`a host is shut out while a disk ${how} to be looked at`, async (t) => {
    const bed = await Bed.with(disks());
    await FakeHost.ready(bed);
    spoil(bed, 'inspect /a.img', outcome);
    const work = await inTime(bed, bed.target.hostRemove(diskNqn, hostNqn));
    t.match(work, { status: 'fulfilled' });
    t.same(bed.target.controllers, []);
    const [change] = [...bed.target.contentChanges];
    t.match(change, ['a', { kind: 'unreadable', text }], 'it shows');
  });

  t.test(`a disk that ${how} to be looked at can be removed, and others come`, async (t) => {
    const bed = await Bed.with(disks(['a']));
    spoil(bed, 'inspect /a.img', outcome);
    t.match(await inTime(bed, bed.target.apply(disks(['b']), { allow: permissions })), {
      status: 'fulfilled',
    });
    t.match(bed.target.bdevs, [{ name: 'b' }]);
    t.same([...bed.engine.bdevNames], ['b']);
    t.same([...bed.target.contentChanges], [], 'nothing is said of what is not there');
  });

  t.test(`it is served on while it ${how}, and the plan says so`, async (t) => {
    const bed = await Bed.with(disks());
    spoil(bed, 'inspect /a.img', outcome);
    bed.engine.calls.length = 0;
    await inTime(bed, bed.target.look());
    const { changes, warnings } = bed.target.plan(disks());
    t.same(changes, []);
    t.match(warnings, [/^bdev a: \/a\.img cannot be looked at/]);
    t.match(await inTime(bed, bed.target.apply(disks())), {
      value: { changes: [], warnings: [/^bdev a: /] },
    });
    t.same(bed.engine.calls, []);
  });

  t.test(`the target stops while a disk ${how} to be looked at`, async (t) => {
    const bed = await Bed.with(disks());
    spoil(bed, 'inspect /a.img', outcome);
    t.match(await inTime(bed, bed.target.stop()), { status: 'fulfilled' });
    t.same([...bed.engine.bdevNames], []);
  });

  t.test(`a new disk that ${how} to be looked at before it is created is refused`, async (t) => {
    const bed = await Bed.with(disks(['b']));
    spoil(bed, 'inspect /a.img', outcome);
    const both = disks();
    const bdevs = both.bdevs.map((bdev) => ({ ...bdev, create: true, size: 1n << 20n }));
    t.match(await inTime(bed, bed.target.apply({ ...both, bdevs })), {
      status: 'rejected',
      reason: { code: 'apply_failed', field: 'bdevs[0]', message: /nothing has changed$/ },
    });
    t.match(bed.target.bdevs, [{ name: 'b' }]);
  });
}

t.test('a disk that hangs is looked at once, and holds up a change once', async (t) => {
  const bed = await Bed.with(disks());
  let looks = 0;
  let answer = (): void => undefined;
  const hung = new Promise<void>((resolve) => (answer = resolve));
  spoil(bed, 'inspect /a.img', () => {
    looks += 1;
    return hung;
  });
  await inTime(bed, bed.target.look());
  await bed.target.apply(disks(), { allow: permissions });
  t.equal(looks, 1);
  t.match(bed.target.contentChanges.get('a'), { text: /an earlier call has not ended$/ });
  answer();
  await turns();
  await bed.target.look();
  t.equal(looks, 2);
  t.same([...bed.target.contentChanges], [], 'it answers again');
});

t.test('a disk whose record cannot be written in time is given up', async (t) => {
  const bed = await Bed.with(disks(['b']));
  bed.engine.disk.put('/a.img');
  spoil(bed, 'recordIdentity /a.img', () => never);
  t.match(await inTime(bed, bed.target.apply(disks())), {
    status: 'rejected',
    reason: {
      field: 'subsystems[0].namespaces[0]',
      message: /did not answer for 10 s; the identity recorded with \/a\.img stays: .*; nothing/,
    },
  });
  t.same([...bed.engine.bdevNames], ['b']);
});

/** As many as nobody waits for one after the other. */
const dead = Array.from('bcdefgh');

t.test('at a start, disks that hang take no longer than one, and the others come', async (t) => {
  const bed = new Bed();
  const create = { create: true, size: 1n << 20n };
  const { bdevs, ...rest } = disks(['a', ...dead]);
  const desired = {
    ...rest,
    bdevs: bdevs.map((bdev, index) => ({ ...bdev, ...(index % 2 === 0 ? {} : create) })),
  };
  bed.engine.onCall = (call) => (/^bdevCreate [^a]/.test(call) ? never : Promise.resolve());
  const start = bed.target.apply(desired, { missing: 'wait' });
  const settled = start.then(() => 'over');
  // Files that may be created are the last.
  await turns();
  bed.clock.advance(limitsDefault.openDeadlineMs);
  t.match(await inTime(bed, settled), { value: 'over' });
  t.match(bed.target.bdevs, [{ name: 'a' }]);
  const missing = bed.target.unavailable.bdevs.map(({ parameters }) => parameters.name);
  t.same(missing.sort(), dead);
});

t.test('of disks that fail together, the first of the configuration is named', async (t) => {
  const bed = await Bed.with(disks(['a']));
  for (const name of ['b', 'c', 'd']) bed.engine.disk.put(`/${name}.img`);
  bed.engine.onCall = async (call) => {
    if (call === 'bdevCreate b') await never;
    if (call === 'bdevCreate d') throw new TargetError('bdev_failed', 'no');
  };
  t.match(await inTime(bed, bed.target.apply(disks(['a', 'b', 'c', 'd']))), {
    status: 'rejected',
    reason: { field: 'bdevs[1]', message: /did not answer for 10 s; nothing has changed$/ },
  });
  t.same([...bed.engine.bdevNames], ['a'], 'what had been opened is closed');
});
