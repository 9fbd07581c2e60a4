/**
 * Whom the engine charges for what it holds: a number for each host, by its NQN and the address it
 * comes from. All queues of a host share one account, however many it opens.
 *
 * An NQN is but a claim, so one address has few accounts of its own: what comes under more names
 * from there shares one more. And in each class one account of each address is its first: it has
 * a guarantee before further ones of any address.
 */

/** A host while it has queues. */
export interface HostAccount {
  /** Above 0; no two living accounts have the same one. */
  readonly number: number;
  readonly hostNqn: string;
  /** With its class. */
  readonly address: string;
  readonly isFirst: boolean;
}

interface OpenAccount extends HostAccount {
  queues: number;
}

export class HostAccounts {
  static readonly namesOfAddressMax = 16;

  /** By address, then by NQN; the shared one of an address has the empty name. */
  readonly #accounts = new Map<string, Map<string, OpenAccount>>();
  readonly #freeNumbers: number[] = [];
  #numberNext = 1;

  /** A queue more of this host. */
  open(hostNqn: string, from: string, kind: 'io' | 'discovery' = 'io'): HostAccount {
    // What it has of one class says nothing about the other.
    const address = `${kind} ${from}`;
    let names = this.#accounts.get(address);
    if (names === undefined) {
      names = new Map();
      this.#accounts.set(address, names);
    }
    const known = names.has(hostNqn) || names.size < HostAccounts.namesOfAddressMax;
    const name = known ? hostNqn : '';
    let account = names.get(name);
    if (account === undefined) {
      const isFirst = ![...names.values()].some((other) => other.isFirst);
      account = { number: this.#takeNumber(), hostNqn: name, address, isFirst, queues: 0 };
      names.set(name, account);
    }
    account.queues += 1;
    return account;
  }

  /** A queue less: as often as {@link open}, with what it returned. */
  close({ hostNqn, address }: HostAccount): void {
    const names = this.#accounts.get(address);
    const account = names?.get(hostNqn);
    if (names === undefined || account === undefined) {
      throw new Error(`the account of ${hostNqn} at ${address} was closed already`);
    }
    account.queues -= 1;
    if (account.queues > 0) return;
    this.#freeNumbers.push(account.number);
    names.delete(hostNqn);
    if (names.size === 0) this.#accounts.delete(address);
  }

  get count(): number {
    let count = 0;
    for (const names of this.#accounts.values()) count += names.size;
    return count;
  }

  #takeNumber(): number {
    const free = this.#freeNumbers.pop();
    if (free !== undefined) return free;
    const number = this.#numberNext;
    this.#numberNext += 1;
    return number;
  }
}
