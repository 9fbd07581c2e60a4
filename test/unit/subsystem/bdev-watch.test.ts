import t from 'tap';

import type { BdevHealth, BdevParameters } from '../../../src/engine/engine-types.js';
import { criticalWarning, soundHealth, statesOf } from '../../../src/subsystem/bdev-condition.js';
import { BdevWatch } from '../../../src/subsystem/bdev-watch.js';
import { permissions } from '../../../src/subsystem/change.js';
import { packBits } from '../../../src/wire/bits.js';
import {
  AdminOpcode,
  CriticalWarningBits,
  Feature,
  LogPage,
  SmartLog,
} from '../../../src/wire/layout.gen.js';
import { Bed, FakeHost, configuration, dataOf, diskNqn, subsystem } from './fake-host.js';

const degraded = packBits([CriticalWarningBits.ndr, 1]);
const readOnly = packBits([CriticalWarningBits.amro, 1]);
const reliabilityEvent = 0x02_00_01;

function health(fields: Partial<BdevHealth>): BdevHealth {
  return { ...soundHealth, ...fields };
}

function failures(failureCount: number): Partial<BdevHealth> {
  const lastFailure = { op: 'write', offset: 4096, code: 'EIO', message: 'Input/output error' };
  return { failureCount, lastFailure };
}

interface Line {
  readonly level: string;
  readonly message: string;
  readonly [field: string]: unknown;
}

/** A target whose bdevs are watched, and the lines that it logs. */
async function watched(desired = configuration()): Promise<{ bed: Bed; lines: Line[] }> {
  const lines: Line[] = [];
  const log = (level: string) => (fields: object, message: string) => {
    if ('bdev' in fields) lines.push({ level, message, ...fields });
  };
  const logger = {
    info: log('info'),
    warn: log('warn'),
    error: log('error'),
    debug: () => undefined,
  };
  const bed = await Bed.with(desired, { logger });
  lines.length = 0;
  bed.target.watchBdevs();
  return { bed, lines };
}

/** What is logged when the bdev is found so. */
function found(
  { bed, lines }: Awaited<ReturnType<typeof watched>>,
  fields: Partial<BdevHealth>,
  bdev = 'ram0',
): Line[] {
  bed.engine.healths.set(bdev, health(fields));
  bed.clock.advance(BdevWatch.lookMs);
  return lines.splice(0);
}

t.test('the worst state comes first, and nothing else holds with ok', (t) => {
  t.same(statesOf(soundHealth), ['ok']);
  t.same(statesOf(health({ oldestMs: 9_999 })), ['ok']);
  t.same(statesOf(health({ oldestMs: 10_000 })), ['hung']);
  const all = health({
    faults: ['write_protected', 'lost_flush', 'lost_data', 'gone'],
    oldestMs: 60_000,
  });
  t.same(statesOf(all), ['gone', 'lost_data', 'lost_flush', 'hung', 'write_protected']);
  t.end();
});

t.test('loss and hanging degrade; read-only is said of all media together', (t) => {
  const protectedHealth = health({ faults: ['write_protected'] });
  t.equal(criticalWarning([]), 0);
  t.equal(criticalWarning([soundHealth]), 0);
  for (const bad of [
    health({ faults: ['gone'] }),
    health({ faults: ['lost_data'] }),
    health({ faults: ['lost_flush'] }),
    health({ oldestMs: 10_000 }),
  ]) {
    t.equal(criticalWarning([soundHealth, bad]), degraded);
  }
  t.equal(criticalWarning([soundHealth, protectedHealth]), 0);
  t.equal(criticalWarning([protectedHealth, protectedHealth]), readOnly);
  t.end();
});

t.test('a sound bdev is not spoken of', async (t) => {
  const watch = await watched();
  watch.bed.clock.advance(60_000);
  t.same(watch.lines, []);
});

t.test('a loss is said once, with what to do about it', async (t) => {
  const watch = await watched();
  t.match(found(watch, { faults: ['lost_flush'] }), [
    { level: 'error', bdev: 'ram0', state: 'lost_flush', message: /capsuled acknowledge ram0/ },
  ]);
  t.same(found(watch, { faults: ['lost_flush'] }), []);
  t.match(found(watch, { faults: ['lost_data', 'lost_flush'] }), [
    { level: 'error', state: 'lost_data', message: /became shorter/ },
  ]);
  const ended = found(watch, {}).map(({ level, state }) => ({ level, state }));
  t.same(ended, [
    { level: 'info', state: 'lost_data' },
    { level: 'info', state: 'lost_flush' },
  ]);
});

t.test('a disk that hangs is said once, and when it goes on, after how long', async (t) => {
  const watch = await watched();
  t.match(found(watch, { oldestMs: 11_000 }), [{ level: 'warn', state: 'hung' }]);
  for (let seconds = 12; seconds < 20; seconds += 1) {
    t.same(found(watch, { oldestMs: seconds * 1000 }), []);
  }
  t.match(found(watch, {}), [{ level: 'info', state: 'hung', seconds: 20 }]);
});

