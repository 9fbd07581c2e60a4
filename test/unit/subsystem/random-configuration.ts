/** Random configurations, valid, of few names, so that two of them have much in common. */

import { basesOf, contentPath } from '../../../src/bdev/kinds.js';
import fc from 'fast-check';

import type { BdevParameters, Endpoint } from '../../../src/engine/engine-types.js';
import type {
  NamespaceConfiguration,
  SubsystemConfiguration,
  TargetConfiguration,
} from '../../../src/subsystem/configuration.js';
import { isWildcard } from '../../../src/transport/address.js';
import { endpointKey } from '../../../src/transport/listener.js';
import { worldFiles } from './model-engine.js';

const MIB = 1n << 20n;
const nqns = ['a', 'b', 'c'].map((name) => `nqn.2026-11.com.example:${name}`);
export const hostNqns = ['x', 'y', 'z'].map((name) => `nqn.2026-11.com.example:host-${name}`);

const volatile = fc.record({
  kind: fc.constantFrom('malloc', 'null'),
  size: fc.constantFrom(MIB, 2n * MIB),
  block_size: fc.constantFrom(512, 4096),
});
const disposable = fc.option(fc.constant(true), { nil: undefined, freq: 3 });
const volatileBdev = (name: string) =>
  fc.tuple(volatile, disposable).map(([bdev, isDisposable]) => ({
    name,
    ...bdev,
    ...(bdev.kind === 'malloc' && isDisposable === true ? { disposable: true } : {}),
  }));
/** Which file a name means is part of what may change. */
const fileBdev = (name: string) =>
  fc
    .record({
      path: fc.constantFrom(...worldFiles.keys()),
      readOnly: fc.boolean(),
      sized: fc.boolean(),
      blockSize: fc.constantFrom(512, 4096),
    })
    .map(({ path, readOnly, sized, blockSize }) => ({
      name,
      kind: 'uring',
      path,
      block_size: blockSize,
      create: false,
      read_only: readOnly,
      ...(sized ? { size: worldFiles.get(path)! } : {}),
    }));
/** What it stands on is part of what may change as well. */
const splitBdev = (name: string) =>
  fc.record({
    name: fc.constant(name),
    kind: fc.constant('split'),
    base: fc.constantFrom('ram0', 'ram1', 'file0', 'file1', 'part0'),
    offset: fc.constantFrom(0n, 4096n),
  });
const bdev = (name: string): fc.Arbitrary<BdevParameters> => {
  if (name.startsWith('part')) return splitBdev(name);
  return name.startsWith('file') ? fileBdev(name) : volatileBdev(name);
};
const bdevs = fc
  .tuple(
    ...['part1', 'ram0', 'ram1', 'ram2', 'file0', 'file1', 'part0'].map((name) =>
      fc.option(bdev(name), { nil: undefined }),
    ),
  )
  .map((all) => all.filter((one) => one !== undefined));

const endpoint: fc.Arbitrary<Endpoint> = fc.record({
  address: fc.constantFrom('127.0.0.1', '127.0.0.2', '0.0.0.0'),
  port: fc.constantFrom(4420, 4421),
});

interface DraftSubsystem extends Omit<SubsystemConfiguration, 'namespaces'> {
  readonly namespaces: readonly Omit<NamespaceConfiguration, 'bdev'>[];
  /** Which bdev each namespace takes of those that are left. */
  readonly picks: readonly number[];
}

const subsystem = (nqn: string): fc.Arbitrary<DraftSubsystem> =>
  fc
    .record({
      serial: fc.constantFrom('S1', 'S2', undefined),
      model: fc.constantFrom('capsuled', 'capsuled', 'other'),
      allowAnyHost: fc.boolean(),
      hosts: fc.subarray(hostNqns),
      listeners: fc.uniqueArray(endpoint, { selector: endpointKey, minLength: 1, maxLength: 2 }),
      namespaces: fc
        .subarray([1, 2, 3])
        .chain((nsids) =>
          fc.tuple(...nsids.map((nsid) => fc.boolean().map((readOnly) => ({ nsid, readOnly })))),
        ),
      picks: fc.array(fc.nat(9), { minLength: 3, maxLength: 3 }),
    })
    .map(({ serial, ...fields }) => ({
      nqn,
      ...fields,
      ...(serial === undefined ? {} : { serial: `${serial}${nqn.at(-1) ?? ''}` }),
      cntlidRange: [1, 100] as const,
    }));

