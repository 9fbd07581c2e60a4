/**
 * A smaller run of test/unit/subsystem/reload-property.test.ts on the real engine: hosts write,
 * configurations change under them, and what was stored is compared.
 */

import { resolveBdev } from '../../src/bdev/kinds.js';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';

import type { Engine } from '../../src/engine/engine-types.js';
import { TargetError } from '../../src/errors.js';
import { permissions } from '../../src/subsystem/change.js';
import type { Permission } from '../../src/subsystem/change.js';
import type { TargetConfiguration } from '../../src/subsystem/configuration.js';
import type { Target } from '../../src/subsystem/target.js';
import { endpointKey } from '../../src/transport/listener.js';
import { Cns } from '../../src/wire/layout.gen.js';
import { until } from '../host/bounded.js';
import { TcpHost } from '../host/tcp-host.js';
import { worldFiles } from '../unit/subsystem/model-engine.js';
import { configurationPair } from '../unit/subsystem/random-configuration.js';
import { startEngineTarget } from './engine-target.js';

/** How the changes ended: each way must have been tried. */
const outcomes = { done: 0, refused: 0, rolledBack: 0 };

const { engine, target } = await startEngineTarget(t);
const blocks = 8;

/** The number of calls that open something until one fails; -1: none does. */
const failing = { countdown: -1 };
failAtTimes(engine);

function failAtTimes(real: Engine): void {
  const bdevCreate = real.bdevCreate.bind(real);
  const listenerAdd = real.listenerAdd.bind(real);
  const step = (): void => {
    if (failing.countdown < 0) return;
    failing.countdown -= 1;
    if (failing.countdown < 0) throw new TargetError('bdev_failed', 'it fails here');
  };
  real.bdevCreate = async (parameters, claim, bases) => {
    step();
    return bdevCreate(parameters, claim, bases);
  };
  real.listenerAdd = async (endpoint) => {
    step();
    return listenerAdd(endpoint);
  };
}

/**
 * With files of the test's own, ports that the kernel chooses, blocks as the test's host has them,
 * and any host allowed.
 */
function onThisMachine(configuration: TargetConfiguration, folder: string): TargetConfiguration {
  const local = ({ address }: { address: string }) => ({
    address: address === '0.0.0.0' ? '127.0.0.3' : address,
    port: 0,
  });
  const unique = (list: readonly { address: string; port: number }[]) => [
    ...new Map(list.map(local).map((one) => [endpointKey(one), one])).values(),
  ];
  return {
    discoveryListeners: unique(configuration.discoveryListeners),
    bdevs: configuration.bdevs.map((bdev) => ({
      ...resolveBdev(bdev, (path) => join(folder, path.slice(-5))),
      ...('block_size' in bdev ? { block_size: 512 } : {}),
    })),
    subsystems: configuration.subsystems.map((subsystem) => ({
      ...subsystem,
      allowAnyHost: true,
      listeners: unique([{ address: '127.0.0.1', port: 0 }, ...subsystem.listeners]),
    })),
  };
}

async function connect(nqn: string): Promise<TcpHost> {
  const view = target.subsystems.find((subsystem) => subsystem.nqn === nqn);
  const address = view?.listeners.find(({ actual }) => actual !== null)?.actual;
  if (address === null || address === undefined) throw new Error(`${nqn} is not listening`);
  const host = await TcpHost.connect(address, nqn);
  // What was another disk before is let in by that.
  for (const { nsid } of view?.namespaces ?? []) {
    await host.admin.identify({ cns: Cns.namespace, nsid });
  }
  return host;
}

/** What each bdev that a namespace shows has stored, read by a host. */
async function readAll(of: Target): Promise<Map<string, string>> {
  const contents = new Map<string, string>();
  for (const { nqn, namespaces } of of.subsystems) {
    if (namespaces.length === 0) continue;
    const host = await connect(nqn);
    for (const { nsid, bdev } of namespaces) {
      const bytes = await host.io.read(0n, blocks, { nsid });
      contents.set(bdev, bytes.toString('hex'));
    }
    await host.disconnect();
  }
  return contents;
}

/** A host that reads its namespaces until it is told to stop. */
class Reader {
  readonly host: TcpHost;
  readonly nqn: string;
  readonly expected: ReadonlyMap<number, string>;
  failure: unknown = null;
  reads = 0;
  #isOver = false;
  readonly #run: Promise<void>;

  constructor(host: TcpHost, nqn: string, expected: ReadonlyMap<number, string>) {
    this.host = host;
    this.nqn = nqn;
    this.expected = expected;
    this.#run = this.#read();
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#run;
    this.host.kill();
  }

  async #read(): Promise<void> {
    try {
      while (!this.#isOver) {
        for (const [nsid, expected] of this.expected) {
          const bytes = await this.host.io.read(0n, blocks, { nsid });
          if (bytes.toString('hex') !== expected) throw new Error(`other data in ${nsid}`);
        }
        this.reads += 1;
        await new Promise((resolve) => setImmediate(resolve));
      }
    } catch (error) {
      this.failure = error;
    }
  }
}

/** Writes something of its own to every namespace that can be written. */
async function fill(): Promise<void> {
  let mark = 1;
  for (const { nqn, namespaces } of target.subsystems) {
    if (namespaces.length === 0) continue;
    const host = await connect(nqn);
    for (const { nsid, readOnly } of namespaces) {
      if (!readOnly) await host.io.write(0n, Buffer.alloc(blocks * 512, mark++), { nsid });
    }
    await host.disconnect();
  }
}

interface Case {
  readonly pair: readonly [TargetConfiguration, TargetConfiguration];
  readonly stays: readonly boolean[];
  readonly allow: readonly Permission[];
  readonly countdown: number;
}

