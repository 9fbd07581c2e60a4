import { execFileSync } from 'node:child_process';
import { truncateSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import t from 'tap';
import { kindSchemas } from '../../../src/bdev/kinds.js';
import { formatIssue } from '../../../src/config/issue.js';
import { loadConfiguration, parseConfiguration } from '../../../src/config/load.js';

const KINDS = [...kindSchemas().keys()].join(', ');

/** Two cores, whatever machine the tests run on. */
function parse(text: string) {
  return parseConfiguration(text, 'c.yaml', [0, 1]);
}

/** The errors of a text, without the warnings and the file's name. */
function errors(text: string): string[] {
  return parse(text)
    .issues.filter((issue) => issue.severity === 'error')
    .map((issue) => formatIssue(issue).replace('c.yaml:', '').replace(' error:', ''));
}

function warnings(text: string): string[] {
  return parse(text)
    .issues.filter((issue) => issue.severity === 'warning')
    .map((issue) => formatIssue(issue).replace('c.yaml:', '').replace(' warning:', ''));
}

const disk = (rest = '') => `version: 1
bdevs:
  - { name: ram0, kind: malloc, size: 1MiB }
subsystems:
  - nqn: nqn.2026-11.com.example:a
    allow_any_host: true
    listeners: [{ address: 127.0.0.1, port: 4420 }]
    namespaces: [{ nsid: 1, bdev: ram0 }]
${rest}`;

/** What is written on one line of a list, and the errors that it leads to. */
const table: readonly (readonly [name: string, text: string, errors: readonly string[]])[] = [
  ['an empty file', '', ['1:1: version: expected 1, but "version" is missing']],
  ['a list', '- a', ['1:1: expected a map, got a list']],
  ['another version', 'version: 2', ['1:10: version: expected 1, got 2']],
  ['YAML that does not end', 'version: "1', ['1:12: YAML: Missing closing "quote']],
  [
    'two documents',
    'version: 1\n---\nversion: 1',
    ['2:1: YAML: expected one document, got several'],
  ],
  [
    'a key given twice',
    'version: 1\nversion: 1',
    ['2:1: version: expected each key once, got "version" again'],
  ],
  [
    'an unknown key',
    'version: 1\nengin: {}',
    [
      '2:1: engin: expected one of version, state_directory, engine, admin, discovery, bdevs, subsystems, log, got the unknown key "engin"; did you mean "engine"?',
    ],
  ],
  [
    'an unknown alias',
    'version: 1\nbdevs: *x',
    ['2:8: bdevs: expected a list, got the alias "*x", before which there is no "&x"'],
  ],
  [
    'a map where a list must be',
    'version: 1\nbdevs: { name: a }',
    ['2:8: bdevs: expected a list, got a map'],
  ],
  [
    'a size with half a unit',
    'version: 1\nengine: { memory: 1Gi }',
    [
      '2:19: engine.memory: expected a size in bytes such as 512, 64KiB or 1GiB (KB, MB, GB are decimal), got "1Gi"; write "1GiB" for powers of 1024',
    ],
  ],
  [
    'a size in the wrong case',
    'version: 1\nbdevs: [{ name: a, kind: uring, path: f, create: true, size: 1Gib }]',
    [
      '2:62: bdevs[0].size: expected a size in bytes such as 512, 64KiB or 1GiB (KB, MB, GB are decimal), got "1Gib"; write "1GiB"',
    ],
  ],
  [
    'a fraction',
    'version: 1\nengine: { memory: 1.5GiB }',
    [
      '2:19: engine.memory: expected a size in bytes such as 512, 64KiB or 1GiB (KB, MB, GB are decimal), got "1.5GiB"; fractions are not allowed',
    ],
  ],
  [
    'too little memory',
    'version: 1\nengine: { memory: 1MiB }',
    ['2:19: engine.memory: expected a size from 16MiB to 1TiB, got "1MiB"'],
  ],
  [
    'too little memory for the reactors',
    'version: 1\nengine: { memory: 16MiB, reactors: 2 }',
    ['2:19: engine.memory: expected at least 16MiB for each of 2 reactors (32MiB), got 16MiB'],
  ],
  [
    'a time without a unit',
    'version: 1\nengine: { idle_after: 50 }',
    [
      '2:23: engine.idle_after: expected a time with its unit such as 50us, 10ms or 2s, got 50; the unit is missing: write "50us", "50ms" or "50s"',
    ],
  ],
  [
    'a time out of range',
    'version: 1\nengine: { idle_after: 2s }',
    ['2:23: engine.idle_after: expected a time from 0 to 1s, got "2s"'],
  ],
  [
    'a misspelt choice',
    'version: 1\nengine: { poll: adaptiv }',
    [
      '2:17: engine.poll: expected one of adaptive, busy, interrupt, got "adaptiv"; did you mean "adaptive"?',
    ],
  ],
  [
    'too many reactors',
    'version: 1\nengine: { reactors: 3 }',
    [
      '2:21: engine.reactors: expected at most 2, the number of cores that this process may use, got 3',
    ],
  ],
  [
    'cores that are repeated or not there',
    'version: 1\nengine: { reactors: [0, 0, 7] }',
    [
      '2:25: engine.reactors[1]: expected each core once, got 0 again',
      '2:28: engine.reactors[2]: expected a core that this process may use (0, 1), got 7',
    ],
  ],
  [
    'cores that are no numbers',
    'version: 1\nengine: { reactors: [a, b, 0] }',
    [
      '2:22: engine.reactors[0]: expected an integer from 0 to 4095, got "a"',
      '2:25: engine.reactors[1]: expected an integer from 0 to 4095, got "b"',
    ],
  ],
  [
    'reactors that are no number',
    'version: 1\nengine: { reactors: all }',
    [
      '2:21: engine.reactors: expected auto, or an integer from 1 to 64, or a list of integers, got "all"',
    ],
  ],
  [
    'an admin address without a token',
    'version: 1\nadmin: { listen: 0.0.0.0:9920 }',
    ['2:18: admin.listen: expected a loopback address, or a token_file beside it, got "0.0.0.0"'],
  ],
  [
    'a host name',
    'version: 1\nadmin: { listen: localhost:9920 }',
    [
      '2:18: admin.listen: expected an address and port such as 127.0.0.1:9920 or [::1]:9920, got "localhost:9920"; host names are not resolved',
    ],
  ],
  [
    'an admin address that is a listener too',
    disk('admin: { listen: 127.0.0.1:4420 }'),
    ['9:18: admin.listen: expected an address of its own, got 127.0.0.1:4420, which line 7 has'],
  ],
  [
    'a kind that is null',
    'version: 1\nbdevs: [{ name: a, kind: null, size: 1MiB }]',
    [`2:26: bdevs[0].kind: expected one of ${KINDS}, got null; write "null" in quotes`],
  ],
  [
    'a misspelt kind',
    'version: 1\nbdevs: [{ name: a, kind: maloc, size: 1MiB }]',
    [`2:26: bdevs[0].kind: expected one of ${KINDS}, got "maloc"; did you mean "malloc"?`],
  ],
  [
    'no kind',
    'version: 1\nbdevs: [{ name: a }]',
    [`2:9: bdevs[0].kind: expected one of ${KINDS}, but "kind" is missing`],
  ],
  [
    'a RAM disk without a size',
    'version: 1\nbdevs: [{ name: a, kind: malloc }]',
    [
      '2:9: bdevs[0].size: expected a size in bytes such as 512, 64KiB or 1GiB (KB, MB, GB are decimal), but "size" is missing',
    ],
  ],
  [
    'a block size that no host has',
    'version: 1\nbdevs: [{ name: a, kind: malloc, size: 1MiB, block_size: 1024 }]',
    ['2:58: bdevs[0].block_size: expected 512 or 4096, got 1024'],
  ],
  [
    'a size that is no multiple of the block size',
    'version: 1\nbdevs: [{ name: a, kind: malloc, size: 5000, block_size: 4096 }]',
    ['2:40: bdevs[0].size: expected a multiple of block_size (4096), got 5000'],
  ],
  [
    'a name given twice',
    'version: 1\nbdevs:\n  - { name: a, kind: malloc, size: 1MiB }\n  - { name: a, kind: "null", size: 1MiB }',
    ['4:13: bdevs[1].name: expected each name once, got "a" again; it is on line 3 too'],
  ],
  [
    'a name with a space',
    'version: 1\nbdevs: [{ name: a b, kind: malloc, size: 1MiB }]',
    [
      '2:17: bdevs[0].name: expected a name of 1 to 63 letters, digits, ".", "_" or "-", beginning with a letter or digit, got "a b"',
    ],
  ],
  [
    'a file that is to be made without a size',
    'version: 1\nbdevs: [{ name: a, kind: uring, path: f, create: true }]',
    ['2:9: bdevs[0].size: expected a size, because "create" is true, but "size" is missing'],
  ],
  [
    'one file of two bdevs',
    'version: 1\nbdevs:\n  - { name: a, kind: uring, path: f }\n  - { name: b, kind: uring, path: ./f }',
    [
      `4:35: bdevs[1].path: expected each file once, got "${process.cwd()}/f" again; it is on line 3 too`,
    ],
  ],
  [
    'bdevs that are no list',
    disk().replace(/bdevs:\n.*\n/, 'bdevs: ram0\n'),
    ['2:8: bdevs: expected a list, got "ram0"'],
  ],
  [
    'yes for true',
    'version: 1\nbdevs: [{ name: a, kind: uring, path: f, create: yes }]',
    ['2:50: bdevs[0].create: expected true or false, got "yes"; write true'],
  ],
  [
    'an NQN without a date',
    'version: 1\nsubsystems: [{ nqn: nqn.example.com }]',
    [
      '2:21: subsystems[0].nqn: expected an NQN such as nqn.2026-11.com.example:disk0, got "nqn.example.com"; a date such as 2026-11 must follow',
    ],
  ],
  [
    'the discovery NQN',
    'version: 1\nsubsystems: [{ nqn: nqn.2014-08.org.nvmexpress.discovery }]',
    [
      '2:21: subsystems[0].nqn: expected an NQN such as nqn.2026-11.com.example:disk0, got "nqn.2014-08.org.nvmexpress.discovery"; it is that of the discovery service',
    ],
  ],
  [
    'a serial number that is too long',
    'version: 1\nsubsystems: [{ nqn: "nqn.2026-11.a:b", serial: "123456789012345678901" }]',
    [
      '2:48: subsystems[0].serial: expected 1 to 20 printable ASCII characters without a space at either end, got "123456789012345678901"',
    ],
  ],
  [
    'a host that is no NQN',
    'version: 1\nsubsystems: [{ nqn: "nqn.2026-11.a:b", hosts: [me, { nqn: "nqn.x", psk_file: k }] }]',
    [
      '2:48: subsystems[0].hosts[0]: expected the NQN of a host, as /etc/nvme/hostnqn has it, got "me"; it must begin with "nqn."',
      '2:68: subsystems[0].hosts[1].psk_file: "psk_file" is not available in this version',
    ],
  ],
  [
    'controller IDs the wrong way round',
    'version: 1\nsubsystems: [{ nqn: "nqn.2026-11.a:b", cntlid_range: [9, 1] }]',
    [
      '2:54: subsystems[0].cntlid_range: expected the first controller ID not above the last, got [9, 1]',
    ],
  ],
  [
    'one controller ID',
    'version: 1\nsubsystems: [{ nqn: "nqn.2026-11.a:b", cntlid_range: [9] }]',
    ['2:54: subsystems[0].cntlid_range: expected a list of 2 integers, got a list of 1'],
  ],
  [
    'a bdev that is not there, and a key of a later version',
    disk().replace('bdev: ram0', 'bdev: ram1, ana_group: 1'),
    [
      '8:35: subsystems[0].namespaces[0].bdev: expected the name of a bdev, got "ram1"; did you mean "ram0"?',
      '8:41: subsystems[0].namespaces[0].ana_group: "ana_group" is not available in this version',
    ],
  ],
  [
    'a bdev used twice, and an NSID too',
    disk().replace('bdev: ram0 }', 'bdev: ram0 }, { nsid: 1, bdev: ram0 }'),
    [
      '8:51: subsystems[0].namespaces[1].nsid: expected each NSID once, got 1 again; it is on line 8 too',
      '8:60: subsystems[0].namespaces[1].bdev: expected a bdev that no other namespace uses, got "ram0"; line 8 has it',
    ],
  ],
  [
    'an NSID out of range',
    disk().replace('nsid: 1', 'nsid: 0'),
    ['8:26: subsystems[0].namespaces[0].nsid: expected an integer from 1 to 1024, got 0'],
  ],
  [
    'an NSID in quotes',
    disk().replace('nsid: 1', 'nsid: "1"'),
    [
      '8:26: subsystems[0].namespaces[0].nsid: expected an integer from 1 to 1024, got "1"; write it without quotes',
    ],
  ],
  [
    'an address in brackets',
    disk().replace('address: 127.0.0.1', 'address: "[::1]"'),
    [
      '7:28: subsystems[0].listeners[0].address: expected an IPv4 or IPv6 address, got "[::1]"; write it without brackets',
    ],
  ],
  [
    'a port out of range',
    disk().replace('port: 4420', 'port: 65536'),
    ['7:45: subsystems[0].listeners[0].port: expected an integer from 0 to 65535, got 65536'],
  ],
  [
    'an ANA state of a later version',
    disk().replace('port: 4420', 'port: 4420, ana_state: inaccessible'),
    ['7:62: subsystems[0].listeners[0].ana_state: expected optimized, got "inaccessible"'],
  ],
  [
    'a listener that covers another',
    disk('discovery: { listeners: [{ address: 0.0.0.0, port: 4420 }] }'),
    [
      '9:26: discovery.listeners[0]: expected an address that no other listener covers, got 0.0.0.0:4420, which overlaps 127.0.0.1:4420 on line 7',
    ],
  ],
  [
    'a listener that is written in two ways',
    disk('discovery: { listeners: [{ address: "::1" }, { address: "0:0::1" }] }'),
    [
      '9:46: discovery.listeners[1]: expected each listener once, got "[0:0::1]:8009" again; it is on line 9 too',
    ],
  ],
  [
    'all addresses, not in their shortest form',
    disk('admin: { listen: "[0::1]:8009" }\ndiscovery: { listeners: [{ address: "0:0::0" }] }'),
    ['9:18: admin.listen: expected an address of its own, got [0::1]:8009, which line 10 has'],
  ],
  [
    'what only the target knows to refuse',
    `version: 1\nsubsystems:${Array.from({ length: 1025 }, (_, n) => `\n  - { nqn: "nqn.2026-11.a:${n}" }`).join('')}`,
    ['3:3: subsystems: expected at most 1024 entries for `subsystems`, got 1025'],
  ],
  [
    'an NGUID of zeroes',
    disk().replace('bdev: ram0', `bdev: ram0, nguid: "${'0'.repeat(32)}"`),
    [
      `8:48: subsystems[0].namespaces[0].nguid: expected 32 hexadecimal digits, not all zero, got "${'0'.repeat(32)}"`,
    ],
  ],
];

const LISTEN =
  'admin.listen: expected an address and port such as 127.0.0.1:9920 or [::1]:9920, got';
const PORT = '7:45: subsystems[0].listeners[0].port: expected an integer from 0 to 65535, got';
const SIZE =
  '3:39: bdevs[0].size: expected a size in bytes such as 512, 64KiB or 1GiB (KB, MB, GB are decimal), got';
const KIND = `2:26: bdevs[0].kind: expected one of ${KINDS}, got`;

/** What is wrong with one value, and what to write instead. */
const advice: readonly (readonly [name: string, text: string, error: string])[] = [
  ...(
    [
      ['9920', '9920; the address is missing: write 127.0.0.1:9920'],
      ['":9920"', '":9920"; the address is missing: write 127.0.0.1:9920'],
      ['127.0.0.1', '"127.0.0.1"; the port is missing: write 127.0.0.1:9920'],
      ['"::1"', '"::1"; the port is missing: write [::1]:9920'],
      ['"::1:80"', '"::1:80"; write [::1]:80'],
      ['127.0.0.1:99999', '"127.0.0.1:99999"; the highest port is 65535'],
      ['127.0.0.1:09920', '"127.0.0.1:09920"; write 9920, without leading zeros'],
      ['"http://127.0.0.1:80"', '"http://127.0.0.1:80"; write the address and port alone'],
      [
        '"[fe80::1]:80"',
        '"[fe80::1]:80"; the zone is missing: write fe80::1%eth0, with the name of the interface',
      ],
      ['"[::ffff:127.0.0.1]:80"', '"[::ffff:127.0.0.1]:80"; write 127.0.0.1'],
    ] as const
  ).map(
    ([listen, got]) =>
      [
        `listen: ${listen}`,
        `version: 1\nadmin: { listen: ${listen} }`,
        `2:18: ${LISTEN} ${got}`,
      ] as const,
  ),
  ...(
    [
      ['04420', '04420; write 4420, without leading zeros'],
      ['0o17', '0o17; write it in decimal: 15'],
      ['0x1144', '0x1144; write it in decimal: 4420'],
      ['4_420', '"4_420"; write 4420, without "_"'],
      ['+4420', '+4420; write 4420, without "+"'],
      ['4420.0', '4420.0; write 4420'],
      ['4.42e3', '4.42e3; write 4420'],
      ['44.5', '44.5; fractions are not allowed'],
    ] as const
  ).map(
    ([port, got]) =>
      [`port: ${port}`, disk().replace('port: 4420', `port: ${port}`), `${PORT} ${got}`] as const,
  ),
  ...(
    [
      ['01048576', '01048576; write 1048576, without leading zeros'],
      ['"01048576"', '"01048576"; write 1048576, without leading zeros'],
      ['0100MiB', '"0100MiB"; write "100MiB", without leading zeros'],
      ['0x100000', '0x100000; write it in decimal: 1048576'],
      ['1_000_000', '"1_000_000"; write 1000000, without "_"'],
      ['1e6', '1e6; write 1000000'],
    ] as const
  ).map(
    ([size, got]) =>
      [`size: ${size}`, disk().replace('size: 1MiB', `size: ${size}`), `${SIZE} ${got}`] as const,
  ),
  ...(
    [
      ['uring', ['file', 'aio', 'AIO', 'block', 'disk', 'image', 'io_uring']],
      ['malloc', ['ram', 'memory', 'ramdisk', 'Malloc']],
      ['null', ['void', 'zero', 'null_blk']],
      ['partition', ['part', 'gpt', 'mbr']],
      ['split', ['linear', 'slice']],
    ] as const
  ).flatMap(([meant, kinds]) =>
    kinds.map(
      (kind) =>
        [
          `kind: ${kind}`,
          `version: 1\nbdevs: [{ name: a, kind: ${kind}, size: 1MiB }]`,
          `${KIND} "${kind}"; did you mean "${meant}"?`,
        ] as const,
    ),
  ),
  [
    'a time with leading zeros',
    'version: 1\nengine: { idle_after: 050us }',
    '2:23: engine.idle_after: expected a time with its unit such as 50us, 10ms or 2s, got "050us"; write "50us", without leading zeros',
  ],
  [
    'a serial number that YAML takes for another number',
    'version: 1\nsubsystems: [{ nqn: "nqn.2026-11.a:b", serial: 0x10 }]',
    '2:48: subsystems[0].serial: expected 1 to 20 printable ASCII characters without a space at either end, got 0x10; put it in quotes',
  ],
  [
    'a serial number whose zeros other readers drop',
    'version: 1\nsubsystems: [{ nqn: "nqn.2026-11.a:b", serial: 0001 }]',
    '2:48: subsystems[0].serial: expected 1 to 20 printable ASCII characters without a space at either end, got 0001; put it in quotes',
  ],
  [
    'a merge key',
    'version: 1\nengine: { <<: { poll: busy } }',
    '2:11: engine.<<: merge keys ("<<") are not taken; write the keys out',
  ],
  [
    'a tag',
    'version: 1\nlog: { level: !include level.yaml }',
    '2:15: YAML: expected no tag, got !include; tags have no meaning here',
  ],
  [
    'YAML 1.1, in which yes is true and 010 is 8',
    '%YAML 1.1\n---\nversion: 1',
    '1:1: YAML: expected YAML 1.2, got %YAML 1.1; remove that line',
  ],
  ['a key that is a list', 'version: 1\n? [a]\n: b', '2:3: ?: expected a key, got a list'],
  [
    'a character that cannot be seen',
    'version: 1\nlog: { level: info\u200b }',
    '2:15: log.level: expected one of trace, debug, info, warn, error, fatal, got "info\\u200b"; did you mean "info"?',
  ],
  [
    'lists in lists without end',
    `version: 1\nbdevs: ${'['.repeat(20_000)}`,
    '2:39: YAML: expected at most 32 levels of maps and lists',
  ],
  [
    'maps in maps without end',
    `version: 1\n${Array.from({ length: 5000 }, (_, level) => `${' '.repeat(level)}a:`).join('\n')}`,
    '34:34: YAML: expected at most 32 levels of maps and lists',
  ],
  [
    'a link-local address without its zone',
    disk().replace('127.0.0.1', '"fe80::1"'),
    '7:28: subsystems[0].listeners[0].address: expected an IPv4 or IPv6 address, got "fe80::1"; the zone is missing: write fe80::1%eth0, with the name of the interface',
  ],
  ...['224.0.0.1', '255.255.255.255', 'ff02::1'].map(
    (address) =>
      [
        address,
        disk().replace('127.0.0.1', `"${address}"`),
        `7:28: subsystems[0].listeners[0].address: expected an IPv4 or IPv6 address, got "${address}"; it is of many machines at once, which TCP does not reach`,
      ] as const,
  ),
  [
    'all addresses twice',
    disk('discovery: { listeners: [{ address: "::", port: 4420 }] }').replace(
      '127.0.0.1',
      '0.0.0.0',
    ),
    '9:26: discovery.listeners[0]: expected an address that no other listener covers, got [::]:4420, which overlaps 0.0.0.0:4420 on line 7',
  ],
  [
    'an IPv4 address that :: covers',
    disk('admin: { listen: 127.0.0.1:4420 }').replace('127.0.0.1', '"::"'),
    '9:18: admin.listen: expected an address of its own, got 127.0.0.1:4420, which line 7 has',
  ],
];

for (const [name, text, expected] of advice) {
  t.test(`${name} is an error that says what to write`, async (t) => {
    t.strictSame(errors(text), [expected]);
  });
}

t.test('one mistake is one error', async (t) => {
  const NAME =
    'a name of 1 to 63 letters, digits, ".", "_" or "-", beginning with a letter or digit';
  const cases = [
    [
      disk().replace('name: ram0', 'name: ram 0'),
      [`3:13: bdevs[0].name: expected ${NAME}, got "ram 0"`],
    ],
    [
      disk().replace('name: ram0', 'nmae: ram0'),
      [
        '3:7: bdevs[0].nmae: expected one of name, kind, size, block_size, disposable, qos, got the unknown key "nmae"; did you mean "name"?',
      ],
    ],
    [
      'version: 1\nbdevs: [{ name: a, kind: uring, path: f, create: true, sise: 1MiB }]',
      [
        '2:56: bdevs[0].sise: expected one of name, kind, path, size, create, read_only, block_size, qos, got the unknown key "sise"; did you mean "size"?',
      ],
    ],
  ] as const;
  for (const [text, expected] of cases) t.strictSame(errors(text), expected);
  t.strictSame(warnings('version: 1\nsubsystem: []'), [], 'nor is it doubted');
});

t.test('a link-local address with its zone is taken', async (t) => {
  const text = disk().replace('127.0.0.1', '"fe80::1%eth0"');
  t.strictSame(parse(text).configuration?.target.subsystems[0]?.listeners, [
    { address: 'fe80::1%eth0', port: 4420 },
  ]);
});

t.test('bytes that are no UTF-8 are refused, with their place', async (t) => {
  const folder = t.testdir();
  const file = join(folder, 'c.yaml');
  const load = async (bytes: Uint8Array): Promise<string[]> => {
    writeFileSync(file, bytes);
    const { issues } = await loadConfiguration(file);
    return issues.map((issue) => formatIssue(issue).replace(`${file}:`, ''));
  };
  const path = (name: string) => `version: 1\nbdevs: [{ name: a, kind: uring, path: ${name} }]`;
  t.strictSame(await load(Buffer.from(path('d\u00e9.img'), 'latin1')), [
    '2:40: error: YAML: expected UTF-8, got the byte 0xE9 ("\u00e9" in Latin-1) at offset 50; save the file as UTF-8',
  ]);
  t.strictSame(await load(Buffer.from([...Buffer.from('# \ufffd \u20ac '), 0xef, 0xbf, 0x41])), [
    '1:7: error: YAML: expected UTF-8, got the byte 0xEF ("\u00ef" in Latin-1) at offset 10; save the file as UTF-8',
  ]);
  const wide = Buffer.from(disk(), 'utf16le');
  const UTF16 = '1:1: error: YAML: expected UTF-8, got UTF-16; save the file as UTF-8';
  t.strictSame(await load(wide), [UTF16]);
  t.strictSame(await load(Buffer.concat([Buffer.from([0xff, 0xfe]), wide])), [UTF16]);
  wide.swap16();
  t.strictSame(await load(wide), [UTF16]);
  t.strictSame(await load(Buffer.concat([Buffer.from([0xfe, 0xff]), wide])), [UTF16]);
  for (const length of [1, 2, 4, 4096]) {
    t.strictSame(await load(Buffer.alloc(length)), [
      '1:1: error: YAML: expected YAML, got nothing but zero bytes, as a file may be left by a power cut; take it from a backup',
    ]);
  }
  t.strictSame(await load(Buffer.concat([Buffer.alloc(3), Buffer.from('v')])), [
    '1:1: error: YAML: expected UTF-8, got UTF-32; save the file as UTF-8',
  ]);
  t.strictSame(await load(Buffer.concat([Buffer.alloc(4096), Buffer.from(disk())])), [
    '1:1: error: YAML: expected text, got the control character U+0000',
  ]);
  t.strictSame(await load(Buffer.concat([Buffer.from(disk()), Buffer.alloc(4096)])), [
    '9:1: error: YAML: expected text, got the control character U+0000',
  ]);
  t.strictSame(await load(Buffer.from(path('"a\u0007"'))), [
    '2:41: error: YAML: expected text, got the control character U+0007',
  ]);
  t.strictSame(await load(Buffer.from(`\ufeff${disk('# \u00e9\n')}`)), []);
});

for (const [name, text, expected] of table) {
  t.test(`${name} is an error that says where and what`, async (t) => {
    t.strictSame(errors(text), expected);
    t.equal(parse(text).configuration, undefined);
  });
}

t.test('every error is reported, in the order of the file', async (t) => {
  const found = errors('bdevs: [{ kind: x }]\nlog: { level: loud }\nengine: { poll: 1 }');
  t.strictSame(
    found.map((text) => text.split(':').slice(0, 3).join(':')),
    [
      '1:1: version',
      '1:9: bdevs[0].name',
      '1:17: bdevs[0].kind',
      '2:15: log.level',
      '3:17: engine.poll',
    ],
  );
});

t.test('what no kind takes is an error beside a kind that is unknown', (t) => {
  const wrong = (rest: string) =>
    errors(`version: 1\nbdevs: [{ name: a, kind: maloc, ${rest} }]`)
      .map((text) => text.split(': ').slice(1, 3).join(': '))
      .filter((text) => !text.startsWith('bdevs[0].kind: '));
  t.strictSame(wrong('size: 1gib, block_size: 513'), [
    'bdevs[0].size: expected a size in bytes such as 512, 64KiB or 1GiB (KB, MB, GB are decimal), got "1gib"; write "1GiB"',
    'bdevs[0].block_size: expected 512 or 4096, got 513',
  ]);
  t.strictSame(wrong('path: "", size: 1MiB, size: 2MiB'), [
    'bdevs[0].path: expected a file path, got ""',
    'bdevs[0].size: expected each key once, got "size" again',
  ]);
  t.strictSame(wrong('<<: { size: 1MiB }'), [
    'bdevs[0].<<: merge keys ("<<") are not taken; write the keys out',
  ]);
  // What some kind would take is not held against it.
  t.strictSame(wrong('size: 4PiB, sise: 1, create: true'), []);
  t.end();
});

t.test('an error in one item hides no error in the next, and leads to no other', async (t) => {
  const text = disk().replace('kind: malloc', 'kind: floppy');
  t.equal(errors(text).length, 1);
});

t.test('what is doubtful is a warning, and the configuration is taken', async (t) => {
  const text = 'version: 1\nsubsystems: [{ nqn: "nqn.2026-11.a:b" }]';
  t.strictSame(warnings(text), [
    '2:14: subsystems[0].hosts: no host may connect: allow_any_host is false and hosts is empty',
    '2:14: subsystems[0].namespaces: there are no namespaces',
    '2:14: subsystems[0].listeners: there are no listeners: no host can connect',
  ]);
  t.ok(parse(text).configuration);
});

t.test('what could not be read is not doubted as well', async (t) => {
  t.strictSame(warnings('version: 1\nsubsystems: 5'), []);
  const text = 'version: 1\nsubsystems: [{ nqn: "nqn.2026-11.a:b", hosts: x }]';
  t.notOk(warnings(text).some((warning) => warning.includes('.hosts')));
});

t.test('the smallest file has all the defaults', async (t) => {
  t.strictSame(parse('version: 1').configuration, {
    engine: {
      cores: [1],
      poll: 'adaptive',
      idleAfterNs: 50_000,
      memoryBytes: 256 * 2 ** 20,
      hugepages: 'auto',
      connectionsMax: 4096,
      connectTimeoutMs: 10_000,
      pduTimeoutMs: 30_000,
    },
    admin: { listen: { address: '127.0.0.1', port: 9920 }, tokenFile: null, allowedHosts: [] },
    log: { level: 'info', format: 'auto' },
    stateDirectory: resolve('capsuled-state'),
    target: {
      discoveryListeners: [{ address: '127.0.0.1', port: 8009 }],
      bdevs: [],
      subsystems: [],
    },
  });
});

t.test('everything that can be said is carried over', async (t) => {
  const { configuration, issues } = parse(`version: 1
engine: { reactors: [1, 0], poll: busy, idle_after: 1ms, memory: 64MB }
bdevs:
  - &ram { name: r, kind: malloc, size: 8192, block_size: 4KiB }
  - { name: v, kind: "null", size: 1TiB }
  - { name: f, kind: uring, path: d/f.img, size: 1GB, create: true }
subsystems:
  - nqn: nqn.2026-11.com.example:a
    serial: 1001
    hosts: [nqn.2014-08.org.nvmexpress:NVMf:uuid:1, { nqn: nqn.h }]
    cntlid_range: [5, 9]
    listeners: [{ transport: tcp, address: "::1", port: 0, ana_state: optimized }]
    namespaces:
      - { nsid: 7, bdev: r,
        uuid: 6BA7B810-9DAD-41D1-80B4-00C04FD430C8, eui64: 1011223344556677, read_only: true }
`);
  t.strictSame(issues, []);
  t.strictSame(configuration?.engine.cores, [1, 0]);
  t.equal(configuration?.engine.memoryBytes, 64_000_000);
  t.strictSame(configuration?.target.bdevs, [
    { name: 'r', kind: 'malloc', size: 8192n, block_size: 4096, disposable: false },
    { name: 'v', kind: 'null', size: 1n << 40n, block_size: 512 },
    {
      name: 'f',
      kind: 'uring',
      path: `${process.cwd()}/d/f.img`,
      create: true,
      read_only: false,
      size: 1_000_000_000n,
    },
  ]);
  t.strictSame(configuration?.target.subsystems, [
    {
      nqn: 'nqn.2026-11.com.example:a',
      serial: '1001',
      model: 'capsuled',
      allowAnyHost: false,
      hosts: ['nqn.2014-08.org.nvmexpress:NVMf:uuid:1', 'nqn.h'],
      cntlidRange: [5, 9],
      listeners: [{ address: '::1', port: 0 }],
      namespaces: [
        {
          nsid: 7,
          bdev: 'r',
          readOnly: true,
          uuid: '6ba7b810-9dad-41d1-80b4-00c04fd430c8',
          eui64: '1011223344556677',
        },
      ],
    },
  ]);
});

t.test('a token file must be a small regular file with a token', async (t) => {
  const folder = t.testdir({
    token: 'sixteen-printable',
    short: 'short',
    large: 'x'.repeat(65537),
  });
  execFileSync('mkfifo', [join(folder, 'fifo')]);
  const file = join(folder, 'c.yaml');
  const load = async (token: string) => {
    writeFileSync(file, `version: 1\nadmin: { token_file: ${token} }\nlog: { level: loud }`);
    const { issues } = await loadConfiguration(file);
    const found = issues.filter(({ severity }) => severity === 'error');
    return found.map((issue) => formatIssue(issue).replace(`${file}:`, ''));
  };
  const loud = /^3:15: error: log.level: /;
  t.match(await load('token'), [loud]);
  for (const [name, reason] of [
    ['absent', 'there is no such file'],
    ['fifo', 'it is a FIFO, not a regular file'],
    ['/dev/zero', 'it is a device, not a regular file'],
    ['large', 'it is larger than 64 KiB'],
  ] as const) {
    t.match(await load(name), [
      `2:22: error: admin.token_file: expected a readable file, got ${resolve(folder, name)}: ${reason}`,
      loud,
    ]);
  }
  t.match(await load('short'), [
    /^2:22: error: admin.token_file: expected a token of at least/,
    loud,
  ]);
});

t.test('a configuration must be a regular file of some size', async (t) => {
  const folder = t.testdir({ large: '' });
  const [fifo, large] = [join(folder, 'fifo'), join(folder, 'large')];
  execFileSync('mkfifo', [fifo]);
  truncateSync(large, 2 ** 40);
  for (const [file, reason] of [
    [fifo, 'it is a FIFO, not a regular file'],
    [large, 'it is larger than 8 MiB'],
    ['/dev/zero', 'it is a device, not a regular file'],
  ] as const) {
    await t.rejects(loadConfiguration(file), {
      code: 'configuration_unreadable',
      message: `${file} cannot be read: ${reason}`,
    });
  }
});

t.test('a file that cannot be read is an error that says why', async (t) => {
  await t.rejects(loadConfiguration('/nonexistent.yaml'), {
    code: 'configuration_unreadable',
    message: 'there is no file /nonexistent.yaml; name the configuration with --config FILE',
  });
  await t.rejects(loadConfiguration('/'), {
    message: '/ cannot be read: it is a folder, not a regular file',
  });
  const loop = join(t.testdir({ loop: t.fixture('symlink', 'loop') }), 'loop');
  await t.rejects(loadConfiguration(loop), {
    message: `${loop} cannot be read: its symbolic links lead in a circle`,
  });
  await t.rejects(loadConfiguration('/proc/self/stat/x'), {
    message:
      '/proc/self/stat/x cannot be read: a part of its path is a file where a folder should be',
  });
});
