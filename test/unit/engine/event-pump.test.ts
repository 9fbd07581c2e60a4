import t from 'tap';
import type { EngineEvent } from '../../../src/engine/engine-types.js';
import { EventPump } from '../../../src/engine/event-pump.js';
import { peerKinds } from '../../../src/engine/peer-kind.js';
import type { PeerKind } from '../../../src/engine/peer-kind.js';

function event(controller: number): EngineEvent {
  return { type: 'keep_alive_expired', controller };
}

/** A pump over a queue, in turns that the test runs; each event takes `eventMs`. */
function makePump(
  eventMs: number,
  sink: (events: readonly EngineEvent[]) => void = () => undefined,
) {
  const queues: Record<PeerKind, EngineEvent[]> = { stranger: [], discovery: [], host: [] };
  const handled: EngineEvent[] = [];
  const turns: (() => void)[] = [];
  const microtasks: (() => void)[] = [];
  const timers: { atMs: number; run: () => void }[] = [];
  let nowMs = 0;
  const pump = new EventPump(
    (limit, kind) => queues[kind].splice(0, limit),
    (events) => {
      handled.push(...events);
      nowMs += eventMs * events.length;
      sink(events);
    },
    {
      soon: (run) => turns.push(run),
      behindPromises: (run) => microtasks.push(run),
      later: (run, ms) => timers.push({ atMs: nowMs + Math.max(1, ms), run }),
      nowMs: () => nowMs,
    },
  );
  function turn(): void {
    try {
      turns.shift()?.();
    } finally {
      while (microtasks.length > 0) microtasks.shift()?.();
    }
  }
  /** Turns, and time where there is nothing to do, until then. */
  function runUntil(endMs: number): void {
    while (nowMs < endMs) {
      if (turns.length > 0) {
        turn();
        continue;
      }
      const [timer] = timers.splice(0, 1);
      nowMs = Math.max(nowMs, Math.min(timer?.atMs ?? endMs, endMs));
      timer?.run();
    }
  }
  return { pump, queues, queue: queues.host, handled, turns, turn, runUntil };
}

/** A queue of one class alone. */
function ofHosts(
  drain: (limit: number) => EngineEvent[],
): (limit: number, kind: PeerKind) => EngineEvent[] {
  return (limit, kind) => (kind === 'host' ? drain(limit) : []);
}

t.test('a flood of events is handed over in turns of bounded time, in order', async (t) => {
  const { pump, queue, handled, turns, turn } = makePump(0.25);
  const flood = Array.from({ length: 1000 }, (_, index) => event(index));
  queue.push(...flood);
  pump.wake();
  pump.wake();
  t.equal(turns.length, 1, 'one turn is asked for, however often it is woken');
  let count = 0;
  while (turns.length > 0) {
    const before = handled.length;
    turn();
    t.ok(turns.length <= 1);
    t.ok(handled.length - before <= 2 * EventPump.batchMax, 'the time of a turn and one batch');
    count += 1;
  }
  t.ok(count > 30);
  t.strictSame(handled, flood);
});

t.test('slow events give way to the loop after each batch', async (t) => {
  const { pump, queue, handled, turns, turn } = makePump(50);
  queue.push(...Array.from({ length: 40 }, (_, index) => event(index)));
  pump.wake();
  turn();
  t.equal(handled.length, EventPump.batchMax);
  t.equal(turns.length, 1);
});

t.test('a sink that throws loses no event behind it', async (t) => {
  let throws = true;
  const { pump, queue, handled, turn } = makePump(0, () => {
    if (throws) throw new Error('a defect');
  });
  queue.push(...Array.from({ length: EventPump.batchMax + 1 }, (_, index) => event(index)));
  pump.wake();
  t.throws(turn);
  throws = false;
  turn();
  t.equal(handled.length, EventPump.batchMax + 1);
});

