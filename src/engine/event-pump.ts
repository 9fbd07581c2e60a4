/**
 * Hands the engine's events to their sink, a little in each turn of the event loop, so that timers
 * and HTTP get their turns however many events there are.
 *
 * What one turn takes is bounded by time, looked at between small batches. Work that a batch leaves
 * to promises runs at the end of the turn and is not measured; the size of a batch bounds it.
 */

import type { EngineEvent, EngineEventsSink } from './engine-types.js';

export interface PumpOptions {
  /** Runs something in the next turn of the event loop, behind its sockets. */
  readonly soon: (run: () => void) => void;
  readonly nowMs: () => number;
}

const systemOptions: PumpOptions = {
  soon: (run) => {
    setImmediate(run);
  },
  nowMs: () => performance.now(),
};

export class EventPump {
  static readonly batchMax = 16;
  static readonly turnMs = 5;

  readonly #drain: (limit: number) => EngineEvent[];
  readonly #sink: EngineEventsSink;
  readonly #options: PumpOptions;
  #scheduled = false;

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
    const endMs = this.#options.nowMs() + EventPump.turnMs;
    for (;;) {
      const events = this.#drain(EventPump.batchMax);
      // Before the sink, which may throw: what is left comes all the same.
      const more = events.length === EventPump.batchMax;
      if (more) this.wake();
      if (events.length > 0) this.#sink(events);
      if (!more || this.#options.nowMs() >= endMs) return;
    }
  };
}
