import fc from 'fast-check';
import t from 'tap';

import { describeConfiguration } from '../../../src/config/describe.js';
import { parseConfiguration } from '../../../src/config/load.js';
import { TargetError } from '../../../src/errors.js';
import { MemoryState } from '../../../src/identity/state-directory.js';
import { permissions } from '../../../src/subsystem/change.js';
import type { Permission } from '../../../src/subsystem/change.js';
import type { TargetConfiguration } from '../../../src/subsystem/configuration.js';
import { LogLimit } from '../../../src/subsystem/log-limit.js';
import { RetryTimer } from '../../../src/subsystem/retry-timer.js';
import { limitsDefault } from '../../../src/subsystem/target-options.js';
import { Target } from '../../../src/subsystem/target.js';
import { endpointKey } from '../../../src/transport/listener.js';
import { Bed, FakeHost } from './fake-host.js';
import { ModelEngine, turns, worldFiles } from './model-engine.js';
import { configurationPair, hostNqns, randomConfiguration } from './random-configuration.js';

/** A target over the model's world. */
class World extends Bed<ModelEngine> {
  readonly state: MemoryState;

  constructor(state = new MemoryState()) {
    super({ stateDirectory: state }, new ModelEngine(worldFiles));
    this.state = state;
  }

  /** What is remembered of disks, with them and beside them. */
  get records(): object {
    const carried = [...worldFiles.keys()].map(
      (path) => this.engine.disk.get(path)?.identity ?? '',
    );
    return { carried, kept: [...this.state.files].sort() };
  }

  /** What hosts could see, and what is stored. */
  get picture(): object {
    const { engine, target } = this;
    return {
      subsystems: target.subsystems.map(({ nqn, serial, model, hosts, allowAnyHost, table }) => ({
        nqn,
        serial,
        model,
        hosts: [...hosts].sort(),
        allowAnyHost,
        namespaces: engine.table(table).map(({ nsid, bdev, readOnly }) => ({
          nsid,
          readOnly,
          content: engine.disks.get(bdev)?.content,
        })),
      })),
      shown: target.subsystems.map(({ namespaces }) =>
        namespaces.map(({ nsid, bdev, readOnly }) => ({ nsid, bdev, readOnly })),
      ),
      bdevs: target.bdevs.map(({ name, engineName, readOnly, blockSize, blockCount }) => {
        const content = engine.disks.get(engineName)?.content;
        return { name, content, readOnly, blockSize, blockCount };
      }),
      listeners: [...engine.openListeners]
        .filter(([listener]) => engine.startedListeners.has(listener))
        .map(([, at]) => endpointKey(at))
        .sort(),
    };
  }

  /** Lets `work` end, with time passing if it waits for that. */
  async settle<T>(work: Promise<T>): Promise<PromiseSettledResult<T>> {
    const outcome: { settled: PromiseSettledResult<T> | null } = { settled: null };
    void Promise.allSettled([work]).then(([result]) => {
      outcome.settled = result;
    });
    for (let round = 0; round < 200; round++) {
      await turns(2);
      if (outcome.settled !== null) return outcome.settled;
      if (round % 10 === 9) this.clock.advance(limitsDefault.drainDeadlineMs);
    }
    throw new Error('it does not end');
  }

  /** Everything that is still under way ends. */
  async calm(): Promise<void> {
    this.engine.release();
    await turns(12);
  }
}

async function connectHosts(
  world: World,
  { subsystems }: TargetConfiguration,
  choice: readonly boolean[],
): Promise<FakeHost[]> {
  const hosts: FakeHost[] = [];
  let next = 0;
  for (const { nqn, allowAnyHost, hosts: listed, listeners } of subsystems) {
    for (const hostnqn of hostNqns) {
      const [at] = listeners;
      const isWanted = choice[next++ % choice.length] === true;
      if (!isWanted || at === undefined || !(allowAnyHost || listed.includes(hostnqn))) continue;
      hosts.push(await FakeHost.ready(world, { subnqn: nqn, hostnqn }, world.open(at.port, at)));
    }
  }
  return hosts;
}

