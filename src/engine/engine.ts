/**
 * The engine as the admin plane uses it: {@link Engine} over the addon. Nobody else
 * uses it but ./load.ts.
 *
 * Thread: JavaScript's. Errors of the machine become a TargetError with the field at fault and the
 * likely fix.
 */

import { TargetError } from '../errors.js';
import { listenReason } from '../transport/listen-reason.js';
import { type NativeError, errnoText, loadAddon, targetError } from './addon.js';
import type {
  BdevDescription,
  BdevDrive,
  BdevPath,
  BdevHealth,
  BdevSize,
  BdevParameters,
  CommandAnswer,
  ContentFacts,
  Endpoint,
  Engine,
  EngineEvent,
  EngineEventsSink,
  EngineFacts,
  EngineOptions,
  ListenerAddress,
  NamespaceEntry,
  NamespacePublication,
  QueueAttach,
} from './engine-types.js';
import { EventPump } from './event-pump.js';
import { peerKinds } from './peer-kind.js';
import type { PeerKind } from './peer-kind.js';

/** What addon/binding exports. */
interface NativeEngine {
  facts(): EngineFacts;
  stop(): Promise<void>;
  listenerAdd(listener: number, endpoint: Endpoint): Promise<Endpoint>;
  listenerStart(listener: number): void;
  listenerRemove(listener: number): Promise<void>;
  bdevCreate(
    parameters: BdevParameters,
    claim: boolean,
    bases: readonly string[],
  ): Promise<BdevDescription>;
  bdevChange(name: string, parameters: BdevParameters): void;
  bdevLetGo(name: string): void;
  bdevDelete(name: string): Promise<void>;
  bdevHealth(name: string): BdevHealth | null;
  bdevSize(name: string): BdevSize | null;
  bdevDrive(name: string): BdevDrive | null;
  bdevPaths(name: string): BdevPath[];
  bdevGrow(name: string): Promise<void>;
  bdevAcknowledge(name: string): Promise<BdevOutcome>;
  namespacesPublish(table: number, entries: readonly NamespaceEntry[]): NamespacePublication;
  inspect(path: string): Promise<ContentFacts>;
  recordIdentity(path: string, device: bigint, inode: bigint, identity: string): Promise<void>;
  lockFile(path: string): Promise<void>;
  controllerWithhold(
    controller: number,
    nsids: readonly number[],
    retryDelay: number,
  ): Promise<void>;
  namespacesDelete(table: number): Promise<void>;
  drain(limit: number, kind: number): EngineEvent[];
  pageCreate(data: Uint8Array): number;
  pageDelete(page: number): void;
  complete(token: bigint, answer: CommandAnswer): void;
  completeConnect(token: bigint, attach: QueueAttach, dw0: number): void;
  controllerKeepAlive(controller: number, timeoutMs: number): void;
  controllerTerminate(controller: number, queues: 'io' | 'all', reason: string): Promise<void>;
  asynchronousEvent(controller: number, dw0: number): void;
  abort(controller: number, sqid: number, cid: number): Promise<boolean>;
  connectionTerminate(connection: number, reason: string): void;
  addressReserve(address: string, count: number): void;
  reactorStats(): BigUint64Array[];
  transportStats(): BigUint64Array[];
  namespaceStats(table: number, nsid: number): BigUint64Array[];
  namespaceErrors(
    table: number,
    nsid: number,
  ): { operation: string; status: number; count: bigint }[];
  controllerStats(controller: number): BigUint64Array[];
  bdevStats(name: string): BigUint64Array[];
}

/** What a bdev that was looked at again turned out to be. */
type BdevOutcome = 'well' | 'cut_short' | 'changed' | 'failed';

type NativeEngineClass = new (options: EngineOptions, wake: () => void) => NativeEngine;

/** Starts the reactors. Events go to `sink` in batches, in turns of the event loop. */
export function startEngine(options: EngineOptions, sink: EngineEventsSink): Promise<Engine> {
  const NativeEngine = loadAddon()['NativeEngine'] as NativeEngineClass;
  let native: NativeEngine;
  const drain = (limit: number, kind: PeerKind): EngineEvent[] =>
    native.drain(limit, peerKinds.indexOf(kind));
  const pump = new EventPump(drain, sink);
  try {
    native = new NativeEngine(options, pump.wake);
  } catch (thrown) {
    return Promise.reject(targetError(thrown, 'platform_unsupported', 'engine'));
  }
  return Promise.resolve(new AddonEngine(native));
}

class AddonEngine implements Engine {
  readonly facts: EngineFacts;
  readonly #native: NativeEngine;
  #nextListener = 1;

  constructor(native: NativeEngine) {
    this.#native = native;
    this.facts = native.facts();
  }

  stop(): Promise<void> {
    return this.#native.stop();
  }

