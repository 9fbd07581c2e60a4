/**
 * An engine without reactors: keeps what it is told, answers at once, and fails or waits where a
 * test says so. Its connections close as the real ones do: terminating a controller closes its
 * queues first, then resolves.
 */

import { contentPath } from '../../../src/bdev/kinds.js';
import type {
  BdevDescription,
  BdevHealth,
  BdevParameters,
  BdevDrive,
  BdevPath,
  BdevSize,
  CommandAnswer,
  ContentFacts,
  Endpoint,
  Engine,
  EngineEvent,
  EngineFacts,
  ListenerAddress,
  NamespaceEntry,
  NamespacePublication,
  QueueAttach,
} from '../../../src/engine/engine-types.js';
import { TargetError } from '../../../src/errors.js';
import { soundHealth } from '../../../src/subsystem/bdev-condition.js';
import { description } from '../bdev/description.js';
import { FakeFiles } from '../bdev/fake-files.js';

export interface FakeAnswer extends CommandAnswer {
  /** Set if the answer was to a Connect that succeeded. */
  readonly attach?: QueueAttach;
}

const facts: EngineFacts = {
  features: [],
  transferBytesMax: 1 << 20,
  queueEntriesMax: 128,
  connectionsMax: 4096,
  openFilesMax: 65536,
  answerBytesMax: 4096,
  inCapsuleBytes: 8192,
  statNames: {
    reactor: [],
    transport: [],
    namespaceOperations: ['read', 'write', 'flush'],
    namespaceOperationWords: ['operations', 'bytes', 'errors', 'latency_ns'],
    latencyBoundsNs: [1024, 2048],
    bdevOperations: [],
    bdevOperationWords: [],
    bdevWords: [],
    controllerOperations: [],
    controllerOperationWords: [],
  },
};

interface FileLock {
  readonly facts: ContentFacts;
  readonly readOnly: boolean;
}

/** Words of one operation in the fake's namespace statistics, histogram included. */
export const operationStride = 4 + 2 + 1;

export class FakeEngine implements Engine {
  facts = facts;
  sink: (events: readonly EngineEvent[]) => void = () => undefined;
  readonly answers = new Map<bigint, FakeAnswer>();
  readonly tables = new Map<number, readonly NamespaceEntry[]>();
  readonly bdevNames = new Set<string>();
  readonly openListeners = new Map<number, Endpoint>();
  /** Connections by number, with the queue that each became. */
  readonly attached = new Map<number, QueueAttach>();
  readonly events: { controller: number; dw0: number }[] = [];
  readonly keepAlives: { controller: number; timeoutMs: number }[] = [];
  readonly terminations: { controller: number; queues: 'io' | 'all'; reason: string }[] = [];
  /** Every call that changes something, in order: `bdevCreate ram0`. */
  readonly calls: string[] = [];
  /** Calls that fail, by the text in {@link calls}. */
  readonly failing = new Set<string>();
  readonly stats = new Map<string, BigUint64Array>();
  /** By the engine's name: the parameters of the last {@link bdevChange}. */
  readonly changes = new Map<string, BdevParameters>();
  readonly letGo = new Set<string>();
  /** By the engine's name of the bdev. */
  readonly bdevWords = new Map<string, BigUint64Array>();
  /** By the engine's name of the bdev. */
  readonly sizes = new Map<string, BdevSize>();
  /** By name; of bdevs that drive their device. */
  readonly drives = new Map<string, BdevDrive>();
  /** By name; of bdevs that have several. */
  readonly paths = new Map<string, BdevPath[]>();
  /** Of bdevs that are not sound. */
  readonly healths = new Map<string, BdevHealth>();
  /** While set, acknowledgements wait for it. */
  acknowledged: Promise<void> | null = null;
  readonly disk = new FakeFiles();
  /** By controller: the namespaces that it is kept from, and the CRD of their commands. */
  readonly withheld = new Map<number, { nsids: readonly number[]; retryDelay: number }>();
  /** While set, terminations wait for it. */
  drained: Promise<void> | null = null;
  /** While set, namespace tables that are published wait for it before they are applied. */
  published: Promise<void> | null = null;
  /** While set, what publications take away waits for it. */
  hung: Promise<void> | null = null;
  /**
   * Runs in each call that may wait for a disk or an address, with its text; may wait, and fail.
   */
  onCall: (call: string) => Promise<void> = async () => undefined;
  /** Of those that are open, the ones that accept. */
  readonly startedListeners = new Set<number>();
  abortResult: Promise<boolean> = Promise.resolve(true);
  bdevFields: Partial<BdevDescription> = {};
  /** Pages that were not deleted. */
  readonly pages = new Map<number, Buffer>();
  pagesCreated = 0;
  pagesFull = false;
  /** By address. */
  readonly reserves = new Map<string, number>();
  #pageNext = 0;
  #listenerNext = 1;
  #portNext = 40000;
  readonly #tokens = new Map<bigint, number>();
  /** By bdev: the drains that hold it open. */
  readonly #draining = new Map<string, Set<Promise<void>>>();
  /** By bdev: the file that it has locked. */
  /** By name: what it stands on. */
  readonly #standing = new Map<string, readonly string[]>();
  readonly #locks = new Map<string, FileLock>();
  #waiting: { token: bigint; resolve: (answer: FakeAnswer) => void }[] = [];