/** A host for each subsystem comes; whoever is not let in goes. */
async function connectLate(world: World, nqns: readonly string[]): Promise<void> {
  for (const subnqn of nqns) {
    for (const hostnqn of hostNqns) {
      const listener = world.target.listeners.find(({ subsystems }) => subsystems.includes(subnqn));
      if (listener === undefined) continue;
      const { actual } = listener;
      const connection = world.open(actual.port, actual);
      await FakeHost.ready(world, { subnqn, hostnqn }, connection).catch(() => undefined);
    }
  }
}

interface Case {
  readonly pair: readonly [TargetConfiguration, TargetConfiguration];
  readonly connects: readonly boolean[];
  readonly writes: readonly boolean[];
  readonly allow: readonly Permission[];
  readonly failAt: number;
  readonly failsOn: boolean;
  readonly isHung: boolean;
  /** Each namespace was away before, and what was under way on it then has not ended. */
  readonly hangsBefore: boolean;
  /** At which wait of the change more hosts come; -1: never. */
  readonly lateAt: number;
}

const anyCase: fc.Arbitrary<Case> = fc.record({
  pair: configurationPair,
  connects: fc.array(fc.boolean(), { minLength: 5, maxLength: 9 }),
  writes: fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
  allow: fc.subarray([...permissions]),
  failAt: fc.integer({ min: -1, max: 14 }),
  failsOn: fc.boolean(),
  isHung: fc.boolean(),
  hangsBefore: fc.boolean(),
  lateAt: fc.integer({ min: -1, max: 6 }),
});

/** The written RAM disks that nobody may empty, by content. */
function precious({ engine, target }: World): string[] {
  return target.bdevs.flatMap(({ kind, engineName, parameters }) => {
    const disk = engine.disks.get(engineName);
    if (kind !== 'malloc' || parameters.disposable === true) return [];
    return disk?.isWritten === true ? [disk.content] : [];
  });
}

async function check({
  pair: [before, after],
  connects,
  writes,
  allow,
  failAt,
  failsOn,
  isHung,
  hangsBefore,
  lateAt,
}: Case): Promise<void> {
  const world = new World();
  const { engine, target } = world;
  await world.settle(target.apply(before));
  if (hangsBefore) {
    engine.isHung = true;
    const subsystems = before.subsystems.map((subsystem) => ({ ...subsystem, namespaces: [] }));
    await world.settle(target.apply({ ...before, subsystems }));
    await world.settle(target.apply(before));
  }
  let write = 0;
  for (const disk of engine.disks.values()) disk.isWritten = writes[write++ % 4] === true;
  // What was written to what stands on a disk was written to the disk.
  for (const { content, isWritten } of engine.disks.values()) {
    if (!isWritten) continue;
    for (const disk of engine.disks.values()) {
      if (content.startsWith(`${disk.content} from`)) disk.isWritten = true;
    }
  }
  const hosts = await connectHosts(world, before, connects);
  const was = world.picture;
  const recorded = world.records;
  const valuable = precious(world);
  const inUse = inUseNow(world, hosts);
  engine.isTouched = false;
  engine.history.clear();
  engine.callCount = 0;
  engine.waitCount = 0;
  Object.assign(engine, { failAt, failsOn, isHung });
  const late = target.configuration.subsystems.map(({ nqn }) => nqn);
  engine.onWait = async (number) => {
    if (number === lateAt) await connectLate(world, late);
  };

  const result = await world.settle(target.apply(after, { allow }));

  checkHosts(world, after, allow, inUse);
  engine.failAt = -1;
  const isBack = result.status === 'rejected' && result.reason instanceof TargetError;
  if (isBack) {
    const { code, message } = result.reason as TargetError;
    if (/nothing has changed/.test(message)) equal(engine.isTouched, false, message);
    // What could not be had again at once comes with the retries.
    if (code === 'rollback_failed') {
      for (let round = 0; round < 3; round++) {
        world.clock.advance(RetryTimer.lastMs);
        await world.calm();
      }
    }
    await world.calm();
    equal(world.picture, was, `as before, after ${message}`);
    equal(target.configuration, before, 'the old configuration');
    equal(world.records, recorded, `what is recorded, after ${message}`);
  } else {
    if (result.status === 'rejected') throw result.reason;
    await world.calm();
    checkDone(world, after);
  }
  if (!allow.includes('data-loss')) {
    const contents = new Set([...engine.disks.values()].map(({ content }) => content));
    const willing = new Set(
      (isBack ? before : after).bdevs
        .filter(({ disposable }) => disposable === true)
        .map(({ name }) => name),
    );
    const lost = valuable.filter((content) => !contents.has(content));
    if (lost.length > willing.size) fail('content is lost', lost);
  }
  // Refused hosts have left a timer of the log.
  world.clock.advance(LogLimit.intervalMs);
  checkNothingLeft(world);
}

