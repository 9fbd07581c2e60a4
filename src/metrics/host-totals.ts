/**
 * I/O totals per subsystem and host that outlive controllers: a host that reconnects goes on
 * counting where it was.
 *
 * The engine counts per controller and forgets the counts with it. So the counts of a controller
 * are added to the totals in the moment it is gone, and a reading is the totals plus the living.
 */

import type { Engine } from '../engine/engine-types.js';
import type { ControllerEnding } from '../subsystem/target-options.js';
import type { ControllerView } from '../subsystem/views.js';
import { type OperationWords, operationWords } from './stat-words.js';

/**
 * More pairs of subsystem and host than this are counted together, as host `other`. Of those whose
 * controllers have ended, the one that ended longest ago is forgotten. A name that connects and
 * does no I/O has no pair: anybody can have names.
 */
export const PAIRS_MAX = 1024;
export const OTHER_HOSTS = 'other';

export interface HostTotal {
  readonly subsystem: string;
  readonly hostNqn: string;
  /** Words by operation, then by name. */
  readonly operations: Map<string, Record<string, number>>;
}

/** What the totals need to know of the target. */
export interface Controllers {
  readonly controllers: readonly ControllerView[];
}

export class HostTotals {
  /** Set once the target is there; before that there are no controllers. */
  target: Controllers | undefined;
  readonly #engine: Engine;
  readonly #ended = new Map<string, HostTotal>();

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** The engine is about to forget a controller; the target calls what is answered when it has. */
  readonly onControllerEnding: ControllerEnding = (view) => {
    if (view.kind !== 'io') return () => undefined;
    const before = controllerWords(this.#engine, view.controller);
    return () => {
      // What ended while the queues closed counts too, if the engine still knows.
      const after = controllerWords(this.#engine, view.controller);
      this.#retire(view, hasOperations(after) ? after : before);
    };
  };

  read(): Iterable<HostTotal> {
    const totals = new Map<string, HostTotal>();
    for (const [key, total] of this.#ended) {
      const operations = [...total.operations].map(
        ([name, words]) => [name, { ...words }] as const,
      );
      totals.set(key, { ...total, operations: new Map(operations) });
    }
    for (const view of this.target?.controllers ?? []) {
      if (view.kind !== 'io' || view.state === 'gone') continue;
      if (!view.qids.some((qid) => qid > 0)) continue;
      addWords(totals, view, controllerWords(this.#engine, view.controller));
    }
    return totals.values();
  }

  #retire(view: ControllerView, words: readonly OperationWords[]): void {
    if (!hasOperations(words)) return;
    const key = pairKey(view.subsystem, view.hostNqn);
    const known = this.#ended.get(key);
    // Behind all others: it ended last.
    if (known !== undefined) {
      this.#ended.delete(key);
      this.#ended.set(key, known);
    } else if (this.#ended.size >= PAIRS_MAX) {
      const [oldest = ''] = this.#ended.keys();
      this.#ended.delete(oldest);
    }
    addWords(this.#ended, view, words);
  }
}

function controllerWords(engine: Engine, controller: number): OperationWords[] {
  const { controllerOperations, controllerOperationWords } = engine.facts.statNames;
  const arrays = engine.controllerStats(controller);
  return operationWords(arrays, controllerOperations, controllerOperationWords);
}

function hasOperations(words: readonly OperationWords[]): boolean {
  return words.some((operation) => (operation.words['operations'] ?? 0) > 0);
}

function pairKey(subsystem: string, hostNqn: string): string {
  return `${subsystem} ${hostNqn}`;
}

function addWords(
  totals: Map<string, HostTotal>,
  view: ControllerView,
  added: readonly OperationWords[],
): void {
  const total = totalOf(totals, view.subsystem, view.hostNqn);
  for (const { operation, words } of added) {
    const sums = total.operations.get(operation) ?? {};
    for (const [name, value] of Object.entries(words)) sums[name] = (sums[name] ?? 0) + value;
    total.operations.set(operation, sums);
  }
}

function totalOf(totals: Map<string, HostTotal>, subsystem: string, hostNqn: string): HostTotal {
  const key = pairKey(subsystem, hostNqn);
  const known = totals.get(key);
  if (known !== undefined) return known;
  if (totals.size >= PAIRS_MAX && hostNqn !== OTHER_HOSTS) {
    return totalOf(totals, subsystem, OTHER_HOSTS);
  }
  const total = { subsystem, hostNqn, operations: new Map<string, Record<string, number>>() };
  totals.set(key, total);
  return total;
}
