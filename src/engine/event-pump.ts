/**
 * Hands the engine's events to their sink, a little in each turn of the event loop, so that timers
 * and HTTP get their turns however many events there are.
 *
 * What one turn takes is bounded by time, looked at between small batches. Each batch is a
 * microtask of its own, so what an earlier batch left to promises goes on between the batches and
 * not only behind all of them, and is part of the time.
 *
 * A batch is of one class of peers, and classes take turns. Each has a share of this thread's time,
 * with a burst that lets many hosts connect at once: a class that asks without end would else keep
 * the thread, and what reactors do for its commands the reactors, from all others.
 */

import type { EngineEvent, EngineEventsSink } from './engine-types.js';
import { peerKinds } from './peer-kind.js';
import type { PeerKind } from './peer-kind.js';
import { TimeAllowance } from './time-allowance.js';

export interface PumpOptions {
  /** Runs something in the next turn of the event loop, behind its sockets. */
  readonly soon: (run: () => void) => void;
  /** Runs something in this turn, behind the promises that are settled. */
  readonly behindPromises: (run: () => void) => void;
  readonly later: (run: () => void, ms: number) => void;
  readonly nowMs: () => number;
}

const systemOptions: PumpOptions = {
  soon: (run) => {
    setImmediate(run);
  },
  behindPromises: queueMicrotask,
  later: (run, ms) => {
    setTimeout(run, ms).unref();
  },
  nowMs: () => performance.now(),
};

/** Of a class of peers. */
interface Line {
  readonly kind: PeerKind;
  readonly allowance: TimeAllowance;
  /** There may be events. */
  mayHave: boolean;
}

export class EventPump {
  static readonly batchMax = 16;
  /** Of a class that has little time left: one at a time would cost several times as much each. */
  static readonly scarceBatchMax = 4;
  static readonly turnMs = 5;
  /** Of the time that passes; and so much at once. */
  static readonly allowances: Readonly<Record<PeerKind, { share: number; burstMs: number }>> = {
    stranger: { share: 0.5, burstMs: 500 },
    discovery: { share: 0.1, burstMs: 150 },
    host: { share: 0.5, burstMs: 500 },
  };
  /** Who has waited for its time takes so much at least: timers are no finer. */
  static readonly leastMs = 0.1;

  readonly #drain: (limit: number, kind: PeerKind) => EngineEvent[];
  readonly #sink: EngineEventsSink;
  readonly #options: PumpOptions;
  /** In turn. */
  readonly #lines: Line[];
  #scheduled = false;
  #waits = false;
  #turnEndMs = 0;

  /** `drain` takes up to so many events of a class; fewer mean that there are no more. */
  constructor(
    drain: (limit: number, kind: PeerKind) => EngineEvent[],
    sink: EngineEventsSink,
    options: PumpOptions = systemOptions,
  ) {
    this.#drain = drain;
    this.#sink = sink;
    this.#options = options;
    const nowMs = options.nowMs();
    this.#lines = peerKinds.map((kind) => {
      const { share, burstMs } = EventPump.allowances[kind];
      return { kind, allowance: new TimeAllowance(share, burstMs, nowMs), mayHave: false };
    });
  }

  /** There are events. Bound: may be passed around. */
  readonly wake = (): void => {
    for (const line of this.#lines) line.mayHave = true;
    this.#ask();
  };

  #ask(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#options.soon(this.#turn);
  }

  readonly #turn = (): void => {
    this.#scheduled = false;
    const nowMs = this.#options.nowMs();
    this.#turnEndMs = nowMs + EventPump.turnMs;
    this.#batch(nowMs);
  };

  #batch(beganMs: number): void {
    const line = this.#next(beganMs);
    if (line === undefined) return;
    // Whose time is scarce takes little more of it than there is.
    const limit =
      line.allowance.leftMs(beganMs) > EventPump.turnMs
        ? EventPump.batchMax
        : EventPump.scarceBatchMax;
    try {
      const events = this.#drain(limit, line.kind);
      line.mayHave = events.length === limit;
      if (events.length > 0) this.#sink(events);
    } finally {
      // Also if the sink threw: what is left comes all the same.
      this.#options.behindPromises(() => {
        this.#goOn(line, beganMs);
      });
    }
  }

  #goOn({ allowance }: Line, beganMs: number): void {
    const nowMs = this.#options.nowMs();
    // What takes longer is something else that a promise of it set going.
    allowance.take(Math.min(nowMs - beganMs, EventPump.turnMs));
    if (nowMs >= this.#turnEndMs) this.#ask();
    else this.#batch(nowMs);
  }

  /** The next that may have events, and has time left for them. It goes to the end. */
  #next(nowMs: number): Line | undefined {
    let soonestMs = Infinity;
    for (const [index, line] of this.#lines.entries()) {
      if (!line.mayHave) continue;
      if (line.allowance.leftMs(nowMs) > 0) {
        this.#lines.push(...this.#lines.splice(index, 1));
        return line;
      }
      soonestMs = Math.min(soonestMs, line.allowance.waitMs(nowMs, EventPump.leastMs));
    }
    if (soonestMs < Infinity) this.#wait(soonestMs);
    return undefined;
  }

  #wait(ms: number): void {
    if (this.#waits) return;
    this.#waits = true;
    this.#options.later(() => {
      this.#waits = false;
      this.#ask();
    }, ms);
  }
}
