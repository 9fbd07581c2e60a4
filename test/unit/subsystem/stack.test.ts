import t from 'tap';
import type { BdevParameters } from '../../../src/engine/engine-types.js';
import { TargetError } from '../../../src/errors.js';
import { permissions } from '../../../src/subsystem/change.js';
import type { TargetConfiguration } from '../../../src/subsystem/configuration.js';
import { Bed, configuration, subsystem } from './fake-host.js';

const allowed = { allow: permissions };
const file: BdevParameters = {
  name: 'file0',
  kind: 'uring',
  path: '/capsuled-test/disk0.img',
  block_size: 512,
  create: false,
  read_only: false,
};
const part: BdevParameters = { name: 'part0', kind: 'split', base: 'file0', offset: 0n };
const top: BdevParameters = { name: 'top0', kind: 'split', base: 'part0', offset: 4096n };

/** Written with the topmost first; the last of `bdevs` is what is exported. */
function stack(...bdevs: readonly BdevParameters[]): TargetConfiguration {
  const exported = bdevs.at(-1)?.name ?? '';
  return configuration({
    bdevs: [...bdevs].reverse(),
    subsystems: [subsystem({ namespaces: [{ nsid: 1, bdev: exported, readOnly: false }] })],
  });
}

async function failure(work: Promise<unknown>): Promise<TargetError> {
  return TargetError.from(
    await work.then(
      () => new Error('it did not fail'),
      (error: unknown) => error,
    ),
  );
}

/** Calls that concern bdevs since the last time. */
function bdevCalls({ engine }: Bed): string[] {
  return engine.calls.splice(0).filter((call) => call.startsWith('bdev'));
}

t.test('what others stand on is opened first, and closed last', async (t) => {
  const bed = await Bed.with(stack(file, part, top));
  t.same(bdevCalls(bed), ['bdevCreate file0', 'bdevCreate part0', 'bdevCreate top0']);
  await bed.target.apply(configuration({ bdevs: [], subsystems: [] }), allowed);
  t.same(bdevCalls(bed), ['bdevDelete top0', 'bdevDelete part0', 'bdevDelete file0']);
  t.same([...bed.engine.bdevNames], []);
});

t.test('what did not change stays, and so does what stands on it', async (t) => {
  const bed = await Bed.with(stack(file, part));
  bdevCalls(bed);
  await bed.target.apply(stack(file, part, top), allowed);
  t.same(bdevCalls(bed), ['bdevCreate top0']);
  await bed.target.apply(stack(file, part), allowed);
  t.same(bdevCalls(bed), ['bdevDelete top0']);
});

t.test('a base that is opened anew takes with it what stands on it', async (t) => {
  const bed = await Bed.with(stack(file, part, top));
  bdevCalls(bed);
  await bed.target.apply(stack({ ...file, read_only: true }, part, top), allowed);
  const calls = bdevCalls(bed).filter((call) => !call.startsWith('bdevTry'));
  const opened = calls.filter((call) => call.startsWith('bdevCreate'));
  t.same(opened, ['bdevCreate file0', 'bdevCreate part0', 'bdevCreate top0']);
  t.same(calls.slice(-6, -3), ['bdevDelete top0', 'bdevDelete part0', 'bdevDelete file0']);
  t.same(
    bed.target.subsystems[0]?.namespaces.map(({ bdev }) => bdev),
    ['top0'],
  );
});

t.test('a base whose new one is opened beside it goes behind what stands on it', async (t) => {
  const ram: BdevParameters = { name: 'ram0', kind: 'malloc', size: 1n << 20n, block_size: 512 };
  const onRam = { ...part, base: 'ram0' };
  const bed = await Bed.with(stack(ram, onRam));
  bdevCalls(bed);
  await bed.target.apply(stack({ ...ram, size: 2n << 20n }, onRam), allowed);
  t.same(bdevCalls(bed), [
    'bdevCreate ram0#2',
    'bdevCreate part0#2',
    'bdevDelete part0',
    'bdevDelete ram0',
  ]);
});

