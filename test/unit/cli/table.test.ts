import t from 'tap';
import { sizeText } from '../../../src/byte-text.js';
import { table } from '../../../src/cli/table.js';

t.test('columns are as wide as their widest cell, and lines have no tail', async (t) => {
  t.equal(
    table([
      ['a', 'bb', 'c'],
      ['aaa', '', ''],
      ['é', 'b'],
    ]),
    ['a    bb  c', 'aaa', 'é    b', ''].join('\n'),
  );
  t.equal(table([]), '');
});

t.test('sizes have three digits that count', async (t) => {
  for (const [bytes, text] of [
    [0, '0 bytes'],
    [512, '512 bytes'],
    [1023, '1023 bytes'],
    [1024, '1.00 KiB'],
    [1_000_204_886_016, '932 GiB'],
    [1_920_383_410_176, '1.75 TiB'],
    [15 * 2 ** 40, '15.0 TiB'],
    [2 ** 70, '1048576 PiB'],
  ] as const) {
    t.equal(sizeText(bytes), text);
  }
});
