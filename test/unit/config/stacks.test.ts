import t from 'tap';
import { formatIssue } from '../../../src/config/issue.js';
import { parseConfiguration } from '../../../src/config/load.js';

/** What is wrong with bdevs that are written so. */
function wrong(...bdevs: readonly string[]): string[] {
  const text = `version: 1\nbdevs:\n${bdevs.map((bdev) => `  - { ${bdev} }\n`).join('')}`;
  const { issues } = parseConfiguration(text, '/c.yaml', [0]);
  return issues
    .filter(({ severity }) => severity === 'error')
    .map((issue) => formatIssue(issue).replace(/^\S+ error: /, ''));
}

const ram = 'name: ram0, kind: malloc, size: 1MiB';

t.test('bdevs may stand on each other, in any order', async (t) => {
  t.strictSame(
    wrong(
      'name: top, kind: split, base: low, size: 4KiB',
      'name: low, kind: split, base: ram0, offset: 512KiB',
      'name: other, kind: split, base: ram0, size: 512KiB',
      ram,
    ),
    [],
  );
});

t.test('a base that there is not is an error, with the name that was meant', async (t) => {
  t.strictSame(wrong('name: a, kind: split, base: ram1', ram), [
    'bdevs[0].base: expected the name of a bdev, got "ram1"; did you mean "ram0"?',
  ]);
  t.match(wrong('name: a, kind: split', ram)[0], /^bdevs\[0\].base: expected .* "base" is missing/);
});

t.test('bdevs that stand on each other in a circle are an error with their names', async (t) => {
  t.strictSame(wrong('name: a, kind: split, base: a'), [
    'bdevs[0].base: expected no bdev that stands on itself, got a → a',
  ]);
  t.strictSame(
    wrong(
      ram,
      'name: d, kind: split, base: a',
      'name: a, kind: split, base: b',
      'name: b, kind: split, base: c',
      'name: c, kind: split, base: a',
    ),
    ['bdevs[2].base: expected no bdev that stands on itself, got a → b → c → a'],
  );
});

t.test('more than eight bdevs on top of each other are an error', async (t) => {
  const stack = (count: number) =>
    Array.from({ length: count }, (_, index) => {
      const base = index === 0 ? 'ram0' : `s${index - 1}`;
      return `name: s${index}, kind: split, base: ${base}`;
    });
  t.strictSame(wrong(ram, ...stack(7)), []);
  const tooMany = 'base: expected at most 8 bdevs on top of each other, got one more';
  t.strictSame(wrong(ram, ...stack(8)), [`bdevs[8].${tooMany}`]);
  t.strictSame(wrong(ram, ...stack(500)), [`bdevs[8].${tooMany}`]);
});

t.test('what others stand on is not exported as well', async (t) => {
  const text = `version: 1
bdevs:
  - { ${ram} }
  - { name: a, kind: split, base: ram0 }
subsystems:
  - nqn: nqn.2026-11.com.example:a
    allow_any_host: true
    namespaces: [{ nsid: 1, bdev: ram0 }]
`;
  const { issues } = parseConfiguration(text, '/c.yaml', [0]);
  const errors = issues.filter(({ severity }) => severity === 'error');
  t.strictSame(
    errors.map(({ message }) => message),
    ['expected a bdev that nothing else uses, got "ram0"; line 4 has it'],
  );
});
