import { readFileSync } from 'node:fs';

import t from 'tap';

import { TargetError, errorKinds } from '../../src/errors.js';

/** Rows of the page's table: code, HTTP status, title, advice. */
function documented(): Map<string, { httpStatus: number; title: string; advice: string }> {
  const page = readFileSync('docs/reference/errors.md', 'utf8');
  const rows = [...page.matchAll(/^\| `(\w+)` \| (\d+) \| (.+?) \| (.+?) \|$/gm)];
  return new Map(
    rows.map(([, code = '', httpStatus = '', title = '', advice = '']) => [
      code,
      { httpStatus: Number(httpStatus), title, advice },
    ]),
  );
}

t.test('the registry and docs/reference/errors.md say the same', async (t) => {
  const page = documented();
  t.same([...page.keys()], Object.keys(errorKinds));
  for (const [code, kind] of Object.entries(errorKinds)) t.match(page.get(code), kind);
});

t.test('codes are in alphabetical order, and their statuses are errors', async (t) => {
  const codes = Object.keys(errorKinds);
  t.same(codes, codes.toSorted());
  for (const { httpStatus } of Object.values(errorKinds)) t.ok(httpStatus >= 400);
});

t.test('an expectation reads as one', async (t) => {
  const error = TargetError.expected('argument_invalid', 'a port', 'listeners[0].port', 70000);
  t.equal(error.message, 'expected a port for `listeners[0].port`, got 70000');
  t.match(error, { name: 'TargetError', code: 'argument_invalid', field: 'listeners[0].port' });
  t.equal(error.httpStatus, 400);
  t.equal(error.title, errorKinds.argument_invalid.title);
});

for (const [got, text] of [
  ['x', "'x'"],
  [undefined, 'nothing'],
  [null, 'null'],
  [1n << 40n, '1099511627776'],
  [{ size: 1n }, '{"size":"1"}'],
  [[1, 2], '[1,2]'],
  [false, 'false'],
] as const) {
  t.test(`what was got is printed as ${text}`, async (t) => {
    const error = TargetError.expected('internal', 'that', 'this', got);
    t.equal(error.message, `expected that for \`this\`, got ${text}`);
  });
}

t.test('anything thrown becomes a TargetError with its cause', async (t) => {
  const known = new TargetError('in_use', 'still used');
  t.equal(TargetError.from(known), known);
  const cause = new Error('out of order');
  t.match(TargetError.from(cause), { code: 'internal', message: 'out of order', cause });
  t.match(TargetError.from('oops'), { code: 'internal', message: "'oops'" });
});
