/** A device that was taken out: its bdev is closed, and opened anew when there is one again. */

import t from 'tap';

import type { BdevParameters } from '../../../src/engine/engine-types.js';
import { soundHealth } from '../../../src/subsystem/bdev-condition.js';
import { BdevWatch } from '../../../src/subsystem/bdev-watch.js';
import type { TargetConfiguration } from '../../../src/subsystem/configuration.js';
import { RetryTimer } from '../../../src/subsystem/retry-timer.js';
import { Bed, FakeHost, configuration, subsystem } from './fake-host.js';

const drive: BdevParameters = { name: 'ssd0', kind: 'nvme', address: '0000:01:00.0', nsid: 1 };
const part: BdevParameters = { name: 'part0', kind: 'split', base: 'ssd0', offset: 0n };
const memory: BdevParameters = { name: 'ram0', kind: 'malloc', size: 1n << 20n, block_size: 512 };

const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 12; turn++) await new Promise((resolve) => setImmediate(resolve));
};

function exported(...bdevs: readonly BdevParameters[]): TargetConfiguration {
  const names = bdevs.filter((bdev) => bdev !== drive || !bdevs.includes(part));
  const namespaces = names.map(({ name }, index) => ({
    nsid: index + 1,
    bdev: name,
    readOnly: false,
  }));
  return configuration({ bdevs, subsystems: [subsystem({ namespaces })] });
}

function served({ target }: Bed): string[] {
  return (target.subsystems[0]?.namespaces ?? []).map(({ bdev }) => bdev).sort();
}

function unavailable({ target }: Bed): string[] {
  return target.unavailable.bdevs.map(({ parameters }) => parameters.name).sort();
}

async function pull(bed: Bed, bdev: string): Promise<void> {
  bed.engine.healths.set(bdev, { ...soundHealth, faults: ['gone'] });
  bed.engine.failing.add(`bdevCreate ${bdev}`);
  bed.clock.advance(BdevWatch.lookMs);
  await turns();
}

async function putBack(bed: Bed, bdev: string): Promise<void> {
  bed.engine.healths.delete(bdev);
  bed.engine.failing.delete(`bdevCreate ${bdev}`);
  bed.clock.advance(RetryTimer.lastMs);
  await turns();
}

t.test('its namespace goes, the others stay, and it comes back', async (t) => {
  const bed = await Bed.with(exported(drive, memory));
  bed.target.watchBdevs();
  const host = await FakeHost.ready(bed);
  t.same(served(bed), ['ram0', 'ssd0']);
  bed.engine.calls.length = 0;
  await pull(bed, 'ssd0');
  t.same(served(bed), ['ram0']);
  t.same(unavailable(bed), ['ssd0']);
  t.match(bed.target.unavailable.bdevs[0]?.reason, /bdevs\[0\]: the device of ssd0 is gone/);
  t.same(
    bed.engine.calls.filter((call) => call.startsWith('bdevDelete')),
    ['bdevDelete ssd0'],
  );
  bed.clock.advance(RetryTimer.firstMs);
  await turns();
  t.same(unavailable(bed), ['ssd0'], 'as long as it is not there');
  await putBack(bed, 'ssd0');
  t.same(served(bed), ['ram0', 'ssd0']);
  t.same(unavailable(bed), []);
  t.ok(host);
});

t.test('what stands on it goes and comes with it', async (t) => {
  const bed = await Bed.with(exported(drive, part, memory));
  bed.target.watchBdevs();
  await pull(bed, 'ssd0');
  t.same(served(bed), ['ram0']);
  t.same(unavailable(bed), ['part0', 'ssd0']);
  await putBack(bed, 'ssd0');
  t.same(served(bed), ['part0', 'ram0']);
});

t.test('a file whose device is gone stays open until an operator knows', async (t) => {
  const file: BdevParameters = { name: 'file0', kind: 'uring', path: '/a.img', block_size: 512 };
  const bed = new Bed({});
  bed.engine.disk.put('/a.img');
  await bed.target.apply(exported(file));
  bed.target.watchBdevs();
  await pull(bed, 'file0');
  t.same(served(bed), ['file0']);
});