interface Draft {
  readonly bdevs: readonly BdevParameters[];
  readonly subsystems: readonly DraftSubsystem[];
  readonly discovery: readonly Endpoint[];
}

const draft: fc.Arbitrary<Draft> = fc.record({
  bdevs,
  subsystems: fc
    .tuple(...nqns.map((nqn) => fc.option(subsystem(nqn), { nil: undefined })))
    .map((all) => all.filter((one) => one !== undefined)),
  discovery: fc.subarray([
    { address: '127.0.0.1', port: 8009 },
    { address: '127.0.0.1', port: 4420 },
  ]),
});

/** Those that stand on nothing, or on something that is there and that no other stands on. */
function onBases(bdevs: readonly BdevParameters[]): BdevParameters[] {
  const used = new Set<string>();
  const there = new Set<string>();
  for (let round = 0; round < bdevs.length; round += 1) {
    for (const one of bdevs) {
      const bases = basesOf(one);
      if (there.has(one.name) || !bases.every((base) => there.has(base) && !used.has(base)))
        continue;
      there.add(one.name);
      for (const base of bases) used.add(base);
    }
  }
  return bdevs.filter(({ name }) => there.has(name));
}

/** Leaves out what a valid configuration cannot have beside the rest. */
function valid({ bdevs: wanted, subsystems, discovery }: Draft): TargetConfiguration {
  const paths = new Set<string>();
  const kept = wanted.filter((one) => {
    const path = contentPath(one);
    if (path === undefined) return true;
    if (paths.has(path)) return false;
    paths.add(path);
    return true;
  });
  const withBases = onBases(kept);
  const taken: Endpoint[] = [];
  const fits = (one: Endpoint): boolean => {
    const clashes = taken.some(
      (other) =>
        other.port === one.port &&
        endpointKey(other) !== endpointKey(one) &&
        (isWildcard(other.address) || isWildcard(one.address)),
    );
    if (!clashes) taken.push(one);
    return !clashes;
  };
  const bases = new Set(withBases.flatMap(basesOf));
  const free = withBases.map(({ name }) => name).filter((name) => !bases.has(name));
  const discoveryListeners = discovery.filter(fits);
  return {
    discoveryListeners,
    bdevs: withBases,
    subsystems: subsystems.map(({ picks, namespaces, listeners, ...rest }) => ({
      ...rest,
      listeners: listeners.filter(fits),
      namespaces: namespaces.flatMap((namespace, index) => {
        if (free.length === 0) return [];
        const [name] = free.splice((picks[index] ?? 0) % free.length, 1);
        return name === undefined ? [] : [{ ...namespace, bdev: name }];
      }),
    })),
  };
}

export const randomConfiguration = draft.map(valid);

/** Two configurations; the second has each part of the first or another one. */
export const configurationPair = fc
  .tuple(draft, draft, fc.array(fc.boolean(), { minLength: 12, maxLength: 12 }))
  .map(([before, other, keeps]) => {
    let next = 0;
    const mixed = <T>(from: readonly T[], into: readonly T[], id: (item: T) => string): T[] => {
      const all = new Set([...from, ...into].map(id));
      return [...all].sort().flatMap((key) => {
        const source = keeps[next++] === true ? from : into;
        const found = source.find((item) => id(item) === key);
        return found === undefined ? [] : [found];
      });
    };
    const after: Draft = {
      bdevs: mixed(before.bdevs, other.bdevs, ({ name }) => name),
      subsystems: mixed(before.subsystems, other.subsystems, ({ nqn }) => nqn),
      discovery: mixed(before.discovery, other.discovery, endpointKey),
    };
    return [valid(before), valid(after)] as const;
  });
