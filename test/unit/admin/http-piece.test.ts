import fc from 'fast-check';
import t from 'tap';
import { PieceCutter, pieceBytesMax } from '../../../src/admin/http-piece.js';

/** All pieces of what comes in these portions. */
function pieces(portions: readonly string[]): string[] {
  const cutter = new PieceCutter();
  const found: string[] = [];
  for (const portion of portions) {
    let rest = Buffer.from(portion);
    while (rest.length > 0) {
      const piece = cutter.next(rest);
      rest = rest.subarray(piece.length);
      found.push(piece.toString());
    }
  }
  return found;
}

t.test('a piece ends with the header of a request', async (t) => {
  t.strictSame(pieces(['GET / HTTP/1.1\r\nA: b\r\n\r\nGET /x HTTP/1.1\n\nrest']), [
    'GET / HTTP/1.1\r\nA: b\r\n\r\n',
    'GET /x HTTP/1.1\n\n',
    'rest',
  ]);
});

t.test('a piece has a greatest length', async (t) => {
  const long = 'x'.repeat(pieceBytesMax + 1);
  t.strictSame(pieces([long]), [long.slice(1), 'x']);
});

t.test('however a stream is split, nothing is lost and no piece has two requests', async () => {
  const requests = fc.array(fc.constantFrom('GET / HTTP/1.1', '\r\n', '\n', '\r', 'A: b\r\n'), {
    maxLength: 30,
  });
  fc.assert(
    fc.property(requests, fc.array(fc.nat(100)), (words, places) => {
      const text = words.join('');
      const cuts = [0, ...places.map((place) => Math.min(place, text.length)), text.length];
      cuts.sort((left, right) => left - right);
      const portions = cuts.slice(1).map((cut, index) => text.slice(cuts[index], cut));
      const found = pieces(portions);
      if (found.join('') !== text) return false;
      // An empty line that is all in one piece is that piece's end.
      return found.every((piece) => !/\n\r?\n[^]/.test(piece));
    }),
  );
});

t.test('an empty line is seen across portions', async (t) => {
  for (const header of ['GET / HTTP/1.1\r\nA: b\r\n\r\n', 'GET / HTTP/1.1\nA: b\n\n']) {
    for (let place = 1; place < header.length; place += 1) {
      const portions = [header.slice(0, place), `${header.slice(place)}GET /next`];
      t.equal(pieces(portions).at(-1), 'GET /next', `cut at ${place}`);
    }
  }
});