  async stop(): Promise<void> {
    this.#call('stop');
  }

  async listenerAdd(endpoint: Endpoint): Promise<ListenerAddress> {
    this.#call(`listenerAdd ${endpoint.address} ${endpoint.port}`);
    const listener = this.#listenerNext;
    this.#listenerNext += 1;
    const port = endpoint.port === 0 ? this.#portNext++ : endpoint.port;
    this.openListeners.set(listener, { address: endpoint.address, port });
    await this.onCall('listenerAdd');
    return { listener, address: endpoint.address, port };
  }

  listenerStart(listener: number): void {
    this.#call(`listenerStart ${this.openListeners.get(listener)?.port ?? 'unknown'}`);
    this.startedListeners.add(listener);
  }

  async listenerRemove(listener: number): Promise<void> {
    this.#call(`listenerRemove ${this.openListeners.get(listener)?.port ?? 'unknown'}`);
    this.openListeners.delete(listener);
    this.startedListeners.delete(listener);
  }

  async bdevCreate(
    parameters: BdevParameters,
    claim = true,
    bases: readonly string[] = [],
  ): Promise<BdevDescription> {
    const call = `${claim ? 'bdevCreate' : 'bdevTry'} ${parameters.name}`;
    this.#call(call);
    await this.onCall(call);
    const { name } = parameters;
    const path = contentPath(parameters);
    const readOnly = parameters['read_only'] === true;
    const created = path !== undefined && this.disk.get(path) === null;
    if (created) {
      if (this.disk.wasRemoved(path) && parameters['create'] !== true) {
        throw new TargetError('not_found', `${path} does not exist`);
      }
      this.disk.put(path, { size: (parameters['size'] as bigint | undefined) ?? 1n << 20n });
    }
    const content = path === undefined ? null : this.disk.get(path);
    if (content !== null && claim) this.#lock(name, path ?? '', { facts: content, readOnly });
    for (const base of bases) {
      if (!this.bdevNames.has(base)) throw new TargetError('not_found', `there is no bdev ${base}`);
    }
    this.bdevNames.add(name);
    this.#standing.set(name, bases);
    const described = { ...description(parameters), created, content, ...this.bdevFields };
    const { blockCount } = described;
    this.sizes.set(name, { blockCount, foundBytes: blockCount * 512n });
    return described;
  }

  /** As the engine does: refused while a table has the bdev, or had it and drains. */
  bdevChange(name: string, parameters: BdevParameters): void {
    this.#call(`bdevChange ${name}`);
    this.changes.set(name, parameters);
  }

  bdevLetGo(name: string): void {
    this.letGo.add(name);
  }

