/**
 * An engine without reactors: keeps what it is told, answers at once, and fails or waits where a
 * test says so. Its connections close as the real ones do: terminating a controller closes its
 * queues first, then resolves.
 */

import type {
  BdevDescription,
  BdevParameters,
  CommandAnswer,
  Endpoint,
  Engine,
  EngineEvent,
  EngineFacts,
  ListenerAddress,
  NamespaceEntry,
  QueueAttach,
} from '../../../src/engine/engine-types.js';
import { TargetError } from '../../../src/errors.js';
import { description } from '../bdev/description.js';

export interface FakeAnswer extends CommandAnswer {
  /** Set if the answer was to a Connect that succeeded. */
  readonly attach?: QueueAttach;
}

const facts: EngineFacts = {
  features: [],
  transferBytesMax: 1 << 20,
  queueEntriesMax: 128,
  inCapsuleBytes: 8192,
  statNames: {
    reactor: [],
    transport: [],
    namespaceOperations: ['read', 'write', 'flush'],
    namespaceOperationWords: ['operations', 'bytes', 'errors', 'latency_ns'],
    latencyBoundsNs: [1024, 2048],
    bdevOperations: [],
    bdevOperationWords: [],
    controllerOperations: [],
    controllerOperationWords: [],
  },
};

/** Words of one operation in the fake's namespace statistics, histogram included. */
export const operationStride = 4 + 2 + 1;

export class FakeEngine implements Engine {
  readonly facts = facts;
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
  /** While set, terminations wait for it. */
  drained: Promise<void> | null = null;
  /** While set, namespace tables that are published wait for it. */
  published: Promise<void> | null = null;
  /** While set, listeners are open before their numbers are told. */
  listening: Promise<void> | null = null;
  abortResult: Promise<boolean> = Promise.resolve(true);
  bdevFields: Partial<BdevDescription> = {};
  #listenerNext = 1;
  #portNext = 40000;
  readonly #tokens = new Map<bigint, number>();
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
    if (this.listening !== null) await this.listening;
    return { listener, address: endpoint.address, port };
  }

  async listenerRemove(listener: number): Promise<void> {
    this.#call(`listenerRemove ${this.openListeners.get(listener)?.port ?? 'unknown'}`);
    this.openListeners.delete(listener);
  }

  async bdevCreate(parameters: BdevParameters): Promise<BdevDescription> {
    this.#call(`bdevCreate ${parameters.name}`);
    this.bdevNames.add(parameters.name);
    return { ...description(parameters), ...this.bdevFields };
  }

  async bdevDelete(name: string): Promise<void> {
    this.#call(`bdevDelete ${name}`);
    for (const entries of this.tables.values()) {
      if (entries.some((entry) => entry.bdev === name)) throw new Error(`${name} is in use`);
    }
    this.bdevNames.delete(name);
  }

  async namespaceTablePublish(table: number, entries: readonly NamespaceEntry[]): Promise<void> {
    this.#call(`publish ${entries.map((entry) => entry.nsid).join(',')}`);
    for (const { bdev } of entries) {
      if (!this.bdevNames.has(bdev)) throw new Error(`there is no bdev ${bdev}`);
    }
    this.tables.set(table, entries);
    if (this.published !== null) await this.published;
  }

  async namespaceTableDelete(table: number): Promise<void> {
    this.#call('tableDelete');
    this.tables.delete(table);
  }

  complete(token: bigint, answer: CommandAnswer): void {
    this.#answer(token, answer);
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

  bdevStats(): readonly BigUint64Array[] {
    return [];
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
