/**
 * What the schema alone cannot say: names that must be unique or must exist, values that depend on
 * each other or on this machine. Works on drafts: what the reader could not read is missing, and is
 * not reported a second time.
 */

import { totalmem } from 'node:os';
import type { BdevDraft } from '../bdev/kind.js';
import { baseKeys, basesOf, contentKey, kindOf } from '../bdev/kinds.js';
import { checkQos } from '../bdev/qos.js';
import { circleFrom, stackDepthMax, tooHigh } from '../bdev/stack.js';
import type { BdevParameters, Endpoint } from '../engine/engine-types.js';
import { isLoopback } from '../transport/address.js';
import { EndpointIndex } from '../transport/endpoint-index.js';
import { endpointKey, endpointText } from '../transport/listener.js';
import { nearest } from './nearest.js';
import { reactorCores } from './normalize.js';
import type { Reader } from './reader.js';
import type { Configuration, Draft } from './schema.js';
import { formatSize } from './size.js';

/** What the checks ask the machine; tests put their own in. */
export interface Machine {
  readonly allowedCores: readonly number[];
  /** Absolute form of a path in the file. */
  readonly resolvePath: (path: string) => string;
}

const REACTOR_MEMORY_MIN = 16n << 20n;

/**
 * How many names are compared in all to say which one was meant. Where hundreds are missing, the
 * file is not misspelt, and the control plane has better things to do.
 */
const COMPARISONS_MAX = 10_000;

type DraftConfiguration = Draft<Configuration>;

export function check(draft: DraftConfiguration, reader: Reader, machine: Machine): void {
  checkEngine(draft, reader, machine);
  checkAdmin(draft, reader);
  checkBdevs(draft, reader, machine);
  checkSubsystems(draft, reader);
  checkNamespaces(draft, reader);
  checkListeners(draft, reader);
}

function checkEngine({ engine }: DraftConfiguration, reader: Reader, machine: Machine): void {
  const reactors = engine?.reactors;
  const { allowedCores } = machine;
  if (typeof reactors === 'number' && reactors > allowedCores.length) {
    const available = String(allowedCores.length);
    reader.error(
      'engine.reactors',
      `expected at most ${available}, the number of cores that this process may use, got ${String(reactors)}`,
    );
  }
  if (Array.isArray(reactors)) {
    reactors.forEach((core: number | undefined, index) => {
      if (core === undefined) return;
      const path = `engine.reactors[${String(index)}]`;
      if (reactors.indexOf(core) !== index) {
        reader.error(path, `expected each core once, got ${String(core)} again`);
      } else if (!allowedCores.includes(core)) {
        const list = allowedCores.join(', ');
        reader.error(
          path,
          `expected a core that this process may use (${list}), got ${String(core)}`,
        );
      }
    });
  }
  if (engine?.memory === undefined || reactors === undefined) return;
  const count = reactorCores(reactors, allowedCores).length;
  const least = REACTOR_MEMORY_MIN * BigInt(count);
  if (engine.memory < least) {
    const got = formatSize(engine.memory);
    reader.error(
      'engine.memory',
      `expected at least 16MiB for each of ${String(count)} reactors (${formatSize(least)}), got ${got}`,
    );
  }
}

function checkAdmin({ admin }: DraftConfiguration, reader: Reader): void {
  const listen = admin?.listen;
  const tokenFile = admin?.token_file;
  if (listen?.address !== undefined && !isLoopback(listen.address) && tokenFile === null) {
    reader.error(
      'admin.listen',
      `expected a loopback address, or a token_file beside it, got "${listen.address}"`,
    );
  }
}

function checkBdevs(
  { bdevs = [] }: DraftConfiguration,
  reader: Reader,
  { resolvePath }: Machine,
): void {
  const names = new Map<string, string>();
  const files = new Map<string, string>();
  let ram = 0n;
  (bdevs as readonly (BdevDraft | undefined)[]).forEach((bdev, index) => {
    if (bdev === undefined) return;
    const path = `bdevs[${String(index)}]`;
    const { name, size, block_size: blockSize } = bdev;
    if (typeof name === 'string') unique(names, name, `${path}.name`, 'name', reader);
    const isSized = typeof size === 'bigint' && typeof blockSize === 'number';
    if (isSized && size % BigInt(blockSize) !== 0n) {
      reader.error(
        `${path}.size`,
        `expected a multiple of block_size (${String(blockSize)}), got ${size.toString()}`,
      );
    }
    const kind = kindOf(bdev['kind']);
    ram += kind?.memoryBytes?.(bdev) ?? 0n;
    const key = contentKey(bdev['kind']) ?? '';
    const file = bdev[key];
    if (typeof file === 'string') {
      unique(files, resolvePath(file), `${path}.${key}`, 'file', reader);
    }
    kind?.check?.(bdev, path, reader);
  });
  checkStacks(bdevs as readonly (BdevDraft | undefined)[], reader);
  if (ram > BigInt(totalmem())) {
    reader.warn(
      'bdevs',
      `the bdevs in memory take ${formatSize(ram)} when they are full, this machine has ${formatSize(BigInt(totalmem()))}`,
    );
  }
}

