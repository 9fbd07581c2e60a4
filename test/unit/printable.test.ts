import t from 'tap';
import { isPrintable, printable } from '../../src/printable.js';

t.test('what would move a cursor, turn the text or hide is written out', async (t) => {
  t.equal(printable('nqn.2026-11.com.example:host'), 'nqn.2026-11.com.example:host');
  t.equal(printable('Größe 東京 é'), 'Größe 東京 é');
  const foreign = [
    '\u0000',
    '\u001b[31m',
    '\u007f',
    '\u009b',
    '\u202e',
    '\u2066',
    '\u200b',
    '\ufeff',
  ];
  for (const text of [...foreign, '\u2028', '\ud800', '\u{e0041}', '\r\n']) {
    t.match(printable(text), /^\\u\{[0-9a-f]+\}/);
    t.notOk(isPrintable(text));
  }
  t.ok(isPrintable('Größe 東京 é'));
  t.notOk(isPrintable(Buffer.from([0x61, 0xff]).toString('utf8')), 'no UTF-8');
});

t.test('long text is cut', async (t) => {
  t.equal(printable('x'.repeat(10_000)).length, 257);
});
