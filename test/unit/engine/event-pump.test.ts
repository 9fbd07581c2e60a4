import t from 'tap';
import type { EngineEvent } from '../../../src/engine/engine-types.js';
import { EventPump } from '../../../src/engine/event-pump.js';

function event(controller: number): EngineEvent {
  return { type: 'keep_alive_expired', controller };
}

/** A pump over a queue, in turns that the test runs; each event takes `eventMs`. */
function makePump(
  eventMs: number,
  sink: (events: readonly EngineEvent[]) => void = () => undefined,
) {
  const queue: EngineEvent[] = [];
  const handled: EngineEvent[] = [];
  const turns: (() => void)[] = [];
  const microtasks: (() => void)[] = [];
  let nowMs = 0;
  const pump = new EventPump(
    (limit) => queue.splice(0, limit),
    (events) => {
      handled.push(...events);
      nowMs += eventMs * events.length;
      sink(events);
    },
    {
      soon: (run) => turns.push(run),
      behindPromises: (run) => microtasks.push(run),
      nowMs: () => nowMs,
    },
  );
  function turn(): void {
    turns.shift()?.();
    while (microtasks.length > 0) microtasks.shift()?.();
  }
  return { pump, queue, handled, turns, turn };
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
      (limit) => flood.splice(0, limit),
      (events) => {
        if (handled === 0) void inSteps();
        handled += events.length;
        if (flood.length === 0) resolve();
      },
      // Without time, all of it is one turn.
      { soon: setImmediate, behindPromises: queueMicrotask, nowMs: () => 0 },
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
  let left = 100_000;
  let timerAt = -1;
  let handled = 0;
  await new Promise<void>((resolve) => {
    const pump = new EventPump(
      (limit) => {
        const count = Math.min(limit, left);
        left -= count;
        return Array.from({ length: count }, (_, index) => event(index));
      },
      (events) => {
        handled += events.length;
        // Some work for each.
        for (let index = 0; index < 20_000; index += 1) Math.sqrt(index);
        if (handled === 100_000) resolve();
      },
    );
    setTimeout(() => {
      timerAt = handled;
    }, 1);
    pump.wake();
  });
  t.ok(timerAt >= 0 && timerAt < 100_000, 'the timer did not wait for the flood');
});
