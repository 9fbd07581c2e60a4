import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { describeBdev, kindSchemas } from '../../../src/bdev/kinds.js';
import { parseConfiguration } from '../../../src/config/load.js';
import { withKeys } from '../../../src/config/reference.js';
import type { BdevParameters } from '../../../src/engine/engine-types.js';
import { description } from './description.js';

const configurations: readonly BdevParameters[] = [
  { name: 'a', kind: 'malloc', size: 1n << 20n, block_size: 4096, disposable: true },
  {
    name: 'b',
    kind: 'null',
    size: 1n << 20n,
    block_size: 4096,
    qos: { iops: 10_000, write_bandwidth: 100n << 20n, burst: 2_000_000_000 },
  },
  {
    name: 'c',
    kind: 'uring',
    path: '/var/lib/c.img',
    size: 1n << 20n,
    create: true,
    read_only: false,
    block_size: 4096,
  },
  {
    name: 'd',
    kind: 'delay',
    base: 'a',
    read: 1_000_000,
    write: { average: 2_000_000, jitter: 500_000, p99: 20_000_000 },
    seed: 7,
  },
  {
    name: 'e',
    kind: 'error',
    base: 'b',
    faults: [
      {
        op: 'read',
        blocks: [0, 99],
        action: 'status',
        status: 'unrecovered_read',
        probability: 10_000_000,
        count: 10,
      },
      { op: 'all', action: 'hang' },
    ],
    seed: 0,
  },
  {
    name: 'f',
    kind: 'nvmf',
    subnqn: 'nqn.2026-11.com.example:far0',
    nsid: 3,
    hostnqn: 'nqn.2026-11.com.example:host',
    paths: [
      { transport: 'tcp', address: '192.0.2.1', port: 4420 },
      { transport: 'tcp', address: '2001:db8::1', port: 4421 },
    ],
    discovery: [],
    policy: 'round_robin',
    fast_io_fail: 30_000_000_000,
    controller_loss: -1,
    reconnect_delay: 500_000_000,
    keep_alive: 0,
    timeout: 20_000_000_000,
    header_digest: true,
    data_digest: false,
    queue_entries: 65,
  },
];

for (const parameters of configurations) {
  t.test(`what a ${parameters.kind} bdev says of itself recreates it`, async (t) => {
    const described = describeBdev(description(parameters), parameters);
    const bases = configurations
      .filter(({ name }) => name === parameters['base'])
      .map((base) => describeBdev(description(base), base));
    const text = JSON.stringify({ version: 1, bdevs: [...bases, described] });
    const { configuration: read } = parseConfiguration(text, '/c.yaml', [0]);
    t.strictSame(read?.target.bdevs.slice(bases.length), [parameters]);
  });
}

t.test('a file without a size takes that of the file', async (t) => {
  const text = 'version: 1\nbdevs: [{ name: f, kind: uring, path: /f }]';
  const { configuration } = parseConfiguration(text, '/c.yaml', [0]);
  t.notOk('size' in configuration!.target.bdevs[0]!);
});

t.test('every kind has a schema, a part in the engine with tests, and a manual', async (t) => {
  let root = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(root, 'binding.gyp'))) root = dirname(root);
  const kinds = [...kindSchemas().keys()].sort();
  const folders = readdirSync(join(root, 'addon/bdev'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);
  t.strictSame(folders.sort(), kinds, 'a folder in the engine');
  const manuals = readdirSync(join(root, 'docs/reference/bdev'));
  t.strictSame(manuals.sort(), kinds.map((kind) => `${kind}.md`).sort());
  for (const [kind, schema] of kindSchemas()) {
    t.ok(existsSync(join(root, `addon/bdev/${kind}/${kind}_bdev_test.cc`)), `${kind}: tests`);
    const manual = readFileSync(join(root, `docs/reference/bdev/${kind}.md`), 'utf8');
    t.equal(withKeys(manual, schema, '../'), manual, `${kind}: the manual has its keys`);
    t.match(manual, new RegExp(`kind: "?${kind}"?`), `${kind}: the manual has an example`);
  }
});
