import t from 'tap';
import type { BdevParameters } from '../../../src/engine/engine-types.js';
import { BdevWatch } from '../../../src/subsystem/bdev-watch.js';
import { permissions } from '../../../src/subsystem/change.js';
import { AdminOpcode, Cns, IdentifyNamespace } from '../../../src/wire/layout.gen.js';
import { Bed, FakeHost, configuration, dataOf, subsystem } from './fake-host.js';

const namespaceChanged = 0x040002;
const file: BdevParameters = {
  name: 'file0',
  kind: 'uring',
  path: '/capsuled-test/disk0.img',
  create: false,
  read_only: false,
};
const part: BdevParameters = { name: 'part0', kind: 'split', base: 'file0', offset: 0n };
/** Of the fake's file of 1 MiB. */
const blocks = 2048n;

function exporting(...bdevs: readonly BdevParameters[]) {
  const exported = bdevs.at(-1)!.name;
  return configuration({
    bdevs,
    subsystems: [subsystem({ namespaces: [{ nsid: 1, bdev: exported, readOnly: false }] })],
  });
}

async function served(...bdevs: readonly BdevParameters[]): Promise<{ bed: Bed; host: FakeHost }> {
  const bed = await Bed.with(exporting(...bdevs));
  bed.target.watchBdevs();
  const host = await FakeHost.ready(bed);
  bed.notes.length = 0;
  return { bed, host };
}

async function sizeSeen(host: FakeHost): Promise<bigint> {
  const answer = await host.admin(AdminOpcode.identify, { nsid: 1, cdw10: Cns.namespace });
  return new IdentifyNamespace(dataOf(answer)).nsze;
}

/** The disk of file0 is found to be so large, at a look. */
async function found(bed: Bed, blockCount: bigint, moreBytes = 0n): Promise<void> {
  bed.engine.sizes.set('file0', {
    blockCount: bed.engine.sizes.get('file0')!.blockCount,
    foundBytes: blockCount * 512n + moreBytes,
  });
  bed.clock.advance(BdevWatch.lookMs);
  await new Promise((resolve) => setImmediate(resolve));
}

t.test('a disk that has grown is larger for its hosts, who are told once', async (t) => {
  for (const stack of [[file], [file, part]]) {
    const { bed, host } = await served(...stack);
    t.equal(await sizeSeen(host), blocks);
    await found(bed, 3n * blocks);
    t.equal(await sizeSeen(host), 3n * blocks);
    t.same(bed.engine.events.splice(0), [{ controller: host.controller, dw0: namespaceChanged }]);
    t.match(bed.notes, [{ fields: { bdev: 'file0' }, message: /grew from 1MiB to 3MiB/ }]);
    await found(bed, 3n * blocks);
    t.same(bed.engine.events, []);
    t.equal(bed.engine.calls.filter((call) => call.startsWith('bdevGrow')).length, 1);
    await bed.target.stop();
  }
});

t.test('no host is told before commands reach the new blocks everywhere', async (t) => {
  const { bed, host } = await served(file);
  let applied = (): void => undefined;
  const waits = new Promise<void>((resolve) => (applied = resolve));
  bed.engine.onCall = (call) => (call === 'bdevGrow file0' ? waits : Promise.resolve());
  await found(bed, 3n * blocks);
  // What the engine has by now does not count.
  bed.engine.sizes.set('file0', { blockCount: 3n * blocks, foundBytes: 3n * blocks * 512n });
  await found(bed, 3n * blocks);
  t.same(bed.engine.events, []);
  t.equal(await sizeSeen(host), blocks);
  applied();
  await new Promise((resolve) => setImmediate(resolve));
  t.equal(await sizeSeen(host), 3n * blocks);
  t.same(bed.engine.events, [{ controller: host.controller, dw0: namespaceChanged }]);
  await bed.target.stop();
});

t.test('a size that is configured stays, and that is said once for each that lasts', async (t) => {
  const { bed, host } = await served({ ...file, size: 1n << 20n });
  for (const seen of [2n, 2n, 2n, 4n, 5n, 3n, 3n, 3n]) await found(bed, seen * blocks);
  t.equal(await sizeSeen(host), blocks);
  t.same(bed.engine.events, []);
  t.match(bed.warnings, [
    { fields: { bdev: 'file0' }, message: /grown to 2MiB; 1MiB of it are served/ },
    { fields: { bdev: 'file0' }, message: /grown to 3MiB/ },
  ]);
  await bed.target.stop();
});

t.test('a disk that ends within a block is not taken until it is whole', async (t) => {
  const { bed, host } = await served(file);
  for (const bytes of [100n, 200n, 300n, 300n, 300n]) await found(bed, 2n * blocks, bytes);
  t.equal(await sizeSeen(host), blocks);
  t.same(bed.engine.events, []);
  t.match(bed.warnings, [
    { fields: { bdev: 'file0' }, message: /1MiB of it are served: expected a multiple of its/ },
  ]);
  t.equal(bed.warnings.length, 1);
  await found(bed, 2n * blocks);
  t.equal(await sizeSeen(host), 2n * blocks);
  await bed.target.stop();
});

t.test('what has grown is the same bdev to a reload, also by its new size', async (t) => {
  const { bed } = await served(file);
  await found(bed, 3n * blocks);
  bed.engine.calls.length = 0;
  for (const desired of [file, { ...file, size: 3n << 20n, block_size: 512 }]) {
    await bed.target.apply(exporting(desired), { allow: permissions });
  }
  t.same(
    bed.engine.calls.filter((call) => call.startsWith('bdev')),
    [],
  );
  await bed.target.stop();
});

t.test('a disk that is closed while it grows is no error', async (t) => {
  const { bed } = await served(file);
  bed.engine.failing.add('bdevGrow file0');
  await found(bed, 3n * blocks);
  t.same(bed.warnings, []);
  await bed.target.stop();
});
