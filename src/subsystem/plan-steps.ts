/** Steps of a plan, by the phase that they belong to, and what planning one list takes. */

import type { Change, Permission } from './change.js';

/**
 * In this order: who may connect comes before anything that may have to wait, and what is new is
 * open before what is old goes.
 */
const phases = ['access', 'open', 'withdraw', 'exchange', 'offer', 'close'] as const;

export type Phase = (typeof phases)[number];

/** A step; `notice` and `needs` are nothing unless given. */
export interface Step extends Pick<Change, 'kind' | 'key' | 'text'> {
  readonly notice?: string | null;
  readonly needs?: readonly Permission[];
}

export class Steps {
  readonly #steps = new Map<Phase, Change[]>(phases.map((phase) => [phase, []]));

  add(phase: Phase, { notice = null, needs = [], ...step }: Step): void {
    this.#steps.get(phase)?.push({ ...step, notice, needs });
  }

  get inOrder(): Change[] {
    return [...this.#steps.values()].flat();
  }
}

/** An item of a list, with the key under which the configuration has it. */
export interface Place<T> {
  readonly item: T;
  readonly key: string;
}

/** Items by identity. */
export function places<T>(
  items: readonly T[],
  identity: (item: T) => string,
  key: string,
): Map<string, Place<T>> {
  return new Map(items.map((item, index) => [identity(item), { item, key: `${key}[${index}]` }]));
}

/** What one list has and the other has not. */
export function difference<T>(
  before: readonly T[],
  after: readonly T[],
  identity: (item: T) => string,
  key: string,
): { gone: Place<T>[]; added: Place<T>[] } {
  const old = places(before, identity, key);
  const next = places(after, identity, key);
  return {
    gone: [...old].filter(([id]) => !next.has(id)).map(([, place]) => place),
    added: [...next].filter(([id]) => !old.has(id)).map(([, place]) => place),
  };
}

/** `1 host`, `2 hosts`. */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