/** What each connected host may count on: its table, and the bdev of each namespace. */
function inUseNow({ engine, target }: World, hosts: readonly FakeHost[]) {
  return target.subsystems
    .filter(({ nqn }) => hosts.some(({ subnqn }) => subnqn === nqn))
    .map(({ nqn, table, serial, model }) => ({
      nqn,
      table,
      serial,
      model,
      bdevs: new Map((engine.tables.get(table) ?? []).map(({ nsid, bdev }) => [nsid, bdev])),
    }));
}

function checkHosts(
  { engine, target }: World,
  after: TargetConfiguration,
  allow: readonly Permission[],
  inUse: ReturnType<typeof inUseNow>,
): void {
  if (allow.includes('disconnect')) return;
  for (const { reason } of engine.terminations) {
    if (reason !== 'host_removed') fail('cut off without permission', reason);
  }
  for (const { nqn, table, bdevs } of inUse) {
    for (const version of engine.history.get(table) ?? []) {
      for (const [nsid, bdev] of bdevs) {
        if (version.get(nsid) !== bdev) fail('a namespace was away', { nqn, nsid, bdev });
      }
    }
    if (!engine.tables.has(table)) fail('a table is gone', nqn);
  }
  const terminated = new Set(engine.terminations.map(({ controller }) => controller));
  for (const { nqn, hostNqn, controller } of target.controllers.map((view) => ({
    nqn: view.subsystem,
    ...view,
  }))) {
    const next = after.subsystems.find((subsystem) => subsystem.nqn === nqn);
    const stays = next?.allowAnyHost === true || next?.hosts.includes(hostNqn) === true;
    if (stays && terminated.has(controller)) fail('a host that stays was cut off', hostNqn);
  }
}

/** It is what `after` says, and nothing else. */
function checkDone({ engine, target }: World, after: TargetConfiguration): void {
  equal(target.configuration, after, 'the new configuration');
  equal(
    target.bdevs.map(({ name }) => name).sort(),
    after.bdevs.map(({ name }) => name).sort(),
    'bdevs',
  );
  for (const { name, engineName, readOnly, parameters } of target.bdevs) {
    const wanted = after.bdevs.find((bdev) => bdev.name === name);
    equal(parameters, wanted, 'parameters');
    equal(readOnly, wanted?.read_only ?? false, 'read_only');
    const disk = engine.disks.get(engineName);
    if (wanted?.path !== undefined) equal(disk?.content, wanted.path, 'content');
    const base = target.bdevs.find((bdev) => bdev.name === wanted?.base);
    if (base === undefined) continue;
    const below = engine.disks.get(base.engineName)?.content ?? '';
    equal(disk?.content, `${below} from ${Number(wanted?.offset)}`, 'what it stands on');
  }
  const names = new Map(target.bdevs.map(({ name, engineName }) => [engineName, name]));
  for (const { nqn, namespaces, hosts, allowAnyHost } of after.subsystems) {
    const view = target.subsystems.find((subsystem) => subsystem.nqn === nqn);
    equal(
      engine.table(view?.table ?? 0).map(({ nsid, bdev }) => ({ nsid, bdev: names.get(bdev) })),
      namespaces.map(({ nsid, bdev }) => ({ nsid, bdev })),
      `namespaces of ${nqn}`,
    );
    equal([...(view?.hosts ?? [])].sort(), [...hosts].sort(), 'hosts');
    for (const { hostNqn } of target.controllers.filter(({ subsystem }) => subsystem === nqn)) {
      if (!allowAnyHost && !hosts.includes(hostNqn)) fail('a host is still there', hostNqn);
    }
  }
  equal(target.subsystems.length, after.subsystems.length, 'subsystems');
}

