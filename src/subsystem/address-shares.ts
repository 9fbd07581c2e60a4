/**
 * How the connections of I/O hosts are divided among the addresses that they come from, as the
 * engine divides its memory among hosts (addon/transport/share_table.h): each of the first so many
 * addresses has a guaranteed part, used or not. What is left is shared, and one address may have up
 * to three quarters of that. So many addresses that hold all they can leave the guarantees of
 * others.
 */

/** In connections. */
export interface AddressPlan {
  readonly guarantee: number;
  /** Addresses that have a guarantee. */
  readonly members: number;
  readonly shared: number;
  /** What one address may have of the shared part. */
  readonly sharedMax: number;
}

const guaranteeWanted = 8;
const membersWanted = 256;

/** At most four sevenths are guaranteed. */
export function addressPlan(total: number): AddressPlan {
  const guaranteed = Math.floor((total * 4) / 7);
  const guarantee = Math.min(guaranteeWanted, Math.max(Math.floor(guaranteed / 4), 2));
  const members = Math.min(membersWanted, Math.floor(guaranteed / guarantee));
  const shared = total - guarantee * members;
  return { guarantee, members, shared, sharedMax: Math.floor((shared * 3) / 4) };
}

interface Share {
  held: number;
  readonly guarantee: number;
}

export class AddressShares {
  readonly #plan: AddressPlan;
  readonly #shares = new Map<string, Share>();
  #members = 0;
  #sharedFree: number;

  constructor(plan: AddressPlan) {
    this.#plan = plan;
    this.#sharedFree = plan.shared;
  }

  /** What this address could take more now. */
  room(address: string): number {
    const { held, guarantee } = this.#shares.get(address) ?? this.#newShare();
    const ofGuarantee = Math.max(guarantee - held, 0);
    const ofShared = Math.min(this.#sharedFree, this.#plan.sharedMax - beyond(held, guarantee));
    return ofGuarantee + Math.max(ofShared, 0);
  }

  /** Whether it has all that one address may have, whatever others have. */
  isFull(address: string, wanted: number): boolean {
    const { held, guarantee } = this.#shares.get(address) ?? this.#newShare();
    return beyond(held + wanted, guarantee) > this.#plan.sharedMax;
  }

  held(address: string): number {
    return this.#shares.get(address)?.held ?? 0;
  }

  /** {@link room} said that there is as much, or `growth` is negative. */
  charge(address: string, growth: number): void {
    let share = this.#shares.get(address);
    if (share === undefined) {
      share = this.#newShare();
      this.#shares.set(address, share);
      if (share.guarantee > 0) this.#members += 1;
    }
    const before = beyond(share.held, share.guarantee);
    share.held += growth;
    this.#sharedFree -= beyond(share.held, share.guarantee) - before;
    if (share.held > 0) return;
    this.#shares.delete(address);
    if (share.guarantee > 0) this.#members -= 1;
  }

  #newShare(): Share {
    return { held: 0, guarantee: this.#members < this.#plan.members ? this.#plan.guarantee : 0 };
  }
}

function beyond(held: number, guarantee: number): number {
  return Math.max(held - guarantee, 0);
}
