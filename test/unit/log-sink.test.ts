import t, { type Test } from 'tap';
import type { LineWriter, LineWriterStatus } from '../../src/engine/line-writer.js';
import { createLogger } from '../../src/log.js';
import { LogSink } from '../../src/log-sink.js';

/** What a descriptor does that takes lines when the test says so. */
class FakeLineWriter implements LineWriter {
  /** Lines that fit before somebody reads. */
  room = Infinity;
  failure: string | undefined;
  readsAtFlush = false;
  readonly written: string[] = [];
  readonly #pending: string[] = [];

  write(line: string): boolean {
    if (this.#pending.length >= this.room) return false;
    this.#pending.push(line);
    return true;
  }

  flush(): boolean {
    if (this.readsAtFlush) this.read();
    return this.#pending.length === 0;
  }

  status(): LineWriterStatus {
    const pendingBytes = (this.#pending.length / this.room) * LogSink.bytesMax;
    return this.failure === undefined ? { pendingBytes } : { pendingBytes, failure: this.failure };
  }

  /** The reader takes some lines, or all. */
  read(count = this.#pending.length): void {
    this.written.push(...this.#pending.splice(0, count));
  }
}

function setup(t: Test) {
  const writer = new FakeLineWriter();
  const sink = new LogSink(writer);
  const said: string[] = [];
  sink.sayLost = (lines, reason) => {
    const notice = `lost ${lines}: ${reason}`;
    said.push(notice);
    sink.write(notice);
  };
  const { intervals, tick } = fakeIntervals(t);
  return { writer, sink, said, intervals, tick };
}

/** Intervals that run when the test says so. */
function fakeIntervals(t: Test) {
  const intervals = new Map<object, () => void>();
  t.intercept(globalThis, 'setInterval', {
    value: (run: () => void) => {
      const timer = { unref: () => timer };
      intervals.set(timer, run);
      return timer;
    },
  });
  t.intercept(globalThis, 'clearInterval', { value: (timer: object) => intervals.delete(timer) });
  const tick = (): void => {
    for (const run of intervals.values()) run();
  };
  return { intervals, tick };
}

t.test('lines go through in order while there is room', async (t) => {
  const { writer, sink, said } = setup(t);
  for (const line of ['a', 'b', 'c']) sink.write(line);
  writer.read();
  t.strictSame(writer.written, ['a', 'b', 'c']);
  t.equal(sink.linesLostTotal, 0);
  t.strictSame(said, []);
});

t.test('a line that can never fit is lost alone, with its reason', async (t) => {
  const { writer, sink } = setup(t);
  const long = 'é'.repeat(LogSink.lineBytesMax / 2);
  for (const line of ['a', long, `${long}.`, 'b']) sink.write(line);
  t.equal(sink.linesLostTotal, 1);
  writer.read();
  t.strictSame(writer.written, ['a', long, 'lost 1: it is longer than 512 KiB', 'b']);
});

t.test('lines that find no room are one gap, which is said at its place', async (t) => {
  const { writer, sink } = setup(t);
  writer.room = 4;
  for (const line of ['a', 'b', 'c', 'd', 'e', 'f']) sink.write(line);
  t.equal(sink.linesLostTotal, 2);
  // Room for one, but not for half of them: the gap goes on.
  writer.read(1);
  sink.write('g');
  t.equal(sink.linesLostTotal, 3);
  writer.read(1);
  sink.write('h');
  writer.read();
  sink.write('i');
  writer.read();
  t.strictSame(writer.written, [
    ...['a', 'b', 'c', 'd'],
    'lost 3: they were not read fast enough',
    ...['h', 'i'],
  ]);
  t.equal(sink.linesLostTotal, 3);
});

t.test('the second gap is said with its own number and reason', async (t) => {
  const { writer, sink, said } = setup(t);
  writer.room = 2;
  for (const line of ['a', 'b', 'c']) sink.write(line);
  writer.read();
  writer.failure = 'no space left on device (ENOSPC)';
  for (const line of ['d', 'e', 'f']) sink.write(line);
  writer.failure = undefined;
  writer.read();
  sink.write('g');
  t.strictSame(said, [
    'lost 1: they were not read fast enough',
    'lost 2: no space left on device (ENOSPC)',
  ]);
  t.equal(sink.linesLostTotal, 3);
});

t.test('a loss is said although nothing more is logged', async (t) => {
  const { writer, sink, said, intervals, tick } = setup(t);
  writer.room = 2;
  for (const line of ['a', 'b', 'c']) sink.write(line);
  tick();
  t.strictSame(said, []);
  writer.read();
  tick();
  t.equal(said.length, 1);
  t.equal(intervals.size, 0, 'nothing is left to be said');
});

t.test('the end says what was lost, if it is read at all', async (t) => {
  const { writer, sink, said } = setup(t);
  writer.room = 2;
  for (const line of ['a', 'b', 'c']) sink.write(line);
  sink.flush();
  t.strictSame(said, []);
  writer.readsAtFlush = true;
  sink.flush();
  t.strictSame(writer.written, ['a', 'b', 'lost 1: they were not read fast enough']);
});

t.test('the notice is a line of the log in its format, at any level', async (t) => {
  const writer = new FakeLineWriter();
  const sink = new LogSink(writer);
  fakeIntervals(t);
  const options = { level: 'fatal', format: 'json' } as const;
  const logger = await createLogger(options, { isTTY: false, color: false, sink });
  writer.room = 1;
  logger.fatal({}, 'one');
  logger.fatal({}, 'two');
  writer.read();
  sink.flush();
  writer.read();
  const [one, notice] = writer.written.map((line) => JSON.parse(line) as Record<string, unknown>);
  t.match(one, { msg: 'one' });
  t.match(notice, { level: 'error', lines: 1, msg: /^1 line of the log lost here: / });
});
