import t from 'tap';
import { countSteps, overgrown } from '../work.js';
import { describeConfiguration } from '../../../src/config/describe.js';
import { parseConfiguration } from '../../../src/config/load.js';

const list = (count: number, line: (index: number) => string): string =>
  Array.from({ length: count }, (_none, index) => line(index)).join('\n');

/** Each with its own bdev, namespace and listeners. */
function subsystems(count: number, bdev: (index: number) => string, listeners: string): string {
  return `subsystems:
${list(
  count,
  (index) => `  - nqn: nqn.2026-11.com.example:disk${index}
    hosts: [nqn.2026-11.com.example:host${index}, nqn.2026-11.com.example:other${index}]
    listeners: [${listeners.replaceAll('#', index.toString(16))}]
    namespaces: [{ nsid: 1, bdev: ${bdev(index)} }]`,
)}
`;
}

function bdevs(count: number): string {
  return `version: 1
bdevs:
${list(count, (index) => `  - { name: ram${index}, kind: malloc, size: 1MiB }`)}
`;
}

const ipv6 = ['0', '1', '2', '3']
  .map((part) => `{ address: "2001:db8:0:0:${part}:0:0:#", port: 4420 }`)
  .join(', ');
const ram = (index: number): string => `ram${index}`;

/** Configurations of a size, and whether they are valid. */
const shapes: Readonly<
  Record<string, readonly [isValid: boolean, text: (size: number) => string]>
> = {
  'IPv6 listeners': [true, (size) => bdevs(size) + subsystems(size, ram, ipv6)],
  'shared listeners': [
    true,
    (size) => bdevs(size) + subsystems(size, ram, '{ address: 127.0.0.1, port: 4420 }'),
  ],
  'listeners that overlap': [
    false,
    (size) => bdevs(size) + subsystems(size, ram, `${ipv6}, { address: "::", port: 4420 }`),
  ],
  'names of no bdev': [
    false,
    (size) => bdevs(size) + subsystems(size, (index) => `missing${index}`, ipv6),
  ],
  'one bdev for all': [false, (size) => bdevs(size) + subsystems(size, () => 'ram0', ipv6)],
  'the same bdev again and again': [
    false,
    (size) =>
      `version: 1\nbdevs:\n${list(size, () => '  - { name: a, kind: "null", size: 1MiB }')}`,
  ],
  aliases: [
    true,
    (size) => `version: 1
bdevs: []
subsystems:
${list(
  size,
  (index) => `  - nqn: &nqn${index} nqn.2026-11.com.example:disk${index}
    hosts: [*nqn${index}]
    listeners: &listeners${index} []
    namespaces: *listeners${index}`,
)}`,
  ],
  'unknown keys': [
    false,
    (size) => `version: 1\n${list(size, (index) => `key${index}: { key: [${index}] }`)}`,
  ],
  'bdevs of no kind': [
    false,
    (size) =>
      `version: 1\nbdevs:\n${list(size, (index) => `  - { name: a${index}, kind: x, size: 1 }`)}`,
  ],
};

for (const [name, [isValid, text]] of Object.entries(shapes)) {
  t.test(`${name}: what is read four times as long costs four times as much`, async (t) => {
    const read = (size: number): unknown => {
      const { issues, configuration } = parseConfiguration(text(size), 'c.yaml', [0, 1]);
      t.equal(configuration !== undefined, isValid, issues[0]?.message ?? 'no issue');
      return configuration;
    };
    // What is made once, at the first use, is no part of it.
    read(4);
    const once = await countSteps(() => read(50));
    const fourTimes = await countSteps(() => read(200));
    t.same(overgrown(once, fourTimes), []);
  });
}

t.test('a configuration is described in proportion to its size', async (t) => {
  const describe = (size: number): Promise<ReadonlyMap<string, number>> => {
    const text = bdevs(size) + subsystems(size, ram, ipv6);
    const { configuration } = parseConfiguration(text, 'c.yaml', [0, 1]);
    if (configuration === undefined) throw new Error('it is valid');
    return countSteps(() => describeConfiguration(configuration, configuration.target, []));
  };
  t.same(overgrown(await describe(25), await describe(100)), []);
});