async function check({ pair, stays, allow, countdown }: Case): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'capsuled-'));
  try {
    for (const [path, size] of worldFiles) {
      writeFileSync(join(folder, path.slice(-5)), Buffer.alloc(Number(size), 0x77));
    }
    const [before, after] = pair.map((one) => onThisMachine(one, folder));
    await target.apply(before!, { allow: permissions });
    await fill();
    const stored = await readAll(target);
    await until('all hosts to be gone', () => target.controllers.length === 0);
    await checkChange(before!, after!, stored, { stays, allow, countdown });
  } finally {
    failing.countdown = -1;
    await target.apply(
      { discoveryListeners: [], bdevs: [], subsystems: [] },
      { allow: permissions },
    );
    rmSync(folder, { recursive: true });
  }
}

async function checkChange(
  before: TargetConfiguration,
  after: TargetConfiguration,
  stored: ReadonlyMap<string, string>,
  { stays, allow, countdown }: Omit<Case, 'pair'>,
): Promise<void> {
  const readers: Reader[] = [];
  for (const [index, { nqn, namespaces }] of target.subsystems.entries()) {
    if (stays[index] !== true || namespaces.length === 0) continue;
    const expected = new Map(namespaces.map(({ nsid, bdev }) => [nsid, stored.get(bdev)!]));
    readers.push(new Reader(await connect(nqn), nqn, expected));
  }
  const engineNames = new Map(target.bdevs.map(({ name, engineName }) => [name, engineName]));
  failing.countdown = countdown;
  let error: TargetError | null = null;
  try {
    await target.apply(after, { allow });
  } catch (thrown) {
    error = TargetError.from(thrown);
    if (error.code === 'internal') throw thrown;
  }
  failing.countdown = -1;
  if (error === null) outcomes.done += 1;
  else if (/is back|until they are back/.test(error.message)) outcomes.rolledBack += 1;
  else outcomes.refused += 1;
  if (error?.code === 'rollback_failed') {
    await until('all to be back', () => target.unavailable.bdevs.length === 0);
  }
  for (const reader of readers) {
    if (reader.failure === null && !allow.includes('disconnect')) {
      const seen = reader.reads;
      await until('the host to read on', () => reader.failure !== null || reader.reads > seen + 2);
    }
    await reader.stop();
    if (reader.failure !== null && !allow.includes('disconnect')) {
      throw new Error(`${reader.nqn} was cut off`, { cause: reader.failure });
    }
  }
  await checkContents(before, after, { stored, engineNames, error });
}

interface Found {
  /** What was stored before the change, by bdev. */
  readonly stored: ReadonlyMap<string, string>;
  readonly engineNames: ReadonlyMap<string, string>;
  readonly error: TargetError | null;
}

/** A file has what it had, whoever exports it now; what is open as before has it too. */
async function checkContents(
  before: TargetConfiguration,
  after: TargetConfiguration,
  { stored, engineNames, error }: Found,
): Promise<void> {
  const now = await readAll(target);
  const configured = error === null ? after : before;
  const ofFiles = new Map(before.bdevs.map(({ name, path }) => [path, stored.get(name)]));
  for (const { name } of configured.bdevs) {
    const bdev = target.bdevs.find((view) => view.name === name);
    if (bdev === undefined) throw new Error(`${name} is not open, after ${error?.message ?? ''}`);
    const { path } = bdev.parameters;
    const isSame = error !== null || bdev.engineName === engineNames.get(name);
    const volatile = isSame ? stored.get(name) : undefined;
    const was = path === undefined ? volatile : ofFiles.get(path);
    const is = now.get(name);
    if (was === undefined || is === undefined) continue;
    if (was !== is) throw new Error(`${name} has other content, after ${error?.message ?? ''}`);
  }
  if (error === null) return;
  if (now.size !== stored.size) throw new Error(`not all is back after ${error.message}`);
  for (const [name, was] of stored) {
    if (now.get(name) !== was) throw new Error(`${name} is not as before ${error.message}`);
  }
}

/** One file, exported. */
const withFile = (readOnly: boolean): TargetConfiguration => ({
  discoveryListeners: [],
  bdevs: [
    {
      name: 'file0',
      kind: 'uring',
      path: [...worldFiles.keys()][0]!,
      create: false,
      read_only: readOnly,
    },
  ],
  subsystems: [
    {
      nqn: 'nqn.2026-11.com.example:a',
      model: 'capsuled',
      allowAnyHost: true,
      hosts: [],
      cntlidRange: [1, 100],
      listeners: [{ address: '127.0.0.1', port: 0 }],
      namespaces: [{ nsid: 1, bdev: 'file0', readOnly: false }],
    },
  ],
});

/** One for each way to end. */
const ends: readonly Pick<Case, 'allow' | 'countdown'>[] = [
  { allow: ['disconnect'], countdown: -1 },
  { allow: [], countdown: -1 },
  // The second time that it is opened: it was tried before its namespace was taken away.
  { allow: ['disconnect'], countdown: 1 },
];
const examples = ends.map((fields): Case => ({
  pair: [withFile(false), withFile(true)] as const,
  stays: [true, true, true],
  ...fields,
}));

t.test('random changes on the real engine keep what is stored, and who is connected', async (t) => {
  const anyCase: fc.Arbitrary<Case> = fc.record({
    pair: configurationPair,
    stays: fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }),
    allow: fc.subarray([...permissions]),
    countdown: fc.integer({ min: -1, max: 6 }),
  });
  await fc.assert(fc.asyncProperty(anyCase, check), {
    numRuns: 40,
    endOnFailure: true,
    examples: examples.map((example) => [example]),
  });
  t.ok(
    Object.values(outcomes).every((count) => count > 0),
    JSON.stringify(outcomes),
  );
  t.comment(outcomes);
});
