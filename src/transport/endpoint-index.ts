/**
 * Endpoints, so that whatever overlaps one of them is found without a look at the others. Two
 * endpoints overlap if they cannot be listened on at once: they have the same port, and the same
 * address or a wildcard that covers the other's. `::` takes IPv4 too, `0.0.0.0` takes all of IPv4.
 *
 * Port 0 is any free port, and overlaps nothing.
 */

import type { Endpoint } from '../engine/engine-types.js';
import { canonicalAddress } from './address.js';

const ANY = '::';
const ANY_IPV4 = '0.0.0.0';

interface Entry<T> {
  readonly address: string;
  /** Of the time when it was added. */
  readonly order: number;
  readonly item: T;
}

/** The endpoints of one port by their canonical address, in the order in which they came. */
interface Port<T> {
  readonly all: Map<string, Entry<T>>;
  /** Those that a socket for all of IPv4 would take addresses from. */
  readonly ipv4: Map<string, Entry<T>>;
}

export class EndpointIndex<T> {
  readonly #ports = new Map<number, Port<T>>();
  #order = 0;

  /** Of several with the same endpoint, the first one is kept. */
  add({ address, port }: Endpoint, item: T): void {
    if (port === 0) return;
    const known = this.#ports.get(port) ?? { all: new Map(), ipv4: new Map() };
    this.#ports.set(port, known);
    const canonical = canonicalAddress(address);
    if (known.all.has(canonical)) return;
    this.#order += 1;
    const entry = { address: canonical, order: this.#order, item };
    known.all.set(canonical, entry);
    if (canonical === ANY || !canonical.includes(':')) known.ipv4.set(canonical, entry);
  }

  delete({ address, port }: Endpoint): void {
    const known = this.#ports.get(port);
    const canonical = canonicalAddress(address);
    known?.all.delete(canonical);
    known?.ipv4.delete(canonical);
    if (known?.all.size === 0) this.#ports.delete(port);
  }

  /** The first that overlaps the endpoint or is the same. */
  find(endpoint: Endpoint): T | undefined {
    return first([this.#same(endpoint), this.#other(endpoint)])?.item;
  }

  /** The first that overlaps the endpoint and is another one. */
  findOther(endpoint: Endpoint): T | undefined {
    return this.#other(endpoint)?.item;
  }

  #same({ address, port }: Endpoint): Entry<T> | undefined {
    return this.#ports.get(port)?.all.get(canonicalAddress(address));
  }

  #other({ address, port }: Endpoint): Entry<T> | undefined {
    const known = this.#ports.get(port);
    if (known === undefined) return undefined;
    const canonical = canonicalAddress(address);
    if (canonical === ANY) return firstBut(canonical, known.all);
    if (canonical === ANY_IPV4) return firstBut(canonical, known.ipv4);
    const covering = canonical.includes(':') ? [ANY] : [ANY, ANY_IPV4];
    return first(covering.map((wildcard) => known.all.get(wildcard)));
  }
}

/** Looks at two of them at most. */
function firstBut<T>(
  address: string,
  entries: ReadonlyMap<string, Entry<T>>,
): Entry<T> | undefined {
  for (const entry of entries.values()) if (entry.address !== address) return entry;
  return undefined;
}

function first<T>(entries: readonly (Entry<T> | undefined)[]): Entry<T> | undefined {
  const [least] = entries
    .filter((entry) => entry !== undefined)
    .sort((left, right) => left.order - right.order);
  return least;
}
