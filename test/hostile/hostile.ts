/**
 * A hostile peer, to be run by hand beside an honest one:
 *
 *     node dist/test/hostile/hostile.js KIND PORT [--nqn NQN] [--addresses 1] [--connections 64]
 *                                       [--seconds 60] [--target 127.0.0.1]
 *
 * Keeps `connections` scripts going from each of `addresses` loopback addresses (127.1.x.y), and
 * opens a connection again when one ends. Prints each second how many are open and were opened.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { HostileLink } from './hostile-link.js';
import { hostileKinds } from './kinds.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    nqn: { type: 'string', default: '' },
    addresses: { type: 'string', default: '1' },
    connections: { type: 'string', default: '64' },
    seconds: { type: 'string', default: '60' },
    target: { type: 'string', default: '127.0.0.1' },
  },
});
const [kindName = '', port = ''] = positionals;
const kind = hostileKinds[kindName];
if (kind === undefined || port === '' || (kind.needsSubsystem === true && values.nqn === '')) {
  const kinds = Object.entries(hostileKinds).map(
    ([name, { help, needsSubsystem = false }]) =>
      `  ${name.padEnd(14)} ${help}${needsSubsystem ? ' (needs --nqn)' : ''}`,
  );
  process.stderr.write(`expected KIND PORT [options], KIND one of\n${kinds.join('\n')}\n`);
  process.exit(2);
}
const target = { address: values.target, port: Number(port) };
let opened = 0;
let ending = false;
const links = new Set<HostileLink>();

async function keep(address: string): Promise<void> {
  while (!ending) {
    const link = new HostileLink(target, address);
    opened += 1;
    links.add(link);
    await kind!.run(link, values.nqn);
    await link.over;
    links.delete(link);
  }
}

const scripts: Promise<void>[] = [];
for (let index = 0; index < Number(values.addresses); index += 1) {
  const address = `127.1.${Math.floor(index / 250)}.${(index % 250) + 1}`;
  for (let count = 0; count < Number(values.connections); count += 1) scripts.push(keep(address));
}
for (let second = 1; second <= Number(values.seconds); second += 1) {
  await sleep(1000);
  const received = [...links].reduce((sum, link) => sum + link.received, 0);
  const line = `${second} s: ${links.size} open, ${opened} opened, ${received} PDUs received on these`;
  process.stdout.write(`${line}\n`);
}
ending = true;
for (const link of links) link.destroy();
await Promise.all(scripts);
