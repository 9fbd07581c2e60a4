/** The engine closes no bdev that somebody uses: every such use is waited for, whoever began it. */

import t from 'tap';

import type { BdevParameters } from '../../../src/engine/engine-types.js';
import { TargetError } from '../../../src/errors.js';
import { permissions } from '../../../src/subsystem/change.js';
import type { NamespaceConfiguration } from '../../../src/subsystem/configuration.js';
import type { TargetConfiguration } from '../../../src/subsystem/configuration.js';
import { RetryTimer } from '../../../src/subsystem/retry-timer.js';
import { limitsDefault } from '../../../src/subsystem/target-options.js';
import { Bed, FakeHost, configuration, diskNqn, subsystem } from './fake-host.js';

const otherNqn = 'nqn.2026-11.com.example:disk1';
const allowed = { allow: permissions };
const namespace: NamespaceConfiguration = { nsid: 1, bdev: 'file0', readOnly: false };
const bdev: BdevParameters = {
  name: 'file0',
  kind: 'uring',
  path: '/capsuled-test/disk0.img',
  block_size: 512,
  read_only: false,
};

function withFile(
  namespaces: readonly NamespaceConfiguration[] = [namespace],
  fields: Partial<BdevParameters> = {},
): TargetConfiguration {
  return configuration({
    bdevs: [{ ...bdev, ...fields }],
    subsystems: [subsystem({ namespaces })],
  });
}

const nothing = configuration({ bdevs: [], subsystems: [subsystem({ namespaces: [] })] });

function gate(): { readonly promise: Promise<void>; readonly open: () => void } {
  let resolved = (): void => undefined;
  const promise = new Promise<void>((resolve) => (resolved = resolve));
  return {
    promise,
    open: () => {
      resolved();
    },
  };
}

async function turns(count = 4): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** Lets the deadline of what drains pass, and what waits for it go on. */
async function late(bed: Bed): Promise<void> {
  await turns();
  bed.clock.advance(limitsDefault.drainDeadlineMs);
  await turns();
}

async function failure(work: Promise<unknown>): Promise<TargetError> {
  return TargetError.from(
    await work.then(
      () => new Error('it did not fail'),
      (error: unknown) => error,
    ),
  );
}

/** With a namespace that was taken away, on which I/O hangs until the gate opens. */
async function hanging(): Promise<{ bed: Bed; io: ReturnType<typeof gate> }> {
  const bed = await Bed.with(withFile());
  const io = gate();
  bed.engine.hung = io.promise;
  const removed = bed.target.namespaceRemove(diskNqn, 1, allowed);
  await late(bed);
  await removed;
  bed.engine.hung = null;
  bed.engine.calls.splice(0);
  return { bed, io };
}

t.test('a bdev is closed when what an earlier change took away has drained', async (t) => {
  const { bed, io } = await hanging();
  const removed = bed.target.apply(nothing);
  await late(bed);
  t.match((await removed).warnings, [/^namespace 1 .*does not drain$/]);
  t.match(bed.target.drains.at(-1), { what: 'bdev file0', state: 'overdue' });
  t.notOk(bed.engine.calls.includes('bdevDelete file0'));
  const error = await failure(bed.target.apply(withFile()));
  t.match(error, { code: 'in_use', field: 'bdevs[0].path' });
  t.match(error.message, /is still held by bdev file0, which drains since .* its I\/O has ended$/);
  io.open();
  await turns();
  t.same(bed.target.drains, []);
  t.same([...bed.engine.bdevNames], []);
  await bed.target.apply(withFile());
  t.match(bed.target.bdevs, [{ engineName: 'file0' }]);
});

t.test('the namespaces of a subsystem that was removed are waited for as well', async (t) => {
  const both = subsystem({ nqn: otherNqn, namespaces: [namespace] });
  const bed = await Bed.with(
    configuration({ bdevs: [bdev], subsystems: [subsystem({ namespaces: [] }), both] }),
  );
  const io = gate();
  bed.engine.hung = io.promise;
  const removed = bed.target.subsystemRemove(otherNqn);
  await late(bed);
  await removed;
  const closed = bed.target.apply(nothing);
  await late(bed);
  await closed;
  t.notOk(bed.engine.calls.includes('bdevDelete file0'));
  io.open();
  await turns();
  t.same(bed.target.drains, []);
  t.same([...bed.engine.bdevNames], []);
});

t.test('so is what was under way when a namespace became read-only in place', async (t) => {
  const bed = await Bed.with(withFile());
  const io = gate();
  bed.engine.hung = io.promise;
  await bed.target.apply(withFile([{ ...namespace, readOnly: true }]));
  bed.engine.hung = null;
  const removed = bed.target.apply(nothing);
  await late(bed);
  await removed;
  t.match(bed.target.drains, [{ what: 'bdev file0', state: 'overdue' }]);
  io.open();
  await turns();
  t.same(bed.target.drains, []);
  t.same([...bed.engine.bdevNames], []);
});

t.test('a bdev is not closed while an acknowledgement looks at it', async (t) => {
  const bed = await Bed.with(withFile());
  const look = gate();
  bed.engine.acknowledged = look.promise;
  const acknowledged = bed.target.acknowledgeBdev('file0');
  const removed = bed.target.apply(nothing);
  await late(bed);
  await removed;
  t.match(bed.target.drains, [{ what: 'bdev file0', state: 'overdue' }]);
  look.open();
  await acknowledged;
  await turns();
  t.same(bed.target.drains, []);
  t.same([...bed.engine.bdevNames], []);
});