/** What stands on itself, or on too many others, could never be opened. */
function checkStacks(bdevs: readonly (BdevDraft | undefined)[], reader: Reader): void {
  const bases = new Map<string, string[]>();
  for (const bdev of bdevs) {
    const name = bdev?.['name'];
    if (typeof name === 'string') bases.set(name, basesOf(bdev as BdevParameters));
  }
  const high = tooHigh(bases);
  const told = new Set<string>();
  bdevs.forEach((bdev, index) => {
    const name = bdev?.['name'];
    const [key] = baseKeys(bdev?.['kind'])[0] ?? [];
    if (typeof name !== 'string' || key === undefined || !high.has(name) || told.has(name)) return;
    const circle = circleFrom(name, bases);
    if (circle === undefined) return;
    // Once for all that are in it.
    for (const each of circle) told.add(each);
    const way = circle.join(' → ');
    reader.error(
      `bdevs[${String(index)}].${key}`,
      `expected no bdev that stands on itself, got ${way}`,
    );
  });
  // The lowest of those that are too high; what is above a circle is, too.
  const index = bdevs.findIndex((bdev) => {
    const name = bdev?.['name'];
    if (typeof name !== 'string' || !high.has(name)) return false;
    return !(bases.get(name) ?? []).some((base) => high.has(base));
  });
  if (told.size > 0 || index < 0) return;
  const [key = ''] = baseKeys(bdevs[index]?.['kind'])[0] ?? [];
  reader.error(
    `bdevs[${String(index)}].${key}`,
    `expected at most ${String(stackDepthMax)} bdevs on top of each other, got one more`,
  );
}

function checkSubsystems({ subsystems }: DraftConfiguration, reader: Reader): void {
  const nqns = new Map<string, string>();
  const serials = new Map<string, string>();
  if (subsystems?.length === 0) {
    reader.warn('subsystems', 'there are no subsystems: hosts will find nothing to connect to');
  }
  subsystems?.forEach((subsystem, index) => {
    // The reader leaves holes where an item could not be read.
    if ((subsystem as typeof subsystem | undefined) === undefined) return;
    const path = `subsystems[${String(index)}]`;
    unique(nqns, subsystem.nqn, `${path}.nqn`, 'NQN', reader);
    unique(serials, subsystem.serial, `${path}.serial`, 'serial number', reader);
    const [first, last] = subsystem.cntlid_range ?? [];
    if (first !== undefined && last !== undefined && first > last) {
      reader.error(
        `${path}.cntlid_range`,
        `expected the first controller ID not above the last, got [${String(first)}, ${String(last)}]`,
      );
    }
    checkHosts(subsystem, path, reader);
  });
}

function checkHosts(
  subsystem: Draft<Configuration['subsystems'][number]>,
  path: string,
  reader: Reader,
): void {
  const seen = new Map<string, string>();
  const { hosts } = subsystem;
  hosts?.forEach((host: { nqn?: string | undefined } | undefined, index) => {
    unique(seen, host?.nqn, `${path}.hosts[${String(index)}]`, 'host', reader);
  });
  if (subsystem.allow_any_host === false && hosts?.length === 0) {
    reader.warn(`${path}.hosts`, 'no host may connect: allow_any_host is false and hosts is empty');
  }
  if (subsystem.allow_any_host === true && hosts !== undefined && hosts.length > 0) {
    reader.warn(`${path}.hosts`, 'the list has no effect: allow_any_host is true');
  }
}

function checkNamespaces(draft: DraftConfiguration, reader: Reader): void {
  const bdevs = new Set<string>();
  let isComplete = draft.bdevs !== undefined;
  for (const bdev of draft.bdevs ?? []) {
    const name = (bdev as typeof bdev | undefined)?.name;
    if (name === undefined) isComplete = false;
    else bdevs.add(name);
  }
  const names: BdevNames = { defined: bdevs, users: new Map(), comparisonsLeft: COMPARISONS_MAX };
  (draft.bdevs as readonly (BdevDraft | undefined)[] | undefined)?.forEach((bdev, index) => {
    for (const [key, claim] of baseKeys(bdev?.['kind'])) {
      const base = bdev?.[key];
      if (typeof base !== 'string' || (!isComplete && !bdevs.has(base))) continue;
      checkReference(base, `bdevs[${String(index)}].${key}`, names, reader, claim === 'range');
    }
  });
  const limits = new Map(
    (draft.bdevs as readonly (BdevDraft | undefined)[] | undefined)?.flatMap((bdev, index) => {
      const name = bdev?.['name'];
      if (typeof name !== 'string' || bdev?.['qos'] === undefined) return [];
      return [[name, `bdevs[${String(index)}].qos`] as const];
    }),
  );
  const identities = new Map<string, string>();
  draft.subsystems?.forEach((subsystem, index) => {
    const nsids = new Map<string, string>();
    const namespaces = (subsystem as typeof subsystem | undefined)?.namespaces ?? [];
    if ((subsystem as typeof subsystem | undefined)?.namespaces?.length === 0) {
      reader.warn(`subsystems[${String(index)}].namespaces`, 'there are no namespaces');
    }
    namespaces.forEach((namespace, inner) => {
      if ((namespace as typeof namespace | undefined) === undefined) return;
      const path = `subsystems[${String(index)}].namespaces[${String(inner)}]`;
      unique(nsids, namespace.nsid, `${path}.nsid`, 'NSID', reader);
      for (const key of ['uuid', 'nguid', 'eui64'] as const) {
        unique(identities, namespace[key], `${path}.${key}`, key.toUpperCase(), reader);
      }
      checkQos(namespace as BdevDraft, path, reader);
      if (namespace.qos !== undefined && limits.has(namespace.bdev ?? '')) {
        const line = reader.line(limits.get(namespace.bdev ?? '') ?? '');
        reader.error(
          `${path}.qos`,
          `expected limits of the namespace or of its bdev, got both; line ${line} has those of the bdev`,
        );
      }
      // The name that is missed may be the one that could not be read.
      if (!isComplete && !bdevs.has(namespace.bdev ?? '')) return;
      checkReference(namespace.bdev, `${path}.bdev`, names, reader);
    });
  });
}

