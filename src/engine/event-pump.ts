/**
 * Hands the engine's events to their sink, a little in each turn of the event loop, so that timers
 * and HTTP get their turns however many events there are.
 *
 * What one turn takes is bounded by time, looked at between small batches. Each batch is a
 * microtask of its own, so what an earlier batch left to promises goes on between the batches and
 * not only behind all of them, and is part of the time.
 */

import type { EngineEvent, EngineEventsSink } from './engine-types.js';

export interface PumpOptions {
  /** Runs something in the next turn of the event loop, behind its sockets. */
  readonly soon: (run: () => void) => void;
  /** Runs something in this turn, behind the promises that are settled. */
  readonly behindPromises: (run: () => void) => void;
  readonly nowMs: () => number;
}

const systemOptions: PumpOptions = {
  soon: (run) => {
    setImmediate(run);
  },
  behindPromises: queueMicrotask,
  nowMs: () => performance.now(),
};

export class EventPump {
  static readonly batchMax = 16;
  static readonly turnMs = 5;

  readonly #drain: (limit: number) => EngineEvent[];
  readonly #sink: EngineEventsSink;
  readonly #options: PumpOptions;
  #scheduled = false;
  #turnEndMs = 0;

  /** `drain` takes up to so many events; fewer mean that there are no more. */
  constructor(
    drain: (limit: number) => EngineEvent[],
    sink: EngineEventsSink,
    options: PumpOptions = systemOptions,
  ) {
    this.#drain = drain;
    this.#sink = sink;
    this.#options = options;
  }

  /** There are events. Bound: may be passed around. */
  readonly wake = (): void => {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#options.soon(this.#turn);
  };

  readonly #turn = (): void => {
    this.#scheduled = false;
    this.#turnEndMs = this.#options.nowMs() + EventPump.turnMs;
    this.#batch();
  };

  readonly #batch = (): void => {
    const events = this.#drain(EventPump.batchMax);
    try {
      if (events.length > 0) this.#sink(events);
    } finally {
      // Also if the sink threw: what is left comes all the same.
      if (events.length === EventPump.batchMax) this.#goOn();
    }
  };

  #goOn(): void {
    if (this.#options.nowMs() >= this.#turnEndMs) this.wake();
    else this.#options.behindPromises(this.#batch);
  }
}
