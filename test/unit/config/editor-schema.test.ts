import fc from 'fast-check';
import t from 'tap';
import Schema from 'typebox/schema';
import { LineCounter, parseDocument } from 'yaml';
import { jsonSchema } from '../../../src/config/editor-schema.js';
import { formatIssue } from '../../../src/config/issue.js';
import { rangePattern } from '../../../src/config/range-pattern.js';
import { Reader } from '../../../src/config/reader.js';
import type { SchemaNode } from '../../../src/config/schema-node.js';
import { configurationSchema } from '../../../src/config/schema.js';

/** A configuration in which every key is given. */
const whole = {
  version: 1,
  engine: {
    reactors: 'auto',
    poll: 'busy',
    idle_after: '50us',
    memory: '256MiB',
    hugepages: 'auto',
    connections_max: 4096,
    connect_timeout: '10s',
    pdu_timeout: '30s',
  },
  admin: { listen: '127.0.0.1:9920', token_file: null },
  discovery: { listeners: [{ transport: 'tcp', address: '127.0.0.1', port: 8009 }] },
  bdevs: [
    { name: 'ram0', kind: 'malloc', size: '1GiB', block_size: 512 },
    { name: 'void0', kind: 'null', size: '1TiB', block_size: '4KiB' },
    { name: 'part0', kind: 'partition', base: 'ram0', partition: 'data' },
    {
      name: 'file0',
      kind: 'uring',
      path: 'disk0.img',
      size: '10GiB',
      create: true,
      read_only: false,
      block_size: 4096,
    },
  ],
  subsystems: [
    {
      nqn: 'nqn.2026-11.com.example:disk0',
      serial: 'S1',
      model: 'capsuled',
      allow_any_host: true,
      hosts: ['nqn.2014-08.org.nvmexpress:NVMf:uuid:1', { nqn: 'nqn.2026-11.com.example:host' }],
      cntlid_range: [1, 65519],
      listeners: [{ transport: 'tcp', address: '::1', port: 4420, ana_state: 'optimized' }],
      namespaces: [
        {
          nsid: 1,
          bdev: 'ram0',
          uuid: '6ba7b810-9dad-41d1-80b4-00c04fd430c8',
          nguid: '6ba7b8109dad41d180b400c04fd430c8',
          eui64: '6ba7b8109dad41d1',
          read_only: false,
        },
      ],
    },
  ],
  log: { level: 'info', format: 'auto' },
};

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** The paths of all values, sections and lists among them. */
function pathsOf(value: Json, path: readonly (string | number)[] = []): (string | number)[][] {
  const inner =
    value === null || typeof value !== 'object'
      ? []
      : Array.isArray(value)
        ? value.flatMap((item, index) => pathsOf(item, [...path, index]))
        : Object.entries(value).flatMap(([key, item]) => pathsOf(item, [...path, key]));
  return [[...path], ...inner];
}

/** What is in `value` once the value at a path is another; undefined: once it is gone. */
function changed(value: Json, path: readonly (string | number)[], to: Json | undefined): Json {
  const [key, ...rest] = path;
  if (key === undefined) return to ?? null;
  const copy = structuredClone(value) as Json[] & Record<string, Json>;
  if (rest.length > 0) copy[key as number] = changed(copy[key as number] ?? null, rest, to);
  else if (to !== undefined) copy[key as number] = to;
  else if (Array.isArray(copy)) copy.splice(key as number, 1);
  else Reflect.deleteProperty(copy, key);
  return copy;
}

/** What of the whole configuration a path leads into; to read it all takes longer. */
function partOf([section = 'version']: readonly (string | number)[]): Json {
  return { version: 1, [section]: whole[section as keyof typeof whole] };
}

/** What the reader of the file says; JSON is YAML. */
function readErrors(configuration: Json): string[] {
  const text = JSON.stringify(configuration);
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const reader = new Reader('c.yaml', document, lines);
  reader.read(document.contents, configurationSchema as unknown as SchemaNode, '');
  return reader.issues.map(formatIssue);
}

const around = [
  0,
  1,
  15,
  16,
  512,
  1023,
  1024,
  4095,
  4096,
  65519,
  65535,
  65536,
  2 ** 30,
  2 ** 53 - 1,
];
const integers = fc.oneof(
  fc.constantFrom(...around).chain((n) => fc.integer({ min: -1, max: 1 }).map((step) => n + step)),
  fc.maxSafeInteger(),
);
const units = [
  '',
  'B',
  'KiB',
  'MiB',
  'GiB',
  'TiB',
  'PiB',
  'KB',
  'GB',
  'Gi',
  'ns',
  'us',
  'ms',
  's',
  'm',
  'h',
];
const quantities = fc
  .tuple(
    fc.constantFrom('', '0', '-'),
    integers,
    fc.constantFrom('', ' '),
    fc.constantFrom(...units),
  )
  .map((parts) => parts.join(''));