t.test('what a batch leaves to promises goes on between the batches', async (t) => {
  const batches = 50;
  const flood = Array.from({ length: batches * EventPump.batchMax }, (_, index) => event(index));
  let handled = 0;
  const goneOn: number[] = [];
  const steps = 4;
  async function inSteps(): Promise<void> {
    for (let step = 0; step < steps; step += 1) {
      await Promise.resolve();
      goneOn.push(handled);
    }
  }
  await new Promise<void>((resolve) => {
    const pump = new EventPump(
      ofHosts((limit) => flood.splice(0, limit)),
      (events) => {
        if (handled === 0) void inSteps();
        handled += events.length;
        if (flood.length === 0) resolve();
      },
      // Without time, all of it is one turn.
      {
        soon: setImmediate,
        behindPromises: queueMicrotask,
        later: () => t.fail('nothing waits'),
        nowMs: () => 0,
      },
    );
    pump.wake();
  });
  t.equal(goneOn.length, steps);
  t.ok(
    goneOn.at(-1)! <= (steps + 1) * EventPump.batchMax,
    `${goneOn.join(', ')} were handled then`,
  );
});

t.test('the real loop serves timers while events flood', async (t) => {
  let left = 20_000;
  let timerAt = -1;
  let handled = 0;
  await new Promise<void>((resolve) => {
    const pump = new EventPump(
      ofHosts((limit) => {
        const count = Math.min(limit, left);
        left -= count;
        return Array.from({ length: count }, (_, index) => event(index));
      }),
      (events) => {
        handled += events.length;
        // Some work for each.
        for (let index = 0; index < 20_000; index += 1) Math.sqrt(index);
        if (handled === 20_000) resolve();
      },
    );
    setTimeout(() => {
      timerAt = handled;
    }, 1);
    pump.wake();
  });
  t.ok(timerAt >= 0 && timerAt < 20_000, 'the timer did not wait for the flood');
});

t.test('a class that asks without end has its share of the time, and no other waits', async (t) => {
  const eventMs = 0.25;
  for (const kind of peerKinds) {
    const { pump, queues, handled, runUntil } = makePump(eventMs);
    const { share, burstMs } = EventPump.allowances[kind];
    const other = kind === 'host' ? 'discovery' : 'host';
    for (let count = 0; count < 40_000; count += 1) queues[kind].push(event(0));
    pump.wake();
    // A second of the flood takes its burst.
    runUntil(1000);
    const before = handled.length;
    t.ok(before * eventMs >= burstMs, 'its burst');
    runUntil(9000);
    const taken = ((handled.length - before) * eventMs) / 8000;
    t.ok(taken <= share * 1.1 && taken >= share * 0.5, `${kind}: ${taken}`);
    queues[other].push(event(1));
    pump.wake();
    const from = handled.length;
    runUntil(9000 + 2 * EventPump.turnMs);
    const place = handled
      .slice(from)
      .findIndex((one) => 'controller' in one && one.controller === 1);
    t.ok(place >= 0 && place <= EventPump.batchMax, `${other} behind ${place} of ${kind}`);
  }
});

t.test('a class that has little time left takes a few events at a time', async (t) => {
  const sizes: number[] = [];
  const { pump, queues, runUntil } = makePump(0.01, (events) => sizes.push(events.length));
  for (let count = 0; count < 40_000; count += 1) queues.discovery.push(event(0));
  pump.wake();
  runUntil(1000);
  t.equal(sizes[0], EventPump.batchMax);
  t.equal(sizes.at(-1), EventPump.scarceBatchMax);
});

t.test('many that come at once are served at once', async (t) => {
  const eventMs = 0.1;
  for (const kind of peerKinds) {
    const { pump, queues, handled, runUntil } = makePump(eventMs);
    const count = (0.9 * EventPump.allowances[kind].burstMs) / eventMs;
    for (let number = 0; number < count; number += 1) queues[kind].push(event(number));
    pump.wake();
    runUntil(count * eventMs + 1);
    t.equal(handled.length, count, kind);
  }
});

t.test('work that an event sets going is not held against its class', async (t) => {
  let isFirst = true;
  const made = makePump(1000, () => {
    isFirst = false;
  });
  made.queue.push(event(0));
  made.pump.wake();
  made.turn();
  t.notOk(isFirst);
  made.queue.push(event(1));
  made.pump.wake();
  made.turn();
  t.equal(made.handled.length, 2, 'it waits for nothing');
});
