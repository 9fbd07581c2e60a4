import { randomUUID } from 'node:crypto';

import t from 'tap';
import { kindOf } from '../../../src/bdev/kinds.js';
import { formatIssue } from '../../../src/config/issue.js';
import { parseConfiguration } from '../../../src/config/load.js';
import type { BdevParameters } from '../../../src/engine/engine-types.js';
import { Machine } from '../../../src/identity/machine.js';

const subnqn = 'nqn.2026-11.com.example:far0';

function parsed(keys: string) {
  const text = `version: 1
bdevs:
  - { name: far0, kind: nvmf, subnqn: "${subnqn}", ${keys} }
`;
  return parseConfiguration(text, '/etc/capsuled/config.yaml', [0]);
}

function wrong(keys: string): string[] {
  return parsed(keys)
    .issues.filter(({ severity }) => severity === 'error')
    .map((issue) => formatIssue(issue).replace(/^\S+ error: bdevs\[0\]\.?/, ''));
}

t.test('what is not written', async (t) => {
  t.strictSame(parsed('paths: [{ address: 192.0.2.1 }]').configuration?.target.bdevs[0], {
    name: 'far0',
    kind: 'nvmf',
    subnqn,
    nsid: 1,
    paths: [{ transport: 'tcp', address: '192.0.2.1', port: 4420 }],
    discovery: [],
    policy: 'active_passive',
    fast_io_fail: 60_000_000_000,
    controller_loss: 600_000_000_000,
    reconnect_delay: 2_000_000_000,
    keep_alive: 10_000_000_000,
    timeout: 30_000_000_000,
    header_digest: false,
    data_digest: false,
    queue_entries: 129,
  });
  const found = parsed('discovery: [{ address: "2001:db8::1" }], controller_loss: never');
  t.match(found.configuration?.target.bdevs[0], {
    paths: [],
    discovery: [{ transport: 'tcp', address: '2001:db8::1', port: 8009 }],
    controller_loss: -1,
  });
});

t.test('the ways to the subsystem are written, or are found', async (t) => {
  const path = 'paths: [{ address: 192.0.2.1 }]';
  t.strictSame(wrong(path), []);
  t.strictSame(wrong('nsid: 1'), [
    'paths: expected paths, because there is no "discovery", but there are none',
  ]);
  t.strictSame(wrong(`${path}, discovery: [{ address: 192.0.2.2 }]`), [
    'discovery: expected no "discovery", because there are "paths"',
  ]);
  t.strictSame(wrong('paths: [{ address: 192.0.2.1 }, { address: 192.0.2.1, port: 4420 }]'), [
    'paths[1]: expected each once, got 192.0.2.1:4420 again',
  ]);
  t.match(wrong('paths: [{ address: example.com }]')[0], /^paths\[0\]\.address: expected an IPv4/);
  const many = Array.from({ length: 17 }, (_, index) => `{ address: 192.0.2.${index + 1} }`);
  t.match(wrong(`paths: [${many.join(', ')}]`)[0], /^paths: expected/);
});

t.test('times', async (t) => {
  const path = 'paths: [{ address: 192.0.2.1 }]';
  t.strictSame(wrong(`${path}, fast_io_fail: never, controller_loss: never`), []);
  t.strictSame(wrong(`${path}, fast_io_fail: 0, keep_alive: 0`), []);
  t.strictSame(wrong(`${path}, keep_alive: 1s`), []);
  for (const little of ['1us', '999ms']) {
    t.strictSame(wrong(`${path}, keep_alive: ${little}`), [
      `keep_alive: expected 0, or a time of 1s or more, got ${little}`,
    ]);
  }
  t.match(wrong(`${path}, reconnect_delay: never`)[0], /^reconnect_delay: expected a time/);
  t.match(wrong(`${path}, fast_io_fail: 60`)[0], /^fast_io_fail: expected a time .*, or never/);
  t.match(wrong(`${path}, controller_loss: 10ms`)[0], /^controller_loss: expected/);
});

t.test('a host that is not named is known by its machine', async (t) => {
  const hostOf = (keys: Partial<BdevParameters>, id = 'a') => {
    const bdev = { name: 'far0', kind: 'nvmf', subnqn, ...keys } as BdevParameters;
    return kindOf('nvmf')!.ofMachine!(bdev, new Machine(id.repeat(32), true)) as {
      hostnqn: string;
      hostid: string;
    };
  };
  const own = hostOf({});
  t.match(own.hostnqn, /^nqn\.2014-08\.org\.nvmexpress:uuid:[0-9a-f-]{36}$/);
  t.ok(own.hostnqn.endsWith(own.hostid), 'as Linux has it');
  t.strictSame(hostOf({}), own);
  t.not(hostOf({}, 'b').hostnqn, own.hostnqn);
  const uuid = randomUUID();
  const hostnqn = `nqn.2014-08.org.nvmexpress:uuid:${uuid}`;
  t.strictSame(hostOf({ hostnqn }), { hostnqn, hostid: uuid });
  const named = hostOf({ hostnqn: 'nqn.2026-11.com.example:host' });
  t.not(named.hostid, own.hostid);
  t.not(hostOf({ hostnqn: 'nqn.2026-11.com.example:host' }, 'b').hostid, named.hostid);
  t.equal(hostOf({ hostnqn, hostid: own.hostid }).hostid, own.hostid);
});
