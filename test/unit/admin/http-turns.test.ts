import t from 'tap';
import { HttpTurns } from '../../../src/admin/http-turns.js';

/** Turns of a loop that the test runs. */
function bed(): { turns: HttpTurns; run: () => number; taken: string[] } {
  let next: (() => void)[] = [];
  const turns = new HttpTurns((run) => next.push(run));
  const run = (): number => {
    const now = next;
    next = [];
    for (const one of now) one();
    return now.length;
  };
  return { turns, run, taken: [] };
}

t.test('addresses take turns, and so do the connections of one', async (t) => {
  const { turns, run, taken } = bed();
  const want = (host: string, name: string, pieces: number): void => {
    let left = pieces;
    turns.want({
      host,
      takeTurn: () => {
        taken.push(name);
        left -= 1;
        return left > 0;
      },
    });
  };
  for (const name of ['a1', 'a2', 'a3']) want('a', name, 3);
  want('b', 'b1', 2);
  let count = 0;
  while (run() > 0) {
    count += 1;
    t.equal(taken.length, count, 'one in each turn');
  }
  t.strictSame(taken, ['a1', 'b1', 'a2', 'b1', 'a3', 'a1', 'a2', 'a3', 'a1', 'a2', 'a3']);
});

t.test('who is gone has no turn, and one that fails costs others none', async (t) => {
  const { turns, run, taken } = bed();
  const taker = (host: string, takeTurn: () => boolean) => ({ host, takeTurn });
  const gone = taker('a', () => t.fail('it is gone'));
  turns.want(gone);
  turns.want(
    taker('b', () => {
      throw new Error('failed');
    }),
  );
  turns.want(
    taker('c', () => {
      taken.push('c');
      return false;
    }),
  );
  turns.forget(gone);
  t.throws(run, { message: 'failed' });
  run();
  t.strictSame(taken, ['c']);
  t.equal(run(), 0);
});
