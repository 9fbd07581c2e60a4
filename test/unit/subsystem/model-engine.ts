/**
 * An engine with a world below it: files that are locked by who has them open, ports that are taken
 * once, contents that are compared, and a call that fails where a test says so.
 */

import { contentPath } from '../../../src/bdev/kinds.js';
import { isWildcard } from '../../../src/transport/address.js';

import type {
  BdevDescription,
  BdevParameters,
  Endpoint,
  EngineFacts,
  ListenerAddress,
  NamespaceEntry,
  NamespacePublication,
} from '../../../src/engine/engine-types.js';
import { TargetError } from '../../../src/errors.js';
import { FakeEngine } from './fake-engine.js';

const MIB = 1n << 20n;

interface Disk {
  /** Names what is stored there: two disks with one content are the same bytes. */
  readonly content: string;
  isWritten: boolean;
}

export class ModelEngine extends FakeEngine {
  override readonly facts: EngineFacts;
  /** By the engine's name. */
  readonly disks = new Map<string, Disk>();
  /** Sizes by path. */
  readonly files: ReadonlyMap<string, bigint>;
  /** Calls that may fail, counted; the one of this number does. -1: none. */
  failAt = -1;
  /** From `failAt` on, nothing can be opened or listened on. */
  failsOn = false;
  callCount = 0;
  /** Runs in every call that waits for a disk or an address, numbered on its own. */
  onWait: (number: number) => Promise<void> = async () => undefined;
  waitCount = 0;
  /** While set, a namespace that goes does not drain. */
  isHung = false;
  /** Something that was there before was taken away, or changed in a way that hosts may see. */
  isTouched = false;
  /** Every table that was in use, at each moment, by table: NSID to the engine's bdev. */
  readonly history = new Map<number, Map<number, string>[]>();
  #contentNext = 1;
  #release: (() => void)[] = [];

  constructor(files: ReadonlyMap<string, bigint>) {
    super();
    this.files = files;
    const { statNames } = (this.facts = new FakeEngine().facts);
    this.facts = {
      ...this.facts,
      statNames: {
        ...statNames,
        bdevOperations: ['read', 'write'],
        bdevOperationWords: ['operations', 'errors'],
      },
    };
  }

  override async bdevCreate(
    parameters: BdevParameters,
    claim = true,
    bases: readonly string[] = [],
  ): Promise<BdevDescription> {
    await this.#step(`bdevCreate ${parameters.name}`);
    const { name } = parameters;
    const path = contentPath(parameters);
    if (this.disks.has(name)) throw new TargetError('already_exists', `${name} is open`);
    const [base] = bases;
    if (base !== undefined) return this.#createOn(base, parameters, claim);
    const asked = parameters['size'];
    const size = path === undefined ? asked : this.files.get(path);
    if (size === undefined) throw new TargetError('not_found', `${path} does not exist`);
    if (asked !== undefined && asked !== size) {
      throw new TargetError('bdev_failed', `${path} has ${Number(size)} bytes`);
    }
    const opened = await super.bdevCreate({ ...parameters, size }, claim);
    const content = path ?? `${parameters.kind} ${this.#contentNext++}`;
    this.disks.set(name, { content, isWritten: false });
    return opened;
  }

  /** What is written to it is written to its base. */
  async #createOn(
    base: string,
    parameters: BdevParameters,
    claim: boolean,
  ): Promise<BdevDescription> {
    const below = this.disks.get(base);
    if (below === undefined) throw new TargetError('not_found', `there is no bdev ${base}`);
    const opened = await super.bdevCreate(parameters, claim, [base]);
    const content = `${below.content} from ${Number(parameters['offset'])}`;
    this.disks.set(parameters.name, { content, isWritten: false });
    return opened;
  }

  override async bdevDelete(name: string): Promise<void> {
    await this.#wait();
    if (!this.disks.has(name)) throw new TargetError('not_found', `there is no bdev ${name}`);
    await super.bdevDelete(name);
    this.disks.delete(name);
  }

  override async listenerAdd(endpoint: Endpoint): Promise<ListenerAddress> {
    await this.#step(`listenerAdd ${endpoint.address} ${endpoint.port}`);
    for (const taken of this.openListeners.values()) {
      if (taken.port !== endpoint.port) continue;
      const overlap = taken.address === endpoint.address || isWildcard(taken.address);
      if (!overlap && !isWildcard(endpoint.address)) continue;
      throw new TargetError('address_unavailable', `${endpoint.address} ${endpoint.port} is taken`);
    }
    return super.listenerAdd(endpoint);
  }

  override async listenerRemove(listener: number): Promise<void> {
    if (this.startedListeners.has(listener)) this.isTouched = true;
    await this.#wait();
    await super.listenerRemove(listener);
  }

  override namespaceTablePublish(
    table: number,
    entries: readonly NamespaceEntry[],
  ): NamespacePublication {
    if (this.#fails('once'))
      throw new TargetError('bdev_failed', `publishing table ${table} failed`);
    if (this.tables.has(table)) this.isTouched = true;
    const { applied, drained } = super.namespaceTablePublish(table, entries);
    const seen = new Map(entries.map(({ nsid, bdev }) => [nsid, bdev]));
    this.history.set(table, [...(this.history.get(table) ?? []), seen]);
    return { applied: applied.then(() => turns(1)), drained };
  }

  protected override drainedAfter(
    applied: Promise<void>,
    gone: readonly NamespaceEntry[],
  ): Promise<void> {
    if (gone.length === 0 || !this.isHung) return applied.then(() => turns(2));
    return new Promise((resolve) => this.#release.push(resolve));
  }

  override async controllerTerminate(
    controller: number,
    queues: 'io' | 'all',
    reason: string,
  ): Promise<void> {
    this.isTouched = true;
    await super.controllerTerminate(controller, queues, reason);
  }

  override bdevStats(name: string): readonly BigUint64Array[] {
    const written = this.disks.get(name)?.isWritten === true ? 1n : 0n;
    return [BigUint64Array.from([0n, 0n, written, 0n])];
  }

  /** What a table has, by NSID. */
  table(table: number): NamespaceEntry[] {
    return [...(this.tables.get(table) ?? [])].sort((a, b) => a.nsid - b.nsid);
  }

  /** The disks that hung are there again. */
  release(): void {
    this.isHung = false;
    for (const resolve of this.#release.splice(0)) resolve();
  }

  async #step(call: string): Promise<void> {
    await this.#wait();
    if (this.#fails('on')) throw new TargetError('bdev_failed', `${call} failed`);
  }

  async #wait(): Promise<void> {
    const number = this.waitCount;
    this.waitCount += 1;
    await turns(1);
    await this.onWait(number);
  }

  /** A disk or an address may be gone for long; the engine refuses a table at most once. */
  #fails(how: 'once' | 'on'): boolean {
    const number = this.callCount;
    this.callCount += 1;
    if (this.failAt < 0) return false;
    return number === this.failAt || (how === 'on' && this.failsOn && number > this.failAt);
  }
}

/** Files of the model's world. */
export const worldFiles: ReadonlyMap<string, bigint> = new Map([
  ['/capsuled-test/a.img', MIB],
  ['/capsuled-test/b.img', 2n * MIB],
]);

export async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}