t.test('an error is said at once, more as a number, and their end', async (t) => {
  const watch = await watched();
  const [first, ...rest] = found(watch, failures(1));
  t.match(first, { level: 'warn', op: 'write', offset: 4096, error: 'EIO', count: 1 });
  t.match(first?.message, /^write at byte 4096 failed: EIO \(Input\/output error\)$/);
  t.same(rest, []);
  // A line an interval, whatever the number.
  const lines = [];
  for (let look = 1; look <= 10; look += 1) lines.push(...found(watch, failures(1 + look * 1000)));
  t.match(lines, [{ count: 10_000, message: /^more disk errors/ }]);
  t.equal(lines.length, 1);
  const after = [];
  for (let look = 0; look < 30; look += 1) after.push(...found(watch, failures(10_001)));
  t.match(after, [{ level: 'info', message: /no more disk errors/ }]);
  t.equal(after.length, 1);
  t.match(found(watch, failures(10_002)), [{ count: 1, message: /^write at byte/ }]);
});

t.test('a bdev that is made anew starts anew', async (t) => {
  const watch = await watched();
  const { bed } = watch;
  found(watch, { ...failures(7), faults: ['lost_flush'] });
  const { bdevs } = configuration();
  const without = configuration({ bdevs: bdevs.slice(1), subsystems: [] });
  await bed.target.apply(without, { allow: permissions });
  bed.engine.healths.clear();
  bed.clock.advance(BdevWatch.lookMs);
  await bed.target.apply(configuration());
  watch.lines.length = 0;
  t.match(found(watch, failures(1)), [{ count: 1 }]);
});

/** ram0 is closed, and made anew under the same name of the engine before anybody looks. */
async function exchanged({ bed }: Awaited<ReturnType<typeof watched>>): Promise<void> {
  const bdevs = configuration().bdevs.map((bdev) =>
    bdev.name === 'ram0' ? { ...bdev, size: 2n << 20n } : bdev,
  );
  const { bdevs: before } = configuration();
  const without = configuration({ bdevs: before.slice(1), subsystems: [] });
  await bed.target.apply(without, { allow: permissions });
  await bed.target.apply(configuration({ bdevs }), { allow: permissions });
}

t.test('a bdev that takes another’s place between two looks starts anew', async (t) => {
  const watch = await watched();
  found(watch, { ...failures(500), faults: ['lost_flush'] });
  await exchanged(watch);
  watch.lines.length = 0;
  t.match(found(watch, failures(400)), [
    { level: 'info', state: 'lost_flush', message: /opened anew/ },
    { level: 'info', message: /opened anew/ },
    { level: 'warn', op: 'write', count: 400 },
  ]);
  await exchanged(watch);
  watch.lines.length = 0;
  t.match(found(watch, { ...failures(900), faults: ['lost_flush'] }), [
    { level: 'info', message: /opened anew/ },
    { level: 'warn', op: 'write', count: 900 },
    { level: 'error', state: 'lost_flush' },
  ]);
});

t.test('a stopped target looks no more', async (t) => {
  const watch = await watched();
  await watch.bed.target.stop();
  t.equal(watch.bed.clock.pending, 0);
});

/** A host that asked for events about health, with two namespaces. */
async function asking(enabled = degraded): Promise<{
  watch: Awaited<ReturnType<typeof watched>>;
  host: FakeHost;
}> {
  const namespaces = [
    { nsid: 1, bdev: 'ram0', readOnly: false },
    { nsid: 2, bdev: 'ram1', readOnly: false },
  ];
  const watch = await watched(configuration({ subsystems: [subsystem({ namespaces })] }));
  const host = await FakeHost.ready(watch.bed);
  const cdw10 = Feature.asynchronousEventConfiguration;
  t.equal((await host.admin(AdminOpcode.setFeatures, { cdw10, cdw11: enabled })).status, 0);
  return { watch, host };
}

async function warning(host: FakeHost, nsid: number): Promise<number> {
  const page = await host.logPage(LogPage.smartHealthInformation, { bytes: 512, nsid });
  return new SmartLog(dataOf(page)).criticalWarning;
}

t.test('a host that asked hears of lost reliability, again after it has read', async (t) => {
  const { watch, host } = await asking();
  const { events } = watch.bed.engine;
  found(watch, { faults: ['lost_flush'] });
  t.same(events.splice(0), [{ controller: host.controller, dw0: reliabilityEvent }]);
  found(watch, { faults: ['lost_flush', 'lost_data'] });
  t.same(events, [], 'the warning is the same');
  t.equal(await warning(host, 0xffff_ffff), degraded);
  t.equal(await warning(host, 1), degraded);
  t.equal(await warning(host, 2), 0);
  found(watch, {});
  t.equal(await warning(host, 0xffff_ffff), 0);
  found(watch, { oldestMs: 10_000 });
  t.same(events, [{ controller: host.controller, dw0: reliabilityEvent }]);
});

