import t from 'tap';
import Schema from 'typebox/schema';
import { describeBdev } from '../../../src/bdev/kinds.js';
import { jsonSchema } from '../../../src/config/editor-schema.js';
import { formatIssue } from '../../../src/config/issue.js';
import { parseConfiguration } from '../../../src/config/load.js';
import type { BdevParameters } from '../../../src/engine/engine-types.js';
import { ContentBed } from '../identity/bed.js';
import { Bed, configuration, subsystem } from '../subsystem/fake-host.js';
import { description } from './description.js';

const uuid = 'c12a7328-f81f-11d2-ba4b-00a0c93ec93b';
const base: BdevParameters = { name: 'ram0', kind: 'malloc', size: 1n << 20n, block_size: 512 };

/** What is read of `partition: ` and this text. */
function read(text: string): { value: unknown; errors: string[] } {
  const file =
    'version: 1\nbdevs:\n  - { name: ram0, kind: malloc, size: 1MiB }\n' +
    `  - { name: part0, kind: partition, base: ram0, partition: ${text} }\n`;
  const parsed = parseConfiguration(file, '/c.yaml', [0]);
  const errors = parsed.issues
    .filter(({ severity }) => severity === 'error')
    .map((issue) => formatIssue(issue).replace(/^\S+ error: /, ''));
  return { value: parsed.configuration?.target.bdevs[1]?.['partition'], errors };
}

t.test('a partition is named by its number, its name or its UUID', async (t) => {
  const taken: Readonly<Record<string, string>> = {
    '1': '1',
    '"1"': '1',
    '8192': '8192',
    EFI: 'EFI',
    '"EFI system partition"': 'EFI system partition',
    'd\u00e9j\u00e0': 'd\u00e9j\u00e0',
    '"007a"': '007a',
    '"-1a"': '-1a',
    [`"${'x'.repeat(36)}"`]: 'x'.repeat(36),
    [uuid]: uuid,
    [uuid.toUpperCase()]: uuid,
  };
  for (const [text, value] of Object.entries(taken)) {
    t.strictSame(read(text), { value, errors: [] }, text);
  }
});

t.test('what no partition is called is refused, with what is expected', async (t) => {
  const expected =
    'bdevs[1].partition: expected the number of a partition, from 1 to 8192, or its name or UUID, got';
  const refused: Readonly<Record<string, string>> = {
    '0': '0',
    '8193': '8193',
    '"01"': '"01"; write 1, without leading zeros',
    '1.5': '1.5; put it in quotes',
    '-1': '-1',
    '"-1"': '"-1"',
    '0x10': '0x10; put it in quotes',
    '""': '""',
    '"a\\nb"': '"a\\nb"; of a partition with such a name, write the number or the UUID',
    [`"${'x'.repeat(37)}"`]: `"${'x'.repeat(37)}"; a name has at most 36 characters`,
    true: 'true',
    '[1]': 'a list',
    '': 'nothing',
  };
  for (const [text, got] of Object.entries(refused)) {
    t.strictSame(read(text), { value: undefined, errors: [`${expected} ${got}`] }, text);
  }
});

t.test('the schema for editors takes what is taken, and refuses what is refused', async (t) => {
  const validator = Schema.Compile(JSON.parse(jsonSchema()) as object);
  const values = [
    ...[1, 8192, 0, -1, 8193, 1.5, true, null],
    ...['1', '8192', '0', '01', '8193', '9999999999', '007a', '-1', '1.5', 'EFI', ' ', ''],
    ...['x'.repeat(36), 'x'.repeat(37), '\u{1f600}'.repeat(36), '\u{1f600}'.repeat(37)],
    ...['a\nb', 'a\u202eb', 'a\ufffdb', 'd\u00e9j\u00e0', uuid, uuid.toUpperCase()],
  ];
  for (const value of values) {
    const bdev = { name: 'part0', kind: 'partition', base: 'ram0', partition: value };
    const { errors } = read(JSON.stringify(value));
    const isTaken = validator.Check({ version: 1, bdevs: [bdev] });
    t.equal(isTaken, errors.length === 0, JSON.stringify(value));
  }
});

t.test('what a partition says of itself recreates it', async (t) => {
  for (const partition of ['7', 'data', uuid]) {
    const parameters = { name: 'part0', kind: 'partition', base: 'ram0', partition };
    const described = describeBdev(description(parameters), parameters);
    t.strictSame(described, parameters);
    const ram = describeBdev(description(base), base);
    const text = JSON.stringify({ version: 1, bdevs: [ram, described] });
    const { configuration: again } = parseConfiguration(text, '/c.yaml', [0]);
    t.strictSame(again?.target.bdevs[1], parameters);
  }
});

t.test('a partition and a split of the same blocks are the same disk', async (t) => {
  const bed = ContentBed.on(t);
  const file = await bed.file('/srv/disk0.img');
  const opened = (offset: bigint, partition: string) => {
    bed.engine.bdevFields = { firstBlock: offset / 512n };
    const parameters = { name: 'part0', kind: 'partition', base: 'file0', partition };
    return bed.open(parameters, [file.description]);
  };
  const byNumber = await bed.export(await opened(1n << 20n, '1'));
  const byName = await bed.export(await opened(1n << 20n, 'data'));
  t.same(byName, byNumber, 'however it is named');
  const moved = await bed.export(await opened(2n << 20n, 'data'));
  t.not(moved.uuid, byNumber.uuid, 'elsewhere it has another content');
  bed.engine.bdevFields = {};
  t.same(await bed.export(await bed.split(file, 'part1', 1n << 20n)), byNumber);
});

t.test('what the operator should know of a bdev is logged when it is opened', async (t) => {
  const warning = 'the primary GPT, in block 1, is damaged (x): its backup was used';
  const part: BdevParameters = { name: 'part0', kind: 'partition', base: 'ram0', partition: '1' };
  const parts = configuration({
    bdevs: [base, part],
    subsystems: [subsystem({ namespaces: [{ nsid: 1, bdev: 'part0', readOnly: false }] })],
  });
  const bed = new Bed();
  bed.engine.onCall = async (call) => {
    bed.engine.bdevFields = call === 'bdevCreate part0' ? { warning } : {};
  };
  await bed.target.apply(parts);
  t.strictSame(bed.warnings, [{ fields: { bdev: 'part0' }, message: `part0: ${warning}` }]);
});
