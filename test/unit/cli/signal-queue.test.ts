import { EventEmitter } from 'node:events';
import t from 'tap';
import { SignalQueue } from '../../../src/cli/signal-queue.js';

function setup() {
  const signals = new EventEmitter();
  const exits: number[] = [];
  const queue = new SignalQueue(signals, (status) => exits.push(status));
  const waiting: (() => void)[] = [];
  let begun = 0;
  const daemon = {
    reload: () => {
      begun += 1;
      return new Promise<void>((resolve) => waiting.push(resolve));
    },
  };
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  const finish = async () => {
    waiting.shift()?.();
    await turn();
  };
  return { signals, exits, queue, daemon, finish, begun: () => begun };
}

t.test('a hundred reloads that are asked for during one are one more', async (t) => {
  const { signals, queue, daemon, finish, begun } = setup();
  void queue.serve(daemon);
  for (let count = 0; count < 100; count++) signals.emit('SIGHUP');
  t.equal(begun(), 1);
  await finish();
  t.equal(begun(), 2);
  await finish();
  t.equal(begun(), 2);
  signals.emit('SIGHUP');
  t.equal(begun(), 3, 'and later ones are reloads again');
});

t.test('what is asked before the daemon runs is done when it does', async (t) => {
  const { signals, queue, daemon, begun } = setup();
  signals.emit('SIGHUP');
  signals.emit('SIGHUP');
  t.equal(begun(), 0);
  void queue.serve(daemon);
  t.equal(begun(), 1);
  signals.emit('SIGTERM');
});

for (const signal of ['SIGTERM', 'SIGINT', 'SIGQUIT']) {
  t.test(`${signal} stops, before the daemon runs too; a second one at once`, async (t) => {
    const { signals, exits, queue, daemon } = setup();
    signals.emit(signal);
    t.equal(queue.isStopAsked, true);
    await queue.serve(daemon);
    t.same(exits, []);
    signals.emit(signal);
    t.same(exits, [0]);
    queue.close();
    t.equal(signals.listenerCount(signal), 0);
    t.equal(signals.listenerCount('SIGHUP'), 0);
  });
}
