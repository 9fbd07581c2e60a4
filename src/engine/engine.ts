/**
 * The engine as the admin plane uses it: {@link Engine} over the addon. The only file that imports
 * it.
 *
 * Thread: JavaScript's. Errors of the machine become a TargetError with the field at fault and the
 * likely fix.
 */

import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { TargetError } from '../errors.js';
import type { ErrorCode } from '../errors.js';
import type {
  BdevDescription,
  BdevParameters,
  CommandAnswer,
  Endpoint,
  Engine,
  EngineEventsSink,
  EngineFacts,
  EngineOptions,
  ListenerAddress,
  NamespaceEntry,
  QueueAttach,
} from './engine-types.js';

/** What addon/binding exports. */
interface NativeEngine {
  facts(): EngineFacts;
  stop(): Promise<void>;
  listenerAdd(listener: number, endpoint: Endpoint): Promise<Endpoint>;
  listenerRemove(listener: number): Promise<void>;
  bdevCreate(parameters: BdevParameters): Promise<BdevDescription>;
  bdevDelete(name: string): Promise<void>;
  namespacesPublish(table: number, entries: readonly NamespaceEntry[]): Promise<void>;
  namespacesDelete(table: number): Promise<void>;
  complete(token: bigint, answer: CommandAnswer): void;
  completeConnect(token: bigint, attach: QueueAttach, dw0: number): boolean;
  controllerKeepAlive(controller: number, timeoutMs: number): void;
  controllerTerminate(controller: number, queues: 'io' | 'all', reason: string): Promise<void>;
  asynchronousEvent(controller: number, dw0: number): void;
  abort(controller: number, sqid: number, cid: number): Promise<boolean>;
  connectionTerminate(connection: number, reason: string): void;
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

interface Addon {
  NativeEngine: new (options: EngineOptions, sink: EngineEventsSink) => NativeEngine;
}

/** What the addon throws: a system error, sometimes with the parameter at fault. */
interface NativeError extends Error {
  readonly code?: string;
  readonly field?: string;
}

const codesOfErrno: Readonly<Record<string, ErrorCode>> = {
  EADDRINUSE: 'address_unavailable',
  EADDRNOTAVAIL: 'address_unavailable',
  EACCES: 'forbidden',
  EPERM: 'forbidden',
  EBUSY: 'in_use',
  EEXIST: 'already_exists',
  ENOENT: 'not_found',
  ENOMEM: 'out_of_memory',
  ENOSYS: 'platform_unsupported',
};

function targetError(thrown: unknown, fallback: ErrorCode, field?: string): TargetError {
  const error = thrown as NativeError;
  const code = codesOfErrno[error.code ?? ''] ?? fallback;
  const at = error.field ?? field;
  return new TargetError(code, error.message, {
    cause: thrown,
    ...(at === undefined ? {} : { field: at }),
  });
}

/** The directory with package.json, from src/ and from dist/src/ alike. */
function packageRoot(): string {
  let directory = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(directory, 'binding.gyp'))) {
    const parent = dirname(directory);
    if (parent === directory) {
      throw new TargetError('engine_unavailable', 'the package directory of capsuled is not found');
    }
    directory = parent;
  }
  return directory;
}

function loadAddon(): Addon {
  const path = join(packageRoot(), 'build', 'Release', 'capsuled.node');
  if (!existsSync(path)) {
    throw new TargetError(
      'engine_unavailable',
      `the native engine is not built: ${path} is missing; run \`npm run setup\``,
    );
  }
  try {
    return createRequire(import.meta.url)(path) as Addon;
  } catch (thrown) {
    throw new TargetError(
      'engine_unavailable',
      `the native engine does not load (${(thrown as Error).message}); run \`npm run setup\``,
      { cause: thrown },
    );
  }
}

/** Starts the reactors. Events go to `sink` in batches. */
export function startEngine(options: EngineOptions, sink: EngineEventsSink): Promise<Engine> {
  const addon = loadAddon();
  let native: NativeEngine;
  try {
    native = new addon.NativeEngine(options, sink);
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
      const { message, code } = thrown as NativeError;
      throw targetError(
        Object.assign(
          new Error(
            `cannot listen on ${endpoint.address} port ${String(endpoint.port)}: ${message}` +
              (code === 'EADDRINUSE' ? ' (`ss -ltnp` shows who has it)' : ''),
          ),
          { code },
        ),
        'address_unavailable',
        'listeners',
      );
    }
  }

  listenerRemove(listener: number): Promise<void> {
    return this.#native.listenerRemove(listener);
  }

  async bdevCreate(parameters: BdevParameters): Promise<BdevDescription> {
    try {
      return await this.#native.bdevCreate(parameters);
    } catch (thrown) {
      throw targetError(thrown, 'bdev_failed');
    }
  }

  async bdevDelete(name: string): Promise<void> {
    try {
      await this.#native.bdevDelete(name);
    } catch (thrown) {
      throw targetError(thrown, 'bdev_failed', 'name');
    }
  }

  async namespaceTablePublish(table: number, entries: readonly NamespaceEntry[]): Promise<void> {
    try {
      await this.#native.namespacesPublish(table, entries);
    } catch (thrown) {
      throw targetError(thrown, 'internal', 'bdev');
    }
  }

  namespaceTableDelete(table: number): Promise<void> {
    return this.#native.namespacesDelete(table);
  }

  complete(token: bigint, answer: CommandAnswer): void {
    this.#native.complete(token, answer);
  }

  completeConnect(token: bigint, attach: QueueAttach, dw0: number): boolean {
    return this.#native.completeConnect(token, attach, dw0);
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