  async listenerAdd(endpoint: Endpoint): Promise<ListenerAddress> {
    const listener = this.#nextListener++;
    try {
      return { listener, ...(await this.#native.listenerAdd(listener, endpoint)) };
    } catch (thrown) {
      // The caller says which endpoint it was.
      throw new TargetError('address_unavailable', listenReason(endpoint, thrown), {
        field: 'listeners',
        cause: thrown,
      });
    }
  }

  listenerStart(listener: number): void {
    this.#native.listenerStart(listener);
  }

  listenerRemove(listener: number): Promise<void> {
    return this.#native.listenerRemove(listener);
  }

  async bdevCreate(
    parameters: BdevParameters,
    claim = true,
    bases: readonly string[] = [],
  ): Promise<BdevDescription> {
    try {
      return await this.#native.bdevCreate(parameters, claim, bases);
    } catch (thrown) {
      throw targetError(thrown, 'bdev_failed');
    }
  }

  bdevChange(name: string, parameters: BdevParameters): void {
    try {
      this.#native.bdevChange(name, parameters);
    } catch (thrown) {
      throw targetError(thrown, 'bdev_failed');
    }
  }

  bdevLetGo(name: string): void {
    this.#native.bdevLetGo(name);
  }

  async bdevDelete(name: string): Promise<void> {
    try {
      await this.#native.bdevDelete(name);
    } catch (thrown) {
      throw targetError(thrown, 'bdev_failed', 'name');
    }
  }

  bdevHealth(name: string): BdevHealth | null {
    return this.#native.bdevHealth(name);
  }

  bdevSize(name: string): BdevSize | null {
    return this.#native.bdevSize(name);
  }

  bdevDrive(name: string): BdevDrive | null {
    return this.#native.bdevDrive(name);
  }

  bdevPaths(name: string): BdevPath[] {
    return this.#native.bdevPaths(name);
  }

  async bdevGrow(name: string): Promise<void> {
    try {
      await this.#native.bdevGrow(name);
    } catch (thrown) {
      throw targetError(thrown, 'bdev_failed', 'name');
    }
  }

  async bdevAcknowledge(name: string): Promise<void> {
    let outcome: BdevOutcome;
    try {
      outcome = await this.#native.bdevAcknowledge(name);
    } catch (thrown) {
      throw targetError(thrown, 'bdev_failed', 'name');
    }
    if (outcome === 'well') return;
    const last = this.bdevHealth(name)?.lastFailure;
    const why = {
      cut_short: 'its file is still shorter than the bdev; make it whole again first',
      changed: 'something more was lost meanwhile; try again',
      failed: `a flush still fails${last ? `: ${last.code} (${last.message})` : ''}`,
    }[outcome];
    throw new TargetError('bdev_failed', `the loss cannot be acknowledged: ${why}`);
  }

  async inspect(path: string): Promise<ContentFacts | null> {
    try {
      return await this.#native.inspect(path);
    } catch (thrown) {
      const { code } = thrown as NativeError;
      if (code === 'ENOENT' || code === 'ENOTDIR') return null;
      const why = errnoText(thrown as NativeError);
      throw new TargetError('bdev_failed', `${path} cannot be looked at: ${why}`, {
        field: 'path',
        cause: thrown,
      });
    }
  }

  async recordIdentity(
    path: string,
    { device, inode }: Pick<ContentFacts, 'device' | 'inode'>,
    identity: string,
  ): Promise<void> {
    try {
      await this.#native.recordIdentity(path, device, inode, identity);
    } catch (thrown) {
      const { code } = thrown as NativeError;
      const why = errnoText(thrown as NativeError);
      throw Object.assign(new Error(`${path}: ${why}`, { cause: thrown }), { code });
    }
  }

  lockFile(path: string): Promise<void> {
    return this.#native.lockFile(path);
  }

  controllerWithhold(
    controller: number,
    nsids: readonly number[],
    retryDelay: number,
  ): Promise<void> {
    return this.#native.controllerWithhold(controller, nsids, retryDelay);
  }

  namespaceTablePublish(table: number, entries: readonly NamespaceEntry[]): NamespacePublication {
    try {
      return this.#native.namespacesPublish(table, entries);
    } catch (thrown) {
      throw targetError(thrown, 'internal', 'bdev');
    }
  }

  namespaceTableDelete(table: number): Promise<void> {
    return this.#native.namespacesDelete(table);
  }

  pageCreate(data: Uint8Array): number | null {
    const page = this.#native.pageCreate(data);
    return page === 0 ? null : page;
  }

  pageDelete(page: number): void {
    this.#native.pageDelete(page);
  }

  complete(token: bigint, answer: CommandAnswer): void {
    const length = answer.data?.length ?? 0;
    if (length > this.facts.answerBytesMax) {
      throw new Error(
        `expected up to ${this.facts.answerBytesMax} bytes of data of an answer, got ${length}`,
      );
    }
    this.#native.complete(token, answer);
  }

  completeConnect(token: bigint, attach: QueueAttach, dw0: number): void {
    this.#native.completeConnect(token, attach, dw0);
  }

  controllerKeepAlive(controller: number, timeoutMs: number): void {
    this.#native.controllerKeepAlive(controller, timeoutMs);
  }

  controllerTerminate(controller: number, queues: 'io' | 'all', reason: string): Promise<void> {
    return this.#native.controllerTerminate(controller, queues, reason);
  }

  asynchronousEvent(controller: number, dw0: number): void {
    this.#native.asynchronousEvent(controller, dw0);
  }

  abort(controller: number, sqid: number, cid: number): Promise<boolean> {
    return this.#native.abort(controller, sqid, cid);
  }

  connectionTerminate(connection: number, reason: string): void {
    this.#native.connectionTerminate(connection, reason);
  }

  addressReserve(address: string, count: number): void {
    this.#native.addressReserve(address, count);
  }

  reactorStats(): readonly BigUint64Array[] {
    return this.#native.reactorStats();
  }

  transportStats(): readonly BigUint64Array[] {
    return this.#native.transportStats();
  }

  namespaceStats(table: number, nsid: number): readonly BigUint64Array[] {
    return this.#native.namespaceStats(table, nsid);
  }

  namespaceErrors(
    table: number,
    nsid: number,
  ): readonly { operation: string; status: number; count: bigint }[] {
    return this.#native.namespaceErrors(table, nsid);
  }

  controllerStats(controller: number): readonly BigUint64Array[] {
    return this.#native.controllerStats(controller);
  }

  bdevStats(name: string): readonly BigUint64Array[] {
    return this.#native.bdevStats(name);
  }
}
