/**
 * A hostile peer, to be run by hand beside an honest one:
 *
 *     node dist/test/hostile/hostile.js KIND PORT [--nqn NQN] [--addresses 1] [--connections 64]
 *                                       [--queues 8] [--depth 1023] [--namespaces 1]
 *                                       [--pause 0] [--seconds 60] [--target 127.0.0.1]
 *
 * Keeps `connections` scripts going from each of `addresses` loopback addresses (127.1.x.y), and
 * begins one again, `pause` milliseconds later on average, when it ends. Some kinds are of hosts:
 * each script then is an admin queue and `queues` I/O queues with `depth` commands each, which take
 * turns among the first `namespaces` of the subsystem. Prints each second how many connections are
 * open, and how many scripts were begun.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { wholeHost } from './hostile-kind.js';
import { HostileLink } from './hostile-link.js';
import { hostileKinds } from './kinds.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    nqn: { type: 'string', default: '' },
    addresses: { type: 'string', default: '1' },
    connections: { type: 'string', default: '64' },
    queues: { type: 'string', default: `${wholeHost.queues}` },
    depth: { type: 'string', default: `${wholeHost.depth}` },
    namespaces: { type: 'string', default: `${wholeHost.namespaces}` },
    pause: { type: 'string', default: '0' },
    seconds: { type: 'string', default: '60' },
    target: { type: 'string', default: '127.0.0.1' },
  },
});
const [kindName = '', port = ''] = positionals;
const kind = hostileKinds[kindName];
if (kind === undefined || port === '' || (kind.needsSubsystem === true && values.nqn === '')) {
  const kinds = Object.entries(hostileKinds).map(
    ([name, { help, needsSubsystem = false, at }]) =>
      `  ${name.padEnd(14)} ${help}${needsSubsystem ? ' (needs --nqn)' : ''}` +
      (at === undefined ? '' : ' (PORT is that of admin.listen)'),
  );
  process.stderr.write(`expected KIND PORT [options], KIND one of\n${kinds.join('\n')}\n`);
  process.exit(2);
}
const target = { address: values.target, port: Number(port) };
const size = {
  queues: Number(values.queues),
  depth: Number(values.depth),
  namespaces: Number(values.namespaces),
};
let begun = 0;
const ending = new AbortController();
const links = new Set<HostileLink>();

async function pause(): Promise<void> {
  const milliseconds = Number(values.pause) * 2 * Math.random();
  await sleep(milliseconds, undefined, { signal: ending.signal }).catch(() => undefined);
}

async function keep(address: string): Promise<void> {
  while (!ending.signal.aborted) {
    const link = new HostileLink(target, address);
    begun += 1;
    links.add(link);
    await kind!.run(link, values.nqn, size);
    await link.over;
    links.delete(link);
    if (values.pause !== '0') await pause();
  }
}

const scripts: Promise<void>[] = [];
for (let index = 0; index < Number(values.addresses); index += 1) {
  const address = `127.1.${Math.floor(index / 250)}.${(index % 250) + 1}`;
  for (let count = 0; count < Number(values.connections); count += 1) scripts.push(keep(address));
}
for (let second = 1; second <= Number(values.seconds); second += 1) {
  await sleep(1000);
  const open = [...links].reduce((sum, link) => sum + link.connections, 0);
  const received = [...links].reduce((sum, link) => sum + link.received, 0);
  const line = `${second} s: ${open} open, ${begun} begun, ${received} PDUs received on these`;
  process.stdout.write(`${line}\n`);
}
ending.abort();
for (const link of links) link.destroy();
await Promise.all(scripts);
