import t, { type Test } from 'tap';
import { type Steps, countSteps, overgrown } from '../work.js';
import { contentPath } from '../../../src/bdev/kinds.js';
import { HostTotals } from '../../../src/metrics/host-totals.js';
import { Metrics } from '../../../src/metrics/metrics.js';
import { permissions } from '../../../src/subsystem/change.js';
import { emptyConfiguration } from '../../../src/subsystem/configuration.js';
import type {
  SubsystemConfiguration,
  TargetConfiguration,
} from '../../../src/subsystem/configuration.js';
import { LogPage, discoveryNqn } from '../../../src/wire/layout.gen.js';
import { Bed, FakeHost, configuration, loopback, subsystem } from './fake-host.js';

type Configure = (size: number, version: number) => TargetConfiguration;

const allowed = { allow: permissions };

const each = <T>(size: number, item: (index: number) => T): T[] =>
  Array.from({ length: size }, (_none, index) => item(index));

/** RAM disks and files by turns. Another version has other RAM disks and opens the files anew. */
function bdevs(size: number, version: number): TargetConfiguration['bdevs'] {
  return each(size, (index) => {
    const name = `disk${index}`;
    const blockSize = version === 1 ? 512 : 4096;
    return index % 2 === 0
      ? { name, kind: 'malloc', size: 1n << 20n, block_size: blockSize }
      : { name, kind: 'uring', path: `/disks/${index}`, block_size: blockSize };
  });
}

/** Of a version, that no other version has. */
function fields(index: number, version: number): Partial<SubsystemConfiguration> {
  const host = (part: string): string => `nqn.2026-11.com.example:${part}${index}-${version}`;
  return {
    nqn: `nqn.2026-11.com.example:disk${index}`,
    serial: `S${index}-${version}`,
    hosts: [host('a'), host('b')],
    listeners: each(3, (part) => ({
      address: `2001:db8:0:0:${part}:0:${version}:${index.toString(16)}`,
      port: 4420,
    })),
  };
}

const manySubsystems: Configure = (size, version) =>
  configuration({
    bdevs: bdevs(size, version),
    subsystems: each(size, (index) =>
      subsystem({
        ...fields(index, version),
        namespaces: [{ nsid: version, bdev: `disk${index}`, readOnly: false }],
      }),
    ),
  });

const manyNamespaces: Configure = (size, version) =>
  configuration({
    bdevs: bdevs(size, version),
    subsystems: [
      subsystem({
        ...fields(0, 0),
        serial: 'S0',
        hosts: each(size, (index) => `nqn.2026-11.com.example:host${index}-${version}`),
        listeners: each(size, (index) => ({
          address: `127.${version}.${index >> 8}.${index & 0xff}`,
          port: 4420,
        })),
        namespaces: each(size, (index) => ({
          nsid: index + 1,
          bdev: `disk${index}`,
          readOnly: false,
        })),
      }),
    ],
  });

/** Wildcards in place of what they cover: all of it is exchanged. */
const exchanged: Configure = (size, version) =>
  configuration({
    bdevs: bdevs(1, 1),
    subsystems: each(size, (index) =>
      subsystem({
        ...fields(index, 0),
        listeners: [{ address: version === 1 ? '127.0.0.1' : '0.0.0.0', port: 5000 + index }],
        namespaces: index === 0 ? [{ nsid: 1, bdev: 'disk0', readOnly: false }] : [],
      }),
    ),
  });

const shapes: Readonly<Record<string, Configure>> = {
  'many subsystems': manySubsystems,
  'a subsystem with many namespaces': manyNamespaces,
  'many listeners that are exchanged': exchanged,
};

/** What is looked at once it is there. */
async function look(bed: Bed): Promise<unknown> {
  const { target, engine } = bed;
  const views = [target.subsystems, target.listeners, target.bdevs, target.bdevReasons];
  const hostTotals = new HostTotals(engine);
  const logSink = { linesLostTotal: 0 };
  const sources = {
    engine,
    target,
    hostTotals,
    logSink,
    version: '1',
    reloaded: () => null,
    httpLimitCounts: () => new Map<string, number>(),
  };
  await new Metrics(sources).scrape();
  const host = await FakeHost.ready(bed, { subnqn: discoveryNqn });
  await host.logPage(LogPage.discovery);
  return views;
}

/** Each takes a target from one state to the next. */
const lives: Readonly<
  Record<
    string,
    (t: Test, bed: Bed, desired: (version: number) => TargetConfiguration) => Promise<void>
  >
> = {
  'it comes, changes and goes': async (_t, bed, desired) => {
    const { target } = bed;
    for (const version of [1, 1, 2]) {
      target.plan(desired(version));
      await target.apply(desired(version), allowed);
      await look(bed);
    }
    target.plan(emptyConfiguration);
    await target.apply(emptyConfiguration, allowed);
  },
  'disks and addresses are missing, and come': async (t, { engine, target }, desired) => {
    const [, ...others] = desired(1).bdevs;
    for (const { name } of others) engine.failing.add(`bdevCreate ${name}`);
    const listeners = desired(1).subsystems.flatMap((each) => each.listeners);
    for (const { address, port } of listeners) engine.failing.add(`listenerAdd ${address} ${port}`);
    // The first one can be had.
    const [{ address, port } = loopback] = listeners;
    engine.failing.delete(`listenerAdd ${address} ${port}`);
    await target.apply(desired(1), { missing: 'wait' });
    await target.apply(desired(1), { missing: 'wait' });
    const { bdevs, endpoints } = target.unavailable;
    t.same([bdevs.length, endpoints.length], [others.length, listeners.length - 1]);
    engine.failing.clear();
    await target.apply(desired(1), { missing: 'wait' });
    t.same(target.unavailable, { bdevs: [], endpoints: [] });
  },
  'what was taken away drains': async (_t, { engine, target, clock }, desired) => {
    await target.apply(desired(1));
    engine.hung = new Promise(() => undefined);
    const emptied = target.apply(emptyConfiguration, allowed);
    while (target.configuration !== emptyConfiguration) await Promise.resolve();
    clock.advance(60_000);
    await emptied;
    // What drains holds its file: these are others.
    const bdevs = desired(1).bdevs.map((bdev) => ({
      ...bdev,
      path: `${contentPath(bdev) ?? ''}.other`,
    }));
    target.plan({ ...desired(1), bdevs });
  },
};

for (const [shape, configure] of Object.entries(shapes)) {
  for (const [life, live] of Object.entries(lives)) {
    t.test(`${shape}: ${life}: it costs as much as there is`, async (t) => {
      const costs = (size: number): Promise<Steps> =>
        countSteps(() => live(t, new Bed(), (version) => configure(size, version)));
      t.same(overgrown(await costs(25), await costs(100)), []);
    });
  }
}