t.test('another range of a base that stays is opened when the first is closed', async (t) => {
  const bed = await Bed.with(stack(file, part));
  bdevCalls(bed);
  await bed.target.apply(stack(file, { ...part, offset: 8192n }), allowed);
  const calls = bdevCalls(bed).filter((call) => !call.endsWith('#2'));
  t.same(calls, ['bdevDelete part0', 'bdevCreate part0']);
});

t.test('what cannot come brings back the stack that it displaced', async (t) => {
  const bed = await Bed.with(stack(file, part, top));
  bdevCalls(bed);
  bed.engine.failing.add('bdevCreate top0');
  const change = bed.target.apply(stack({ ...file, read_only: true }, part, top), allowed);
  const error = await failure(change);
  t.match(error.message, /could not open bdev top0/);
  bed.engine.failing.clear();
  bed.clock.advance(60_000);
  for (let turn = 0; turn < 8; turn++) await new Promise((resolve) => setImmediate(resolve));
  t.same([...bed.engine.bdevNames].sort(), ['file0', 'part0', 'top0']);
  t.match(
    bed.target.bdevs.find(({ name }) => name === 'file0'),
    { readOnly: false },
  );
});

t.test('what stands on a missing disk is unavailable, and comes with it', async (t) => {
  const bed = new Bed();
  bed.engine.failing.add('bdevCreate file0');
  // Something has to be served.
  const ram: BdevParameters = { name: 'ram0', kind: 'malloc', size: 1n << 20n, block_size: 512 };
  const { bdevs } = stack(file, part, top);
  const namespaces = ['ram0', 'top0'].map((bdev, index) => ({
    nsid: index + 1,
    bdev,
    readOnly: false,
  }));
  const desired = configuration({
    bdevs: [...bdevs, ram],
    subsystems: [subsystem({ namespaces })],
  });
  await bed.target.apply(desired, { missing: 'wait' });
  const reasons = bed.target.unavailable.bdevs.map(({ parameters, reason }) => [
    parameters.name,
    reason.replace(/^.*: /, ''),
  ]);
  t.match(
    new Map(reasons as [string, string][]).get('part0'),
    /^bdev file0, which it stands on, is unavailable$/,
  );
  t.match(
    new Map(reasons as [string, string][]).get('top0'),
    /^bdev part0, which it stands on, is unavailable$/,
  );
  bed.engine.failing.clear();
  bed.clock.advance(60_000);
  for (let turn = 0; turn < 12; turn++) await new Promise((resolve) => setImmediate(resolve));
  t.same(bed.target.unavailable.bdevs, []);
  t.same(
    bed.target.subsystems[0]?.namespaces.map(({ bdev }) => bdev),
    ['ram0', 'top0'],
  );
});

t.test('a bdev is not removed while another is to stand on it', async (t) => {
  const bed = await Bed.with(stack(file, part));
  const error = await failure(bed.target.apply(stack(part), allowed));
  t.match(error.message, /bdev file0, which it stands on, is unavailable/);
  t.same([...bed.engine.bdevNames].sort(), ['file0', 'part0']);
});

t.test('the engine is told its own names of what a bdev stands on', async (t) => {
  const bed = await Bed.with(stack(file, part));
  const told: [unknown, readonly string[]][] = [];
  const create = bed.engine.bdevCreate.bind(bed.engine);
  bed.engine.bdevCreate = (parameters, claim, bases) => {
    told.push([parameters['base'], bases ?? []]);
    return create(parameters, claim, bases);
  };
  const ram: BdevParameters = { name: 'file0', kind: 'malloc', size: 1n << 20n, block_size: 512 };
  await bed.target.apply(stack(ram, part), allowed);
  t.same(told.at(-1), ['file0#2', ['file0#2']]);
});