t.test(
  'a bdev that an earlier change left draining is not exchanged, and that is said',
  async (t) => {
    const { bed, io } = await hanging();
    const back = withFile([namespace]);
    await bed.target.apply(back);
    const host = await FakeHost.ready(bed);
    bed.engine.calls.splice(0);
    const desired = withFile([namespace], { read_only: true });
    t.throws(() => bed.target.plan(desired), { code: 'in_use', field: 'bdevs[0]' });
    const error = await failure(bed.target.apply(desired, allowed));
    t.match(
      error.message,
      /^bdevs\[0\]: bdev file0 cannot be opened anew: I\/O of a namespace .* under way on it since/,
    );
    t.same(bed.engine.calls, [], 'nothing was taken from anybody');
    t.same(bed.engine.events, []);
    t.same(bed.target.configuration, back);
    io.open();
    await turns();
    await bed.target.apply(desired, allowed);
    t.match(bed.target.bdevs, [{ readOnly: true }]);
    t.same(bed.target.unavailable.bdevs, []);
    t.equal(bed.engine.events[0]?.controller, host.controller);
  },
);

t.test(
  'an exchange waits for what drains since a moment ago, before it takes anything',
  async (t) => {
    const bed = await Bed.with(withFile());
    const io = gate();
    bed.engine.hung = io.promise;
    void bed.target.namespaceRemove(diskNqn, 1, allowed);
    await turns();
    bed.engine.hung = null;
    await bed.target.apply(withFile());
    bed.engine.calls.splice(0);
    const desired = withFile([namespace], { read_only: true });
    const refused = failure(bed.target.apply(desired, allowed));
    await turns();
    t.same(bed.engine.calls, ['bdevTry file0#2', 'bdevDelete file0#2']);
    bed.clock.advance(limitsDefault.drainDeadlineMs);
    t.match((await refused).message, /on file0 did not end in time; nothing has changed$/);
    t.match(bed.target.bdevs, [{ readOnly: false }]);
    io.open();
    await turns();
    await bed.target.apply(desired, allowed);
    t.match(bed.target.bdevs, [{ readOnly: true }]);
  },
);

t.test('a bdev that the engine does not close stays, and is served again', async (t) => {
  const bed = await Bed.with(withFile());
  bed.engine.failing.add('bdevDelete file0');
  const error = await failure(
    bed.target.apply(withFile([namespace], { read_only: true }), allowed),
  );
  t.match(error.message, /bdevDelete file0 failed; the old configuration is back$/);
  t.same(bed.target.unavailable.bdevs, []);
  t.same(bed.target.drains, []);
  t.match(bed.target.bdevs, [{ name: 'file0', readOnly: false }]);
  t.match(bed.target.subsystems, [{ namespaces: [{ nsid: 1 }] }]);
});

/** A second subsystem whose table the engine refuses. */
function refusing(bed: Bed, first: TargetConfiguration): TargetConfiguration {
  bed.engine.failing.add('publish 9');
  return {
    ...first,
    bdevs: [...first.bdevs, { name: 'ram9', kind: 'malloc', size: 1n << 20n }],
    subsystems: [
      ...first.subsystems,
      subsystem({ nqn: otherNqn, namespaces: [{ nsid: 9, bdev: 'ram9', readOnly: false }] }),
    ],
  };
}

t.test('what a change that failed had opened is closed when its I/O has ended', async (t) => {
  const bed = await Bed.with(nothing);
  const io = gate();
  bed.engine.hung = io.promise;
  const refused = failure(bed.target.apply(refusing(bed, withFile()), allowed));
  await late(bed);
  t.match(
    (await refused).message,
    /publish 9 failed; the old configuration is back; the new file .* stays$/,
  );
  t.match(bed.target.drains, [{ what: 'bdev file0', state: 'overdue' }]);
  io.open();
  await turns();
  t.same(bed.target.drains, []);
  t.same([...bed.engine.bdevNames], []);
});

t.test('what was exchanged comes back when its successor has drained', async (t) => {
  const bed = await Bed.with(withFile());
  const desired = refusing(bed, withFile([namespace], { read_only: true }));
  const io = gate();
  bed.engine.onCall = async (call) => {
    // Of the successor alone.
    if (call === 'bdevCreate file0') bed.engine.hung = io.promise;
  };
  const refused = failure(bed.target.apply(desired, allowed));
  await late(bed);
  const error = await refused;
  bed.engine.hung = null;
  t.match(error, { code: 'rollback_failed' });
  t.match(error.message, /tried again until they are back: bdev file0/);
  const held = /disk0\.img is still held by bdev file0, which drains since/;
  t.match(bed.target.unavailable.bdevs, [{ reason: held }]);
  bed.clock.advance(RetryTimer.firstMs);
  await turns();
  t.match(bed.target.unavailable.bdevs, [{ reason: held }], 'and so says who tried again');
  io.open();
  await turns();
  bed.clock.advance(RetryTimer.lastMs);
  await turns(8);
  t.same(bed.target.unavailable.bdevs, []);
  t.match(bed.target.bdevs, [{ name: 'file0', readOnly: false }]);
  t.match(bed.target.subsystems, [{ namespaces: [{ nsid: 1 }] }]);
  t.same(bed.target.drains, []);
});