interface BdevNames {
  readonly defined: ReadonlySet<string>;
  /** What uses each first, and whether others may use it as well. */
  readonly users: Map<string, { readonly path: string; readonly shares: boolean }>;
  comparisonsLeft: number;
}

function checkReference(
  name: string | undefined,
  path: string,
  names: BdevNames,
  reader: Reader,
  shares = false,
): void {
  if (name === undefined) return;
  const { defined, users } = names;
  if (!defined.has(name)) {
    const near = names.comparisonsLeft > 0 ? nearest(name, defined) : undefined;
    names.comparisonsLeft -= defined.size;
    const tail = near === undefined ? '' : `; did you mean "${near}"?`;
    reader.error(path, `expected the name of a bdev, got "${name}"${tail}`);
    return;
  }
  const first = users.get(name);
  if (first === undefined) {
    users.set(name, { path, shares });
    return;
  }
  if (shares && first.shares) return;
  const line = reader.line(first.path);
  const others = first.path.startsWith('bdevs') || path.startsWith('bdevs');
  const what = others ? 'that nothing else uses' : 'that no other namespace uses';
  reader.error(path, `expected a bdev ${what}, got "${name}"; line ${line} has it`);
}

interface ListenerPlace {
  readonly endpoint: Endpoint;
  readonly path: string;
}

function checkListeners(draft: DraftConfiguration, reader: Reader): void {
  const places = new EndpointIndex<ListenerPlace>();
  draft.subsystems?.forEach((subsystem, index) => {
    const listeners = (subsystem as typeof subsystem | undefined)?.listeners;
    const path = `subsystems[${String(index)}].listeners`;
    if (listeners?.length === 0) reader.warn(path, 'there are no listeners: no host can connect');
    checkListenerList(listeners, path, places, reader);
  });
  checkListenerList(draft.discovery?.listeners, 'discovery.listeners', places, reader);
  const admin = draft.admin?.listen;
  if (admin?.address === undefined || admin.port === undefined || admin.port === 0) return;
  const endpoint = { address: admin.address, port: admin.port };
  const clash = places.find(endpoint);
  if (clash !== undefined) {
    reader.error(
      'admin.listen',
      `expected an address of its own, got ${endpointText(endpoint)}, which line ${String(reader.line(clash.path))} has`,
    );
  }
}

function checkListenerList(
  listeners: Draft<Configuration['discovery']['listeners']> | undefined,
  path: string,
  places: EndpointIndex<ListenerPlace>,
  reader: Reader,
): void {
  const own = new Map<string, string>();
  listeners?.forEach((listener, index) => {
    const { address, port } = (listener as typeof listener | undefined) ?? {};
    if (address === undefined || port === undefined || port === 0) return;
    const endpoint = { address, port };
    const key = endpointKey(endpoint);
    const text = endpointText(endpoint);
    const itemPath = `${path}[${String(index)}]`;
    unique(own, key, itemPath, 'listener', reader, text);
    const clash = places.findOther(endpoint);
    if (clash !== undefined) {
      reader.error(
        itemPath,
        `expected an address that no other listener covers, got ${text}, ` +
          `which overlaps ${endpointText(clash.endpoint)} on line ${String(reader.line(clash.path))}`,
      );
    }
    places.add(endpoint, { endpoint, path: itemPath });
  });
}

/** One more user of something that may be used once. */
function unique(
  seen: Map<string, string>,
  value: string | number | undefined,
  path: string,
  what: string,
  reader: Reader,
  text = value,
): void {
  if (value === undefined) return;
  const key = String(value);
  const first = seen.get(key);
  if (first === undefined) {
    seen.set(key, path);
    return;
  }
  const got = JSON.stringify(text);
  reader.error(
    path,
    `expected each ${what} once, got ${got} again; it is on line ${String(reader.line(first))} too`,
  );
}