const addresses = fc.oneof(
  fc.ipV4(),
  fc.ipV6(),
  fc.constantFrom('0.0.0.0', '::', '::1', '1::', 'fe80::1', 'fe80::1%eth0', 'febf:1::', 'fec0::1'),
  fc.constantFrom('ff02::1', 'ff:1::', '224.0.0.1', '223.255.255.255', '127.1', '01.2.3.4'),
  fc.constantFrom('::ffff:1.2.3.4', '0:0:0:0:0:ffff::', '::0:ffff:1:2', '::ffff:1', '0::ffff:1:2'),
  fc.constantFrom('::1.2.3.4', '1:2:3:4:5:6:1.2.3.4', '1:2:3:4:5:6:7:8:9', '1::2::3', '::1%', 'x'),
);
const endpoints = fc
  .tuple(addresses, fc.constantFrom('', '0', '9920', '09920', '65535', '65536'))
  .chain(([address, port]) =>
    fc.constantFrom(`${address}:${port}`, `[${address}]:${port}`, `[${address}]${port}`),
  );
const digits = fc
  .array(fc.constantFrom('0', '1', 'a', 'F', '-', 'g'), { minLength: 14, maxLength: 37 })
  .map((parts) => parts.join(''));
const hexadecimal = fc
  .constantFrom(16, 32)
  .chain((length) =>
    fc.oneof(
      fc.stringMatching(new RegExp(`^[0-9a-fA-F]{${length}}$`)),
      fc.constant('0'.repeat(length)),
      fc.uuid(),
      digits,
    ),
  );
const names = fc.oneof(
  fc.constantFrom('nqn.2014-08.org.nvmexpress.discovery', 'nqn.', 'nqn', 'nqn.2026-13.a:b'),
  fc.constantFrom('nqn.2026-11.a', 'nqn.2026-11.a:', 'nqn.2026-11..a:b', 'nqn.2026-11.a b:c'),
  fc.constantFrom(`nqn.2026-11.a:${'x'.repeat(208)}`, `nqn.2026-11.a:${'x'.repeat(209)}`),
  fc.uuid().map((uuid) => `nqn.2014-08.org.nvmexpress:uuid:${uuid}`),
  fc.constantFrom('nqn.2014-08.org.nvmexpress:uuid:1', 'nqn.2026-11.a:b\u0007', 'nqn.a\u0085'),
  fc.string({ maxLength: 41 }).map((text) => `nqn.2026-11.com.example${text}`),
  fc.constantFrom('nqn.2026-11.\u00e9:\u00e9', 'nqn.2026-11.a\u2028b:c', 'nqn.2026-11.a:b\u2028c'),
);
const words = fc.constantFrom(
  ...['auto', 'adaptive', 'busy', 'never', 'required', 'tcp', 'optimized', 'info', 'json'],
  ...['malloc', 'null', 'uring', 'nvme', 'file', 'true', 'yes', '', ' ', 'a b', 'x'.repeat(64)],
);
const values: fc.Arbitrary<Json> = fc.oneof(
  fc.constantFrom<Json[]>(null, true, false, [], {}, [1, 2], [0], [1, 2, 3], ['nqn.a'], { nqn: 1 }),
  integers,
  fc.double({ noNaN: true, noDefaultInfinity: true, min: -10, max: 10 }).map((n) => n + 0.5),
  quantities,
  addresses,
  endpoints,
  hexadecimal,
  names,
  words,
  fc.string({ maxLength: 41 }),
);

const validator = Schema.Compile(JSON.parse(jsonSchema()) as object);

function compare(configuration: Json): void {
  const errors = readErrors(configuration);
  const isValid = validator.Check(configuration);
  if (isValid === (errors.length === 0)) return;
  const verdict = isValid ? 'takes' : 'refuses';
  throw new Error(
    `the schema ${verdict} ${JSON.stringify(configuration)}; check: ${errors.join('; ')}`,
  );
}

t.test('the schema for editors takes the whole configuration', async (t) => {
  t.strictSame(readErrors(whole), []);
  t.ok(validator.Check(whole));
});

t.test('the schema for editors takes what check takes, and refuses what it refuses', async (t) => {
  const paths = pathsOf(whole).filter((path) => path.length > 0);
  const change = fc.record({ path: fc.constantFrom(...paths), value: values });
  const property = fc.property(change, ({ path, value }) => {
    compare(changed(partOf(path), path, value));
  });
  fc.assert(property, { numRuns: 4000 });
  t.pass();
});

const maps = pathsOf(whole).filter((path) => {
  const at = path.reduce<unknown>((value, key) => (value as Record<string, unknown>)[key], whole);
  return typeof at === 'object' && at !== null && !Array.isArray(at);
});

t.test('they agree about keys that are missing, unknown or of a later version', async (t) => {
  for (const path of pathsOf(whole).filter((path) => path.length > 0)) {
    compare(changed(partOf(path), path, undefined));
  }
  for (const path of maps) {
    for (const key of ['unknown', 'psk_file', 'qos']) {
      compare(changed(partOf(path), [...path, key], 1));
    }
  }
  t.pass();
});

t.test('a range of numbers is matched, and no other number', async (t) => {
  const bound = fc.oneof(
    fc.bigInt({ min: 0n, max: 2000n }),
    fc.bigInt({ min: 0n, max: 1n << 64n }),
  );
  const property = fc.property(bound, bound, bound, (left, right, number) => {
    const [least, most] = left < right ? [left, right] : [right, left];
    const pattern = new RegExp(`^${rangePattern(least, most)}$`);
    const candidates = [number, least, most, least - 1n, most + 1n].filter((n) => n >= 0n);
    return candidates.every((n) => pattern.test(String(n)) === (n >= least && n <= most));
  });
  fc.assert(property, { numRuns: 5_000 });
  t.pass();
});
