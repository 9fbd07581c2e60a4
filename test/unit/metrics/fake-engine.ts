/**
 * An engine without threads, for tests of what is around it. Statistics are arrays that the test
 * may write.
 */

import type {
  BdevDescription,
  BdevHealth,
  BdevParameters,
  BdevDrive,
  BdevPath,
  BdevSize,
  ContentFacts,
  Endpoint,
  Engine,
  EngineFacts,
  ListenerAddress,
  NamespacePublication,
} from '../../../src/engine/engine-types.js';
import { TargetError } from '../../../src/errors.js';
import { soundHealth } from '../../../src/subsystem/bdev-condition.js';
import { description } from '../bdev/description.js';

const facts: EngineFacts = {
  features: ['fake'],
  transferBytesMax: 1 << 20,
  queueEntriesMax: 128,
  connectionsMax: 4096,
  openFilesMax: 65536,
  answerBytesMax: 4096,
  inCapsuleBytes: 8192,
  statNames: {
    reactor: ['busy_ns', 'idle_ns', 'small_buffers_free', 'small_buffers_used'],
    transport: [
      'connections_total',
      'connection_live',
      'request_free',
      'error_pdu_sequence',
      'limit_host_small_buffers',
    ],
    namespaceOperations: ['read', 'write'],
    namespaceOperationWords: ['operations', 'bytes', 'errors', 'latency_ns'],
    latencyBoundsNs: [1000, 1250, 1500, 1750, 2000, 2500],
    bdevOperations: ['read', 'write'],
    bdevOperationWords: ['operations', 'bytes', 'errors', 'latency_ns'],
    bdevWords: ['qos_delayed'],
    controllerOperations: ['read', 'write'],
    controllerOperationWords: ['operations', 'bytes'],
  },
};

export class FakeEngine implements Engine {
  readonly facts = facts;
  readonly calls: string[] = [];
  readonly reactors = [new BigUint64Array(4), new BigUint64Array(4)];
  readonly transports = [new BigUint64Array(5), new BigUint64Array(5)];
  /** One reactor; words as `facts` names them. */
  readonly namespaces = new Map<string, BigUint64Array>();
  readonly controllers = new Map<number, BigUint64Array>();
  /** Of every bdev: read, then write, then what was delayed. */
  readonly bdevWords = BigUint64Array.from([5n, 20480n, 1n, 1_500_000_000n, 0n, 0n, 0n, 0n, 3n]);
  errors: { operation: string; status: number; count: bigint }[] = [];
  /** Of every bdev. */
  health = soundHealth;
  drive: BdevDrive | null = null;
  /** Ports that are taken. */
  readonly takenPorts = new Set<number>();
  /** What a stop waits for. */
  stopped: Promise<void> = Promise.resolve();
  #nextListener = 1;
  #nextPort = 50_000;

  async stop(): Promise<void> {
    this.calls.push('stop');
    await this.stopped;
  }

  async listenerAdd({ address, port }: Endpoint): Promise<ListenerAddress> {
    this.calls.push(`listenerAdd ${address} ${port}`);
    if (this.takenPorts.has(port)) {
      throw new TargetError('address_unavailable', 'something listens there already');
    }
    return { listener: this.#nextListener++, address, port: port === 0 ? this.#nextPort++ : port };
  }

  listenerStart(listener: number): void {
    this.calls.push(`listenerStart ${listener}`);
  }

  async listenerRemove(listener: number): Promise<void> {
    this.calls.push(`listenerRemove ${listener}`);
  }

  async bdevCreate(parameters: BdevParameters): Promise<BdevDescription> {
    this.calls.push(`bdevCreate ${parameters.name}`);
    return description(parameters);
  }

  async inspect(): Promise<ContentFacts | null> {
    return null;
  }

  async recordIdentity(): Promise<void> {
    this.calls.push('recordIdentity');
  }

  async lockFile(): Promise<void> {
    this.calls.push('lockFile');
  }

  async controllerWithhold(): Promise<void> {
    this.calls.push('controllerWithhold');
  }

  bdevChange(name: string): void {
    this.calls.push(`bdevChange ${name}`);
  }

  bdevLetGo(): void {
    // Nothing is under way here.
  }

  async bdevDelete(name: string): Promise<void> {
    this.calls.push(`bdevDelete ${name}`);
  }

  bdevHealth(): BdevHealth {
    return this.health;
  }

  bdevSize(): BdevSize {
    return { blockCount: 1n, foundBytes: 512n };
  }

  bdevDrive(): BdevDrive | null {
    return this.drive;
  }

  bdevPaths(): BdevPath[] {
    return [];
  }

  async bdevGrow(name: string): Promise<void> {
    this.calls.push(`bdevGrow ${name}`);
  }

  async bdevAcknowledge(name: string): Promise<void> {
    this.calls.push(`bdevAcknowledge ${name}`);
  }

  namespaceTablePublish(): NamespacePublication {
    this.calls.push('namespaceTablePublish');
    return { applied: Promise.resolve(), drained: Promise.resolve() };
  }

  async namespaceTableDelete(): Promise<void> {
    this.calls.push('namespaceTableDelete');
  }

  pageCreate(): number | null {
    return null;
  }

  pageDelete(): void {
    this.calls.push('pageDelete');
  }

  addressReserve(): void {
    this.calls.push('addressReserve');
  }

  complete(): void {
    this.calls.push('complete');
  }

  completeConnect(): void {
    this.calls.push('completeConnect');
  }

  controllerKeepAlive(): void {
    this.calls.push('controllerKeepAlive');
  }

  async controllerTerminate(controller: number): Promise<void> {
    this.calls.push(`controllerTerminate ${controller}`);
    this.controllers.delete(controller);
  }

  asynchronousEvent(): void {
    this.calls.push('asynchronousEvent');
  }

  async abort(): Promise<boolean> {
    return false;
  }

  connectionTerminate(connection: number): void {
    this.calls.push(`connectionTerminate ${connection}`);
  }

  reactorStats(): readonly BigUint64Array[] {
    return this.reactors;
  }

  transportStats(): readonly BigUint64Array[] {
    return this.transports;
  }

  namespaceStats(table: number, nsid: number): readonly BigUint64Array[] {
    const words = this.namespaces.get(`${table}/${nsid}`);
    return words === undefined ? [] : [words];
  }

  namespaceErrors(): readonly { operation: string; status: number; count: bigint }[] {
    return this.errors;
  }

  controllerStats(controller: number): readonly BigUint64Array[] {
    const words = this.controllers.get(controller);
    return words === undefined ? [] : [words];
  }

  bdevStats(): readonly BigUint64Array[] {
    return [this.bdevWords];
  }
}
