import t from 'tap';
import { bdevParameters, describeBdev, type BdevConfiguration } from '../../../src/bdev/kinds.js';
import { parseConfiguration } from '../../../src/config/load.js';
import { description } from './description.js';

const configurations: readonly BdevConfiguration[] = [
  { name: 'a', kind: 'malloc', size: 1n << 20n, block_size: 4096, disposable: true },
  { name: 'b', kind: 'null', size: 1n << 20n, block_size: 4096 },
  {
    name: 'c',
    kind: 'uring',
    path: '/var/lib/c.img',
    size: 1n << 20n,
    create: true,
    read_only: false,
    block_size: 4096,
  },
];

for (const configuration of configurations) {
  t.test(`what a ${configuration.kind} bdev says of itself recreates it`, async (t) => {
    const parameters = bdevParameters(configuration);
    const described = describeBdev(description(parameters), parameters);
    const text = JSON.stringify({ version: 1, bdevs: [described] });
    const { configuration: read } = parseConfiguration(text, '/c.yaml', [0]);
    t.strictSame(read?.target.bdevs, [parameters]);
  });
}

t.test('a file without a size takes that of the file', async (t) => {
  const text = 'version: 1\nbdevs: [{ name: f, kind: uring, path: /f }]';
  const { configuration } = parseConfiguration(text, '/c.yaml', [0]);
  t.notOk('size' in configuration!.target.bdevs[0]!);
});