/** Of bdevs, tables, sockets and waiting work there is what is configured, and no more. */
function checkNothingLeft({ engine, target, clock }: World): void {
  const { subsystems, discoveryListeners, bdevs } = target.configuration;
  const endpoints = [...discoveryListeners, ...subsystems.flatMap(({ listeners }) => listeners)];
  equal(
    [...engine.openListeners.values()].map(endpointKey).sort(),
    [...new Set(endpoints.map(endpointKey))].sort(),
    'sockets',
  );
  equal(engine.disks.size, bdevs.length, 'open bdevs');
  equal(engine.tables.size, subsystems.length, 'tables');
  equal(target.drains, [], 'drains');
  equal(target.unavailable, { bdevs: [], endpoints: [] }, 'unavailable');
  equal(clock.pending, 0, 'timers');
}

function text(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'bigint' ? inner.toString() : inner,
  );
}

function fail(what: string, about: unknown): never {
  throw new Error(`${what}: ${text(about)}`);
}

function equal(found: unknown, wanted: unknown, what: string): void {
  if (text(found) !== text(wanted)) {
    throw new Error(`${what}: found ${text(found)}, wanted ${text(wanted)}`);
  }
}

t.test(
  'a change is made whole, or not at all, and cuts off and empties nothing unasked',
  async (t) => {
    await fc.assert(fc.asyncProperty(anyCase, check), { numRuns: 400 });
    t.pass();
  },
);

t.test('what is printed of a running configuration is nothing to change', async (t) => {
  const { configuration: daemon } = parseConfiguration('version: 1', '/c.yaml', [0]);
  const property = fc.asyncProperty(randomConfiguration, async (configuration) => {
    const world = new World();
    const { target } = world;
    await world.settle(target.apply(configuration));
    const printed = describeConfiguration(daemon!, target.configuration, target.bdevs);
    const { issues, configuration: again } = parseConfiguration(text(printed), '/c.yaml', [0]);
    equal(
      issues.filter(({ severity }) => severity === 'error'),
      [],
      'issues',
    );
    equal(target.plan(again!.target).changes, [], 'changes');
    const calls = world.engine.calls.length;
    await world.settle(target.apply(again!.target));
    equal(world.engine.calls.length, calls, 'calls');
  });
  await fc.assert(property, { numRuns: 100 });
  t.pass();
});

t.test('the property finds a target that empties RAM disks', async (t) => {
  // What the check is worth: a target whose plans never ask must not hold it.
  const original = Object.getOwnPropertyDescriptor(Target.prototype, 'apply')!;
  const apply = original.value as Target['apply'];
  Target.prototype.apply = function careless(desired) {
    return apply.call(this, desired, { allow: permissions });
  };
  t.teardown(() => Object.defineProperty(Target.prototype, 'apply', original));
  const details = await fc.check(fc.asyncProperty(anyCase, check), { numRuns: 300 });
  t.equal(details.failed, true);
});
