import t from 'tap';

import { MemoryState } from '../../../src/identity/state-directory.js';
import { StateInTime } from '../../../src/identity/state-in-time.js';
import { FakeClock } from '../subsystem/fake-host.js';

const deadlineMs = 1000;

/** A directory that answers nothing until it is told to. */
class HangingState extends MemoryState {
  readonly begun: string[] = [];
  #answer = (): void => undefined;
  readonly #answered = new Promise<void>((resolve) => (this.#answer = resolve));

  answer(): void {
    this.#answer();
  }

  override async read(name: string): Promise<string | null> {
    this.begun.push(`read ${name}`);
    await this.#answered;
    return super.read(name);
  }

  override async write(name: string, text: string): Promise<void> {
    this.begun.push(`write ${name}`);
    await this.#answered;
    return super.write(name, text);
  }
}

const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 4; turn++) await new Promise((resolve) => setImmediate(resolve));
};

const late = (name: string, what: string): object => ({
  code: 'state_unusable',
  field: 'state_directory',
  message: `(memory)/${name} cannot be ${what}: its file system did not answer for 1 s`,
});

t.test('what is there, is written and removed as without it', async (t) => {
  const memory = new MemoryState();
  const state = new StateInTime(memory, new FakeClock(), deadlineMs);
  t.equal(await state.read('a'), null);
  await state.write('a', 'one');
  t.equal(await state.read('a'), 'one');
  await state.remove('a');
  t.same([...memory.files], []);
  t.equal(state.pathOf('a'), '(memory)/a');
});

t.test('a call that hangs is given up, and keeps one thread', async (t) => {
  const clock = new FakeClock();
  const hanging = new HangingState();
  const state = new StateInTime(hanging, clock, deadlineMs);
  const calls = [state.write('a', 'one'), state.read('b'), state.remove('c')];
  const results = Promise.allSettled(calls);
  await turns();
  t.same(hanging.begun, ['write a']);
  clock.advance(deadlineMs);
  t.match(await results, [
    { reason: late('a', 'written') },
    { reason: late('b', 'read') },
    { reason: late('c', 'removed') },
  ]);
  t.equal(clock.pending, 0);

  await t.rejects(state.read('a'), {
    message: '(memory)/a cannot be read: an earlier call has not ended',
  });
  hanging.answer();
  await turns();
  t.equal(await state.read('a'), 'one', 'what was written came late');
  t.same(hanging.begun, ['write a', 'read a'], 'what nobody waited for was not begun');
});

t.test('a failure is not the next one’s', async (t) => {
  const memory = new MemoryState();
  const state = new StateInTime(memory, new FakeClock(), deadlineMs);
  memory.write = () => Promise.reject(new Error('full'));
  const [written, read] = await Promise.allSettled([state.write('a', 'x'), state.read('a')]);
  t.match(written, { reason: { message: 'full' } });
  t.match(read, { status: 'fulfilled', value: null });
});