t.test('what a namespace stands on warns its hosts, and is named alone', async (t) => {
  const bdevs: BdevParameters[] = [
    { name: 'ram0', kind: 'malloc', size: 1n << 20n, block_size: 512 },
    { name: 'part0', kind: 'split', base: 'ram0', offset: 0n },
    { name: 'top0', kind: 'split', base: 'part0', offset: 4096n },
  ];
  const namespaces = [{ nsid: 1, bdev: 'top0', readOnly: false }];
  const watch = await watched(configuration({ bdevs, subsystems: [subsystem({ namespaces })] }));
  const host = await FakeHost.ready(watch.bed);
  const cdw10 = Feature.asynchronousEventConfiguration;
  await host.admin(AdminOpcode.setFeatures, { cdw10, cdw11: degraded });
  t.match(found(watch, { faults: ['lost_data'] }), [{ bdev: 'ram0', state: 'lost_data' }]);
  t.same(watch.bed.engine.events, [{ controller: host.controller, dw0: reliabilityEvent }]);
  t.equal(await warning(host, 1), degraded);
  t.match(found(watch, { faults: ['write_protected'] }, 'part0'), [{ bdev: 'part0' }]);
  t.match(found(watch, {}), [{ bdev: 'ram0', level: 'info' }]);
  t.equal(await warning(host, 1), readOnly, 'one of a stack protects all of it');
});

t.test('a subsystem that takes another’s place between two looks starts anew', async (t) => {
  const { watch } = await asking();
  const { bed } = watch;
  found(watch, { faults: ['lost_flush'] });
  await bed.target.apply(configuration({ subsystems: [] }), { allow: permissions });
  await bed.target.apply(configuration(), { allow: permissions });
  const host = await FakeHost.ready(bed);
  const cdw10 = Feature.asynchronousEventConfiguration;
  await host.admin(AdminOpcode.setFeatures, { cdw10, cdw11: degraded });
  bed.engine.events.length = 0;
  found(watch, { faults: ['lost_flush'] });
  t.same(bed.engine.events, [{ controller: host.controller, dw0: reliabilityEvent }]);
});

t.test('a warning that was not read about is not raised again', async (t) => {
  const { watch } = await asking();
  found(watch, { faults: ['lost_flush'] });
  found(watch, {});
  found(watch, { faults: ['lost_flush'] });
  t.equal(watch.bed.engine.events.length, 1);
});

t.test('a host that did not ask, or asked for another warning, hears nothing', async (t) => {
  for (const enabled of [0, readOnly]) {
    const { watch } = await asking(enabled);
    found(watch, { faults: ['lost_flush'] });
    t.same(watch.bed.engine.events, []);
  }
});

t.test('all media read-only is a warning of its own', async (t) => {
  const { watch, host } = await asking(readOnly);
  found(watch, { faults: ['write_protected'] });
  t.equal(await warning(host, 1), readOnly);
  t.equal(await warning(host, 0), 0);
  t.same(watch.bed.engine.events, []);
  found(watch, { faults: ['write_protected'] }, 'ram1');
  t.equal(await warning(host, 0), readOnly);
  t.same(watch.bed.engine.events, [{ controller: host.controller, dw0: reliabilityEvent }]);
});

t.test('acknowledging asks the engine, and says so in the log at once', async (t) => {
  const watch = await watched();
  const { bed } = watch;
  found(watch, { faults: ['lost_flush'] });
  t.match(bed.target.bdevReasons, [/^bdev ram0: a flush failed/]);
  t.match(bed.target.bdevs, [{ states: ['lost_flush'] }, { states: ['ok'] }]);
  await bed.target.acknowledgeBdev('ram0');
  t.match(watch.lines, [{ level: 'info', state: 'lost_flush', message: /acknowledged/ }]);
  t.same(bed.target.bdevReasons, []);
});

t.test('what is not well, unknown or hangs is not acknowledged', async (t) => {
  const { bed } = await watched();
  bed.engine.failing.add('bdevAcknowledge ram0');
  bed.engine.healths.set('ram0', health({ faults: ['lost_data'] }));
  await t.rejects(bed.target.acknowledgeBdev('ram0'), { code: 'bdev_failed' });
  t.match(bed.target.bdevs, [{ states: ['lost_data'] }, {}]);
  await t.rejects(bed.target.acknowledgeBdev('ram9'), { code: 'not_found' });
  bed.engine.healths.set('ram1', health({ faults: ['lost_flush'], oldestMs: 20_000 }));
  await t.rejects(bed.target.acknowledgeBdev('ram1'), { code: 'in_use' });
  t.notOk(bed.engine.calls.includes('bdevAcknowledge ram1'));
});

t.test('a target stops after what it looks at again, and changes do not wait for it', async (t) => {
  const { bed } = await watched();
  let resume = (): void => undefined;
  bed.engine.acknowledged = new Promise((resolve) => (resume = resolve));
  const acknowledged = bed.target.acknowledgeBdev('ram0');
  await bed.target.namespaceRemove(diskNqn, 1);
  let stopped = false;
  const stopping = bed.target.stop().then(() => (stopped = true));
  await new Promise((resolve) => setImmediate(resolve));
  t.equal(stopped, false);
  resume();
  await acknowledged;
  await stopping;
});
