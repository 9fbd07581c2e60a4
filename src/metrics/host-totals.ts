/**
 * I/O totals per subsystem and host that outlive controllers: a host that reconnects goes on
 * counting where it was.
 *
 * The engine counts per controller and forgets the counts with it. So the counts of a controller
 * are added to the totals in the moment it is gone, and a reading is the totals plus the living.
 *
 * These are counters: no series may ever go back. So whose controllers live keep a pair of their
 * own, however many they are, and what is moved to another series is moved from a series that ends
 * with that.
 */

import type { Engine } from '../engine/engine-types.js';
import type { ControllerEnding } from '../subsystem/target-options.js';
import type { ControllerView } from '../subsystem/views.js';
import { type OperationWords, operationWords } from './stat-words.js';

/**
 * So many pairs of subsystem and host are remembered beside those that have a controller. Beyond
 * that, the one whose controller ended longest ago is forgotten, and what it had counts for the
 * host `other` from then on. A name that connects and does no I/O has no pair: anybody can have
 * names.
 */
export const PAIRS_MAX = 1024;
export const OTHER_HOSTS = 'other';
/** Who lives is looked up once for so many that end, and for each reading. */
const FORGET_BATCH = 64;

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
  /** By subsystem: what the pairs had that are forgotten. */
  readonly #forgotten = new Map<string, HostTotal>();
  /** So many pairs are worth a look at all controllers. */
  #forgetAt = PAIRS_MAX + FORGET_BATCH;
  /** By controller: its last words, while the engine may forget it at any moment. */
  readonly #ending = new Map<number, readonly OperationWords[]>();

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** The engine is about to forget a controller; the target calls what is answered when it has. */
  readonly onControllerEnding: ControllerEnding = (view) => {
    if (view.kind !== 'io') return () => undefined;
    this.#ending.set(view.controller, controllerWords(this.#engine, view.controller));
    return () => {
      const words = this.#wordsOf(view);
      this.#ending.delete(view.controller);
      this.#retire(view, words);
    };
  };

  read(): Iterable<HostTotal> {
    const controllers = this.target?.controllers ?? [];
    if (this.#ended.size > PAIRS_MAX) this.#forget(controllers);
    const totals = new Map([...this.#ended].map(([key, total]) => [key, copyOf(total)]));
    for (const view of controllers) {
      if (view.kind !== 'io' || view.state === 'gone') continue;
      const words = this.#wordsOf(view);
      // The queues of one that ends go first.
      if (!view.qids.some((qid) => qid > 0) && !hasOperations(words)) continue;
      addWords(totalOf(totals, view.subsystem, view.hostNqn), words);
    }
    return [...totals.values(), ...[...this.#forgotten.values()].map(copyOf)];
  }

  /** What ended while the queues closed counts too, if the engine still knows. */
  #wordsOf({ controller }: ControllerView): readonly OperationWords[] {
    const words = controllerWords(this.#engine, controller);
    return hasOperations(words) ? words : (this.#ending.get(controller) ?? words);
  }

  #retire(view: ControllerView, words: readonly OperationWords[]): void {
    if (!hasOperations(words)) return;
    const key = pairKey(view.subsystem, view.hostNqn);
    const known = this.#ended.get(key);
    // Behind all others: it ended last.
    if (known !== undefined) {
      this.#ended.delete(key);
      this.#ended.set(key, known);
    }
    addWords(totalOf(this.#ended, view.subsystem, view.hostNqn), words);
    if (this.#ended.size >= this.#forgetAt) this.#forget(this.target?.controllers ?? []);
  }

  /**
   * The pairs beyond the bound, but none of which a controller lives: its series would go on with
   * less.
   */
  #forget(controllers: readonly ControllerView[]): void {
    const living = new Set(
      controllers.map(({ subsystem, hostNqn }) => pairKey(subsystem, hostNqn)),
    );
    let excess = this.#ended.size - PAIRS_MAX;
    for (const [key, { subsystem, operations }] of this.#ended) {
      if (excess <= 0) break;
      if (living.has(key)) continue;
      this.#ended.delete(key);
      excess -= 1;
      const words = [...operations].map(([operation, sums]) => ({ operation, words: sums }));
      addWords(totalOf(this.#forgotten, subsystem, OTHER_HOSTS), words);
    }
    this.#forgetAt = this.#ended.size + FORGET_BATCH;
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

function copyOf(total: HostTotal): HostTotal {
  const operations = [...total.operations].map(([name, words]) => [name, { ...words }] as const);
  return { ...total, operations: new Map(operations) };
}

function addWords(
  total: HostTotal,
  added: readonly Pick<OperationWords, 'operation' | 'words'>[],
): void {
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
  const total = { subsystem, hostNqn, operations: new Map<string, Record<string, number>>() };
  totals.set(key, total);
  return total;
}
