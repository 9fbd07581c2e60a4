import t from 'tap';
import { describeConfiguration } from '../../../src/config/describe.js';
import { parseConfiguration } from '../../../src/config/load.js';
import { soundHealth } from '../../../src/subsystem/bdev-condition.js';
import type { BdevView } from '../../../src/subsystem/views.js';
import { description } from '../bdev/description.js';

t.test('the configuration in force, written to a file, leads to the same daemon', async (t) => {
  const text = `version: 1
engine: { reactors: 1, idle_after: 75us, memory: 100MB }
admin: { listen: "[::1]:9000" }
bdevs: [{ name: r, kind: malloc, size: 2MiB, block_size: 4096 }]
subsystems:
  - nqn: nqn.2026-11.x:a
    serial: S1
    hosts: [nqn.h]
    listeners: [{ address: 127.0.0.1 }]
    namespaces: [{ nsid: 3, bdev: r, read_only: true, eui64: "0011223344556677" }]
`;
  const { configuration } = parseConfiguration(text, '/c.yaml', [0, 1]);
  const { target } = configuration!;
  const bdevs: BdevView[] = target.bdevs.map((parameters) => ({
    ...description(parameters),
    engineName: parameters.name,
    parameters,
    states: ['ok'],
    health: soundHealth,
    drive: null,
    paths: [],
    identity: {
      uuid: '0b6f6f2e-9f0e-4c0c-8a51-6d0f9d5a7a11',
      source: 'random',
      detail: 'in memory',
    },
    namespace: null,
  }));
  const written = JSON.stringify(describeConfiguration(configuration!, target, bdevs));
  const again = parseConfiguration(written, '/c.yaml', [0, 1]);
  t.strictSame(again.issues, []);
  t.strictSame(again.configuration, configuration);
});
