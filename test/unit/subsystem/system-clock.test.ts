import t, { type Test } from 'tap';
import { systemClock } from '../../../src/subsystem/target-options.js';

/** The machine's time and timers, in the hands of the test. */
function fakeTime(t: Test) {
  let nowMs = 5000;
  const timers = new Map<object, { atMs: number; run: () => void }>();
  t.intercept(performance, 'now', { value: () => nowMs });
  t.intercept(globalThis, 'setTimeout', {
    value: (run: () => void, delayMs: number) => {
      const timer = { unref: () => timer };
      timers.set(timer, { atMs: nowMs + delayMs, run });
      return timer;
    },
  });
  t.intercept(globalThis, 'clearTimeout', { value: (timer: object) => timers.delete(timer) });
  /** Time passes at once; then what is due runs. */
  const jump = (ms: number): void => {
    nowMs += ms;
    for (const [timer, { atMs, run }] of [...timers]) {
      if (atMs > nowMs) continue;
      timers.delete(timer);
      run();
    }
  };
  return { jump, timers };
}

t.test('a callback comes when its delay is over, and a little late too', async (t) => {
  const { jump } = fakeTime(t);
  const calls: string[] = [];
  systemClock.after(1000, () => calls.push('exact'));
  systemClock.after(800, () => calls.push('late'));
  jump(1000);
  t.strictSame(calls, ['exact', 'late']);
});

t.test('a callback that is due in a pause of the process gets its delay once more', async (t) => {
  const { jump, timers } = fakeTime(t);
  const calls: string[] = [];
  systemClock.after(1000, () => calls.push('called'));
  jump(60_000);
  t.strictSame(calls, []);
  jump(999);
  t.strictSame(calls, []);
  jump(1);
  t.strictSame(calls, ['called']);
  t.equal(timers.size, 0);
});

t.test('it can be cancelled, also after a pause', async (t) => {
  const { jump, timers } = fakeTime(t);
  const cancel = systemClock.after(1000, () => t.fail('called'));
  jump(60_000);
  cancel();
  t.equal(timers.size, 0);
  jump(1000);
});
