import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { engineChanges, kindSchemas, passingParameters } from '../../../src/bdev/kinds.js';
import { qosSchema } from '../../../src/bdev/qos.js';
import { formatIssue } from '../../../src/config/issue.js';
import { parseConfiguration } from '../../../src/config/load.js';
import { withKeys } from '../../../src/config/reference.js';
import type { SchemaNode } from '../../../src/config/schema-node.js';

let root = dirname(fileURLToPath(import.meta.url));
while (!existsSync(join(root, 'binding.gyp'))) root = dirname(root);
const page = readFileSync(join(root, 'docs/reference/qos.md'), 'utf8');

function read(bdevs: string) {
  const { configuration, issues } = parseConfiguration(`version: 1\n${bdevs}`, '/c.yaml', [0]);
  return { configuration, errors: issues.filter(({ severity }) => severity === 'error') };
}

function readLimits(qos: string) {
  return read(`bdevs: [{ name: a, kind: malloc, size: 1MiB, qos: ${qos} }]`);
}

t.test('every kind has limits, which can be changed while it is open', async (t) => {
  for (const [kind, { properties }] of kindSchemas()) {
    t.equal(properties?.['qos']?.['x-effect'], 'reload', kind);
  }
});

t.test('limits are read as the engine takes them, with the burst', async (t) => {
  const { configuration, errors } = readLimits('{ iops: 10000, bandwidth: 100MiB }');
  t.strictSame(errors, []);
  const [bdev] = configuration!.target.bdevs;
  t.strictSame(bdev?.['qos'], { iops: 10_000, bandwidth: 100n << 20n, burst: 100_000_000 });
  t.strictSame(engineChanges(bdev!)['qos'], bdev?.['qos']);
  t.ok('qos' in passingParameters(bdev!));
});

t.test('without limits the engine is told of none', async (t) => {
  const [bdev] = read('bdevs: [{ name: a, kind: malloc, size: 1MiB }]').configuration!.target.bdevs;
  t.notOk('qos' in bdev!);
  t.notOk('qos' in engineChanges(bdev!));
});

t.test('what cannot be meant is an error, and only one', async (t) => {
  const issues = (qos: string) =>
    readLimits(qos).errors.map(({ path, message }) => [path, message]);
  const none = 'expected at least one of iops, bandwidth, read_bandwidth, write_bandwidth';
  t.strictSame(issues('{}'), [['bdevs[0].qos', none]]);
  t.strictSame(issues('{ burst: 1s }'), [['bdevs[0].qos', none]]);
  const at = (qos: string) => issues(qos).map(([path]) => path);
  t.strictSame(at('{ iops: 0 }'), ['bdevs[0].qos.iops']);
  t.strictSame(at('{ iops: 1000000001 }'), ['bdevs[0].qos.iops']);
  t.strictSame(at('{ bandwidth: 4095 }'), ['bdevs[0].qos.bandwidth']);
  t.strictSame(at('{ read_bandwidth: 2TiB }'), ['bdevs[0].qos.read_bandwidth']);
  t.strictSame(at('{ iops: 5, burst: 9ms }'), ['bdevs[0].qos.burst']);
  t.strictSame(at('{ iops: 5, brust: 1s }'), ['bdevs[0].qos.brust']);
  t.strictSame(at('10000'), ['bdevs[0].qos']);
});

t.test('limits of a namespace are those of its bdev, and written once', async (t) => {
  const file = (bdevQos: string, qos: string) => `bdevs:
  - { name: a, kind: malloc, size: 1MiB${bdevQos} }
  - { name: b, kind: malloc, size: 1MiB }
subsystems:
  - nqn: nqn.2026-01.org.example:a
    namespaces:
      - { nsid: 1, bdev: a${qos} }
      - { nsid: 2, bdev: b }`;
  const { configuration, errors } = read(file('', ', qos: { iops: 5 }'));
  t.strictSame(errors, []);
  const [a, b] = configuration!.target.bdevs;
  t.strictSame(a?.['qos'], { iops: 5, burst: 100_000_000 });
  t.notOk('qos' in b!);
  t.strictSame(read(file(', qos: { iops: 6 }', ', qos: { iops: 5 }')).errors.map(formatIssue), [
    '/c.yaml:8:34: error: subsystems[0].namespaces[0].qos: expected limits of the namespace or of its bdev, got both; line 3 has those of the bdev',
  ]);
  const [missing] = read(file('', ', qos: { burst: 1s }')).errors;
  t.equal(missing?.path, 'subsystems[0].namespaces[0].qos');
});

t.test('the page has its keys, and examples that can be used', async (t) => {
  t.equal(withKeys(page, qosSchema as SchemaNode, ''), page);
  const examples = [...page.matchAll(/```yaml\n([^]*?)```/g)].map(([, text = '']) => text);
  t.ok(examples.length >= 2);
  for (const example of examples) {
    t.strictSame(read(example).errors.map(formatIssue), [], example);
  }
});