  async bdevDelete(name: string): Promise<void> {
    this.#call(`bdevDelete ${name}`);
    const inTable = [...this.tables.values()].flat().some(({ bdev }) => bdev === name);
    const isBase = [...this.#standing.values()].flat().includes(name);
    if (isBase || inTable || (this.#draining.get(name)?.size ?? 0) > 0) {
      throw new TargetError('in_use', 'remove a bdev: it is open', { field: 'name' });
    }
    this.bdevNames.delete(name);
    this.#standing.delete(name);
    this.#locks.delete(name);
  }

  /** A file is one writer's, or many readers'. */
  #lock(bdev: string, path: string, lock: FileLock): void {
    const { device, inode, bornNs } = lock.facts;
    for (const { facts: held, readOnly } of this.#locks.values()) {
      const isSame = held.device === device && held.inode === inode && held.bornNs === bornNs;
      if (!isSame || (readOnly && lock.readOnly)) continue;
      throw new TargetError('in_use', `${path} is in use: another bdev has locked it`);
    }
    this.#locks.set(bdev, lock);
  }

  bdevHealth(name: string): BdevHealth | null {
    return this.bdevNames.has(name) ? (this.healths.get(name) ?? soundHealth) : null;
  }

  bdevSize(name: string): BdevSize | null {
    return this.bdevNames.has(name) ? (this.sizes.get(name) ?? null) : null;
  }

  bdevDrive(name: string): BdevDrive | null {
    return this.drives.get(name) ?? null;
  }

  bdevPaths(name: string): BdevPath[] {
    return this.paths.get(name) ?? [];
  }

  async bdevGrow(name: string): Promise<void> {
    this.#call(`bdevGrow ${name}`);
    await this.onCall(`bdevGrow ${name}`);
    const { foundBytes } = this.sizes.get(name)!;
    for (const grown of [name, ...this.#above(name)]) {
      this.sizes.set(grown, { blockCount: foundBytes / 512n, foundBytes });
    }
  }

  #above(name: string): string[] {
    const above = [...this.#standing].filter(([, bases]) => bases.includes(name));
    return above.flatMap(([user]) => [user, ...this.#above(user)]);
  }

  async bdevAcknowledge(name: string): Promise<void> {
    this.#call(`bdevAcknowledge ${name}`);
    if (this.acknowledged !== null) await this.acknowledged;
    this.healths.delete(name);
  }

  async inspect(path: string): Promise<ContentFacts | null> {
    await this.onCall(`inspect ${path}`);
    return this.disk.get(path);
  }

  async recordIdentity(
    path: string,
    file: Pick<ContentFacts, 'device' | 'inode'>,
    identity: string,
  ): Promise<void> {
    await this.onCall(`recordIdentity ${path}`);
    this.disk.record(path, file, identity);
  }

  async lockFile(): Promise<void> {
    this.#call('lockFile');
  }

  async controllerWithhold(
    controller: number,
    nsids: readonly number[],
    retryDelay: number,
  ): Promise<void> {
    this.#call(`withhold ${nsids.join(',')}`);
    this.withheld.set(controller, { nsids, retryDelay });
  }

  namespaceTablePublish(table: number, entries: readonly NamespaceEntry[]): NamespacePublication {
    this.#call(`publish ${entries.map((entry) => entry.nsid).join(',')}`);
    for (const { bdev } of entries) {
      if (!this.bdevNames.has(bdev)) throw new Error(`there is no bdev ${bdev}`);
    }
    const before = this.tables.get(table) ?? [];
    this.tables.set(table, entries);
    const applied = this.published ?? Promise.resolve();
    const gone = before.filter((old) => !entries.some((entry) => isSameEntry(old, entry)));
    return { applied, drained: this.#drain(gone, this.drainedAfter(applied, gone)) };
  }

  async namespaceTableDelete(table: number): Promise<void> {
    this.#call('tableDelete');
    const gone = this.tables.get(table) ?? [];
    this.tables.delete(table);
    await this.#drain(gone, this.drainedAfter(Promise.resolve(), gone));
  }

  /** When the commands on namespaces that went have ended. */
  protected drainedAfter(applied: Promise<void>, gone: readonly NamespaceEntry[]): Promise<void> {
    return gone.length > 0 && this.hung !== null ? this.hung : applied;
  }

  /** Their bdevs are open until then. */
  #drain(gone: readonly NamespaceEntry[], drained: Promise<void>): Promise<void> {
    const released = drained.then(() => {
      for (const { bdev } of gone) this.#draining.get(bdev)?.delete(released);
    });
    for (const { bdev } of gone) {
      const holding = this.#draining.get(bdev) ?? new Set();
      this.#draining.set(bdev, holding.add(released));
    }
    return released;
  }

  pageCreate(data: Uint8Array): number | null {
    if (this.pagesFull) return null;
    this.#pageNext += 1;
    this.pages.set(this.#pageNext, Buffer.from(data));
    this.pagesCreated += 1;
    return this.#pageNext;
  }

  pageDelete(page: number): void {
    if (!this.pages.delete(page)) throw new Error(`there is no page ${page}`);
  }

  addressReserve(address: string, count: number): void {
    if (count === 0) this.reserves.delete(address);
    else this.reserves.set(address, count);
  }

  /** As the engine does: an answer's data are whole when the test sees them. */
  complete(token: bigint, answer: CommandAnswer): void {
    const { page, pageOffset = 0, dataLength, data, ...rest } = answer;
    if ((data?.length ?? 0) > this.facts.answerBytesMax) throw new Error('too much data');
    if (page === undefined && data === undefined) {
      this.#answer(token, answer);
      return;
    }
    const known = page === undefined ? data : this.pages.get(page)?.subarray(pageOffset);
    if (known === undefined) throw new Error(`there is no page ${page}`);
    const whole = Buffer.alloc(dataLength ?? known.length);
    Buffer.from(known).copy(whole);
    this.#answer(token, { ...rest, data: whole });
  }

  completeConnect(token: bigint, attach: QueueAttach, dw0: number): void {
    const connection = this.#tokens.get(token);
    if (connection !== undefined) this.attached.set(connection, attach);
    this.#answer(token, { status: 0, dw0, attach });
  }

  controllerKeepAlive(controller: number, timeoutMs: number): void {
    this.keepAlives.push({ controller, timeoutMs });
  }

  async controllerTerminate(
    controller: number,
    queues: 'io' | 'all',
    reason: string,
  ): Promise<void> {
    this.terminations.push({ controller, queues, reason });
    this.#call(`terminate ${queues} ${reason}`);
    if (this.drained !== null) await this.drained;
    for (const [connection, queue] of this.attached) {
      if (queue.controller !== controller || (queues === 'io' && queue.qid === 0)) continue;
      this.close(connection, 'terminated');
    }
  }

  asynchronousEvent(controller: number, dw0: number): void {
    this.events.push({ controller, dw0 });
  }

  abort(): Promise<boolean> {
    return this.abortResult;
  }

  connectionTerminate(connection: number, reason: string): void {
    this.close(connection, reason);
  }

  reactorStats(): readonly BigUint64Array[] {
    return [];
  }

  transportStats(): readonly BigUint64Array[] {
    return [];
  }

  namespaceStats(table: number, nsid: number): readonly BigUint64Array[] {
    const stats = this.stats.get(`${table} ${nsid}`);
    return stats === undefined ? [] : [stats];
  }

  namespaceErrors(): [] {
    return [];
  }

  controllerStats(): readonly BigUint64Array[] {
    return [];
  }

  bdevStats(name: string): readonly BigUint64Array[] {
    const words = this.bdevWords.get(name);
    return words === undefined ? [] : [words];
  }

  /** The host's side went away, or the engine closed it. */
  close(connection: number, reason: string): void {
    this.attached.delete(connection);
    this.sink([{ type: 'connection_closed', connection, reason }]);
  }

  /** Hands a command to the target; resolves with its answer. */
  command(event: Extract<EngineEvent, { type: 'command' }>): Promise<FakeAnswer> {
    this.#tokens.set(event.token, event.connection);
    const answered = new Promise<FakeAnswer>((resolve) => {
      this.#waiting.push({ token: event.token, resolve });
    });
    this.sink([event]);
    return answered;
  }

  #answer(token: bigint, answer: FakeAnswer): void {
    if (this.answers.has(token)) throw new Error(`command ${token} was answered twice`);
    this.answers.set(token, answer);
    this.#waiting.find((waiting) => waiting.token === token)?.resolve(answer);
    this.#waiting = this.#waiting.filter((waiting) => waiting.token !== token);
  }

  #call(text: string): void {
    this.calls.push(text);
    if (this.failing.has(text)) throw new TargetError('bdev_failed', `${text} failed`);
  }
}

function isSameEntry(left: NamespaceEntry, right: NamespaceEntry): boolean {
  return left.nsid === right.nsid && left.bdev === right.bdev && left.readOnly === right.readOnly;
}
