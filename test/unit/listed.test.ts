import t from 'tap';
import { LISTED_MAX, listed } from '../../src/listed.js';

t.test('a list is whole up to its bound, and says what is beyond it', (t) => {
  const texts = Array.from({ length: 4000 }, (_, index) => `text ${index}`);
  t.strictSame(listed([]), []);
  t.strictSame(listed(texts.slice(0, LISTED_MAX)), texts.slice(0, LISTED_MAX));
  t.strictSame(listed(texts.slice(0, LISTED_MAX + 1)), [
    ...texts.slice(0, LISTED_MAX),
    '… and 1 more',
  ]);
  t.strictSame(listed(texts), [...texts.slice(0, LISTED_MAX), '… and 3,980 more']);
  t.end();
});
